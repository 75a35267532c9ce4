//! The engine and the edges over a real store with its writer's thread, each fact in both modes of
//! the bus. Owns what these tests say often: a world, doors and listeners that remember, waiting.
//!
//! Never: sleeps; waits poll a condition with a deadline in [`eventually`].

mod admission;
mod bus;
mod chats;
mod cids;
mod crashes;
mod deleting;
pub(crate) mod desk;
mod dropping;
mod durability;
mod effects;
mod engines;
mod feeds;
mod forgetting;
mod interleaving;
mod joins;
mod lag;
mod listeners;
mod now;
mod online;
mod ownership;
mod profiles;
mod released;
mod sending;
mod settings;
mod sleep;
mod staff;
mod turns;
mod uploads;
mod viewers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role, RoomCommand};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::PageFrom;
use frontdesk_protocol::{Cid, CompanyId, Epoch, ErrorCode, PersonId, Pos, RoomId, Seq, Timestamp};
use frontdesk_storage::testing::{Crash, Faults, MemoryOptions, MemoryStore};
use frontdesk_storage::{EntityId, EntityKind, Journal, Store};

use crate::clock::{Clock, ManualClock};
use crate::door::{Door, DoorId};
use crate::entity::recover::decode_record;
use crate::entity::{Answer, Command, Named, Outcome};
use crate::limits::Limits;
use crate::node::{Node, NodeOptions};
use crate::task::lock;

