//! A message as clients of the `crm` profile know it, on the socket and over HTTP: the one place
//! that knows these fields. Every id is a text.
//!
//! Never: reads a store.

use frontdesk_actors::RoomContext;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::{ConversationNo, MessageNo};
use serde::Serialize;
use serde_json::Value;

use crate::profiles::frame::{shown_name, utc};

/// A message as `message:new` carries it.
#[derive(Debug, Serialize)]
pub(crate) struct NewMessage<'a> {
    id: String,
    conversation_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    sender: &'a str,
    sender_name: &'a str,
    created_at: String,
    /// Files are not there yet.
    attachment: Option<()>,
}

/// A message as lists over HTTP show it.
#[derive(Debug, Serialize)]
pub(crate) struct StoredMessage<'a> {
    id: String,
    conversation: String,
    sender: &'a str,
    sender_username: &'a str,
    sender_name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    rich: Option<Value>,
    /// Files are not there yet.
    attachment: Option<()>,
    attachment_url: Option<()>,
    status: &'static str,
    created_at: String,
    updated_at: String,
}

/// How far a message has come: the words of its `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The room has it.
    Sent,
    /// Someone else has read it.
    #[allow(
        dead_code,
        reason = "for lists over HTTP; the socket tells of reading otherwise"
    )]
    Read,
}

impl Reached {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Reached::Sent => "sent",
            Reached::Read => "read",
        }
    }
}

/// The `id` of a message; `None` for numbers that no client can hold.
pub(crate) fn message_id(conversation: ConversationNo, message: &Message) -> Option<String> {
    Some(MessageNo::new(conversation, message.seq)?.0.to_string())
}

/// A message for `message:new`; `None` when it was taken back, for which there is no frame.
pub(crate) fn new_message<'a>(room: &RoomContext, message: &'a Message) -> Option<NewMessage<'a>> {
    let id = message_id(room.conversation, message)?;
    let author = &message.author;
    message.deleted_at.is_none().then(|| NewMessage {
        id,
        conversation_id: room.conversation.to_string(),
        kind: kind_of(author.role),
        text: &message.text,
        sender: author.id.as_str(),
        sender_name: shown_name(&author.id, &author.card),
        created_at: utc(message.at),
        attachment: None,
    })
}

/// A message for lists over HTTP; one that was taken back has no text.
#[allow(dead_code, reason = "the HTTP side of the profile shows it")]
pub(crate) fn stored_message(
    conversation: ConversationNo,
    message: &Message,
    reached: Reached,
) -> Option<StoredMessage<'_>> {
    let author = &message.author;
    let name = shown_name(&author.id, &author.card);
    let rich = message.rich.as_deref();
    Some(StoredMessage {
        id: message_id(conversation, message)?,
        conversation: conversation.to_string(),
        sender: author.id.as_str(),
        sender_username: name,
        sender_name: name,
        kind: kind_of(author.role),
        text: &message.text,
        rich: rich.and_then(|rich| serde_json::from_str(rich).ok()),
        attachment: None,
        attachment_url: None,
        status: reached.as_str(),
        created_at: utc(message.at),
        updated_at: utc(message.deleted_at.unwrap_or(message.at)),
    })
}

fn kind_of(role: Role) -> &'static str {
    match role {
        Role::Bot => "bot",
        Role::Visitor | Role::Agent | Role::Admin | Role::Superadmin => "user",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::profiles::frame::tests::hello;

    #[test]
    fn a_stored_message_has_the_documented_shape() {
        let mut message = hello();
        message.rich = Some(r#"{"chips":["a"]}"#.into());
        let shown = stored_message(ConversationNo(1), &message, Reached::Read).expect("shown");
        let expected = json!({
            "id": "1048577",
            "conversation": "1",
            "sender": "5",
            "sender_username": "John Talker",
            "sender_name": "John Talker",
            "type": "user",
            "text": "Hello, how are you?",
            "rich": {"chips": ["a"]},
            "attachment": null,
            "attachment_url": null,
            "status": "read",
            "created_at": "2026-01-14T10:00:00.000Z",
            "updated_at": "2026-01-14T10:00:00.000Z"
        });
        assert_eq!(serde_json::to_value(&shown).expect("json"), expected);
    }
}
