//! The store: journal and directory written once over any engine.
//!
//! Owns: the table of active entities with their durable ends, what is hidden until it lasts, and
//! the door to the writer's thread.
//!
//! Invariants:
//! 1. An entity outside the table of active ones is wholly durable.
//! 2. A read of an active entity stops at its durable end. A read that began before the entity was
//!    active looks at the table afterwards and drops what lies beyond, so that a group that is
//!    being committed stays unseen even if its entity was fenced during the read.
//! 3. A failed commit or sync is final: the reason stays, and nothing is written any more.
//!
//! Epochs live in memory only. A fence writes nothing, because `boot_count` is the upper half of
//! every epoch and is on disk before the store serves: no epoch of an earlier opening can come
//! back. Releasing an entity forgets its epoch; the caller counts epochs up.
//!
//! Never: decides what a record means.

mod directory;
mod journal;
mod read;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use bytes::Bytes;
use dashmap::DashMap;
use frontdesk_protocol::Timestamp;

use crate::engine::{Engine, Lasting};
use crate::journal::{Durability, EntityId, Error, Result, Tail};
use crate::metrics::JournalMetrics;
use crate::open::FolderLock;
use crate::schema::BootRecord;
use crate::testing::Faults;
use crate::writer::{Line, Op, Writer};

pub(crate) use journal::{cid_time, decode_pending, encode_cid, snapshot_header, snapshot_pos};
pub(crate) use read::engine_tail;

/// Reads the time; a parameter, so that tests own it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Told once, in plain words, that the store has failed for good.
pub type Fatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Commands that wait for the writer, bytes. Appends are bounded by their senders, one in flight an
/// entity; above this bound snapshots are dropped and unawaited rows are awaited.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The durable end of an entity that may be written to.
#[derive(Debug, Default)]
pub(crate) struct Active {
    durable: Mutex<Tail>,
}

impl Active {
    pub(crate) fn durable(&self) -> Tail {
        *self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn advance(&self, tail: Tail) {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(tail.pos >= durable.pos, "a durable end never moves back");
        *durable = tail;
    }
}

/// Rows that a commit in progress changes, with the values that are to be seen until it lasts.
pub(crate) type Hidden = BTreeMap<Vec<u8>, Option<Bytes>>;

/// What the readers and the writer's thread share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) active: DashMap<EntityId, Arc<Active>>,
    pub(crate) hidden: RwLock<Arc<Hidden>>,
    pub(crate) boot: BootRecord,
    pub(crate) clock: Clock,
    pub(crate) metrics: JournalMetrics,
    pub(crate) queue_bytes: AtomicUsize,
    pub(crate) queue_appends: AtomicUsize,
    pub(crate) faults: Option<Arc<Faults>>,
    failure: OnceLock<Arc<str>>,
    fatal: Fatal,
}

impl Shared {
    /// The durable end of an active entity; `None` when it is wholly durable.
    pub(crate) fn durable(&self, entity: &EntityId) -> Option<Tail> {
        let active = self.active.get(entity).map(|entry| entry.value().clone());
        active.map(|active| active.durable())
    }

    pub(crate) fn durability(&self) -> Durability {
        self.boot.durability
    }

    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        self.failure.get().cloned()
    }

    /// Records that nothing may be written any more. Says so once.
    pub(crate) fn fail(&self, why: &str) {
        if self.failure.set(Arc::from(why)).is_ok() {
            self.metrics.failed.set(1.0);
            tracing::error!(reason = why, "storage has failed");
            (self.fatal)(why);
        }
    }

    pub(crate) fn failed_error(&self) -> Error {
        let why = self.failure();
        Error::Failed(why.map_or("the store is closed".into(), |why| why.to_string()))
    }

    fn enter_queue(&self, op: &Op) {
        self.queue_bytes
            .fetch_add(op.queue_bytes(), Ordering::Relaxed);
        if let Op::Append { .. } = op {
            self.queue_appends.fetch_add(1, Ordering::Relaxed);
            self.metrics.queue_appends.increment(1.0);
        }
    }

    pub(crate) fn leave_queue(&self, op: &Op) {
        self.queue_bytes
            .fetch_sub(op.queue_bytes(), Ordering::Relaxed);
        if let Op::Append { .. } = op {
            self.queue_appends.fetch_sub(1, Ordering::Relaxed);
            self.metrics.queue_appends.decrement(1.0);
        }
    }

    pub(crate) fn hidden(&self) -> Arc<Hidden> {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.clone()
    }

    pub(crate) fn set_hidden(&self, rows: Hidden) {
        let rows = Arc::new(rows);
        *self.hidden.write().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

/// What a store is made of.
pub(crate) struct Setup {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) durability: Durability,
    pub(crate) clock: Clock,
    pub(crate) fatal: Fatal,
    /// Where random bits come from.
    pub(crate) random: Box<dyn FnMut() -> u64>,
    pub(crate) faults: Option<Arc<Faults>>,
    /// The lock on the store's folder, held until the engine is gone.
    pub(crate) lock: Option<FolderLock>,
}

