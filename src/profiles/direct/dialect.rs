//! Events and ephemerals as clients of the `direct` profile know them.
//!
//! Never: knows who gets them, or shows anything but new messages in the shape that has an `id`.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::websocket::{FrameBuilder, Opcode};
use frontdesk_protocol::{MessageNo, PersonId, Timestamp};
use serde::Serialize;

/// Numbers beyond this are no integers to JavaScript.
const JS_INTEGER_MAX: u64 = (1 << 53) - 1;
/// What a frame of a short message takes, bytes.
const FRAME_BYTES_TYPICAL: usize = 384;

/// The encoder.
pub(crate) struct DirectDialect;

/// A person id as hosts wrote it: decimal ids were numbers.
#[derive(Serialize)]
#[serde(untagged)]
enum HostId<'a> {
    Number(u64),
    Text(&'a str),
}

#[derive(Serialize)]
struct MessageFrame<'a> {
    id: u64,
    conversation: u64,
    sender: Sender<'a>,
    content: &'a str,
    message_type: &'static str,
    is_read: bool,
    created_at: String,
    file_attachment: Option<()>,
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
            RoomEvent::MessagePosted(message) => message_frame(room, message),
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
            Ephemeral::Read { person, .. } => Some(frame(&ReadFrame {
                kind: "read_receipt",
                user_id: host_id(person),
            })),
            Ephemeral::Presence { .. } => None,
        }
    }
}

fn message_frame(room: &RoomContext, message: &Message) -> Option<Bytes> {
    let id = MessageNo::new(room.conversation, message.seq)?;
    let card = &message.author.card;
    Some(frame(&MessageFrame {
        id: id.0,
        conversation: room.conversation.0,
        sender: Sender {
            id: host_id(&message.author.id),
            email: card.email.as_deref(),
            user_type: card.user_type.as_deref(),
            full_name: card.name.as_deref(),
        },
        content: &message.text,
        message_type: "text",
        is_read: false,
        created_at: utc(message.at),
        file_attachment: None,
    }))
}

fn frame(body: &impl Serialize) -> Bytes {
    let mut builder = FrameBuilder::new(FRAME_BYTES_TYPICAL);
    serde_json::to_writer(builder.payload(), body).expect("a frame always encodes");
    builder.finish(Opcode::Text)
}

/// A decimal id goes out as a number if that is how it would be written.
fn host_id(person: &PersonId) -> HostId<'_> {
    let text = person.as_str();
    match text.parse::<u64>() {
        Ok(number) if number <= JS_INTEGER_MAX && is_plain(text) => HostId::Number(number),
        _ => HostId::Text(text),
    }
}

fn is_plain(digits: &str) -> bool {
    digits == "0" || !digits.starts_with(['0', '+'])
}

/// `2026-01-14T10:00:00.123Z`.
fn utc(at: Timestamp) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(at.0);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::command::{Card, Role};
    use frontdesk_protocol::event::Author;
    use frontdesk_protocol::{Cid, ConversationNo, RoomId, Seq};
    use serde_json::{Value, json};

    use super::*;

    fn room() -> RoomContext {
        RoomContext {
            room: RoomId::from_bits([7; 16]),
            conversation: ConversationNo(1),
        }
    }

    fn payload(frame: &Bytes) -> Value {
        let header_bytes = if frame[1] < 126 { 2 } else { 4 };
        serde_json::from_slice(&frame[header_bytes..]).expect("json")
    }

    #[test]
    fn a_message_has_the_documented_shape() {
        let card = Card {
            name: Some("John Talker".into()),
            email: Some("talker@example.com".into()),
            user_type: Some("talker".into()),
            picture_url: None,
        };
        let id = PersonId::new("5").expect("valid");
        let message = Message {
            seq: Seq(1),
            at: Timestamp(1_768_384_800_000),
            cid: Cid::from_digest([1; 16]),
            author: Author {
                id,
                role: Role::Visitor,
                card,
            },
            text: "Hello, how are you?".into(),
            rich: None,
            reply_to: None,
            deleted_at: None,
        };
        let frame = DirectDialect.event(&room(), &RoomEvent::MessagePosted(message));
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
        assert_eq!(payload(&frame.expect("shown")), expected);
    }

    #[test]
    fn ids_go_out_as_hosts_wrote_them() {
        let shown = |text: &str| {
            let person = PersonId::new(text).expect("valid");
            let read = Ephemeral::Read {
                person,
                seq: Seq(1),
            };
            payload(&DirectDialect.ephemeral(&room(), &read).expect("shown"))["user_id"].clone()
        };
        assert_eq!(shown("5"), json!(5));
        assert_eq!(shown("0"), json!(0));
        assert_eq!(shown("007"), json!("007"));
        assert_eq!(shown("9007199254740993"), json!("9007199254740993"));
        assert_eq!(shown("ann"), json!("ann"));
    }
}
