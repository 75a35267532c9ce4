//! Visitors' chats by the names that widgets gave them, and the answers that visitors gave to the
//! company's form.
//!
//! Invariants: a chat's name is one room's; a chat has one profile at most, and its number stays
//! until it is taken away; answers from before that are not kept again when they come again.
//! Never: takes a profile from anybody but the chat's own room.

use std::sync::Arc;

use frontdesk_protocol::chat::FormAnswers;
use frontdesk_protocol::command::{Card, CompanyCommand, RoomCommand};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::{
    ChatId, CompanyId, ConversationNo, ErrorCode, PersonId, Rejection, RoomId, Timestamp,
};
use frontdesk_storage::{EntityId, EntityKind, Result, Row};
use serde::{Deserialize, Serialize};

use super::acts::is_admin;
use super::tables::{self, RoomRow};
use super::{CompanyState, forgetting};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known};
use crate::node::Node;
use crate::task::blocking;

/// What the audit log calls taking a profile away.
const DROPPED: &str = "profile_dropped";
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
    /// The room's number for these answers.
    #[serde(default)]
    form_no: u64,
}

/// How a chat stands with its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptProfile {
    no: u64,
    /// When it was kept first.
    at: Timestamp,
    /// The room's number for the last answers that came.
    #[serde(default)]
    form_no: u64,
    /// It was taken away.
    #[serde(default)]
    is_dropped: bool,
}

impl KeptProfile {
    /// The company's number for it.
    pub(crate) fn no(&self) -> u64 {
        self.no
    }

    /// Whether answers came before, as far as that matters.
    fn has_had(&self, form_no: u64) -> bool {
        form_no < self.form_no || self.is_dropped && form_no == self.form_no
    }
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
            let room = room_of(asked.caller);
            let of_room = room.iter().map(tables::profile_room_key);
            of_room
                .chain(room.iter().map(tables::room_key))
                .chain([tables::person_key(person)])
                .collect()
        }
        Command::Company(CompanyCommand::DropProfile { no, person }) => {
            vec![tables::profile_key(*no), tables::person_key(person)]
        }
        _ => Vec::new(),
    }
}

/// How a chat stands with its profile after such an event.
fn kept(event: &CompanyEvent) -> Option<(RoomId, KeptProfile)> {
    let (no, at, room, form_no) = match event {
        CompanyEvent::ProfileKept {
            no,
            at,
            room,
            form_no,
            ..
        }
        | CompanyEvent::ProfileDropped {
            no,
            at,
            room,
            form_no,
            ..
        } => (*no, *at, *room, *form_no),
        _ => return None,
    };
    let kept = KeptProfile {
        no,
        at,
        form_no,
        is_dropped: matches!(event, CompanyEvent::ProfileDropped { .. }),
    };
    Some((room, kept))
}

/// Rows of events about profiles.
pub(super) fn rows(event: &CompanyEvent) -> Vec<Row> {
    let Some((room, kept)) = kept(event) else {
        return Vec::new();
    };
    let mut rows = vec![tables::set(tables::profile_room_key(&room), &kept)];
    let key = tables::profile_key(kept.no);
    rows.push(match event {
        CompanyEvent::ProfileKept {
            person, answers, ..
        } => {
            let profile = VisitorProfile {
                no: kept.no,
                person: person.clone(),
                room,
                created_at: kept.at,
                answers: answers.clone(),
                form_no: kept.form_no,
            };
            tables::set(key, &profile)
        }
        _ => Row { key, value: None },
    });
    rows
}

