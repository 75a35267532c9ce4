//! One node's actors, composed: the store, the tree, the registry, the edges, the bus. The server
//! talks to this and to [`Edge`], to nothing else here.
//!
//! Drain order, written once: the server stops accepting and lets connections finish what they
//! asked; then [`Node::drain`] refuses new commands of clients, lets entities finish what is under
//! way and deliver what they owe, puts each to sleep behind a snapshot, ends the tree children
//! first, and stops the ticker; then the server closes the store.
//!
//! Never: knows a socket or a token.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::ephemeral::Ephemeral;
use frontdesk_protocol::{CompanyId, Epoch, ErrorCode, HistoryId, PersonId, Rejection};
use frontdesk_storage::{Directory, EntityId, EntityKind, Journal, Row, RowsWait};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::bot::{Bot, Bots};
use crate::bus::{Bus, BusMessage, Revoked};
use crate::clock::Clock;
use crate::company::settings::{KeptSettings, Origins};
use crate::door::{AskDoor, Door, DoorId, Doors};
use crate::edge::{AttachError, Dialect, Dialects, Edge, EdgeTable, Joined, Joining};
use crate::entity::internal::is_internal;
use crate::entity::{Caller, CidBy, Command, Envelope, Named, Outcome, ReplyTo};
use crate::feed::Feeds;
use crate::index::Index;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::online::Online;
use crate::registry::Registry;
use crate::sending::{Sending, files_of};
use crate::supervisor::Supervisors;
use crate::task::{blocking, pause, spawn};
use crate::ticks::Ticks;
use crate::upload::{UploadWorks, Works};

/// The door of callers that await; opened first, so its number is known.
pub(crate) const ASK_DOOR: DoorId = DoorId(1);
/// How long a caller that awaits waits for an outcome, milliseconds.
pub(crate) const ASK_TIMEOUT_MS: u64 = 15_000;
/// How long a readiness probe may take, milliseconds.
const PROBE_TIMEOUT_MS: u64 = 2_000;
/// How long a probe's result is good for others who ask, milliseconds.
const PROBE_KEPT_MS: u64 = 1_000;
/// Where probes are written: never a real company, since it is in no list.
const PROBE_COMPANY: &str = "__readyz";
/// Pause between ticks of edges, milliseconds.
const TICK_MS: u64 = 100;
/// Pause between sweeps of the registry, milliseconds.
const SWEEP_MS: u64 = 1_000;
/// Pause between looks whether everyone sleeps, milliseconds.
const DRAIN_LOOK_MS: u64 = 10;
/// Looks for each time that everyone is asked to sleep: those who are busy are asked again.
const DRAIN_ASK_LOOK_COUNT: u64 = 10;

/// What a node is made of.
pub struct NodeOptions {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The index rows.
    pub directory: Arc<dyn Directory>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The dialects spoken here; a [`crate::DialectId`] is an index into this list.
    pub dialects: Vec<Box<dyn Dialect>>,
    /// Limits.
    pub limits: Limits,
    /// The bots that take part in rooms, by the id they have there.
    pub bots: BTreeMap<PersonId, Arc<dyn Bot>>,
    /// Who looks at uploads and stores them; without it they wait.
    pub uploads: Option<Arc<dyn UploadWorks>>,
    /// Encode every message between entities, edges and doors.
    pub bus_serialize: bool,
}

/// Hears of tokens that became void.
type Heed = Box<dyn Fn(&Revoked) + Send + Sync>;

/// See the module's text.
pub struct Node {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dialects: Dialects,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) registry: Registry,
    pub(crate) doors: Doors,
    pub(crate) edges: EdgeTable,
    pub(crate) feeds: Feeds,
    pub(crate) online: Online,
    pub(crate) supervisors: Supervisors,
    pub(crate) bots: Bots,
    pub(crate) works: Works,
    pub(crate) sending: Arc<Sending>,
    pub(crate) index: Index,
    bus: Bus,
    pub(crate) ask: Arc<AskDoor>,
    activations: AtomicU32,
    stopped: AtomicBool,
    last_probe: tokio::sync::Mutex<Option<(u64, Result<(), String>)>>,
    probe_writes: Arc<AtomicBool>,
    on_revoked: OnceLock<Heed>,
    pub(crate) settings: KeptSettings,
    pub(crate) origins: Origins,
}

