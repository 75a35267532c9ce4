//! Rules of a company, driven by random commands over rows kept as the store would keep them.

use std::collections::BTreeSet;
use std::sync::Arc;

use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::limits::OPEN_PARTICIPANT_COUNT_MAX;
use frontdesk_protocol::{CompanyId, ConversationNo, ErrorCode, PersonId, RoomId};
use frontdesk_storage::EntityId;
use proptest::prelude::*;

use super::CompanyState;
use super::tables;
use crate::entity::{Answer, Caller, Command, Rules};
use crate::tests::desk::Desk;

const NAMES: [&str; 4] = ["ann", "bob", "cy", "dee"];

fn company() -> EntityId {
    EntityId::company(CompanyId::new("TES001").expect("valid"))
}

fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("valid")
}

fn caller(name: &str) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company().company,
        person: person(name),
        role: Role::Agent,
        card: Card::default(),
    }))
}

fn named(name: &str) -> Card {
    Card {
        name: Some(name.into()),
        ..Card::default()
    }
}

fn open(room: u64, others: &[&str], direct: bool) -> Command {
    let mut bits = [0; 16];
    bits[8..].copy_from_slice(&room.to_be_bytes());
    Command::Company(CompanyCommand::OpenRoom {
        room: RoomId::from_bits(bits),
        history_base: room,
        participants: others.iter().map(|name| person(name)).collect(),
        direct,
        title: None,
        bot: None,
        chat: None,
    })
}

fn know(name: &str, card: Card) -> Command {
    Command::Company(CompanyCommand::KnowPerson {
        person: person(name),
        card,
        by_host: false,
    })
}

fn desk() -> Desk<CompanyState> {
    Desk::new(company())
}

impl Desk<CompanyState> {
    fn card(&self, name: &str) -> Option<Card> {
        let value = self.rows.get(&tables::person_key(&person(name)))?;
        tables::read_card(value)
    }

    /// Every room that was opened: number, whether direct, its people.
    fn opened(&self) -> Vec<(u64, bool, Vec<PersonId>)> {
        let opened = self.history.iter().filter_map(|event| match event {
            CompanyEvent::RoomOpened {
                conversation,
                direct,
                participants,
                ..
            } => Some((conversation.0, *direct, participants.clone())),
            _ => None,
        });
        opened.collect()
    }
}

fn any_command() -> impl Strategy<Value = (Caller, Command)> {
    let who = 0..NAMES.len();
    let others = prop::collection::vec(0..NAMES.len(), 0..5);
    let opening = (any::<u64>(), who.clone(), others, any::<bool>());
    let opening = opening.prop_map(|(room, who, others, direct)| {
        let others: Vec<&str> = others.into_iter().map(|index| NAMES[index]).collect();
        (caller(NAMES[who]), open(room, &others, direct))
    });
    let knowing = (who.clone(), who, 0..3_u8).prop_map(|(who, whom, name)| {
        (
            caller(NAMES[who]),
            know(NAMES[whom], named(&name.to_string())),
        )
    });
    prop_oneof![5 => opening, 2 => knowing]
}

