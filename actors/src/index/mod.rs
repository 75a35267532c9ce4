//! Lists across rooms: a person's conversations in order, their unread counts. Ordered rows beside
//! the journal, written by one writer a company outside any actor's turn.
//!
//! A room that changed owes its summary: the record that changed it marks the room as pending, and
//! the mark goes when the summary is in the rows. So after any crash exactly the rooms that were
//! behind wake and tell again. A row holds the position it was made at; an older summary changes
//! nothing. What is lost altogether is made again from the rooms.
//!
//! Owns: the writer of each company; in its files `waiting` who waits for which room, `rows` what
//! a summary changes, `rebuild` making lists anew, `lists` reading them.
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

mod lists;
mod rebuild;
mod rows;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use frontdesk_protocol::{CompanyId, ErrorCode, PersonId, Pos, Rejection, RoomId};
use frontdesk_storage::{EntityId, EntityKind};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

pub use lists::{Conversation, ConversationPage, ListCursor, ListFrom, Totals};

use crate::node::Node;
use crate::room::Summary;
use crate::task::{blocking, lock, pause, spawn};
use waiting::Waiting;

/// A room tells its summary at most this often, milliseconds: a busy room is one row, not one for
/// each message.
pub const LIST_DELAY_MS: u64 = 50;
/// How long a reader waits for what it did to be listed, milliseconds.
const LIST_WAIT_MS: u64 = 1_000;
/// How long a reader waits for what others did, milliseconds.
const HURRY_WAIT_MS: u64 = 100;
/// Pause after a write that failed, milliseconds: what failed may be a disk that is full.
const WRITE_RETRY_MS: u64 = 1_000;
/// Rooms written at once: one batch stays small beside a commit's.
const WRITE_ROOM_COUNT_MAX: usize = 256;
/// People of the rooms written at once, for the same reason: each may have two rows that change.
const WRITE_SEAT_COUNT_MAX: usize = 2_048;
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
}

impl State {
    fn is_idle(&self) -> bool {
        self.notes.is_empty() && self.waiting.is_empty() && !self.is_writing
    }
}

/// The lists of one company.
struct Company {
    id: CompanyId,
    state: Mutex<State>,
    changed: Notify,
}

/// See the module's text.
pub(crate) struct Index {
    companies: DashMap<CompanyId, Arc<Company>>,
    /// One permit: invariant 5.
    writers: Semaphore,
    /// Batches written, for tests.
    written: std::sync::atomic::AtomicU64,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            companies: DashMap::new(),
            writers: Semaphore::new(1),
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
        };
        Self {
            id,
            state: Mutex::new(state),
            changed: Notify::new(),
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

    /// A room is behind, up to this record, from before its actor started. It tells when it is up.
    pub(crate) fn is_behind(&self, entity: &EntityId, pos: Pos) {
        if let EntityKind::Room(room) = entity.kind {
            let company = self.of(&entity.company);
            lock(&company.state).waiting.is_behind(room, pos);
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
        put(&mut lock(&company.state).notes, room, note);
        self.write_lists(&company);
    }

    /// Waits until lists show everything this person was told is done.
    pub(crate) async fn listed(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<(), Rejection> {
        let company = self.index.of(company);
        let now_ms = self.clock.monotonic_ms();
        let hurried = lock(&company.state).waiting.hurry(now_ms);
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
        let limit = Duration::from_millis(LIST_WAIT_MS);
        timeout(limit, covered).await.map_err(|_| {
            let why = "lists are behind, try again";
            Rejection::because(ErrorCode::Unavailable, why)
        })
    }

    /// Ends when something holds of a company's lists; their writer works meanwhile.
    async fn until(self: &Arc<Self>, company: &Arc<Company>, holds: impl Fn(&State) -> bool) {
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

    /// Has the company's writer work, if it does not.
    fn write_lists(self: &Arc<Self>, company: &Arc<Company>) {
        {
            let mut state = lock(&company.state);
            let has_work = !state.notes.is_empty() || state.stage != Stage::Kept;
            if state.is_writing || !has_work {
                return;
            }
            state.is_writing = true;
        }
        let (node, company) = (Arc::clone(self), Arc::clone(company));
        spawn(async move {
            let mut writing = Writing {
                company,
                has_rested: false,
            };
            let company = Arc::clone(&writing.company);
            while let Some(notes) = next_notes(&company) {
                let Err(error) = node.write_notes(&company, notes).await else {
                    continue;
                };
                tracing::error!(company = %company.id, %error, "lists cannot be written");
                if node.journal.failure().is_some() || node.is_stopped() {
                    return;
                }
                pause(WRITE_RETRY_MS).await;
            }
            writing.has_rested = true;
        });
    }

    /// Writes summaries; what could not be written is put back.
    async fn write_notes(
        self: &Arc<Self>,
        company: &Arc<Company>,
        notes: BTreeMap<RoomId, Note>,
    ) -> frontdesk_storage::Result<()> {
        let summaries: Vec<_> = notes
            .iter()
            .map(|(room, note)| (*room, note.pos, Arc::clone(&note.summary)))
            .collect();
        let written = match self.keep_lists(company).await {
            Ok(()) => self.write_rows(company, summaries).await,
            Err(error) => Err(error),
        };
        let mut state = lock(&company.state);
        if let Err(error) = written {
            for (room, note) in notes {
                put(&mut state.notes, room, note);
            }
            return Err(error);
        }
        for (room, note) in &notes {
            state.waiting.is_listed(room, note.pos);
        }
        drop(state);
        company.changed.notify_waiters();
        for note in notes.into_values() {
            (note.done)();
        }
        Ok(())
    }

    async fn write_rows(
        self: &Arc<Self>,
        company: &Arc<Company>,
        summaries: Vec<(RoomId, Pos, Arc<Summary>)>,
    ) -> frontdesk_storage::Result<()> {
        if summaries.is_empty() {
            return Ok(());
        }
        // The semaphore is never closed.
        let _permit = self.index.writers.acquire().await;
        let counted = &self.index.written;
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (directory, id) = (Arc::clone(&self.directory), company.id.clone());
        blocking(move || rows::write(&*directory, &id, summaries)).await
    }
}

/// A company's writer at work; however it ends, the next one may begin.
struct Writing {
    company: Arc<Company>,
    /// It found nothing to do, and said so under the lock.
    has_rested: bool,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.has_rested {
            lock(&self.company.state).is_writing = false;
        }
    }
}

/// Keeps the newer of two summaries of a room.
fn put(notes: &mut BTreeMap<RoomId, Note>, room: RoomId, note: Note) {
    let is_newer = notes.get(&room).is_none_or(|other| other.pos <= note.pos);
    if is_newer {
        notes.insert(room, note);
    }
}

/// The next summaries to write; `None` when there are none and the writer rests.
fn next_notes(company: &Company) -> Option<BTreeMap<RoomId, Note>> {
    let mut state = lock(&company.state);
    if state.notes.is_empty() && state.stage == Stage::Kept {
        // Under the lock: who comes next sees it and starts another.
        state.is_writing = false;
        return None;
    }
    let mut next = BTreeMap::new();
    let mut seat_count = 0;
    while next.len() < WRITE_ROOM_COUNT_MAX && seat_count < WRITE_SEAT_COUNT_MAX {
        let Some((room, note)) = state.notes.pop_first() else {
            break;
        };
        seat_count += note.summary.people.len();
        next.insert(room, note);
    }
    Some(next)
}
