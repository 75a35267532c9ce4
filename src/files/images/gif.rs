//! GIF, block by block: frames and how they follow each other stay, words and strangers' blocks go,
//! and so does what stands behind the end.
//!
//! Invariants: looks at each byte once; what is passed on ends with the trailer.
//! Never: decodes a frame.

use bytes::Bytes;
use image::metadata::Orientation;

use super::parts::Parts;
use super::{Fault, NO_PICTURE, Stripped};

const TRAILER: u8 = 0x3B;
const FRAME: u8 = 0x2C;
const EXTENSION: u8 = 0x21;
/// How the next frame is shown.
const CONTROL: u8 = 0xF9;
const APPLICATION: u8 = 0xFF;
/// Applications' blocks that belong to the picture: how often it repeats, and its colours.
const APPLICATIONS: [&[u8]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];
const HEAD_BYTES: usize = 13;

/// Walks over the blocks; it is no picture if there is no frame.
pub(super) fn strip(whole: &Bytes) -> Result<Stripped, Fault> {
    let head = whole.get(..HEAD_BYTES).ok_or(NO_PICTURE)?;
    if !head.starts_with(b"GIF87a") && !head.starts_with(b"GIF89a") {
        return Err(NO_PICTURE);
    }
    let side = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let pixels = (side(6), side(8));
    let mut at = HEAD_BYTES + table_bytes(head[10]);
    let mut kept = Vec::new();
    kept.push(0..at);
    let mut frame_count = 0;
    let mut parts = Parts::default();
    // A block that is cut off or unknown is where the picture ends for whoever shows it, too.
    while let Some(block) = block(whole, at) {
        parts.meet()?;
        if block.is_kept {
            kept.push(at..block.end);
        }
        frame_count += usize::from(whole[at] == FRAME);
        at = block.end;
    }
    if frame_count == 0 || pixels.0 == 0 || pixels.1 == 0 {
        return Err(NO_PICTURE);
    }
    let mut pieces = joined(whole, kept);
    pieces.push(Bytes::from_static(&[TRAILER]));
    Ok(Stripped {
        pieces,
        pixels,
        orientation: Orientation::NoTransforms,
        frame_count,
        scan_count: 0,
    })
}

struct Block {
    end: usize,
    is_kept: bool,
}

/// The block that begins here; `None` at the trailer and where there is none.
fn block(whole: &[u8], at: usize) -> Option<Block> {
    match *whole.get(at)? {
        FRAME => {
            const DESCRIPTION_BYTES: usize = 10;
            const CODE_BYTES: usize = 1;
            let packed = *whole.get(at + DESCRIPTION_BYTES - 1)?;
            let start = at + DESCRIPTION_BYTES + table_bytes(packed) + CODE_BYTES;
            let end = chain_end(whole, start)?;
            Some(Block { end, is_kept: true })
        }
        EXTENSION => {
            let label = *whole.get(at + 1)?;
            let end = chain_end(whole, at + 2)?;
            let name = whole.get(at + 3..at + 14).unwrap_or_default();
            let is_kept = match label {
                CONTROL => true,
                APPLICATION => APPLICATIONS.contains(&name),
                _ => false,
            };
            Some(Block { end, is_kept })
        }
        _ => None,
    }
}

/// Behind a chain of small blocks, each with its length before it, that an empty one ends.
fn chain_end(whole: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*whole.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// Length of a table of colours, by the byte that announces it.
fn table_bytes(packed: u8) -> usize {
    match packed & 0x80 {
        0 => 0,
        _ => 3 << ((packed & 0x07) + 1),
    }
}

/// As few pieces as there are gaps.
fn joined(whole: &Bytes, kept: Vec<std::ops::Range<usize>>) -> Vec<Bytes> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for range in kept {
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    let inside =
        |range: std::ops::Range<usize>| whole.slice(range.start..range.end.min(whole.len()));
    ranges.into_iter().map(inside).collect()
}
