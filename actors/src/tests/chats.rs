//! Visitors' chats: the form, handing over to people and back, who may do what, what lists show.

use std::sync::Arc;

use frontdesk_protocol::chat::{ChatOpening, HandoffStep, Priority, Stage};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::settings::{CompanySettings, FormChoice};
use frontdesk_protocol::staff::{Account, PasswordHash, StaffCard};
use frontdesk_protocol::{
    AccountNo, ChatId, ConversationNo, ErrorCode, PersonId, RoomId, Seq, Timestamp,
};
use frontdesk_storage::EntityId;

use super::desk::Desk;
use super::{company_of, person};
use crate::company::tables;
use crate::entity::{Answer, Caller, Command};
use crate::room::RoomState;

const SETTINGS_OF_NOBODY: Option<CompanySettings> = None;

fn visitor() -> Caller {
    somebody("visitor:1", Role::Visitor)
}

fn somebody(name: &str, role: Role) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company_of("TES001"),
        person: person(name),
        role,
        card: Card::default(),
    }))
}

fn agent(no: u64) -> PersonId {
    PersonId::of_account(AccountNo(no))
}

fn of_agent(no: u64) -> Caller {
    somebody(agent(no).as_str(), Role::Agent)
}

fn opening() -> ChatOpening {
    ChatOpening {
        id: ChatId::new("TES001_abc").expect("valid"),
        language: "en".into(),
    }
}

/// A chat, with two agents and these settings.
fn chat(settings: Option<CompanySettings>) -> Desk<RoomState> {
    let company = company_of("TES001");
    let entity = EntityId::room(company.clone(), RoomId::from_bits([7; 16]));
    let mut desk = Desk::new(entity);
    for no in [11, 12] {
        let row = tables::set(tables::account_key(AccountNo(no)), &account(no));
        desk.rows.insert(row.key, row.value.expect("set"));
    }
    if let Some(settings) = settings {
        let row = tables::set(tables::settings_key(), &settings);
        desk.rows.insert(row.key, row.value.expect("set"));
    }
    let create = RoomCommand::CreateRoom {
        conversation: ConversationNo(5),
        direct: false,
        participants: vec![person("visitor:1"), super::turns::bot()],
        history_base: 9,
        title: None,
        bot: Some(super::turns::bot()),
        chat: Some(opening()),
    };
    let own = Caller::Entity(EntityId::company(company));
    desk.one(&own, Command::Room(create)).expect("made");
    desk
}

fn account(no: u64) -> Account {
    Account {
        no: AccountNo(no),
        role: Role::Agent,
        card: StaffCard {
            name: format!("Agent {no}").into(),
            ..StaffCard::default()
        },
        password: PasswordHash::new(""),
        is_first_login: false,
        availability: Default::default(),
        created_at: Timestamp(1),
        active_at: Timestamp(1),
        valid_from: Timestamp(1),
        is_removed: false,
    }
}

fn say(text: &str) -> Command {
    super::say(text)
}

fn escalate() -> Command {
    Command::Room(RoomCommand::Escalate {
        reason: "a bill".to_owned(),
        priority: Priority::High,
    })
}

fn assign(no: u64) -> Command {
    Command::Room(RoomCommand::Assign { agent: agent(no) })
}

fn resolve() -> Command {
    Command::Room(RoomCommand::Resolve {
        notes: "paid".to_owned(),
    })
}

/// The last thing the bot said.
fn bot_said(desk: &Desk<RoomState>) -> &Message {
    let mut newest_first = desk.history.iter().rev();
    let message = newest_first.find_map(|event| match event {
        RoomEvent::MessagePosted(message) if message.author.role == Role::Bot => Some(message),
        _ => None,
    });
    message.expect("the bot said something")
}

fn collecting(desk: &Desk<RoomState>) -> String {
    let rich: serde_json::Value =
        serde_json::from_str(bot_said(desk).rich.as_deref().expect("a form")).expect("JSON");
    rich["form"]["collecting"]
        .as_str()
        .expect("text")
        .to_owned()
}

fn stage(desk: &Desk<RoomState>) -> Stage {
    desk.state.chat.as_ref().expect("a chat").stage
}

