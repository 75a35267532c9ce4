//! Which rooms of a company are not listed yet, and who must find them listed.
//!
//! Invariants: a person waits for the rooms they changed, for those of before the node's start, and
//! for no other; a room is here from the record that changed it, or its actor's start, until lists
//! show that record, or until it is given up.
//! Never: waits; it only knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use frontdesk_protocol::{PersonId, Pos, RoomId};

use super::{HURRY_WAIT_MS, Hurry};

/// A reader waits also for what others did, where no more rooms than this have not told of it: a
/// company's busy hour is not for a reader to wait for.
const HURRY_ROOM_COUNT_MAX: usize = 16;
/// The same where more happened than this in the last [`HURRY_WAIT_MS`] or twice that: each reader
/// would wait for the store's writer, in every request. What a reader did itself is always waited
/// for.
const HURRY_CHANGE_COUNT_MAX: u64 = 64;

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
    lately: Lately,
    /// The unlisted rooms in which each person did something.
    owed: HashMap<PersonId, BTreeSet<RoomId>>,
    /// Rooms that may owe something from before the node started and have not said so yet.
    coming_up: BTreeSet<RoomId>,
    /// Rooms that were behind when their actors started, and their last record then.
    behind: BTreeMap<RoomId, Pos>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.unlisted.is_empty() && !self.has_behind()
    }

    /// A room may owe something from before: how far it is behind it says when it comes up.
    pub(super) fn await_up(&mut self, room: RoomId) {
        self.coming_up.insert(room);
    }

    /// Whether that is still so.
    pub(super) fn awaits(&self, room: &RoomId) -> bool {
        self.coming_up.contains(room)
    }

    /// It has an actor, which has said.
    pub(super) fn is_up(&mut self, room: &RoomId) {
        self.coming_up.remove(room);
    }

    /// A room's actor starts, behind from before up to this record.
    pub(super) fn came_up(&mut self, room: RoomId, behind: Option<Pos>) {
        self.coming_up.remove(&room);
        if let Some(pos) = behind {
            self.behind.insert(room, pos);
        }
    }

    /// A room changed.
    pub(super) fn owe(
        &mut self,
        room: RoomId,
        pos: Pos,
        now_ms: u64,
        people: &[PersonId],
        hurry: impl FnOnce() -> Hurry,
    ) {
        self.lately.add(now_ms);
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
                    self.owed.entry(person.clone()).or_default().insert(room);
                }
            }
        }
    }

    /// Lists show a room up to a record.
    pub(super) fn is_listed(&mut self, room: &RoomId, pos: Pos) {
        // What the room's crashed actor told may be listed after its successor came up.
        if self.behind.get(room).is_some_and(|last| *last <= pos) {
            self.behind.remove(room);
        }
        let Some(unlisted) = self.unlisted.get_mut(room) else {
            return;
        };
        unlisted.is_late = false;
        unlisted.first = unlisted.first.max(pos.next());
        let owed = &mut self.owed;
        unlisted.people.retain(|(person, at)| {
            let is_owed = *at > pos;
            if !is_owed {
                settle(owed, person, room);
            }
            is_owed
        });
        if unlisted.last <= pos {
            self.unlisted.remove(room);
        }
    }

    /// Nobody waits for a room any more.
    pub(super) fn forget(&mut self, room: &RoomId) {
        self.coming_up.remove(room);
        self.behind.remove(room);
        if let Some(unlisted) = self.unlisted.remove(room) {
            for (person, _) in &unlisted.people {
                settle(&mut self.owed, person, room);
            }
        }
    }

    /// Whether everything a person did is listed, and everything from before.
    pub(super) fn covers(&self, person: &PersonId) -> bool {
        !self.has_behind() && !self.owed.contains_key(person)
    }

    /// Has rooms tell at once: those in which this person did something, and if little happens
    /// those that others changed. What is to be waited for among the latter.
    pub(super) fn hurry(&mut self, person: &PersonId, now_ms: u64) -> Vec<(RoomId, Pos)> {
        let is_busy = self.unlisted.len() > HURRY_ROOM_COUNT_MAX
            || self.lately.count(now_ms) > HURRY_CHANGE_COUNT_MAX;
        if is_busy {
            for room in self.owed.get(person).into_iter().flatten() {
                if let Some(unlisted) = self.unlisted.get(room) {
                    (unlisted.hurry)();
                }
            }
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

    /// Has every room tell at once; what there is to be waited for.
    pub(super) fn hurry_all(&mut self) -> Vec<(RoomId, Pos)> {
        let hurried = self.unlisted.iter().map(|(room, unlisted)| {
            (unlisted.hurry)();
            (*room, unlisted.last)
        });
        hurried.collect()
    }

    /// Whether a room is behind from before its actor started, or may be.
    pub(super) fn has_behind(&self) -> bool {
        !self.behind.is_empty() || !self.coming_up.is_empty()
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

fn settle(owed: &mut HashMap<PersonId, BTreeSet<RoomId>>, person: &PersonId, room: &RoomId) {
    if let Some(rooms) = owed.get_mut(person) {
        rooms.remove(room);
        if rooms.is_empty() {
            owed.remove(person);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn what_is_long_ago_is_not_lately() {
        let mut lately = Lately::default();
        for _ in 0..3 {
            lately.add(HURRY_WAIT_MS);
        }
        lately.add(2 * HURRY_WAIT_MS);
        assert_eq!(lately.count(3 * HURRY_WAIT_MS - 1), 4);
        assert_eq!(lately.count(3 * HURRY_WAIT_MS), 1);
        assert_eq!(lately.count(4 * HURRY_WAIT_MS), 0);
        lately.add(5 * HURRY_WAIT_MS);
        assert_eq!(lately.count(7 * HURRY_WAIT_MS), 0);
    }

    #[test]
    fn nobody_waits_for_rooms_that_were_given_up_or_listed() {
        let person = |name: &str| PersonId::new(name).expect("valid");
        let (ann, bob) = (person("ann"), person("bob"));
        let hurry = || Box::new(|| {}) as Hurry;
        let rooms = [1, 2].map(|byte| RoomId::from_bits([byte; 16]));
        let mut waiting = Waiting::default();
        waiting.owe(rooms[0], Pos(3), 0, from_ref(&ann), hurry);
        waiting.owe(rooms[0], Pos(4), 0, from_ref(&bob), hurry);
        waiting.owe(rooms[1], Pos(9), 0, from_ref(&ann), hurry);
        waiting.is_listed(&rooms[0], Pos(3));
        assert!(!waiting.covers(&ann) && !waiting.covers(&bob));
        waiting.forget(&rooms[1]);
        assert!(waiting.covers(&ann) && !waiting.covers(&bob));
        waiting.is_listed(&rooms[0], Pos(4));
        assert!(waiting.covers(&bob) && waiting.is_empty());
        waiting.came_up(rooms[1], Some(Pos(9)));
        assert!(!waiting.covers(&ann));
        waiting.forget(&rooms[1]);
        assert!(waiting.covers(&ann));
    }

    #[test]
    fn a_crashed_actors_older_summary_does_not_bring_a_room_up_to_date() {
        let ann = PersonId::new("ann").expect("valid");
        let room = RoomId::from_bits([1; 16]);
        let mut waiting = Waiting::default();
        waiting.await_up(room);
        assert!(waiting.awaits(&room) && !waiting.covers(&ann));
        waiting.came_up(room, Some(Pos(2)));
        assert!(!waiting.awaits(&room));
        waiting.is_listed(&room, Pos(1));
        assert!(!waiting.covers(&ann));
        waiting.is_listed(&room, Pos(2));
        assert!(waiting.covers(&ann));
    }
}
