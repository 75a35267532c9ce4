//! The supervision tree: the node's root, under it one supervisor for each active company, under
//! that the company's entities. Supervisors know no rules and take no commands: they watch and
//! restart.
//!
//! Invariants:
//! 1. A crash of an entity restarts that entity from its journal, with backoff and a budget; its
//!    neighbours notice nothing.
//! 2. A crash of a company's supervisor takes that company's actors with it and restarts them;
//!    other companies notice nothing.
//! 3. A company's supervisor stops when nobody of the company is awake, and never under an actor
//!    that starts or whose end it was not told of yet.
//!
//! Never: ends because a child did (ractor's default), or restarts what was asked to stop.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dashmap::DashMap;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};
use frontdesk_storage::EntityKind;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::OnceCell;
use tracing::{error, warn};

use crate::companies::CompaniesState;
use crate::company::CompanyState;
use crate::entity::Outcome;
use crate::entity::actor::EntityActor;
use crate::entity::slot::{AfterCrash, Slot};
use crate::names::NamesState;
use crate::node::Node;
use crate::registry::Registry;
use crate::room::RoomState;
use crate::staff::StaffState;
use crate::task::{pause, spawn};
use crate::upload::UploadState;

/// Messages of supervisors: there are none but in tests.
#[derive(Debug)]
pub(crate) enum NoMsg {
    /// Fail as a bug would: for tests of the restart path.
    #[cfg(test)]
    Crash,
}

/// Whose ends a supervisor watches.
enum Watched {
    /// The company supervisors of the node: this is the root.
    Companies,
    /// The entities of this company.
    EntitiesOf(CompanyId),
}

struct Supervisor {
    node: Weak<Node>,
    watched: Watched,
}

/// A company's supervisor, once it runs. It does not stop while anyone else than [`Supervisors`]
/// holds it.
type Held = Arc<OnceCell<ActorRef<NoMsg>>>;

/// The supervisors that run.
#[derive(Default)]
pub(crate) struct Supervisors {
    root: OnceCell<ActorRef<NoMsg>>,
    companies: DashMap<CompanyId, Held>,
}

impl Supervisors {
    /// Starts the root.
    pub(crate) async fn start(&self, node: &Arc<Node>) -> Result<(), ractor::SpawnErr> {
        let actor = Supervisor::new(node, Watched::Companies);
        let (root, _) = Actor::spawn(None, actor, ()).await?;
        // `start` is called once; a second root would have no children.
        let _ = self.root.set(root);
        Ok(())
    }

    async fn of(&self, node: &Arc<Node>, company: &CompanyId) -> Option<Held> {
        let root = self.root.get()?.get_cell();
        let held = Arc::clone(self.companies.entry(company.clone()).or_default().value());
        let started = held
            .get_or_try_init(|| async {
                let actor = Supervisor::new(node, Watched::EntitiesOf(company.clone()));
                let started = Actor::spawn_linked(None, actor, (), root).await;
                started.map(|(supervisor, _)| supervisor)
            })
            .await;
        started.is_ok().then_some(held)
    }

    /// Once a second: stops the supervisors of companies where nobody is awake.
    pub(crate) fn rest(&self, registry: &Registry) {
        let is_childless = |held: &Held| {
            held.get()
                .is_none_or(|supervisor| supervisor.get_children().is_empty())
        };
        let childless = self.companies.iter().filter(|entry| is_childless(entry));
        let childless: Vec<CompanyId> = childless.map(|entry| entry.key().clone()).collect();
        for company in childless {
            // Under the map's lock of the company, so nobody can begin to hold it meanwhile. Who
            // did before has a child by now, or one that ended and that the registry still knows.
            let stops = self.companies.remove_if(&company, |_, held| {
                Arc::strong_count(held) == 1 && is_childless(held) && !registry.knows(&company)
            });
            if let Some(supervisor) = stops.as_ref().and_then(|(_, held)| held.get()) {
                supervisor.stop(None);
            }
        }
    }

    /// The company that a supervisor serves.
    fn company_of(&self, cell: &ActorCell) -> Option<CompanyId> {
        self.companies.iter().find_map(|entry| {
            let id = entry.value().get().map(|supervisor| supervisor.get_id());
            (id == Some(cell.get_id())).then(|| entry.key().clone())
        })
    }

    /// Supervisors of companies that run, and those that are about to end.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        let root = self.root.get().expect("a started node");
        root.get_children().len().max(self.companies.len())
    }

    #[cfg(test)]
    pub(crate) fn crash(&self, company: &CompanyId) {
        let supervisor = self
            .companies
            .get(company)
            .and_then(|cell| cell.value().get().cloned());
        if let Some(supervisor) = supervisor {
            let _ = supervisor.cast(NoMsg::Crash);
        }
    }

    /// Ends the tree, children first: a parent that goes first kills them.
    pub(crate) async fn stop(&self, timeout: Duration) {
        if let Some(root) = self.root.get() {
            root.drain_children_and_wait(Some(timeout)).await;
            root.stop(None);
        }
    }
}

