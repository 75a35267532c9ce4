//! What a connection and the task that writes one of its uploads leave for each other.
//!
//! Invariants: bytes wait here only as far as credit was granted for them; the memory they are
//! counted in is given back once they have left, also when either side is gone.
//! Never: awaits with its lock held.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use frontdesk_protocol::native::ResetReason;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::uploads::memory::UNIT_BYTES;

/// Room that a piece is begun with, bytes: small frames share one, large ones waste little.
const PIECE_BYTES: usize = UNIT_BYTES as usize;

/// How a stream ended for the task that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LaneEnd {
    /// Its file is whole, or its upload is over: what becomes of it is said elsewhere.
    Done,
    /// The connection wants no more of it.
    Closed,
    /// The upload is not over.
    Reset(ResetReason),
}

/// What the task finds.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) pieces: Vec<Bytes>,
    /// Where the file ends, once everything up to there came.
    pub(super) end: Option<u64>,
    /// More came than the file may have.
    pub(super) is_too_long: bool,
    /// Nothing comes here any more.
    pub(super) is_closed: bool,
}

#[derive(Default)]
struct Inner {
    pieces: Vec<Bytes>,
    last: BytesMut,
    end: Option<u64>,
    is_too_long: bool,
    is_closed: bool,
    written: u64,
    durable: u64,
    memory: Option<OwnedSemaphorePermit>,
    outcome: Option<LaneEnd>,
}

/// See the module's text.
pub(super) struct Lane {
    inner: Mutex<Inner>,
    ready: Notify,
}

/// Where a stream stands for the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stand {
    pub(super) written: u64,
    pub(super) durable: u64,
    pub(super) outcome: Option<LaneEnd>,
}

impl Lane {
    pub(super) fn new(offset: u64) -> Self {
        let inner = Inner {
            written: offset,
            durable: offset,
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
            ready: Notify::new(),
        }
    }

    /// Bytes came that are next in the file.
    pub(super) fn push(&self, payload: &[u8]) {
        {
            let mut inner = self.lock();
            if inner.last.capacity() - inner.last.len() < payload.len() {
                let full = std::mem::take(&mut inner.last);
                if !full.is_empty() {
                    inner.pieces.push(full.freeze());
                }
                let room_bytes = payload.len().next_multiple_of(PIECE_BYTES);
                inner.last.reserve(room_bytes);
            }
            inner.last.extend_from_slice(payload);
        }
        self.ready.notify_one();
    }

    /// The file ends here.
    pub(super) fn end(&self, end: u64) {
        self.lock().end = Some(end);
        self.ready.notify_one();
    }

    /// More came than the file may have.
    pub(super) fn too_long(&self) {
        self.lock().is_too_long = true;
        self.ready.notify_one();
    }

    /// Nothing comes any more; what came is kept.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.ready.notify_one();
    }

    /// Where it stands.
    pub(super) fn stand(&self) -> Stand {
        let inner = self.lock();
        Stand {
            written: inner.written,
            durable: inner.durable,
            outcome: inner.outcome,
        }
    }

    /// Holds memory for so many bytes more or less than before, as far as there is some; answers
    /// for how many bytes it is then.
    pub(super) fn hold(
        &self,
        bytes: u64,
        take: impl FnOnce(u32) -> Option<OwnedSemaphorePermit>,
    ) -> u64 {
        let mut inner = self.lock();
        let held = inner
            .memory
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = usize::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(usize::MAX);
        match (&mut inner.memory, wanted) {
            (Some(memory), 0) => drop(memory.split(held)),
            (Some(memory), _) if wanted < held => drop(memory.split(held - wanted)),
            (memory, _) if wanted > held => {
                let more = u32::try_from(wanted - held).unwrap_or(u32::MAX);
                match (memory.as_mut(), take(more)) {
                    (Some(memory), Some(more)) => memory.merge(more),
                    (None, Some(more)) => *memory = Some(more),
                    (_, None) => {}
                }
            }
            _ => {}
        }
        let held = inner
            .memory
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        held as u64 * UNIT_BYTES
    }

    /// Waits until there is something for the task.
    pub(super) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// What there is for the task.
    pub(super) fn take(&self) -> Taken {
        let mut inner = self.lock();
        let mut pieces = std::mem::take(&mut inner.pieces);
        let last = std::mem::take(&mut inner.last);
        match last.len() {
            0 => {}
            // It may wait a while: not with all the room it was begun with.
            1..PIECE_BYTES => pieces.push(Bytes::copy_from_slice(&last)),
            _ => pieces.push(last.freeze()),
        }
        Taken {
            pieces,
            end: inner.end,
            is_too_long: inner.is_too_long,
            is_closed: inner.is_closed,
        }
    }

    /// How far the task came.
    pub(super) fn wrote(&self, written: u64, durable: u64) {
        let mut inner = self.lock();
        inner.written = inner.written.max(written);
        inner.durable = inner.durable.max(durable);
    }

    /// The task is done; what still waited is dropped.
    pub(super) fn finish(&self, end: LaneEnd) {
        let mut inner = self.lock();
        inner.outcome.get_or_insert(end);
        inner.pieces = Vec::new();
        inner.last = BytesMut::new();
        inner.memory = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
