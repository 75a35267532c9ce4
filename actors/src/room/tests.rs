//! Rules of a room, driven by random commands: what holds after every one of them.

use frontdesk_protocol::command::{Card, Principal, Role, RoomCommand, SeatKind};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::limits::{RICH_BYTES_MAX, ROOM_SEQ_MAX, TEXT_CHARS_MAX, TITLE_CHARS_MAX};
use frontdesk_protocol::{
    Cid, CompanyId, ConversationNo, ErrorCode, PersonId, Rejection, RoomId, Seq, Timestamp,
};
use frontdesk_storage::EntityId;
use proptest::prelude::*;
use std::sync::Arc;

use super::RoomState;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Known, Rules};

const NAMES: [&str; 4] = ["ann", "bob", "cy", "eve"];
/// Everyone but `eve`.
const INSIDE: usize = 3;

fn company(name: &str) -> CompanyId {
    CompanyId::new(name).expect("valid")
}

fn room() -> EntityId {
    EntityId::room(company("TES001"), RoomId::from_bits([7; 16]))
}

fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("valid")
}

fn caller(name: &str) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company("TES001"),
        person: person(name),
        role: Role::Visitor,
        card: Card::default(),
    }))
}

fn create(people: &[&str]) -> Command {
    Command::Room(RoomCommand::CreateRoom {
        conversation: ConversationNo(5),
        direct: false,
        participants: people.iter().map(|name| person(name)).collect(),
        history_base: 99,
        title: Some("Orders".to_owned()),
        bot: None,
        chat: None,
    })
}

fn change(title: Option<&str>, archived: Option<bool>) -> Command {
    let title = title.map(str::to_owned);
    Command::Room(RoomCommand::ChangeRoom { title, archived })
}

fn post(text: &str, rich: Option<&str>, reply_to: Option<u64>) -> Command {
    Command::Room(RoomCommand::PostMessage {
        text: text.to_owned(),
        rich: rich.map(str::to_owned),
        reply_to: reply_to.map(Seq),
        files: Vec::new(),
    })
}

fn mark(seq: u64) -> Command {
    Command::Room(RoomCommand::MarkRead { seq: Seq(seq) })
}

fn decide(
    state: &RoomState,
    caller: &Caller,
    command: &Command,
) -> Result<Decided<RoomEvent>, Rejection> {
    let entity = room();
    let asked = Asked {
        entity: &entity,
        caller,
        cid: Cid::from_digest([1; 16]),
        command,
    };
    state.decide(&asked, &Known::default(), Timestamp(1_000))
}

/// Decides and applies; the events.
fn run(
    state: &mut RoomState,
    caller: &Caller,
    command: &Command,
) -> Result<Vec<RoomEvent>, Rejection> {
    let decided = decide(state, caller, command)?;
    for event in &decided.events {
        state.apply(event);
    }
    Ok(decided.events)
}

fn refusal(state: &RoomState, caller: &Caller, command: &Command) -> Option<ErrorCode> {
    decide(state, caller, command).err().map(|why| why.code)
}

fn of_company() -> Caller {
    Caller::Entity(EntityId::company(company("TES001")))
}

fn created() -> RoomState {
    let mut state = RoomState::new(&room());
    run(&mut state, &of_company(), &create(&NAMES[..INSIDE])).expect("created");
    state
}

fn any_command() -> impl Strategy<Value = Command> {
    let text = prop_oneof![8 => "[a-z ]{0,12}", 1 => Just(" \t\n".to_owned())];
    let rich = prop::option::weighted(0.2, Just("{}"));
    let reply_to = prop::option::weighted(0.3, 0..40_u64);
    prop_oneof![
        6 => (text, rich, reply_to).prop_map(|(text, rich, to)| post(&text, rich, to)),
        4 => (0..60_u64).prop_map(mark),
        1 => Just(change(Some("Returns"), None)),
        1 => Just(change(Some(""), Some(true))),
        1 => Just(Command::Room(RoomCommand::AwaitAnswer)),
        1 => Just(Command::Wake),
        1 => Just(create(&["mal"])),
    ]
}

fn any_caller() -> impl Strategy<Value = Caller> {
    prop_oneof![
        8 => (0..NAMES.len()).prop_map(|index| caller(NAMES[index])),
        1 => Just(of_company()),
        1 => Just(Caller::Entity(EntityId::company(company("SPA001")))),
    ]
}

