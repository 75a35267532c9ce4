//! The index's rows: their keys and values, and how summaries change them.
//!
//! ```text
//! 's' room                          the room's summary and the position it was made at
//! 'l' person 0x00 !changed !number  a room in a person's list, newest first
//! 'u' person                        a person's totals
//! 'h', 't'                          chats for people (see [`super::desks`])
//! 'v'                               the version of these tables
//! ```
//!
//! Invariants: one call writes everything that a set of summaries changes in one batch; numbers in
//! keys are big-endian, inverted where the newest comes first.
//! Never: called by two threads at once for one company.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::{CompanyId, ConversationNo, PersonId, Pos, RoomId, Seq, Timestamp};
use frontdesk_storage::{Directory, Result, Row, RowsWait};
use serde::{Deserialize, Serialize};

use super::LISTED_PERSON_COUNT_MAX;
use super::desks::{DESK_COUNTS, DESKS, DeskChanges};
use crate::company::tables::{self, read, set};
use crate::room::{SeatSummary, Summary};

const SUMMARIES: u8 = b's';
const LISTS: u8 = b'l';
const TOTALS: u8 = b'u';
const VERSION: u8 = b'v';

/// Rows about single events removed at once: one batch stays small beside a commit's.
const MARK_COUNT: usize = 1_000;

/// A room as the rows hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SummaryRow {
    pub(super) pos: Pos,
    pub(super) summary: Summary,
}

/// What a person has in all their rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Unread messages.
    pub unread_messages: u64,
    /// Rooms with unread messages.
    pub unread_rooms: u64,
    /// Rooms.
    pub rooms: u64,
}

/// Where a room stands in a list: when it changed, then its number, newest first.
pub(super) type Place = (Timestamp, ConversationNo);

pub(super) fn summary_key(room: &RoomId) -> Vec<u8> {
    let mut key = vec![SUMMARIES];
    key.extend_from_slice(room.bits());
    key
}

pub(super) fn totals_key(person: &PersonId) -> Vec<u8> {
    let mut key = vec![TOTALS];
    key.extend_from_slice(person.as_str().as_bytes());
    key
}

pub(super) fn version_key() -> Vec<u8> {
    vec![VERSION]
}

pub(super) fn list_key(person: &PersonId, (changed_at, number): Place) -> Vec<u8> {
    let mut key = vec![LISTS];
    key.extend_from_slice(person.as_str().as_bytes());
    key.push(0); // ends the id: ids hold no control characters
    key.extend_from_slice(&(!changed_at.0).to_be_bytes());
    key.extend_from_slice(&(!number.0).to_be_bytes());
    key
}

/// Before and behind every row of a person's list.
pub(super) fn list_bounds(person: &PersonId) -> (Vec<u8>, Vec<u8>) {
    let mut from = vec![LISTS];
    from.extend_from_slice(person.as_str().as_bytes());
    let mut to = from.clone();
    from.push(0);
    to.push(1);
    (from, to)
}

/// The place that ends a list key.
pub(super) fn place_of(key: &[u8]) -> Option<Place> {
    let (rest, number) = key.split_last_chunk::<8>()?;
    let (_, changed_at) = rest.split_last_chunk::<8>()?;
    let changed_at = Timestamp(!u64::from_be_bytes(*changed_at));
    Some((changed_at, ConversationNo(!u64::from_be_bytes(*number))))
}

/// The tables that are made again when they are lost.
pub(super) fn tables_of_lists() -> [u8; 5] {
    [SUMMARIES, LISTS, TOTALS, DESKS, DESK_COUNTS]
}

/// What summaries change, in one batch: each room's row, its place in everyone's list, totals.
pub(super) fn write(
    directory: &dyn Directory,
    company: &CompanyId,
    summaries: Vec<(RoomId, Pos, Arc<Summary>)>,
) -> Result<()> {
    let mut rows = Vec::new();
    let mut changes: BTreeMap<PersonId, Change> = BTreeMap::new();
    let mut desks = DeskChanges::default();
    for (room, pos, summary) in summaries {
        let key = summary_key(&room);
        let old = directory.row(company, &key)?;
        let old: Option<SummaryRow> = old.as_ref().and_then(read);
        if old.as_ref().is_some_and(|old| old.pos >= pos) {
            continue;
        }
        let mut summary = Arc::unwrap_or_clone(summary);
        if summary.people.len() > LISTED_PERSON_COUNT_MAX {
            summary.people.clear();
        }
        count_unread(directory, company, &room, &mut summary)?;
        let old = old.map(|old| old.summary);
        place(&room, old.as_ref(), &summary, &mut rows);
        desks.place(&room, old.as_ref(), &summary, &mut rows);
        if summary.gone {
            clear_marks(directory, company, &room)?;
        }
        for seat in old.iter().flat_map(people) {
            changes.entry(seat.person.clone()).or_default().take(seat);
        }
        for seat in people(&summary) {
            changes.entry(seat.person.clone()).or_default().add(seat);
        }
        rows.push(match summary.gone {
            true => Row { key, value: None },
            false => set(key, &SummaryRow { pos, summary }),
        });
    }
    for (person, change) in changes {
        if change.is_nothing() {
            continue;
        }
        let key = totals_key(&person);
        let old = directory.row(company, &key)?;
        let totals: Totals = old.as_ref().and_then(read).unwrap_or_default();
        let totals = change.applied(totals);
        rows.push(match totals == Totals::default() {
            true => Row { key, value: None },
            false => set(key, &totals),
        });
    }
    desks.counted(directory, company, &mut rows)?;
    match rows.is_empty() {
        true => Ok(()),
        false => directory.put_rows(company, rows, RowsWait::Applied),
    }
}

