//! Work that another thread does if one gets to it before whoever needs it has nothing else to do.
//!
//! Invariant: it is done once, or not at all when it is not asked for in the end, and nobody waits
//! for a thread that has not begun it: with all of them taken, the work costs what it would have
//! cost at once.
//! Never: waits on an event loop.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// See the module's text.
pub(super) struct Beside<W, T> {
    work: Waiting<W>,
    done: Receiver<T>,
}

impl<W, T> Drop for Beside<W, T> {
    fn drop(&mut self) {
        // What it holds is not kept until a thread looks.
        drop(begun(&self.work));
    }
}

/// Work that nobody has begun.
type Waiting<W> = Arc<Mutex<Option<W>>>;

impl<W, T> Beside<W, T>
where
    W: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Offers work to the threads that may block. To be called on one of them.
    pub(super) fn begin(work: W) -> Self {
        let (sender, done) = sync_channel(1);
        let work = Arc::new(Mutex::new(Some(work)));
        let offered = Arc::clone(&work);
        tokio::task::spawn_blocking(move || {
            if let Some(work) = begun(&offered) {
                // Whoever wanted it may have failed meanwhile.
                let _ = sender.send(work());
            }
        });
        Self { work, done }
    }

    /// What it came to; `None` if it ended in a panic.
    pub(super) fn end(self) -> Option<T> {
        match begun(&self.work) {
            Some(work) => Some(work()),
            None => self.done.recv().ok(),
        }
    }
}

fn begun<W>(work: &Waiting<W>) -> Option<W> {
    work.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Runs with so many threads that may block.
    fn blocking<T: Send + 'static>(count: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.max_blocking_threads(count).build().unwrap();
        runtime.block_on(runtime.spawn_blocking(work)).unwrap()
    }

    #[test]
    fn it_is_done_once_with_and_without_a_free_thread() {
        for count in [1, 2] {
            let times = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&times);
            let answers = blocking(count, move || {
                let work = |at| {
                    let counted = Arc::clone(&counted);
                    move || (at, counted.fetch_add(1, Ordering::Relaxed))
                };
                let begun: Vec<_> = (0..100).map(|at| Beside::begin(work(at))).collect();
                let ends = begun.into_iter().map(Beside::end);
                ends.map(|end| end.unwrap().0).collect::<Vec<_>>()
            });
            assert_eq!(answers, (0..100).collect::<Vec<_>>());
            assert_eq!(times.load(Ordering::Relaxed), 100);
        }
    }

    #[test]
    fn what_nobody_asks_for_any_more_is_let_go_at_once() {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let is_gone = blocking(1, move || {
            let beside = Beside::begin(move || drop(held));
            drop(beside);
            weak.upgrade().is_none()
        });
        assert!(is_gone);
    }

    #[test]
    fn a_panic_on_the_other_thread_is_told_apart() {
        let end = blocking(2, || {
            let (begun, is_begun) = sync_channel::<()>(0);
            let beside: Beside<_, ()> = Beside::begin(move || {
                begun.send(()).unwrap();
                panic!("on purpose")
            });
            is_begun.recv().unwrap();
            beside.end()
        });
        assert!(end.is_none());
    }
}
