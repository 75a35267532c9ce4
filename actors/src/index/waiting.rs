//! Which rooms of a company are not listed yet, and who must find them listed.
//!
//! Invariants: a person waits for the rooms they changed and for no other; a room is here from the
//! record that changed it until lists show that record, or until it is given up.
//! Never: waits; it only knows.

use std::collections::{BTreeSet, HashMap};

use frontdesk_protocol::{PersonId, Pos, RoomId};

use super::Hurry;

/// A reader waits also for what others did, where no more rooms than this have not told of it: a
/// company's busy hour is not for a reader to wait for.
const HURRY_ROOM_COUNT_MAX: usize = 16;

/// A room that changed since it was listed.
struct Unlisted {
    /// The first record that is not listed, and the last.
    first: Pos,
    last: Pos,
    /// Who changed it, and where last.
    people: Vec<(PersonId, Pos)>,
    hurry: Hurry,
    /// It was hurried and did not tell in time.
    is_late: bool,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Waiting {
    unlisted: HashMap<RoomId, Unlisted>,
    /// In how many unlisted rooms each person did something.
    owed: HashMap<PersonId, usize>,
    /// Rooms that were behind when their actors started.
    behind: BTreeSet<RoomId>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.unlisted.is_empty() && self.behind.is_empty()
    }

    /// A room is behind from before.
    pub(super) fn is_behind(&mut self, room: RoomId) {
        self.behind.insert(room);
    }

    /// A room changed.
    pub(super) fn owe(
        &mut self,
        room: RoomId,
        pos: Pos,
        people: &[PersonId],
        hurry: impl FnOnce() -> Hurry,
    ) {
        let unlisted = self.unlisted.entry(room).or_insert_with(|| Unlisted {
            first: pos,
            last: pos,
            people: Vec::new(),
            hurry: hurry(),
            is_late: false,
        });
        unlisted.last = pos;
        for person in people {
            match unlisted.people.iter_mut().find(|(who, _)| who == person) {
                Some(entry) => entry.1 = pos,
                None => {
                    unlisted.people.push((person.clone(), pos));
                    *self.owed.entry(person.clone()).or_default() += 1;
                }
            }
        }
    }

    /// Lists show a room up to a record.
    pub(super) fn is_listed(&mut self, room: &RoomId, pos: Pos) {
        self.behind.remove(room);
        let Some(unlisted) = self.unlisted.get_mut(room) else {
            return;
        };
        unlisted.is_late = false;
        unlisted.first = unlisted.first.max(pos.next());
        let owed = &mut self.owed;
        unlisted.people.retain(|(person, at)| {
            let is_owed = *at > pos;
            if !is_owed {
                take_one(owed, person);
            }
            is_owed
        });
        if unlisted.last <= pos {
            self.unlisted.remove(room);
        }
    }

    /// Nobody waits for a room any more.
    pub(super) fn forget(&mut self, room: &RoomId) {
        self.behind.remove(room);
        if let Some(unlisted) = self.unlisted.remove(room) {
            for (person, _) in &unlisted.people {
                take_one(&mut self.owed, person);
            }
        }
    }

    /// Whether everything a person did is listed, and everything from before.
    pub(super) fn covers(&self, person: &PersonId) -> bool {
        self.behind.is_empty() && !self.owed.contains_key(person)
    }

    /// Has the rooms that changed tell at once, if they are few: what is to be waited for.
    pub(super) fn hurry(&self) -> Vec<(RoomId, Pos)> {
        if self.unlisted.len() > HURRY_ROOM_COUNT_MAX {
            return Vec::new();
        }
        let in_time = self
            .unlisted
            .iter()
            .filter(|(_, unlisted)| !unlisted.is_late);
        let hurried = in_time.map(|(room, unlisted)| {
            (unlisted.hurry)();
            (*room, unlisted.last)
        });
        hurried.collect()
    }

    /// Whether these rooms told of everything up to these records.
    pub(super) fn are_listed(&self, rooms: &[(RoomId, Pos)]) -> bool {
        rooms.iter().all(|(room, pos)| {
            let unlisted = self.unlisted.get(room);
            unlisted.is_none_or(|unlisted| unlisted.first > *pos)
        })
    }

    /// These rooms did not tell in time: readers do not wait for them again until they do.
    pub(super) fn are_late(&mut self, rooms: &[(RoomId, Pos)]) {
        for (room, pos) in rooms {
            if let Some(unlisted) = self.unlisted.get_mut(room)
                && unlisted.first <= *pos
            {
                unlisted.is_late = true;
            }
        }
    }
}

fn take_one(owed: &mut HashMap<PersonId, usize>, person: &PersonId) {
    if let Some(count) = owed.get_mut(person) {
        *count -= 1;
        if *count == 0 {
            owed.remove(person);
        }
    }
}
