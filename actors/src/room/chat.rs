//! Chats: who has a visitor's room, the form that is asked first, and what the bot owes meanwhile.
//!
//! Invariants:
//! 1. While a person has a chat or is waited for, the bot owes nothing and says nothing.
//! 2. The person who has a chat has a seat in it, and no other of the company's people has.
//! 3. An answer of the form stands in the same record as the message that gave it.
//!
//! Never: gives a chat to somebody of another company: the account is read from the company's own
//! rows.

use std::borrow::Cow;
use std::sync::Arc;

use frontdesk_protocol::chat::{Chat, FormProgress, HandoffStep, Priority, Stage};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand, SeatKind};
use frontdesk_protocol::event::{Author, Message, RoomEvent};
use frontdesk_protocol::limits::{HANDOFF_TEXT_CHARS_MAX, ROOM_SEQ_MAX};
use frontdesk_protocol::settings::{CompanySettings, FormChoice};
use frontdesk_protocol::staff::Account;
use frontdesk_protocol::visible::has_visible;
use frontdesk_protocol::{AccountNo, Cid, ErrorCode, PersonId, Rejection, Seq, Timestamp};
use frontdesk_storage::{EntityId, EntityKind};

use super::rules::author_of;
use super::{RoomState, Seat};
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known, person_of};
use crate::feed::HandoffNotice;
use crate::form::{FormSpec, FormState, Step};

/// The language of visitors when nobody says.
const LANGUAGE_DEFAULT: &str = "en";

