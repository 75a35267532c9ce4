//! Lists across rooms: a person's conversations in order, their unread counts. Ordered rows beside
//! the journal, written by one writer a company outside any actor's turn.
//!
//! A room that changed owes its summary: the record that changed it marks the room as pending, and
//! the mark goes when the summary is in the rows. So after any crash exactly the rooms that were
//! behind wake and tell again. A row holds the position it was made at; an older summary changes
//! nothing. What is lost altogether is made again from the rooms.
//!
//! Owns: the summaries on their way, who waits for which, the writer of each company.
//!
//! Invariants:
//! 1. A person's totals are the sums of what their rooms' rows say: both are written together.
//! 2. A room is written at most once in [`LIST_DELAY_MS`]; what comes between is one row.
//! 3. Whoever was answered finds what they did in the next list they read, or is refused.
//!
//! Never: is the truth; the rooms are.

mod lists;
mod rebuild;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use frontdesk_protocol::{CompanyId, ErrorCode, PersonId, Pos, Rejection, RoomId};
use frontdesk_storage::{EntityId, EntityKind};
use tokio::sync::Notify;
use tokio::time::timeout;

pub use lists::{Conversation, ConversationPage, ListCursor, ListFrom, Totals};

use crate::node::Node;
use crate::room::Summary;
use crate::task::{blocking, lock, spawn};

/// A room tells its summary at most this often, milliseconds: a busy room is one row, not one for
/// each message.
pub const LIST_DELAY_MS: u64 = 50;
/// How long a reader waits for what it did to be listed, milliseconds.
const LIST_WAIT_MS: u64 = 1_000;
/// Rooms written at once: one batch stays small beside a commit's.
const WRITE_ROOM_COUNT_MAX: usize = 256;
/// Rooms with more people than this are in nobody's list: each message would write a row for each.
pub const LISTED_PERSON_COUNT_MAX: usize = 256;

/// A reader waits also for what others did, where no more rooms than this have not told of it: a
/// company's busy hour is not for a reader to wait for.
const HURRY_ROOM_COUNT_MAX: usize = 16;

/// The same where more happened than this in the last [`HURRY_WAIT_MS`] or twice that: each reader
/// would wait for the store's writer, in every request.
const HURRY_CHANGE_COUNT_MAX: u64 = 64;

/// How long a reader waits for what others did, milliseconds.
const HURRY_WAIT_MS: u64 = 100;

/// Has a room tell its summary at once.
pub(crate) type Hurry = Box<dyn Fn() + Send + Sync>;

/// A room that changed since it was listed.
struct Unlisted {
    /// The first record that is not listed, and the last.
    first: Pos,
    last: Pos,
    hurry: Hurry,
}

/// Called once when a summary is in the rows.
type OnListed = Box<dyn FnOnce() + Send>;

/// A summary on its way into the rows.
struct Note {
    pos: Pos,
    summary: Summary,
    done: Option<OnListed>,
}

/// How many changes there were lately: in this stretch of [`HURRY_WAIT_MS`] and the one before.
#[derive(Default)]
struct Lately {
    stretch: u64,
    count: u64,
    count_before: u64,
}

impl Lately {
    fn count(&mut self, now_ms: u64) -> u64 {
        let stretch = now_ms / HURRY_WAIT_MS;
        if stretch != self.stretch {
            let is_next = stretch == self.stretch + 1;
            self.count_before = if is_next { self.count } else { 0 };
            (self.stretch, self.count) = (stretch, 0);
        }
        self.count + self.count_before
    }

    fn add(&mut self, now_ms: u64) {
        self.count(now_ms);
        self.count += 1;
    }
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
    /// What people did in rooms that is not listed yet.
    owed: HashMap<PersonId, Vec<(RoomId, Pos)>>,
    /// Rooms that changed since they were listed.
    unlisted: HashMap<RoomId, Unlisted>,
    lately: Lately,
    /// Rooms that were behind when the node started.
    behind: BTreeSet<RoomId>,
    is_writing: bool,
}

