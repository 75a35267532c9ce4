//! Chats as those who serve visitors know them, in the words of two kinds of clients: the agents'
//! page of `widget` finds everything in `data`, that of `helpdesk` in the frame itself.
//!
//! Invariants: whose chat is whose comes from the company's staff feed alone, so that nobody who
//! also has the chat is told twice.
//! Never: shows a room that is no visitor's chat.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::clock::Clock;
use frontdesk_actors::{Dialect, HandoffNotice, RoomContext};
use frontdesk_protocol::chat::HandoffStep;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::{Message, RoomEvent};
use serde::Serialize;

use super::frames::{Agent, Moved, Writing, agent, moved, said_by, writing};
use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{frame, frames, utc};
use crate::profiles::widget::frames::{attached, shared};

/// The encoder for the agents' page of `widget`.
pub(crate) struct WidgetAgentDialect {
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

/// The encoder for agents of `helpdesk`.
pub(crate) struct HelpdeskDialect {
    /// For what is shown now and has no time of its own.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where files are found.
    pub(crate) files: Arc<FileAddresses>,
}

#[derive(Serialize)]
struct Holding<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    data: T,
}

#[derive(Serialize)]
struct Flat<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    body: T,
}

#[derive(Serialize)]
struct WritingAt<'a> {
    #[serde(flatten)]
    writing: Writing<'a>,
    timestamp: String,
}

#[derive(Serialize)]
struct Update<'a> {
    action: &'static str,
    #[serde(flatten)]
    moved: Moved<'a>,
}

#[derive(Serialize)]
struct AgentJoined<'a> {
    agent_info: Agent<'a>,
    session_id: &'a str,
    timestamp: String,
}

fn message(event: &RoomEvent) -> Option<&Message> {
    match event {
        RoomEvent::MessagePosted(message) => Some(message),
        _ => None,
    }
}

fn typing<'a>(room: &'a RoomContext, ephemeral: &'a Ephemeral) -> Option<Writing<'a>> {
    match ephemeral {
        Ephemeral::Typing {
            person,
            card,
            active,
        } => writing(room, person, card, *active),
        _ => None,
    }
}

impl Dialect for WidgetAgentDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let kind = "chat_message";
        let message = message(event)?;
        let data = said_by(room, message)?;
        let shared = shared(&self.files, room, message);
        let is_said = shared.is_none() || !message.text.is_empty();
        let said = is_said.then(|| frame(&Holding { kind, data }));
        frames(shared.into_iter().chain(said))
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let kind = "typing_indicator";
        let body = typing(room, ephemeral)?;
        Some(frame(&Flat { kind, body }))
    }

    fn handoff(&self, notice: &HandoffNotice) -> Option<Bytes> {
        let kind = match notice.step {
            // It waits as one does that was just escalated, and clients know no other word for it.
            HandoffStep::Escalated { .. } | HandoffStep::Released { .. } => "session_escalated",
            HandoffStep::Assigned { .. } => "session_assigned",
            HandoffStep::Resolved { .. } => "session_update",
        };
        let data = moved(notice)?;
        Some(frame(&Holding { kind, data }))
    }
}

