//! The two names of a room. They never collide: a conversation number is all digits, and a room id
//! starts with `r_`.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::ids::{BadId, ConversationNo, RoomId};

/// A room as clients may name it: its id, or its conversation number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoomName {
    /// `r_…`
    Id(RoomId),
    /// All digits, as text or number.
    Conversation(ConversationNo),
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoomName::Id(room) => room.fmt(f),
            RoomName::Conversation(conversation) => conversation.fmt(f),
        }
    }
}

impl FromStr for RoomName {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(RoomName::Id);
        }
        let number = text.parse().map_err(|_| BadId {
            what: "conversation number",
            why: "at most 64 bits",
        })?;
        Ok(RoomName::Conversation(ConversationNo(number)))
    }
}

impl Serialize for RoomName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
