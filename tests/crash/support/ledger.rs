//! The ledger: what was posted, acknowledged and delivered, and whether a history agrees with it.
//!
//! Invariants checked: what was acknowledged is there, once, at its seq; seqs have no gap; whatever
//! any member saw is there unchanged; each sender's messages are there in the order they were sent,
//! without one missing before a later one.
//! Never: talks to a server.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// One message of a room's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) cid: String,
    pub(crate) author: String,
    pub(crate) text: String,
}

impl Line {
    /// Reads an event of a page or a push.
    pub(crate) fn read(event: &Value) -> Result<Self, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let line = || {
            Some(Self {
                seq: event["seq"].as_u64()?,
                cid: text(&event["cid"])?,
                author: text(&event["author"]["id"])?,
                text: text(&event["text"])?,
            })
        };
        line().ok_or_else(|| format!("not a message: {event}"))
    }
}

/// What happened, in numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) acknowledged: u64,
    pub(crate) duplicates: u64,
    pub(crate) delivered: u64,
    pub(crate) connections: u64,
    pub(crate) pages: u64,
    pub(crate) resets: u64,
    pub(crate) drains: u64,
    /// Close codes that members got, and how often; 1006 for none.
    pub(crate) closes: BTreeMap<u16, u64>,
}

impl Figures {
    /// Acknowledgements of messages that had not been written before they were sent.
    pub(crate) fn written(&self) -> u64 {
        self.acknowledged - self.duplicates
    }
}

/// One room's accounts.
#[derive(Debug, Default)]
struct Account {
    /// cid to (author, text).
    posted: HashMap<String, (String, String)>,
    /// cid to seq.
    acknowledged: HashMap<String, u64>,
    seen: BTreeMap<u64, Line>,
}

/// What a history that is read from now on must hold of a room.
#[derive(Debug, Default)]
pub(crate) struct Known {
    acknowledged: HashMap<String, u64>,
    seen: BTreeMap<u64, Line>,
}

#[derive(Debug, Default)]
struct Book {
    rooms: BTreeMap<String, Account>,
    /// The last seq that each member has, by member and room.
    positions: BTreeMap<(String, String), u64>,
    figures: Figures,
    faults: Vec<String>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Book>);

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member is about to post.
    pub(crate) fn posted(&self, room: &str, cid: &str, author: &str, text: &str) {
        let mut book = self.book();
        let account = book.rooms.entry(room.to_owned()).or_default();
        let message = (author.to_owned(), text.to_owned());
        account.posted.insert(cid.to_owned(), message);
    }

    /// A member was told that its message is kept.
    pub(crate) fn acknowledged(&self, room: &str, cid: &str, seq: u64, dup: bool) {
        let mut book = self.book();
        book.figures.acknowledged += 1;
        book.figures.duplicates += u64::from(dup);
        let account = book.rooms.entry(room.to_owned()).or_default();
        let before = account.acknowledged.insert(cid.to_owned(), seq);
        if before.is_some_and(|before| before != seq) {
            let fault = format!("{cid} was acknowledged at {before:?} and at {seq}");
            book.faults.push(fault);
        }
    }

    /// A member was shown a message.
    pub(crate) fn seen(&self, room: &str, line: Line) {
        let mut book = self.book();
        book.figures.delivered += 1;
        let account = book.rooms.entry(room.to_owned()).or_default();
        let before = account.seen.insert(line.seq, line.clone());
        if before.as_ref().is_some_and(|before| *before != line) {
            let fault = format!("{before:?} was seen as {line:?} by someone else");
            book.faults.push(fault);
        }
    }

    /// A member has everything of a room up to here.
    pub(crate) fn reached(&self, person: &str, room: &str, seq: u64) {
        let key = (person.to_owned(), room.to_owned());
        self.book().positions.insert(key, seq);
    }

    /// Something else than a message happened.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.book().figures);
    }

    /// A member noticed a broken promise.
    pub(crate) fn fault(&self, fault: String) {
        self.book().faults.push(fault);
    }

    /// The numbers so far.
    pub(crate) fn figures(&self) -> Figures {
        self.book().figures.clone()
    }

    /// Broken promises that were noticed so far.
    pub(crate) fn faults(&self) -> Result<(), String> {
        match self.book().faults.as_slice() {
            [] => Ok(()),
            faults => Err(faults[..faults.len().min(5)].join("; ")),
        }
    }

    /// Whether each member has everything of a room up to here.
    pub(crate) fn all_reached(&self, room: &str, head: u64, member_count: usize) -> bool {
        let book = self.book();
        let here = book.positions.iter().filter(|((_, of), _)| of == room);
        let reached = here.filter(|(_, seq)| **seq == head).count();
        reached == member_count
    }

    /// What is known of a room before its history is read.
    pub(crate) fn known(&self, room: &str) -> Known {
        let book = self.book();
        let account = book.rooms.get(room);
        account.map_or_else(Known::default, |account| Known {
            acknowledged: account.acknowledged.clone(),
            seen: account.seen.clone(),
        })
    }

    /// Compares a room's history with the accounts. `complete`: every message has to be there.
    pub(crate) fn check(
        &self,
        room: &str,
        known: &Known,
        lines: &[Line],
        complete: bool,
    ) -> Result<(), String> {
        let mut book = self.book();
        let account = book.rooms.entry(room.to_owned()).or_default();
        let mut numbers: HashMap<&str, u64> = HashMap::new();
        let mut places: HashMap<&str, u64> = HashMap::new();
        for (line, seq) in lines.iter().zip(1..) {
            if line.seq != seq {
                return Err(format!("{room}: seq {} stands at {seq}", line.seq));
            }
            if let Some(first) = places.insert(&line.cid, seq) {
                return Err(format!("{room}: {} is at {first} and {seq}", line.cid));
            }
            let message = (line.author.clone(), line.text.clone());
            if account.posted.get(&line.cid) != Some(&message) {
                return Err(format!("{room}: nobody posted {line:?}"));
            }
            let number = numbers.entry(&line.author).or_default();
            *number += 1;
            if line.text != text_of(&line.author, *number) {
                return Err(format!("{room}: {line:?} is not number {number}"));
            }
        }
        for (cid, seq) in &known.acknowledged {
            let found = places.get(cid.as_str());
            if found != Some(seq) {
                return Err(format!(
                    "{room}: {cid}, acknowledged at {seq}, is at {found:?} of {}",
                    lines.len()
                ));
            }
        }
        for (seq, line) in &known.seen {
            let found = lines.get(*seq as usize - 1);
            if found != Some(line) {
                return Err(format!("{room}: {line:?} was seen, there is {found:?}"));
            }
        }
        match complete && places.len() != account.posted.len() {
            true => Err(format!(
                "{room}: {} of {} messages",
                places.len(),
                account.posted.len()
            )),
            false => Ok(()),
        }
    }
}

/// The text of a member's nth message in a room.
pub(crate) fn text_of(author: &str, number: u64) -> String {
    format!("{author} says {number}")
}
