//! What happened, in the past tense: the durable facts that entities journal and rooms publish.
//! Stored as MessagePack with named fields; a field is only ever added, with a default.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::command::{Card, Role};
use crate::ids::{Cid, ConversationNo, PersonId, RoomId, Seq, Timestamp};

/// Who wrote a message, as known when it was written: an encoder needs nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The person.
    pub id: PersonId,
    /// The person's role then.
    pub role: Role,
    /// What was known then.
    #[serde(flatten)]
    pub card: Card,
}

/// A message as stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the room.
    pub seq: Seq,
    /// When the room accepted it.
    pub at: Timestamp,
    /// The command that made it.
    pub cid: Cid,
    /// Who wrote it.
    pub author: Author,
    /// What is said.
    pub text: Arc<str>,
    /// Structured part as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rich: Option<Arc<str>>,
    /// The event it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
}

/// What happened in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomEvent {
    /// The room exists. Has a pos and no seq.
    RoomCreated {
        /// When.
        at: Timestamp,
        /// Its number within the company.
        conversation: ConversationNo,
        /// Whether it is the one room of a pair.
        direct: bool,
        /// Everyone in it.
        participants: Vec<PersonId>,
        /// Random bits that name the room's log.
        history_base: u64,
    },
    /// A message was accepted. Has a seq.
    MessagePosted(Message),
    /// A read mark moved. Has a pos and no seq.
    ReadMarked {
        /// Whose mark.
        person: PersonId,
        /// Everything up to here is read.
        seq: Seq,
        /// When.
        at: Timestamp,
    },
}

impl RoomEvent {
    /// The seq of an event that is shown; `None` for bookkeeping.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            RoomEvent::MessagePosted(message) => Some(message.seq),
            RoomEvent::RoomCreated { .. } | RoomEvent::ReadMarked { .. } => None,
        }
    }
}

/// What happened in a company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompanyEvent {
    /// A conversation was numbered and its room named; the room is made next.
    RoomOpened {
        /// When.
        at: Timestamp,
        /// The command that asked.
        cid: Cid,
        /// Who asked.
        by: PersonId,
        /// The new room.
        room: RoomId,
        /// Its number.
        conversation: ConversationNo,
        /// Whether it is the one room of a pair.
        direct: bool,
        /// Everyone in it, the opener first.
        participants: Vec<PersonId>,
        /// Random bits that name the room's log.
        history_base: u64,
    },
    /// A person became known, or more became known of them.
    PersonKnown {
        /// Who.
        person: PersonId,
        /// What is known now.
        card: Card,
    },
}