proptest! {
    #[test]
    fn random_commands_keep_every_invariant(
        batches in prop::collection::vec(prop::collection::vec(any_command(), 1..8), 0..12)
    ) {
        let mut desk = desk();
        for batch in &batches {
            desk.batch(batch);
        }
        let opened = desk.opened();
        let numbers: Vec<u64> = opened.iter().map(|(number, ..)| *number).collect();
        let gapless: Vec<u64> = (1..=opened.len() as u64).collect();
        prop_assert_eq!(numbers, gapless, "invariant 1");
        let mut pairs = BTreeSet::new();
        for (_, direct, people) in &opened {
            let each: BTreeSet<&PersonId> = people.iter().collect();
            prop_assert_eq!(each.len(), people.len(), "everyone once");
            if *direct {
                prop_assert_eq!(people.len(), 2);
                prop_assert!(pairs.insert(tables::pair(&people[0], &people[1])), "invariant 2");
            }
            for other in &people[1..] {
                prop_assert!(desk.card(other.as_str()).is_some(), "who is named becomes known");
            }
        }
        let mut replayed = CompanyState::new(&company());
        for event in &desk.history {
            replayed.apply(event);
        }
        prop_assert_eq!(replayed.last_conversation, desk.state.last_conversation);
        desk.state.begin_batch();
        let bytes = rmp_serde::to_vec_named(&desk.state).expect("encodes");
        let read: CompanyState = rmp_serde::from_slice(&bytes).expect("decodes");
        prop_assert_eq!(read, desk.state, "a snapshot is the state between batches");
    }

    #[test]
    fn a_name_that_is_known_is_never_forgotten(
        batches in prop::collection::vec(prop::collection::vec(any_command(), 1..8), 0..12)
    ) {
        let mut desk = desk();
        for batch in &batches {
            let before: Vec<Option<Card>> = NAMES.iter().map(|name| desk.card(name)).collect();
            desk.batch(batch);
            for (name, before) in NAMES.iter().zip(before) {
                let had_name = before.is_some_and(|card| card.name.is_some());
                let has_name = desk.card(name).is_some_and(|card| card.name.is_some());
                prop_assert!(!had_name || has_name, "{}", name);
            }
        }
    }
}

#[test]
fn a_pair_has_one_room_whoever_asks_and_however_the_pair_is_named() {
    let mut desk = desk();
    let first = desk
        .one(&caller("ann"), open(1, &["bob"], true))
        .expect("opened");
    let Answer::Opened { room, created, .. } = first else {
        panic!("not opened: {first:?}");
    };
    assert!(created);
    let again = [
        (caller("ann"), open(2, &["bob"], true)),
        (caller("bob"), open(3, &["ann"], true)),
        (caller("ann"), open(4, &["ann", "bob"], true)),
        (caller("bob"), open(5, &["ann", "ann", "bob"], true)),
    ];
    for (who, command) in again {
        let conversation = ConversationNo(1);
        let found = Answer::Opened {
            room,
            conversation,
            created: false,
        };
        assert_eq!(desk.one(&who, command), Ok(found));
    }
    let other = desk
        .one(&caller("ann"), open(6, &["bob"], false))
        .expect("opened");
    assert!(
        matches!(other, Answer::Opened { created: true, .. }),
        "not direct: a new one"
    );
}

#[test]
fn a_direct_room_is_of_two() {
    let mut desk = desk();
    for others in [vec![], vec!["ann"], vec!["bob", "cy"]] {
        let refused = desk.one(&caller("ann"), open(1, &others, true));
        assert_eq!(refused.expect_err("refused").code, ErrorCode::BadField);
    }
}

#[test]
fn a_room_is_opened_for_as_many_as_may_be_named_and_repeats_are_one_person() {
    let names: Vec<String> = (0..=OPEN_PARTICIPANT_COUNT_MAX)
        .map(|i| format!("p{i}"))
        .collect();
    let mut others: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut desk = desk();
    let refused = desk.one(&caller("ann"), open(1, &others, false));
    assert_eq!(refused.expect_err("refused").code, ErrorCode::BadField);
    desk.one(&caller("p254"), know("p254", named("Known")))
        .expect("known");
    others.truncate(OPEN_PARTICIPANT_COUNT_MAX - 1);
    others.insert(0, "p1");
    desk.one(&caller("ann"), open(1, &others, false))
        .expect("opened");
    assert_eq!(desk.opened()[0].2.len(), OPEN_PARTICIPANT_COUNT_MAX);
    assert_eq!(
        desk.card("p254"),
        Some(named("Known")),
        "known people stay as they are"
    );
}

