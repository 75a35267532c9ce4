//! The rules of a room: what each command does and what each event changes.
//!
//! Never: looks at a clock, a disk or an actor; time comes in as a parameter.

use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::event::{Author, Message, RoomEvent};
use frontdesk_protocol::limits::{RICH_BYTES_MAX, ROOM_SEQ_MAX, TEXT_CHARS_MAX};
use frontdesk_protocol::visible::has_visible;
use frontdesk_protocol::{ErrorCode, PersonId, Rejection, Seq, Timestamp};
use frontdesk_storage::{EntityId, EntityKind};

use super::{RoomState, Seat};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Known, Rules};

impl Rules for RoomState {
    type Event = RoomEvent;

    const STATE_VERSION: u32 = 2;

    fn new(_entity: &EntityId) -> Self {
        Self {
            created: false,
            conversation: frontdesk_protocol::ConversationNo(0),
            direct: false,
            history_base: 0,
            head: Seq(0),
            seats: std::collections::BTreeMap::new(),
        }
    }

    fn seq(&self) -> Seq {
        self.head
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        _known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let command = match asked.command {
            Command::Room(command) => command,
            Command::Wake => return Ok(Decided::nothing(Answer::Done)),
            Command::Company(_) => return Err(Rejection::new(ErrorCode::NotSupported)),
        };
        match command {
            RoomCommand::CreateRoom { .. } => self.create(asked, command, now),
            RoomCommand::PostMessage {
                text,
                rich,
                reply_to,
            } => {
                let author = self.participant(asked.caller)?;
                self.check_message(text, rich.as_deref(), *reply_to)?;
                let message = Message {
                    seq: self.head.next(),
                    at: now,
                    cid: asked.cid,
                    author: author_of(author),
                    text: text.as_str().into(),
                    rich: rich.as_deref().map(Into::into),
                    reply_to: *reply_to,
                };
                let seq = message.seq;
                Ok(Decided {
                    events: vec![RoomEvent::MessagePosted(message)],
                    answer: Answer::Posted {
                        seq,
                        at: now,
                        dup: false,
                    },
                    remember: Some(seq.0),
                })
            }
            RoomCommand::MarkRead { seq } => {
                let person = &self.participant(asked.caller)?.person;
                Ok(self.mark_read(person, *seq, now))
            }
        }
    }

    fn repeat(&self, _asked: &Asked<'_>, number: u64, at: Timestamp) -> Answer {
        Answer::Posted {
            seq: Seq(number),
            at,
            dup: true,
        }
    }

    fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::RoomCreated {
                conversation,
                direct,
                participants,
                history_base,
                ..
            } => {
                self.created = true;
                self.conversation = *conversation;
                self.direct = *direct;
                self.history_base = *history_base;
                for person in participants {
                    self.seats.entry(person.clone()).or_default();
                }
            }
            RoomEvent::MessagePosted(message) => {
                debug_assert_eq!(message.seq, self.head.next(), "invariant 1");
                self.head = message.seq;
                // One's own words are read.
                self.move_mark(&message.author.id, message.seq);
            }
            RoomEvent::ReadMarked { person, seq, .. } => self.move_mark(person, *seq),
        }
    }

    fn catch_up(&self, now: Timestamp) -> Vec<RoomEvent> {
        let read = self.seats.iter().filter(|(_, seat)| seat.read > Seq(0));
        let marked = read.map(|(person, seat)| RoomEvent::ReadMarked {
            person: person.clone(),
            seq: seat.read,
            at: now,
        });
        marked.collect()
    }

    fn publish(event: &RoomEvent) -> Option<RoomEvent> {
        Some(event.clone())
    }
}

impl RoomState {
    fn create(
        &self,
        asked: &Asked<'_>,
        command: &RoomCommand,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let is_own_company = matches!(
            asked.caller,
            Caller::Entity(from)
                if from.kind == EntityKind::Company && from.company == asked.entity.company
        );
        let RoomCommand::CreateRoom {
            conversation,
            direct,
            participants,
            history_base,
        } = command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        if !is_own_company {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        if self.created {
            return Ok(Decided::nothing(Answer::Done));
        }
        let created = RoomEvent::RoomCreated {
            at: now,
            conversation: *conversation,
            direct: *direct,
            participants: participants.clone(),
            history_base: *history_base,
        };
        let answer = Answer::Done;
        Ok(Decided {
            events: vec![created],
            answer,
            remember: None,
        })
    }

    /// The caller as a participant; a stranger is told that there is no such room.
    fn participant<'a>(&self, caller: &'a Caller) -> Result<&'a Principal, Rejection> {
        match caller {
            Caller::Person(principal) if self.seats.contains_key(&principal.person) => {
                Ok(principal)
            }
            _ => Err(Rejection::new(ErrorCode::UnknownRoom)),
        }
    }

    fn check_message(
        &self,
        text: &str,
        rich: Option<&str>,
        reply_to: Option<Seq>,
    ) -> Result<(), Rejection> {
        if self.head.0 >= ROOM_SEQ_MAX {
            return Err(Rejection::new(ErrorCode::RoomFull));
        }
        let rich_bytes = rich.map_or(0, str::len);
        if rich_bytes > RICH_BYTES_MAX {
            let why = format!("rich too large: {rich_bytes} bytes, limit {RICH_BYTES_MAX}");
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        if rich.is_none() && !has_visible(text) {
            return Err(Rejection::new(ErrorCode::TextEmpty));
        }
        // A text of few bytes has few characters: count only where it matters.
        if text.len() > TEXT_CHARS_MAX {
            let chars = text.chars().count();
            if chars > TEXT_CHARS_MAX {
                let why = format!("text too long: {chars} characters, limit {TEXT_CHARS_MAX}");
                return Err(Rejection::because(ErrorCode::TextTooLong, why));
            }
        }
        match reply_to {
            Some(seq) if seq.0 == 0 || seq > self.head => {
                let why = format!("reply_to {seq} is not in the room, head is {}", self.head);
                Err(Rejection::because(ErrorCode::BadField, why))
            }
            _ => Ok(()),
        }
    }

    fn mark_read(&self, person: &PersonId, seq: Seq, now: Timestamp) -> Decided<RoomEvent> {
        let current = self.seats.get(person).map_or(Seq(0), |seat| seat.read);
        let wanted = seq.min(self.head);
        if wanted <= current {
            return Decided::nothing(Answer::Marked { read: current });
        }
        let marked = RoomEvent::ReadMarked {
            person: person.clone(),
            seq: wanted,
            at: now,
        };
        Decided {
            events: vec![marked],
            answer: Answer::Marked { read: wanted },
            remember: None,
        }
    }

    fn move_mark(&mut self, person: &PersonId, seq: Seq) {
        debug_assert!(seq <= self.head, "invariant 2");
        // Written for people who left, too: their mark is history, not a seat.
        if let Some(Seat { read }) = self.seats.get_mut(person) {
            *read = (*read).max(seq);
        }
    }
}

fn author_of(principal: &Principal) -> Author {
    Author {
        id: principal.person.clone(),
        role: principal.role,
        card: principal.card.clone(),
    }
}
