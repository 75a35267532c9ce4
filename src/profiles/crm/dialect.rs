//! Events and ephemerals as clients of the `crm` profile know them.
//!
//! Never: knows who gets them.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::ephemeral::{Ephemeral, Passer};
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::{MessageNo, PersonId, Seq};
use serde::Serialize;

use super::shape::{NewMessage, new_message};
use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{frame, frames, shown_name};

/// Ids in one `read` frame at most: what a screen shows, and the newest of it.
const READ_ID_COUNT_MAX: u64 = 256;

/// The encoder.
pub(crate) struct CrmDialect {
    /// Whether authors get their own messages back.
    pub(crate) echo_to_sender: bool,
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

#[derive(Serialize)]
struct NewFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: NewMessage<'a>,
}

#[derive(Serialize)]
struct PersonFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    user_id: &'a str,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_typing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_ids: Option<Vec<String>>,
}

impl Dialect for CrmDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        match event {
            RoomEvent::MessagePosted(message) => new_frame(&self.files, room, message),
            _ => None,
        }
    }

    fn tells_authors(&self) -> bool {
        !self.echo_to_sender
    }

    /// Called only without the echo: the author has shown it already and got an acknowledgement.
    fn own_event(&self, _room: &RoomContext, _event: &RoomEvent) -> Option<Bytes> {
        None
    }

    fn hides_viewer(&self) -> bool {
        true
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        match ephemeral {
            Ephemeral::Typing {
                person,
                card,
                active,
            } => Some(frame(&PersonFrame {
                kind: "typing",
                user_id: person.as_str(),
                username: shown_name(person, card),
                is_typing: Some(*active),
                message_ids: None,
            })),
            Ephemeral::Read {
                person,
                card,
                after,
                seq,
            } => Some(read_frame(
                room,
                person,
                shown_name(person, card),
                *after,
                *seq,
            )),
            Ephemeral::Presence { joined, left } => presence_frames(joined, left),
            Ephemeral::UploadProgress { .. } => None,
        }
    }
}

fn new_frame(files: &FileAddresses, room: &RoomContext, message: &Message) -> Option<Bytes> {
    Some(frame(&NewFrame {
        kind: "message:new",
        message: new_message(files, room, message)?,
    }))
}

/// One frame for each who came or went.
pub(crate) fn presence_frames(joined: &[Passer], left: &[Passer]) -> Option<Bytes> {
    let one = |kind: &'static str, passer: &Passer| {
        frame(&PersonFrame {
            kind,
            user_id: passer.person.as_str(),
            username: shown_name(&passer.person, &passer.card),
            is_typing: None,
            message_ids: None,
        })
    };
    let came = joined.iter().map(|passer| one("user_joined", passer));
    frames(came.chain(left.iter().map(|passer| one("user_left", passer))))
}

/// Someone read the messages behind `after`, up to `seq`.
pub(crate) fn read_frame(
    room: &RoomContext,
    person: &PersonId,
    username: &str,
    after: Seq,
    seq: Seq,
) -> Bytes {
    let first = (after.0 + 1).max((seq.0 + 1).saturating_sub(READ_ID_COUNT_MAX));
    let id = |seq| MessageNo::new(room.conversation, Seq(seq));
    let ids = (first..=seq.0).filter_map(id).map(|id| id.0.to_string());
    frame(&PersonFrame {
        kind: "read",
        user_id: person.as_str(),
        username,
        is_typing: None,
        message_ids: Some(ids.collect()),
    })
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::Timestamp;
    use frontdesk_protocol::command::Role;
    use serde_json::json;

    use super::*;
    use crate::profiles::files::tests::addresses;
    use crate::profiles::frame::tests::{hello, payloads, room, talker};

    fn crm() -> CrmDialect {
        CrmDialect {
            echo_to_sender: true,
            files: addresses(),
        }
    }

    fn person(name: &str) -> PersonId {
        PersonId::new(name).expect("valid")
    }

    #[test]
    fn a_message_has_the_documented_shape_with_ids_as_texts() {
        let mut message = hello();
        let shown = crm().event(&room(), &RoomEvent::MessagePosted(message.clone()));
        let expected = json!({"type": "message:new", "message": {
            "id": "1048577",
            "conversation_id": "1",
            "type": "user",
            "text": "Hello, how are you?",
            "sender": "5",
            "sender_name": "John Talker",
            "created_at": "2026-01-14T10:00:00.000Z",
            "attachment": null,
        }});
        assert_eq!(payloads(&shown.expect("shown")), [expected]);
        message.author.role = Role::Bot;
        let shown = crm().event(&room(), &RoomEvent::MessagePosted(message.clone()));
        let shown = payloads(&shown.expect("shown"));
        assert_eq!(shown[0]["message"]["type"], "bot");
        message.blank(Timestamp(1));
        assert_eq!(
            crm().event(&room(), &RoomEvent::MessagePosted(message)),
            None
        );
    }

    #[test]
    fn everyone_who_came_or_went_has_a_frame() {
        let passer = |name: &str, card| Passer {
            person: person(name),
            card,
        };
        let presence = Ephemeral::Presence {
            joined: vec![passer("5", talker()), passer("6", Default::default())],
            left: vec![passer("7", Default::default())],
        };
        let shown = crm().ephemeral(&room(), &presence).expect("shown");
        assert_eq!(
            payloads(&shown),
            [
                json!({"type": "user_joined", "user_id": "5", "username": "John Talker"}),
                json!({"type": "user_joined", "user_id": "6", "username": "6"}),
                json!({"type": "user_left", "user_id": "7", "username": "7"}),
            ]
        );
        let nobody = Ephemeral::Presence {
            joined: vec![],
            left: vec![],
        };
        assert_eq!(crm().ephemeral(&room(), &nobody), None);
    }

    #[test]
    fn a_read_frame_names_what_was_read_and_not_more_than_a_screen() {
        let read = |after, seq| {
            let read = Ephemeral::Read {
                person: person("5"),
                card: talker(),
                after: Seq(after),
                seq: Seq(seq),
            };
            let shown = crm().ephemeral(&room(), &read).expect("shown");
            payloads(&shown).pop().expect("one")
        };
        let two = json!({"type": "read", "user_id": "5", "username": "John Talker",
            "message_ids": ["1048579", "1048580"]});
        assert_eq!(read(2, 4), two);
        let many = read(0, 10_000);
        let ids = many["message_ids"].as_array().expect("a list");
        assert_eq!(ids.len() as u64, READ_ID_COUNT_MAX);
        assert_eq!(ids.last(), Some(&json!("1058576")));
    }
}
