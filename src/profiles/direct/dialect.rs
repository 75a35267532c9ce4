//! Events and ephemerals as clients of the `direct` profile know them.
//!
//! Never: knows who gets them, or shows anything but new messages in the shape that has an `id`.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::{MessageNo, PersonId};
use serde::Serialize;

use crate::profiles::files::{FileAddresses, FileAttachment};
use crate::profiles::frame::{HostId, frame, host_id, utc};

/// The encoder.
pub(crate) struct DirectDialect {
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

/// A message.
#[derive(Serialize)]
pub(crate) struct MessageFrame<'a> {
    id: u64,
    conversation: u64,
    sender: Sender<'a>,
    content: &'a str,
    message_type: &'static str,
    is_read: bool,
    created_at: String,
    file_attachment: Option<FileAttachment>,
}

#[derive(Serialize)]
struct Sender<'a> {
    id: HostId<'a>,
    email: Option<&'a str>,
    user_type: Option<&'a str>,
    full_name: Option<&'a str>,
}

#[derive(Serialize)]
struct TypingFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    user_id: HostId<'a>,
    user_email: Option<&'a str>,
    is_typing: bool,
}

#[derive(Serialize)]
struct ReadFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    user_id: HostId<'a>,
}

impl Dialect for DirectDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        match event {
            RoomEvent::MessagePosted(message) => {
                Some(frame(&message_frame(&self.files, room, message)?))
            }
            _ => None,
        }
    }

    fn ephemeral(&self, _room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        match ephemeral {
            Ephemeral::Typing {
                person,
                card,
                active,
            } => Some(frame(&TypingFrame {
                kind: "typing",
                user_id: host_id(person),
                user_email: card.email.as_deref(),
                is_typing: *active,
            })),
            Ephemeral::Read { person, .. } => Some(read_frame(person)),
            Ephemeral::Presence { .. } | Ephemeral::UploadProgress { .. } => None,
        }
    }
}

/// Someone read everything.
pub(crate) fn read_frame(person: &PersonId) -> Bytes {
    frame(&ReadFrame {
        kind: "read_receipt",
        user_id: host_id(person),
    })
}

/// A message; `None` when it was taken back, for which these clients have no frame.
pub(crate) fn message_frame<'a>(
    files: &FileAddresses,
    room: &RoomContext,
    message: &'a Message,
) -> Option<MessageFrame<'a>> {
    let id = MessageNo::new(room.conversation, message.seq)?;
    if message.deleted_at.is_some() {
        return None;
    }
    let card = &message.author.card;
    let file = files.of(room, message);
    Some(MessageFrame {
        id: id.0,
        conversation: room.conversation.0,
        sender: Sender {
            id: host_id(&message.author.id),
            email: card.email.as_deref(),
            user_type: card.user_type.as_deref(),
            full_name: card.name.as_deref(),
        },
        content: &message.text,
        // A picture too: these clients show nothing of a message of any other kind.
        message_type: if file.is_some() { "file" } else { "text" },
        is_read: false,
        created_at: utc(message.at),
        file_attachment: file.map(|found| FileAttachment::new(found, message.at)),
    })
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::profiles::files::tests::{addresses, file};
    use crate::profiles::frame::tests::{hello, payloads, room};

    fn direct() -> DirectDialect {
        DirectDialect { files: addresses() }
    }

    #[test]
    fn a_file_has_the_documented_shape_and_is_a_file_although_it_is_a_picture() {
        for (name, mime) in [
            ("document.pdf", "application/pdf"),
            ("photo.png", "image/png"),
        ] {
            let mut message = hello();
            message.file = Some(file(name, mime));
            let event = RoomEvent::MessagePosted(message);
            let shown = payloads(&direct().event(&room(), &event).expect("shown"));
            assert_eq!(shown[0]["message_type"], "file");
            assert_eq!(shown[0]["content"], "Hello, how are you?");
            let path = shown[0]["file_attachment"]["file"]
                .as_str()
                .expect("a path");
            let expected = json!({
                "id": 1,
                "file": path,
                "file_url": format!("http://localhost{path}"),
                "filename": name,
                "file_size": 102_400,
                "file_size_display": "100.0 KB",
                "file_type": mime,
                "uploaded_at": "2026-01-14T10:00:00.000Z"
            });
            assert_eq!(shown[0]["file_attachment"], expected);
        }
    }

    #[test]
    fn a_message_has_the_documented_shape() {
        let frame = direct().event(&room(), &RoomEvent::MessagePosted(hello()));
        let expected = json!({
            "id": 1_048_577,
            "conversation": 1,
            "sender": {
                "id": 5,
                "email": "talker@example.com",
                "user_type": "talker",
                "full_name": "John Talker"
            },
            "content": "Hello, how are you?",
            "message_type": "text",
            "is_read": false,
            "created_at": "2026-01-14T10:00:00.000Z",
            "file_attachment": null
        });
        assert_eq!(payloads(&frame.expect("shown")), [expected]);
    }

    #[test]
    fn what_was_taken_back_is_not_shown() {
        let mut message = hello();
        message.blank(Timestamp(1));
        let shown = direct().event(&room(), &RoomEvent::MessagePosted(message));
        assert_eq!(shown, None);
    }
}