/// What runs on a node now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeCounts {
    /// Entities that can be told something.
    pub entities: usize,
    /// Actors of entities.
    pub actors: usize,
    /// Rooms in use by connections here.
    pub edges: usize,
    /// Bytes of commands that were admitted and not decided yet.
    pub waiting_bytes: usize,
    /// Open doors: of connections, and of entities that owe something.
    pub doors: usize,
    /// Messages that crossed the bus encoded.
    pub bus_messages: u64,
    /// Bytes of those.
    pub bus_bytes: u64,
}

impl Node {
    /// Starts the tree and begins to tick. Whatever owes something wakes meanwhile.
    pub async fn start(options: NodeOptions) -> Result<Arc<Self>, StartError> {
        let node = Arc::new(Self {
            journal: options.journal,
            directory: options.directory,
            clock: options.clock,
            dialects: Dialects::new(options.dialects),
            limits: options.limits,
            metrics: Metrics::new(),
            registry: Registry::new(),
            doors: Doors::default(),
            edges: EdgeTable::default(),
            feeds: Feeds::default(),
            online: Online::default(),
            supervisors: Supervisors::default(),
            bots: Bots::new(options.bots),
            works: Works::new(options.uploads),
            sending: Arc::default(),
            index: Index::default(),
            bus: Bus::new(options.bus_serialize),
            ask: Arc::default(),
            activations: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            last_probe: tokio::sync::Mutex::default(),
            probe_writes: Arc::default(),
            on_revoked: OnceLock::new(),
            settings: KeptSettings::default(),
            origins: Origins::default(),
        });
        let ask_door = node.doors.open(Arc::clone(&node.ask) as Arc<dyn Door>);
        assert_eq!(ask_door, ASK_DOOR, "the first door is the asking one");
        node.supervisors
            .start(&node)
            .await
            .map_err(|error| StartError(error.to_string()))?;
        let reading = Arc::clone(&node);
        let read = blocking(move || reading.origins.load(&*reading.directory)).await;
        read.map_err(|error| StartError(error.to_string()))?;
        spawn(crate::waking::wake_owing(Arc::downgrade(&node)));
        spawn(tick_edges(Ticks::of(&node, TICK_MS)));
        spawn(sweep(Ticks::of(&node, SWEEP_MS)));
        spawn(crate::retention::forget_idle(Ticks::of(&node, SWEEP_MS)));
        Ok(node)
    }

    /// Who closes connections of those whose tokens became void; called on every node, once it is
    /// durable. Only the first counts.
    pub fn heed_revoked(&self, heed: impl Fn(&Revoked) + Send + Sync + 'static) {
        let _ = self.on_revoked.set(Box::new(heed));
    }

    /// Sends a person's command to an entity; the outcome comes to the door.
    pub fn submit(
        self: &Arc<Self>,
        entity: EntityId,
        caller: Arc<Principal>,
        command: Command,
        named: impl Into<Named>,
        door: DoorId,
        cseq: u64,
    ) {
        let reply_to = ReplyTo {
            boot: self.boot(),
            door,
            cseq,
        };
        if is_internal(&command) || caller.company != entity.company {
            let why = Rejection::new(ErrorCode::Forbidden);
            return self.answer(reply_to, Outcome::Refused(why));
        }
        let Named { cid, by: named_by } = named.into();
        let envelope = Envelope {
            reply_to,
            cid,
            named_by,
            caller: Caller::Person(caller),
            command,
        };
        match files_of(&envelope.command).is_empty() {
            true => self.send(BusMessage::Request(entity, Arc::new(envelope))),
            false => self.send_files(entity, envelope),
        }
    }

    /// Sends a person's command and awaits its outcome.
    pub async fn ask(
        self: &Arc<Self>,
        entity: EntityId,
        caller: Arc<Principal>,
        command: Command,
        named: impl Into<Named>,
    ) -> Outcome {
        let (cseq, outcome) = self.ask.expect();
        self.submit(entity, caller, command, named, ASK_DOOR, cseq);
        self.outcome(cseq, outcome).await
    }

    pub(crate) async fn outcome(&self, cseq: u64, outcome: oneshot::Receiver<Outcome>) -> Outcome {
        match timeout(Duration::from_millis(ASK_TIMEOUT_MS), outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => {
                self.ask.forget(cseq);
                Outcome::Unknown
            }
        }
    }

