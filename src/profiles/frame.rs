//! What the frames of every profile are made of: ids as hosts wrote them, times as text, complete
//! WebSocket frames.
//!
//! Never: knows a profile.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::websocket::{FrameBuilder, Opcode};
use frontdesk_protocol::{PersonId, Timestamp};
use serde::Serialize;

/// Numbers beyond this are no integers to JavaScript.
const JS_INTEGER_MAX: u64 = (1 << 53) - 1;
/// What a frame of a short message takes, bytes.
const FRAME_BYTES_TYPICAL: usize = 384;

/// A person id as hosts wrote it: decimal ids were numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum HostId<'a> {
    /// It is how a number is written.
    Number(u64),
    /// Anything else.
    Text(&'a str),
}

/// A decimal id goes out as a number if that is how it would be written.
pub(crate) fn host_id(person: &PersonId) -> HostId<'_> {
    let text = person.as_str();
    match text.parse::<u64>() {
        Ok(number) if number <= JS_INTEGER_MAX && is_plain(text) => HostId::Number(number),
        _ => HostId::Text(text),
    }
}

fn is_plain(digits: &str) -> bool {
    digits == "0" || !digits.starts_with(['0', '+'])
}

/// What a person is called where a name must stand: the best of what is known.
pub(crate) fn shown_name<'a>(person: &'a PersonId, card: &'a Card) -> &'a str {
    let known = card.name.as_deref().or(card.email.as_deref());
    known.unwrap_or(person.as_str())
}

/// `2026-01-14T10:00:00.123Z`.
pub(crate) fn utc(at: Timestamp) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(at.0);
    humantime::format_rfc3339_millis(time).to_string()
}

/// A body as one complete frame.
pub(crate) fn frame(body: &impl Serialize) -> Bytes {
    let mut builder = FrameBuilder::new(FRAME_BYTES_TYPICAL);
    serde_json::to_writer(builder.payload(), body).expect("a frame always encodes");
    builder.finish(Opcode::Text)
}

/// Several frames, one behind the other; `None` of none.
pub(crate) fn frames(parts: impl IntoIterator<Item = Bytes>) -> Option<Bytes> {
    let mut parts = parts.into_iter();
    let first = parts.next()?;
    let Some(second) = parts.next() else {
        return Some(first);
    };
    let mut all = [first, second].concat();
    parts.for_each(|part| all.extend_from_slice(&part));
    Some(Bytes::from(all))
}

#[cfg(test)]
pub(crate) mod tests {
    use frontdesk_actors::RoomContext;
    use frontdesk_protocol::command::Role;
    use frontdesk_protocol::event::{Author, Message};
    use frontdesk_protocol::{Cid, CompanyId, ConversationNo, RoomId, Seq};
    use serde_json::{Value, json};

    use super::*;

    /// Conversation 1.
    pub(crate) fn room() -> RoomContext {
        RoomContext {
            company: CompanyId::new("TES001").expect("valid"),
            room: RoomId::from_bits([7; 16]),
            conversation: ConversationNo(1),
            chat: None,
        }
    }

    /// What each of these frames says.
    pub(crate) fn payloads(mut frames: &[u8]) -> Vec<Value> {
        let mut all = Vec::new();
        while !frames.is_empty() {
            let (header_bytes, length) = match frames[1] {
                126 => (4, usize::from(u16::from_be_bytes([frames[2], frames[3]]))),
                short => (2, usize::from(short)),
            };
            let end = header_bytes + length;
            let body = &frames[header_bytes..end];
            all.push(serde_json::from_slice(body).expect("json"));
            frames = &frames[end..];
        }
        all
    }

    pub(crate) fn talker() -> Card {
        Card {
            name: Some("John Talker".into()),
            email: Some("talker@example.com".into()),
            user_type: Some("talker".into()),
            picture_url: None,
        }
    }

    /// The message of the documents.
    pub(crate) fn hello() -> Message {
        let id = PersonId::new("5").expect("valid");
        Message {
            seq: Seq(1),
            at: Timestamp(1_768_384_800_000),
            cid: Cid::from_digest([1; 16]),
            author: Author {
                id,
                role: Role::Visitor,
                card: talker(),
            },
            text: "Hello, how are you?".into(),
            rich: None,
            reply_to: None,
            file: None,
            part_of: None,
            deleted_at: None,
        }
    }

    #[test]
    fn ids_go_out_as_hosts_wrote_them() {
        let shown = |text: &str| {
            let person = PersonId::new(text).expect("valid");
            serde_json::to_value(host_id(&person)).expect("json")
        };
        assert_eq!(shown("5"), json!(5));
        assert_eq!(shown("0"), json!(0));
        assert_eq!(shown("007"), json!("007"));
        assert_eq!(shown("9007199254740993"), json!("9007199254740993"));
        assert_eq!(shown("ann"), json!("ann"));
    }

    #[test]
    fn frames_stand_one_behind_the_other() {
        assert_eq!(frames([]), None);
        let long = json!({"text": "x".repeat(300)});
        let parts = [json!({"a": 1}), long, json!({"b": 2})];
        let all = frames(parts.iter().map(frame)).expect("some");
        assert_eq!(payloads(&all), parts);
    }
}
