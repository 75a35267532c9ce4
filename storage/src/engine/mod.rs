//! Engines: one ordered space of keys each, with atomic batches and real syncs.
//!
//! Owns: the trait and its three implementations. What the rows mean is decided above, once.
//!
//! Invariants:
//! 1. A batch is all or nothing, after any crash.
//! 2. When `commit` answers, its batch and all before it last as [`Lasting`] says.
//! 3. No value is longer than [`VALUE_BYTES_MAX`]; the writer splits.
//!
//! Never: answers a read from a half-applied batch within one key.

pub(crate) mod fjall;
pub(crate) mod memory;
pub(crate) mod sled;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::journal::{Durability, Result};
use crate::keys::KeyRange;

/// Longest value, bytes, the same for every engine so that rows move between them unchanged. sled
/// puts leaves above some 128 KiB into files that it never syncs, and splits a leaf when it has
/// more than 16 rows, a moment later on a busy machine: 17 rows of 8 KiB were seen to be too many,
/// 31 of 4 KiB would be. Longer values of older stores are read as they are.
pub(crate) const VALUE_BYTES_MAX: usize = 4 * 1024;

/// How far a commit must have got when it answers, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lasting {
    /// Readable; lasts with some later commit.
    Later,
    /// With the operating system: survives the process.
    Handed,
    /// On disk: survives a power loss.
    Synced,
}

impl From<Durability> for Lasting {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Buffered => Lasting::Handed,
            Durability::Fsync => Lasting::Synced,
        }
    }
}

/// Writes that happen together. The last write to a key counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    writes: BTreeMap<Vec<u8>, Option<Bytes>>,
}

impl Batch {
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Bytes) {
        debug_assert!(value.len() <= VALUE_BYTES_MAX, "the writer splits values");
        self.writes.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// What this batch does to a key: `None` nothing, `Some(None)` removes it.
    pub(crate) fn staged(&self, key: &[u8]) -> Option<Option<&Bytes>> {
        self.writes.get(key).map(Option::as_ref)
    }

    pub(crate) fn writes(&self) -> impl Iterator<Item = (&Vec<u8>, Option<&Bytes>)> {
        self.writes.iter().map(|(key, value)| (key, value.as_ref()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// Rows of one commit while an engine is filled, bytes: what one frame of an export holds.
const FILL_BATCH_BYTES: usize = 256 * 1024;

/// Gives the next row, or nothing at the end.
pub(crate) type Source<'rows> = dyn FnMut() -> Result<Option<(Vec<u8>, Bytes)>> + 'rows;

/// Sees a key and its value; false ends the scan.
pub(crate) type Visitor<'visit> = dyn FnMut(&[u8], &[u8]) -> bool + 'visit;

/// One ordered key space. Reads may run on any thread; only the writer's thread commits.
pub(crate) trait Engine: Send + Sync + 'static {
    /// A key's value.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Visits the range in key order or in reverse.
    fn scan(&self, range: &KeyRange, reverse: bool, visit: &mut Visitor<'_>) -> Result<()>;

    /// Applies a batch. An error is final: the engine may not be written to again.
    fn commit(&self, batch: &Batch, lasting: Lasting) -> Result<()>;

    /// Puts everything committed so far on disk.
    fn sync(&self) -> Result<()>;

    /// Fills an engine that holds no rows with what `next` gives, each key greater than the one
    /// before. After an error it holds some of them or none. They last with the next `sync`.
    fn fill(&self, next: &mut Source<'_>) -> Result<()> {
        let mut batch = Batch::default();
        let mut batch_bytes = 0;
        while let Some((key, value)) = next()? {
            batch_bytes += key.len() + value.len();
            batch.put(key, value);
            if batch_bytes >= FILL_BATCH_BYTES {
                self.commit(&batch, Lasting::Later)?;
                (batch, batch_bytes) = (Batch::default(), 0);
            }
        }
        self.commit(&batch, Lasting::Later)
    }

    /// Whether a commit that is only handed to the operating system takes microseconds, so that it
    /// may be done on any thread.
    fn hands_over_quickly(&self) -> bool {
        false
    }

    /// Whether a commit can be read before it lasts; if so the store hides it meanwhile.
    fn shows_before_lasting(&self) -> bool;

    /// Bytes on disk.
    fn disk_bytes(&self) -> Result<u64>;
}