fn turn_count(desk: &Desk<RoomState>) -> usize {
    let is_turn = |effect: &&crate::entity::Effect| {
        matches!(effect.command, Command::Room(RoomCommand::TakeTurn { .. }))
    };
    desk.effects.iter().filter(is_turn).count()
}

#[test]
fn a_visitor_answers_the_form_and_then_talks_to_the_bot() {
    let mut desk = chat(SETTINGS_OF_NOBODY);
    let answers = [
        ("Hello", "name"),
        ("Ada Lovelace", "country_code"),
        ("+977", "phone"),
        ("12", "phone"),
        ("9841234567", "email"),
        ("Skip", "address"),
        ("1 Road, Kathmandu", "complete"),
    ];
    for (said, next) in answers {
        desk.one(&visitor(), say(said)).expect("said");
        assert_eq!(collecting(&desk), next, "after {said:?}");
        assert_eq!(bot_said(&desk).reply_to, Some(Seq(desk.state.head.0 - 1)));
    }
    assert_eq!(turn_count(&desk), 0);
    let kept = desk.effects.last().expect("an effect");
    assert_eq!(kept.to, EntityId::company(company_of("TES001")));
    let Command::Company(CompanyCommand::KeepProfile {
        person: whose,
        answers,
        form_no,
    }) = &kept.command
    else {
        panic!("{kept:?}");
    };
    assert_eq!(whose.as_str(), "visitor:1");
    assert_eq!(*form_no, 6, "the first question and five answers");
    let answer = |key: &str| answers[key].as_deref();
    assert_eq!(answer("name"), Some("Ada Lovelace"));
    assert_eq!(answer("phone"), Some("+977-9841234567"));
    assert_eq!(answer("email"), None);
    desk.one(&visitor(), say("Do you ship?")).expect("said");
    assert_eq!(turn_count(&desk), 1);
    desk.assert_replays();
}

#[test]
fn a_company_may_ask_nothing_or_have_no_bot() {
    let mut off = chat(Some(CompanySettings {
        form: FormChoice::Off,
        ..CompanySettings::default()
    }));
    off.one(&visitor(), say("Hello")).expect("said");
    assert_eq!((turn_count(&off), stage(&off)), (1, Stage::Bot));
    let mut alone = chat(Some(CompanySettings {
        form: FormChoice::Off,
        is_without_bot: true,
        ..CompanySettings::default()
    }));
    alone.one(&visitor(), say("Hello")).expect("said");
    assert_eq!((turn_count(&alone), stage(&alone)), (0, Stage::Queued));
    assert_eq!(alone.state.head, Seq(2));
    alone.assert_replays();
}

#[test]
fn answers_may_come_all_at_once() {
    let mut desk = chat(SETTINGS_OF_NOBODY);
    let fill = |pairs: &[(&str, &str)]| {
        let answers = pairs
            .iter()
            .map(|(key, text)| ((*key).to_owned(), Some((*text).to_owned())));
        Command::Room(RoomCommand::AnswerForm {
            answers: answers.collect(),
        })
    };
    let bad = desk.one(
        &visitor(),
        fill(&[("name", "Ada"), ("email", "no address")]),
    );
    assert_eq!(bad.expect_err("refused").code, ErrorCode::BadField);
    let good = fill(&[
        ("name", "Ada"),
        ("phone", "98 412-34567"),
        ("email", "a@b.example"),
    ]);
    desk.one(&visitor(), good.clone()).expect("taken");
    let before = desk.effects.len();
    desk.one(&visitor(), good).expect("taken again");
    assert_eq!(desk.effects.len(), before + 1, "it is kept again");
    let chat = desk.state.chat.as_ref().expect("a chat");
    assert_eq!(chat.answer("phone"), Some("98 412-34567"));
    assert!(chat.form.as_ref().is_some_and(|form| form.is_complete()));
    let stranger = desk.one(&of_agent(11), fill(&[("name", "Eve")]));
    assert_eq!(stranger.expect_err("refused").code, ErrorCode::UnknownRoom);
}

