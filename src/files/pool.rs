//! A few threads for work that would stop the runtime: unpacking, decoding, reading whole files.
//!
//! Invariants:
//! 1. At most `thread_count` works are under way or handed over; whoever else asks waits without
//!    costing memory, and leaves the line by dropping the future.
//! 2. A panic ends one work and no thread.
//!
//! Never: bounds what one work takes; each kind of work has a pool of its own for that.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};

/// How much these threads yield to others: a chat message goes before a picture.
const NICENESS: i32 = 5;

type Work = Box<dyn FnOnce() + Send>;

/// The threads. They end when this is dropped.
pub(super) struct Pool {
    works: Sender<Work>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn new(name: &str, thread_count: usize) -> std::io::Result<Self> {
        assert!(thread_count > 0, "the settings allow no fewer");
        let (works, received) = channel::<Work>();
        let received = Arc::new(Mutex::new(received));
        for index in 0..thread_count {
            let received = Arc::clone(&received);
            std::thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || serve(&received))?;
        }
        let permits = Arc::new(Semaphore::new(thread_count));
        Ok(Self { works, permits })
    }

    /// Does a work on one of the threads; `None` if it panicked. It goes on when nobody waits for
    /// it any more, and keeps its place until its end.
    pub(super) async fn run<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let work = move || {
            let value = catch_unwind(AssertUnwindSafe(work)).ok();
            // First the place, then the answer: whoever has it may ask again at once.
            drop(permit);
            // Nobody may be waiting any more.
            let _ = reply.send(value);
        };
        self.works.send(Box::new(work)).ok()?;
        answer.await.ok().flatten()
    }
}

fn serve(received: &Mutex<Receiver<Work>>) {
    // Refused only where the system forbids it; the work goes on as it is.
    let _ = rustix::process::nice(NICENESS);
    while let Some(work) = next(received) {
        work();
    }
}

fn next(received: &Mutex<Receiver<Work>>) -> Option<Work> {
    let received = received.lock().unwrap_or_else(PoisonError::into_inner);
    received.recv().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn no_more_works_run_at_once_than_there_are_threads() {
        let pool = Arc::new(Pool::new("test", 2).unwrap());
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let works = (0..40).map(|_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            pool.run(move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let done = futures_util::future::join_all(works).await;
        assert!(done.iter().all(Option::is_some));
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_panic_ends_one_work_and_no_thread() {
        let pool = Pool::new("test", 1).unwrap();
        let none: Option<()> = pool.run(|| std::panic::panic_any("on purpose")).await;
        assert_eq!(none, None);
        assert_eq!(pool.run(|| 7).await, Some(7));
    }
}
