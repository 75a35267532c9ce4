//! Events and ephemerals of a chat as its visitor's page knows them.
//!
//! Never: shows why a chat was handed over or what was written down at its end: that is for the
//! company's people.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::{Dialect, RoomContext};
use frontdesk_protocol::Seq;
use frontdesk_protocol::chat::HandoffStep;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use serde::Serialize;
use serde_json::json;

use super::frames::{Said, handoff_no, said, shared, typist_type};
use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{frame, frames};

/// What an agent is called where nobody knows better.
pub(crate) const AGENT_NAME: &str = "Agent";
/// What a visitor is told whose chat waits for a person.
pub(crate) const PASSED_ON: &str =
    "Your chat has been passed on to a person, who will be with you soon.";
/// What a visitor is told whose chat waits for a person again.
pub(crate) const RELEASED: &str =
    "The person you were talking to had to leave. Another will be with you soon.";
/// What a visitor is told whose chat the bot has again.
pub(crate) const RESOLVED: &str = "This conversation has been resolved.";

/// The encoder.
pub(crate) struct WidgetDialect {
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

#[derive(Serialize)]
struct SaidFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    said: Said<'a>,
}

impl Dialect for WidgetDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        match event {
            RoomEvent::MessagePosted(message) => {
                let said = said(room, message)?;
                let kind = "chat_message";
                let shared = shared(&self.files, room, message);
                let is_said = shared.is_none() || !message.text.is_empty();
                let said = is_said.then(|| frame(&SaidFrame { kind, said }));
                frames(shared.into_iter().chain(said))
            }
            RoomEvent::HandoffMoved { seq, by, step, .. } => match step {
                HandoffStep::Escalated { .. } => escalated(room, *seq),
                HandoffStep::Assigned { name, .. } => Some(agent_joined(name.as_deref())),
                HandoffStep::Resolved { .. } => {
                    // An agent resolves what they have; an admin also what nobody has.
                    let agent = (by.role == Role::Agent).then_some(by.card.name.as_deref());
                    resolved(agent)
                }
                HandoffStep::Released { name, .. } => released(name.as_deref()),
            },
            _ => None,
        }
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let Ephemeral::Typing { person, active, .. } = ephemeral else {
            return None;
        };
        let chat = room.chat.as_ref()?;
        let sender_type = typist_type(&chat.visitor, person);
        Some(frame(&json!({
            "type": "typing_indicator", "sender_type": sender_type, "is_typing": active,
        })))
    }
}

fn escalated(room: &RoomContext, seq: Seq) -> Option<Bytes> {
    let notice = json!({
        "type": "system_message",
        "message": PASSED_ON,
    });
    let confirmed = json!({
        "type": "escalation_confirmed",
        "message": "Chat escalated to a human agent",
        "session_id": room.chat.as_ref()?.id.as_str(),
        "handoff_id": handoff_no(room.conversation, seq)?,
    });
    frames([frame(&notice), frame(&confirmed)])
}

fn agent_joined(name: Option<&str>) -> Bytes {
    frame(&json!({"type": "agent_joined", "agent_name": name.unwrap_or(AGENT_NAME)}))
}

fn agent_left(name: Option<&str>) -> Bytes {
    frame(&json!({"type": "agent_left", "agent_name": name.unwrap_or(AGENT_NAME)}))
}

fn released(name: Option<&str>) -> Option<Bytes> {
    let notice = json!({
        "type": "system_message",
        "message": RELEASED,
    });
    frames([agent_left(name), frame(&notice)])
}

