//! The rules of a company: what each command does and what each event changes.
//!
//! Never: looks at a clock, a disk or an actor; rows it needs are read for it before it decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use frontdesk_protocol::command::{CompanyCommand, RoomCommand};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::limits::OPEN_PARTICIPANT_COUNT_MAX;
use frontdesk_protocol::{
    ConversationNo, ErrorCode, FileNo, PersonId, Rejection, RoomId, Seq, Timestamp,
};
use frontdesk_storage::{EntityId, Erases, Row};

use super::tables::{self, PersonRow, RoomRow};
use super::{CompanyState, acts, chats, files, forgetting, settings};
use crate::bus::BusMessage;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known, Rules, person_of};
use crate::room::check_title;

/// Conversation numbers are 33 bits of a message number.
const CONVERSATION_NO_MAX: u64 = (1 << 33) - 1;

impl Rules for CompanyState {
    type Event = CompanyEvent;

    const STATE_VERSION: u32 = 3;

    fn new(_entity: &EntityId) -> Self {
        Self {
            last_conversation: ConversationNo(0),
            last_profile: 0,
            act_count: 0,
            last_file: FileNo(0),
            file_bytes: 0,
            files: std::collections::BTreeMap::new(),
            settings: None,
            pairs: std::collections::BTreeMap::new(),
            chats: std::collections::BTreeMap::new(),
            profiles: std::collections::BTreeMap::new(),
            people: std::collections::BTreeMap::new(),
        }
    }

    fn seq(&self) -> Seq {
        Seq(0)
    }

    fn begin_batch(&mut self) {
        self.pairs.clear();
        self.chats.clear();
        self.profiles.clear();
        self.people.clear();
        self.files.clear();
        self.settings = None;
    }

    fn lookups(&self, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        let Command::Company(command) = asked.command else {
            return Vec::new();
        };
        match command {
            CompanyCommand::OpenRoom {
                room,
                participants,
                direct,
                chat,
                ..
            } => {
                let Some(opener) = person_of(asked.caller) else {
                    return Vec::new();
                };
                // Of exactly the people that are decided on: a row that is not read counts as
                // absent, and would be written over.
                let Ok(everyone) = everyone(opener, participants, *direct) else {
                    return Vec::new();
                };
                let pair = match (*direct, everyone.as_slice()) {
                    (true, [one, two]) => Some(tables::pair_key(&tables::pair(one, two))),
                    _ => None,
                };
                let named = everyone[1..].iter().map(tables::person_key);
                // A room id made from a key that is used again long after names a room already.
                let own = tables::room_key(room);
                let chat = chat.as_ref().map(|chat| tables::chat_key(&chat.id));
                let found = pair.into_iter().chain(chat);
                found.chain(named).chain([own]).collect()
            }
            CompanyCommand::KnowPerson { person, .. } => vec![tables::person_key(person)],
            CompanyCommand::KeepProfile { .. } | CompanyCommand::DropProfile { .. } => {
                chats::lookups(asked)
            }
            CompanyCommand::ForgetChat { visitor, profile } => {
                forgetting::lookups(visitor, *profile)
            }
            CompanyCommand::KeepFile { .. }
            | CompanyCommand::PlaceFile { .. }
            | CompanyCommand::DropFile { .. }
            | CompanyCommand::ClearFile { .. } => files::lookups(command),
            CompanyCommand::SetPrompts { .. }
            | CompanyCommand::EraseFile { .. }
            | CompanyCommand::ForgetFiles { .. } => Vec::new(),
            CompanyCommand::ChangeSettings { .. } => vec![tables::settings_key()],
        }
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        match asked.command {
            Command::Company(CompanyCommand::OpenRoom { .. }) => self.open_room(asked, known, now),
            Command::Company(CompanyCommand::KnowPerson { .. }) => {
                self.know_person(asked, known, now)
            }
            Command::Company(CompanyCommand::SetPrompts { prompts }) => {
                self.set_prompts(asked, prompts, now)
            }
            Command::Company(CompanyCommand::KeepProfile { .. }) => {
                self.keep_profile(asked, known, now)
            }
            Command::Company(CompanyCommand::DropProfile { no, person }) => {
                self.drop_profile(asked, *no, person, known, now)
            }
            Command::Company(CompanyCommand::ForgetChat { visitor, profile }) => {
                self.forget_chat(asked, (visitor, *profile), known, now)
            }
            Command::Company(CompanyCommand::ChangeSettings { change }) => {
                self.change_settings(asked.caller, change, known, now)
            }
            Command::Company(CompanyCommand::KeepFile { file }) => {
                self.keep_file(asked, file, known)
            }
            Command::Company(CompanyCommand::PlaceFile { no }) => {
                self.place_file(asked, *no, known)
            }
            Command::Company(CompanyCommand::DropFile { no, of }) => {
                self.drop_file(asked, (*no, *of), known, now)
            }
            Command::Company(CompanyCommand::ClearFile { no, dropped_until }) => {
                self.clear_file(asked, (*no, *dropped_until), known, now)
            }
            Command::Wake => Ok(Decided::nothing(Answer::Done)),
            _ => Err(Rejection::new(ErrorCode::NotSupported)),
        }
    }

