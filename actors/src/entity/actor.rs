//! The engine around an entity's rules: takes commands from its slot in batches, appends one record
//! at a time, and only when that is durable answers, publishes and delivers effects.
//!
//! Supervisor: the company's. Children: none. Messages: work from the slot, outcomes from the
//! journal's writer and from receivers of effects, and the registry's ask to sleep.
//!
//! Invariants:
//! 1. One append is in flight at most; `handle` never awaits the journal.
//! 2. The state is ahead of the journal only while an append is in flight; any outcome but `Ok`
//!    ends the actor, and its successor reads the journal behind a new fence and decides again.
//! 3. Replies and publications of a batch happen after its record is durable, in order.
//!
//! Never: returns an error for a refused command; flushes anything in `post_stop`.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{Epoch, Pos};
use frontdesk_storage::{Append, AppendOutcome, Tail};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tracing::debug;

use super::batch::{self, Batch, Needs, Prepared};
use super::cids::CidWindows;
use super::effects::Effects;
use super::owing::Listing;
use super::publish::publish;
use super::recover::{Recovered, encode_snapshot, recover};
use super::slot::Slot;
use super::{Effect, Envelope, Outcome, ReplyTo, Rules};

use crate::bus::{BusMessage, Revoked};
use crate::door::OwnDoor;
use crate::index::Hurry;
use crate::limits::{
    MARK_DELAY_MS, SNAPSHOT_EVENT_COUNT, SNAPSHOT_ON_SLEEP_RECORD_COUNT, SNAPSHOT_RECORD_COUNT,
};
use crate::node::Node;
use crate::task::{blocking, spawn};

/// What an entity's actor is told. Small: every message is boxed.
#[derive(Debug)]
pub(crate) enum EntityMsg {
    /// Commands wait in the slot.
    Work,
    /// Commands wait that may wait a little longer, for company.
    WorkLater,
    /// What the batch needs has been read.
    Read(frontdesk_storage::Result<Prepared>),
    /// The append's outcome.
    Appended(AppendOutcome),
    /// An effect's outcome.
    EffectAnswered(u64, Outcome),
    /// Effects that were put off may be tried again.
    EffectRested(u64),
    /// The room may be due to tell lists what they show of it.
    List,
    /// Lists show everything up to here.
    Listed(Pos),
    /// Go to sleep if there is nothing to do.
    Sleep,
    /// Fail as a bug would: for tests of the restart path.
    #[cfg(test)]
    Crash,
}

/// Immutable parts of an entity's actor.
pub(crate) struct EntityActor<R> {
    pub(super) node: Arc<Node>,
    pub(super) slot: Arc<Slot>,
    pub(super) incarnation: u64,
    rules: PhantomData<fn() -> R>,
}

pub(super) enum Stage {
    Idle,
    Reading,
    Appending,
}

/// Everything that changes.
pub(crate) struct EntityState<R: Rules> {
    pub(super) rules: R,
    cids: CidWindows,
    pub(super) tail: Tail,
    pub(super) epoch: Epoch,
    pub(super) stage: Stage,
    taken: Vec<Arc<Envelope>>,
    batch: Option<Batch<R::Event>>,
    pub(super) effects: Effects,
    pub(super) effect_door: Option<OwnDoor>,
    /// The first record that lists do not show, and how they are told.
    pub(super) listing: Listing,
    /// What a predecessor may have made durable and not lived to announce.
    unannounced: Vec<Revoked>,
    snapshot_at: Tail,
    work_later: bool,
    /// When patient commands were last decided, milliseconds of the clock that never goes back.
    patient_ms: Option<u64>,
}

impl<R: Rules> EntityActor<R> {
    pub(crate) fn new(node: Arc<Node>, slot: Arc<Slot>, incarnation: u64) -> Self {
        Self {
            node,
            slot,
            incarnation,
            rules: PhantomData,
        }
    }
}

