//! From what rooms store and show to what clients see, and from a client's structured part to what
//! is stored. `rich` is JSON text in the journal and a JSON value on the wire.

use std::sync::Arc;

use super::{EphemeralKind, EventBody, EventKind, HandoffMove};
use crate::chat::{HandoffStep, NamedPerson};
use crate::ephemeral::{Ephemeral, Passer};
use crate::error::{ErrorCode, Rejection};
use crate::event::{Message, RoomEvent};
use crate::ids::PersonId;
use crate::limits;

impl EventBody {
    /// The event as clients see it; `None` for bookkeeping, which has no seq.
    pub fn from_event(event: &RoomEvent) -> Option<Self> {
        match event {
            RoomEvent::MessagePosted(message) => Some(Self::from(message)),
            RoomEvent::MessageDeleted {
                seq, at, target, ..
            } => Some(Self {
                seq: *seq,
                kind: EventKind::MessageDeleted {
                    at: *at,
                    target: *target,
                },
            }),
            RoomEvent::HandoffMoved { seq, at, by, step } => Some(Self {
                seq: *seq,
                kind: EventKind::Handoff(HandoffMove {
                    at: *at,
                    author: by.clone(),
                    step: step.as_str().into(),
                    agent: match step {
                        HandoffStep::Assigned { agent, name, .. } => Some(NamedPerson {
                            id: agent.clone(),
                            name: name.clone(),
                        }),
                        _ => None,
                    },
                }),
            }),
            RoomEvent::RoomCreated { .. }
            | RoomEvent::ReadMarked { .. }
            | RoomEvent::RoomChanged { .. }
            | RoomEvent::TurnPassed { .. }
            | RoomEvent::TurnOwed { .. }
            | RoomEvent::FormAnswered { .. }
            | RoomEvent::FormForgotten { .. }
            | RoomEvent::FileTurnedAway { .. }
            | RoomEvent::Forgotten { .. } => None,
        }
    }
}

impl From<&Message> for EventBody {
    /// A `rich` that is not JSON any more is left out: the text stands for itself.
    fn from(message: &Message) -> Self {
        let rich = message.rich.as_deref();
        Self {
            seq: message.seq,
            kind: EventKind::Message {
                at: message.at,
                cid: message.cid,
                author: message.author.clone(),
                text: message.text.clone(),
                rich: rich.and_then(|rich| serde_json::from_str(rich).ok()),
                reply_to: message.reply_to,
                file: message.file.clone(),
                part_of: message.part_of,
                deleted_at: message.deleted_at,
            },
        }
    }
}

impl From<&Ephemeral> for EphemeralKind {
    fn from(ephemeral: &Ephemeral) -> Self {
        match ephemeral {
            Ephemeral::Typing { person, active, .. } => EphemeralKind::Typing {
                person: person.clone(),
                active: *active,
            },
            Ephemeral::Presence { joined, left } => EphemeralKind::Presence {
                joined: ids(joined),
                left: ids(left),
            },
            Ephemeral::Read { person, seq, .. } => EphemeralKind::Read {
                person: person.clone(),
                seq: *seq,
            },
            Ephemeral::UploadProgress {
                person,
                upload,
                name,
                received,
                size,
            } => EphemeralKind::UploadProgress {
                person: person.clone(),
                upload: *upload,
                name: Arc::clone(name),
                received: *received,
                size: *size,
            },
        }
    }
}

fn ids(passers: &[Passer]) -> Vec<PersonId> {
    passers.iter().map(|passer| passer.person.clone()).collect()
}

/// The structured part of a message as it is stored, or a rejection when it is too long.
pub fn rich_text(rich: &serde_json::Value) -> Result<String, Rejection> {
    let text = rich.to_string();
    if text.len() > limits::RICH_BYTES_MAX {
        let (length, limit) = (text.len(), limits::RICH_BYTES_MAX);
        let message = format!("rich too large: {length} bytes of json, limit {limit}");
        return Err(Rejection::because(ErrorCode::BadField, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Cid, Seq, Timestamp};
    use serde_json::json;

    fn message(rich: Option<&str>) -> Message {
        Message {
            seq: Seq(3),
            at: Timestamp(5),
            cid: Cid::from_bits([7; 16]),
            author: crate::event::Author {
                id: "ann".parse().unwrap(),
                role: crate::command::Role::Agent,
                card: crate::command::Card::default(),
            },
            text: "hi".into(),
            rich: rich.map(Into::into),
            reply_to: None,
            file: None,
            part_of: None,
            deleted_at: None,
        }
    }

    fn rich_of(body: EventBody) -> Option<serde_json::Value> {
        match body.kind {
            EventKind::Message { rich, .. } => rich,
            other => panic!("not a message: {other:?}"),
        }
    }

    #[test]
    fn stored_rich_text_goes_out_as_a_json_value() {
        let event = RoomEvent::MessagePosted(message(Some(r#"{"a":[1]}"#)));
        let body = EventBody::from_event(&event).unwrap();
        assert_eq!(body.seq, Seq(3));
        assert_eq!(rich_of(body), Some(json!({"a": [1]})));
    }

    #[test]
    fn broken_rich_text_is_left_out() {
        assert_eq!(rich_of(EventBody::from(&message(Some("{")))), None);
    }

    #[test]
    fn bookkeeping_is_not_shown() {
        let event = RoomEvent::ReadMarked {
            person: "ann".parse().unwrap(),
            seq: Seq(1),
            at: Timestamp(1),
        };
        assert_eq!(EventBody::from_event(&event), None);
    }

    #[test]
    fn rich_over_its_limit_is_refused_and_at_the_limit_accepted() {
        let fits = "x".repeat(limits::RICH_BYTES_MAX - 2);
        assert_eq!(
            rich_text(&json!(fits)).unwrap().len(),
            limits::RICH_BYTES_MAX
        );
        let refused = rich_text(&json!(fits + "x")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::BadField);
    }
}
