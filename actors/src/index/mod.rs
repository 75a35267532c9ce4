//! Lists across rooms: a person's conversations in order, their unread counts. Ordered rows beside
//! the journal, written by one writer a company outside any actor's turn.
//!
//! A room that changed owes its summary: the record that changed it marks the room as pending, and
//! the mark goes when the summary is in the rows. So after any crash exactly the rooms that were
//! behind wake and tell again. A row holds the position it was made at; an older summary changes
//! nothing. What is lost altogether is made again from the rooms.
//!
//! Owns: what is known of each company's lists; in its files `waiting` who waits for which room,
//! `writer` the one that writes, `rows` what a summary changes, `rebuild` making lists anew, and
//! `lists` reading them.
//!
//! Invariants:
//! 1. A person's totals are the sums of what their rooms' rows say: both are written together.
//! 2. A room tells at most once in [`LIST_DELAY_MS`], unless a reader waits for it; what comes
//!    between is one row.
//! 3. Whoever was answered finds what they did in the next list they read, or is refused.
//! 4. A room that cannot be brought up costs its own line in lists and nobody else's list.
//! 5. The lists of all companies together take one thread of those that read the store.
//!
//! Never: is the truth; the rooms are.

mod desks;
mod lists;
mod rebuild;
mod rows;
#[cfg(test)]
mod tests;
mod waiting;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use frontdesk_protocol::{CompanyId, ErrorCode, PersonId, Pos, Rejection, RoomId};
use frontdesk_storage::{EntityId, EntityKind};
use tokio::sync::{Notify, Semaphore, SetOnce};
use tokio::time::timeout;

pub use desks::Bucket;
pub use lists::{Conversation, ConversationPage, ListCursor, ListFrom, Totals};
pub(crate) use rows::summary_in;

use crate::node::Node;
use crate::room::Summary;
use crate::task::lock;
use waiting::Waiting;

/// A room tells its summary at most this often, milliseconds: a busy room is one row, not one for
/// each message.
pub const LIST_DELAY_MS: u64 = 250;
/// How long a reader waits for what it did to be listed, milliseconds; before that as long at most
/// until it is known what was owed when the node started.
const LIST_WAIT_MS: u64 = 1_000;
/// How long a reader waits for what others did, milliseconds.
const HURRY_WAIT_MS: u64 = 100;
/// How long is waited for everything to be listed, milliseconds: a busy company lists a few times a
/// second, and whoever waits tries again.
const ALL_LISTED_WAIT_MS: u64 = 10_000;
/// Rooms with more people than this are in nobody's list: each message would write a row for each.
pub const LISTED_PERSON_COUNT_MAX: usize = 256;

/// Has a room tell its summary at once.
pub(crate) type Hurry = Box<dyn Fn() + Send + Sync>;
/// Called once when a summary is in the rows.
type OnListed = Box<dyn FnOnce() + Send>;

/// A summary on its way into the rows.
struct Note {
    pos: Pos,
    summary: Arc<Summary>,
    done: OnListed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody looked yet whether there are rows.
    Unknown,
    /// Being looked at, or made again from the rooms.
    Building,
    /// There are rows, and they are kept.
    Kept,
}

struct State {
    stage: Stage,
    notes: BTreeMap<RoomId, Note>,
    waiting: Waiting,
    is_writing: bool,
    /// Readers who wait for the writer now.
    reader_count: usize,
    /// When the writer began last, milliseconds of the clock that never goes back.
    began_ms: Option<u64>,
}

impl State {
    fn has_work(&self) -> bool {
        !self.notes.is_empty() || self.stage != Stage::Kept
    }

    fn is_idle(&self) -> bool {
        self.notes.is_empty() && self.waiting.is_empty() && !self.is_writing
    }
}

/// The lists of one company.
struct Company {
    id: CompanyId,
    state: Mutex<State>,
    changed: Notify,
    /// A reader has come to wait.
    asked: Notify,
}

