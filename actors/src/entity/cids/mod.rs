//! Idempotency: which commands were done, so that a repeat is answered and not done again.
//!
//! The newest cids of each person are in memory. Older ones are in the journal, in its cid index or
//! in its records (see `named`), and are looked up only when a cid could be among them: a person's
//! [`Floor`] is the latest time carried by any cid of theirs that is no longer in the window, so a
//! cid made later is new without a look. It is kept apart for cids that clients made and for those
//! that nodes made, so that no client has a node look its own up.
//!
//! A command is remembered for [`CID_KEPT_MS`] after it was done. What is older leaves memory by
//! the time that passed since, whatever time its cid carries, if any: so a cid without a time, or
//! with one far ahead, makes look-ups of its person's other cids for that long and not for ever.
//!
//! Invariants: a cid that was remembered is found in the window, or is looked up, until its time is
//! over; nothing leaves a window between the look at what must be read for a batch and the last of
//! its decisions; who sends nothing for that long is not in memory, at most [`CID_SWEEP_MS`] later.
//! Never: reads the index itself.

use std::collections::{BTreeMap, HashMap, VecDeque};

use frontdesk_protocol::limits::CID_KEPT_MS;
use frontdesk_protocol::{Cid, PersonId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{CidBy, Named};
use crate::limits::{CID_SWEEP_MS, CID_WINDOW_COUNT};

/// One remembered command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// What the command came to, for the rules' `repeat`.
    pub(crate) number: u64,
    /// When.
    pub(crate) at: Timestamp,
    /// Which command it was.
    pub(crate) digest: u64,
    /// Who may repeat it.
    pub(crate) by: CidBy,
}

/// What is known of a cid without a look at the index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was done.
    Done(Remembered),
    /// It was never done.
    New,
    /// Only the journal can tell.
    LookUp,
}

/// What is known of the cids of one person that are no longer in the window.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// The latest time that one of a client's carries.
    time: Timestamp,
    /// The latest that one of a node's does.
    #[serde(default)]
    node_time: Timestamp,
    /// When the latest of their commands was done, whoever named it.
    at: Timestamp,
}

impl Floor {
    fn and(self, other: Floor) -> Floor {
        Floor {
            time: self.time.max(other.time),
            node_time: self.node_time.max(other.node_time),
            at: self.at.max(other.at),
        }
    }

    fn raise(&mut self, cid: &Cid, remembered: &Remembered) {
        // A forgotten cid without a time could be any: then every cid must be looked up.
        let time = cid.time().unwrap_or(Timestamp(u64::MAX));
        let floor = match remembered.by {
            CidBy::Client => &mut self.time,
            CidBy::Node => &mut self.node_time,
        };
        *floor = time.max(*floor);
        self.at = self.at.max(remembered.at);
    }

    fn of(&self, by: CidBy) -> Timestamp {
        match by {
            CidBy::Client => self.time,
            CidBy::Node => self.node_time,
        }
    }

    /// Nothing was forgotten, or all of it may be.
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What one person did last, oldest first.
#[derive(Debug, Default)]
struct Window {
    done: VecDeque<(Cid, Remembered)>,
    /// The greatest cid with a time that ever was in it. These are ordered by their time, so one
    /// that was made later is not in the window.
    greatest: Option<Cid>,
    floor: Floor,
}

impl Window {
    /// Read through only for a cid that may be in it: most are greater than all before.
    fn find(&self, cid: &Cid) -> Option<Remembered> {
        let is_greater = self.greatest.is_none_or(|greatest| *cid > greatest);
        if is_greater && cid.time().is_some() {
            return None;
        }
        let mut newest_first = self.done.iter().rev();
        newest_first
            .find(|(done, _)| done == cid)
            .map(|(_, remembered)| *remembered)
    }

    fn push(&mut self, cid: Cid, remembered: Remembered) {
        if self.find(&cid).is_none() {
            self.greatest = self.greatest.max(cid.time().map(|_| cid));
            self.done.push_back((cid, remembered));
        }
    }

    fn expire(&mut self, now: Timestamp) {
        while self
            .done
            .pop_front_if(|(_, found)| is_over(found.at, now))
            .is_some()
        {}
        if is_over(self.floor.at, now) {
            self.floor = Floor::default();
        }
    }

