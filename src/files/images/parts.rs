//! How many parts a picture is made of, counted before it is taken apart: each part that is kept
//! takes some 300 bytes of memory, and most formats allow parts of four to twelve bytes.
//!
//! Invariants: reads lengths and nothing between them, and keeps no part; finds at least as many
//! parts as whoever takes the picture apart will.
//! Never: says whether it is a picture.

use super::{Fault, TOO_MUCH};

/// Parts of one picture: segments, chunks, blocks, boxes, places of items. Together they take half
/// of [`super::FILE_BYTES_MAX`]. The largest PNG has 8,192 chunks as most encoders cut it, an
/// animation two or three parts a frame, and a photo some hundreds.
pub(super) const PART_COUNT_MAX: usize = 100_000;

/// The parts that were met so far.
#[derive(Debug, Default)]
pub(super) struct Parts {
    count: usize,
}

impl Parts {
    /// Counts one.
    pub(super) fn meet(&mut self) -> Result<(), Fault> {
        self.meet_several(1)
    }

    fn meet_several(&mut self, count: usize) -> Result<(), Fault> {
        self.count = self.count.saturating_add(count);
        match self.count > PART_COUNT_MAX {
            true => Err(TOO_MUCH),
            false => Ok(()),
        }
    }
}

/// Counts the chunks of a PNG to its end.
pub(super) fn of_png(whole: &[u8]) -> Result<(), Fault> {
    const SIGNATURE_BYTES: usize = 8;
    /// Length, kind and checksum.
    const AROUND_BYTES: usize = 12;
    let mut parts = Parts::default();
    let mut at = SIGNATURE_BYTES;
    while let Some((length, kind)) = eight(whole, at) {
        parts.meet()?;
        if &kind == b"IEND" {
            break;
        }
        let length = u32::from_be_bytes(length) as usize;
        at = at.saturating_add(length).saturating_add(AROUND_BYTES);
    }
    Ok(())
}

/// Counts the chunks of a WebP. A list of chunks, which no picture needs, counts as all that could
/// stand in it.
pub(super) fn of_webp(whole: &[u8]) -> Result<(), Fault> {
    const HEAD_BYTES: usize = 12;
    const CHUNK_HEAD_BYTES: usize = 8;
    const LISTS: [&[u8; 4]; 3] = [b"RIFF", b"LIST", b"seqt"];
    let mut parts = Parts::default();
    let Some((_, stated)) = eight(whole, 0) else {
        return Ok(());
    };
    let end = CHUNK_HEAD_BYTES + u32::from_le_bytes(stated) as usize;
    let whole = &whole[..whole.len().min(end)];
    let mut at = HEAD_BYTES;
    while let Some((kind, length)) = eight(whole, at) {
        parts.meet()?;
        let length = u32::from_le_bytes(length) as usize;
        let padding = match LISTS.contains(&&kind) {
            true => {
                parts.meet_several(length / CHUNK_HEAD_BYTES)?;
                0
            }
            false => length % 2,
        };
        at = at.saturating_add(CHUNK_HEAD_BYTES + length + padding);
    }
    Ok(())
}

/// Counts the segments of a JPEG that stand before its pixels; those between its scans are met by
/// whoever walks over these.
pub(super) fn of_jpeg(whole: &[u8]) -> Result<Parts, Fault> {
    const MARK: u8 = 0xFF;
    const START_OF_SCAN: u8 = 0xDA;
    const END: u8 = 0xD9;
    let mut parts = Parts::default();
    let mut at = 2;
    while let Some(found) = position(whole, at, |byte| byte == MARK) {
        let Some(found) = position(whole, found, |byte| byte != MARK) else {
            break;
        };
        at = found + 1;
        match whole[found] {
            END => break,
            // What stands for nothing, restarts, and a start: none has a length.
            0x00..=0xBF | 0xD0..=0xD8 => {}
            marker => {
                parts.meet()?;
                let Some(length) = whole.get(at..at + 2) else {
                    break;
                };
                at += usize::from(u16::from_be_bytes([length[0], length[1]]));
                if marker == START_OF_SCAN {
                    break;
                }
            }
        }
    }
    Ok(parts)
}

fn position(whole: &[u8], from: usize, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = whole.get(from..)?;
    Some(from + rest.iter().position(|byte| is_it(*byte))?)
}

/// Two fields of four bytes.
fn eight(whole: &[u8], at: usize) -> Option<([u8; 4], [u8; 4])> {
    let (first, rest) = whole.get(at..)?.split_first_chunk()?;
    Some((*first, *rest.first_chunk()?))
}
