//! What a room's rules cost: deciding a command and applying what was decided, without the engine,
//! the journal or a connection around them.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use frontdesk_actors::entity::{Asked, Caller, Command, Known, Rules};
use frontdesk_actors::room::RoomState;
use frontdesk_protocol::command::{Card, Principal, Role, RoomCommand};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{Cid, CompanyId, ConversationNo, PersonId, RoomId, Seq, Timestamp};
use frontdesk_storage::EntityId;

/// Commands that are decided together.
const BATCH_COMMAND_COUNTS: [usize; 2] = [1, 64];
/// People of a room.
const PERSON_COUNTS: [usize; 2] = [2, 256];
/// Messages that stand in a room before anything is measured: as many as marks in a batch.
const MESSAGE_COUNT: u64 = 64;
/// Any time.
const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// Two lines of chat.
const TEXT: &str = "My order 4711 has not come yet, and the tracking page shows nothing since \
                    Monday. Could you please have a look?";

fn company() -> CompanyId {
    CompanyId::new("TES001").expect("a valid id")
}

fn entity() -> EntityId {
    EntityId::room(company(), RoomId::from_bits([7; 16]))
}

fn person(number: usize) -> PersonId {
    PersonId::new(&number.to_string()).expect("a valid id")
}

fn caller(number: usize) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company(),
        person: person(number),
        role: Role::Agent,
        card: Card {
            name: Some(Arc::from("Ada Lovelace")),
            email: Some(Arc::from("ada@example.org")),
            ..Card::default()
        },
    }))
}

fn cid(number: usize) -> Cid {
    let mut bits = [7; 16];
    bits[8..].copy_from_slice(&(number as u64).to_be_bytes());
    Cid::from_bits(bits)
}

fn post(number: usize) -> (Caller, Cid, Command) {
    let say = RoomCommand::PostMessage {
        text: TEXT.to_owned(),
        rich: None,
        reply_to: None,
        files: Vec::new(),
    };
    (caller(0), cid(number), Command::Room(say))
}

/// Marks that all move something: those who did not write take turns, each mark higher than before.
fn mark(number: usize, person_count: usize) -> (Caller, Cid, Command) {
    let reader = 1 + number % (person_count - 1);
    let seq = Seq(1 + number as u64 % MESSAGE_COUNT);
    let mark = Command::Room(RoomCommand::MarkRead { seq });
    (caller(reader), cid(number), mark)
}

/// A room of these people in which the first one has said something.
fn room(person_count: usize) -> RoomState {
    let mut state = RoomState::new(&entity());
    state.apply(&RoomEvent::RoomCreated {
        at: NOW,
        conversation: ConversationNo(1),
        direct: false,
        participants: (0..person_count).map(person).collect(),
        history_base: 7,
        title: None,
        bot: None,
        chat: None,
    });
    for number in 0..MESSAGE_COUNT as usize {
        decide_and_apply(&mut state, &entity(), &post(number));
    }
    state
}

fn decide_and_apply(
    state: &mut RoomState,
    entity: &EntityId,
    (caller, cid, command): &(Caller, Cid, Command),
) {
    let asked = Asked {
        entity,
        caller,
        cid: *cid,
        command,
    };
    let decided = state.decide(&asked, &Known::default(), NOW);
    let decided = decided.expect("the room's people may do this");
    assert_eq!(decided.events.len(), 1, "each command changes something");
    for event in &decided.events {
        state.apply(event);
    }
    black_box(decided);
}

type MakeCommand = fn(usize, usize) -> (Caller, Cid, Command);

fn rules(criterion: &mut Criterion) {
    let entity = entity();
    let commands: [(&str, MakeCommand); 2] = [
        ("post_message", |number, _| post(number)),
        ("mark_read", mark),
    ];
    for (name, make) in commands {
        let mut group = criterion.benchmark_group(format!("room_{name}"));
        for person_count in PERSON_COUNTS {
            let state = room(person_count);
            for batch_count in BATCH_COMMAND_COUNTS {
                let batch: Vec<_> = (0..batch_count)
                    .map(|number| make(number, person_count))
                    .collect();
                group.throughput(Throughput::Elements(batch_count as u64));
                let name = format!("people_{person_count}_batch_{batch_count}");
                group.bench_function(name, |bencher| {
                    // A mark moves once, so every round starts from the same room.
                    bencher.iter_batched_ref(
                        || state.clone(),
                        |state| {
                            for command in &batch {
                                decide_and_apply(state, &entity, black_box(command));
                            }
                        },
                        BatchSize::SmallInput,
                    );
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, rules);
criterion_main!(benches);
