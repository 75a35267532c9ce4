//! The journal's trait and its vocabulary: what an entity appends, what it may be answered, and
//! what it reads back.
//!
//! Invariants of every implementation, checked by the conformance suite:
//! 1. An append answered [`AppendOutcome::Ok`] is on disk as [`Durability`] says, with its cid
//!    rows, index rows and pending mark, all or nothing.
//! 2. A refused append changes nothing and fails none of its neighbours in the group commit.
//! 3. Reads never show a record before its outcome is known to be `Ok`.
//! 4. After `fence(entity, e)` answers, no append with an epoch below `e` can succeed.
//! 5. What an append erases is gone in time, whatever crashes in between, the oldest first; but
//!    nothing from the pending mark on. Reads pass over what is gone.
//!
//! Never: interprets a record's bytes.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::{Cid, CompanyId, Epoch, PersonId, Pos, RoomId, Seq, Timestamp, UploadId};
use serde::{Deserialize, Serialize};

/// What lasts: the owner of one journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityId {
    /// Whose it is; the first part of every key.
    pub company: CompanyId,
    /// Which of the company's.
    pub kind: EntityKind,
}

/// The kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EntityKind {
    /// The company itself: people, settings, conversation numbers.
    Company,
    /// A room.
    Room(RoomId),
    /// The company's accounts.
    Staff,
    /// The companies of the installation and their plans. Only the installation has it.
    Companies,
    /// A part of the installation's login names: those whose hash ends so. Only the installation
    /// has them.
    Names(u8),
    /// A file on its way into the company's store.
    Upload(UploadId),
}

impl EntityKind {
    /// The word for logs and metric labels.
    pub const fn as_str(&self) -> &'static str {
        match self {
            EntityKind::Company => "company",
            EntityKind::Room(_) => "room",
            EntityKind::Staff => "staff",
            EntityKind::Companies => "companies",
            EntityKind::Names(_) => "names",
            EntityKind::Upload(_) => "upload",
        }
    }
}

impl EntityId {
    /// The company's own entity.
    pub fn company(company: CompanyId) -> Self {
        Self {
            company,
            kind: EntityKind::Company,
        }
    }

    /// The company's accounts.
    pub fn staff(company: CompanyId) -> Self {
        let kind = EntityKind::Staff;
        Self { company, kind }
    }

    /// The companies of the installation.
    pub fn companies() -> Self {
        Self {
            company: CompanyId::installation(),
            kind: EntityKind::Companies,
        }
    }

    /// A part of the installation's login names.
    pub fn names(part: u8) -> Self {
        Self {
            company: CompanyId::installation(),
            kind: EntityKind::Names(part),
        }
    }

    /// One of the company's uploads.
    pub fn upload(company: CompanyId, upload: UploadId) -> Self {
        Self {
            company,
            kind: EntityKind::Upload(upload),
        }
    }

    /// One of the company's rooms.
    pub fn room(company: CompanyId, room: RoomId) -> Self {
        Self {
            company,
            kind: EntityKind::Room(room),
        }
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EntityKind::Company => write!(f, "{}", self.company),
            EntityKind::Room(room) => write!(f, "{}/{room}", self.company),
            EntityKind::Staff => write!(f, "{}/staff", self.company),
            EntityKind::Companies => write!(f, "{}/companies", self.company),
            EntityKind::Names(part) => write!(f, "{}/names-{part}", self.company),
            EntityKind::Upload(upload) => write!(f, "{}/{upload}", self.company),
        }
    }
}

/// What an acknowledgement means, for the whole node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// On disk: survives a power loss.
    Fsync,
    /// Handed to the operating system: survives a crash of the process.
    Buffered,
}

/// The end of a journal; `Tail::default()` is an empty one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// The last record; 0 when there is none.
    pub pos: Pos,
    /// The last shown event; 0 when there is none.
    pub seq: Seq,
}

/// One record to append. Its pos is `expected.next()`.
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose journal.
    pub entity: EntityId,
    /// The appender's ownership term.
    pub epoch: Epoch,
    /// The tail the appender believes in: compare and swap.
    pub expected: Pos,
    /// Seq of the last shown event after this record.
    pub seq_after: Seq,
    /// The record, opaque; at most [`RECORD_BYTES_MAX`].
    pub payload: Bytes,
    /// Commands answered by this record.
    pub cids: Vec<CidRow>,
    /// Ordered index rows of the company, written with the record.
    pub rows: Vec<Row>,
    /// First record whose effects have not all been delivered, after this one; `None` clears it.
    pub pending: Option<Pos>,
    /// What goes because of this record, which says everything that is still to be known.
    pub erases: Option<Erases>,
}

/// What goes when a record erases what stands before it. The snapshot of an earlier position goes
/// in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erases {
    /// Records. Commands that are still remembered stay so, until their time is over.
    Records,
    /// Records, and what is remembered of commands.
    RecordsAndCids,
}

/// Largest record, bytes: a batch of 256 KiB of commands decided into events with authors' cards.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// A command's first outcome, kept so that a repeat is answered and not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CidRow {
    /// Who sent it: another person's cid is another command.
    pub person: PersonId,
    /// The command.
    pub cid: Cid,
    /// The seq it was given.
    pub seq: Seq,
    /// When; rows older than [`frontdesk_protocol::limits::CID_KEPT_MS`] are removed in time.
    pub at: Timestamp,
    /// Fingerprint of the command, so that a cid used for another one is noticed.
    pub digest: u64,
}

