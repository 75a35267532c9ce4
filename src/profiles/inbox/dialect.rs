//! Events and ephemerals as clients of the `inbox` profile know them.
//!
//! Never: knows who gets them, but for telling an author from the others.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::PersonId;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use serde::Serialize;

use super::shape::{self, MessageShape};
use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{HostId, frame, host_id};

/// The encoder.
pub(crate) struct InboxDialect {
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

#[derive(Serialize)]
struct MessageFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: MessageShape<'a>,
}

#[derive(Serialize)]
struct PersonFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<u64>,
    user_id: HostId<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_typing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_online: Option<bool>,
}

impl Dialect for InboxDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        self.message_frame("new_message", room, event)
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let (kind, person, is_typing) = match ephemeral {
            Ephemeral::Typing { person, active, .. } => ("typing", person, Some(*active)),
            Ephemeral::Read { person, .. } => ("messages_read", person, None),
            Ephemeral::Presence { .. } | Ephemeral::UploadProgress { .. } => return None,
        };
        Some(frame(&PersonFrame {
            kind,
            conversation_id: Some(room.conversation.0),
            user_id: host_id(person),
            is_typing,
            is_online: None,
        }))
    }

    fn tells_authors(&self) -> bool {
        true
    }

    fn own_event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        self.message_frame("message_sent", room, event)
    }

    fn status(&self, person: &PersonId, is_online: bool) -> Option<Bytes> {
        Some(frame(&PersonFrame {
            kind: "user_status",
            conversation_id: None,
            user_id: host_id(person),
            is_typing: None,
            is_online: Some(is_online),
        }))
    }
}

impl InboxDialect {
    /// A new message; there is no frame for one that was taken back.
    fn message_frame(
        &self,
        kind: &'static str,
        room: &RoomContext,
        event: &RoomEvent,
    ) -> Option<Bytes> {
        let RoomEvent::MessagePosted(message) = event else {
            return None;
        };
        if message.deleted_at.is_some() {
            return None;
        }
        let message = shape::message(&self.files, room, message)?;
        Some(frame(&MessageFrame { kind, message }))
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::{Seq, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::profiles::files::tests::addresses;
    use crate::profiles::frame::tests::{hello, payloads, room};

    fn inbox() -> InboxDialect {
        InboxDialect { files: addresses() }
    }

    #[test]
    fn an_author_and_the_others_are_told_in_their_own_words() {
        let event = RoomEvent::MessagePosted(hello());
        let others = payloads(&inbox().event(&room(), &event).expect("shown"));
        let own = payloads(&inbox().own_event(&room(), &event).expect("shown"));
        assert_eq!(others[0]["type"], "new_message");
        assert_eq!(own[0]["type"], "message_sent");
        assert_eq!(own[0]["message"], others[0]["message"]);
        assert_eq!(own[0]["message"]["content"], "Hello, how are you?");
        let mut gone = hello();
        gone.blank(Timestamp(1));
        assert_eq!(
            inbox().event(&room(), &RoomEvent::MessagePosted(gone)),
            None
        );
    }

    #[test]
    fn what_is_shown_now_names_the_conversation_and_the_person() {
        let person = PersonId::new("5").expect("valid");
        let typing = Ephemeral::Typing {
            person: person.clone(),
            card: Default::default(),
            active: true,
        };
        let read = Ephemeral::Read {
            person: person.clone(),
            card: Default::default(),
            after: Seq(0),
            seq: Seq(1),
        };
        let shown = |ephemeral| payloads(&inbox().ephemeral(&room(), ephemeral).expect("shown"));
        assert_eq!(
            shown(&typing),
            [json!({"type": "typing", "conversation_id": 1, "user_id": 5, "is_typing": true})]
        );
        assert_eq!(
            shown(&read),
            [json!({"type": "messages_read", "conversation_id": 1, "user_id": 5})]
        );
        let status = payloads(&inbox().status(&person, false).expect("shown"));
        assert_eq!(
            status,
            [json!({"type": "user_status", "user_id": 5, "is_online": false})]
        );
    }
}
