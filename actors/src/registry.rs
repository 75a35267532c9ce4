//! Finds an entity's slot, starts its actor when there is none, and retires it when there is
//! nothing left to do.
//!
//! Invariants:
//! 1. A slot leaves the map only when it is closed, and it is closed only while nothing waits in
//!    it, both under the map's lock of that entity; so no admitted command is lost.
//! 2. The next actor of an entity opens after the one before it has ended.
//! 3. Not the map but the journal's fence makes an owner: two slots of one entity would be slow,
//!    not wrong.
//!
//! Never: holds a map's lock across an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};
use frontdesk_storage::EntityId;
use ractor::{ActorCell, ActorId};
use tokio::sync::Notify;

use crate::entity::actor::EntityMsg;
use crate::entity::slot::{Admission, Slot};
use crate::entity::{Caller, Command, Envelope, Outcome};
use crate::node::Node;
use crate::task::{lock, pause};

/// Entities looked at before others have their turn: some ten microseconds.
const SWEEP_COUNT: usize = 256;
/// Entities asked to sleep before others have their turn: each writes a little and ends an actor,
/// some forty microseconds.
const SLEEP_COUNT: usize = 16;
/// How long the others' turn is, milliseconds.
const SLEEP_PAUSE_MS: u64 = 1;

/// The awake entities of a node.
pub(crate) struct Registry {
    slots: DashMap<EntityId, Arc<Slot>>,
    /// Actors that run, each with the slot it serves and as which incarnation.
    by_actor: DashMap<ActorId, (Arc<Slot>, u64)>,
    /// Retired slots whose actor has not ended yet.
    leaving: Mutex<HashMap<EntityId, Arc<Notify>>>,
    generations: AtomicU64,
    closing: AtomicBool,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            slots: DashMap::new(),
            by_actor: DashMap::new(),
            leaving: Mutex::new(HashMap::new()),
            generations: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        }
    }

    /// Brings a command to its entity, waking it if need be.
    pub(crate) fn submit(&self, node: &Arc<Node>, entity: EntityId, envelope: Arc<Envelope>) {
        let is_of_client = matches!(envelope.caller, Caller::Person(_));
        let opens = is_of_client || matches!(envelope.command, Command::Wake);
        if opens && self.closing.load(Ordering::Acquire) {
            let why = Rejection::new(ErrorCode::Draining);
            return node.answer(envelope.reply_to, Outcome::Refused(why));
        }
        let now_ms = node.clock.monotonic_ms();
        let waiting_bytes_max = node.limits.entity_waiting_bytes;
        loop {
            let (slot, is_new) = self.slot(&entity, now_ms);
            let admission = slot.admit(&envelope, waiting_bytes_max, now_ms);
            let starts = match admission {
                Admission::AdmittedStart { incarnation } => Some(incarnation),
                _ => is_new.then_some(0),
            };
            match admission {
                Admission::Admitted | Admission::AdmittedStart { .. } => {}
                Admission::Refused(why) => {
                    node.metrics.commands_refused_busy.increment(1);
                    node.answer(envelope.reply_to, Outcome::Refused(why));
                }
                Admission::Gone => continue,
            }
            if let Some(incarnation) = starts {
                node.start_actor(slot, incarnation, 0);
            }
            return;
        }
    }

    fn slot(&self, entity: &EntityId, now_ms: u64) -> (Arc<Slot>, bool) {
        if let Some(found) = self.slots.get(entity) {
            return (Arc::clone(found.value()), false);
        }
        let mut is_new = false;
        let slot = self.slots.entry(entity.clone()).or_insert_with(|| {
            is_new = true;
            let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
            Arc::new(Slot::new(entity.clone(), generation, now_ms))
        });
        (Arc::clone(slot.value()), is_new)
    }

    /// Lets an actor go if nothing waits for it. True means that it must stop now.
    pub(crate) fn retire(&self, slot: &Arc<Slot>) -> bool {
        let mut leaving = lock(&self.leaving);
        let removed = self.slots.remove_if(&slot.entity, |_, current| {
            current.generation == slot.generation && slot.close_if_quiet()
        });
        if removed.is_some() {
            leaving.insert(slot.entity.clone(), Arc::new(Notify::new()));
        }
        removed.is_some()
    }

    /// Waits until a retired actor of the same entity has ended.
    pub(crate) async fn predecessor_ended(&self, slot: &Slot) {
        loop {
            let Some(ended) = lock(&self.leaving).get(&slot.entity).map(Arc::clone) else {
                return;
            };
            let notified = ended.notified();
            if !lock(&self.leaving).contains_key(&slot.entity) {
                return;
            }
            notified.await;
        }
    }

    /// An actor serves a slot from now on.
    pub(crate) fn register(&self, actor: ActorId, slot: &Arc<Slot>, incarnation: u64) {
        self.by_actor.insert(actor, (Arc::clone(slot), incarnation));
    }

    /// An actor has ended by itself.
    pub(crate) fn ended(&self, actor: &ActorCell) {
        if let Some((_, (slot, _))) = self.by_actor.remove(&actor.get_id())
            && let Some(ended) = lock(&self.leaving).remove(&slot.entity)
        {
            ended.notify_waiters();
        }
    }

    /// An actor has crashed: the slot it served, and as which incarnation.
    pub(crate) fn crashed(&self, actor: &ActorCell) -> Option<(Arc<Slot>, u64)> {
        let (_, (slot, incarnation)) = self.by_actor.remove(&actor.get_id())?;
        let leaving = lock(&self.leaving).remove(&slot.entity);
        if let Some(ended) = leaving {
            ended.notify_waiters();
            return None; // it was leaving anyway
        }
        Some((slot, incarnation))
    }

    /// A company's supervisor was lost with all its actors, and with it the word of their ends.
    /// Returns the slots that have no actor now, each with the incarnation that was lost.
    pub(crate) fn lost(&self, company: &CompanyId) -> Vec<(Arc<Slot>, u64)> {
        self.by_actor
            .retain(|_, (slot, _)| slot.entity.company != *company);
        lock(&self.leaving).retain(|entity, ended| {
            let stays = entity.company != *company;
            if !stays {
                ended.notify_waiters();
            }
            stays
        });
        let of_company = |entry: &dashmap::mapref::multiple::RefMulti<'_, EntityId, Arc<Slot>>| {
            entry.key().company == *company
        };
        let found = self.slots.iter().filter(of_company);
        let lost = found.map(|entry| (Arc::clone(entry.value()), entry.incarnation()));
        lost.collect()
    }

    /// Whether anyone of a company is awake, or was and its end is not told yet.
    pub(crate) fn knows(&self, company: &CompanyId) -> bool {
        // In the order in which an entity that falls asleep passes through them.
        let is_of = |entity: &EntityId| entity.company == *company;
        // One lock after the other: a look at a map holds a part of it until its statement ends.
        let is_awake = self.slots.iter().any(|entry| is_of(entry.key()));
        let is_leaving = lock(&self.leaving).keys().any(is_of);
        let is_served = self.by_actor.iter().any(|entry| is_of(&entry.0.entity));
        is_awake || is_leaving || is_served
    }

    /// Once a second: puts the idle to sleep, and companies of which nobody is awake, and refuses
    /// what waited too long. In pieces with rests between them: whoever became idle in the same
    /// second would otherwise go to sleep in one stretch, and everybody else would wait for it.
    pub(crate) async fn sweep(&self, node: &Arc<Node>) {
        for slots in self.all_slots().chunks(SWEEP_COUNT) {
            let mut asked_count = 0;
            for slot in slots {
                asked_count += usize::from(self.look_at(node, slot));
                if asked_count == SLEEP_COUNT {
                    asked_count = 0;
                    pause(SLEEP_PAUSE_MS).await;
                }
            }
            tokio::task::yield_now().await;
        }
        self.end_sweep(node);
    }

    /// The same in one stretch.
    #[cfg(test)]
    pub(crate) fn tick(&self, node: &Arc<Node>) {
        for slot in self.all_slots() {
            self.look_at(node, &slot);
        }
        self.end_sweep(node);
    }

    fn all_slots(&self) -> Vec<Arc<Slot>> {
        let slots = self.slots.iter();
        slots.map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Does for one entity what its idleness asks for; whether it was asked to sleep.
    fn look_at(&self, node: &Arc<Node>, slot: &Arc<Slot>) -> bool {
        let now_ms = node.clock.monotonic_ms();
        self.forget_given_up(slot, now_ms, false);
        for envelope in slot.take_overdue(node.limits.entity_wait_ms, now_ms) {
            node.metrics.commands_refused_busy.increment(1);
            let why = Rejection::new(ErrorCode::Busy);
            node.answer(envelope.reply_to, Outcome::Refused(why));
        }
        let idle = slot.idle_actor(node.limits.entity_idle_ms, now_ms);
        // A dead actor has no need to sleep.
        idle.is_some_and(|actor| actor.cast(EntityMsg::Sleep).is_ok())
    }

    fn end_sweep(&self, node: &Arc<Node>) {
        node.supervisors.rest(self);
        node.metrics.entities_awake.set(self.slots.len() as f64);
    }

    fn forget_given_up(&self, slot: &Arc<Slot>, now_ms: u64, at_once: bool) {
        self.slots.remove_if(&slot.entity, |_, current| {
            Arc::ptr_eq(current, slot) && slot.close_if_given_up(now_ms, at_once)
        });
    }

    /// Refuses new commands from now on and asks everyone to sleep; true when all do.
    pub(crate) fn close(&self, asks: bool) -> bool {
        self.closing.store(true, Ordering::Release);
        let slots = self.all_slots();
        for slot in &slots {
            self.forget_given_up(slot, 0, true);
            if let Some(actor) = slot.actor().filter(|_| asks) {
                // A dead actor has no need to sleep.
                let _ = actor.cast(EntityMsg::Sleep);
            }
        }
        slots.is_empty() && lock(&self.leaving).is_empty()
    }

    /// Whether new commands are refused.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Entities awake, and those that are about to be asleep.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.slots.len(), lock(&self.leaving).len())
    }

    /// Actors that run now.
    pub(crate) fn actor_count(&self) -> usize {
        self.by_actor.len()
    }

    /// Bytes of commands that wait in all entities.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let waiting = self.slots.iter().map(|entry| entry.waiting_bytes());
        waiting.sum()
    }

    /// Whether an entity has an actor that has started.
    pub(crate) fn is_up(&self, entity: &EntityId) -> bool {
        let slot = self.slots.get(entity);
        slot.is_some_and(|slot| slot.actor().is_some())
    }

    /// Whether an entity rests after too many crashes.
    pub(crate) fn is_given_up(&self, entity: &EntityId) -> bool {
        let slot = self.slots.get(entity);
        slot.is_some_and(|slot| slot.is_given_up())
    }

    /// The incarnation of an entity's actor, if it is up.
    #[cfg(test)]
    pub(crate) fn incarnation(&self, entity: &EntityId) -> Option<u64> {
        let slot = self
            .slots
            .get(entity)
            .map(|entry| Arc::clone(entry.value()));
        slot.filter(|slot| slot.actor().is_some())
            .map(|slot| slot.incarnation())
    }

    #[cfg(test)]
    pub(crate) fn crash(&self, entity: &EntityId) {
        let slot = self
            .slots
            .get(entity)
            .map(|entry| Arc::clone(entry.value()));
        if let Some(actor) = slot.and_then(|slot| slot.actor()) {
            let _ = actor.cast(EntityMsg::Crash);
        }
    }
}
