//! Visitors' chats by the names that widgets gave them, and the answers that visitors gave to the
//! company's form.
//!
//! Invariants: a chat's name is one room's; a chat has one profile at most, and its number stays.
//! Never: takes a profile from anybody but the chat's own room.

use std::sync::Arc;

use frontdesk_protocol::chat::FormAnswers;
use frontdesk_protocol::command::{Card, CompanyCommand};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::{
    ChatId, CompanyId, ConversationNo, ErrorCode, PersonId, Rejection, RoomId, Timestamp,
};
use frontdesk_storage::{EntityId, EntityKind, Result, Row};
use serde::{Deserialize, Serialize};

use super::CompanyState;
use super::rules::is_admin;
use super::tables::{self, RoomRow};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Known};
use crate::node::Node;
use crate::task::blocking;

/// Profiles read from the store at once.
const READ_COUNT: usize = 500;

/// What a visitor answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitorProfile {
    /// The company's number for it.
    pub no: u64,
    /// Whose.
    pub person: PersonId,
    /// The chat's room.
    pub room: RoomId,
    /// When it was kept first.
    pub created_at: Timestamp,
    /// By the keys of the form's steps.
    pub answers: FormAnswers,
}

impl VisitorProfile {
    /// An answer; empty when the step was skipped.
    pub fn answer(&self, key: &str) -> Option<&str> {
        self.answers.get(key)?.as_deref()
    }
}

/// The room that keeps a profile.
fn room_of(caller: &Caller) -> Option<RoomId> {
    match caller {
        Caller::Entity(EntityId {
            kind: EntityKind::Room(room),
            ..
        }) => Some(*room),
        _ => None,
    }
}

/// Rows that are read before a command about profiles is decided.
pub(super) fn lookups(asked: &Asked<'_>) -> Vec<Vec<u8>> {
    match asked.command {
        Command::Company(CompanyCommand::KeepProfile { person, .. }) => {
            let of_room = room_of(asked.caller).map(|room| tables::profile_room_key(&room));
            of_room
                .into_iter()
                .chain([tables::person_key(person)])
                .collect()
        }
        Command::Company(CompanyCommand::DropProfile { no }) => vec![tables::profile_key(*no)],
        _ => Vec::new(),
    }
}

/// Rows of events about profiles.
pub(super) fn rows(event: &CompanyEvent) -> Vec<Row> {
    match event {
        CompanyEvent::ProfileKept {
            at,
            no,
            person,
            room,
            answers,
        } => {
            let profile = VisitorProfile {
                no: *no,
                person: person.clone(),
                room: *room,
                created_at: *at,
                answers: answers.clone(),
            };
            vec![
                tables::set(tables::profile_key(*no), &profile),
                tables::set(tables::profile_room_key(room), &(*no, *at)),
            ]
        }
        CompanyEvent::ProfileDropped { no, room, .. } => {
            let gone = |key| Row { key, value: None };
            vec![
                gone(tables::profile_key(*no)),
                gone(tables::profile_room_key(room)),
            ]
        }
        _ => Vec::new(),
    }
}

impl CompanyState {
    /// The room of a chat's name.
    pub(super) fn chat_room(
        &self,
        chat: &ChatId,
        known: &Known,
    ) -> Option<(RoomId, ConversationNo)> {
        if let Some(found) = self.chats.get(chat) {
            return Some(*found);
        }
        let value = known.rows.get(&tables::chat_key(chat))?.as_ref()?;
        tables::read::<RoomRow>(value).map(|row| (row.room, row.conversation))
    }

    pub(super) fn keep_profile(
        &self,
        asked: &Asked<'_>,
        person: &PersonId,
        answers: &FormAnswers,
        known: &Known,
        now: Timestamp,
    ) -> std::result::Result<Decided<CompanyEvent>, Rejection> {
        let is_own = matches!(
            asked.caller,
            Caller::Entity(from) if from.company == asked.entity.company
        );
        let Some(room) = room_of(asked.caller).filter(|_| is_own) else {
            return Err(Rejection::new(ErrorCode::Forbidden));
        };
        let row = known
            .rows
            .get(&tables::profile_room_key(&room))
            .cloned()
            .flatten();
        let row: Option<(u64, Timestamp)> = row.as_ref().and_then(tables::read);
        let kept = self.profiles.get(&room).copied().or(row);
        let (no, at) = kept.unwrap_or((self.last_profile + 1, now));
        let mut events = vec![CompanyEvent::ProfileKept {
            at,
            no,
            person: person.clone(),
            room,
            answers: answers.clone(),
        }];
        events.extend(self.known_as(person, answers, known));
        Ok(Decided {
            events,
            answer: Answer::Done,
            remember: None,
        })
    }