impl Dialect for HelpdeskDialect {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let kind = "chat_message";
        let message = message(event)?;
        let body = said_by(room, message)?.with(attached(&self.files, room, message));
        Some(frame(&Flat { kind, body }))
    }

    fn ephemeral(&self, room: &RoomContext, ephemeral: &Ephemeral) -> Option<Bytes> {
        let kind = "typing";
        let writing = typing(room, ephemeral)?;
        let timestamp = utc(self.clock.now());
        let body = WritingAt { writing, timestamp };
        Some(frame(&Flat { kind, body }))
    }

    fn handoff(&self, notice: &HandoffNotice) -> Option<Bytes> {
        let action = match &notice.step {
            HandoffStep::Escalated { .. } | HandoffStep::Released { .. } => "escalate",
            HandoffStep::Assigned { left, .. } if !left.is_empty() => "transfer",
            HandoffStep::Assigned { .. } => "assign",
            HandoffStep::Resolved { .. } => "resolve",
        };
        let moved = moved(notice)?;
        let body = Update { action, moved };
        let kind = "session_update";
        let update = frame(&Flat { kind, body });
        let joined = match &notice.step {
            HandoffStep::Assigned {
                agent: person,
                name,
                ..
            } => Some(frame(&Flat {
                kind: "agent_joined",
                body: AgentJoined {
                    agent_info: agent(person, name.as_deref()),
                    session_id: notice.chat.id.as_str(),
                    timestamp: utc(notice.at),
                },
            })),
            _ => None,
        };
        frames([Some(update), joined].into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_actors::clock::SystemClock;
    use frontdesk_protocol::chat::{Chat, ChatOpening, FormProgress, Priority};
    use frontdesk_protocol::command::Role;
    use frontdesk_protocol::event::Author;
    use frontdesk_protocol::{ChatId, PersonId, Seq, Timestamp};
    use serde_json::{Value, json};

    use super::*;
    use crate::profiles::files::tests::{addresses, file};
    use crate::profiles::frame::tests::{hello, payloads, room};
    use crate::profiles::widget::frames::tests::chat_room;

    const AT: Timestamp = Timestamp(1_768_384_800_000);
    const TIME: &str = "2026-01-14T10:00:00.000Z";

    fn board() -> WidgetAgentDialect {
        WidgetAgentDialect { files: addresses() }
    }

    fn helpdesk() -> HelpdeskDialect {
        HelpdeskDialect {
            clock: Arc::new(SystemClock::default()),
            files: addresses(),
        }
    }

    fn person(text: &str) -> PersonId {
        PersonId::new(text).expect("valid")
    }

    /// Notices of these steps, one after the other, in one chat.
    fn notices(steps: Vec<HandoffStep>) -> Vec<HandoffNotice> {
        let opening = ChatOpening {
            id: ChatId::new("TES001_abc").expect("valid"),
            language: "".into(),
        };
        let mut chat = Chat::new(&opening, person("5"));
        chat.form = Some(FormProgress {
            asked: None,
            answers: [("name".to_owned(), Some("Ada".to_owned()))].into(),
        });
        let by = Author {
            id: person("5"),
            role: Role::Visitor,
            card: Default::default(),
        };
        let moved = |(index, step): (usize, HandoffStep)| {
            chat.moved(Seq(index as u64 + 1), AT, &by, &step);
            HandoffNotice {
                room: room().room,
                conversation: room().conversation,
                at: AT,
                by: by.clone(),
                step,
                chat: Box::new(chat.clone()),
            }
        };
        steps.into_iter().enumerate().map(moved).collect()
    }

    fn story() -> Vec<HandoffNotice> {
        let assigned = |no: u64, left: &[&str]| HandoffStep::Assigned {
            agent: person(&format!("agent:{no}")),
            name: Some("Ann".into()),
            left: left.iter().map(|text| person(text)).collect(),
        };
        notices(vec![
            HandoffStep::Escalated {
                reason: "a bill".into(),
                priority: Priority::High,
            },
            assigned(11, &[]),
            assigned(12, &["agent:11"]),
            HandoffStep::Released {
                name: Some("Ann".into()),
                left: vec![person("agent:12")],
            },
            HandoffStep::Resolved {
                notes: "".into(),
                left: Vec::new(),
            },
        ])
    }

    #[test]
    fn a_message_stands_in_the_frame_or_in_what_it_holds() {
        let event = RoomEvent::MessagePosted(hello());
        let flat = payloads(&helpdesk().event(&chat_room(), &event).expect("shown"));
        let body = json!({"message": "Hello, how are you?", "session_id": "TES001_abc",
            "sender_type": "user", "sender_name": "John Talker", "message_id": 1_048_577,
            "timestamp": TIME,
            "sender_info": {"id": 5, "name": "John Talker", "type": "user"}});
        let mut expected = body.clone();
        expected["type"] = json!("chat_message");
        assert_eq!(flat, [expected]);
        let held = payloads(&board().event(&chat_room(), &event).expect("shown"));
        assert_eq!(held, [json!({"type": "chat_message", "data": body})]);
        assert_eq!(board().event(&room(), &event), None);
        assert_eq!(helpdesk().event(&room(), &event), None);
    }

    #[test]
    fn a_file_stands_in_the_frame_of_its_message_or_in_one_of_its_own() {
        let mut said = hello();
        (said.file, said.text) = (Some(file("a.pdf", "application/pdf")), "".into());
        let event = RoomEvent::MessagePosted(said);
        let flat = payloads(&helpdesk().event(&chat_room(), &event).expect("shown"));
        assert_eq!(flat[0]["type"], "chat_message");
        assert_eq!(flat[0]["file_name"], "a.pdf");
        assert_eq!(flat[0]["attachments"][0]["file_type"], "document");
        assert_eq!(flat[0]["attachments"][0]["file_url"], flat[0]["file_url"]);
        let held = payloads(&board().event(&chat_room(), &event).expect("shown"));
        assert_eq!(held.len(), 1);
        assert_eq!(held[0]["type"], "file_shared");
        assert_eq!(held[0]["url"], flat[0]["file_url"]);
    }

    #[test]
    fn each_step_of_a_handoff_is_told_in_both_words() {
        let steps: Vec<(Vec<Value>, Vec<Value>)> = story()
            .iter()
            .map(|notice| {
                let held = board().handoff(notice).expect("shown");
                let flat = helpdesk().handoff(notice).expect("shown");
                (payloads(&held), payloads(&flat))
            })
            .collect();
        let kinds: Vec<&Value> = steps.iter().map(|(held, _)| &held[0]["type"]).collect();
        assert_eq!(
            kinds,
            [
                "session_escalated",
                "session_assigned",
                "session_assigned",
                "session_escalated",
                "session_update"
            ]
        );
        let actions: Vec<&Value> = steps.iter().map(|(_, flat)| &flat[0]["action"]).collect();
        assert_eq!(
            actions,
            ["escalate", "assign", "transfer", "escalate", "resolve"]
        );
        let (held, flat) = &steps[0];
        let expected = json!({"session_id": "TES001_abc", "handoff_id": 1_048_577,
            "status": "escalated", "priority": "high", "escalation_reason": "a bill",
            "escalated_at": TIME, "agent_id": null, "agent_name": null, "assigned_at": null,
            "resolved_at": null, "user_profile": {"name": "Ada", "phone": null, "email": null},
            "timestamp": TIME});
        assert_eq!(held[0]["data"], expected);
        assert_eq!(flat.len(), 1);
        let (_, flat) = &steps[1];
        assert_eq!(
            flat[1],
            json!({"type": "agent_joined", "agent_info": {"id": 11, "name": "Ann"},
                "session_id": "TES001_abc", "timestamp": TIME})
        );
        let released = &steps[3].1[0];
        assert_eq!(released["status"], "escalated");
        assert_eq!(released["agent_id"], Value::Null);
        assert_eq!(released["handoff_id"], expected["handoff_id"]);
        assert_eq!(steps[4].0[0]["data"]["status"], "resolved");
    }

    #[test]
    fn who_writes_in_a_chat_is_named_to_those_who_serve_it() {
        let typing = Ephemeral::Typing {
            person: person("5"),
            card: Default::default(),
            active: true,
        };
        let held = board().ephemeral(&chat_room(), &typing);
        let mut flat = payloads(&helpdesk().ephemeral(&chat_room(), &typing).expect("shown"));
        let sender = json!({"id": 5, "name": null, "type": "user"});
        let mut expected = json!({"type": "typing_indicator", "session_id": "TES001_abc",
            "sender_type": "user", "sender_info": sender, "is_typing": true});
        assert_eq!(payloads(&held.expect("shown")), [expected.clone()]);
        expected["type"] = json!("typing");
        expected["timestamp"] = flat[0]["timestamp"].clone();
        assert!(expected["timestamp"].is_string());
        assert_eq!(flat.pop(), Some(expected));
        assert_eq!(board().ephemeral(&room(), &typing), None);
    }
}