/// Those of a room who have lists.
fn people(summary: &Summary) -> impl Iterator<Item = &SeatSummary> {
    summary.people.iter().filter(|seat| !seat.person.is_bot())
}

/// Takes away what is said about single events of a room: of those nothing is left.
fn clear_marks(directory: &dyn Directory, company: &CompanyId, room: &RoomId) -> Result<()> {
    for key in [tables::deleted_key, tables::silent_key] {
        let (from, to) = (key(room, Seq(0)), key(room, Seq(u64::MAX)));
        loop {
            let found = directory.rows(company, &from, &to, false, MARK_COUNT)?;
            if found.is_empty() {
                break;
            }
            let gone = found.into_iter().map(|(key, _)| Row { key, value: None });
            directory.put_rows(company, gone.collect(), RowsWait::Applied)?;
        }
    }
    Ok(())
}

/// What lists show of a room, as it is written now.
pub(crate) fn summary_in(
    directory: &dyn Directory,
    company: &CompanyId,
    room: &RoomId,
) -> Result<Option<Summary>> {
    let row = directory.row(company, &summary_key(room))?;
    let row: Option<SummaryRow> = row.as_ref().and_then(read);
    Ok(row.map(|row| row.summary))
}

/// Shown events that are no messages are not unread.
fn count_unread(
    directory: &dyn Directory,
    company: &CompanyId,
    room: &RoomId,
    summary: &mut Summary,
) -> Result<()> {
    if summary.silent_count == 0 {
        return Ok(());
    }
    let to = tables::silent_key(room, summary.head.next());
    for seat in summary.people.iter_mut().filter(|seat| seat.unread > 0) {
        let from = tables::silent_key(room, seat.read.next());
        let count_max = usize::try_from(seat.unread).unwrap_or(usize::MAX);
        let silent = directory.rows(company, &from, &to, false, count_max)?;
        seat.unread -= silent.len() as u64;
    }
    Ok(())
}

/// The room's place in each list; only where it changed.
fn place(room: &RoomId, old: Option<&Summary>, new: &Summary, rows: &mut Vec<Row>) {
    let place_in = |summary: &Summary| (summary.changed_at, summary.conversation);
    let removed = |seat: &SeatSummary, place: Place| Row {
        key: list_key(&seat.person, place),
        value: None,
    };
    let had: BTreeMap<&PersonId, Place> = old
        .iter()
        .flat_map(|old| people(old).map(|seat| (&seat.person, place_in(old))))
        .collect();
    if let Some(old) = old {
        let is_gone = |seat: &&SeatSummary| {
            place_in(old) != place_in(new) || people(new).all(|other| other.person != seat.person)
        };
        rows.extend(
            people(old)
                .filter(is_gone)
                .map(|seat| removed(seat, place_in(old))),
        );
    }
    let moved = people(new).filter(|seat| had.get(&seat.person) != Some(&place_in(new)));
    rows.extend(moved.map(|seat| set(list_key(&seat.person, place_in(new)), room)));
}

/// How a person's totals change.
#[derive(Default)]
struct Change {
    taken: Totals,
    added: Totals,
}

impl Change {
    fn take(&mut self, seat: &SeatSummary) {
        count(&mut self.taken, seat);
    }

    fn add(&mut self, seat: &SeatSummary) {
        count(&mut self.added, seat);
    }

    fn is_nothing(&self) -> bool {
        self.taken == self.added
    }

    fn applied(&self, totals: Totals) -> Totals {
        let change = |now: u64, added: u64, taken: u64| (now + added).saturating_sub(taken);
        let (added, taken) = (&self.added, &self.taken);
        Totals {
            unread_messages: change(
                totals.unread_messages,
                added.unread_messages,
                taken.unread_messages,
            ),
            unread_rooms: change(totals.unread_rooms, added.unread_rooms, taken.unread_rooms),
            rooms: change(totals.rooms, added.rooms, taken.rooms),
        }
    }
}

fn count(totals: &mut Totals, seat: &SeatSummary) {
    totals.unread_messages += seat.unread;
    totals.unread_rooms += u64::from(seat.unread > 0);
    totals.rooms += 1;
}