/// See the module's text.
pub(crate) struct Index {
    companies: DashMap<CompanyId, Arc<Company>>,
    /// One permit: invariant 5.
    writers: Semaphore,
    /// Set once the marks of before the node's start were read: until then any room may be behind.
    owing_known: SetOnce<()>,
    /// Why they could not be read.
    unread: Mutex<Option<String>>,
    /// Batches written, for tests.
    written: std::sync::atomic::AtomicU64,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            companies: DashMap::new(),
            writers: Semaphore::new(1),
            owing_known: SetOnce::new(),
            unread: Mutex::default(),
            written: std::sync::atomic::AtomicU64::new(0),
        }
    }
}

impl Company {
    fn new(id: CompanyId) -> Self {
        let state = State {
            stage: Stage::Unknown,
            notes: BTreeMap::new(),
            waiting: Waiting::default(),
            is_writing: false,
            reader_count: 0,
            began_ms: None,
        };
        Self {
            id,
            state: Mutex::new(state),
            changed: Notify::new(),
            asked: Notify::new(),
        }
    }
}

impl Index {
    fn of(&self, company: &CompanyId) -> Arc<Company> {
        if let Some(found) = self.companies.get(company) {
            return Arc::clone(found.value());
        }
        let fresh = || Arc::new(Company::new(company.clone()));
        let entry = self.companies.entry(company.clone()).or_insert_with(fresh);
        Arc::clone(entry.value())
    }

    /// These may owe something from before the node started, and no others.
    pub(crate) fn await_up(&self, entities: &[EntityId]) {
        for entity in entities {
            if let EntityKind::Room(room) = entity.kind {
                let company = self.of(&entity.company);
                lock(&company.state).waiting.await_up(room);
            }
        }
        *lock(&self.unread) = None;
        // Said once by each node.
        let _ = self.owing_known.set(());
    }

    /// Who may owe something could not be read.
    pub(crate) fn owing_unread(&self, why: String) {
        *lock(&self.unread) = Some(why);
    }

    /// Why it is not known who owes something; `None` as long as nothing failed.
    pub(crate) fn unread(&self) -> Option<String> {
        lock(&self.unread).clone()
    }

    /// Whether it is awaited that this one comes up.
    pub(crate) fn awaits(&self, entity: &EntityId) -> bool {
        let EntityKind::Room(room) = entity.kind else {
            return false;
        };
        let company = self.of(&entity.company);
        lock(&company.state).waiting.awaits(&room)
    }

    /// A room's actor starts, and is behind up to this record from before. It tells.
    pub(crate) fn came_up(&self, entity: &EntityId, behind: Option<Pos>) {
        let EntityKind::Room(room) = entity.kind else {
            return;
        };
        let company = self.of(&entity.company);
        lock(&company.state).waiting.came_up(room, behind);
        company.changed.notify_waiters();
    }

    /// A room has an actor: it is not awaited any more.
    pub(crate) fn is_up(&self, entity: &EntityId) {
        if let EntityKind::Room(room) = entity.kind {
            let company = self.of(&entity.company);
            lock(&company.state).waiting.is_up(&room);
            company.changed.notify_waiters();
        }
    }

    /// A room cannot be brought up: nobody waits for it. It tells when it can again.
    pub(crate) fn forget(&self, entity: &EntityId) {
        let EntityKind::Room(room) = entity.kind else {
            return;
        };
        let company = self.of(&entity.company);
        lock(&company.state).waiting.forget(&room);
        company.changed.notify_waiters();
    }

    /// A room changed at this position; these people did it, and are about to be told so.
    pub(crate) fn owe(
        &self,
        entity: &EntityId,
        pos: Pos,
        now_ms: u64,
        people: &[PersonId],
        hurry: impl FnOnce() -> Hurry,
    ) {
        if let EntityKind::Room(room) = entity.kind {
            let company = self.of(&entity.company);
            let mut state = lock(&company.state);
            state.waiting.owe(room, pos, now_ms, people, hurry);
        }
    }