#[test]
fn the_bot_is_silent_while_a_person_has_the_chat_or_is_waited_for() {
    let settings = CompanySettings {
        form: FormChoice::Off,
        ..CompanySettings::default()
    };
    let mut desk = chat(Some(settings));
    desk.one(&visitor(), say("one")).expect("said");
    let question = Seq(1);
    desk.one(&visitor(), escalate()).expect("escalated");
    let twice = desk.one(&visitor(), escalate()).expect_err("refused");
    assert_eq!(twice.code, ErrorCode::WrongStage);
    // The bot's answer to what was said before comes too late.
    let late = RoomCommand::PostAnswer {
        question,
        name: None,
        text: "late".to_owned(),
        rich: None,
    };
    let own = Caller::Entity(desk.entity.clone());
    desk.one(&own, Command::Room(late)).expect("heard");
    assert!(desk.history.iter().all(|event| !matches!(
        event,
        RoomEvent::MessagePosted(message) if message.author.role == Role::Bot
    )));
    desk.one(&visitor(), say("two")).expect("said");
    desk.one(&of_agent(11), assign(11)).expect("taken");
    desk.one(&of_agent(11), say("three")).expect("said");
    desk.one(&visitor(), say("four")).expect("said");
    assert_eq!(turn_count(&desk), 1);
    desk.one(&of_agent(11), resolve()).expect("resolved");
    assert_eq!(stage(&desk), Stage::Resolved);
    let after = desk.one(&of_agent(11), say("still here?"));
    assert_eq!(after.expect_err("they left").code, ErrorCode::UnknownRoom);
    desk.one(&visitor(), say("five")).expect("said");
    assert_eq!((turn_count(&desk), stage(&desk)), (2, Stage::Bot));
    let handoff = desk
        .state
        .chat
        .as_ref()
        .and_then(|chat| chat.handoff.clone());
    let handoff = handoff.expect("there was one");
    assert_eq!((&*handoff.reason, &*handoff.notes), ("a bill", "paid"));
    assert_eq!(handoff.seq, Seq(2));
    desk.one(&visitor(), escalate()).expect("a second time");
    desk.assert_replays();
}

#[test]
fn a_chat_is_its_agents_and_nobody_elses() {
    let mut desk = chat(SETTINGS_OF_NOBODY);
    let admin = somebody("agent:99", Role::Admin);
    let early = desk.one(&of_agent(11), assign(11)).expect_err("refused");
    assert_eq!(early.code, ErrorCode::WrongStage);
    desk.one(&visitor(), escalate()).expect("escalated");
    for (caller, no, code) in [
        (visitor(), 11, ErrorCode::Forbidden),
        (of_agent(12), 11, ErrorCode::Forbidden),
        (admin.clone(), 13, ErrorCode::NotFound),
        (somebody("eve", Role::Visitor), 11, ErrorCode::UnknownRoom),
    ] {
        let refused = desk.one(&caller, assign(no)).expect_err("refused");
        assert_eq!(refused.code, code);
    }
    desk.one(&admin, assign(11)).expect("assigned");
    let again = desk.history.len();
    desk.one(&admin, assign(11)).expect("as it is");
    assert_eq!(desk.history.len(), again);
    for command in [say("hi"), resolve(), assign(12)] {
        assert!(desk.one(&of_agent(12), command).is_err());
    }
    desk.one(&of_agent(11), assign(12)).expect("transferred");
    let Some(RoomEvent::HandoffMoved { step, .. }) = desk.history.last() else {
        panic!("moved");
    };
    assert_eq!(
        *step,
        HandoffStep::Assigned {
            agent: agent(12),
            name: Some("Agent 12".into()),
            left: vec![agent(11)],
        }
    );
    assert!(desk.one(&of_agent(11), say("still here?")).is_err());
    let posted = desk.one(&of_agent(12), say("here"));
    assert!(matches!(posted, Ok(Answer::Posted { .. })));
    let moved = desk.one(&visitor(), resolve()).expect_err("refused");
    assert_eq!(moved.code, ErrorCode::Forbidden);
    desk.one(&admin, resolve()).expect("resolved");
    desk.assert_replays();
}

/// An account is taken away.
fn remove(desk: &mut Desk<RoomState>, no: u64) {
    let gone = Account {
        is_removed: true,
        ..account(no)
    };
    let row = tables::set(tables::account_key(AccountNo(no)), &gone);
    desk.rows.insert(row.key, row.value.expect("set"));
}

