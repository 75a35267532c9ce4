//! What a socket needs to write an upload: the turn, and memory for the bytes it may send.
//!
//! All memory of uploads is one sum, `limits.upload_memory_bytes`. A request takes its part while
//! it writes; a socket takes what it grants as credit, and gives it back as bytes leave for the
//! disk. So what clients have been allowed to send and what waits to be written is never more.
//!
//! Never: waits for memory on a socket's behalf.

use std::sync::Arc;

use frontdesk_protocol::Rejection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::{Found, Job};
use super::writer::{HELD_BYTES, Writer};
use super::{Uploads, refused};
use crate::config::Limits;

/// One unit of memory, bytes: the least that is granted.
pub(crate) const MEMORY_UNIT_BYTES: u64 = 4 * 1024;
/// What a request's writer takes of it, units.
pub(super) const WRITER_UNITS: u32 = (HELD_BYTES as u64 / MEMORY_UNIT_BYTES) as u32;

/// All memory of uploads.
pub(super) fn memory(limits: &Limits) -> Arc<Semaphore> {
    let units = limits.upload_memory_bytes as u64 / MEMORY_UNIT_BYTES;
    // One request at least must be able to write.
    let units = units.max(u64::from(WRITER_UNITS));
    let units = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
    Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS)))
}

impl Uploads {
    /// Takes the turn to write what there is credit for.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(crate) async fn lease(&self, job: &Arc<Job>) -> Result<Writer, Rejection> {
        self.turn(job, None).await
    }

    /// Takes the turn to write.
    pub(super) async fn turn(
        &self,
        job: &Arc<Job>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Writer, Rejection> {
        let opened = job.open(&self.spool, &self.disk, Found::Earlier).await;
        opened.map_err(|error| refused(&error))?;
        let turn = job.take_turn(&self.disk, permit).await;
        turn.map_err(|error| refused(&error))
    }

    /// Memory for credit: so many units, or as many as there are; `None` when there are none now.
    pub(crate) fn take_memory(&self, units: u32) -> Option<OwnedSemaphorePermit> {
        let free = u32::try_from(self.memory.available_permits()).unwrap_or(u32::MAX);
        let units = units.min(free);
        if units == 0 {
            return None;
        }
        Arc::clone(&self.memory).try_acquire_many_owned(units).ok()
    }
}
