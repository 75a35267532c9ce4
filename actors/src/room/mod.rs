//! A room: who is in it, what was said, how far each has read. Pure rules; the engine around them
//! is in [`crate::entity`].
//!
//! Invariants (as numbered in docs/ARCHITECTURE.md):
//! 1. Seqs of shown events are gapless from 1, in the order of the journal.
//! 2. A read mark never goes back and never beyond the head.
//! 3. Only participants speak; to everyone else the room does not exist.
//! 4. A message of a person in a room with a bot gets one answer at most.
//! 5. In a visitor's chat the bot is silent while a person has it or is waited for.
//! 6. A file is shown once.
//! 7. Of a chat that was forgotten nothing is left that was said, and the room is nobody's.
//!
//! Never: knows who is connected, or in which dialect they are spoken to.

mod acts;
mod changes;
mod chat;
mod files;
mod forgetting;
mod forms;
mod release;
mod rules;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frontdesk_protocol::chat::Chat;
use frontdesk_protocol::command::SeatKind;
use frontdesk_protocol::{ConversationNo, FileNo, HistoryId, PersonId, Seq, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use changes::check_title;
pub(crate) use rules::author_of;
pub use summary::{LastFile, LastMessage, SeatSummary, Summary};

/// One person in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// Everything up to here is read.
    pub(crate) read: Seq,
    /// When the mark moved there; `Timestamp(0)` is never.
    pub(crate) read_at: Timestamp,
    /// Since when they are here.
    pub(crate) joined_at: Timestamp,
    /// How they belong here.
    pub(crate) kind: SeatKind,
}

/// A room's state; serialised it is the snapshot. Its rules are its [`crate::entity::Rules`], open
/// to whoever wants to drive a room without an engine around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    pub(crate) created: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) conversation: ConversationNo,
    pub(crate) direct: bool,
    pub(crate) history_base: u64,
    pub(crate) head: Seq,
    pub(crate) seats: BTreeMap<PersonId, Seat>,
    /// Shown events that are no messages.
    pub(crate) silent_count: u64,
    pub(crate) title: Option<Arc<str>>,
    pub(crate) archived: bool,
    /// The last message and what lists show of it.
    pub(crate) last: Option<LastMessage>,
    /// When a message or a change came last.
    pub(crate) changed_at: Timestamp,
    /// Who answers every message of a person.
    pub(crate) bot: Option<PersonId>,
    /// The last message that the bot has dealt with.
    pub(crate) answered: Seq,
    /// What makes it a visitor's chat.
    pub(crate) chat: Option<Box<Chat>>,
    /// How many times the visitor's answers to the form were written down.
    #[serde(default)]
    pub(crate) form_no: u64,
    /// When something happened last that is in no list: an answer of the form alone, a message that
    /// was taken back.
    #[serde(default)]
    pub(crate) touched_at: Timestamp,
    /// What is left of a chat that was forgotten.
    #[serde(default)]
    pub(crate) forgotten: Option<forgetting::Forgotten>,
    /// The chat that this batch forgot.
    #[serde(skip)]
    pub(crate) forgot: Option<Box<Chat>>,
    /// What this batch took back and the index rows do not show yet.
    #[serde(skip)]
    pub(crate) deleted: BTreeSet<Seq>,
    /// Files that this batch showed.
    #[serde(skip)]
    pub(crate) shown: BTreeSet<FileNo>,
}

/// A log's identity: the room's own bits mixed with the store's, which change when logs may have
/// lost their end.
pub(crate) fn history_id(history_base: u64, history_salt: u64) -> HistoryId {
    // splitmix64's finaliser: every input bit reaches every output bit.
    let mut bits = history_base ^ history_salt;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    HistoryId(bits ^ (bits >> 31))
}