/// What the chat is owed when a profile was taken away.
pub(super) fn effect(entity: &EntityId, event: &CompanyEvent) -> Option<Effect> {
    match event {
        CompanyEvent::ProfileDropped { room, form_no, .. } => Some(Effect {
            to: EntityId::room(entity.company.clone(), *room),
            command: Command::Room(RoomCommand::ForgetForm { form_no: *form_no }),
        }),
        _ => None,
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

    pub(super) fn profile_stands(&mut self, event: &CompanyEvent) {
        if let Some((room, kept)) = kept(event) {
            self.last_profile = self.last_profile.max(kept.no);
            self.profiles.insert(room, kept);
        }
    }

    pub(super) fn keep_profile(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> std::result::Result<Decided<CompanyEvent>, Rejection> {
        let Command::Company(CompanyCommand::KeepProfile {
            person,
            answers,
            form_no,
        }) = asked.command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        let is_own = matches!(
            asked.caller,
            Caller::Entity(from) if from.company == asked.entity.company
        );
        let Some(room) = room_of(asked.caller).filter(|_| is_own) else {
            return Err(Rejection::new(ErrorCode::Forbidden));
        };
        if forgetting::is_forgotten(&room, known) {
            return Ok(Decided::nothing(Answer::Done));
        }
        let key = tables::profile_room_key(&room);
        let row = known.rows.get(&key).cloned().flatten();
        let row: Option<KeptProfile> = row.as_ref().and_then(tables::read);
        let kept = self.profiles.get(&room).copied().or(row);
        if kept.is_some_and(|kept| kept.has_had(*form_no)) {
            return Ok(Decided::nothing(Answer::Done));
        }
        let kept = kept.filter(|kept| !kept.is_dropped);
        let (no, at) = kept.map_or((self.last_profile + 1, now), |kept| (kept.no, kept.at));
        let mut events = vec![CompanyEvent::ProfileKept {
            at,
            no,
            person: person.clone(),
            room,
            answers: answers.clone(),
            form_no: *form_no,
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
        person: &PersonId,
        known: &Known,
        now: Timestamp,
    ) -> std::result::Result<Decided<CompanyEvent>, Rejection> {
        let caller = match asked.caller {
            Caller::Person(caller) if is_admin(caller) => caller,
            _ => return Err(Rejection::new(ErrorCode::Forbidden)),
        };
        let row = known.rows.get(&tables::profile_key(no)).cloned().flatten();
        let profile: Option<VisitorProfile> = row.as_ref().and_then(tables::read);
        let why = "no such profile";
        let unknown = || Rejection::because(ErrorCode::NotFound, why);
        let profile = profile.filter(|profile| profile.person == *person);
        let profile = profile.ok_or_else(unknown)?;
        // This batch may have changed it.
        let kept = self.profiles.get(&profile.room);
        if kept.is_some_and(|kept| kept.is_dropped || kept.no != no) {
            return Err(unknown());
        }
        let form_no = kept.map_or(profile.form_no, |kept| kept.form_no);
        let mut events = vec![CompanyEvent::ProfileDropped {
            at: now,
            by: caller.person.clone(),
            no,
            room: profile.room,
            form_no,
        }];
        events.extend(self.known_no_more(&profile, known));
        events.push(self.act_done(caller, DROPPED, &no.to_string(), now));
        Ok(Decided {
            events,
            // Whoever is told finds it nowhere any more.
            answer: Answer::Numbered {
                number: no,
                owed_to: Some(EntityId::room(asked.entity.company.clone(), profile.room)),
            },
            remember: None,
        })
    }

    /// What is known of a visitor by their answers alone is not, any more.
    pub(super) fn known_no_more(
        &self,
        profile: &VisitorProfile,
        known: &Known,
    ) -> Option<CompanyEvent> {
        let row = self.known_of(&profile.person, known)?.into_owned();
        let mut card = row.card.clone();
        let forget = |field: &mut Option<Arc<str>>, by_host: &Option<Arc<str>>, key: &str| {
            if by_host.is_none() && field.as_deref() == profile.answer(key) {
                *field = None;
            }
        };
        forget(&mut card.name, &row.by_host.name, "name");
        forget(&mut card.email, &row.by_host.email, "email");
        (card != row.card).then(|| CompanyEvent::PersonKnown {
            person: profile.person.clone(),
            card,
            by_host: row.by_host,
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
        match row.as_ref().and_then(tables::read::<KeptProfile>) {
            Some(kept) if !kept.is_dropped => self.profile(company, kept.no).await,
            _ => Ok(None),
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
