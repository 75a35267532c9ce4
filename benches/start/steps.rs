//! What the children of the bench do, each in a process of its own: build a store, start on one, or
//! visit each of its rooms once. They print figures, one a line, for the parent to read.
//!
//! Invariant: the first line comes when the node listens.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use frontdesk::config::{Config, Secret};
use frontdesk::node::{Running, open_store, start_on};
use frontdesk_actors::clock::{fresh_cid, fresh_history_base, fresh_room_id};
use frontdesk_actors::edge::EphemeralKey;
use frontdesk_actors::{Answer, Command, DialectId, Joining, Listener, Node, Outcome, Start};
use frontdesk_loadtest::clock::Clock;
use frontdesk_loadtest::usage::rss_bytes;
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::native::{PageFrom, RoomName};
use frontdesk_protocol::{CompanyId, ConversationNo, PersonId, RoomId};
use frontdesk_storage::{Durability, EntityId, Journal, Store};
use futures_util::{StreamExt, stream};

use crate::Options;

/// Rooms that are built at the same time.
const BUILT_AT_ONCE_COUNT: usize = 256;
/// How long a room is awake for nothing while many are built, milliseconds.
const IDLE_MS: u64 = 1_000;
/// How long everything may take to fall asleep, milliseconds.
const DRAIN_MS: u64 = 120_000;
/// How long rooms may owe lists what they show of them, milliseconds.
const OWED_MS_MAX: u64 = 60_000;
/// Pause between two looks whether any does, milliseconds.
const OWED_LOOK_MS: u64 = 20;
/// Events of a page.
const PAGE_EVENT_COUNT: usize = 50;
/// Threads that read the store, as the server has them.
const BLOCKING_THREAD_COUNT: usize = 8;
/// Two lines of chat.
const TEXT: &str = "My order 4711 has not come yet, and the tracking page shows nothing since \
                    Monday. Could you please have a look?";

/// What a child does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Makes rooms and fills them.
    Build,
    /// Starts and stops.
    Start,
    /// Posts to each room.
    Wake,
    /// Joins each room.
    Join,
    /// Reads the last page of each room, as over HTTP.
    Page,
}

/// Does one step.
pub(crate) fn run(step: Step, options: &Options) {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(workers.saturating_sub(1).max(1))
        .max_blocking_threads(BLOCKING_THREAD_COUNT)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let config = config(options);
        let clock = Clock::start();
        let store = open_store(&config).expect("a store");
        let opened_us = clock.now_ns() / 1_000;
        let running = start_on(&config, Arc::clone(&store)).await.expect("a node");
        let listening_us = clock.now_ns() / 1_000;
        println!("open_us {opened_us}");
        println!("ours_us {}", listening_us - opened_us);
        let rss = rss_bytes(std::process::id()).expect("Linux says what a process holds");
        println!("rss_bytes {rss}");
        match step {
            Step::Build => build(running.node(), &store, options).await,
            Step::Start => {
                let listed = running.node().totals(&company(), &person("1")).await;
                listed.expect("lists in time");
                println!("list_us {}", clock.now_ns() / 1_000 - listening_us);
            }
            Step::Wake | Step::Join | Step::Page => {
                visit(step, running.node(), options.rooms).await;
            }
        }
        end(running, options.killed).await;
    });
}

async fn end(running: Running, killed: bool) {
    if killed {
        std::process::exit(0);
    }
    running.drain().await.expect("everything falls asleep");
}

fn config(options: &Options) -> Config {
    let mut config = Config::default();
    config.server.listen = vec![([127, 0, 0, 1], 0).into()];
    config.server.drain_ms = DRAIN_MS;
    config.storage.path = options.store.clone().expect("the parent names it");
    config.storage.engine = options.engine;
    config.storage.durability = Durability::Buffered;
    config.auth.jwt_secret = Some(Secret::new("nobody talks to the nodes of this bench"));
    config.provision.companies = vec![company()];
    // A room that falls asleep writes a snapshot, which a killed one never got to.
    if options.step == Some(Step::Build) && options.spread == 0 {
        config.limits.room_idle_ms = IDLE_MS;
    }
    config
}

fn company() -> CompanyId {
    CompanyId::new("TES001").expect("a valid id")
}

fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a valid id")
}

fn caller() -> Arc<Principal> {
    Arc::new(Principal {
        company: company(),
        person: person("1"),
        role: Role::Agent,
        card: Card::default(),
    })
}

