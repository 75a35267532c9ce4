//! Bytes that came before it was known whose they are: kept in a file without a name until that is
//! said, and gone with whoever holds it.
//!
//! Invariants: spills at once are few and each is bounded; one survives no restart.
//! Never: becomes a file of a company by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_protocol::{ErrorCode, Rejection};
use frontdesk_storage::Nameless;
use tokio::sync::OwnedSemaphorePermit;

use super::{Disk, Uploads, WriteError, memory, refused, terms};

/// Spills at once: each is of a client that says last what it should say first.
pub(super) const SPILL_COUNT_MAX: usize = 64;
/// Read at once, bytes.
const READ_BYTES: usize = 256 * 1024;
/// Bytes that wait to be written.
const WRITE_BYTES: usize = 256 * 1024;

/// See the module's text.
pub(crate) struct Spill {
    file: Arc<Nameless>,
    bytes: u64,
    limit: u64,
    waiting: Vec<u8>,
    _slot: OwnedSemaphorePermit,
}

impl Uploads {
    /// A place for bytes, none yet.
    ///
    /// # Errors
    /// When all places are taken, or the disk is full or fails.
    pub(crate) async fn spill(&self) -> Result<Spill, Rejection> {
        let slot = Arc::clone(&self.spills).acquire_owned();
        let limit = Duration::from_millis(memory::MEMORY_WAIT_MS);
        let Ok(Ok(slot)) = tokio::time::timeout(limit, slot).await else {
            return Err(Rejection::new(ErrorCode::Busy));
        };
        let spool = self.spool.clone();
        let file = self.disk.run(move || spool.nameless()).await;
        let file = file.map_err(|error| refused(&WriteError::Disk(error)))?;
        Ok(Spill {
            file: Arc::new(file),
            bytes: 0,
            limit: self.limits.file_bytes_max,
            waiting: Vec::new(),
            _slot: slot,
        })
    }

    /// Adds bytes to a spill.
    ///
    /// # Errors
    /// When it holds too many, or the disk is full or fails.
    pub(crate) async fn spill_on(&self, spill: &mut Spill, bytes: &[u8]) -> Result<(), Rejection> {
        let size = spill.bytes() + bytes.len() as u64;
        if size > spill.limit {
            return Err(terms::too_large(size, spill.limit));
        }
        spill.waiting.extend_from_slice(bytes);
        match spill.waiting.len() < WRITE_BYTES {
            true => Ok(()),
            false => self.spilled(spill).await,
        }
    }

    /// Writes what of a spill waits for more.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub(crate) async fn spilled(&self, spill: &mut Spill) -> Result<(), Rejection> {
        let (file, at) = (Arc::clone(&spill.file), spill.bytes);
        let waiting = std::mem::take(&mut spill.waiting);
        spill.bytes += waiting.len() as u64;
        let written = self.disk.run(move || file.write_at(&waiting, at)).await;
        written.map_err(|error| refused(&WriteError::Disk(error)))
    }
}

impl Spill {
    /// How much there is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + self.waiting.len() as u64
    }

    /// Bytes from an offset on, at least one unless there are none; all must have been written.
    pub(super) async fn read(&self, disk: &Disk, at: u64) -> Result<Bytes, Rejection> {
        let left = self.bytes.saturating_sub(at);
        let wanted = usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES));
        let file = Arc::clone(&self.file);
        let read = disk.run(move || {
            let mut buffer = vec![0; wanted];
            file.read_at(&mut buffer, at).map(|()| Bytes::from(buffer))
        });
        read.await
            .map_err(|error| refused(&WriteError::Disk(error)))
    }
}
