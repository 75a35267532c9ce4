//! What a delivery costs from the post to the queue of a connection: one room on a real node over
//! a store in memory, native JSON frames, and listeners that only keep what they are given. No
//! socket and no disk.
//!
//! One iteration is one post; the throughput counts deliveries.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use frontdesk_actors::clock::{SystemClock, fresh_cid, fresh_history_base, fresh_room_id};
use frontdesk_actors::edge::EphemeralKey;
use frontdesk_actors::{
    Answer, Command, Dialect, DialectId, DoorId, Edge, Joining, Limits, Listener, Node,
    NodeOptions, Outcome, RoomContext, Start,
};
use frontdesk_loadtest::clock::Clock;
use frontdesk_loadtest::usage::cpu_us;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::{EventBody, Push, RoomPush, ServerFrame};
use frontdesk_protocol::websocket::server_message;
use frontdesk_protocol::{CompanyId, PersonId, RoomId};
use frontdesk_storage::testing::{MemoryOptions, MemoryStore};
use frontdesk_storage::{Directory, EntityId, Journal};
use tokio::runtime::{Builder, Runtime};

/// Connections in the room.
const LISTENER_COUNTS: [usize; 2] = [10, 1_000];
/// Posts under way.
const WINDOWS: [u64; 2] = [1, 16];
/// People in the room; they share the connections evenly.
const PERSON_COUNT: usize = 10;
/// Frames that a listener keeps before it forgets them, as a socket that was written would.
const FRAMES_KEPT: usize = 64;
/// Rounds of one measurement.
const SAMPLE_COUNT: usize = 10;
/// Short enough that the room, which ends at a million messages, is never full.
const WARMED_UP: Duration = Duration::from_secs(1);
/// Length of one measurement.
const MEASURED: Duration = Duration::from_secs(3);
/// Two lines of chat.
const TEXT: &str = "My order 4711 has not come yet, and the tracking page shows nothing since \
                    Monday. Could you please have a look?";

/// Native JSON.
struct Json;

impl Dialect for Json {
    fn event(&self, room: &RoomContext, event: &RoomEvent) -> Option<Bytes> {
        let event = EventBody::from_event(event)?;
        let push = Push::Event(RoomPush {
            room: room.room,
            event,
        });
        Some(server_message(Codec::Json, &ServerFrame::Push(push)))
    }

    fn ephemeral(&self, _room: &RoomContext, _ephemeral: &Ephemeral) -> Option<Bytes> {
        None
    }
}

/// A connection that keeps what it is given.
struct Keeper {
    person: PersonId,
    frames: Mutex<Vec<Bytes>>,
    /// Told of every frame; only the connection that an edge comes to last has it.
    told: Option<Sender<()>>,
}

impl Listener for Keeper {
    fn dialect(&self) -> DialectId {
        DialectId(0)
    }

    fn person(&self) -> &PersonId {
        &self.person
    }

    fn push_durable(&self, frame: &Bytes, _is_replay: bool) -> bool {
        let mut frames = self.frames.lock().expect("nobody panics with it");
        if frames.len() == FRAMES_KEPT {
            frames.clear();
        }
        frames.push(frame.clone());
        if let Some(told) = &self.told {
            told.send(()).expect("the bench waits");
        }
        true
    }

    fn push_ephemeral(&self, _key: EphemeralKey, _frame: &Bytes) {}

    fn fell_behind(&self, _room: RoomId) {
        panic!("these connections always have space");
    }
}

fn person(number: usize) -> PersonId {
    PersonId::new(&(number % PERSON_COUNT).to_string()).expect("a valid id")
}

/// A room with its connections.
struct World {
    runtime: Runtime,
    node: Arc<Node>,
    /// Keeps the store's gates open.
    _memory: MemoryStore,
    room: EntityId,
    caller: Arc<Principal>,
    _edge: Arc<Edge>,
    everyone_has_one: Receiver<()>,
}

impl World {
    fn new(listener_count: usize) -> Self {
        // One worker, as the server has on two cores: the bench's own thread posts.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let memory = MemoryStore::new(MemoryOptions::default()).expect("a store");
        let company = CompanyId::new("TES001").expect("a valid id");
        let caller = Arc::new(Principal {
            company: company.clone(),
            person: person(0),
            role: Role::Agent,
            card: Card::default(),
        });
        let (told, everyone_has_one) = channel();
        let (node, room, edge) = runtime.block_on(async {
            let node = Node::start(NodeOptions {
                journal: memory.store() as Arc<dyn Journal>,
                directory: memory.store() as Arc<dyn Directory>,
                clock: Arc::new(SystemClock::default()),
                dialects: vec![Box::new(Json)],
                limits: Limits::default(),
                bots: std::collections::BTreeMap::new(),
                uploads: None,
                bus_serialize: false,
            })
            .await
            .expect("a node");
            let room = open_room(&node, company, &caller).await;
            let edge = attach(&node, &room, listener_count, &told).await;
            (node, room, edge)
        });
        Self {
            runtime,
            node,
            _memory: memory,
            room,
            caller,
            _edge: edge,
            everyone_has_one,
        }
    }