async fn open_room(node: &Arc<Node>) -> EntityId {
    let open = Command::Company(CompanyCommand::OpenRoom {
        room: fresh_room_id(),
        history_base: fresh_history_base(),
        participants: vec![person("2")],
        direct: false,
        title: None,
        bot: None,
        chat: None,
    });
    let entity = EntityId::company(company());
    match node.ask(entity, caller(), open, fresh_cid()).await {
        Outcome::Done(Answer::Opened { room, .. }) => EntityId::room(company(), room),
        other => panic!("no room: {other:?}"),
    }
}

async fn post(node: &Arc<Node>, room: &EntityId) {
    let say = Command::Room(RoomCommand::PostMessage {
        text: TEXT.to_owned(),
        rich: None,
        reply_to: None,
        files: Vec::new(),
    });
    let outcome = node.ask(room.clone(), caller(), say, fresh_cid()).await;
    let is_posted = matches!(outcome, Outcome::Done(Answer::Posted { dup: false, .. }));
    assert!(is_posted, "not posted: {outcome:?}");
}

async fn build(node: &Arc<Node>, store: &Arc<Store>, options: &Options) {
    let clock = Clock::start();
    let window = options.window as usize;
    stream::iter(0..options.rooms)
        .map(|index| async move {
            let events = options.events + index * options.spread / options.rooms;
            let room = &open_room(node).await;
            stream::iter(0..events)
                .map(|_| post(node, room))
                .buffer_unordered(window)
                .collect::<()>()
                .await;
        })
        .buffer_unordered(BUILT_AT_ONCE_COUNT)
        .collect::<()>()
        .await;
    println!("built_us {}", clock.now_ns() / 1_000);
    nothing_is_owed(node, store).await;
    println!(
        "disk_bytes {}",
        store.disk_bytes().expect("the store's size")
    );
}

/// Waits until lists know every room: one that owes them its row wakes by itself at the next start,
/// and here rooms shall sleep until they are visited.
async fn nothing_is_owed(node: &Arc<Node>, store: &Arc<Store>) {
    let mut looks = tokio::time::interval(Duration::from_millis(OWED_LOOK_MS));
    for _ in 0..OWED_MS_MAX / OWED_LOOK_MS {
        looks.tick().await;
        if store.pending().expect("a read").is_empty() {
            // That it was paid is written with what is written next.
            return node.probe().await.expect("the node works");
        }
    }
    panic!("something is owed after {OWED_MS_MAX} ms");
}

/// A connection that is told nothing, since nobody speaks.
struct Silent(PersonId);

impl Listener for Silent {
    fn dialect(&self) -> DialectId {
        DialectId(0)
    }

    fn person(&self) -> &PersonId {
        &self.0
    }

    fn push_durable(&self, _frame: &bytes::Bytes, _is_replay: bool) -> bool {
        true
    }

    fn push_ephemeral(&self, _key: EphemeralKey, _frame: &bytes::Bytes) {}

    fn fell_behind(&self, _room: RoomId) {}
}

async fn visit(step: Step, node: &Arc<Node>, room_count: u64) {
    // Found by number beforehand, in the company's index: the rooms themselves stay untouched.
    let mut rooms = Vec::new();
    for number in 1..=room_count {
        let name = RoomName::Conversation(ConversationNo(number));
        let room = node.find_room(&company(), name).await.expect("a read");
        rooms.push(room.expect("a room of this number"));
    }
    // The company itself may be awake to see that nothing is owed.
    assert!(node.counts().entities <= 1, "every room sleeps");
    // What a first answer costs the process itself is not the room's.
    tokio::time::timeout(Duration::from_secs(10), node.probe())
        .await
        .expect("in time")
        .expect("the node works");
    let clock = Clock::start();
    for room in &rooms {
        let from_ns = clock.now_ns();
        match step {
            Step::Wake => post(node, room).await,
            Step::Join => {
                let listener = Arc::new(Silent(person("1")));
                let joining = || Joining {
                    listener: Arc::clone(&listener) as Arc<dyn Listener>,
                    start: Start::Head,
                };
                node.join(room, joining).await.expect("joined");
            }
            Step::Page => {
                let facts = node.room_for(room, &person("1")).await.expect("a read");
                assert!(facts.is_some(), "a room of this person");
                let page = node.history(room, PageFrom::Latest, PAGE_EVENT_COUNT).await;
                let page = page.expect("a page");
                assert_eq!(page.events.len(), PAGE_EVENT_COUNT);
            }
            Step::Build | Step::Start => unreachable!("these visit nobody"),
        }
        let visited_us = (clock.now_ns() - from_ns) / 1_000;
        let name = step.to_possible_value().expect("no step is skipped");
        println!("{}_us {visited_us}", name.get_name());
    }
}
