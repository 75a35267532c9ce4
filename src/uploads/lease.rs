//! Turns to write: a request's, which takes memory as bytes come, and a socket's, whose memory is
//! its credit.
//!
//! Never: says who may write.

use std::sync::Arc;

use frontdesk_protocol::Rejection;

use super::job::{Found, Job};
use super::memory::{Memory, Part};
use super::writer::Writer;
use super::{Uploads, refused};

impl Uploads {
    /// Takes the turn to write what there is credit for. Whoever had it writes no more.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(crate) async fn lease(&self, job: &Arc<Job>) -> Result<Writer, Rejection> {
        self.turn(job, None).await
    }

    /// Takes the turn to write what a request brings. Whoever had it writes no more.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(crate) async fn write(&self, job: &Arc<Job>) -> Result<Writer, Rejection> {
        self.turn(job, Some(self.memory.clone())).await
    }

    async fn turn(&self, job: &Arc<Job>, memory: Option<Memory>) -> Result<Writer, Rejection> {
        let opened = job.open(&self.spool, &self.disk, Found::Earlier).await;
        opened.map_err(|error| refused(&error))?;
        let turn = job.take_turn(&self.disk, memory).await;
        turn.map_err(|error| refused(&error))
    }

    /// Whether few need memory now.
    pub(crate) fn is_memory_plenty(&self) -> bool {
        self.memory.is_plenty()
    }

    /// Memory for credit: so many units, or as many as there are; `None` when there are none now.
    pub(crate) fn take_memory(&self, units: u32) -> Option<Part> {
        self.memory.take_some(units)
    }
}