fn holds_after(before: &RoomState, after: &RoomState, events: &[RoomEvent]) {
    let shown: Vec<u64> = events
        .iter()
        .filter_map(|event| event.seq().map(|seq| seq.0))
        .collect();
    let gapless: Vec<u64> = (before.head.0 + 1..=after.head.0).collect();
    assert_eq!(shown, gapless, "invariant 1");
    for (name, seat) in &after.seats {
        assert!(
            seat.read >= before.seats[name].read,
            "a mark never goes back"
        );
        assert!(seat.read <= after.head, "a mark is never beyond the head");
    }
    let people: Vec<&str> = after.seats.keys().map(PersonId::as_str).collect();
    assert_eq!(people, NAMES[..INSIDE], "nobody gets in by asking");
}

proptest! {
    #[test]
    fn random_commands_keep_every_invariant(
        commands in prop::collection::vec((any_caller(), any_command()), 0..80)
    ) {
        let mut state = created();
        let mut history = Vec::new();
        for (caller, command) in &commands {
            let before = state.clone();
            match run(&mut state, caller, command) {
                Ok(events) => {
                    holds_after(&before, &state, &events);
                    history.extend(events);
                }
                Err(_) => prop_assert_eq!(&state, &before),
            }
        }
        let mut replayed = created();
        for event in &history {
            replayed.apply(event);
        }
        prop_assert_eq!(&replayed, &state, "the journal tells the same");
        let bytes = rmp_serde::to_vec_named(&state).expect("encodes");
        let read: RoomState = rmp_serde::from_slice(&bytes).expect("decodes");
        prop_assert_eq!(read, state, "a snapshot is the state");
    }

    #[test]
    fn strangers_are_told_of_no_room(command in any_command()) {
        let is_internal = matches!(&command, Command::Room(RoomCommand::CreateRoom { .. }));
        prop_assume!(!is_internal && command != Command::Wake);
        let told = refusal(&created(), &caller("eve"), &command);
        prop_assert_eq!(told, Some(ErrorCode::UnknownRoom));
        let nothing = refusal(&RoomState::new(&room()), &caller("ann"), &command);
        prop_assert_eq!(nothing, Some(ErrorCode::UnknownRoom));
    }
}

#[test]
fn a_text_is_measured_in_characters() {
    let ann = caller("ann");
    let longest = "\u{1F600}".repeat(TEXT_CHARS_MAX);
    assert_eq!(longest.len(), 4 * TEXT_CHARS_MAX);
    assert_eq!(refusal(&created(), &ann, &post(&longest, None, None)), None);
    let longer = format!("{longest}x");
    let told = refusal(&created(), &ann, &post(&longer, None, None));
    assert_eq!(told, Some(ErrorCode::TextTooLong));
    for empty in [
        "",
        " ",
        "\u{2003}\n\t",
        "\u{200b}",
        " \u{feff}\u{ad}\n\u{2060}",
    ] {
        let told = refusal(&created(), &ann, &post(empty, None, None));
        assert_eq!(told, Some(ErrorCode::TextEmpty), "{empty:?}");
    }
}

#[test]
fn invisible_characters_beside_visible_ones_are_kept() {
    let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}";
    for text in [
        family,
        "\u{feff}hi\u{200b}",
        " \u{200c}.",
        "\u{2764}\u{fe0f}",
    ] {
        let events = run(&mut created(), &caller("ann"), &post(text, None, None));
        let RoomEvent::MessagePosted(message) = &events.expect("posted")[0] else {
            panic!("a message");
        };
        assert_eq!(&*message.text, text);
    }
}

#[test]
fn a_rich_part_is_kept_measured_and_enough_without_text() {
    let mut state = created();
    let largest = "x".repeat(RICH_BYTES_MAX);
    let events = run(&mut state, &caller("ann"), &post("", Some(&largest), None));
    let RoomEvent::MessagePosted(message) = &events.expect("posted")[0] else {
        panic!("a message");
    };
    assert_eq!(message.rich.as_deref(), Some(largest.as_str()));
    let larger = format!("{largest}x");
    let told = refusal(&state, &caller("ann"), &post("text", Some(&larger), None));
    assert_eq!(told, Some(ErrorCode::BadField));
}

