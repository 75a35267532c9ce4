//! What a socket needs to write an upload: the turn, and memory for the bytes it may send.
//!
//! All memory of uploads is one sum, `limits.upload_memory_bytes`. A request takes its part while
//! it writes; a socket takes what it grants as credit, and gives it back as bytes leave for the
//! disk. So what clients have been allowed to send and what waits to be written is never more.
//!
//! Never: waits for memory on a socket's behalf.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_protocol::{ErrorCode, Rejection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::{Found, Job};
use super::writer::{AHEAD_BYTES, Pace, WRITE_BYTES, Writer};
use super::{Uploads, refused};
use crate::config::Limits;

/// One unit of memory, bytes: the least that is granted.
pub(crate) const MEMORY_UNIT_BYTES: u64 = 4 * 1024;
/// What a request's writer takes of it, units.
const WRITER_UNITS: u32 = (WRITE_BYTES as u64 / MEMORY_UNIT_BYTES) as u32;
/// What one takes that goes ahead, units.
const AHEAD_UNITS: u32 = (AHEAD_BYTES as u64 / MEMORY_UNIT_BYTES) as u32;
/// One part in so many of all memory is free when a writer goes ahead: the rest are many writers'.
const PLENTY_PART: usize = 2;
/// How long a request waits for memory to write with, milliseconds: a client waits for longer.
pub(super) const MEMORY_WAIT_MS: u64 = 20_000;

/// All memory of uploads.
pub(super) fn memory(limits: &Limits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(memory_units(limits)))
}

fn memory_units(limits: &Limits) -> usize {
    let units = limits.upload_memory_bytes as u64 / MEMORY_UNIT_BYTES;
    // One request at least must be able to write.
    let units = units.max(u64::from(WRITER_UNITS));
    let units = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
    units.min(Semaphore::MAX_PERMITS)
}

impl Uploads {
    /// Takes the turn to write what there is credit for.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(crate) async fn lease(&self, job: &Arc<Job>) -> Result<Writer, Rejection> {
        self.turn(job, (Pace::Credit, None)).await
    }

    /// Takes the turn to write. Whoever had it writes no more.
    ///
    /// # Errors
    /// When the upload is over, the disk fails, or no memory is free in time.
    pub(crate) async fn write(&self, job: &Arc<Job>) -> Result<Writer, Rejection> {
        let memory = &self.memory;
        let ahead = AHEAD_UNITS as usize + memory_units(&self.limits) / PLENTY_PART;
        if memory.available_permits() >= ahead
            && let Ok(permit) = Arc::clone(memory).try_acquire_many_owned(AHEAD_UNITS)
        {
            return self.turn(job, (Pace::Ahead, Some(permit))).await;
        }
        let permit = Arc::clone(memory).acquire_many_owned(WRITER_UNITS);
        let limit = Duration::from_millis(MEMORY_WAIT_MS);
        match tokio::time::timeout(limit, permit).await {
            Ok(Ok(permit)) => self.turn(job, (Pace::Batch, Some(permit))).await,
            _ => Err(Rejection::new(ErrorCode::Busy)),
        }
    }

    async fn turn(
        &self,
        job: &Arc<Job>,
        memory: (Pace, Option<OwnedSemaphorePermit>),
    ) -> Result<Writer, Rejection> {
        let opened = job.open(&self.spool, &self.disk, Found::Earlier).await;
        opened.map_err(|error| refused(&error))?;
        let turn = job.take_turn(&self.disk, memory).await;
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
