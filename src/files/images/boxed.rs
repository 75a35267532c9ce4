//! HEIC, HEIF and AVIF: what is private stands in items of its own, listed in the box `meta`, and
//! in boxes that no picture needs. They are blanked where they stand, since everything else is
//! found by its distance from the start.
//!
//! Invariants: no byte moves; a list that cannot be followed makes the file no picture.
//! Never: decodes a pixel. How such a picture is turned is no tag of Exif and stays.

use std::ops::Range;

use bytes::Bytes;

use super::parts::Parts;
use super::{Fault, NO_PICTURE};

/// Exif without an entry, as the item holds it: where the tags begin, and that there are none.
const NO_TAGS: &[u8] = b"\0\0\0\0II*\0\x08\0\0\0\0\0\0\0\0\0";

/// The file with its private items blanked; it is no picture if they cannot be found.
pub(super) fn strip(whole: &Bytes) -> Result<Vec<Bytes>, Fault> {
    let mut parts = Parts::default();
    let mut blanked = Vec::new();
    for found in boxes(whole, 0..whole.len(), &mut parts)? {
        match &found.kind {
            b"meta" => {
                let ranges = private_ranges(whole, &found.contents, &mut parts)?;
                blanked.extend(ranges.into_iter().map(Blanked::of));
            }
            // What others wrote, what is left over, and the film of a picture that moves.
            b"uuid" | b"free" | b"skip" | b"mpvd" => blanked.push(Blanked::of(found.contents)),
            b"udta" => blanked.extend(Blanked::freed(found)),
            b"moov" => blanked.extend(words_of_film(whole, found.contents, &mut parts)?),
            _ => {}
        }
    }
    blanked.sort_unstable_by_key(|blanked| blanked.range.start);
    let mut pieces = Vec::new();
    let mut at = 0;
    for Blanked { range, first } in blanked {
        // Two items may share bytes.
        let start = range.start.max(at);
        if start < range.end {
            pieces.push(whole.slice(at..start));
            pieces.push(blank(start, &range, first));
            at = range.end;
        }
    }
    pieces.push(whole.slice(at..));
    Ok(pieces)
}

/// What is told of the pictures of a sequence beside how they are shown: where, with what, by whom.
/// All else in the box `moov` is needed to play them.
fn words_of_film(
    whole: &[u8],
    film: Range<usize>,
    parts: &mut Parts,
) -> Result<Vec<Blanked>, Fault> {
    let mut blanked = Vec::new();
    for found in boxes(whole, film, parts)? {
        match &found.kind {
            b"udta" | b"meta" => blanked.extend(Blanked::freed(found)),
            b"trak" => {
                let mut inner = boxes(whole, found.contents, parts)?;
                inner.retain(|found| [b"udta", b"meta"].contains(&&found.kind));
                blanked.extend(inner.into_iter().flat_map(Blanked::freed));
            }
            _ => {}
        }
    }
    Ok(blanked)
}

/// A range that is blanked, and what is written at its start if there is room.
struct Blanked {
    range: Range<usize>,
    first: &'static [u8],
}

impl Blanked {
    fn of(range: Range<usize>) -> Self {
        let first = NO_TAGS;
        Self { range, first }
    }

    /// A box that is listed as left over, too: one of its kind may not be empty.
    fn freed(found: Found) -> [Self; 2] {
        let kind = Self {
            range: found.kind_at..found.kind_at + found.kind.len(),
            first: b"free",
        };
        [kind, Self::of(found.contents)]
    }
}

fn blank(start: usize, range: &Range<usize>, first: &[u8]) -> Bytes {
    let mut zeros = vec![0; range.end - start];
    if start == range.start && zeros.len() >= first.len() {
        zeros[..first.len()].copy_from_slice(first);
    }
    zeros.into()
}

struct Found {
    kind: [u8; 4],
    kind_at: usize,
    contents: Range<usize>,
}

/// The boxes that stand one behind the other in a part of the file; it is no picture if one is
/// longer than that part.
fn boxes(whole: &[u8], part: Range<usize>, parts: &mut Parts) -> Result<Vec<Found>, Fault> {
    let mut boxes = Vec::new();
    let mut rest = Reader {
        whole,
        at: part.start,
        end: part.end,
    };
    while rest.at < rest.end {
        parts.meet()?;
        let start = rest.at;
        let size = rest.number(4)?;
        let kind_at = rest.at;
        let kind = rest.take(4)?.try_into().map_err(|_| NO_PICTURE)?;
        let size = match size {
            0 => part.end - start,
            1 => length(rest.number(8)?)?,
            size => length(size)?,
        };
        let end = start.checked_add(size).ok_or(NO_PICTURE)?;
        if end < rest.at || end > part.end {
            return Err(NO_PICTURE);
        }
        let contents = rest.at..end;
        boxes.push(Found {
            kind,
            kind_at,
            contents,
        });
        rest.at = end;
    }
    Ok(boxes)
}