impl<R: Rules> Actor for EntityActor<R> {
    type Msg = EntityMsg;
    type State = EntityState<R>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<EntityMsg>,
        (): (),
    ) -> Result<EntityState<R>, ActorProcessingErr> {
        self.node.registry.predecessor_ended(&self.slot).await;
        let epoch = self.node.next_epoch();
        let tail = self.fence(epoch).await?;
        let (journal, entity) = (Arc::clone(&self.node.journal), self.slot.entity.clone());
        let recovered = blocking(move || recover::<R>(&journal, &entity)).await?;
        if recovered.tail != tail {
            let text = format!(
                "recovered to {:?}, journal ends at {tail:?}",
                recovered.tail
            );
            return Err(text.into());
        }
        debug!(entity = %self.slot.entity, epoch = epoch.0, pos = tail.pos.0, "entity awake");
        Ok(Self::awake(epoch, recovered))
    }

    async fn handle(
        &self,
        myself: ActorRef<EntityMsg>,
        msg: EntityMsg,
        state: &mut EntityState<R>,
    ) -> Result<(), ActorProcessingErr> {
        match msg {
            EntityMsg::Work => self.on_work(&myself, state),
            EntityMsg::WorkLater => self.on_work_later(&myself, state),
            EntityMsg::Read(prepared) => self.on_read(&myself, state, prepared?),
            EntityMsg::Appended(outcome) => self.on_appended(&myself, state, outcome)?,
            EntityMsg::EffectAnswered(number, outcome) => {
                self.on_effect_answered(&myself, state, number, outcome);
            }
            EntityMsg::EffectRested(number) => {
                state.effects.rested(number);
                self.send_effects(&myself, state);
            }
            EntityMsg::List => self.on_list_due(&myself, state),
            EntityMsg::Listed(pos) => self.on_listed(state, pos),
            EntityMsg::Sleep => self.on_sleep(&myself, state),
            #[cfg(test)]
            EntityMsg::Crash => panic!("a test asked this actor to crash"),
        }
        Ok(())
    }

    async fn post_start(
        &self,
        myself: ActorRef<EntityMsg>,
        state: &mut EntityState<R>,
    ) -> Result<(), ActorProcessingErr> {
        // First, for whoever crashes unregistered is not started again. Only an actor that runs is
        // counted: of what fails before this, whoever started it is told.
        let registry = &self.node.registry;
        registry.register(myself.get_id(), &self.slot, self.incarnation);
        // Edges may have missed what the predecessor made durable and did not live to publish.
        let missed = state.rules.catch_up(self.node.clock.now());
        let is_news = self.incarnation > 0;
        publish(
            &self.node,
            &self.slot,
            &state.rules,
            state.epoch,
            missed,
            is_news,
        );
        if is_news && let Some(news) = R::spread_again(&self.slot.entity) {
            self.node.send(news);
        }
        // At most one append was under way: what may not have been announced is in one record.
        // After a start of the node nobody is connected yet.
        let unannounced = std::mem::take(&mut state.unannounced);
        for revoked in unannounced.into_iter().filter(|_| is_news) {
            self.node.send(BusMessage::Revoked(revoked));
        }
        // Before anyone is answered: what the predecessor wrote may not be listed yet.
        if R::IS_LISTED {
            let behind = state.owed_from().map(|_| state.tail.pos);
            self.node.index.came_up(&self.slot.entity, behind);
        }
        if !self.slot.started(myself.clone(), self.incarnation) {
            return Err("another actor was started in its place".into());
        }
        self.send_effects(&myself, state);
        self.on_list(&myself, state);
        Ok(())
    }
}