fn resolved(agent: Option<Option<&str>>) -> Option<Bytes> {
    let left = agent.map(agent_left);
    let notice = json!({
        "type": "system_message",
        "message": RESOLVED,
    });
    frames(left.into_iter().chain([frame(&notice)]))
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::event::Author;
    use frontdesk_protocol::{PersonId, Timestamp};
    use serde_json::Value;

    use super::super::frames::tests::chat_room;
    use super::*;
    use crate::profiles::files::tests::{addresses, file};
    use crate::profiles::frame::tests::{hello, payloads, room};

    fn widget() -> WidgetDialect {
        WidgetDialect { files: addresses() }
    }

    fn person(text: &str) -> PersonId {
        PersonId::new(text).expect("valid")
    }

    fn moved(role: Role, step: HandoffStep) -> Vec<Value> {
        let event = RoomEvent::HandoffMoved {
            seq: Seq(3),
            at: Timestamp(1),
            by: Author {
                id: person("agent:11"),
                role,
                card: Default::default(),
            },
            step,
        };
        payloads(&widget().event(&chat_room(), &event).expect("shown"))
    }

    #[test]
    fn a_handoff_is_told_without_its_reasons_and_notes() {
        let told = moved(
            Role::Visitor,
            HandoffStep::Escalated {
                reason: "a secret".into(),
                priority: Default::default(),
            },
        );
        assert_eq!(told[0]["type"], "system_message");
        assert_eq!(told[1]["type"], "escalation_confirmed");
        assert_eq!(told[1]["handoff_id"], 1_048_579);
        assert_eq!(told[1]["session_id"], "TES001_abc");
        let assigned = HandoffStep::Assigned {
            agent: person("agent:11"),
            name: Some("Ann".into()),
            left: Vec::new(),
        };
        let told_assigned = moved(Role::Agent, assigned);
        assert_eq!(
            told_assigned,
            [json!({"type": "agent_joined", "agent_name": "Ann"})]
        );
        let released = HandoffStep::Released {
            name: Some("Ann".into()),
            left: Vec::new(),
        };
        let told_released = moved(Role::Superadmin, released);
        assert_eq!(
            told_released[0],
            json!({"type": "agent_left", "agent_name": "Ann"})
        );
        assert_eq!(told_released[1]["type"], "system_message");
        let notes = || HandoffStep::Resolved {
            notes: "a secret".into(),
            left: Vec::new(),
        };
        let by_agent = moved(Role::Agent, notes());
        assert_eq!(
            by_agent[0],
            json!({"type": "agent_left", "agent_name": "Agent"})
        );
        assert_eq!(by_agent[1]["type"], "system_message");
        let by_admin = moved(Role::Admin, notes());
        assert_eq!(by_admin[..], by_agent[1..]);
        for frame in told.iter().chain(&by_agent) {
            assert!(!frame.to_string().contains("secret"), "{frame}");
        }
    }

    #[test]
    fn a_file_is_told_in_a_frame_of_its_own_and_what_is_said_with_it_in_another() {
        let mut message = hello();
        message.file = Some(file("photo.png", "image/png"));
        let told = |message| {
            let event = RoomEvent::MessagePosted(message);
            payloads(&widget().event(&chat_room(), &event).expect("shown"))
        };
        let both = told(message.clone());
        assert_eq!(both.len(), 2);
        assert_eq!(both[0]["type"], "file_shared");
        assert_eq!(both[0]["uploader"], "user");
        assert_eq!(both[0]["session_id"], "TES001_abc");
        assert_eq!(both[0]["name"], "photo.png");
        assert_eq!(both[0]["original_name"], "photo.png");
        assert_eq!(both[1]["type"], "chat_message");
        assert_eq!(both[1]["message"], "Hello, how are you?");
        message.text = "".into();
        assert_eq!(told(message), both[..1]);
    }

    #[test]
    fn who_writes_is_told_by_what_they_are_and_not_by_who_they_are() {
        for (who, sender_type) in [("5", "user"), ("agent:11", "agent"), ("bot:echo", "bot")] {
            let typing = Ephemeral::Typing {
                person: person(who),
                card: Default::default(),
                active: true,
            };
            let shown = widget().ephemeral(&chat_room(), &typing);
            let expected = json!({"type": "typing_indicator", "sender_type": sender_type,
                "is_typing": true});
            assert_eq!(payloads(&shown.expect("shown")), [expected]);
            assert_eq!(widget().ephemeral(&room(), &typing), None);
        }
        let said = RoomEvent::MessagePosted(hello());
        let shown = payloads(&widget().event(&chat_room(), &said).expect("shown"));
        assert_eq!(shown[0]["type"], "chat_message");
        assert!(!shown[0].to_string().contains("talker@example.com"));
    }
}