#[test]
fn cards_are_completed_and_only_ones_own() {
    let mut desk = desk();
    desk.one(&caller("ann"), open(1, &["bob"], false))
        .expect("opened");
    assert_eq!(desk.card("bob"), Some(Card::default()));
    desk.one(&caller("bob"), know("bob", named("Bob")))
        .expect("known");
    let count = desk.history.len();
    desk.one(&caller("bob"), know("bob", Card::default()))
        .expect("known");
    assert_eq!(desk.history.len(), count, "nothing new is no event");
    assert_eq!(desk.card("bob"), Some(named("Bob")));
    let refused = desk.one(&caller("eve"), know("bob", named("Not Bob")));
    assert_eq!(refused.expect_err("refused").code, ErrorCode::Forbidden);
    assert_eq!(desk.card("bob"), Some(named("Bob")));
}

#[test]
fn an_opened_room_is_owed_to_the_room_and_waited_for() {
    let mut desk = desk();
    let answer = desk
        .one(&caller("ann"), open(9, &["bob"], false))
        .expect("opened");
    let event = desk.history.last().expect("an event");
    let effect = desk
        .state
        .effects(&company(), event)
        .pop()
        .expect("an effect");
    assert_eq!(
        desk.state.waits_for(&company(), &answer),
        Some(effect.to.clone())
    );
    let Command::Room(RoomCommand::CreateRoom {
        conversation,
        participants,
        history_base,
        ..
    }) = effect.command
    else {
        panic!("another effect");
    };
    assert_eq!((conversation, history_base), (ConversationNo(1), 9));
    assert_eq!(participants, [person("ann"), person("bob")]);
}

#[test]
fn entities_open_no_rooms_and_rooms_commands_are_not_the_companys() {
    let mut desk = desk();
    let refused = desk.one(&Caller::Entity(company()), open(1, &["bob"], false));
    assert_eq!(refused.expect_err("refused").code, ErrorCode::Forbidden);
    let command = Command::Room(RoomCommand::MarkRead {
        seq: frontdesk_protocol::Seq(1),
    });
    let refused = desk.one(&caller("ann"), command);
    assert_eq!(refused.expect_err("refused").code, ErrorCode::NotSupported);
}

#[test]
fn a_room_id_that_was_given_before_is_found_and_not_given_again() {
    let mut desk = desk();
    desk.one(&caller("ann"), open(1, &["bob"], false))
        .expect("opened");
    let again = desk
        .one(&caller("ann"), open(1, &["cy"], false))
        .expect("found");
    assert!(
        matches!(
            again,
            Answer::Opened {
                conversation: ConversationNo(1),
                created: false,
                ..
            }
        ),
        "{again:?}"
    );
    assert_eq!(desk.opened().len(), 1);
}

#[test]
fn what_the_host_says_counts_for_more_than_what_tokens_say() {
    let mut desk = desk();
    let mut admin = Principal {
        company: company().company,
        person: person("boss"),
        role: Role::Admin,
        card: Card::default(),
    };
    let by_host = |name: &str| {
        Command::Company(CompanyCommand::KnowPerson {
            person: person("ann"),
            card: named(name),
            by_host: true,
        })
    };
    let told = |admin: &Principal| Caller::Person(Arc::new(admin.clone()));
    desk.one(&caller("ann"), know("ann", named("Claimed")))
        .expect("known");
    desk.one(&told(&admin), by_host("Said")).expect("known");
    let mut claimed = named("Claimed");
    claimed.email = Some("ann@example.com".into());
    desk.one(&caller("ann"), know("ann", claimed))
        .expect("known");
    let card = desk.card("ann").expect("known");
    assert_eq!(card.name.as_deref(), Some("Said"));
    assert_eq!(card.email.as_deref(), Some("ann@example.com"));
    desk.one(&told(&admin), by_host("Said anew"))
        .expect("known");
    assert_eq!(
        desk.card("ann").expect("known").name.as_deref(),
        Some("Said anew")
    );
    for role in [Role::Visitor, Role::Agent] {
        admin.role = role;
        let refused = desk.one(&told(&admin), by_host("Mallory"));
        assert_eq!(refused.expect_err("refused").code, ErrorCode::Forbidden);
    }
    let refused = desk.one(&caller("ann"), by_host("Me"));
    assert_eq!(refused.expect_err("refused").code, ErrorCode::Forbidden);
}