/// A number of bytes, which may stand where this machine could hold none.
fn length(number: u64) -> Result<usize, Fault> {
    usize::try_from(number).map_err(|_| NO_PICTURE)
}

/// Where the private items of a `meta` box stand in the file.
fn private_ranges(
    whole: &[u8],
    meta: &Range<usize>,
    parts: &mut Parts,
) -> Result<Vec<Range<usize>>, Fault> {
    const VERSION_BYTES: usize = 4;
    let inner = boxes(whole, meta.start + VERSION_BYTES..meta.end, parts)?;
    let find = |kind: &[u8; 4]| inner.iter().find(|found| &found.kind == kind);
    let (Some(names), Some(places)) = (find(b"iinf"), find(b"iloc")) else {
        return Ok(Vec::new());
    };
    let private = private_items(whole, &names.contents, parts)?;
    if private.is_empty() {
        return Ok(Vec::new());
    }
    let own_start = find(b"idat").map(|found| found.contents.start);
    ranges_of(whole, &places.contents, (&private, own_start), parts)
}

/// The numbers of items that hold tags and words instead of pixels, in order and each once.
fn private_items(whole: &[u8], names: &Range<usize>, parts: &mut Parts) -> Result<Vec<u64>, Fault> {
    let mut head = Reader::new(whole, names);
    let version = head.number(4)? >> 24;
    head.number(if version == 0 { 2 } else { 4 })?;
    let mut private = Vec::new();
    for entry in boxes(whole, head.at..names.end, parts)? {
        let mut entry = Reader::new(whole, &entry.contents);
        // Older forms know no kinds of items, and were never written for pictures.
        let id_bytes = match entry.number(4)? >> 24 {
            2 => 2,
            3 => 4,
            _ => continue,
        };
        let item = entry.number(id_bytes)?;
        entry.number(2)?;
        if [&b"Exif"[..], b"mime"].contains(&entry.take(4)?) {
            private.push(item);
        }
    }
    private.sort_unstable();
    private.dedup();
    Ok(private)
}

/// Where these items stand, by the table of places. As many places may be listed as items: the
/// numbers are in order, so that each place costs a few steps.
fn ranges_of(
    whole: &[u8],
    places: &Range<usize>,
    (private, own_start): (&[u64], Option<usize>),
    parts: &mut Parts,
) -> Result<Vec<Range<usize>>, Fault> {
    let mut table = Reader::new(whole, places);
    let version = table.number(4)? >> 24;
    let sizes = table.number(2)?;
    let bytes_of = |shift: u32| usize::from((sizes >> shift & 0x0F) as u8);
    let (offset_bytes, length_bytes, base_bytes) = (bytes_of(12), bytes_of(8), bytes_of(4));
    let index_bytes = if version == 0 { 0 } else { bytes_of(0) };
    let id_bytes = if version < 2 { 2 } else { 4 };
    let mut ranges = Vec::new();
    for _ in 0..table.number(id_bytes)? {
        parts.meet()?;
        let is_private = private.binary_search(&table.number(id_bytes)?).is_ok();
        let method = if version == 0 {
            0
        } else {
            table.number(2)? & 0x0F
        };
        table.number(2)?;
        let base = table.number(base_bytes)?;
        for _ in 0..table.number(2)? {
            parts.meet()?;
            table.number(index_bytes)?;
            let offset = base.checked_add(table.number(offset_bytes)?);
            let offset = length(offset.ok_or(NO_PICTURE)?)?;
            let size = length(table.number(length_bytes)?)?;
            if !is_private {
                continue;
            }
            let from = match method {
                0 => 0,
                1 => own_start.ok_or(NO_PICTURE)?,
                _ => return Err(NO_PICTURE),
            };
            let start = usize::checked_add(from, offset).ok_or(NO_PICTURE)?;
            let end = start.checked_add(size).ok_or(NO_PICTURE)?;
            if size == 0 || end > whole.len() {
                return Err(NO_PICTURE);
            }
            ranges.push(start..end);
        }
    }
    Ok(ranges)
}

/// Numbers, one behind the other, the larger bytes first.
struct Reader<'a> {
    whole: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(whole: &'a [u8], part: &Range<usize>) -> Self {
        Self {
            whole,
            at: part.start,
            end: part.end,
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.end);
        let taken = end.and_then(|end| self.whole.get(self.at..end));
        let taken = taken.ok_or(NO_PICTURE)?;
        self.at += count;
        Ok(taken)
    }

    /// Of up to eight bytes; none are the number 0.
    fn number(&mut self, count: usize) -> Result<u64, Fault> {
        if count > 8 {
            return Err(NO_PICTURE);
        }
        let bytes = self.take(count)?;
        let shift = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Ok(bytes.iter().fold(0, shift))
    }
}