/// Makes each test two: messages handed over as they are, and encoded on their way.
macro_rules! both_modes {
    ($(async fn $name:ident($serialize:ident: bool) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn holds($serialize: bool) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_process() {
                Box::pin(holds(false)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn as_bytes() {
                Box::pin(holds(true)).await;
            }
        }
    )*};
}
pub(super) use both_modes;

/// Nothing here takes longer unless it hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Where clocks start.
pub(super) const START: Timestamp = Timestamp(1_800_000_000_000);

/// One node over a store.
pub(crate) struct World {
    /// The store and its faults; unused when the store is on disk.
    pub(crate) memory: MemoryStore,
    pub(crate) node: Arc<Node>,
    pub(crate) clock: Arc<ManualClock>,
    serialize: bool,
    limits: Limits,
}

impl World {
    pub(crate) async fn new(serialize: bool) -> Self {
        Self::with_limits(serialize, Limits::default()).await
    }

    pub(crate) async fn with_limits(serialize: bool, limits: Limits) -> Self {
        let memory = MemoryStore::new(MemoryOptions::default()).expect("a store");
        Self::over(memory, Arc::new(ManualClock::at(START)), serialize, limits).await
    }

    async fn over(
        memory: MemoryStore,
        clock: Arc<ManualClock>,
        serialize: bool,
        limits: Limits,
    ) -> Self {
        let node = start(memory.store(), &clock, serialize, &limits).await;
        Self {
            memory,
            node,
            clock,
            serialize,
            limits,
        }
    }

    /// A node over a store on disk.
    pub(crate) async fn on(store: Arc<Store>, serialize: bool) -> Self {
        let memory = MemoryStore::new(MemoryOptions::default()).expect("a store");
        let clock = Arc::new(ManualClock::at(START));
        let limits = Limits::default();
        let node = start(store, &clock, serialize, &limits).await;
        Self {
            memory,
            node,
            clock,
            serialize,
            limits,
        }
    }

    /// A new node over what a crash of this one would leave.
    pub(crate) async fn reborn(&self, crash: Crash) -> Self {
        self.reborn_with(crash, |_| {}).await
    }

    /// The same, with faults that are there from its start on.
    pub(crate) async fn reborn_with(&self, crash: Crash, set: impl FnOnce(&Faults)) -> Self {
        let survivor = self.memory.crash(crash).expect("opens again");
        set(&survivor.faults());
        let clock = Arc::clone(&self.clock);
        Self::over(survivor, clock, self.serialize, self.limits.clone()).await
    }

    pub(crate) fn journal(&self) -> &Arc<dyn Journal> {
        &self.node.journal
    }

    /// The cid of this number, made when clocks started.
    pub(crate) fn cid(&self, number: u64) -> Cid {
        cid_at(START, number)
    }

    /// A room of these people of `TES001`; the first one opens it.
    pub(crate) async fn room(&self, people: &[&str]) -> EntityId {
        self.room_of("TES001", people).await
    }

    pub(crate) async fn room_of(&self, company: &str, people: &[&str]) -> EntityId {
        let opener = principal_of(company, people[0]);
        let others: Vec<&str> = people[1..].to_vec();
        let command = open_command(&others, false);
        let company = EntityId::company(opener.company.clone());
        let outcome = self
            .node
            .ask(company, Arc::clone(&opener), command, fresh_cid())
            .await;
        let Outcome::Done(Answer::Opened { room, .. }) = outcome else {
            panic!("no room: {outcome:?}");
        };
        EntityId::room(opener.company.clone(), room)
    }

    /// Posts and awaits the outcome.
    pub(crate) async fn post(
        &self,
        room: &EntityId,
        who: &str,
        text: &str,
        cid: impl Into<Named>,
    ) -> Outcome {
        let caller = principal_of(room.company.as_str(), who);
        self.node.ask(room.clone(), caller, say(text), cid).await
    }

    /// Posts something new; the seq it was given.
    pub(crate) async fn posted(&self, room: &EntityId, who: &str, text: &str) -> Seq {
        let outcome = self.post(room, who, text, fresh_cid()).await;
        let Outcome::Done(Answer::Posted { seq, dup, .. }) = outcome else {
            panic!("not posted: {outcome:?}");
        };
        assert!(!dup, "a fresh cid is no repeat");
        seq
    }

    /// Posts this many texts, `1` and so on.
    pub(crate) async fn fill(&self, room: &EntityId, who: &str, count: u64) {
        let door = self.door();
        for number in 1..=count {
            door.post(room, who, &number.to_string(), fresh_cid(), number);
        }
        eventually("everything is posted", || door.count() == count as usize).await;
        assert!(door.outcomes().iter().all(|(_, told)| is_done(told)));
    }

    pub(crate) async fn mark(&self, room: &EntityId, who: &str, seq: u64) -> Outcome {
        let caller = principal_of(room.company.as_str(), who);
        let command = Command::Room(RoomCommand::MarkRead { seq: Seq(seq) });
        self.node
            .ask(room.clone(), caller, command, fresh_cid())
            .await
    }

    /// Every shown event of a room with its text.
    pub(crate) async fn texts(&self, room: &EntityId) -> Vec<(u64, String)> {
        let page = self
            .node
            .history(room, PageFrom::After(Seq(0)), usize::MAX)
            .await
            .expect("history");
        page.events.iter().map(seq_and_text).collect()
    }

    /// How many events each record of an entity's journal holds.
    pub(crate) fn record_sizes(&self, room: &EntityId) -> Vec<usize> {
        let records = self.journal().read_after(room, Pos(0), 10_000, usize::MAX);
        let records = records.expect("records");
        records
            .iter()
            .map(|record| {
                decode_record::<RoomEvent>(record)
                    .expect("a record")
                    .events
                    .len()
            })
            .collect()
    }

    /// Opens a door that remembers.
    pub(crate) fn door(&self) -> OpenDoor {
        let heard = Arc::new(Heard::default());
        let id = self.node.open_door(Arc::clone(&heard) as Arc<dyn Door>);
        OpenDoor {
            node: Arc::clone(&self.node),
            heard,
            id,
        }
    }

    /// Lets everyone idle fall asleep, as the ticker would.
    pub(crate) async fn all_asleep(&self) {
        self.clock.advance_ms(self.limits.entity_idle_ms + 1);
        eventually("everyone sleeps", || {
            self.node.registry.tick(&self.node);
            let counts = self.node.counts();
            counts.entities == 0 && counts.actors == 0 && self.node.supervisors.count() == 0
        })
        .await;
    }

    /// Stops the writer before its next commit, once it has done what was asked of it so far.
    pub(crate) async fn hold_commits(&self) {
        self.writer_is_idle().await;
        self.memory.faults().hold_commits();
    }

    pub(crate) async fn hold_syncs(&self) {
        self.writer_is_idle().await;
        self.memory.faults().hold_syncs();
    }

    /// Waits until the writer has done what was asked of it so far.
    pub(crate) async fn writer_is_idle(&self) {
        eventually("nothing is owed", || {
            self.journal().pending().expect("read").is_empty()
        })
        .await;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let probe = EntityId::company(company_of("ZZZ999"));
        let done = Box::new(move |tail| drop(sender.send(tail)));
        self.journal().fence(&probe, Epoch(1), done);
        receiver.await.expect("answered").expect("fenced");
    }

    /// Crashes an entity's actor and waits for the next one.
    pub(crate) async fn restart(&self, entity: &EntityId) {
        let before = self.node.registry.incarnation(entity).expect("it is up");
        self.node.registry.crash(entity);
        eventually("it is up again", || {
            self.node.registry.incarnation(entity) > Some(before)
        })
        .await;
    }

    pub(crate) fn release(&self) {
        self.memory.faults().release();
    }

    /// The writer stands at a gate with whatever was queued.
    pub(crate) fn held(&self) {
        assert!(self.memory.faults().wait_until_held(PATIENCE), "held");
    }
}

async fn start(
    store: Arc<Store>,
    clock: &Arc<ManualClock>,
    serialize: bool,
    limits: &Limits,
) -> Arc<Node> {
    let options = NodeOptions {
        journal: Arc::clone(&store) as Arc<dyn Journal>,
        directory: store,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        dialects: vec![
            Box::new(listeners::SeqAndText),
            Box::new(listeners::OwnWords),
        ],
        limits: limits.clone(),
        bots: [(turns::bot(), turns::parrot())].into(),
        uploads: Some(Arc::new(uploads::IdleWorks::default())),
        bus_serialize: serialize,
    };
    Node::start(options).await.expect("a node")
}

/// What a door was told, in order.
#[derive(Default)]
struct Heard(Mutex<Vec<(u64, Outcome)>>);

impl Door for Heard {
    fn answered(&self, cseq: u64, outcome: Outcome) {
        lock(&self.0).push((cseq, outcome));
    }
}

/// A door of a test.
pub(crate) struct OpenDoor {
    node: Arc<Node>,
    heard: Arc<Heard>,
    pub(crate) id: DoorId,
}

impl OpenDoor {
    pub(crate) fn submit(
        &self,
        entity: &EntityId,
        who: &str,
        command: Command,
        cid: Cid,
        cseq: u64,
    ) {
        let caller = principal_of(entity.company.as_str(), who);
        self.node
            .submit(entity.clone(), caller, command, cid, self.id, cseq);
    }

    pub(crate) fn post(&self, room: &EntityId, who: &str, text: &str, cid: Cid, cseq: u64) {
        self.submit(room, who, say(text), cid, cseq);
    }

    pub(crate) fn outcomes(&self) -> Vec<(u64, Outcome)> {
        lock(&self.heard.0).clone()
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.heard.0).len()
    }

    /// Waits for this many outcomes.
    pub(crate) async fn heard(&self, count: usize) -> Vec<(u64, Outcome)> {
        eventually("the door heard everything", || self.count() >= count).await;
        self.outcomes()
    }
}