    fn post(&self) {
        let say = Command::Room(RoomCommand::PostMessage {
            text: TEXT.to_owned(),
            rich: None,
            reply_to: None,
            files: Vec::new(),
        });
        let (room, caller) = (self.room.clone(), Arc::clone(&self.caller));
        self.node
            .submit(room, caller, say, fresh_cid(), DoorId::NOBODY, 0);
    }

    /// Posts this many messages, and waits until every connection has the last.
    fn run(&self, post_count: u64, window: u64) {
        let _inside = self.runtime.enter();
        let mut begun = post_count.min(window);
        for _ in 0..begun {
            self.post();
        }
        for _ in 0..post_count {
            self.everyone_has_one.recv().expect("a delivery");
            if begun < post_count {
                begun += 1;
                self.post();
            }
        }
    }
}

async fn open_room(node: &Arc<Node>, company: CompanyId, caller: &Arc<Principal>) -> EntityId {
    let open = Command::Company(CompanyCommand::OpenRoom {
        room: fresh_room_id(),
        history_base: fresh_history_base(),
        participants: (1..PERSON_COUNT).map(person).collect(),
        direct: false,
        title: None,
        bot: None,
        chat: None,
    });
    let entity = EntityId::company(company.clone());
    let outcome = node
        .ask(entity, Arc::clone(caller), open, fresh_cid())
        .await;
    let Outcome::Done(Answer::Opened { room, .. }) = outcome else {
        panic!("no room: {outcome:?}");
    };
    EntityId::room(company, room)
}

async fn attach(
    node: &Arc<Node>,
    room: &EntityId,
    listener_count: usize,
    told: &Sender<()>,
) -> Arc<Edge> {
    let mut last = None;
    for number in 1..=listener_count {
        let keeper = Arc::new(Keeper {
            person: person(number),
            frames: Mutex::default(),
            told: (number == listener_count).then(|| told.clone()),
        });
        let joining = || Joining {
            listener: Arc::clone(&keeper) as Arc<dyn Listener>,
            start: Start::Head,
        };
        last = Some(node.join(room, joining).await.expect("joined").0);
    }
    last.expect("at least one listener")
}

fn own_cpu_us() -> f64 {
    cpu_us(std::process::id()).expect("Linux says what a process used")
}

/// Deliveries of one case with what they took, warming up included.
struct Spent {
    listener_count: usize,
    window: u64,
    delivery_count: u64,
    wall_ns: u64,
    cpu_us: f64,
}

fn measure(criterion: &mut Criterion, listener_count: usize, window: u64) -> Spent {
    let mut spent = Spent {
        listener_count,
        window,
        delivery_count: 0,
        wall_ns: 0,
        cpu_us: 0.0,
    };
    let world = World::new(listener_count);
    let clock = Clock::start();
    let mut group = criterion.benchmark_group("fanout");
    group.sample_size(SAMPLE_COUNT).warm_up_time(WARMED_UP);
    group.measurement_time(MEASURED);
    group.throughput(Throughput::Elements(listener_count as u64));
    let name = format!("listeners_{listener_count}_window_{window}");
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|post_count| {
            let (from_ns, from_cpu_us) = (clock.now_ns(), own_cpu_us());
            world.run(post_count, window);
            let wall_ns = clock.now_ns() - from_ns;
            spent.delivery_count += post_count * listener_count as u64;
            spent.wall_ns += wall_ns;
            spent.cpu_us += own_cpu_us() - from_cpu_us;
            Duration::from_nanos(wall_ns)
        });
    });
    group.finish();
    spent
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut table = Vec::new();
    for listener_count in LISTENER_COUNTS {
        for window in WINDOWS {
            table.push(measure(&mut criterion, listener_count, window));
        }
    }
    criterion.final_summary();
    println!("listeners | posts under way | deliveries/s | wall ns per delivery | CPU ns");
    // A case that a filter left out measured nothing.
    for spent in table.iter().filter(|spent| spent.delivery_count > 0) {
        let count = spent.delivery_count as f64;
        println!(
            "{:>9} | {:>15} | {:.0} | {:.0} | {:.0}",
            spent.listener_count,
            spent.window,
            count * 1e9 / spent.wall_ns as f64,
            spent.wall_ns as f64 / count,
            spent.cpu_us * 1e3 / count,
        );
    }
}
