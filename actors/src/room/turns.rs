//! A bot's turns: each message of a person in a room with a bot is owed one answer, whichever way
//! it was asked for.
//!
//! The debt is an effect of the room, so it survives any crash; the node's bots take it up (see
//! [`crate::bot`]) and bring the answer back as a command of the room to itself.
//!
//! Invariants: answers come in the order of the questions; a second answer to a question changes
//! nothing.
//! Never: calls a bot.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, Role, RoomCommand};
use frontdesk_protocol::event::{Author, Message, RoomEvent};
use frontdesk_protocol::visible::has_visible;
use frontdesk_protocol::{ErrorCode, Rejection, Seq, Timestamp};
use frontdesk_storage::EntityId;

use super::RoomState;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect};

/// What is owed for an event.
pub(super) fn effect(state: &RoomState, entity: &EntityId, event: &RoomEvent) -> Option<Effect> {
    let RoomEvent::MessagePosted(message) = event else {
        return None;
    };
    // In a visitor's chat it is said with the message whether a turn is owed.
    let is_file_alone = message.file.is_some() && !has_visible(&message.text);
    if state.chat.is_some() || state.bot.is_none() || message.author.id.is_bot() || is_file_alone {
        return None;
    }
    let question = message.seq;
    Some(Effect {
        to: entity.clone(),
        command: Command::Room(RoomCommand::TakeTurn { question }),
    })
}

impl RoomState {
    /// Whether a turn is still to be taken.
    pub(super) fn owes_turn(&self, effect: &Effect) -> bool {
        match effect.command {
            Command::Room(RoomCommand::TakeTurn { question }) => question > self.answered,
            _ => true,
        }
    }

    pub(super) fn await_answer(&self, asked: &Asked<'_>) -> Result<Decided<RoomEvent>, Rejection> {
        self.participant(asked.caller)?;
        Ok(Decided::nothing(Answer::Answered {
            question: self.answered,
        }))
    }

    pub(super) fn answer(
        &self,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let Command::Room(RoomCommand::PostAnswer {
            question,
            name,
            text,
            rich,
        }) = asked.command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        let is_own = matches!(asked.caller, Caller::Entity(from) if from == asked.entity);
        let Some(bot) = self.bot.as_ref().filter(|_| is_own) else {
            return Err(Rejection::new(ErrorCode::Forbidden));
        };
        if *question <= self.answered {
            return Ok(Decided::nothing(Answer::Done));
        }
        let sayable = self.check_message(text, (rich.as_deref(), &[]), Some(*question));
        let event = match sayable {
            Ok(()) => RoomEvent::MessagePosted(Message {
                seq: self.head.next(),
                at: now,
                cid: asked.cid,
                author: Author {
                    id: bot.clone(),
                    role: Role::Bot,
                    card: Card {
                        name: name.clone(),
                        ..Card::default()
                    },
                },
                text: Arc::from(text.as_str()),
                rich: rich.as_deref().map(Into::into),
                reply_to: Some(*question),
                file: None,
                part_of: None,
                deleted_at: None,
            }),
            // The turn is over either way: nobody may wait for it for ever.
            Err(_) => RoomEvent::TurnPassed {
                at: now,
                question: *question,
            },
        };
        Ok(Decided {
            events: vec![event],
            answer: Answer::Done,
            remember: None,
        })
    }

    /// A turn is over.
    pub(super) fn turn_over(&mut self, question: Seq) {
        self.answered = self.answered.max(question);
    }
}