pub(crate) fn say(text: &str) -> Command {
    Command::Room(RoomCommand::PostMessage {
        text: text.to_owned(),
        rich: None,
        reply_to: None,
        files: Vec::new(),
    })
}

pub(crate) fn open_command(others: &[&str], direct: bool) -> Command {
    Command::Company(CompanyCommand::OpenRoom {
        room: crate::clock::fresh_room_id(),
        history_base: crate::clock::fresh_history_base(),
        participants: others.iter().map(|name| person(name)).collect(),
        direct,
        title: None,
        bot: None,
        chat: None,
    })
}

pub(crate) fn company_of(name: &str) -> CompanyId {
    CompanyId::new(name).expect("a company id")
}

pub(crate) fn person(name: &str) -> PersonId {
    PersonId::new(name).expect("a person id")
}

pub(crate) fn principal(name: &str) -> Arc<Principal> {
    principal_of("TES001", name)
}

pub(crate) fn principal_of(company: &str, name: &str) -> Arc<Principal> {
    Arc::new(Principal {
        company: company_of(company),
        person: person(name),
        role: Role::Agent,
        card: Card::default(),
    })
}

pub(crate) fn room_id(entity: &EntityId) -> RoomId {
    match entity.kind {
        EntityKind::Room(room) => room,
        _ => panic!("not a room: {entity}"),
    }
}

/// A cid that no other command of these tests has.
pub(crate) fn fresh_cid() -> Cid {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    cid_at(START, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A UUIDv7 of this time.
pub(crate) fn cid_at(time: Timestamp, number: u64) -> Cid {
    let mut bits = [0; 16];
    bits[..6].copy_from_slice(&time.0.to_be_bytes()[2..]);
    bits[6] = 0x70;
    bits[8..].copy_from_slice(&(number | 1 << 63).to_be_bytes());
    Cid::from_bits(bits)
}

pub(crate) fn seq_and_text(event: &RoomEvent) -> (u64, String) {
    match event {
        RoomEvent::MessagePosted(message) => (message.seq.0, message.text.to_string()),
        RoomEvent::MessageDeleted { seq, target, .. } => (seq.0, format!("{target} taken back")),
        RoomEvent::HandoffMoved { seq, step, .. } => (seq.0, step.as_str().into()),
        other => panic!("bookkeeping was shown: {other:?}"),
    }
}

pub(crate) fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

/// Seq and whether it was a repeat.
pub(crate) fn place(outcome: &Outcome) -> (u64, bool) {
    match outcome {
        Outcome::Done(Answer::Posted { seq, dup, .. }) => (seq.0, *dup),
        other => panic!("not posted: {other:?}"),
    }
}

pub(crate) fn refusal(outcome: &Outcome) -> ErrorCode {
    match outcome {
        Outcome::Refused(why) => why.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// Waits until a condition holds; fails when it does not in time.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let waiting = async {
        while !holds() {
            tick.tick().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(in_time.is_ok(), "never came true: {what}");
}
