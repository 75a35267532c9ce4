//! The memory that uploads share, `limits.upload_memory_bytes`: bytes that requests sent and the
//! disk has not yet taken, and what sockets may still send.
//!
//! A request takes its part as bytes come and gives it back as they are written; a socket takes
//! what it grants as credit.
//!
//! Invariant: nobody waits for memory while holding some, so that whoever waits is served.
//! Never: waits on a socket's behalf.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::WriteError;
use super::writer::WRITE_BYTES;
use crate::config::Limits;

/// One unit, bytes: the least that is taken.
pub(crate) const UNIT_BYTES: u64 = 4 * 1024;
/// While this part of it is free, memory is plenty.
const PLENTY_PART: usize = 2;
/// How long a request waits for memory, milliseconds: a client waits for longer.
pub(super) const MEMORY_WAIT_MS: u64 = 20_000;

/// See the module's text.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    units: Arc<Semaphore>,
    all: usize,
}

/// A part of it; given back with this.
pub(super) type Part = OwnedSemaphorePermit;

impl Memory {
    pub(super) fn new(limits: &Limits) -> Self {
        // One batch at least must fit.
        let bytes = (limits.upload_memory_bytes as u64).max(WRITE_BYTES as u64);
        let units = usize::try_from(bytes / UNIT_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        let all = units.min(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(all)),
            all,
        }
    }

    /// Whether few need it now.
    pub(super) fn is_plenty(&self) -> bool {
        self.units.available_permits() >= self.all / PLENTY_PART
    }

    /// So many units, or as many as there are; `None` when there are none now.
    pub(super) fn take_some(&self, units: u32) -> Option<Part> {
        let free = u32::try_from(self.units.available_permits()).unwrap_or(u32::MAX);
        match units.min(free) {
            0 => None,
            units => self.try_take(units),
        }
    }

    /// So many units if they are free now.
    pub(super) fn try_take(&self, units: u32) -> Option<Part> {
        Arc::clone(&self.units).try_acquire_many_owned(units).ok()
    }

    /// So many units, as soon as they are free. To be called by who holds none.
    ///
    /// # Errors
    /// When they are not free in time.
    pub(super) async fn take(&self, units: u32) -> Result<Part, WriteError> {
        let taking = Arc::clone(&self.units).acquire_many_owned(units);
        let limit = Duration::from_millis(MEMORY_WAIT_MS);
        match tokio::time::timeout(limit, taking).await {
            Ok(Ok(part)) => Ok(part),
            _ => Err(WriteError::Busy),
        }
    }
}

/// What so many bytes take, units.
pub(super) fn units_of(bytes: usize) -> u32 {
    let units = (bytes as u64).div_ceil(UNIT_BYTES);
    u32::try_from(units).unwrap_or(u32::MAX)
}
