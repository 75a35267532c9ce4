//! The table behind the frames: how long each is, packed and plain.
//!
//! Little-endian: the head of a skippable frame (its magic number and the length of the rest, four
//! bytes each), four and four bytes for each frame, and a foot of nine bytes: the number of frames,
//! flags, and a magic number.
//!
//! Invariants: a table that is read fits the lengths that are known without it, or is refused.
//!
//! Never: allocates by what a table says.

use super::{FRAME_BYTES, frame_count, frame_packed_bytes_max};
use crate::journal::{Error, Result};

const SKIPPED_MAGIC: u32 = 0x184D_2A5E;
const FOOT_MAGIC: u32 = 0x8F92_EAB1;
const HEAD_BYTES: usize = 8;
const ENTRY_BYTES: usize = 8;
const FOOT_BYTES: usize = 9;
/// No checksums in the table: the frames have them.
const FLAGS: u8 = 0;

/// How long the frames of a blob are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    packed: Vec<u32>,
    plain_bytes: u64,
}

impl Table {
    /// How long the table of so many plain bytes is, bytes.
    ///
    /// # Errors
    /// When no blob of so many is packed.
    pub(super) fn bytes_of(plain_bytes: u64) -> Result<u64> {
        let count = frame_count(plain_bytes).ok_or_else(|| damaged("is of no packed length"))?;
        Ok((HEAD_BYTES + count * ENTRY_BYTES + FOOT_BYTES) as u64)
    }

    /// Of frames that were written.
    pub(super) fn new(packed: Vec<u32>, plain_bytes: u64) -> Self {
        debug_assert_eq!(Some(packed.len()), frame_count(plain_bytes));
        Self {
            packed,
            plain_bytes,
        }
    }

    /// As it is written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let count = self.packed.len();
        let rest = (count * ENTRY_BYTES + FOOT_BYTES) as u32;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + rest as usize);
        bytes.extend_from_slice(&SKIPPED_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&rest.to_le_bytes());
        for (frame, packed) in self.packed.iter().enumerate() {
            bytes.extend_from_slice(&packed.to_le_bytes());
            bytes.extend_from_slice(&(self.plain_len(frame) as u32).to_le_bytes());
        }
        bytes.extend_from_slice(&(count as u32).to_le_bytes());
        bytes.push(FLAGS);
        bytes.extend_from_slice(&FOOT_MAGIC.to_le_bytes());
        bytes
    }

    /// Reads the end of a blob of `blob_bytes` that is to hold so many plain bytes.
    ///
    /// # Errors
    /// When it is no such table.
    pub(super) fn read(bytes: &[u8], plain_bytes: u64, blob_bytes: u64) -> Result<Self> {
        let table_bytes = Self::bytes_of(plain_bytes)?;
        if bytes.len() as u64 != table_bytes {
            return Err(damaged("has a table of another length"));
        }
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let (entries, foot) = rest.split_at(rest.len() - FOOT_BYTES);
        let count = entries.len() / ENTRY_BYTES;
        let is_framed = number(head, 0) == SKIPPED_MAGIC
            && number(head, 4) as usize == rest.len()
            && number(foot, 0) as usize == count
            && foot[4] == FLAGS
            && number(foot, 5) == FOOT_MAGIC;
        if !is_framed {
            return Err(damaged("has no table at its end"));
        }
        let pairs = entries.chunks_exact(ENTRY_BYTES);
        let packed = pairs.clone().map(|pair| number(pair, 0)).collect();
        let table = Self::new(packed, plain_bytes);
        let is_plain = |(frame, pair)| u64::from(number(pair, 4)) == table.plain_len(frame);
        let is_bounded =
            |packed: &u32| (1..=frame_packed_bytes_max()).contains(&(*packed as usize));
        if !pairs.enumerate().all(is_plain) || !table.packed.iter().all(is_bounded) {
            return Err(damaged("has a table of impossible frames"));
        }
        if table.start_of(count) + table_bytes != blob_bytes {
            return Err(damaged("is not as long as its table says"));
        }
        Ok(table)
    }

    /// Plain bytes of a frame.
    pub(super) fn plain_len(&self, frame: usize) -> u64 {
        let start = frame as u64 * FRAME_BYTES;
        self.plain_bytes.saturating_sub(start).min(FRAME_BYTES)
    }

    /// Where a frame begins in the blob.
    pub(super) fn start_of(&self, frame: usize) -> u64 {
        let before = self.packed.iter().take(frame);
        before.map(|packed| u64::from(*packed)).sum()
    }

    /// Packed bytes of a frame.
    pub(super) fn packed_len(&self, frame: usize) -> Result<u64> {
        let packed = self.packed.get(frame).copied().map(u64::from);
        packed.ok_or_else(|| damaged("is shorter than what was asked of it"))
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes[at..at + 4].try_into();
    u32::from_le_bytes(four.expect("four bytes are four bytes"))
}

/// What is wrong with a packed blob.
pub(super) fn damaged(what: &str) -> Error {
    Error::Damaged(format!("a packed blob {what}"))
}