/// Rows that are read before a command of a chat is decided.
pub(super) fn lookups(state: &RoomState, asked: &Asked<'_>) -> Vec<Vec<u8>> {
    let Some(chat) = state.chat.as_deref() else {
        return Vec::new();
    };
    let is_visitors = person_of(asked.caller) == Some(&chat.visitor);
    match asked.command {
        Command::Room(RoomCommand::PostMessage { .. } | RoomCommand::AnswerForm { .. })
            if is_visitors =>
        {
            vec![tables::settings_key()]
        }
        Command::Room(RoomCommand::PostFile { .. }) => vec![tables::settings_key()],
        Command::Room(RoomCommand::Assign { agent }) => {
            let account = agent.account().map(tables::account_key);
            account.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What others are owed for an event of a chat.
pub(super) fn effect(state: &RoomState, entity: &EntityId, event: &RoomEvent) -> Option<Effect> {
    match event {
        RoomEvent::TurnOwed { question } => Some(Effect {
            to: entity.clone(),
            command: Command::Room(RoomCommand::TakeTurn {
                question: *question,
            }),
        }),
        RoomEvent::FormAnswered { progress, no, .. } if progress.is_complete() => {
            let keep = CompanyCommand::KeepProfile {
                person: state.chat.as_ref()?.visitor.clone(),
                answers: progress.answers.clone(),
                form_no: *no,
            };
            Some(Effect {
                to: EntityId::company(entity.company.clone()),
                command: Command::Company(keep),
            })
        }
        _ => None,
    }
}

/// What the company's people hear of an event.
pub(super) fn notice(
    state: &RoomState,
    entity: &EntityId,
    event: &RoomEvent,
) -> Option<HandoffNotice> {
    let (RoomEvent::HandoffMoved { at, by, step, .. }, EntityKind::Room(room)) =
        (event, &entity.kind)
    else {
        return None;
    };
    Some(HandoffNotice {
        room: *room,
        conversation: state.conversation,
        at: *at,
        by: by.clone(),
        step: step.clone(),
        chat: state.chat.clone()?,
    })
}

impl RoomState {
    pub(super) fn chat(&self) -> Result<&Chat, Rejection> {
        let why = "this room is no visitor's chat";
        self.chat
            .as_deref()
            .ok_or_else(|| Rejection::because(ErrorCode::NotSupported, why))
    }

    /// What follows a message in a chat: the form's next question, or a turn of the bot, or a wish
    /// for a person where there is no bot. `last` is what was sent with it last. A file alone asks
    /// nothing.
    pub(super) fn follow_up(
        &self,
        message: &Message,
        last: Seq,
        known: &Known,
    ) -> Result<Vec<RoomEvent>, Rejection> {
        let Some(chat) = self.chat.as_deref() else {
            return Ok(Vec::new());
        };
        let is_file_alone = message.file.is_some() && !has_visible(&message.text);
        if message.author.id != chat.visitor || chat.stage.is_open() || is_file_alone {
            return Ok(Vec::new());
        }
        let settings = settings(known)?;
        let is_through = chat.form.as_ref().is_some_and(FormProgress::is_complete);
        if !is_through && let Some(spec) = form_of(&settings) {
            return self.ask_on(chat, &spec, &settings, (message, last));
        }
        if settings.is_without_bot || self.bot.is_none() {
            let step = HandoffStep::Escalated {
                reason: "".into(),
                priority: Priority::default(),
            };
            let (at, by) = (message.at, message.author.clone());
            let seq = self.below_the_end(last.next())?;
            return Ok(vec![RoomEvent::HandoffMoved { seq, at, by, step }]);
        }
        let question = message.seq;
        Ok(vec![RoomEvent::TurnOwed { question }])
    }

    /// Takes the message as an answer to the form, or begins it, and asks on. The first message
    /// after a person had the chat answers nothing: it was said to them.
    fn ask_on(
        &self,
        chat: &Chat,
        spec: &FormSpec,
        settings: &CompanySettings,
        (message, last): (&Message, Seq),
    ) -> Result<Vec<RoomEvent>, Rejection> {
        let language = language_of(chat, settings);
        let (state, step) = match &chat.form {
            Some(progress) if chat.stage == Stage::Resolved => {
                FormState::from(progress.clone()).ask(spec, language)
            }
            Some(progress) => {
                FormState::from(progress.clone()).answer(spec, &message.text, language)
            }
            None => FormState::begin(spec).ask(spec, language),
        };
        let progress = FormProgress::from(state);
        let mut events = Vec::with_capacity(2);
        if chat.form.as_ref() != Some(&progress) {
            let at = message.at;
            let no = self.form_no + 1;
            events.push(RoomEvent::FormAnswered { at, progress, no });
        }
        if let Some(bot) = &self.bot {
            let seq = self.below_the_end(last.next())?;
            let after = (message.at, message.cid, Some(message.seq));
            events.push(RoomEvent::MessagePosted(said(bot, seq, after, &step)));
        }
        Ok(events)
    }

    pub(super) fn below_the_end(&self, seq: Seq) -> Result<Seq, Rejection> {
        match seq.0 > ROOM_SEQ_MAX {
            true => Err(Rejection::new(ErrorCode::RoomFull)),
            false => Ok(seq),
        }
    }

    pub(super) fn escalate(
        &self,
        asked: &Asked<'_>,
        reason: &str,
        priority: Priority,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let caller = self.party(asked.caller)?;
        if self.chat()?.stage.is_open() {
            let why = "Session is already escalated";
            return Err(Rejection::because(ErrorCode::WrongStage, why));
        }
        check_text("reason", reason)?;
        let step = HandoffStep::Escalated {
            reason: reason.into(),
            priority,
        };
        self.moved(caller, step, now)
    }

    pub(super) fn assign(
        &self,
        asked: &Asked<'_>,
        agent: &PersonId,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let caller = self.party(asked.caller)?;
        let chat = self.chat()?;
        if !chat.stage.is_open() {
            let why = "nobody asked for a person in this chat";
            return Err(Rejection::because(ErrorCode::WrongStage, why));
        }
        let has_it = |person: &PersonId| chat.agent().is_some_and(|agent| agent.id == *person);
        let may = match caller.role {
            Role::Admin | Role::Superadmin => true,
            Role::Agent if chat.stage == Stage::Queued => caller.person == *agent,
            Role::Agent => has_it(&caller.person),
            Role::Visitor | Role::Bot => false,
        };
        if !may {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let name = agent_name(caller, agent, known)?;
        if has_it(agent) {
            return Ok(Decided::nothing(Answer::Done));
        }
        let left = self.agents_but(Some(agent));
        let agent = agent.clone();
        self.moved(caller, HandoffStep::Assigned { agent, name, left }, now)
    }

    pub(super) fn resolve(
        &self,
        asked: &Asked<'_>,
        notes: &str,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let caller = self.party(asked.caller)?;
        let chat = self.chat()?;
        let agent = chat.handoff.as_ref().and_then(|it| it.agent.as_ref());
        let had_it = agent.is_some_and(|agent| agent.id == caller.person);
        if !had_it && !matches!(caller.role, Role::Admin | Role::Superadmin) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        if !chat.stage.is_open() {
            let why = "nobody has this chat";
            return Err(Rejection::because(ErrorCode::WrongStage, why));
        }
        check_text("notes", notes)?;
        let notes = notes.into();
        let left = self.agents_but(None);
        self.moved(caller, HandoffStep::Resolved { notes, left }, now)
    }

    /// The company's people who have a seat, but for one.
    pub(super) fn agents_but(&self, stays: Option<&PersonId>) -> Vec<PersonId> {
        let agents = self.seats.iter().filter(|(person, seat)| {
            seat.kind == SeatKind::Agent && !person.is_bot() && Some(*person) != stays
        });
        agents.map(|(person, _)| person.clone()).collect()
    }

    fn moved(
        &self,
        caller: &Principal,
        step: HandoffStep,
        now: Timestamp,
    ) -> Result<Decided<RoomEvent>, Rejection> {
        let moved = RoomEvent::HandoffMoved {
            seq: self.below_the_end(self.head.next())?,
            at: now,
            by: author_of(caller),
            step,
        };
        Ok(Decided {
            events: vec![moved],
            answer: Answer::Done,
            remember: None,
        })
    }

    /// Somebody in the room, or one of the company's people; to a stranger there is no such room.
    fn party<'a>(&self, caller: &'a Caller) -> Result<&'a Principal, Rejection> {
        let Caller::Person(principal) = caller else {
            return Err(Rejection::new(ErrorCode::UnknownRoom));
        };
        let is_staff = matches!(principal.role, Role::Agent | Role::Admin | Role::Superadmin);
        match self.seats.contains_key(&principal.person) || is_staff && self.chat.is_some() {
            true => Ok(principal),
            false => Err(Rejection::new(ErrorCode::UnknownRoom)),
        }
    }

    /// A visitor who speaks after their chat was resolved has the bot again.
    pub(super) fn come_back(&mut self, author: &PersonId) {
        if let Some(chat) = self.chat.as_deref_mut()
            && chat.stage == Stage::Resolved
            && chat.visitor == *author
        {
            chat.stage = Stage::Bot;
        }
    }

    /// A chat moved: its people change with it, and what the bot owed is owed no more.
    pub(super) fn hand_over(&mut self, seq: Seq, at: Timestamp, by: &Author, step: &HandoffStep) {
        if let Some(chat) = self.chat.as_deref_mut() {
            chat.moved(seq, at, by, step);
        }
        match step {
            HandoffStep::Escalated { .. } => self.turn_over(seq),
            HandoffStep::Assigned { agent, left, .. } => {
                self.seats.retain(|person, _| !left.contains(person));
                self.seats.entry(agent.clone()).or_insert(Seat {
                    joined_at: at,
                    kind: SeatKind::Agent,
                    ..Seat::default()
                });
            }
            HandoffStep::Resolved { left, .. } | HandoffStep::Released { left, .. } => {
                self.seats.retain(|person, _| !left.contains(person));
            }
        }
    }
}

/// What an account is called; it must be there and serve visitors. Hosts' people have no account
/// here and speak for themselves.
fn agent_name(
    caller: &Principal,
    agent: &PersonId,
    known: &Known,
) -> Result<Option<Arc<str>>, Rejection> {
    let unknown = || Rejection::because(ErrorCode::NotFound, "no such agent");
    let Some(no) = agent.account() else {
        let is_self = caller.person == *agent && caller.role == Role::Agent;
        return is_self
            .then(|| caller.card.name.clone())
            .ok_or_else(unknown);
    };
    let account = serving(no, known).ok_or_else(unknown)?;
    Ok((!account.card.name.is_empty()).then_some(account.card.name))
}

/// An account that serves visitors.
pub(super) fn serving(no: AccountNo, known: &Known) -> Option<Account> {
    let row = known.rows.get(&tables::account_key(no)).cloned().flatten();
    let account: Option<Account> = row.as_ref().and_then(tables::read);
    account
        .filter(|account| !account.is_removed && matches!(account.role, Role::Agent | Role::Admin))
}

fn check_text(field: &str, text: &str) -> Result<(), Rejection> {
    let chars = text.chars().count();
    match chars > HANDOFF_TEXT_CHARS_MAX {
        true => {
            let why =
                format!("{field} too long: {chars} characters, limit {HANDOFF_TEXT_CHARS_MAX}");
            Err(Rejection::because(ErrorCode::BadField, why))
        }
        false => Ok(()),
    }
}

/// What a company set; the defaults if it set nothing. Nothing is done on settings that cannot be
/// read: they may forbid it.
pub(super) fn settings(known: &Known) -> Result<CompanySettings, Rejection> {
    let Some(row) = known.rows.get(&tables::settings_key()).cloned().flatten() else {
        return Ok(CompanySettings::default());
    };
    tables::read(&row).ok_or_else(|| {
        let why = "the company's settings cannot be read";
        Rejection::because(ErrorCode::Internal, why)
    })
}

/// The form that a company asks; one of its own that cannot be read any more is the built-in one.
pub(super) fn form_of(settings: &CompanySettings) -> Option<Cow<'static, FormSpec>> {
    let own = match &settings.form {
        FormChoice::Off => return None,
        FormChoice::Profile => None,
        FormChoice::Own(text) => serde_json::from_str(text).ok(),
    };
    Some(own.map_or(Cow::Borrowed(FormSpec::profile()), Cow::Owned))
}

pub(super) fn language_of<'a>(chat: &'a Chat, settings: &'a CompanySettings) -> &'a str {
    let said = [&*chat.language, &*settings.language];
    let said = said.into_iter().find(|language| !language.is_empty());
    said.unwrap_or(LANGUAGE_DEFAULT)
}

/// What the bot says of a step, after a command of this time and name, to this message.
pub(super) fn said(
    bot: &PersonId,
    seq: Seq,
    (at, cid, reply_to): (Timestamp, Cid, Option<Seq>),
    step: &Step,
) -> Message {
    let (text, suggestions, collecting) = match step {
        Step::Ask(asking) | Step::Again(asking) => {
            (&asking.text, &asking.suggestions, &*asking.collecting)
        }
        Step::Complete(done) => (&done.text, &done.suggestions, crate::form::COMPLETE),
    };
    let form = serde_json::json!({"collecting": collecting, "suggestions": suggestions});
    let mut cid = *cid.bits();
    cid[15] ^= 1; // of the same command, and not the same message
    Message {
        seq,
        at,
        cid: Cid::from_digest(cid),
        author: Author {
            id: bot.clone(),
            role: Role::Bot,
            card: Card::default(),
        },
        text: text.as_str().into(),
        rich: Some(serde_json::json!({"form": form}).to_string().into()),
        reply_to,
        file: None,
        part_of: None,
        deleted_at: None,
    }
}