impl Node {
    /// Starts the actor of a slot, after a pause.
    pub(crate) fn start_actor(self: &Arc<Self>, slot: Arc<Slot>, incarnation: u64, after_ms: u64) {
        let node = Arc::clone(self);
        spawn(async move {
            if after_ms > 0 {
                pause(after_ms).await;
            }
            // Held until the actor is its child.
            let held = node.supervisors.of(&node, &slot.entity.company).await;
            let started = match held.as_ref().and_then(|held| held.get()) {
                None => Err("no supervisor".to_owned()),
                Some(supervisor) => {
                    spawn_entity(&node, &slot, incarnation, supervisor.get_cell()).await
                }
            };
            drop(held);
            if let Err(why) = started {
                warn!(entity = %slot.entity, why, "entity did not start");
                node.entity_crashed(&slot, incarnation);
            }
        });
    }

    fn company_crashed(self: &Arc<Self>, supervisor: &ActorCell) {
        let Some(company) = self.supervisors.company_of(supervisor) else {
            return;
        };
        // In this order: while the dead supervisor is the company's, no new actor can be lost.
        let lost = self.registry.lost(&company);
        self.supervisors.companies.remove(&company);
        for (slot, incarnation) in lost {
            self.entity_crashed(&slot, incarnation);
        }
    }

    fn entity_crashed(self: &Arc<Self>, slot: &Arc<Slot>, incarnation: u64) {
        match slot.crashed(incarnation, self.clock.monotonic_ms()) {
            AfterCrash::Restart {
                after_ms,
                incarnation,
            } => {
                self.metrics.entity_restarts.increment(1);
                self.start_actor(Arc::clone(slot), incarnation, after_ms);
            }
            AfterCrash::Old => {}
            AfterCrash::GiveUp => {
                self.metrics.entity_given_up.increment(1);
                self.index.forget(&slot.entity);
                error!(entity = %slot.entity, "restart budget used up, entity rests");
                for envelope in slot.give_up_waiting() {
                    let why = Rejection::new(ErrorCode::Unavailable);
                    self.answer(envelope.reply_to, Outcome::Refused(why));
                }
            }
        }
    }
}

async fn spawn_entity(
    node: &Arc<Node>,
    slot: &Arc<Slot>,
    incarnation: u64,
    supervisor: ActorCell,
) -> Result<(), String> {
    let (node, slot) = (Arc::clone(node), Arc::clone(slot));
    let started = match slot.entity.kind {
        EntityKind::Room(_) => {
            let actor = EntityActor::<RoomState>::new(node, slot, incarnation);
            Actor::spawn_linked(None, actor, (), supervisor).await
        }
        EntityKind::Company => {
            let actor = EntityActor::<CompanyState>::new(node, slot, incarnation);
            Actor::spawn_linked(None, actor, (), supervisor).await
        }
        EntityKind::Staff => {
            let actor = EntityActor::<StaffState>::new(node, slot, incarnation);
            Actor::spawn_linked(None, actor, (), supervisor).await
        }
        EntityKind::Companies => {
            let actor = EntityActor::<CompaniesState>::new(node, slot, incarnation);
            Actor::spawn_linked(None, actor, (), supervisor).await
        }
        EntityKind::Names(_) => {
            let actor = EntityActor::<NamesState>::new(node, slot, incarnation);
            Actor::spawn_linked(None, actor, (), supervisor).await
        }
        EntityKind::Upload(_) => {
            let actor = EntityActor::<UploadState>::new(node, slot, incarnation);
            Actor::spawn_linked(None, actor, (), supervisor).await
        }
    };
    started.map(|_| ()).map_err(|error| error.to_string())
}

impl Supervisor {
    fn new(node: &Arc<Node>, watched: Watched) -> Self {
        let node = Arc::downgrade(node);
        Self { node, watched }
    }
}

impl Actor for Supervisor {
    type Msg = NoMsg;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _myself: ActorRef<NoMsg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    #[cfg(test)]
    async fn handle(
        &self,
        _myself: ActorRef<NoMsg>,
        msg: NoMsg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            NoMsg::Crash => panic!("a test asked this supervisor to crash"),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<NoMsg>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        let Some(node) = self.node.upgrade() else {
            return Ok(());
        };
        match (&self.watched, event) {
            (Watched::Companies, SupervisionEvent::ActorFailed(child, why)) => {
                error!(%why, "company supervisor failed");
                node.company_crashed(&child);
            }
            (Watched::EntitiesOf(_), SupervisionEvent::ActorTerminated(child, _, _)) => {
                node.registry.ended(&child);
            }
            (Watched::EntitiesOf(company), SupervisionEvent::ActorFailed(child, why)) => {
                if let Some((slot, incarnation)) = node.registry.crashed(&child) {
                    warn!(%company, entity = %slot.entity, %why, "entity failed");
                    node.entity_crashed(&slot, incarnation);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
