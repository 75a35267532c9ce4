//! gzip and tar: read from front to end, once.
//!
//! Invariants: every name and every link by which some program may know an entry is judged.
//! Never: follows a link.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use super::ahead::Ahead;
use super::budget::Counted;
use super::{Finding, Packing, Place, Strictness, Walk, ahead, names};

impl Walk {
    /// One packed file, or several one behind the other that are one.
    pub(super) fn look_into_gzip(&mut self, file: File, place: &Place) -> Result<(), Finding> {
        self.budget.take_entries(1)?;
        self.check_name(&place.stem, place)?;
        let packed_bytes = file.metadata()?.len();
        let inflated = MultiGzDecoder::new(BufReader::new(file));
        let mut source = Counted::new(inflated, packed_bytes, Rc::clone(&self.budget));
        self.look_at(&place.stem, Packing::Packed, &mut source, place)
    }

    pub(super) fn look_into_tar<R: Read>(
        &mut self,
        source: R,
        place: &Place,
    ) -> Result<(), Finding> {
        let mut archive = Archive::new(source);
        let mut long_name = None;
        // Raw: otherwise the library reads names of any length into memory.
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.budget.take_entries(1)?;
            let kind = entry.header().entry_type();
            if let Some(said) = ahead::read(&mut entry, kind)? {
                self.check_ahead(&said, place)?;
                long_name = said.next_name().or(long_name);
                continue;
            }
            let own_name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            // What programs see that know nothing of names ahead; cut off it says nothing.
            let is_cut = entry.header().as_old().name.last() != Some(&0);
            if long_name.is_none() || !is_cut {
                self.check_name(&own_name, place)?;
            }
            let name = long_name.take().unwrap_or(own_name);
            if self.strictness == Strictness::Harmless {
                check_kind(&entry, kind)?;
            }
            self.look_at(&name, Packing::AsIs, &mut entry, place)?;
        }
        Ok(())
    }

    fn check_ahead(&self, said: &Ahead, place: &Place) -> Result<(), Finding> {
        for name in &said.names {
            self.check_name(name, place)?;
        }
        if self.strictness == Strictness::NoBomb {
            return Ok(());
        }
        if said.is_ambiguous {
            return Err(Finding::Broken);
        }
        said.links.iter().try_for_each(|target| check_link(target))
    }
}

/// Whether a file begins with the head of a tar's entry: a word in it says so since POSIX, before
/// that only its sum, which most programs make of the bytes as they are and some of signed ones.
pub(super) fn is_tar(start: &[u8]) -> bool {
    const HEAD_BYTES: usize = 512;
    const SIZE: Range<usize> = 124..136;
    const SUM: Range<usize> = 148..156;
    const KIND_AT: usize = 156;
    const MAGIC_AT: usize = 257;
    /// The mark of a size that is not written in digits.
    const IN_BYTES: u8 = 0x80;
    if start
        .get(MAGIC_AT..)
        .is_some_and(|rest| rest.starts_with(b"ustar"))
    {
        return true;
    }
    let Some(head) = start.get(..HEAD_BYTES) else {
        return false;
    };
    let is_known = matches!(head[KIND_AT], 0 | b'0'..=b'7' | b'A'..=b'Z' | b'g' | b'x');
    let has_size = octal(&head[SIZE]).is_some() || head[SIZE.start] & IN_BYTES != 0;
    if head[0] == 0 || !is_known || !has_size {
        return false;
    }
    let summed = || {
        let blank = [b' '; SUM.end - SUM.start];
        let around = head[..SUM.start].iter().chain(&head[SUM.end..]);
        around.copied().chain(blank)
    };
    let plain: i64 = summed().map(i64::from).sum();
    let signed: i64 = summed().map(|byte| i64::from(byte.cast_signed())).sum();
    octal(&head[SUM]).is_some_and(|stated| stated == plain || stated == signed)
}

/// A number in digits of eight, with spaces before it and a space, a zero byte or nothing behind.
fn octal(field: &[u8]) -> Option<i64> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' '));
    let digits = &digits[..end.unwrap_or(digits.len())];
    i64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// Files, folders, and links that stay inside; devices are nothing to send.
fn check_kind<R: Read>(entry: &Entry<'_, R>, kind: EntryType) -> Result<(), Finding> {
    match kind {
        EntryType::Symlink | EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default();
            check_link(&String::from_utf8_lossy(&target))
        }
        // More heads follow, which only some programs know to skip.
        EntryType::GNUSparse => Err(Finding::Broken),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Err(Finding::Runs),
        _ => Ok(()),
    }
}

fn check_link(target: &str) -> Result<(), Finding> {
    match names::leaves_folder(target) {
        true => Err(Finding::Leaves),
        false => Ok(()),
    }
}
