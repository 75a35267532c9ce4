//! A chat whose agent serves visitors no more: it waits for a person again.
//!
//! Invariant: once an assignment is durable the room looks at the account again, since it may have
//! been taken away between the look and the record.
//! Never: takes a chat from somebody who serves visitors, or does this for anybody but its own
//! company's staff.

use frontdesk_protocol::chat::{Chat, HandoffStep};
use frontdesk_protocol::command::{Card, Role, RoomCommand};
use frontdesk_protocol::event::{Author, RoomEvent};
use frontdesk_protocol::{ErrorCode, PersonId, Rejection, Timestamp};
use frontdesk_storage::EntityId;

use super::RoomState;
use super::chat::serving;
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known};

/// The account that is looked at.
pub(super) fn lookup(asked: &Asked<'_>) -> Option<Vec<u8>> {
    match asked.command {
        Command::Room(RoomCommand::Release { agent }) => agent.account().map(tables::account_key),
        _ => None,
    }
}

/// The second look that an assignment owes. Hosts' people have no account that could go.
pub(super) fn effect(entity: &EntityId, event: &RoomEvent) -> Option<Effect> {
    let RoomEvent::HandoffMoved {
        step: HandoffStep::Assigned { agent, .. },
        ..
    } = event
    else {
        return None;
    };
    agent.account().map(|_| Effect {
        to: entity.clone(),
        command: Command::Room(RoomCommand::Release {
            agent: agent.clone(),
        }),
    })
}

impl RoomState {
    pub(super) fn release(
        &self,
        asked: &Asked<'_>,
        agent: &PersonId,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let staff = EntityId::staff(asked.entity.company.clone());
        let is_ours = matches!(
            asked.caller,
            Caller::Entity(from) if from == asked.entity || *from == staff
        );
        if !is_ours {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let has_it = self.chat.as_deref().and_then(Chat::agent);
        let Some(had) = has_it.filter(|had| had.id == *agent) else {
            return Ok(Decided::nothing(Answer::Done));
        };
        let account = agent.account();
        if account.is_none_or(|no| serving(no, known).is_some()) {
            return Ok(Decided::nothing(Answer::Done));
        }
        let moved = RoomEvent::HandoffMoved {
            seq: self.below_the_end(self.head.next())?,
            at: now,
            by: Author {
                id: PersonId::installation(),
                role: Role::Superadmin,
                card: Card::default(),
            },
            step: HandoffStep::Released {
                name: had.name.clone(),
                left: self.agents_but(None),
            },
        };
        Ok(Decided {
            events: vec![moved],
            answer: Answer::Done,
            remember: None,
        })
    }
}