    fn repeat(&self, asked: &Asked<'_>, number: u64, _at: Timestamp) -> Answer {
        let Command::Company(CompanyCommand::OpenRoom { room, .. }) = asked.command else {
            return Answer::Done;
        };
        // The same command carries the same room id: it is part of what is compared. Only a command
        // that made a room is remembered, and a repeat is answered like the first.
        Answer::Opened {
            room: *room,
            conversation: ConversationNo(number),
            created: true,
        }
    }

    fn waits_for(&self, entity: &EntityId, answer: &Answer) -> Option<EntityId> {
        match answer {
            Answer::Opened { room, .. } => Some(EntityId::room(entity.company.clone(), *room)),
            Answer::Numbered { owed_to, .. } => owed_to.clone(),
            _ => None,
        }
    }

    fn apply(&mut self, event: &CompanyEvent) {
        match event {
            CompanyEvent::RoomOpened {
                room,
                conversation,
                direct,
                participants,
                chat,
                ..
            } => {
                debug_assert_eq!(*conversation, self.last_conversation.next(), "invariant 1");
                self.last_conversation = *conversation;
                if let (true, [one, two]) = (*direct, participants.as_slice()) {
                    self.pairs
                        .insert(tables::pair(one, two), (*room, *conversation));
                }
                if let Some(chat) = chat {
                    self.chats.insert(chat.id.clone(), (*room, *conversation));
                }
            }
            CompanyEvent::PersonKnown {
                person,
                card,
                by_host,
            } => {
                let (card, by_host) = (card.clone(), by_host.clone());
                self.people
                    .insert(person.clone(), PersonRow { card, by_host });
            }
            CompanyEvent::ProfileKept { .. } | CompanyEvent::ProfileDropped { .. } => {
                self.profile_stands(event);
            }
            CompanyEvent::FileKept { .. }
            | CompanyEvent::FilePlaced { .. }
            | CompanyEvent::FileUnwanted { .. }
            | CompanyEvent::FileDropped { .. } => self.file_stands(event),
            CompanyEvent::ActDone { act_no, .. } => self.act_count = *act_no,
            CompanyEvent::SettingsSet {
                act_no, settings, ..
            } => {
                self.act_count = *act_no;
                self.settings = Some(Arc::clone(settings));
            }
            CompanyEvent::ChatForgotten { .. } => self.goes_on_from(event),
            CompanyEvent::PersonForgotten { person } => {
                self.people.insert(person.clone(), PersonRow::default());
            }
            CompanyEvent::PromptsSet { .. } | CompanyEvent::OriginsSet { .. } => {}
        }
    }

    fn rows(&self, _entity: &EntityId, event: &CompanyEvent) -> Vec<Row> {
        match event {
            CompanyEvent::RoomOpened {
                room,
                conversation,
                direct,
                participants,
                chat,
                ..
            } => {
                let row = RoomRow {
                    room: *room,
                    conversation: *conversation,
                };
                let mut rows = vec![
                    tables::set(tables::number_key(*conversation), &row),
                    tables::set(tables::room_key(room), &row),
                ];
                if let (true, [one, two]) = (*direct, participants.as_slice()) {
                    rows.push(tables::set(tables::pair_key(&tables::pair(one, two)), &row));
                }
                if let Some(chat) = chat {
                    rows.push(tables::set(tables::chat_key(&chat.id), &row));
                }
                rows
            }
            CompanyEvent::PersonKnown {
                person,
                card,
                by_host,
            } => {
                let (card, by_host) = (card.clone(), by_host.clone());
                let row = PersonRow { card, by_host };
                vec![tables::set(tables::person_key(person), &row)]
            }
            CompanyEvent::ProfileKept { .. } | CompanyEvent::ProfileDropped { .. } => {
                chats::rows(event)
            }
            CompanyEvent::ChatForgotten { .. } | CompanyEvent::PersonForgotten { .. } => {
                forgetting::rows(event)
            }
            CompanyEvent::FileKept { .. }
            | CompanyEvent::FilePlaced { .. }
            | CompanyEvent::FileUnwanted { .. }
            | CompanyEvent::FileDropped { .. } => files::rows(event),
            CompanyEvent::PromptsSet { prompts, .. } => {
                vec![tables::set(tables::prompts_key(), prompts)]
            }
            CompanyEvent::SettingsSet { settings, .. } => {
                vec![tables::set(tables::settings_key(), settings)]
            }
            CompanyEvent::OriginsSet { .. } | CompanyEvent::ActDone { .. } => Vec::new(),
        }
    }

    fn erases(event: &CompanyEvent) -> Option<Erases> {
        matches!(event, CompanyEvent::ChatForgotten { .. }).then_some(Erases::Records)
    }

    fn spread(entity: &EntityId, event: &CompanyEvent) -> Option<BusMessage> {
        settings::spread(entity, event)
    }

    fn spread_again(entity: &EntityId) -> Option<BusMessage> {
        Some(BusMessage::SettingsChanged(entity.company.clone()))
    }

