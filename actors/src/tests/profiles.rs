//! Visitors' answers taken away: from the company, the chat and what is known of them, and not
//! brought back by what comes again. What administrators do is noted.

use std::sync::Arc;

use frontdesk_protocol::chat::{ChatOpening, FormAnswers, Stage};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Prompt, Role, RoomCommand};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::settings::{CompanySettings, FormChoice};
use frontdesk_protocol::staff::{Account, PasswordHash, StaffCard, StaffCommand};
use frontdesk_protocol::{
    AccountNo, ChatId, ConversationNo, ErrorCode, PersonId, RoomId, Timestamp,
};
use frontdesk_storage::EntityId;

use super::desk::Desk;
use super::{company_of, person};
use crate::VisitorProfile;
use crate::company::CompanyState;
use crate::company::tables::{self, RoomRow};
use crate::entity::{Answer, Caller, Command, Effect};
use crate::form::FormSpec;
use crate::room::RoomState;

fn company() -> EntityId {
    EntityId::company(company_of("TES001"))
}

fn staff() -> EntityId {
    EntityId::staff(company_of("TES001"))
}

fn room() -> EntityId {
    EntityId::room(company_of("TES001"), RoomId::from_bits([7; 16]))
}

fn somebody(name: &str, role: Role) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company_of("TES001"),
        person: person(name),
        role,
        card: Card::default(),
    }))
}

fn admin() -> Caller {
    somebody("boss", Role::Admin)
}

fn answers() -> FormAnswers {
    let said = [("name", "Ada"), ("email", "ada@x.example"), ("phone", "12")];
    let pairs = said.map(|(key, text)| (key.to_owned(), Some(text.to_owned())));
    pairs.into()
}

fn keep(form_no: u64) -> Command {
    Command::Company(CompanyCommand::KeepProfile {
        person: person("visitor:1"),
        answers: answers(),
        form_no,
    })
}

fn drop_profile(no: u64, whose: &str) -> Command {
    let person = person(whose);
    Command::Company(CompanyCommand::DropProfile { no, person })
}

/// A company that opened the room: of any other it keeps nothing.
fn company_desk() -> Desk<CompanyState> {
    let mut desk = Desk::new(company());
    let room = RoomId::from_bits([7; 16]);
    let conversation = ConversationNo(5);
    let row = tables::set(tables::room_key(&room), &RoomRow { room, conversation });
    desk.rows.insert(row.key, row.value.expect("set"));
    desk
}

fn card_of(desk: &Desk<CompanyState>) -> Card {
    let row = desk.rows.get(&tables::person_key(&person("visitor:1")));
    row.and_then(tables::read_card).unwrap_or_default()
}

fn profile(desk: &Desk<CompanyState>, no: u64) -> Option<VisitorProfile> {
    desk.row(&tables::profile_key(no))
}

