//! Reading a packed blob: the frames that a range touches, one after the other.
//!
//! Packed bytes are asked for some frames at a time, so that a bucket's delay counts little; they
//! are unpacked one frame at a time, as the reader takes them.
//!
//! Never: unpacks on the event loop, or asks for frames beyond the range.

use std::ops::Range;

use bytes::Bytes;
use zstd::bulk::Decompressor;

use super::super::Blobs;
use super::super::publishing::off_the_loop;
use super::FRAME_BYTES;
use super::table::{Table, damaged};
use crate::journal::{Error, Result};
use crate::keys::BlobKey;

const GONE: Error = Error::Away("what was there is gone");

/// The frames of one blob, for ranges that follow each other.
pub(in super::super) struct Frames {
    plain_bytes: u64,
    table: Option<Table>,
    /// Packed bytes of the next frames.
    packed: Bytes,
}

impl Frames {
    /// Of a blob that holds so many plain bytes.
    pub(in super::super) fn of(plain_bytes: u64) -> Self {
        Self {
            plain_bytes,
            table: None,
            packed: Bytes::new(),
        }
    }

    /// The first plain bytes of a range that is not empty, as far as one frame has them. The next
    /// range begins where they end, and ends where this one does.
    pub(in super::super) async fn next(
        &mut self,
        (blobs, key): (&dyn Blobs, &BlobKey),
        range: &Range<u64>,
        piece_bytes: u64,
    ) -> Result<Bytes> {
        if range.end > self.plain_bytes {
            return Err(damaged("is shorter than what was asked of it"));
        }
        let table = match self.table.take() {
            Some(table) => table,
            None => read_table((blobs, key), self.plain_bytes).await?,
        };
        let table = self.table.insert(table);
        let frame = (range.start / FRAME_BYTES) as usize;
        // Taken out until the frame is unpacked: whoever asks again after an error, or after not
        // waiting for the end, begins with the right one.
        let mut packed = std::mem::take(&mut self.packed);
        if packed.is_empty() {
            let asked = packed_range(table, frame, range.end, piece_bytes)?;
            packed = read((blobs, key), asked).await?;
        }
        let one = packed.split_to(table.packed_len(frame)? as usize);
        let plain_len = table.plain_len(frame) as usize;
        let plain = off_the_loop(move || unpack(&one, plain_len)).await?;
        self.packed = packed;
        let start = frame as u64 * FRAME_BYTES;
        let end = range.end.min(start + plain.len() as u64);
        Ok(plain.slice((range.start - start) as usize..(end - start) as usize))
    }
}

/// The packed bytes of a frame and of those behind it that hold plain bytes before `end`, as far as
/// they fit into a piece.
fn packed_range(table: &Table, first: usize, end: u64, piece_bytes: u64) -> Result<Range<u64>> {
    let start = table.start_of(first);
    let mut asked = start..start + table.packed_len(first)?;
    for frame in first + 1..end.div_ceil(FRAME_BYTES) as usize {
        let next_end = asked.end + table.packed_len(frame)?;
        if next_end - start > piece_bytes {
            break;
        }
        asked.end = next_end;
    }
    Ok(asked)
}

async fn read_table((blobs, key): (&dyn Blobs, &BlobKey), plain_bytes: u64) -> Result<Table> {
    let table_bytes = Table::bytes_of(plain_bytes)?;
    let blob_bytes = blobs.head(key).await?.ok_or(GONE)?.bytes;
    let start = blob_bytes.checked_sub(table_bytes);
    let start = start.ok_or_else(|| damaged("is shorter than its table"))?;
    let bytes = read((blobs, key), start..blob_bytes).await?;
    Table::read(&bytes, plain_bytes, blob_bytes)
}

async fn read((blobs, key): (&dyn Blobs, &BlobKey), range: Range<u64>) -> Result<Bytes> {
    let found = blobs.get(key, Some(range.clone())).await?.ok_or(GONE)?;
    match found.len() as u64 == range.end - range.start {
        true => Ok(found),
        false => Err(Error::Away("what is there is shorter than it was")),
    }
}

/// The bytes of one frame; never more than it is to have.
fn unpack(packed: &[u8], plain_len: usize) -> Result<Bytes> {
    let mut plain = Vec::with_capacity(plain_len);
    let unpacked = Decompressor::default().decompress_to_buffer(packed, &mut plain);
    match unpacked {
        Ok(length) if length == plain_len => Ok(plain.into()),
        Ok(_) => Err(damaged("has a frame of another length")),
        Err(error) => Err(damaged(&format!("has a damaged frame: {error}"))),
    }
}