/// The lists of one company.
struct Company {
    id: CompanyId,
    state: Mutex<State>,
    changed: Notify,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Index {
    companies: DashMap<CompanyId, Arc<Company>>,
}

impl Company {
    fn new(id: CompanyId) -> Self {
        let state = State {
            stage: Stage::Unknown,
            notes: BTreeMap::new(),
            owed: HashMap::new(),
            unlisted: HashMap::new(),
            lately: Lately::default(),
            behind: BTreeSet::new(),
            is_writing: false,
        };
        Self {
            id,
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Has the rooms that changed tell at once, if little happens: what is to be waited for.
    fn hurry(&self, now_ms: u64) -> Vec<(RoomId, Pos)> {
        let mut state = lock(&self.state);
        let is_busy = state.unlisted.len() > HURRY_ROOM_COUNT_MAX
            || state.lately.count(now_ms) > HURRY_CHANGE_COUNT_MAX;
        if is_busy {
            return Vec::new();
        }
        let wanted = state.unlisted.iter().map(|(room, unlisted)| {
            (unlisted.hurry)();
            (*room, unlisted.last)
        });
        wanted.collect()
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

    /// A room was behind when the node started: it will tell by itself.
    pub(crate) fn was_behind(&self, entity: &EntityId) {
        if let EntityKind::Room(room) = entity.kind {
            lock(&self.of(&entity.company).state).behind.insert(room);
        }
    }

    /// Whether lists show everything that happened.
    #[cfg(test)]
    pub(crate) fn is_settled(&self, company: &CompanyId) -> bool {
        let company = self.of(company);
        let state = lock(&company.state);
        state.unlisted.is_empty() && state.behind.is_empty()
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
        let EntityKind::Room(room) = entity.kind else {
            return;
        };
        let company = self.of(&entity.company);
        let mut state = lock(&company.state);
        state.lately.add(now_ms);
        let unlisted = state.unlisted.entry(room).or_insert_with(|| Unlisted {
            first: pos,
            last: pos,
            hurry: hurry(),
        });
        unlisted.last = pos;
        for person in people {
            let owed = match state.owed.get_mut(person) {
                Some(owed) => owed,
                None => state.owed.entry(person.clone()).or_default(),
            };
            match owed.iter_mut().find(|(other, _)| *other == room) {
                Some(entry) => entry.1 = pos,
                None => owed.push((room, pos)),
            }
        }
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
            summary,
            done: Some(done),
        };
        {
            let mut state = lock(&company.state);
            state.notes.insert(room, note);
        }
        self.write_lists(&company);
    }

    /// Waits until lists show everything this person was told is done.
    pub(crate) async fn listed(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<(), Rejection> {
        let company = self.index.of(company);
        let hurried = company.hurry(self.clock.monotonic_ms());
        if !hurried.is_empty() {
            let limit = Duration::from_millis(HURRY_WAIT_MS);
            let all_told = self.until(&company, |state| are_listed(state, &hurried));
            if timeout(limit, all_told).await.is_err() {
                // Rooms that cannot tell now are waited for once; they tell when they can.
                let mut state = lock(&company.state);
                state
                    .unlisted
                    .retain(|room, _| hurried.iter().all(|(late, _)| late != room));
            }
        }
        let covered = self.until(&company, |state| {
            let is_behind = !state.behind.is_empty() || state.owed.contains_key(person);
            state.stage == Stage::Kept && !is_behind
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
            while let Some(notes) = next_notes(&company) {
                if let Err(error) = node.write_notes(&company, notes).await {
                    // What is not written stays owed by its rooms; a failed store ends the node.
                    tracing::error!(company = %company.id, %error, "lists cannot be written");
                    lock(&company.state).is_writing = false;
                    return;
                }
            }
        });
    }

    async fn write_notes(
        self: &Arc<Self>,
        company: &Arc<Company>,
        mut notes: BTreeMap<RoomId, Note>,
    ) -> frontdesk_storage::Result<()> {
        self.keep_lists(company).await?;
        let told: Vec<(RoomId, Pos, Option<OnListed>)> = notes
            .iter_mut()
            .map(|(room, note)| (*room, note.pos, note.done.take()))
            .collect();
        let (directory, id) = (Arc::clone(&self.directory), company.id.clone());
        let writer = Arc::clone(company);
        blocking(move || {
            let notes = notes
                .into_iter()
                .map(|(room, note)| (room, note.pos, note.summary));
            rows::write(&*directory, &id, notes)
        })
        .await?;
        let mut state = lock(&writer.state);
        for (room, pos, _) in &told {
            state.behind.remove(room);
            if let Some(unlisted) = state.unlisted.get_mut(room) {
                unlisted.first = unlisted.first.max(pos.next());
                if unlisted.last <= *pos {
                    state.unlisted.remove(room);
                }
            }
            state.owed.retain(|_, owed| {
                owed.retain(|(other, owed)| other != room || owed > pos);
                !owed.is_empty()
            });
        }
        drop(state);
        writer.changed.notify_waiters();
        for done in told.into_iter().filter_map(|(_, _, done)| done) {
            done();
        }
        Ok(())
    }
}

/// Whether these rooms told of everything up to these records.
fn are_listed(state: &State, rooms: &[(RoomId, Pos)]) -> bool {
    rooms.iter().all(|(room, pos)| {
        let unlisted = state.unlisted.get(room);
        unlisted.is_none_or(|unlisted| unlisted.first > *pos)
    })
}

/// The next summaries to write; `None` when there are none and the writer rests.
fn next_notes(company: &Company) -> Option<BTreeMap<RoomId, Note>> {
    let mut state = lock(&company.state);
    if state.notes.is_empty() && state.stage == Stage::Kept {
        state.is_writing = false;
        return None;
    }
    match state.notes.keys().nth(WRITE_ROOM_COUNT_MAX).copied() {
        None => Some(std::mem::take(&mut state.notes)),
        Some(first_left) => {
            let left = state.notes.split_off(&first_left);
            Some(std::mem::replace(&mut state.notes, left))
        }
    }
}