    /// Lists show a visitor as they called themselves, unless a host says who they are.
    fn known_as(
        &self,
        person: &PersonId,
        answers: &FormAnswers,
        known: &Known,
    ) -> Option<CompanyEvent> {
        let said = |key: &str| answers.get(key).cloned().flatten().map(Arc::from);
        let row = self.known_of(person, known);
        let row = row.as_deref().cloned().unwrap_or_default();
        let answered = Card {
            name: said("name"),
            email: said("email"),
            ..Card::default()
        };
        let card = row.by_host.or(&answered.or(&row.card));
        (card != row.card).then(|| CompanyEvent::PersonKnown {
            person: person.clone(),
            card,
            by_host: row.by_host,
        })
    }

    pub(super) fn drop_profile(
        &self,
        asked: &Asked<'_>,
        no: u64,
        known: &Known,
        now: Timestamp,
    ) -> std::result::Result<Decided<CompanyEvent>, Rejection> {
        let Caller::Person(caller) = asked.caller else {
            return Err(Rejection::new(ErrorCode::Forbidden));
        };
        if !is_admin(caller) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let row = known.rows.get(&tables::profile_key(no)).cloned().flatten();
        let profile: Option<VisitorProfile> = row.as_ref().and_then(tables::read);
        let why = "no such profile";
        let profile = profile.ok_or_else(|| Rejection::because(ErrorCode::NotFound, why))?;
        Ok(Decided {
            events: vec![CompanyEvent::ProfileDropped {
                at: now,
                by: caller.person.clone(),
                no,
                room: profile.room,
            }],
            answer: Answer::Done,
            remember: None,
        })
    }
}

impl Node {
    /// The room of a visitor's chat by the widget's name for it.
    pub async fn find_chat(
        self: &Arc<Self>,
        company: &CompanyId,
        chat: &ChatId,
    ) -> Result<Option<EntityId>> {
        let (node, company) = (Arc::clone(self), company.clone());
        let key = tables::chat_key(chat);
        blocking(move || {
            let value = node.directory.row(&company, &key)?;
            let row = value.as_ref().and_then(tables::read::<RoomRow>);
            Ok(row.map(|row| EntityId::room(company, row.room)))
        })
        .await
    }

    /// A profile by its number.
    pub async fn profile(
        self: &Arc<Self>,
        company: &CompanyId,
        no: u64,
    ) -> Result<Option<VisitorProfile>> {
        let (node, company) = (Arc::clone(self), company.clone());
        let row = blocking(move || node.directory.row(&company, &tables::profile_key(no))).await?;
        Ok(row.as_ref().and_then(tables::read))
    }

    /// The profile of a chat.
    pub async fn profile_of(
        self: &Arc<Self>,
        company: &CompanyId,
        room: &RoomId,
    ) -> Result<Option<VisitorProfile>> {
        let (node, owner) = (Arc::clone(self), company.clone());
        let key = tables::profile_room_key(room);
        let row = blocking(move || node.directory.row(&owner, &key)).await?;
        match row.as_ref().and_then(tables::read::<(u64, Timestamp)>) {
            Some((no, _)) => self.profile(company, no).await,
            None => Ok(None),
        }
    }

    /// The profiles that fit, the newest first: those behind the first `skip`, `count` at most, and
    /// how many fit in all. Reads every profile of the company.
    pub async fn profiles(
        self: &Arc<Self>,
        company: &CompanyId,
        skip: usize,
        count: usize,
        fits: impl Fn(&VisitorProfile) -> bool + Send + 'static,
    ) -> Result<(Vec<VisitorProfile>, usize)> {
        let (node, company) = (Arc::clone(self), company.clone());
        blocking(move || {
            let (from, mut to) = tables::profile_bounds();
            let (mut page, mut total) = (Vec::new(), 0);
            loop {
                let rows = node
                    .directory
                    .rows(&company, &from, &to, true, READ_COUNT)?;
                for profile in rows.iter().filter_map(|(_, value)| tables::read(value)) {
                    if !fits(&profile) {
                        continue;
                    }
                    if total >= skip && page.len() < count {
                        page.push(profile);
                    }
                    total += 1;
                }
                match rows.last() {
                    Some((key, _)) if rows.len() == READ_COUNT => to = key.clone(),
                    _ => return Ok((page, total)),
                }
            }
        })
        .await
    }
}