impl<R: Rules> EntityActor<R> {
    async fn fence(&self, epoch: Epoch) -> Result<Tail, ActorProcessingErr> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |tail| {
            // The actor may have been killed meanwhile.
            let _ = sender.send(tail);
        });
        self.node.journal.fence(&self.slot.entity, epoch, done);
        Ok(receiver
            .await
            .map_err(|_| "the journal's writer is gone")??)
    }

    fn awake(epoch: Epoch, recovered: Recovered<R>) -> EntityState<R> {
        let mut effects = Effects::default();
        for (pos, effect) in recovered.effects {
            effects.owe(pos, effect);
        }
        EntityState {
            rules: recovered.rules,
            cids: recovered.cids,
            tail: recovered.tail,
            epoch,
            stage: Stage::Idle,
            taken: Vec::new(),
            batch: None,
            effects,
            effect_door: None,
            listing: Listing::after_recovery(recovered.pending.filter(|_| R::IS_LISTED)),
            unannounced: recovered.revoked,
            snapshot_at: recovered.snapshot_at,
            work_later: false,
            patient_ms: None,
        }
    }

    fn on_work(&self, myself: &ActorRef<EntityMsg>, state: &mut EntityState<R>) {
        state.work_later = false;
        if !matches!(state.stage, Stage::Idle) {
            return;
        }
        loop {
            state.taken = self.slot.take_batch(self.incarnation);
            if state.taken.is_empty() {
                return;
            }
            let needs = batch::needs(&self.slot.entity, &state.rules, &state.cids, &state.taken);
            if !needs.is_empty() {
                state.stage = Stage::Reading;
                return self.read(myself, needs);
            }
            if self.decide(myself, state, &Prepared::default()) {
                return;
            }
        }
    }

    fn on_work_later(&self, myself: &ActorRef<EntityMsg>, state: &mut EntityState<R>) {
        // The first after a while waits for nobody: only a burst has company to wait for.
        let now_ms = self.node.clock.monotonic_ms();
        let is_burst = state
            .patient_ms
            .is_some_and(|last_ms| now_ms < last_ms + MARK_DELAY_MS);
        if !is_burst && !state.work_later {
            state.patient_ms = Some(now_ms);
            return self.on_work(myself, state);
        }
        if !state.work_later {
            state.work_later = true;
            state.patient_ms = Some(now_ms + MARK_DELAY_MS);
            let delay = Duration::from_millis(MARK_DELAY_MS);
            myself.send_after(delay, || EntityMsg::Work);
        }
    }

    fn on_read(
        &self,
        myself: &ActorRef<EntityMsg>,
        state: &mut EntityState<R>,
        prepared: Prepared,
    ) {
        state.stage = Stage::Idle;
        if !self.decide(myself, state, &prepared) {
            self.on_work(myself, state);
        }
    }

    /// Decides what was taken. True when an append is in flight now.
    fn decide(
        &self,
        myself: &ActorRef<EntityMsg>,
        state: &mut EntityState<R>,
        prepared: &Prepared,
    ) -> bool {
        let now = self.node.clock.now();
        let (rules, cids) = (&mut state.rules, &mut state.cids);
        let entity = &self.slot.entity;
        let batch = batch::decide(entity, rules, cids, &state.taken, prepared, now);
        self.node
            .metrics
            .batch_commands
            .record(state.taken.len() as f64);
        state.taken.clear();
        if batch.events.is_empty() {
            self.finish(state, batch);
            return false;
        }
        let owes_more = R::IS_LISTED || !batch.effects.is_empty();
        let append = Append {
            entity: entity.clone(),
            epoch: state.epoch,
            expected: state.tail.pos,
            seq_after: state.rules.seq(),
            payload: batch.record(),
            cids: batch.cid_rows(),
            rows: batch.rows.clone(),
            pending: state
                .owed_from()
                .or(owes_more.then(|| state.tail.pos.next())),
            erases: batch.erases,
        };
        state.batch = Some(batch);
        state.stage = Stage::Appending;
        let writer_side = myself.clone();
        let done = Box::new(move |outcome| {
            // A dead actor's successor reads the outcome from the journal.
            let _ = writer_side.cast(EntityMsg::Appended(outcome));
        });
        self.node.journal.append(append, done);
        true
    }

    fn on_appended(
        &self,
        myself: &ActorRef<EntityMsg>,
        state: &mut EntityState<R>,
        outcome: AppendOutcome,
    ) -> Result<(), ActorProcessingErr> {
        let AppendOutcome::Ok { pos } = outcome else {
            return Err(format!("append after pos {}: {outcome:?}", state.tail.pos).into());
        };
        let batch = state.batch.take().ok_or("an append nobody made")?;
        state.tail = Tail {
            pos,
            seq: state.rules.seq(),
        };
        state.stage = Stage::Idle;
        if R::IS_LISTED {
            state.listing.owe(pos);
            let hurry = || {
                let actor = myself.clone();
                // A dead actor's successor tells by itself.
                Box::new(move || drop(actor.cast(EntityMsg::List))) as Hurry
            };
            let (index, now_ms) = (&self.node.index, self.node.clock.monotonic_ms());
            index.owe(&self.slot.entity, pos, now_ms, &batch.people, hurry);
        }
        self.finish(state, batch);
        self.send_effects(myself, state);
        self.on_list(myself, state);
        if is_snapshot_due(state.snapshot_at, state.tail) {
            self.put_snapshot(state);
        }
        self.on_work(myself, state);
        Ok(())
    }

    /// A batch is durable: tells the edges, then the callers. An actor that was replaced tells
    /// nobody: its successor reads the record and decides the same commands again.
    fn finish(&self, state: &mut EntityState<R>, batch: Batch<R::Event>) {
        let held: Vec<ReplyTo> = batch.waiting.iter().map(|(_, to, _)| *to).collect();
        if !self.slot.finish(self.incarnation, &held) {
            return;
        }
        let published: Vec<RoomEvent> = batch.events.iter().filter_map(R::publish).collect();
        if !published.is_empty() {
            publish(
                &self.node,
                &self.slot,
                &state.rules,
                state.epoch,
                published,
                true,
            );
        }
        for revoked in batch.events.iter().filter_map(R::announce) {
            self.node.send(BusMessage::Revoked(revoked));
        }
        let entity = &self.slot.entity;
        for news in batch
            .events
            .iter()
            .filter_map(|event| R::spread(entity, event))
        {
            self.node.send(news);
        }
        for effect in batch.effects {
            state.effects.owe(state.tail.pos, effect);
        }
        self.answer_all(batch.replies);
        for (other, to, answer) in batch.waiting {
            let rules = &state.rules;
            let is_awaited = |effect: &Effect| rules.is_awaited(&other, &answer, effect);
            if !state.effects.wait(is_awaited, to, &answer) {
                self.answer_held([(to, Outcome::Done(answer))]);
            }
        }
    }

    fn on_sleep(&self, myself: &ActorRef<EntityMsg>, state: &mut EntityState<R>) {
        if state.owed_from().is_some() {
            self.on_list_due(myself, state); // nothing more will come for the lists to wait for
        }
        let is_quiet = matches!(state.stage, Stage::Idle) && state.owed_from().is_none();
        if !is_quiet || !self.node.registry.retire(&self.slot) {
            return self.on_work(myself, state); // read marks that wait are flushed before sleep
        }
        let new_records = state.tail.pos.0 - state.snapshot_at.pos.0;
        if new_records >= SNAPSHOT_ON_SLEEP_RECORD_COUNT {
            self.put_snapshot(state);
        }
        // A mark that could not be settled beside an append is settled now.
        self.node
            .journal
            .settle(&self.slot.entity, state.epoch, None);
        self.node.journal.release(&self.slot.entity, state.epoch);
        myself.stop(None);
    }

    fn read(&self, myself: &ActorRef<EntityMsg>, needs: Needs) {
        let node = Arc::clone(&self.node);
        let entity = self.slot.entity.clone();
        let actor = myself.clone();
        spawn(async move {
            let reading = spawn(blocking(move || batch::read(&node, &entity, needs)));
            let ended = || {
                let why = "a read for an entity ended by itself";
                Err(frontdesk_storage::Error::Damaged(why.to_owned()))
            };
            let prepared = reading.await.unwrap_or_else(|_| ended());
            // A dead actor's successor reads for itself.
            let _ = actor.cast(EntityMsg::Read(prepared));
        });
    }

    fn put_snapshot(&self, state: &mut EntityState<R>) {
        let now = self.node.clock.now();
        let snapshot = encode_snapshot(&state.rules, &state.cids, state.tail, now);
        self.node.journal.put_snapshot(&self.slot.entity, snapshot);
        state.snapshot_at = state.tail;
    }

    fn answer_all(&self, replies: impl IntoIterator<Item = (ReplyTo, Outcome)>) {
        for (to, outcome) in replies {
            self.node.answer(to, outcome);
        }
    }
}

/// A busy entity's records hold many events each, and waking replays the events.
fn is_snapshot_due(last: Tail, now: Tail) -> bool {
    now.pos.0 - last.pos.0 >= SNAPSHOT_RECORD_COUNT
        || now.seq.0 - last.seq.0 >= SNAPSHOT_EVENT_COUNT
}
