//! What lists across rooms show of one room. The room makes it, the index keeps it (see
//! [`crate::index`]).
//!
//! Never: longer than a few hundred bytes beside its people; lists hold thousands.

use std::sync::Arc;

use frontdesk_protocol::chat::Chat;
use frontdesk_protocol::command::{Role, SeatKind};
use frontdesk_protocol::event::Message;
use frontdesk_protocol::{ConversationNo, PersonId, Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::RoomState;

/// What a list shows of a message, characters: a line or two.
pub(crate) const PREVIEW_CHARS_MAX: usize = 200;

/// A room's last message as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMessage {
    /// Its place.
    pub seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who wrote it.
    pub author: PersonId,
    /// As what.
    pub role: Role,
    /// The beginning of its text, at most 200 characters; empty when it was taken back.
    pub preview: Arc<str>,
    /// Whether it was taken back.
    pub deleted: bool,
    /// The file that came with it; none once it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<LastFile>,
}

/// A file as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFile {
    /// What it is called.
    pub name: Arc<str>,
    /// The MIME type that its bytes show.
    pub mime: Arc<str>,
}

impl From<&Message> for LastMessage {
    fn from(message: &Message) -> Self {
        let end = message.text.char_indices().nth(PREVIEW_CHARS_MAX);
        let preview = match end {
            Some((end, _)) => Arc::from(&message.text[..end]),
            None => Arc::clone(&message.text),
        };
        Self {
            seq: message.seq,
            at: message.at,
            author: message.author.id.clone(),
            role: message.author.role,
            preview,
            deleted: false,
            file: message.file.as_ref().map(|file| LastFile {
                name: Arc::clone(&file.name),
                mime: Arc::clone(&file.mime),
            }),
        }
    }
}

/// One participant as lists show them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatSummary {
    /// Who.
    pub person: PersonId,
    /// How they belong to the room.
    pub kind: SeatKind,
    /// Since when.
    pub joined_at: Timestamp,
    /// Everything up to here is read.
    pub read: Seq,
    /// When the mark moved there; `None` is never.
    pub read_at: Option<Timestamp>,
    /// Messages of others above the mark.
    pub unread: u64,
}

/// What lists show of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its number.
    pub conversation: ConversationNo,
    /// Whether it is the one room of a pair.
    pub direct: bool,
    /// What it is called.
    pub title: Option<Arc<str>>,
    /// Whether it is put away.
    pub archived: bool,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When a message or a change came last.
    pub changed_at: Timestamp,
    /// The last event.
    pub head: Seq,
    /// Shown events that are no messages.
    pub silent_count: u64,
    /// The last message.
    pub last: Option<LastMessage>,
    /// Everyone in it.
    pub people: Vec<SeatSummary>,
    /// What makes it a visitor's chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<Box<Chat>>,
    /// Whether it was forgotten: then it is in no list, and there is no row of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

impl RoomState {
    /// What lists show now. Unread is exact where every shown event is a message; otherwise the
    /// index counts.
    pub(crate) fn summary(&self) -> Summary {
        let people = self.seats.iter().map(|(person, seat)| SeatSummary {
            person: person.clone(),
            kind: seat.kind,
            joined_at: seat.joined_at,
            read: seat.read,
            read_at: (seat.read_at.0 > 0).then_some(seat.read_at),
            unread: self.head.0 - seat.read.0,
        });
        Summary {
            conversation: self.conversation,
            direct: self.direct,
            title: self.title.clone(),
            archived: self.archived,
            created_at: self.created_at,
            changed_at: self.changed_at,
            head: self.head,
            silent_count: self.silent_count,
            last: self.last.clone(),
            people: people.collect(),
            chat: self.chat.clone(),
            gone: self.forgotten.is_some(),
        }
    }
}
