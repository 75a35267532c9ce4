//! Events and ephemerals in words that clients of `direct` and of `crm` both read: what is told to
//! both in one shape where the two do not collide, in two frames where they do.
//!
//! A client of `direct` shows whatever has an `id` at the top and ignores types it does not know; a
//! client of `crm` listens to named types.
//!
//! Never: knows who gets them.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use serde::Serialize;

use crate::profiles::crm::dialect::{presence_frames, read_frame};
use crate::profiles::crm::shape::{NewMessage, new_message};
use crate::profiles::direct::dialect as direct;
use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{HostId, frame, frames, host_id, shown_name};

/// The encoder.
pub(crate) struct UnionDialect {
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

#[derive(Serialize)]
struct MessageFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: NewMessage<'a>,
    #[serde(flatten)]
    direct: direct::MessageFrame<'a>,
}

#[derive(Serialize)]
struct TypingFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    conversation_id: String,
    user_id: HostId<'a>,
    user_email: Option<&'a str>,
    username: &'a str,
    is_typing: bool,
}

impl Dialect for UnionDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let RoomEvent::MessagePosted(message) = event else {
            return None;
        };
        Some(frame(&MessageFrame {
            kind: "message:new",
            message: new_message(&self.files, room, message)?,
            direct: direct::message_frame(&self.files, room, message)?,
        }))
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
            } => Some(frame(&TypingFrame {
                kind: "typing",
                conversation_id: room.conversation.to_string(),
                user_id: host_id(person),
                user_email: card.email.as_deref(),
                username: shown_name(person, card),
                is_typing: *active,
            })),
            Ephemeral::Read {
                person,
                card,
                after,
                seq,
            } => frames([
                direct::read_frame(person),
                read_frame(room, person, shown_name(person, card), *after, *seq),
            ]),
            Ephemeral::Presence { joined, left } => presence_frames(joined, left),
            Ephemeral::UploadProgress { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::{PersonId, Seq};
    use serde_json::{Value, json};

    use super::*;
    use crate::profiles::crm::CrmDialect;
    use crate::profiles::direct::DirectDialect;
    use crate::profiles::files::tests::{addresses, file};
    use crate::profiles::frame::tests::{hello, payloads, room, talker};

    fn union() -> UnionDialect {
        UnionDialect { files: addresses() }
    }

    #[test]
    fn a_message_is_what_both_show_in_one_frame() {
        let mut message = hello();
        message.file = Some(file("a.png", "image/png"));
        let event = RoomEvent::MessagePosted(message);
        let union = payloads(&union().event(&room(), &event).expect("shown"));
        let [union] = &union[..] else {
            panic!("one frame: {union:?}")
        };
        let crm = CrmDialect {
            echo_to_sender: true,
            files: addresses(),
        };
        let direct = DirectDialect { files: addresses() };
        for dialect in [&crm as &dyn Dialect, &direct] {
            let alone = payloads(&dialect.event(&room(), &event).expect("shown"));
            for (name, value) in alone[0].as_object().expect("an object") {
                assert_eq!(&union[name], value, "{name}");
            }
        }
    }

    #[test]
    fn reading_is_told_in_both_forms_and_typing_in_one_that_has_all_fields() {
        let person = PersonId::new("5").expect("valid");
        let read = Ephemeral::Read {
            person: person.clone(),
            card: talker(),
            after: Seq(0),
            seq: Seq(1),
        };
        let shown = payloads(&union().ephemeral(&room(), &read).expect("shown"));
        let kinds: Vec<&Value> = shown.iter().map(|frame| &frame["type"]).collect();
        assert_eq!(kinds, ["read_receipt", "read"]);
        assert!(shown.iter().all(|frame| frame.get("id").is_none()));
        let typing = Ephemeral::Typing {
            person,
            card: talker(),
            active: true,
        };
        let shown = payloads(&union().ephemeral(&room(), &typing).expect("shown"));
        assert_eq!(
            shown,
            [
                json!({"type": "typing", "conversation_id": "1", "user_id": 5,
                "user_email": "talker@example.com", "username": "John Talker",
                "is_typing": true})
            ]
        );
    }
}