    fn effects(&self, entity: &EntityId, event: &CompanyEvent) -> Vec<Effect> {
        let CompanyEvent::RoomOpened {
            room,
            conversation,
            direct,
            participants,
            history_base,
            title,
            bot,
            chat,
            ..
        } = event
        else {
            let of_each = [
                settings::effect(entity, event),
                chats::effect(entity, event),
                acts::effect(entity, event),
            ];
            let owed = of_each.into_iter().flatten();
            return owed.chain(files::effects(entity, event)).collect();
        };
        let create = RoomCommand::CreateRoom {
            conversation: *conversation,
            direct: *direct,
            participants: participants.clone(),
            history_base: *history_base,
            title: title.as_deref().map(str::to_owned),
            bot: bot.clone(),
            chat: chat.clone(),
        };
        let to = EntityId::room(entity.company.clone(), *room);
        vec![Effect {
            to,
            command: Command::Room(create),
        }]
    }
}

impl CompanyState {
    fn open_room(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let Command::Company(CompanyCommand::OpenRoom {
            room,
            history_base,
            participants,
            direct,
            title,
            bot,
            chat,
        }) = asked.command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        let opener = opener(asked.caller, chat.is_some())?;
        let mut everyone = everyone(opener, participants, *direct)?;
        if *direct && bot.is_some() {
            let why = "a direct room has two people and no bot";
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        check_title(title.as_deref().unwrap_or_default())?;
        if let (true, [one, two]) = (*direct, everyone.as_slice())
            && let Some((room, conversation)) = self.pair_room(one, two, known)
        {
            let answer = Answer::Opened {
                room,
                conversation,
                created: false,
            };
            return Ok(Decided::nothing(answer));
        }
        let chat_room = chat
            .as_ref()
            .and_then(|chat| self.chat_room(&chat.id, known));
        if let Some((room, conversation)) = chat_room.or_else(|| named_room(room, known)) {
            let answer = Answer::Opened {
                room,
                conversation,
                created: false,
            };
            return Ok(Decided::nothing(answer));
        }
        if self.last_conversation.0 >= CONVERSATION_NO_MAX {
            return Err(Rejection::new(ErrorCode::Unavailable));
        }
        let conversation = self.last_conversation.next();
        let mut events = self.newly_known(&everyone[1..], known);
        everyone.extend(bot.clone());
        events.push(CompanyEvent::RoomOpened {
            at: now,
            cid: asked.cid,
            by: opener.clone(),
            room: *room,
            conversation,
            direct: *direct,
            participants: everyone,
            history_base: *history_base,
            title: title.as_deref().map(Into::into),
            bot: bot.clone(),
            chat: chat.clone(),
        });
        Ok(Decided {
            events,
            answer: Answer::Opened {
                room: *room,
                conversation,
                created: true,
            },
            remember: Some(conversation.0),
        })
    }

    fn pair_room(
        &self,
        one: &PersonId,
        two: &PersonId,
        known: &Known,
    ) -> Option<(RoomId, ConversationNo)> {
        let pair = tables::pair(one, two);
        if let Some(found) = self.pairs.get(&pair) {
            return Some(*found);
        }
        let value = known.rows.get(&tables::pair_key(&pair))?.as_ref()?;
        tables::read::<RoomRow>(value).map(|row| (row.room, row.conversation))
    }
}

/// The room of this id, if it was opened before.
fn named_room(room: &RoomId, known: &Known) -> Option<(RoomId, ConversationNo)> {
    let value = known.rows.get(&tables::room_key(room))?.as_ref()?;
    tables::read::<RoomRow>(value).map(|row| (row.room, row.conversation))
}

/// A visitor whom nobody vouches for opens chats only: they talk to the company and to nobody they
/// name.
fn opener(caller: &Caller, is_chat: bool) -> Result<&PersonId, Rejection> {
    let opener = person_of(caller).filter(|person| is_chat || !person.is_visitor());
    opener.ok_or_else(|| Rejection::new(ErrorCode::Forbidden))
}

/// The opener first, then the others in the order named, each once.
fn everyone(
    opener: &PersonId,
    participants: &[PersonId],
    direct: bool,
) -> Result<Vec<PersonId>, Rejection> {
    let mut seen: BTreeSet<&PersonId> = BTreeSet::from([opener]);
    let others = participants.iter().filter(|person| seen.insert(person));
    let everyone: Vec<PersonId> = std::iter::once(opener).chain(others).cloned().collect();
    if let Some(bot) = everyone.iter().find(|person| person.is_bot()) {
        let why = format!("participants: {bot} is a bot's name");
        return Err(Rejection::because(ErrorCode::BadField, why));
    }
    let count = participants.len();
    if count > OPEN_PARTICIPANT_COUNT_MAX {
        let why = format!("too many participants: {count}, limit {OPEN_PARTICIPANT_COUNT_MAX}");
        return Err(Rejection::because(ErrorCode::BadField, why));
    }
    if direct && everyone.len() != 2 {
        let why = "a direct room has exactly one participant beside the caller";
        return Err(Rejection::because(ErrorCode::BadField, why));
    }
    Ok(everyone)
}
