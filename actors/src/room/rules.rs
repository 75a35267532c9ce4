//! The rules of a room: what each command does and what each event changes.
//!
//! Never: looks at a clock, a disk or an actor; time comes in as a parameter.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_protocol::chat::Chat;
use frontdesk_protocol::command::{Principal, RoomCommand, SeatKind};
use frontdesk_protocol::event::{Author, Message, RoomEvent};
use frontdesk_protocol::file::SharedFile;
use frontdesk_protocol::limits::{RICH_BYTES_MAX, ROOM_SEQ_MAX, TEXT_CHARS_MAX};
use frontdesk_protocol::visible::has_visible;
use frontdesk_protocol::{ErrorCode, FileNo, PersonId, Rejection, Seq, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Erases, Row};

use super::{LastMessage, RoomState, Seat, Summary};
use super::{acts, changes, chat, files, forgetting, release, turns};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known, Rules};
use crate::feed::{Audience, FEED_ROOM_PERSON_COUNT_MAX, HandoffNotice};

impl Rules for RoomState {
    type Event = RoomEvent;

    const STATE_VERSION: u32 = 4;

    const IS_LISTED: bool = true;

    fn new(_entity: &EntityId) -> Self {
        Self::empty()
    }

    fn seq(&self) -> Seq {
        self.head
    }

    fn begin_batch(&mut self) {
        self.deleted.clear();
        self.shown.clear();
        self.forgot = None;
    }

    fn lookups(&self, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        let mut keys = changes::lookups(asked);
        keys.extend(chat::lookups(self, asked));
        keys.extend(files::lookups(asked));
        keys.extend(release::lookup(asked));
        keys.extend(forgetting::lookups(asked));
        keys
    }

    fn rereads(&self, asked: &Asked<'_>) -> Vec<Seq> {
        changes::target_of(asked).into_iter().collect()
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let command = match asked.command {
            Command::Room(command) => command,
            Command::Wake => return Ok(Decided::nothing(Answer::Done)),
            _ => return Err(Rejection::new(ErrorCode::NotSupported)),
        };
        match command {
            RoomCommand::CreateRoom { .. } => self.create(asked, command, now),
            RoomCommand::PostMessage {
                text,
                rich,
                reply_to,
                files,
            } => {
                let said = (text.as_str(), rich.as_deref(), *reply_to);
                self.post(asked, said, files, (known, now))
            }
            RoomCommand::PostFile { file } => self.post_file(asked, file, known, now),
            RoomCommand::MarkRead { seq } => {
                let person = &self.participant(asked.caller)?.person;
                Ok(self.mark_read(person, *seq, now))
            }
            RoomCommand::DeleteMessage { seq } => self.delete(asked, known, *seq, now),
            RoomCommand::ChangeRoom { title, archived } => {
                self.change(asked, title.as_deref(), *archived, now)
            }
            RoomCommand::Escalate { reason, priority } => {
                self.escalate(asked, reason, *priority, now)
            }
            RoomCommand::Assign { agent } => self.assign(asked, agent, known, now),
            RoomCommand::Release { agent } => self.release(asked, agent, known, now),
            RoomCommand::Resolve { notes } => self.resolve(asked, notes, now),
            RoomCommand::AnswerForm { answers } => self.answer_form(asked, answers, known, now),
            RoomCommand::ForgetForm { form_no } => self.forget_form(asked, *form_no, now),
            RoomCommand::Forget { idle_since } => self.forget(asked, *idle_since, known, now),
            RoomCommand::AwaitAnswer => self.await_answer(asked),
            RoomCommand::PostAnswer { .. } => self.answer(asked, now),
            RoomCommand::TakeTurn { .. } => Err(Rejection::new(ErrorCode::Internal)),
        }
    }

    fn repeat(&self, _asked: &Asked<'_>, number: u64, at: Timestamp) -> Answer {
        Answer::Posted {
            seq: Seq(number),
            at,
            dup: true,
        }
    }

    fn waits_for(&self, entity: &EntityId, answer: &Answer) -> Option<EntityId> {
        match answer {
            // Turns are owed by the room to itself.
            Answer::Answered { .. } => Some(entity.clone()),
            Answer::Numbered { owed_to, .. } => owed_to.clone(),
            _ => None,
        }
    }