#[test]
fn a_reply_answers_what_is_in_the_room() {
    let mut state = created();
    let ann = caller("ann");
    let told = refusal(&state, &ann, &post("a", None, Some(1)));
    assert_eq!(told, Some(ErrorCode::BadField));
    run(&mut state, &ann, &post("a", None, None)).expect("posted");
    assert_eq!(refusal(&state, &ann, &post("b", None, Some(1))), None);
    for elsewhere in [0, 2, u64::MAX] {
        let told = refusal(&state, &ann, &post("b", None, Some(elsewhere)));
        assert_eq!(told, Some(ErrorCode::BadField));
    }
}

#[test]
fn a_room_is_full_at_the_last_number() {
    let mut state = created();
    state.head = Seq(ROOM_SEQ_MAX - 1);
    run(&mut state, &caller("ann"), &post("last", None, None)).expect("posted");
    assert_eq!(state.head, Seq(ROOM_SEQ_MAX));
    let told = refusal(&state, &caller("ann"), &post("more", None, None));
    assert_eq!(told, Some(ErrorCode::RoomFull));
    let marked = decide(&state, &caller("bob"), &mark(u64::MAX)).expect("marked");
    let read = Seq(ROOM_SEQ_MAX);
    assert_eq!(marked.answer, Answer::Marked { read });
}

#[test]
fn only_its_own_company_makes_a_room_and_only_once() {
    let fresh = RoomState::new(&room());
    let command = create(&["ann"]);
    let strangers = [
        caller("ann"),
        Caller::Entity(room()),
        Caller::Entity(EntityId::company(company("SPA001"))),
    ];
    for stranger in strangers {
        assert_eq!(
            refusal(&fresh, &stranger, &command),
            Some(ErrorCode::Forbidden)
        );
    }
    let mut state = created();
    let before = state.clone();
    let again = run(&mut state, &of_company(), &create(&["mal"])).expect("tolerated");
    assert!(again.is_empty());
    assert_eq!(state, before);
    assert_eq!(state.conversation, ConversationNo(5));
}

#[test]
fn ones_own_words_are_read_and_a_repeat_tells_the_first_place() {
    let mut state = created();
    run(&mut state, &caller("ann"), &post("a", None, None)).expect("posted");
    assert_eq!(state.seats[&person("ann")].read, Seq(1));
    assert_eq!(state.seats[&person("bob")].read, Seq(0));
    let entity = room();
    let (ann, command) = (caller("ann"), post("a", None, None));
    let asked = Asked {
        entity: &entity,
        caller: &ann,
        cid: Cid::from_digest([1; 16]),
        command: &command,
    };
    let repeated = state.repeat(&asked, 1, Timestamp(7));
    let (seq, at, dup) = (Seq(1), Timestamp(7), true);
    assert_eq!(repeated, Answer::Posted { seq, at, dup });
}

#[test]
fn a_title_and_the_archive_change_only_when_they_do() {
    let mut state = created();
    assert_eq!(state.title.as_deref(), Some("Orders"));
    let ann = caller("ann");
    let nothing = run(&mut state, &ann, &change(Some("Orders"), Some(false)));
    assert_eq!(nothing.expect("allowed"), []);
    run(&mut state, &ann, &change(Some("Returns"), Some(true))).expect("changed");
    assert_eq!(
        (state.title.as_deref(), state.archived),
        (Some("Returns"), true)
    );
    run(&mut state, &ann, &change(Some(""), None)).expect("changed");
    assert_eq!((state.title.as_deref(), state.archived), (None, true));
    let longer = "x".repeat(TITLE_CHARS_MAX + 1);
    let told = refusal(&state, &ann, &change(Some(&longer), None));
    assert_eq!(told, Some(ErrorCode::BadField));
}

#[test]
fn who_opens_a_room_owns_it_and_a_bot_serves_it() {
    let bot = PersonId::bot("echo").expect("valid");
    let mut state = RoomState::new(&room());
    state.apply(&RoomEvent::RoomCreated {
        at: Timestamp(5),
        conversation: ConversationNo(1),
        direct: false,
        participants: vec![person("bob"), person("ann"), bot.clone()],
        history_base: 1,
        title: None,
        bot: Some(bot.clone()),
        chat: None,
    });
    let kind = |name: &PersonId| state.seats[name].kind;
    let kinds = (kind(&person("bob")), kind(&person("ann")), kind(&bot));
    assert_eq!(kinds, (SeatKind::Owner, SeatKind::Member, SeatKind::Agent));
    assert_eq!(state.seats[&bot].joined_at, Timestamp(5));
}