/// What the audit log is told: the number, the act, to what.
fn noted(effects: &[Effect]) -> Vec<(u64, String, String)> {
    let told = effects.iter().filter_map(|effect| match &effect.command {
        Command::Staff(StaffCommand::NoteAct {
            act_no,
            act,
            subject,
            by,
            ..
        }) => {
            assert_eq!((&effect.to, by.as_str()), (&staff(), "boss"));
            Some((*act_no, act.to_string(), subject.to_string()))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn answers_that_were_taken_away_are_not_kept_when_they_come_again() {
    let mut desk = company_desk();
    let own = Caller::Entity(room());
    desk.one(&own, keep(6)).expect("kept");
    assert_eq!(card_of(&desk).name.as_deref(), Some("Ada"));
    for (caller, no, whose, code) in [
        (admin(), 1, "visitor:2", ErrorCode::NotFound),
        (admin(), 2, "visitor:1", ErrorCode::NotFound),
        (
            somebody("ann", Role::Agent),
            1,
            "visitor:1",
            ErrorCode::Forbidden,
        ),
    ] {
        let refused = desk.one(&caller, drop_profile(no, whose));
        assert_eq!(refused.expect_err("refused").code, code);
    }
    // The second in one batch finds it gone.
    let command = drop_profile(1, "visitor:1");
    let told = desk.batch(&[(admin(), command.clone()), (admin(), command)]);
    assert!(matches!(&told[0], Ok(Answer::Numbered { owed_to: Some(to), .. }) if *to == room()));
    assert!(told[1].is_err());
    assert_eq!((profile(&desk, 1), card_of(&desk)), (None, Card::default()));
    let forget = Command::Room(RoomCommand::ForgetForm { form_no: 6 });
    let is_told = |effect: &&Effect| effect.to == room() && effect.command == forget;
    assert_eq!(desk.effects.iter().filter(is_told).count(), 1);
    let dropped = (1, "profile_dropped".to_owned(), "1".to_owned());
    assert_eq!(noted(&desk.effects), [dropped]);
    // The room did not hear that it had told, and tells again.
    let length = desk.history.len();
    for form_no in [6, 3] {
        assert_eq!(desk.one(&own, keep(form_no)), Ok(Answer::Done));
    }
    assert_eq!(desk.history.len(), length);
    // The visitor answered anew.
    desk.one(&own, keep(7)).expect("kept");
    assert!(profile(&desk, 1).is_none() && profile(&desk, 2).is_some());
    desk.one(&own, keep(6)).expect("known");
    desk.one(&own, keep(8)).expect("kept");
    assert!(profile(&desk, 2).is_some() && profile(&desk, 3).is_none());
    desk.assert_replays();
}

#[test]
fn what_a_host_says_of_a_visitor_stays() {
    let mut desk = company_desk();
    let card = Card {
        name: Some("Ada".into()),
        ..Card::default()
    };
    let know = Command::Company(CompanyCommand::KnowPerson {
        person: person("visitor:1"),
        card,
        by_host: true,
    });
    desk.one(&admin(), know).expect("known");
    desk.one(&Caller::Entity(room()), keep(1)).expect("kept");
    desk.one(&admin(), drop_profile(1, "visitor:1"))
        .expect("dropped");
    let card = card_of(&desk);
    assert_eq!((card.name.as_deref(), card.email), (Some("Ada"), None));
}

#[test]
fn a_profile_from_before_answers_had_numbers_keeps_its_own() {
    let mut desk = company_desk();
    let bits = RoomId::from_bits([7; 16]);
    let row = tables::set(tables::profile_room_key(&bits), &(4_u64, Timestamp(9)));
    desk.rows.insert(row.key, row.value.expect("set"));
    desk.one(&Caller::Entity(room()), keep(1)).expect("kept");
    let kept = profile(&desk, 4).expect("the same");
    assert_eq!(kept.created_at, Timestamp(9));
}

#[test]
fn prompts_are_noted_with_their_number_and_nothing_they_say() {
    let mut desk = company_desk();
    let prompt = Prompt {
        id: 1,
        title: "A secret".to_owned(),
        text: "secret".to_owned(),
        order: 1,
        active: true,
    };
    let prompts = vec![prompt];
    let set = Command::Company(CompanyCommand::SetPrompts { prompts });
    // Two in one batch have two numbers.
    for told in desk.batch(&[(admin(), set.clone()), (admin(), set)]) {
        let waits =
            matches!(&told, Ok(Answer::Numbered { owed_to: Some(to), .. }) if *to == staff());
        assert!(waits, "{told:?}");
    }
    let note = |no| (no, "prompts_set".to_owned(), "1".to_owned());
    assert_eq!(noted(&desk.effects), [note(1), note(2)]);
    desk.assert_replays();
}

/// A visitor's chat with this agent in its company's rows.
fn chat(no: u64) -> Desk<RoomState> {
    let mut desk = Desk::new(room());
    let account = Account {
        no: AccountNo(no),
        role: Role::Agent,
        card: StaffCard::default(),
        password: PasswordHash::new(""),
        is_first_login: false,
        availability: Default::default(),
        created_at: Timestamp(1),
        active_at: Timestamp(1),
        valid_from: Timestamp(1),
        is_removed: false,
    };
    let row = tables::set(tables::account_key(AccountNo(no)), &account);
    desk.rows.insert(row.key, row.value.expect("set"));
    let create = RoomCommand::CreateRoom {
        conversation: ConversationNo(5),
        direct: false,
        participants: vec![person("visitor:1")],
        history_base: 9,
        title: None,
        bot: None,
        chat: Some(ChatOpening {
            id: ChatId::new("c1").expect("valid"),
            language: "en".into(),
        }),
    };
    let made = desk.one(&Caller::Entity(company()), Command::Room(create));
    made.expect("made");
    desk
}

fn answered(desk: &Desk<RoomState>, key: &str) -> Option<String> {
    let chat = desk.state.chat.as_ref().expect("a chat");
    assert!(chat.form.as_ref().is_some_and(|form| form.is_complete()));
    chat.answer(key).map(str::to_owned)
}

#[test]
fn a_chat_forgets_what_the_company_took_away_and_nothing_later() {
    let mut desk = chat(11);
    let visitor = somebody("visitor:1", Role::Visitor);
    let forget = |form_no| Command::Room(RoomCommand::ForgetForm { form_no });
    let fill = Command::Room(RoomCommand::AnswerForm {
        answers: [("name".to_owned(), Some("Ada".to_owned()))].into(),
    });
    desk.one(&visitor, fill.clone()).expect("taken");
    for caller in [&visitor, &admin(), &Caller::Entity(staff())] {
        let refused = desk.one(caller, forget(1)).expect_err("refused");
        assert_eq!(refused.code, ErrorCode::Forbidden);
    }
    let own = Caller::Entity(company());
    desk.one(&own, forget(0)).expect("of before");
    assert_eq!(answered(&desk, "name").as_deref(), Some("Ada"));
    desk.one(&own, forget(1)).expect("forgotten");
    assert_eq!(answered(&desk, "name"), None);
    let length = desk.history.len();
    desk.one(&own, forget(1)).expect("forgotten before");
    assert_eq!(desk.history.len(), length);
    desk.one(&visitor, fill).expect("answered anew");
    desk.one(&own, forget(1)).expect("of before");
    assert_eq!(answered(&desk, "name").as_deref(), Some("Ada"));
    desk.assert_replays();
}

#[test]
fn what_administrators_do_to_a_chat_is_noted_and_what_agents_do_is_not() {
    let mut desk = chat(11);
    let visitor = somebody("visitor:1", Role::Visitor);
    let agent = PersonId::of_account(AccountNo(11));
    let own = somebody(agent.as_str(), Role::Agent);
    let escalate = Command::Room(RoomCommand::Escalate {
        reason: String::new(),
        priority: Default::default(),
    });
    let assign = Command::Room(RoomCommand::Assign { agent });
    let resolve = Command::Room(RoomCommand::Resolve {
        notes: "a secret".to_owned(),
    });
    for caller in [&own, &admin()] {
        desk.one(&visitor, escalate.clone()).expect("escalated");
        desk.one(caller, assign.clone()).expect("assigned");
        desk.one(caller, resolve.clone()).expect("resolved");
    }
    let stage = desk.state.chat.as_ref().map(|chat| chat.stage);
    assert_eq!(stage, Some(Stage::Resolved));
    let told = desk
        .effects
        .iter()
        .filter_map(|effect| match &effect.command {
            Command::Staff(StaffCommand::NoteChatAct {
                seq,
                by,
                act,
                account,
                subject,
                ..
            }) => {
                assert_eq!(
                    (&effect.to, by.as_str(), &**subject),
                    (&staff(), "boss", "c1")
                );
                Some((seq.0, act.to_string(), account.map(|no| no.0)))
            }
            _ => None,
        });
    let expected = [
        (5, "chat_assigned".to_owned(), Some(11)),
        (6, "chat_resolved".to_owned(), None),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_missing_of_a_form_of_ones_own_is_asked_once_and_not_while_a_person_has_the_chat() {
    let mut desk = chat(11);
    desk.state.bot = Some(super::turns::bot());
    let mut form = FormSpec::profile().clone();
    form.steps
        .retain(|step| ["name", "address"].contains(&step.key.as_str()));
    let settings = CompanySettings {
        form: FormChoice::Own(serde_json::to_string(&form).expect("text").into()),
        ..CompanySettings::default()
    };
    let row = tables::set(tables::settings_key(), &settings);
    desk.rows.insert(row.key, row.value.expect("set"));
    let visitor = somebody("visitor:1", Role::Visitor);
    let fill = |key: &str, text: &str| {
        let answers = [(key.to_owned(), Some(text.to_owned()))].into();
        Command::Room(RoomCommand::AnswerForm { answers })
    };
    let asked = |desk: &Desk<RoomState>| {
        let said = desk.history.iter().filter_map(|event| match event {
            RoomEvent::MessagePosted(message) => message.rich.clone(),
            _ => None,
        });
        said.map(|rich| rich.contains("address"))
            .collect::<Vec<_>>()
    };
    for _ in 0..2 {
        desk.one(&visitor, fill("name", "Ada")).expect("kept");
    }
    assert_eq!(asked(&desk), [true]);
    let is_kept = |effect: &&Effect| {
        matches!(
            effect.command,
            Command::Company(CompanyCommand::KeepProfile { .. })
        )
    };
    assert_eq!(desk.effects.iter().filter(is_kept).count(), 0);
    let said = desk.one(&visitor, super::say("1 Road, Kathmandu"));
    assert!(said.is_ok(), "{said:?}");
    assert_eq!(
        answered(&desk, "address").as_deref(),
        Some("1 Road, Kathmandu")
    );
    assert_eq!(desk.effects.iter().filter(is_kept).count(), 1);
    // Who is through stays through, and a person's chat is not for the bot to ask in.
    desk.one(&visitor, fill("name", "Eve")).expect("kept");
    assert_eq!(desk.effects.iter().filter(is_kept).count(), 2);
    let mut other = chat(11);
    other.state.bot = Some(super::turns::bot());
    other.rows.extend(desk.rows.clone());
    let escalate = Command::Room(RoomCommand::Escalate {
        reason: String::new(),
        priority: Default::default(),
    });
    other.one(&visitor, escalate).expect("escalated");
    other.one(&visitor, fill("name", "Ada")).expect("kept");
    assert_eq!(asked(&other), [false; 0]);
}