    fn apply(&mut self, event: &RoomEvent) {
        match event {
            RoomEvent::RoomCreated { .. } => self.made(event),
            RoomEvent::MessagePosted(message) => self.posted(message),
            RoomEvent::ReadMarked { person, seq, at } => self.move_mark(person, *seq, *at),
            RoomEvent::MessageDeleted {
                seq, at, target, ..
            } => {
                debug_assert_eq!(*seq, self.head.next(), "invariant 1");
                self.head = *seq;
                self.silent_count += 1;
                self.touched_at = *at;
                self.deleted.insert(*target);
                if let Some(last) = self.last.as_mut().filter(|last| last.seq == *target) {
                    last.deleted = true;
                    last.preview = "".into();
                    last.file = None;
                }
            }
            RoomEvent::RoomChanged {
                at,
                title,
                archived,
                ..
            } => {
                self.changed_at = *at;
                if let Some(title) = title {
                    self.title = (!title.is_empty()).then(|| title.clone());
                }
                self.archived = archived.unwrap_or(self.archived);
            }
            RoomEvent::TurnPassed { question, .. } => self.turn_over(*question),
            RoomEvent::TurnOwed { .. } | RoomEvent::FileTurnedAway { .. } => {}
            RoomEvent::FormAnswered { at, progress, no } => {
                self.touched_at = *at;
                self.form_stands(progress, *no);
            }
            RoomEvent::FormForgotten { .. } => self.form_forgotten(),
            RoomEvent::HandoffMoved { seq, at, by, step } => {
                debug_assert_eq!(*seq, self.head.next(), "invariant 1");
                self.head = *seq;
                self.silent_count += 1;
                self.changed_at = *at;
                self.hand_over(*seq, *at, by, step);
            }
            RoomEvent::Forgotten { .. } => self.forgotten(event),
        }
    }

    fn rows(&self, entity: &EntityId, event: &RoomEvent) -> Vec<Row> {
        let mut rows = changes::rows(entity, event);
        rows.extend(files::rows(entity, event));
        rows.extend(forgetting::rows(self, entity, event));
        rows
    }

    fn effects(&self, entity: &EntityId, event: &RoomEvent) -> Vec<Effect> {
        let of_each = [
            turns::effect(self, entity, event),
            chat::effect(self, entity, event),
            release::effect(entity, event),
            acts::effect(self, entity, event),
            forgetting::effect(entity, event),
        ];
        let owed = of_each.into_iter().flatten();
        owed.chain(files::effects(entity, event)).collect()
    }

    fn on_behalf(event: &RoomEvent) -> Option<&PersonId> {
        match event {
            RoomEvent::RoomCreated { participants, .. } => participants.first(),
            _ => None,
        }
    }

    fn summarise(&self) -> Option<Summary> {
        (self.created || self.forgotten.is_some()).then(|| self.summary())
    }

    fn is_owed(&self, effect: &Effect) -> bool {
        self.owes_turn(effect) && self.owes_still(effect)
    }

    fn catch_up(&self, now: Timestamp) -> Vec<RoomEvent> {
        let read = self.seats.iter().filter(|(_, seat)| seat.read > Seq(0));
        let marked = read.map(|(person, seat)| RoomEvent::ReadMarked {
            person: person.clone(),
            seq: seat.read,
            at: now,
        });
        marked.chain(self.told_again()).collect()
    }

    fn audience(&self) -> Option<Audience> {
        let is_told = self.created && self.seats.len() <= FEED_ROOM_PERSON_COUNT_MAX;
        is_told.then(|| Audience {
            conversation: self.conversation,
            people: self.seats.keys().cloned().collect(),
        })
    }

    fn notice(&self, entity: &EntityId, event: &RoomEvent) -> Option<HandoffNotice> {
        chat::notice(self, entity, event)
    }

    fn erases(event: &RoomEvent) -> Option<Erases> {
        matches!(event, RoomEvent::Forgotten { .. }).then_some(Erases::RecordsAndCids)
    }

    fn publish(event: &RoomEvent) -> Option<RoomEvent> {
        Some(event.clone())
    }
}

impl RoomState {
    /// Before anything happened.
    pub(super) fn empty() -> Self {
        Self {
            created: false,
            created_at: Timestamp(0),
            conversation: frontdesk_protocol::ConversationNo(0),
            direct: false,
            history_base: 0,
            head: Seq(0),
            seats: BTreeMap::new(),
            silent_count: 0,
            title: None,
            archived: false,
            last: None,
            changed_at: Timestamp(0),
            bot: None,
            answered: Seq(0),
            chat: None,
            form_no: 0,
            touched_at: Timestamp(0),
            forgotten: None,
            forgot: None,
            deleted: BTreeSet::new(),
            shown: BTreeSet::new(),
        }
    }