#[test]
fn a_chat_whose_agent_is_gone_waits_again_and_nobody_elses_does() {
    let mut desk = chat(SETTINGS_OF_NOBODY);
    let staff = Caller::Entity(EntityId::staff(company_of("TES001")));
    let release = |no: u64| Command::Room(RoomCommand::Release { agent: agent(no) });
    desk.one(&visitor(), escalate()).expect("escalated");
    let first = desk.state.chat.clone().expect("a chat").handoff;
    desk.one(&of_agent(11), assign(11)).expect("taken");
    // The room looks once more at whom it was given to.
    let look = desk.effects.last().expect("an effect");
    assert_eq!(
        (&look.to, &look.command),
        (&desk.entity.clone(), &release(11))
    );
    desk.one(&staff, release(11)).expect("still there");
    assert_eq!(stage(&desk), Stage::Assigned);
    desk.one(&of_agent(11), assign(12)).expect("transferred");
    remove(&mut desk, 11);
    desk.one(&staff, release(11)).expect("another has it");
    assert_eq!(stage(&desk), Stage::Assigned);
    remove(&mut desk, 12);
    for caller in [
        of_agent(11),
        visitor(),
        Caller::Entity(EntityId::staff(company_of("SPA001"))),
    ] {
        let refused = desk.one(&caller, release(12)).expect_err("refused");
        assert_eq!(refused.code, ErrorCode::Forbidden);
    }
    let own = Caller::Entity(desk.entity.clone());
    desk.one(&own, release(12)).expect("released");
    let length = desk.history.len();
    desk.one(&staff, release(12)).expect("released before");
    assert_eq!(desk.history.len(), length);
    let Some(RoomEvent::HandoffMoved { step, .. }) = desk.history.last() else {
        panic!("moved");
    };
    assert_eq!(
        *step,
        HandoffStep::Released {
            name: Some("Agent 12".into()),
            left: vec![agent(12)],
        }
    );
    assert_eq!(stage(&desk), Stage::Queued);
    let handoff = desk.state.chat.clone().expect("a chat").handoff;
    assert_eq!(handoff, first, "it waits as it did before");
    assert!(desk.one(&of_agent(12), say("still here?")).is_err());
    let admin = somebody("agent:99", Role::Admin);
    desk.one(&admin, resolve()).expect("resolved");
    desk.assert_replays();
}

#[test]
fn what_is_written_about_a_handoff_is_measured() {
    let mut desk = chat(SETTINGS_OF_NOBODY);
    let long = Command::Room(RoomCommand::Escalate {
        reason: "x".repeat(501),
        priority: Priority::Low,
    });
    let refused = desk.one(&visitor(), long).expect_err("refused");
    assert_eq!(refused.code, ErrorCode::BadField);
    assert_eq!(stage(&desk), Stage::Bot);
}

#[test]
fn other_rooms_are_no_chats() {
    let company = company_of("TES001");
    let entity = EntityId::room(company.clone(), RoomId::from_bits([8; 16]));
    let mut desk: Desk<RoomState> = Desk::new(entity);
    let create = RoomCommand::CreateRoom {
        conversation: ConversationNo(6),
        direct: false,
        participants: vec![person("ann"), person("bob")],
        history_base: 9,
        title: None,
        bot: None,
        chat: None,
    };
    let own = Caller::Entity(EntityId::company(company));
    desk.one(&own, Command::Room(create)).expect("made");
    let ann = somebody("ann", Role::Visitor);
    for command in [escalate(), assign(11), resolve()] {
        let refused = desk.one(&ann, command.clone()).expect_err("refused");
        assert_eq!(refused.code, ErrorCode::NotSupported);
        let refused = desk.one(&somebody("eve", Role::Admin), command);
        assert_eq!(refused.expect_err("refused").code, ErrorCode::UnknownRoom);
    }
}

#[test]
fn a_visitor_says_nothing_while_the_settings_cannot_be_read() {
    let mut desk = chat(SETTINGS_OF_NOBODY);
    let damaged = bytes::Bytes::from_static(b"\xc1");
    desk.rows.insert(tables::settings_key(), damaged);
    let before = desk.history.len();
    let refused = desk.one(&visitor(), say("hello"));
    assert_eq!(refused.expect_err("refused").code, ErrorCode::Internal);
    assert_eq!(desk.history.len(), before);
}
