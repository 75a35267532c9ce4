//! What the frames of visitors and of those who serve them have in common: a message of a chat, who
//! says something, the number of a handoff.
//!
//! Never: names a person otherwise than by what they are called.

use bytes::Bytes;
use frontdesk_actors::RoomContext;
use frontdesk_protocol::chat::Stage;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::{ConversationNo, MessageNo, PersonId, Seq};
use serde::{Deserialize, Serialize};

use crate::profiles::files::{Attachment, ChatFile, FileAddresses, Sent};
use crate::profiles::frame::{frame, utc};

/// A message of a chat.
#[derive(Debug, Serialize)]
pub(crate) struct Said<'a> {
    message: &'a str,
    session_id: &'a str,
    sender_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_name: Option<&'a str>,
    message_id: u64,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<Vec<String>>,
}

/// `None` for what was taken back, and in rooms that are no chats: these clients have no words for
/// either.
pub(crate) fn said<'a>(room: &'a RoomContext, message: &'a Message) -> Option<Said<'a>> {
    let chat = room.chat.as_ref()?;
    if message.deleted_at.is_some() {
        return None;
    }
    Some(Said {
        message: &message.text,
        session_id: chat.id.as_str(),
        sender_type: sender_type(message.author.role),
        sender_name: message.author.card.name.as_deref(),
        message_id: MessageNo::new(room.conversation, message.seq)?.0,
        timestamp: utc(message.at),
        suggestions: message
            .rich
            .as_deref()
            .filter(|_| message.author.role == Role::Bot)
            .and_then(suggestions),
    })
}

#[derive(Serialize)]
struct SharedFrame {
    #[serde(rename = "type")]
    kind: &'static str,
    /// The message that it came with.
    message_id: u64,
    #[serde(flatten)]
    file: ChatFile,
}

/// The frame of a message's file, if it has one.
pub(crate) fn shared(
    files: &FileAddresses,
    room: &RoomContext,
    message: &Message,
) -> Option<Bytes> {
    let chat = room.chat.as_ref()?;
    let sent = Sent {
        company: &room.company,
        session: chat.id.as_str(),
        role: message.author.role,
        at: message.at,
    };
    Some(frame(&SharedFrame {
        kind: "file_shared",
        message_id: MessageNo::new(room.conversation, message.seq)?.0,
        file: ChatFile::new(files.of(room, message)?, &sent),
    }))
}

/// A message's file in the frame of the message itself.
#[derive(Debug, Serialize)]
pub(crate) struct Attached {
    attachments: Vec<Attachment>,
    file_url: String,
    file_name: String,
}

/// What a message's frame says of its file, if it has one.
pub(crate) fn attached(
    files: &FileAddresses,
    room: &RoomContext,
    message: &Message,
) -> Option<Attached> {
    let found = files.of(room, message)?;
    Some(Attached {
        file_url: found.url.clone(),
        file_name: found.name.clone(),
        attachments: vec![found.into()],
    })
}

/// What a bot's form offers to answer.
fn suggestions(rich: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct Rich {
        form: Form,
    }
    #[derive(Deserialize)]
    struct Form {
        suggestions: Vec<String>,
    }
    let rich: Rich = serde_json::from_str(rich).ok()?;
    Some(rich.form.suggestions)
}

/// Who says something, as these clients tell people apart: by what they are.
pub(crate) fn sender_type(role: Role) -> &'static str {
    match role {
        Role::Visitor => "user",
        Role::Bot => "bot",
        Role::Agent | Role::Admin | Role::Superadmin => "agent",
    }
}

/// Who writes in a chat, where only the person is known.
pub(crate) fn typist_type(visitor: &PersonId, person: &PersonId) -> &'static str {
    match person {
        person if person == visitor => "user",
        person if person.is_bot() => "bot",
        _ => "agent",
    }
}

/// The number of a handoff: that of the event which began it.
pub(crate) fn handoff_no(conversation: ConversationNo, seq: Seq) -> Option<u64> {
    MessageNo::new(conversation, seq).map(|number| number.0)
}

/// What these clients call the state of a chat.
pub(crate) fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Bot => "active",
        Stage::Queued => "escalated",
        Stage::Assigned => "assigned",
        Stage::Resolved => "resolved",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use frontdesk_actors::ChatContext;
    use frontdesk_protocol::ChatId;
    use serde_json::json;

    use super::*;
    use crate::profiles::frame::tests::{hello, room};

    /// Conversation 1, a chat of person 5.
    pub(crate) fn chat_room() -> RoomContext {
        RoomContext {
            chat: Some(Arc::new(ChatContext {
                id: ChatId::new("TES001_abc").expect("valid"),
                visitor: PersonId::new("5").expect("valid"),
            })),
            ..room()
        }
    }

    #[test]
    fn a_message_has_the_documented_shape_and_offers_the_answers_of_a_form() {
        let mut message = hello();
        message.rich = Some(r#"{"form":{"collecting":"email","suggestions":["Skip"]}}"#.into());
        let visitors = serde_json::to_value(said(&chat_room(), &message)).expect("json");
        assert_eq!(
            visitors.get("suggestions"),
            None,
            "a visitor offers nothing"
        );
        message.author.role = Role::Bot;
        let shown = serde_json::to_value(said(&chat_room(), &message)).expect("json");
        let expected = json!({"message": "Hello, how are you?", "session_id": "TES001_abc",
            "sender_type": "bot", "sender_name": "John Talker", "message_id": 1_048_577,
            "timestamp": "2026-01-14T10:00:00.000Z", "suggestions": ["Skip"]});
        assert_eq!(shown, expected);
        for other in [r#"{"cards":[]}"#, r#"{"form":{"suggestions":"Skip"}}"#] {
            message.rich = Some(other.into());
            let shown = serde_json::to_value(said(&chat_room(), &message)).expect("json");
            assert_eq!(shown.get("suggestions"), None, "{other}");
        }
    }

    #[test]
    fn rooms_that_are_no_chats_and_what_was_taken_back_have_no_shape() {
        assert!(said(&room(), &hello()).is_none());
        let mut gone = hello();
        gone.blank(frontdesk_protocol::Timestamp(1));
        assert!(said(&chat_room(), &gone).is_none());
    }
}
