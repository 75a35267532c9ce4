//! A few threads for work that would stop the runtime: unpacking, decoding, reading whole files.
//!
//! Invariants:
//! 1. At most `thread_count` works are under way or handed over; whoever else asks waits without
//!    costing memory, and leaves the line by dropping the future.
//! 2. Of one person one work is in the line, and of one company as many as there are threads:
//!    however much somebody sends, others wait for a work or two of theirs.
//! 3. A panic ends one work and no thread.
//!
//! Never: bounds what one work takes; each kind of work has a pool of its own for that.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use frontdesk_protocol::{CompanyId, PersonId};
use tokio::sync::{Semaphore, oneshot};

use crate::shares::{Share, Shares};

/// How much these threads yield to others: a chat message goes before a picture.
const NICENESS: i32 = 5;

/// Works of one person in the line at once. What they sent together comes one after another.
const PERSON_COUNT_MAX: usize = 1;

type Work = Box<dyn FnOnce() + Send>;

/// For whom a work is done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Whose {
    /// Of this company
    pub company: CompanyId,
    /// this person.
    pub person: PersonId,
}

/// A place in the line.
type Place = (Share<Whose>, Share<CompanyId>);

/// The threads. They end when this is dropped.
pub(super) struct Pool {
    works: Sender<Work>,
    permits: Arc<Semaphore>,
    of_person: Shares<Whose>,
    of_company: Shares<CompanyId>,
    thread_count: usize,
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
        Ok(Self {
            works,
            permits,
            of_person: Shares::default(),
            of_company: Shares::default(),
            thread_count,
        })
    }

    /// Does a work on one of the threads; `None` if it panicked. It goes on when nobody waits for
    /// it any more, and keeps its place until its end.
    pub(super) async fn run<T, F>(&self, whose: &Whose, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = self.line_up(whose).await?;
        self.run_at(Some(place), work).await
    }

    /// Does a work of the node's own.
    pub(super) async fn run_own<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.run_at(None, work).await
    }

    async fn line_up(&self, whose: &Whose) -> Option<Place> {
        let person = self.of_person.wait(whose.clone(), PERSON_COUNT_MAX);
        let person = person.await?;
        let company = self
            .of_company
            .wait(whose.company.clone(), self.thread_count);
        Some((person, company.await?))
    }

    async fn run_at<T, F>(&self, place: Option<Place>, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let (reply, answer) = oneshot::channel();
        let work = move || {
            let value = catch_unwind(AssertUnwindSafe(work)).ok();
            // First the place, then the answer: whoever has it may ask again at once.
            drop((permit, place));
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
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// For whom a test asks.
    pub(in crate::files) fn somebody() -> Whose {
        of("TES001", 1)
    }

    fn of(company: &str, person: usize) -> Whose {
        let company = company.parse().unwrap();
        let person = person.to_string().parse().unwrap();
        Whose { company, person }
    }

    #[tokio::test]
    async fn whoever_sends_one_file_waits_for_few_of_those_who_send_many() {
        let pool = Pool::new("test", 1).unwrap();
        let (go, wait) = channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: String| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(name)
        };
        let (colleague, other) = (of("TES001", 9), of("SPA001", 1));
        let mut line: Vec<_> = (0..20).map(|index| of("TES001", index % 4)).collect();
        line.extend([colleague.clone(), other.clone()]);
        // The thread is busy while the line forms.
        let first = pool.run_own(move || wait.recv().unwrap());
        let works = line.iter().map(|whose| {
            let work = note(format!("{whose:?}"));
            let pool = &pool;
            async move { pool.run(whose, work).await.unwrap() }
        });
        let ready = async { go.send(()).unwrap() };
        // Asked in this order: the last begins the works, once everybody has lined up.
        let done = tokio::join!(biased; first, join_all(works), ready);
        assert_eq!(done.0, Some(()));
        let order = order.lock().unwrap();
        let place = |whose: &Whose| order.iter().position(|name| *name == format!("{whose:?}"));
        assert_eq!(order.len(), 22);
        assert!(place(&other) <= Some(2), "{order:?}");
        assert!(place(&colleague) <= Some(8), "{order:?}");
    }

    #[tokio::test]
    async fn no_more_works_run_at_once_than_there_are_threads() {
        let pool = Arc::new(Pool::new("test", 2).unwrap());
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let people: Vec<_> = (0..40).map(|index| of("TES001", index)).collect();
        let works = people.iter().map(|whose| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            pool.run(whose, move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            })
        });
        let done = join_all(works).await;
        assert!(done.iter().all(Option::is_some));
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_panic_ends_one_work_and_no_thread() {
        let pool = Pool::new("test", 1).unwrap();
        let none: Option<()> = pool.run_own(|| std::panic::panic_any("on purpose")).await;
        assert_eq!(none, None);
        assert_eq!(pool.run_own(|| 7).await, Some(7));
    }
}