/// A row of the company's ordered index: `key` is below the company's own prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// At most 512 bytes; the first byte is the table, chosen by the writer of the rules.
    pub key: Vec<u8>,
    /// At most [`RECORD_BYTES_MAX`]; `None` removes the row.
    pub value: Option<Bytes>,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendOutcome {
    /// It is durable at this pos.
    Ok {
        /// Where.
        pos: Pos,
    },
    /// A newer epoch owns the entity: stop at once.
    Fenced,
    /// The journal ends elsewhere: recover.
    WrongPos {
        /// Where it ends.
        tail: Tail,
    },
    /// Nobody knows (the store failed, or the answer was lost): fence, then read.
    Unknown,
}

/// Called once with the outcome, from the writer's thread: must not block.
pub type OnOutcome = Box<dyn FnOnce(AppendOutcome) + Send>;

/// A record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its position.
    pub pos: Pos,
    /// Seq of the last shown event up to and including this record.
    pub seq_after: Seq,
    /// The bytes that were appended.
    pub payload: Bytes,
}

/// State of an entity at a durable position; a shortcut, never the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Version of the state's own format; an unknown one is ignored by the reader.
    pub version: u32,
    /// The position it stands for.
    pub at: Tail,
    /// The state's bytes.
    pub payload: Bytes,
}

/// A fault of storage; never the client's doing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine failed or holds what it should not.
    #[error("storage engine: {0}")]
    Engine(String),
    /// A stored value cannot be understood.
    #[error("stored value is damaged: {0}")]
    Damaged(String),
    /// The store was written by something newer, or is in use.
    #[error("{0}")]
    Refused(String),
    /// A write or sync failed before: nothing is written any more.
    #[error("storage has failed: {0}")]
    Failed(String),
    /// The disk is full, or the file as large as it can be.
    #[error("there is no room on the disk")]
    Full,
    /// The store of files cannot be reached, or is out of order; later it may not be.
    #[error("the store of files: {0}")]
    Away(&'static str),
    /// The operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Fenced, replayable logs of entities. Reads may block on a disk: call them off the event loop
/// unless they are known to be small.
pub trait Journal: Send + Sync + 'static {
    /// Takes ownership: passes through the writer's queue behind older appends, so that the tail it
    /// answers with is final for every earlier epoch. An epoch below the present one is refused
    /// with [`Error::Refused`]. Blocks nobody: the answer comes through `done` from the writer's
    /// thread.
    fn fence(&self, entity: &EntityId, epoch: Epoch, done: Box<dyn FnOnce(Result<Tail>) + Send>);

    /// Queues an append. Never blocks; the outcome comes through `done`, exactly once.
    fn append(&self, append: Append, done: OnOutcome);

    /// Gives ownership back, so that nothing of the entity stays in memory. Appends and fences in
    /// the queue are unaffected; a release by an older epoch does nothing.
    fn release(&self, entity: &EntityId, epoch: Epoch);

    /// Replaces the entity's snapshot; not awaited, written with some later commit. Ignored when
    /// the position is not durable yet.
    fn put_snapshot(&self, entity: &EntityId, snapshot: Snapshot);

    /// Says that all effects before `pending` are delivered (`None`: all there are), without a
    /// record. Not synced by itself: after a crash effects may be delivered again.
    fn settle(&self, entity: &EntityId, epoch: Epoch, pending: Option<Pos>);

    /// The durable end of the journal.
    fn tail(&self, entity: &EntityId) -> Result<Tail>;

    /// The last snapshot whose position is not beyond the durable tail.
    fn snapshot(&self, entity: &EntityId) -> Result<Option<Snapshot>>;

    /// Durable records with `pos > after`, ascending: at most `count_max` and about `bytes_max`
    /// (at least one record if there is any).
    fn read_after(
        &self,
        entity: &EntityId,
        after: Pos,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>>;

    /// Durable records with `pos < before`, descending, bounded alike.
    fn read_before(
        &self,
        entity: &EntityId,
        before: Pos,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>>;

    /// Pos of the first durable record with `seq_after >= seq`: where the event with this seq
    /// stands, or the first record that was not erased. `None` when seq is above the durable head.
    fn pos_of_seq(&self, entity: &EntityId, seq: Seq) -> Result<Option<Pos>>;

    /// What became of a person's earlier command.
    fn cid(&self, entity: &EntityId, person: &PersonId, cid: &Cid) -> Result<Option<CidRow>>;

    /// Entities with undelivered effects and the first such pos, in key order.
    fn pending(&self) -> Result<Vec<(EntityId, Pos)>>;

    /// The first record of this entity whose effects may not have been delivered.
    fn pending_of(&self, entity: &EntityId) -> Result<Option<Pos>>;

    /// Bits that every history id is mixed with; they change when logs may have lost their end.
    fn history_salt(&self) -> u64;

    /// How often this store has been opened; the upper half of every epoch.
    fn boot_count(&self) -> u32;

    /// Why the store no longer writes, if it does not: a failed write or sync is final.
    fn failure(&self) -> Option<Arc<str>>;
}