    fn made(&mut self, event: &RoomEvent) {
        let RoomEvent::RoomCreated {
            at,
            conversation,
            direct,
            participants,
            history_base,
            title,
            bot,
            chat,
        } = event
        else {
            return;
        };
        self.created = true;
        (self.created_at, self.changed_at) = (*at, *at);
        self.conversation = *conversation;
        self.direct = *direct;
        self.history_base = *history_base;
        self.title = title.clone();
        self.bot = bot.clone();
        let visitor = chat.as_ref().zip(participants.first());
        self.chat = visitor.map(|(opening, who)| Box::new(Chat::new(opening, who.clone())));
        for (index, person) in participants.iter().enumerate() {
            let kind = match index {
                _ if person.is_bot() => SeatKind::Agent,
                0 => SeatKind::Owner,
                _ => SeatKind::Member,
            };
            let joined_at = *at;
            self.seats.entry(person.clone()).or_insert(Seat {
                joined_at,
                kind,
                ..Seat::default()
            });
        }
    }

    fn posted(&mut self, message: &Message) {
        debug_assert_eq!(message.seq, self.head.next(), "invariant 1");
        self.head = message.seq;
        self.shown.extend(message.file.as_ref().map(|file| file.no));
        self.changed_at = message.at;
        self.last = Some(LastMessage::from(message));
        // One's own words are read.
        self.move_mark(&message.author.id, message.seq, message.at);
        let is_bots = self.bot.as_ref() == Some(&message.author.id);
        if let Some(question) = message.reply_to.filter(|_| is_bots) {
            self.turn_over(question);
        }
        self.come_back(&message.author.id);
    }

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
            title,
            bot,
            chat,
        } = command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        if !is_own_company {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        if self.created || self.forgotten.is_some() {
            return Ok(Decided::nothing(Answer::Done));
        }
        let created = RoomEvent::RoomCreated {
            at: now,
            conversation: *conversation,
            direct: *direct,
            participants: participants.clone(),
            history_base: *history_base,
            title: title.as_deref().map(Into::into),
            bot: bot.clone(),
            chat: chat.clone(),
        };
        let answer = Answer::Done;
        Ok(Decided {
            events: vec![created],
            answer,
            remember: None,
        })
    }

    fn post(
        &self,
        asked: &Asked<'_>,
        (text, rich, reply_to): (&str, Option<&str>, Option<Seq>),
        files: &[FileNo],
        (known, now): (&Known, Timestamp),
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let author = self.participant(asked.caller)?;
        let files = self.own_files(asked, files, &author.person, known)?;
        self.check_message(text, (rich, &files), reply_to)?;
        let first = Message {
            seq: self.head.next(),
            at: now,
            cid: asked.cid,
            author: author_of(author),
            text: text.into(),
            rich: rich.map(Into::into),
            reply_to,
            file: None,
            part_of: None,
            deleted_at: None,
        };
        let seq = first.seq;
        let messages = self.with_files(first, files);
        let last = self.below_the_end(messages[messages.len() - 1].seq)?;
        let follow_up = self.follow_up(&messages[0], last, known)?;
        let posted = messages.into_iter().map(RoomEvent::MessagePosted);
        let events = posted.chain(follow_up).collect();
        Ok(Decided {
            events,
            answer: Answer::Posted {
                seq,
                at: now,
                dup: false,
            },
            remember: Some(seq.0),
        })
    }

    /// The caller as a participant; a stranger is told that there is no such room.
    pub(super) fn participant<'a>(&self, caller: &'a Caller) -> Result<&'a Principal, Rejection> {
        match caller {
            Caller::Person(principal) if self.seats.contains_key(&principal.person) => {
                Ok(principal)
            }
            _ => Err(Rejection::new(ErrorCode::UnknownRoom)),
        }
    }

    pub(super) fn check_message(
        &self,
        text: &str,
        (rich, files): (Option<&str>, &[SharedFile]),
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
        if rich.is_none() && files.is_empty() && !has_visible(text) {
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

    fn move_mark(&mut self, person: &PersonId, seq: Seq, at: Timestamp) {
        debug_assert!(seq <= self.head, "invariant 2");
        // Written for people who left, too: their mark is history, not a seat.
        if let Some(seat) = self.seats.get_mut(person)
            && seat.read < seq
        {
            seat.read = seq;
            seat.read_at = at;
        }
    }
}

pub(crate) fn author_of(principal: &Principal) -> Author {
    Author {
        id: principal.person.clone(),
        role: principal.role,
        card: principal.card.clone(),
    }
}
