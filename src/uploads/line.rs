//! A place behind work that a thread is at: what is put there the same thread does next, so that
//! nobody is woken for it.
//!
//! Invariants:
//! 1. What is put there is handed to the thread once, unless the thread ends before it asks.
//! 2. A thread that has left takes nothing more, and whoever waits for the place is told so.
//!
//! Never: knows what the work is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// See the module's text.
pub(super) struct Line<W> {
    place: Mutex<Place<W>>,
    moved: Notify,
}

enum Place<W> {
    Free,
    Taken(W),
    /// The thread takes nothing more.
    Left,
}

impl<W> Line<W> {
    /// Behind a thread that is at work, and the thread's end of it.
    pub(super) fn new() -> (Arc<Self>, Front<W>) {
        let line = Arc::new(Self {
            place: Mutex::new(Place::Free),
            moved: Notify::new(),
        });
        (Arc::clone(&line), Front(line))
    }

    /// Waits until the place is free, or the thread has left.
    pub(super) async fn moved_up(&self) {
        while matches!(*self.place(), Place::Taken(_)) {
            // One that came before is remembered.
            self.moved.notified().await;
        }
    }

    /// Puts work into the place if it is free; only then it is asked for.
    pub(super) fn put(&self, work: impl FnOnce() -> W) -> bool {
        let mut place = self.place();
        let is_free = matches!(*place, Place::Free);
        if is_free {
            *place = Place::Taken(work());
        }
        is_free
    }

    fn place(&self) -> MutexGuard<'_, Place<W>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, by: impl FnOnce(&Place<W>) -> Place<W>) -> Option<W> {
        let mut place = self.place();
        let by = by(&place);
        let before = std::mem::replace(&mut *place, by);
        drop(place);
        self.moved.notify_one();
        match before {
            Place::Taken(work) => Some(work),
            Place::Free | Place::Left => None,
        }
    }
}

/// The thread's end of a line; it leaves with this.
pub(super) struct Front<W>(Arc<Line<W>>);

impl<W> Front<W> {
    /// What to do next; `None` when nothing waits, and the thread has left by that.
    pub(super) fn next(&self) -> Option<W> {
        self.0.replace(|place| match place {
            Place::Taken(_) => Place::Free,
            Place::Free | Place::Left => Place::Left,
        })
    }

    /// Takes nothing more but what waits already.
    pub(super) fn last(&self) -> Option<W> {
        self.0.replace(|_| Place::Left)
    }
}

impl<W> Drop for Front<W> {
    fn drop(&mut self) {
        drop(self.last());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_left_takes_nothing() {
        let (line, front) = Line::new();
        assert!(line.put(|| 1));
        assert!(!line.put(|| unreachable!("it is not asked for")));
        assert_eq!(front.next(), Some(1));
        assert!(line.put(|| 2));
        assert_eq!(front.last(), Some(2));
        assert!(!line.put(|| 3));
        assert_eq!((front.next(), front.last()), (None, None));
        let (line, front) = Line::<u8>::new();
        assert_eq!(front.next(), None, "nothing waited");
        assert!(!line.put(|| 4));
    }

    #[tokio::test]
    async fn whoever_waits_is_told_when_the_thread_ends_in_a_panic() {
        let (line, front) = Line::new();
        assert!(line.put(|| 1));
        let thread = std::thread::spawn(move || {
            let _front = front;
            panic!("on purpose")
        });
        line.moved_up().await;
        assert!(!line.put(|| 2));
        assert!(thread.join().is_err());
    }

    #[tokio::test]
    async fn all_that_is_put_is_done_in_order() {
        const COUNT: u32 = 10_000;
        let (mut done, mut at) = (Vec::new(), 0);
        while at < COUNT {
            let (line, front) = Line::new();
            let first = at;
            at += 1;
            let thread = tokio::task::spawn_blocking(move || {
                let mut done = vec![first];
                while let Some(work) = front.next() {
                    done.push(work);
                }
                done
            });
            while at < COUNT {
                line.moved_up().await;
                if !line.put(|| at) {
                    break;
                }
                at += 1;
            }
            done.extend(thread.await.unwrap());
        }
        assert_eq!(done, (0..COUNT).collect::<Vec<_>>());
    }
}