    /// Opens a door for outcomes.
    pub fn open_door(&self, door: Arc<dyn Door>) -> DoorId {
        self.doors.open(door)
    }

    /// Closes a door.
    pub fn close_door(&self, door: DoorId) {
        self.doors.close(door);
    }

    /// Attaches a connection to a room's edge on this node.
    pub async fn join(
        self: &Arc<Self>,
        entity: &EntityId,
        mut joining: impl FnMut() -> Joining,
    ) -> Result<(Arc<Edge>, Joined), Rejection> {
        let EntityKind::Room(room) = entity.kind else {
            return Err(Rejection::new(ErrorCode::UnknownRoom));
        };
        loop {
            let edge = self.edges.open(self, entity, room).await.map_err(|error| {
                tracing::error!(%entity, %error, "room cannot be read");
                Rejection::new(ErrorCode::Unavailable)
            })?;
            match edge.attach(joining()) {
                Ok(joined) => return Ok((edge, joined)),
                Err(AttachError::Gone) => {}
                Err(AttachError::Refused(why)) => {
                    self.edges.drop_if_empty(&edge);
                    return Err(why);
                }
            }
        }
    }

    /// Someone writes in a room without a connection there, or stopped. The caller has checked that
    /// they are in it.
    pub async fn typing(self: &Arc<Self>, entity: &EntityId, who: &Principal, active: bool) {
        let EntityKind::Room(room) = entity.kind else {
            return;
        };
        if self.edges.get(entity).is_none() && !self.feeds.any() {
            return; // nobody here would see it
        }
        // Without connections it stays until there is nothing left to end by itself.
        match self.edges.open(self, entity, room).await {
            Ok(edge) => edge.typing(who, active),
            Err(error) => tracing::warn!(%entity, %error, "typing cannot be shown"),
        }
    }

    /// A file for a room is on its way: shown to whoever is there, and stored nowhere. The caller
    /// has checked that its owner is in it, and says so seldom.
    pub fn show_upload(self: &Arc<Self>, room: &EntityId, progress: Ephemeral) {
        self.send(BusMessage::Ephemeral(room.clone(), progress));
    }

    /// A write and an actor's turn through the real path, in time. One probe is under way at most,
    /// and whoever asks within a second of the last gets its result.
    pub async fn probe(self: &Arc<Self>) -> Result<(), String> {
        if let Some(why) = self.journal.failure() {
            return Err(format!("storage has failed: {why}"));
        }
        if let Some(why) = self.index.unread() {
            return Err(format!("what is owed cannot be read: {why}"));
        }
        let mut last = self.last_probe.lock().await;
        if let Some((at_ms, result)) = &*last
            && at_ms + PROBE_KEPT_MS > self.clock.monotonic_ms()
        {
            return result.clone();
        }
        let result = self.probe_now().await;
        *last = Some((self.clock.monotonic_ms(), result.clone()));
        result
    }

