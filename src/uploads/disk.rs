//! Where uploads meet the disk: a bounded number of threads, so that reads of the store, which use
//! the same pool, never wait behind all of them.
//!
//! Never: holds a lock of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use frontdesk_actors::clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::resting::OpenCount;

/// Works on the disk at once: half of the threads that may block.
const WORK_COUNT_MAX: usize = 4;
/// While so many of them are free, a work may use a second thread: two works at most do, for a
/// batch at a time, so that a quarter of the threads is left.
const FREE_COUNT: usize = WORK_COUNT_MAX / 2;

/// See the module's text.
pub(crate) struct Disk {
    /// Uploads whose files are open.
    pub(super) open: OpenCount,
    places: Arc<Semaphore>,
    /// Works that wait for a place.
    wanted: Arc<AtomicUsize>,
    clock: Arc<dyn Clock>,
}

impl Disk {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            open: OpenCount::default(),
            places: Arc::new(Semaphore::new(WORK_COUNT_MAX)),
            wanted: Arc::default(),
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
        ended(&mut self.slot().await.start(|_| work())).await
    }

    /// A place among the works, when it is its turn.
    pub(super) async fn slot(&self) -> Slot {
        let waiting = Waiting::new(&self.wanted);
        let place = Arc::clone(&self.places).acquire_owned().await;
        drop(waiting);
        Slot {
            _place: place.ok(),
            places: Arc::clone(&self.places),
            wanted: Arc::clone(&self.wanted),
        }
    }
}

/// One of those who wait for something, and may wait no more at any moment.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(super) fn new(wanted: &'a AtomicUsize) -> Self {
        wanted.fetch_add(1, Ordering::Relaxed);
        Self(wanted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place among the works on the disk.
pub(super) struct Slot {
    _place: Option<OwnedSemaphorePermit>,
    places: Arc<Semaphore>,
    wanted: Arc<AtomicUsize>,
}

impl Slot {
    /// Whether so few works are under way that this one may use a second thread.
    pub(super) fn may_ask_help(&self) -> bool {
        self.places.available_permits() >= FREE_COUNT
    }

    /// Whether others wait for a place.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Begins what blocks.
    pub(super) fn start<T: Send + 'static>(
        self,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        tokio::task::spawn_blocking(move || work(&self))
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use frontdesk_actors::clock::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_place_is_wanted_while_somebody_waits_for_one() {
        let disk = Disk::new(Arc::new(SystemClock::default()));
        let mut slots = Vec::new();
        for count in 1..=WORK_COUNT_MAX {
            slots.push(disk.slot().await);
            assert_eq!(
                slots[0].may_ask_help(),
                count <= WORK_COUNT_MAX - FREE_COUNT
            );
            assert!(!slots[0].is_wanted());
        }
        let mut waiting = Box::pin(disk.slot());
        let begun = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        assert!(!begun && slots[0].is_wanted());
        drop(waiting);
        assert!(!slots[0].is_wanted(), "it waits no more");
    }
}
