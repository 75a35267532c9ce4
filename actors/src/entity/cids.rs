//! Idempotency: which commands were done, so that a repeat is answered and not done again.
//!
//! The newest cids of each person are in memory. Older ones are in the journal's cid index, and are
//! looked up only when a cid could be among them: `floor` is the latest time carried by any cid of
//! that person that is no longer in the window, so a cid made later is new without a look.
//!
//! Invariants: a cid that was remembered is found in the window, or is looked up; nothing leaves a
//! window between the look at what must be read for a batch and the last of its decisions.
//! Never: reads the index itself.

use std::collections::{BTreeMap, HashMap, VecDeque};

use frontdesk_protocol::limits::CID_KEPT_MS;
use frontdesk_protocol::{Cid, PersonId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::CID_WINDOW_COUNT;

/// One remembered command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// What the command came to, for the rules' `repeat`.
    pub(crate) number: u64,
    /// When.
    pub(crate) at: Timestamp,
    /// Which command it was.
    pub(crate) digest: u64,
}

/// What is known of a cid without a look at the index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was done.
    Done(Remembered),
    /// It was never done.
    New,
    /// Only the index can tell.
    LookUp,
}

#[derive(Debug, Default)]
struct Window {
    order: VecDeque<Cid>,
    found: HashMap<Cid, Remembered>,
    floor: Timestamp,
}

/// The windows of everyone who sent commands to one entity since it woke.
#[derive(Debug, Default)]
pub(crate) struct CidWindows {
    people: HashMap<PersonId, Window>,
    /// People without a window since the last snapshot was taken.
    floors: BTreeMap<PersonId, Timestamp>,
}

impl CidWindows {
    /// Starts from a snapshot's floors.
    pub(crate) fn with_floors(floors: BTreeMap<PersonId, Timestamp>) -> Self {
        Self {
            people: HashMap::new(),
            floors,
        }
    }

    /// What is known of a person's cid.
    pub(crate) fn known(&self, person: &PersonId, cid: &Cid) -> Known {
        let window = self.people.get(person);
        if let Some(found) = window.and_then(|window| window.found.get(cid)) {
            return Known::Done(*found);
        }
        let floor = match window {
            Some(window) => window.floor,
            None => self.floors.get(person).copied().unwrap_or_default(),
        };
        match cid.time() {
            Some(time) if time > floor => Known::New,
            // Nothing was ever forgotten, so the window holds everything.
            _ if floor == Timestamp(0) => Known::New,
            _ => Known::LookUp,
        }
    }

    /// Remembers a command. The window shrinks to its size only with [`CidWindows::trim`]: a repeat
    /// later in the same batch was seen here and is not read from the index.
    pub(crate) fn remember(&mut self, person: &PersonId, cid: Cid, remembered: Remembered) {
        let window = match self.people.get_mut(person) {
            Some(window) => window,
            None => {
                let floor = self.floors.remove(person).unwrap_or_default();
                let window = Window {
                    floor,
                    ..Window::default()
                };
                self.people.entry(person.clone()).or_insert(window)
            }
        };
        if window.found.insert(cid, remembered).is_none() {
            window.order.push_back(cid);
        }
    }

    /// Forgets what is too much of one person, once a batch is decided.
    pub(crate) fn trim(&mut self, person: &PersonId) {
        let Some(window) = self.people.get_mut(person) else {
            return;
        };
        while window.order.len() > CID_WINDOW_COUNT
            && let Some(oldest) = window.order.pop_front()
        {
            window.found.remove(&oldest);
            window.floor = window.floor.max(floor_of(&oldest));
        }
    }

    /// The floors as they are when every window is forgotten: what a snapshot keeps.
    pub(crate) fn floors(&self) -> BTreeMap<PersonId, Timestamp> {
        let mut floors = self.floors.clone();
        for (person, window) in &self.people {
            let newest = window.order.iter().map(floor_of).max().unwrap_or_default();
            floors.insert(person.clone(), window.floor.max(newest));
        }
        floors
    }
}

/// A forgotten cid without a time could be any: then every cid must be looked up.
fn floor_of(cid: &Cid) -> Timestamp {
    cid.time().unwrap_or(Timestamp(u64::MAX))
}

/// Whether a cid is older than commands are remembered, so that its absence proves nothing.
pub(crate) fn expired(cid: &Cid, now: Timestamp) -> bool {
    cid.time()
        .is_some_and(|time| time.0.saturating_add(CID_KEPT_MS) < now.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(time: u64, tail: u16) -> Cid {
        let mut bits = [0; 16];
        bits[..6].copy_from_slice(&time.to_be_bytes()[2..]);
        bits[6] = 0x70;
        bits[8] = 0x80;
        bits[14..].copy_from_slice(&tail.to_be_bytes());
        Cid::from_bits(bits)
    }

    fn remembered(number: u64) -> Remembered {
        Remembered {
            number,
            at: Timestamp(1),
            digest: 7,
        }
    }

    fn ann() -> PersonId {
        PersonId::new("ann").expect("valid")
    }

    #[test]
    fn a_remembered_cid_is_found_and_another_persons_is_not() {
        let mut windows = CidWindows::default();
        windows.remember(&ann(), cid(10, 1), remembered(3));
        assert_eq!(
            windows.known(&ann(), &cid(10, 1)),
            Known::Done(remembered(3))
        );
        let bob = PersonId::new("bob").expect("valid");
        assert_eq!(windows.known(&bob, &cid(10, 1)), Known::New);
    }

    #[test]
    fn a_cid_that_left_the_window_is_looked_up_and_a_later_one_is_new() {
        let mut windows = CidWindows::default();
        for i in 0..=CID_WINDOW_COUNT as u64 {
            windows.remember(&ann(), cid(100 + i, 1), remembered(i));
        }
        let first = windows.known(&ann(), &cid(100, 1));
        assert_eq!(first, Known::Done(remembered(0)), "until the batch is over");
        windows.trim(&ann());
        assert_eq!(windows.known(&ann(), &cid(100, 1)), Known::LookUp);
        assert_eq!(windows.known(&ann(), &cid(99, 9)), Known::LookUp);
        assert_eq!(windows.known(&ann(), &cid(10_000, 1)), Known::New);
    }

    #[test]
    fn after_a_snapshot_every_cid_up_to_the_newest_is_looked_up() {
        let mut windows = CidWindows::default();
        windows.remember(&ann(), cid(500, 1), remembered(1));
        windows.remember(&ann(), cid(300, 1), remembered(2));
        let woken = CidWindows::with_floors(windows.floors());
        assert_eq!(woken.known(&ann(), &cid(300, 1)), Known::LookUp);
        assert_eq!(woken.known(&ann(), &cid(500, 1)), Known::LookUp);
        assert_eq!(woken.known(&ann(), &cid(501, 1)), Known::New);
    }

    #[test]
    fn forgetting_a_cid_without_a_time_makes_every_later_one_a_look_up() {
        let mut windows = CidWindows::default();
        windows.remember(&ann(), Cid::from_digest([9; 16]), remembered(1));
        let woken = CidWindows::with_floors(windows.floors());
        assert_eq!(
            woken.known(&ann(), &cid(u64::from(u32::MAX), 1)),
            Known::LookUp
        );
    }

    #[test]
    fn a_cid_expires_after_its_day() {
        assert!(!expired(&cid(1_000, 1), Timestamp(1_000 + CID_KEPT_MS)));
        assert!(expired(&cid(1_000, 1), Timestamp(1_001 + CID_KEPT_MS)));
        assert!(!expired(&Cid::from_digest([1; 16]), Timestamp(u64::MAX)));
    }
}
