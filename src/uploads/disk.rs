//! Where uploads meet the disk: a bounded number of threads, so that reads of the store, which use
//! the same pool, never wait behind all of them.
//!
//! Never: holds a lock of its own.

use std::sync::Arc;

use frontdesk_actors::clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::resting::OpenCount;

/// Works on the disk at once: half of the threads that may block.
const WORK_COUNT_MAX: usize = 4;
/// While so many of them are free, a work may use a second thread: two works at most do, for less
/// than a millisecond at a time, so that a quarter of the threads is left.
const FREE_COUNT: usize = WORK_COUNT_MAX / 2;

/// See the module's text.
pub(crate) struct Disk {
    /// Uploads whose files are open.
    pub(super) open: OpenCount,
    turns: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

impl Disk {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            open: OpenCount::default(),
            turns: Arc::new(Semaphore::new(WORK_COUNT_MAX)),
            clock,
        }
    }

    /// Milliseconds of the clock that never goes back.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }

    /// Does what blocks. The work is done although its caller may be gone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        ended(&mut self.slot().await.start(work)).await
    }

    /// A place among the works, when it is its turn.
    pub(super) async fn slot(&self) -> Slot {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        Slot {
            _turn: turn.ok(),
            may_ask_help: self.turns.available_permits() >= FREE_COUNT,
        }
    }
}

/// A place among the works on the disk.
pub(super) struct Slot {
    _turn: Option<OwnedSemaphorePermit>,
    /// Whether so few works are under way that this one may use a second thread.
    pub(super) may_ask_help: bool,
}

impl Slot {
    /// Begins what blocks.
    pub(super) fn start<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::task::spawn_blocking(move || {
            let worked = work();
            drop(self);
            worked
        })
    }
}

/// What a work came to that was begun.
pub(super) async fn ended<T>(work: &mut JoinHandle<T>) -> T {
    match work.await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await, // the runtime is shutting down
    }
}
