//! The writer of a company's lists: one task at a time, while there is something to write.
//!
//! Invariants: what could not be written is put back and tried again; a room's row is never written
//! by two tasks at once; the writer that ends says so under the lock, so nothing is left lying.
//! Never: decides what a summary changes, which is for `rows`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use frontdesk_protocol::{Pos, RoomId};
use tokio::time::timeout;

use super::{Company, Note, State, rows};
use crate::node::Node;
use crate::room::Summary;
use crate::task::{blocking, lock, pause, spawn};

/// Pause after a write that failed, milliseconds: what failed may be a disk that is full.
const WRITE_RETRY_MS: u64 = 1_000;
/// Rooms written at once: one batch stays small beside a commit's.
pub(super) const WRITE_ROOM_COUNT_MAX: usize = 256;
/// People of the rooms written at once, for the same reason: each may have two rows that change.
const WRITE_SEAT_COUNT_MAX: usize = 2_048;
/// A company's rows are written at most this often, milliseconds, unless a reader waits: rooms that
/// tell one after the other share a batch, which costs hardly more than one room's.
const GATHER_MS: u64 = 20;

impl State {
    /// How long the writer may still rest, milliseconds.
    fn rest_ms(&self, now_ms: u64) -> u64 {
        match self.began_ms {
            Some(began_ms) if self.reader_count == 0 => {
                (began_ms + GATHER_MS).saturating_sub(now_ms)
            }
            _ => 0,
        }
    }
}

impl Node {
    /// Has the company's writer work, if it does not.
    pub(super) fn write_lists(self: &Arc<Self>, company: &Arc<Company>) {
        {
            let mut state = lock(&company.state);
            if state.is_writing || !state.has_work() {
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
            while let Some(notes) = node.next_notes(&company).await {
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

    /// The next summaries to write, after a rest in which more rooms may tell; `None` when there
    /// are none and the writer ends.
    async fn next_notes(&self, company: &Company) -> Option<BTreeMap<RoomId, Note>> {
        let asked = company.asked.notified();
        tokio::pin!(asked);
        asked.as_mut().enable();
        let rest_ms = {
            let mut state = lock(&company.state);
            if !state.has_work() {
                // Under the lock: who comes next sees it and starts another.
                state.is_writing = false;
                return None;
            }
            state.rest_ms(self.clock.monotonic_ms())
        };
        if rest_ms > 0 {
            // A reader who comes ends the rest.
            let _ = timeout(Duration::from_millis(rest_ms), asked).await;
        }
        let mut state = lock(&company.state);
        state.began_ms = Some(self.clock.monotonic_ms());
        Some(take(&mut state.notes))
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
        counted.fetch_add(1, Ordering::Relaxed);
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
pub(super) fn put(notes: &mut BTreeMap<RoomId, Note>, room: RoomId, note: Note) {
    let is_newer = notes.get(&room).is_none_or(|other| other.pos <= note.pos);
    if is_newer {
        notes.insert(room, note);
    }
}

/// As many summaries as are written at once.
fn take(notes: &mut BTreeMap<RoomId, Note>) -> BTreeMap<RoomId, Note> {
    let mut next = BTreeMap::new();
    let mut seat_count = 0;
    while next.len() < WRITE_ROOM_COUNT_MAX && seat_count < WRITE_SEAT_COUNT_MAX {
        let Some((room, note)) = notes.pop_first() else {
            break;
        };
        seat_count += note.summary.people.len();
        next.insert(room, note);
    }
    next
}
