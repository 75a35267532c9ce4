//! What people were told is done, so that a recount can be held against it.
//!
//! Invariants checked: what was acknowledged is in its room: messages at their seqs, marks at least
//! where they were moved to, conversations with their people; nothing taken back is shown.
//! Never: talks to a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::recount::Rooms;

/// What was done, in numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) opened: u64,
    pub(super) posted: u64,
    pub(super) marked: u64,
    pub(super) deleted: u64,
    pub(super) listed: u64,
}

impl Figures {
    /// Everything that was done.
    pub(super) fn all(&self) -> u64 {
        self.opened + self.posted + self.marked + self.deleted + self.listed
    }
}

/// A message by its conversation and its place in it.
pub(super) type Place = (u64, u64);

#[derive(Debug, Default)]
struct Book {
    /// Conversations and who is in them.
    opened: BTreeMap<u64, BTreeSet<String>>,
    /// Author and text.
    posted: BTreeMap<Place, (String, String)>,
    marked: BTreeMap<(u64, String), u64>,
    deleted: BTreeSet<Place>,
    figures: Figures,
    faults: Vec<String>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Accounts(Mutex<Book>);

impl Accounts {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A conversation was opened, or found.
    pub(super) fn opened(&self, number: u64, people: impl IntoIterator<Item = String>) {
        let mut book = self.book();
        book.figures.opened += 1;
        book.opened.entry(number).or_default().extend(people);
    }

    /// A message is kept.
    pub(super) fn posted(&self, place: Place, author: &str, text: &str) {
        let mut book = self.book();
        book.figures.posted += 1;
        let message = (author.to_owned(), text.to_owned());
        if let Some(other) = book.posted.insert(place, message) {
            book.faults
                .push(format!("two messages at {place:?}: {other:?}"));
        }
    }

    /// Everything up to here is read.
    pub(super) fn marked(&self, (number, seq): Place, person: &str) {
        let mut book = self.book();
        book.figures.marked += 1;
        let mark = book.marked.entry((number, person.to_owned())).or_default();
        *mark = seq.max(*mark);
    }

    /// A message was taken back.
    pub(super) fn deleted(&self, place: Place) {
        let mut book = self.book();
        book.figures.deleted += 1;
        book.deleted.insert(place);
    }

    /// A list was read.
    pub(super) fn listed(&self) {
        self.book().figures.listed += 1;
    }

    /// Somebody noticed what must not be.
    pub(super) fn fault(&self, fault: String) {
        self.book().faults.push(fault);
    }

    /// The numbers so far.
    pub(super) fn figures(&self) -> Figures {
        self.book().figures
    }

    /// What was noticed so far.
    pub(super) fn faults(&self) -> Result<(), String> {
        match self.book().faults.as_slice() {
            [] => Ok(()),
            faults => Err(faults[..faults.len().min(5)].join("; ")),
        }
    }

    /// The conversations somebody is in.
    pub(super) fn conversations_of(&self, person: &str) -> Vec<u64> {
        let book = self.book();
        let theirs = book.opened.iter();
        let theirs = theirs.filter(|(_, people)| people.contains(person));
        theirs.map(|(number, _)| *number).collect()
    }

    /// The last message that is known of a conversation.
    pub(super) fn last_of(&self, number: u64) -> u64 {
        let book = self.book();
        let mut theirs = book.posted.range((number, 0)..(number + 1, 0));
        theirs.next_back().map_or(0, |((_, seq), _)| *seq)
    }

    /// A message of this author that was not taken back.
    pub(super) fn own_message(&self, person: &str, choice: u64) -> Option<Place> {
        let book = self.book();
        let own = book
            .posted
            .iter()
            .filter(|(place, (author, _))| author == person && !book.deleted.contains(place));
        let own: Vec<Place> = own.map(|(place, _)| *place).collect();
        let at = choice.checked_rem(own.len() as u64)?;
        own.get(at as usize).copied()
    }

    /// Holds what was acknowledged against what there is.
    pub(super) fn check(&self, rooms: &Rooms) -> Result<(), String> {
        let book = self.book();
        for (number, people) in &book.opened {
            let room = rooms.get(number).ok_or(format!("{number} was opened"))?;
            if let Some(missing) = people.iter().find(|who| !room.marks.contains_key(*who)) {
                return Err(format!("{missing} is not in {number}"));
            }
        }
        for (place, (author, text)) in &book.posted {
            let found = rooms.get(&place.0).and_then(|room| room.message(place.1));
            let is_deleted = book.deleted.contains(place);
            let is_it = found.is_some_and(|found| {
                found.author == *author && (found.text == *text || found.text.is_empty())
            });
            let is_shown = found.is_some_and(|found| !found.text.is_empty());
            if !is_it || (is_deleted && is_shown) {
                return Err(format!(
                    "{author} said {text} at {place:?}, taken back: {is_deleted}; \
                     there is {found:?}"
                ));
            }
        }
        for ((number, person), seq) in &book.marked {
            let mark = rooms.get(number).and_then(|room| room.marks.get(person));
            if mark.is_none_or(|mark| mark < seq) {
                return Err(format!("{person} read {number} up to {seq}, not {mark:?}"));
            }
        }
        Ok(())
    }
}
