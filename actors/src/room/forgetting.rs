//! Forgetting a chat in which nothing happened for long: what was said goes, and an empty room
//! that is nobody's stays.
//!
//! The event says all that is still to be known, so that everything before it can be erased: it
//! holds no word of the chat and not its name. What leads to the room goes with the same record;
//! the company is owed that it forgets what it keeps of the chat. A file whose upload was under way
//! is turned away when it comes.
//!
//! Invariants: only the company forgets, and only a chat that nobody has or waits for; a room that
//! was forgotten is never anybody's again.
//! Never: counts reading as something that happens.

use frontdesk_protocol::command::{CompanyCommand, RoomCommand};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::upload::UploadCommand;
use frontdesk_protocol::{ErrorCode, PersonId, Rejection, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Row};
use serde::{Deserialize, Serialize};

use super::RoomState;
use super::changes::room_of;
use crate::company::{KeptProfile, tables};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known};

/// What a forgotten chat leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forgotten {
    /// When.
    pub(crate) at: Timestamp,
    /// Whose it was.
    pub(crate) visitor: PersonId,
    /// The company's number for what they answered.
    pub(crate) profile: Option<u64>,
}

/// The row that says which profile the chat has.
pub(super) fn lookups(asked: &Asked<'_>) -> Vec<Vec<u8>> {
    let is_asked = matches!(asked.command, Command::Room(RoomCommand::Forget { .. }));
    let room = room_of(asked.entity).filter(|_| is_asked);
    room.iter().map(tables::profile_room_key).collect()
}

/// Takes away what leads to the room.
pub(super) fn rows(state: &RoomState, entity: &EntityId, event: &RoomEvent) -> Vec<Row> {
    let (RoomEvent::Forgotten { conversation, .. }, Some(room)) = (event, room_of(entity)) else {
        return Vec::new();
    };
    let name = state.forgot.as_ref().map(|chat| tables::chat_key(&chat.id));
    let keys = [
        tables::number_key(*conversation),
        tables::room_key(&room),
        tables::chat_act_key(&room),
    ];
    let gone = |key| Row { key, value: None };
    keys.into_iter().chain(name).map(gone).collect()
}

/// The company is owed that it forgets too.
pub(super) fn effect(entity: &EntityId, event: &RoomEvent) -> Option<Effect> {
    let RoomEvent::Forgotten {
        visitor, profile, ..
    } = event
    else {
        return None;
    };
    let forget = CompanyCommand::ForgetChat {
        visitor: visitor.clone(),
        profile: *profile,
    };
    Some(Effect {
        to: EntityId::company(entity.company.clone()),
        command: Command::Company(forget),
    })
}

impl RoomState {
    pub(super) fn forget(
        &self,
        asked: &Asked<'_>,
        idle_since: Timestamp,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let is_own_company = matches!(
            asked.caller,
            Caller::Entity(from)
                if from.kind == EntityKind::Company && from.company == asked.entity.company
        );
        if !is_own_company {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let last_at = self.changed_at.max(self.touched_at);
        let chat = self.chat.as_deref();
        let Some(chat) = chat.filter(|chat| !chat.stage.is_open() && last_at <= idle_since) else {
            return Ok(Decided::nothing(Answer::Done));
        };
        let row = room_of(asked.entity)
            .and_then(|room| known.rows.get(&tables::profile_room_key(&room)))
            .and_then(Option::as_ref);
        let profile = row.and_then(tables::read::<KeptProfile>);
        let forgotten = RoomEvent::Forgotten {
            at: now,
            conversation: self.conversation,
            head: self.head,
            visitor: chat.visitor.clone(),
            profile: profile.as_ref().map(KeptProfile::no),
        };
        Ok(Decided {
            events: vec![forgotten],
            answer: Answer::Numbered {
                number: 1,
                owed_to: Some(EntityId::company(asked.entity.company.clone())),
            },
            remember: None,
        })
    }

    /// Nothing is left but the room's number and where its log ends.
    pub(super) fn forgotten(&mut self, event: &RoomEvent) {
        let RoomEvent::Forgotten {
            at,
            conversation,
            head,
            visitor,
            profile,
        } = event
        else {
            return;
        };
        let forgot = self.chat.take();
        *self = Self {
            conversation: *conversation,
            head: *head,
            forgotten: Some(Forgotten {
                at: *at,
                visitor: visitor.clone(),
                profile: *profile,
            }),
            forgot,
            ..Self::empty()
        };
    }

    /// Whoever forgot owes nothing but that the company forgets as well, and what becomes of files
    /// that were on their way to the chat: without that their uploads would never be over.
    pub(super) fn owes_still(&self, effect: &Effect) -> bool {
        let is_owed = matches!(
            effect.command,
            Command::Company(CompanyCommand::ForgetChat { .. } | CompanyCommand::DropFile { .. })
                | Command::Upload(UploadCommand::Finish { .. })
        );
        self.forgotten.is_none() || is_owed
    }

    /// What edges may have missed of it.
    pub(super) fn told_again(&self) -> Option<RoomEvent> {
        let forgotten = self.forgotten.as_ref()?;
        Some(RoomEvent::Forgotten {
            at: forgotten.at,
            conversation: self.conversation,
            head: self.head,
            visitor: forgotten.visitor.clone(),
            profile: forgotten.profile,
        })
    }
}