    /// Once a second: forgets companies whose lists nobody writes or waits for.
    pub(crate) fn rest(&self) {
        self.companies
            .retain(|_, company| Arc::strong_count(company) > 1 || !lock(&company.state).is_idle());
    }

    /// Whether lists show everything that happened.
    #[cfg(test)]
    pub(crate) fn is_settled(&self, company: &CompanyId) -> bool {
        let company = self.of(company);
        let state = lock(&company.state);
        state.notes.is_empty() && state.waiting.is_empty()
    }

    /// Batches written so far.
    #[cfg(test)]
    pub(crate) fn written(&self) -> u64 {
        self.written.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Node {
    /// Takes a room's summary as of a durable position; `done` is called when lists show it.
    pub(crate) fn list(
        self: &Arc<Self>,
        entity: &EntityId,
        pos: Pos,
        summary: Summary,
        done: OnListed,
    ) {
        let EntityKind::Room(room) = entity.kind else {
            return;
        };
        let company = self.index.of(&entity.company);
        let note = Note {
            pos,
            summary: Arc::new(summary),
            done,
        };
        writer::put(&mut lock(&company.state).notes, room, note);
        self.write_lists(&company);
    }

    /// Waits until lists show everything this person was told is done.
    pub(crate) async fn listed(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<(), Rejection> {
        self.owing_known().await?;
        let company = self.index.of(company);
        let now_ms = self.clock.monotonic_ms();
        let hurried = lock(&company.state).waiting.hurry(person, now_ms);
        if !hurried.is_empty() {
            let limit = Duration::from_millis(HURRY_WAIT_MS);
            let all_told = self.until(&company, |state| state.waiting.are_listed(&hurried));
            if timeout(limit, all_told).await.is_err() {
                lock(&company.state).waiting.are_late(&hurried);
            }
        }
        let covered = self.until(&company, |state| {
            state.stage == Stage::Kept && state.waiting.covers(person)
        });
        in_time(LIST_WAIT_MS, covered).await
    }

    /// Waits until it is known which rooms owed something when the node started.
    async fn owing_known(&self) -> Result<(), Rejection> {
        let known = self.index.owing_known.wait();
        in_time(LIST_WAIT_MS, known).await.copied()
    }

    /// Waits until lists show every record that a room has made by now, whoever asked for it.
    pub(crate) async fn all_listed(self: &Arc<Self>, company: &CompanyId) -> Result<(), Rejection> {
        self.owing_known().await?;
        let company = self.index.of(company);
        let owed = lock(&company.state).waiting.hurry_all();
        let listed = self.until(&company, |state| {
            let waiting = &state.waiting;
            state.stage == Stage::Kept && !waiting.has_behind() && waiting.are_listed(&owed)
        });
        in_time(ALL_LISTED_WAIT_MS, listed).await
    }

    /// Ends when something holds of a company's lists; their writer works meanwhile, without rest.
    async fn until(self: &Arc<Self>, company: &Arc<Company>, holds: impl Fn(&State) -> bool) {
        if holds(&lock(&company.state)) {
            return;
        }
        let _reader = Reader::come(company);
        loop {
            let changed = company.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&lock(&company.state)) {
                return;
            }
            self.write_lists(company);
            changed.await;
        }
    }
}

/// What comes in time, or a refusal.
async fn in_time<T>(limit_ms: u64, what: impl Future<Output = T>) -> Result<T, Rejection> {
    let limit = Duration::from_millis(limit_ms);
    timeout(limit, what).await.map_err(|_| {
        let why = "lists are behind, try again";
        Rejection::because(ErrorCode::Unavailable, why)
    })
}

/// A reader who waits for a company's writer.
struct Reader<'a>(&'a Company);

impl<'a> Reader<'a> {
    fn come(company: &'a Company) -> Self {
        lock(&company.state).reader_count += 1;
        company.asked.notify_waiters();
        Self(company)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).reader_count -= 1;
    }
}