/// A journal and a directory on one engine, with one writer thread.
pub struct Store {
    line: Arc<Line>,
    writer: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    /// Declared last, so that it is released after the engine is dropped.
    _lock: Option<FolderLock>,
}

impl Store {
    /// Counts the boot, syncs once, and starts the writer.
    pub(crate) fn start(mut setup: Setup) -> Result<Arc<Store>> {
        let boot = crate::open::count_boot(
            setup.engine.as_ref(),
            setup.durability,
            setup.random.as_mut(),
        )?;
        let shared = Arc::new(Shared {
            engine: setup.engine,
            active: DashMap::new(),
            hidden: RwLock::default(),
            boot,
            clock: setup.clock,
            metrics: JournalMetrics::new(),
            queue_bytes: AtomicUsize::new(0),
            queue_appends: AtomicUsize::new(0),
            faults: setup.faults,
            failure: OnceLock::new(),
            fatal: setup.fatal,
        });
        let is_quick =
            shared.durability() == Durability::Buffered && shared.engine.hands_over_quickly();
        let line = Arc::new(Line::new(Writer::new(shared.clone()), is_quick));
        let worked = Arc::clone(&line);
        let thread = std::thread::Builder::new()
            .name("journal-writer".into())
            .spawn(move || worked.run())
            .map_err(crate::files::failed("start the writer's thread"))?;
        Ok(Arc::new(Store {
            line,
            writer: Mutex::new(Some(thread)),
            shared,
            _lock: setup.lock,
        }))
    }

    /// Writes everything queued before, marks the store as closed in order, and syncs. Reads go on
    /// working; every later write is refused. Blocks.
    pub fn close(&self) -> Result<()> {
        let (done, answer) = mpsc::sync_channel(1);
        self.send(Op::Close { done });
        let closed = answer
            .recv()
            .unwrap_or_else(|_| Err(self.shared.failed_error()));
        self.join_writer();
        closed
    }

    /// Bytes that the store takes on disk.
    pub fn disk_bytes(&self) -> Result<u64> {
        self.shared.engine.disk_bytes()
    }

    /// Appends that wait for the writer.
    pub fn queue_depth(&self) -> usize {
        self.shared.queue_appends.load(Ordering::Relaxed)
    }

    /// Names this store; the same after every opening, another after a restore.
    pub fn store_id(&self) -> u64 {
        self.shared.boot.store_id
    }

    fn send(&self, op: Op) {
        self.shared.enter_queue(&op);
        // A closed queue gives the command back; dropping it answers it.
        if let Err(refused) = self.line.enter(op) {
            self.shared.leave_queue(&refused);
        }
    }

    fn queue_is_full(&self) -> bool {
        self.shared.queue_bytes.load(Ordering::Relaxed) >= QUEUE_BYTES_MAX
    }

    fn join_writer(&self) {
        let thread = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // An answer may drop the store's last handle on the writer's own thread.
        let own = std::thread::current().id();
        if let Some(thread) =
            thread.filter(|thread| thread.thread().id() != own && !Line::is_own_thread())
        {
            // The writer catches its own panics and says so through `fail`.
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    /// Ends the writer without the clean mark: only [`Store::close`] promises that nothing is lost.
    fn drop(&mut self) {
        self.send(Op::Stop);
        self.join_writer();
    }
}

/// The level that an acknowledged write must reach.
pub(crate) fn acknowledged(shared: &Shared) -> Lasting {
    Lasting::from(shared.durability())
}