    async fn probe_now(self: &Arc<Self>) -> Result<(), String> {
        // A write that hangs holds a thread of those that read: one is enough.
        if self.probe_writes.swap(true, Ordering::AcqRel) {
            return Err("the last probe's write is still under way".to_owned());
        }
        let writes = Arc::clone(&self.probe_writes);
        let company = CompanyId::new(PROBE_COMPANY).expect("a valid id");
        let limit = Duration::from_millis(PROBE_TIMEOUT_MS);
        let (directory, at) = (Arc::clone(&self.directory), self.clock.now());
        let row_company = company.clone();
        let write = blocking(move || {
            let value = Some(Bytes::copy_from_slice(&at.0.to_be_bytes()));
            let row = Row {
                key: b"probe".to_vec(),
                value,
            };
            let written = directory.put_rows(&row_company, vec![row], RowsWait::Durable);
            writes.store(false, Ordering::Release);
            written
        });
        match timeout(limit, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("no write within {PROBE_TIMEOUT_MS} ms")),
        }
        let (cseq, outcome) = self.ask.expect();
        let entity = EntityId::company(company);
        self.request(entity, Command::Wake, ASK_DOOR, cseq);
        match timeout(limit, outcome).await {
            Ok(Ok(Outcome::Done(_))) => Ok(()),
            Ok(Ok(other)) => Err(format!("probe was answered {other:?}")),
            Ok(Err(_)) | Err(_) => {
                self.ask.forget(cseq);
                Err(format!(
                    "no answer from an entity within {PROBE_TIMEOUT_MS} ms"
                ))
            }
        }
    }

    /// Puts everything to sleep; false when something was still awake at the end of the time.
    pub async fn drain(self: &Arc<Self>, limit: Duration) -> bool {
        let everyone_sleeps = async {
            let mut look_count = 0_u64;
            while !self
                .registry
                .close(look_count.is_multiple_of(DRAIN_ASK_LOOK_COUNT))
            {
                look_count += 1;
                pause(DRAIN_LOOK_MS).await;
            }
        };
        let all_asleep = timeout(limit, everyone_sleeps).await.is_ok();
        self.supervisors.stop(limit).await;
        self.end_online().await;
        self.stopped.store(true, Ordering::Release);
        all_asleep
    }

    /// What runs now.
    pub fn counts(&self) -> NodeCounts {
        let (bus_messages, bus_bytes) = self.bus.carried();
        let (entities, leaving) = self.registry.counts();
        NodeCounts {
            entities: entities + leaving,
            actors: self.registry.actor_count(),
            edges: self.edges.count(),
            waiting_bytes: self.registry.waiting_bytes(),
            doors: self.doors.count() - 1,
            bus_messages,
            bus_bytes,
        }
    }

    /// Time, as this node sees it.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Whether the node has drained.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    pub(crate) fn boot(&self) -> u32 {
        self.journal.boot_count()
    }

    pub(crate) fn next_epoch(&self) -> Epoch {
        let activation = self.activations.fetch_add(1, Ordering::Relaxed);
        Epoch(u64::from(self.boot()) << 32 | u64::from(activation))
    }

    pub(crate) fn history_id(&self, history_base: u64) -> HistoryId {
        crate::room::history_id(history_base, self.journal.history_salt())
    }

    pub(crate) fn answer(self: &Arc<Self>, to: ReplyTo, outcome: Outcome) {
        if to.door != DoorId::NOBODY {
            self.send(BusMessage::Reply(to, outcome));
        }
    }

    /// Takes a message to where it belongs.
    pub(crate) fn send(self: &Arc<Self>, message: BusMessage) {
        match self.bus.carry(message) {
            BusMessage::Request(entity, envelope) => {
                self.registry.submit(self, entity, envelope);
            }
            BusMessage::Reply(to, outcome) => {
                if to.boot == self.boot() {
                    self.doors.answer(to.door, to.cseq, outcome);
                }
            }
            BusMessage::Publish(entity, publish) => {
                if let Some(edge) = self.edges.get(&entity) {
                    edge.on_publish(&publish);
                }
            }
            BusMessage::Ephemeral(entity, ephemeral) => {
                if let Some(edge) = self.edges.get(&entity) {
                    edge.on_ephemeral(&ephemeral);
                }
            }
            BusMessage::Stirred(entity, stirred) => self.on_stirred(&entity, &stirred),
            BusMessage::Status(company, status) => self.on_status(&company, &status),
            BusMessage::Handoff(company, notice) => self.on_handoff(&company, &notice),
            BusMessage::Revoked(revoked) => {
                if let Some(heed) = self.on_revoked.get() {
                    heed(&revoked);
                }
            }
            BusMessage::SettingsChanged(company) => self.settings.drop(&company),
            BusMessage::OriginsNoted(company, origins) => {
                self.origins.note(&company, &origins);
            }
        }
    }

    pub(crate) fn request(
        self: &Arc<Self>,
        entity: EntityId,
        command: Command,
        door: DoorId,
        cseq: u64,
    ) {
        let envelope = Envelope {
            reply_to: ReplyTo {
                boot: self.boot(),
                door,
                cseq,
            },
            cid: crate::clock::fresh_cid(),
            named_by: CidBy::Node,
            caller: Caller::Entity(entity.clone()),
            command,
        };
        self.send(BusMessage::Request(entity, Arc::new(envelope)));
    }
}

/// The node could not start.
#[derive(Debug, thiserror::Error)]
#[error("actors did not start: {0}")]
pub struct StartError(String);

async fn tick_edges(mut ticks: Ticks) {
    while let Some(node) = ticks.next().await {
        node.edges.tick(&node);
        node.tick_online();
    }
}

async fn sweep(mut ticks: Ticks) {
    while let Some(node) = ticks.next().await {
        node.registry.sweep(&node).await;
        node.index.rest();
    }
}
