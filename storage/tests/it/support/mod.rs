//! Stores to test, and short words for what tests say often.

#[cfg(feature = "s3")]
pub(crate) mod bucket;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_protocol::{Cid, CompanyId, Epoch, PersonId, Pos, RoomId, Seq, Timestamp};
use frontdesk_storage::testing::{Crash, ManualClock, MemoryOptions, MemoryStore};
use frontdesk_storage::{
    Append, AppendOutcome, CidRow, Durability, EngineKind, EntityId, Journal, OpenOptions, Record,
    Result, Row, Store, Tail, open,
};

/// Nothing here takes longer unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A day and a bit after the epoch, so that going back a day is possible.
pub(crate) const NOW: Timestamp = Timestamp(1_000_000_000_000);

/// The stores that every fact is proven on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sled,
    Fjall,
}

enum Home {
    Memory(Option<MemoryStore>),
    Folder(tempfile::TempDir, EngineKind),
}

/// One store that can be closed and opened again.
pub(crate) struct Bench {
    home: Home,
    pub(crate) clock: ManualClock,
    pub(crate) durability: Durability,
    store: Option<Arc<Store>>,
}

impl Bench {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with_durability(kind, Durability::Fsync)
    }

    pub(crate) fn with_durability(kind: Kind, durability: Durability) -> Self {
        let folder = || tempfile::tempdir().expect("a temporary folder");
        let home = match kind {
            Kind::Memory => Home::Memory(None),
            Kind::Sled => Home::Folder(folder(), EngineKind::Sled),
            Kind::Fjall => Home::Folder(folder(), EngineKind::Fjall),
        };
        let mut bench = Self {
            home,
            clock: ManualClock::at(NOW),
            durability,
            store: None,
        };
        bench.open();
        bench
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("the store is open")
    }

    pub(crate) fn shared(&self) -> Arc<Store> {
        self.store.clone().expect("the store is open")
    }

    fn open(&mut self) {
        let opened = match &mut self.home {
            Home::Memory(Some(memory)) => {
                *memory = memory.crash(Crash::Killed).expect("opens again");
                memory.store()
            }
            Home::Memory(none) => {
                let memory = MemoryStore::new(MemoryOptions {
                    durability: self.durability,
                    clock: self.clock.to_clock(),
                    ..MemoryOptions::default()
                });
                none.insert(memory.expect("opens")).store()
            }
            Home::Folder(folder, engine) => {
                let options = options(folder.path(), *engine, self.durability, &self.clock);
                open(&options).expect("opens")
            }
        };
        self.store = Some(opened);
    }

    /// Closes in order and opens again.
    pub(crate) fn reopen(&mut self) {
        self.store().close().expect("closes");
        self.store = None;
        self.open();
    }

    /// Opens again without having closed.
    pub(crate) fn reopen_unclean(&mut self) {
        self.store = None;
        self.open();
    }
}

pub(crate) fn options(
    path: &std::path::Path,
    engine: EngineKind,
    durability: Durability,
    clock: &ManualClock,
) -> OpenOptions {
    OpenOptions {
        path: path.to_owned(),
        engine,
        durability,
        cache_bytes: 16 * 1024 * 1024,
        clock: clock.to_clock(),
        fatal: Arc::new(|why| panic!("the store failed: {why}")),
    }
}

pub(crate) fn company(name: &str) -> CompanyId {
    CompanyId::new(name).expect("a company id")
}

pub(crate) fn room(number: u8) -> EntityId {
    room_of("TES001", number)
}

pub(crate) fn room_of(name: &str, number: u8) -> EntityId {
    EntityId::room(company(name), RoomId::from_bits([number; 16]))
}

pub(crate) fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a person id")
}

pub(crate) fn cid(number: u8) -> Cid {
    Cid::from_digest([number; 16])
}

pub(crate) fn cid_row(number: u8, seq: u64, at: Timestamp) -> CidRow {
    CidRow {
        person: person("5"),
        cid: cid(number),
        seq: Seq(seq),
        at,
        digest: 77,
    }
}

pub(crate) fn row(key: &[u8], value: &[u8]) -> Row {
    Row {
        key: key.to_vec(),
        value: Some(Bytes::copy_from_slice(value)),
    }
}

/// An append that shows one event, after `expected`.
pub(crate) fn append_of(entity: &EntityId, epoch: u64, expected: u64, payload: &[u8]) -> Append {
    Append {
        entity: entity.clone(),
        epoch: Epoch(epoch),
        expected: Pos(expected),
        seq_after: Seq(expected + 1),
        payload: Bytes::copy_from_slice(payload),
        cids: Vec::new(),
        rows: Vec::new(),
        pending: None,
        erases: None,
    }
}

pub(crate) fn ok(pos: u64) -> AppendOutcome {
    AppendOutcome::Ok { pos: Pos(pos) }
}

pub(crate) fn tail(pos: u64, seq: u64) -> Tail {
    Tail {
        pos: Pos(pos),
        seq: Seq(seq),
    }
}

/// Queues an append; the outcome comes through the channel.
pub(crate) fn queue(store: &Store, append: Append) -> mpsc::Receiver<AppendOutcome> {
    let (sender, receiver) = mpsc::channel();
    store.append(
        append,
        Box::new(move |outcome| sender.send(outcome).expect("the test listens")),
    );
    receiver
}

/// Appends and waits.
pub(crate) fn append(store: &Store, append: Append) -> AppendOutcome {
    queue(store, append)
        .recv_timeout(PATIENCE)
        .expect("an outcome")
}

/// Fences and waits.
pub(crate) fn fence(store: &Store, entity: &EntityId, epoch: u64) -> Result<Tail> {
    let (sender, receiver) = mpsc::channel();
    let done = Box::new(move |tail| sender.send(tail).expect("the test listens"));
    store.fence(entity, Epoch(epoch), done);
    receiver.recv_timeout(PATIENCE).expect("an answer")
}

/// Fences with epoch 1 and appends this many records of one event each, `record 1` and so on.
pub(crate) fn fill(store: &Store, entity: &EntityId, count: u64) {
    fence(store, entity, 1).expect("fenced");
    for number in 0..count {
        let payload = format!("record {}", number + 1);
        let outcome = append(store, append_of(entity, 1, number, payload.as_bytes()));
        assert_eq!(outcome, ok(number + 1));
    }
}

/// Waits until the writer has taken everything queued so far.
pub(crate) fn settle_queue(store: &Store) {
    let probe = room_of("ZZZ999", 255);
    fence(store, &probe, 1).expect("fenced");
    store.release(&probe, Epoch(1));
}

pub(crate) fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.pos.0).collect()
}

/// Waits until a condition holds; fails when it does not in time.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let (ticks, tick) = (3_000, Duration::from_millis(10));
    let (_keep, never) = mpsc::channel::<()>();
    for _ in 0..ticks {
        if holds() {
            return;
        }
        let _ = never.recv_timeout(tick);
    }
    panic!("never came true: {what}");
}

/// The cid row of the record at a pos in a numbered room: none is like another.
pub(crate) struct CidRowOf(pub(crate) u8, pub(crate) u64);

impl CidRowOf {
    pub(crate) fn cid(&self) -> Cid {
        let mut digest = [self.0; 16];
        digest[8..].copy_from_slice(&self.1.to_be_bytes());
        Cid::from_digest(digest)
    }
}

impl From<CidRowOf> for CidRow {
    fn from(of: CidRowOf) -> Self {
        CidRow {
            cid: of.cid(),
            ..cid_row(0, of.1, NOW)
        }
    }
}
