//! A room: who is in it, what was said, how far each has read. Pure rules; the engine around them
//! is in [`crate::entity`].
//!
//! Invariants (as numbered in docs/ARCHITECTURE.md):
//! 1. Seqs of shown events are gapless from 1, in the order of the journal.
//! 2. A read mark never goes back and never beyond the head.
//! 3. Only participants speak; to everyone else the room does not exist.
//!
//! Never: knows who is connected, or in which dialect they are spoken to.

mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use frontdesk_protocol::{ConversationNo, HistoryId, PersonId, Seq};
use serde::{Deserialize, Serialize};

/// One person in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// Everything up to here is read.
    pub(crate) read: Seq,
}

/// A room's state; serialised it is the snapshot. Its rules are its [`crate::entity::Rules`], open
/// to whoever wants to drive a room without an engine around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    pub(crate) created: bool,
    pub(crate) conversation: ConversationNo,
    pub(crate) direct: bool,
    pub(crate) history_base: u64,
    pub(crate) head: Seq,
    pub(crate) seats: BTreeMap<PersonId, Seat>,
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
