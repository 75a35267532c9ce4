//! A store in memory with faults that a test asks for: for tests and simulations of this and other
//! crates, never for serving.
//!
//! It is the real store, with the real writer's thread, over an engine that keeps rows in memory
//! and knows what a crash would leave.
//!
//! Never: touches a disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frontdesk_protocol::Timestamp;

use crate::engine::memory::MemoryEngine;
use crate::journal::{Append, Durability, Result};
use crate::store::{Clock, Fatal, Setup, Store};

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// What should.
    Pass,
    /// It is written, and answered `Unknown`.
    WriteAnswerUnknown,
    /// It is not written, and answered `Unknown`.
    DropAnswerUnknown,
    /// It is not written, and answered `Fenced`.
    AnswerFenced,
}

#[derive(Debug, Default)]
struct Gates {
    commits_held: bool,
    syncs_held: bool,
    marks_held: bool,
    /// The writer stands at a gate.
    waiting: bool,
}

/// Faults to come.
#[derive(Debug, Default)]
pub struct Faults {
    next_commit_fails: AtomicBool,
    next_sync_fails: AtomicBool,
    next_marks_fail: AtomicBool,
    gates: Mutex<Gates>,
    gates_changed: Condvar,
    verdicts: Mutex<VecDeque<Verdict>>,
    commit_count: AtomicUsize,
}

impl Faults {
    /// The next commit fails before anything is applied.
    pub fn fail_next_commit(&self) {
        self.next_commit_fails.store(true, Ordering::SeqCst);
    }

    /// The next sync fails: the group is readable in the engine but not on disk.
    pub fn fail_next_sync(&self) {
        self.next_sync_fails.store(true, Ordering::SeqCst);
    }

    /// What happens to the next append that has no verdict yet.
    pub fn next_append(&self, verdict: Verdict) {
        locked(&self.verdicts).push_back(verdict);
    }

    /// Commits wait, before they apply, until [`Faults::release`].
    pub fn hold_commits(&self) {
        locked(&self.gates).commits_held = true;
    }

    /// Commits are applied but wait, before they last, until [`Faults::release`].
    pub fn hold_syncs(&self) {
        locked(&self.gates).syncs_held = true;
    }

    /// Whoever reads all pending marks waits until [`Faults::release`].
    pub fn hold_marks(&self) {
        locked(&self.gates).marks_held = true;
    }

    /// The next read of all pending marks fails.
    pub fn fail_next_marks(&self) {
        self.next_marks_fail.store(true, Ordering::SeqCst);
    }

    /// Opens all gates.
    pub fn release(&self) {
        let mut gates = locked(&self.gates);
        gates.commits_held = false;
        gates.syncs_held = false;
        gates.marks_held = false;
        self.gates_changed.notify_all();
    }

    /// Waits until the writer stands at a closed gate; false when it did not come in time.
    pub fn wait_until_held(&self, at_most: Duration) -> bool {
        let gates = locked(&self.gates);
        let waited = self
            .gates_changed
            .wait_timeout_while(gates, at_most, |gates| !gates.waiting);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiting
    }

    /// Commits that were begun.
    pub fn commit_count(&self) -> usize {
        self.commit_count.load(Ordering::SeqCst)
    }

    pub(crate) fn before_commit(&self) -> std::result::Result<(), String> {
        self.commit_count.fetch_add(1, Ordering::SeqCst);
        self.wait_at_gate(|gates| gates.commits_held);
        match self.next_commit_fails.swap(false, Ordering::SeqCst) {
            true => Err("the test asked for a failed commit".into()),
            false => Ok(()),
        }
    }

    pub(crate) fn before_sync(&self) -> std::result::Result<(), String> {
        self.wait_at_gate(|gates| gates.syncs_held);
        match self.next_sync_fails.swap(false, Ordering::SeqCst) {
            true => Err("the test asked for a failed sync".into()),
            false => Ok(()),
        }
    }

    pub(crate) fn before_marks(&self) -> std::result::Result<(), String> {
        // Whoever reads is not the writer, for whom the gates tell who stands at them.
        let gates = locked(&self.gates);
        let open = self
            .gates_changed
            .wait_while(gates, |gates| gates.marks_held);
        drop(open.unwrap_or_else(PoisonError::into_inner));
        match self.next_marks_fail.swap(false, Ordering::SeqCst) {
            true => Err("the test asked for marks that cannot be read".into()),
            false => Ok(()),
        }
    }

    pub(crate) fn verdict(&self, _append: &Append) -> Verdict {
        locked(&self.verdicts).pop_front().unwrap_or(Verdict::Pass)
    }

    fn wait_at_gate(&self, held: impl Fn(&Gates) -> bool) {
        let mut gates = locked(&self.gates);
        while held(&gates) {
            gates.waiting = true;
            self.gates_changed.notify_all();
            let woken = self.gates_changed.wait(gates);
            gates = woken.unwrap_or_else(PoisonError::into_inner);
        }
        gates.waiting = false;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process dies: what was handed to the operating system stays.
    Killed,
    /// The power goes: what was synced stays.
    PowerLoss,
}

/// A clock that a test sets.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Stands at this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// Goes forward.
    pub fn advance_ms(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    /// As the store takes it.
    pub fn to_clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// How to make a store in memory.
#[derive(Clone)]
pub struct MemoryOptions {
    /// What an acknowledgement means.
    pub durability: Durability,
    /// The time.
    pub clock: Clock,
    /// Told once when the store has failed.
    pub fatal: Fatal,
    /// Where random bits start from, so that a run can be repeated.
    pub seed: u64,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            clock: ManualClock::default().to_clock(),
            fatal: Arc::new(|_| {}),
            seed: 1,
        }
    }
}

/// A store in memory with its faults.
pub struct MemoryStore {
    store: Arc<Store>,
    engine: Arc<MemoryEngine>,
    faults: Arc<Faults>,
    options: MemoryOptions,
}

impl MemoryStore {
    /// An empty one.
    pub fn new(options: MemoryOptions) -> Result<Self> {
        Self::with_rows(Default::default(), options)
    }

    fn with_rows(
        rows: std::collections::BTreeMap<Vec<u8>, bytes::Bytes>,
        options: MemoryOptions,
    ) -> Result<Self> {
        let faults = Arc::new(Faults::default());
        let engine = Arc::new(MemoryEngine::new(rows, faults.clone()));
        let mut state = options.seed;
        let store = Store::start(Setup {
            engine: engine.clone(),
            durability: options.durability,
            clock: options.clock.clone(),
            fatal: options.fatal.clone(),
            random: Box::new(move || next_random(&mut state)),
            faults: Some(faults.clone()),
            lock: None,
        })?;
        Ok(Self {
            store,
            engine,
            faults,
            options,
        })
    }

    /// The store.
    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// Its faults.
    pub fn faults(&self) -> Arc<Faults> {
        self.faults.clone()
    }

    /// A new store that holds what this one would have left behind; this one goes on as a ghost
    /// that nobody should ask. Open gates of the ghost are left as they are.
    pub fn crash(&self, crash: Crash) -> Result<MemoryStore> {
        let rows = match crash {
            Crash::Killed => self.engine.handed(),
            Crash::PowerLoss => self.engine.synced(),
        };
        let mut options = self.options.clone();
        options.seed = options.seed.wrapping_add(1);
        Self::with_rows(rows, options)
    }
}

impl Drop for MemoryStore {
    /// Opens the gates, so that the writer can end.
    fn drop(&mut self) {
        self.faults.release();
    }
}

/// A small generator of well-mixed bits (the splitmix64 sequence).
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