    /// The floor as it is when the window is forgotten.
    fn floor_without(&self) -> Floor {
        let mut floor = self.floor;
        for (cid, remembered) in &self.done {
            floor.raise(cid, remembered);
        }
        floor
    }
}

/// The windows of everyone who sent commands to one entity since it woke.
#[derive(Debug, Default)]
pub(crate) struct CidWindows {
    people: HashMap<PersonId, Window>,
    /// People without a window since the last snapshot was taken.
    floors: BTreeMap<PersonId, Floor>,
    /// Of everybody, since records were erased.
    everyone: Floor,
    swept: Timestamp,
}

impl CidWindows {
    /// Starts from a snapshot's floors.
    pub(crate) fn with_floors(floors: BTreeMap<PersonId, Floor>) -> Self {
        Self {
            floors,
            ..Self::default()
        }
    }

    /// With a floor that counts for everybody.
    pub(crate) fn above(self, everyone: Floor) -> Self {
        Self { everyone, ..self }
    }

    /// What is known of a person's cid.
    pub(crate) fn known(&self, person: &PersonId, named: Named) -> Known {
        let Named { cid, by } = named;
        let window = self.people.get(person);
        if let Some(found) = window.and_then(|window| window.find(&cid)) {
            return Known::Done(found);
        }
        let floor = match window {
            Some(window) => window.floor,
            None => self.floors.get(person).copied().unwrap_or_default(),
        };
        let floor = floor.and(self.everyone);
        match cid.time() {
            Some(time) if time > floor.of(by) => Known::New,
            // Nothing that counts was forgotten, so the window holds everything.
            _ if floor.is_none() => Known::New,
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
        window.push(cid, remembered);
    }

    /// Forgets what is too much of one person, once a batch is decided.
    pub(crate) fn trim(&mut self, person: &PersonId) {
        let Some(window) = self.people.get_mut(person) else {
            return;
        };
        let over = window.done.len().saturating_sub(CID_WINDOW_COUNT);
        for (cid, remembered) in window.done.drain(..over) {
            window.floor.raise(&cid, &remembered);
        }
    }

    /// Forgets, now and then, what is older than commands are remembered. Called as `trim` is.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        if now.0.abs_diff(self.swept.0) < CID_SWEEP_MS {
            return;
        }
        self.swept = now;
        self.floors.retain(|_, floor| !is_over(floor.at, now));
        self.everyone = self.everyone(now);
        self.people.retain(|_, window| {
            window.expire(now);
            !window.done.is_empty() || !window.floor.is_none()
        });
        self.people.shrink_to_fit();
    }

    /// The floors as they are when every window is forgotten: what a snapshot keeps. A floor of
    /// commands that need not be remembered any more is left out.
    pub(crate) fn floors(&self, now: Timestamp) -> BTreeMap<PersonId, Floor> {
        let mut floors = self.floors.clone();
        for (person, window) in &self.people {
            floors.insert(person.clone(), window.floor_without());
        }
        floors.retain(|_, floor| !is_over(floor.at, now));
        floors
    }

    /// Everybody's floor, as it counts now.
    pub(crate) fn everyone(&self, now: Timestamp) -> Floor {
        match is_over(self.everyone.at, now) {
            true => Floor::default(),
            false => self.everyone,
        }
    }

    /// One floor for all, as it is when everything is forgotten but the index. What nodes named
    /// goes with its records: those are older than any of it that could be repeated.
    pub(crate) fn floor_of_all(&self, now: Timestamp) -> Floor {
        let floors = self.floors(now);
        floors.into_values().fold(self.everyone(now), Floor::and)
    }

    /// People and cids in memory.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        let cids = self.people.values().map(|window| window.done.len());
        (self.people.len() + self.floors.len(), cids.sum())
    }
}

/// Whether what was done then need not be remembered any more.
fn is_over(at: Timestamp, now: Timestamp) -> bool {
    at.0.saturating_add(CID_KEPT_MS) < now.0
}

/// Whether a cid is older than commands are remembered, so that its absence proves nothing.
pub(crate) fn expired(cid: &Cid, now: Timestamp) -> bool {
    cid.time().is_some_and(|time| is_over(time, now))
}

#[cfg(test)]
mod tests;
