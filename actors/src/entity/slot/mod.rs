//! A slot: what an entity needs while it is awake and what must survive a crash of its actor: the
//! commands that were admitted and not yet answered.
//!
//! Commands wait here, not in the actor's mailbox: the mailbox is unbounded and dies with the
//! actor. The actor is only told that there is work.
//!
//! Invariants:
//! 1. Every admitted envelope is in `waiting`, `in_flight` or `held` until it is answered.
//! 2. `waiting` is bounded in bytes; what is refused for now comes again before anything later of
//!    that door is admitted, so order holds.
//! 3. A closed slot admits nothing: its entity is found again through the registry.
//! 4. One incarnation of the actor is served at a time; what an older one still says is ignored.
//!
//! Never: decides anything, or awaits.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::{Cid, ErrorCode, Rejection, Seq};
use frontdesk_storage::EntityId;
use ractor::ActorRef;

use super::actor::EntityMsg;
use super::{Caller, Command, Envelope, ReplyTo};
use crate::door::DoorId;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_COMMAND_COUNT_MAX, RESTART_BACKOFF_MS, RESTART_BACKOFF_MS_MAX,
    RESTART_COUNT_MAX, RESTART_WINDOW_MS,
};
use crate::task::lock;

/// Doors whose refused command must come again first; more than this are forgotten, oldest first.
const REFUSED_DOOR_COUNT_MAX: usize = 1_024;
/// "Since" of a command that was in flight when its actor crashed: it may be written, so it is
/// never taken out as overdue.
const IN_FLIGHT_BEFORE: u64 = u64::MAX;

/// How the actor of a slot is.
enum Stage {
    /// Being started or restarted: it looks at the queue when it is up.
    Starting,
    /// Up, with nothing to do.
    Idle(ActorRef<EntityMsg>),
    /// Up and told that there is work.
    Busy(ActorRef<EntityMsg>),
    /// Crashed too often: commands are refused until then.
    GivenUp { until_ms: u64 },
    /// Retired; resolve again.
    Closed,
}

struct Inbox {
    stage: Stage,
    waiting: VecDeque<(u64, Arc<Envelope>)>,
    waiting_bytes: usize,
    in_flight: Vec<Arc<Envelope>>,
    /// Durable, and answered when what the entity owes because of them is delivered.
    held: Vec<Arc<Envelope>>,
    /// The actor that is served, counted from 0.
    incarnation: u64,
    refused: BTreeMap<DoorId, Cid>,
    crashes_ms: VecDeque<u64>,
}

/// See the module's text.
pub(crate) struct Slot {
    pub(crate) entity: EntityId,
    pub(crate) generation: u64,
    inbox: Mutex<Inbox>,
    active_ms: AtomicU64,
    /// Seq of the last shown event that was published.
    published: AtomicU64,
}

/// Nothing was published since the entity woke: its predecessor here published everything, or it
/// would not have slept.
const NOTHING_PUBLISHED: u64 = u64::MAX;

/// What became of an envelope that was offered.
pub(crate) enum Admission {
    /// It waits; it will be answered.
    Admitted,
    /// It waits, and somebody must start an actor, as this incarnation.
    AdmittedStart { incarnation: u64 },
    /// No.
    Refused(Rejection),
    /// The slot is closed: resolve again.
    Gone,
}

/// What to do after a crash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterCrash {
    /// Start again after this pause, as this incarnation.
    Restart { after_ms: u64, incarnation: u64 },
    /// The budget is used up; what waits is refused.
    GiveUp,
    /// It was not the actor that is served: its crash is no news.
    Old,
}

impl Slot {
    /// A slot whose actor is about to be started.
    pub(crate) fn new(entity: EntityId, generation: u64, now_ms: u64) -> Self {
        let inbox = Inbox {
            stage: Stage::Starting,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: Vec::new(),
            held: Vec::new(),
            incarnation: 0,
            refused: BTreeMap::new(),
            crashes_ms: VecDeque::new(),
        };
        Self {
            entity,
            generation,
            inbox: Mutex::new(inbox),
            active_ms: AtomicU64::new(now_ms),
            published: AtomicU64::new(NOTHING_PUBLISHED),
        }
    }

    /// Everything up to `head` is published now; the first event that was not before. Survives a
    /// crash of the actor, so its successor knows what it did not live to tell.
    pub(crate) fn published(&self, head: Seq) -> Option<Seq> {
        let before = self.published.swap(head.0, Ordering::AcqRel);
        (before != NOTHING_PUBLISHED && before < head.0).then(|| Seq(before).next())
    }

    /// Offers a command.
    pub(crate) fn admit(
        &self,
        envelope: &Arc<Envelope>,
        waiting_bytes_max: usize,
        now_ms: u64,
    ) -> Admission {
        let mut inbox = lock(&self.inbox);
        self.active_ms.store(now_ms, Ordering::Relaxed);
        match inbox.stage {
            Stage::Closed => return Admission::Gone,
            Stage::GivenUp { until_ms } if now_ms < until_ms => {
                inbox.remember_refused(envelope);
                return Admission::Refused(Rejection::new(ErrorCode::Unavailable));
            }
            _ => {}
        }
        if let Some(refused) = inbox.refuse_for_space(envelope, waiting_bytes_max) {
            return Admission::Refused(refused);
        }
        inbox.waiting_bytes += envelope.weight_bytes();
        inbox.waiting.push_back((now_ms, Arc::clone(envelope)));
        inbox.tell_of_work(is_patient(&envelope.command));
        if let Stage::GivenUp { .. } = inbox.stage {
            inbox.stage = Stage::Starting;
            inbox.incarnation += 1;
            let incarnation = inbox.incarnation;
            return Admission::AdmittedStart { incarnation };
        }
        Admission::Admitted
    }

    /// The actor is up: what its predecessor had in flight is decided again, first. False when
    /// another one was started meanwhile.
    pub(crate) fn started(&self, actor: ActorRef<EntityMsg>, incarnation: u64) -> bool {
        let mut inbox = lock(&self.inbox);
        if inbox.incarnation != incarnation {
            return false;
        }
        inbox.requeue_in_flight();
        inbox.stage = Stage::Idle(actor);
        inbox.tell_of_work(false);
        true
    }

    /// Takes the next batch; it stays in flight until `finish`. Empty means that the actor is idle
    /// from now on and will be told of work.
    pub(crate) fn take_batch(&self, incarnation: u64) -> Vec<Arc<Envelope>> {
        let mut inbox = lock(&self.inbox);
        if inbox.incarnation != incarnation {
            return Vec::new();
        }
        let mut batch_bytes = 0;
        while let Some((_, envelope)) = inbox.waiting.front() {
            let envelope_bytes = envelope.weight_bytes();
            let count = inbox.in_flight.len();
            let is_full = count >= BATCH_COMMAND_COUNT_MAX
                || (count > 0 && batch_bytes + envelope_bytes > BATCH_BYTES_MAX);
            if is_full {
                break;
            }
            batch_bytes += envelope_bytes;
            inbox.waiting_bytes -= envelope_bytes;
            let taken = inbox.waiting.pop_front();
            inbox.in_flight.extend(taken.map(|(_, envelope)| envelope));
        }
        if inbox.in_flight.is_empty()
            && let Stage::Busy(actor) = &inbox.stage
        {
            inbox.stage = Stage::Idle(actor.clone());
        }
        inbox.in_flight.clone()
    }

    /// The batch in flight is answered, but for these, which are held. False when the batch is no
    /// longer this actor's: then it answers nobody.
    pub(crate) fn finish(&self, incarnation: u64, held: &[ReplyTo]) -> bool {
        let mut inbox = lock(&self.inbox);
        if inbox.incarnation != incarnation {
            return false;
        }
        let finished = std::mem::take(&mut inbox.in_flight);
        let is_held = |envelope: &Arc<Envelope>| held.contains(&envelope.reply_to);
        inbox.held.extend(finished.into_iter().filter(is_held));
        true
    }

    /// What was held for this caller is answered; false as for `finish`.
    pub(crate) fn finish_held(&self, incarnation: u64, to: ReplyTo) -> bool {
        let mut inbox = lock(&self.inbox);
        inbox.held.retain(|envelope| envelope.reply_to != to);
        inbox.incarnation == incarnation
    }

    /// Closes the slot if nothing is left to do. Called under the registry's lock of this entity.
    pub(crate) fn close_if_quiet(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        let is_up = matches!(inbox.stage, Stage::Idle(_) | Stage::Busy(_));
        let closes = is_up && inbox.is_quiet();
        if closes {
            inbox.stage = Stage::Closed;
        }
        closes
    }

    /// Closes the slot if it was given up and has served its time, or `at_once`. Called as
    /// `close_if_quiet`.
    pub(crate) fn close_if_given_up(&self, now_ms: u64, at_once: bool) -> bool {
        let mut inbox = lock(&self.inbox);
        let is_over = match inbox.stage {
            Stage::GivenUp { until_ms } => at_once || until_ms <= now_ms,
            _ => false,
        };
        let closes = is_over && inbox.is_quiet();
        if closes {
            inbox.stage = Stage::Closed;
        }
        closes
    }

    /// The actor that is served now.
    pub(crate) fn incarnation(&self) -> u64 {
        lock(&self.inbox).incarnation
    }

    /// An actor crashed or could not start.
    pub(crate) fn crashed(&self, incarnation: u64, now_ms: u64) -> AfterCrash {
        let mut inbox = lock(&self.inbox);
        if inbox.incarnation != incarnation || matches!(inbox.stage, Stage::Closed) {
            return AfterCrash::Old;
        }
        inbox.incarnation += 1;
        inbox.requeue_in_flight();
        while inbox
            .crashes_ms
            .front()
            .is_some_and(|at| at + RESTART_WINDOW_MS < now_ms)
        {
            inbox.crashes_ms.pop_front();
        }
        inbox.crashes_ms.push_back(now_ms);
        let count = inbox.crashes_ms.len();
        if count > RESTART_COUNT_MAX {
            inbox.stage = Stage::GivenUp {
                until_ms: now_ms + RESTART_WINDOW_MS / 2,
            };
            return AfterCrash::GiveUp;
        }
        inbox.stage = Stage::Starting;
        let doubled = RESTART_BACKOFF_MS << count.saturating_sub(2).min(16);
        let after_ms = if count == 1 {
            0
        } else {
            doubled.min(RESTART_BACKOFF_MS_MAX)
        };
        let incarnation = inbox.incarnation;
        AfterCrash::Restart {
            after_ms,
            incarnation,
        }
    }

    /// Takes out everything that waits, to be refused: the entity cannot be brought up.
    pub(crate) fn give_up_waiting(&self) -> Vec<Arc<Envelope>> {
        lock(&self.inbox).refuse_waiting(0)
    }

    /// Takes out everything that waits if the oldest has waited longer than this; to be refused.
    /// What was in flight before a crash stays: only the journal knows what became of it.
    pub(crate) fn take_overdue(&self, wait_ms_max: u64, now_ms: u64) -> Vec<Arc<Envelope>> {
        let mut inbox = lock(&self.inbox);
        let was_in_flight = |(since, _): &&(u64, Arc<Envelope>)| *since == IN_FLIGHT_BEFORE;
        let from = inbox.waiting.iter().take_while(was_in_flight).count();
        match inbox.waiting.get(from) {
            Some((since, _)) if since + wait_ms_max < now_ms => inbox.refuse_waiting(from),
            _ => Vec::new(),
        }
    }

    /// The actor, if the slot has been idle for this long.
    pub(crate) fn idle_actor(&self, idle_ms: u64, now_ms: u64) -> Option<ActorRef<EntityMsg>> {
        if self.active_ms.load(Ordering::Relaxed) + idle_ms > now_ms {
            return None;
        }
        match &lock(&self.inbox).stage {
            Stage::Idle(actor) => Some(actor.clone()),
            _ => None,
        }
    }

    /// The actor, whatever it does.
    pub(crate) fn actor(&self) -> Option<ActorRef<EntityMsg>> {
        match &lock(&self.inbox).stage {
            Stage::Idle(actor) | Stage::Busy(actor) => Some(actor.clone()),
            _ => None,
        }
    }

    /// Whether it rests after too many crashes.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(lock(&self.inbox).stage, Stage::GivenUp { .. })
    }

    /// Bytes waiting.
    pub(crate) fn waiting_bytes(&self) -> usize {
        lock(&self.inbox).waiting_bytes
    }
}

impl Inbox {
    fn refuse_for_space(
        &mut self,
        envelope: &Arc<Envelope>,
        waiting_bytes_max: usize,
    ) -> Option<Rejection> {
        let door = envelope.reply_to.door;
        let is_ordered = is_ordered(envelope);
        let must_come_first = is_ordered
            && self
                .refused
                .get(&door)
                .is_some_and(|cid| *cid != envelope.cid);
        // What is held waits for others, a slow bot among them, and counts as well.
        let held_bytes: usize = self.held.iter().map(|held| held.weight_bytes()).sum();
        let kept_bytes = self.waiting_bytes + held_bytes;
        let fits = kept_bytes + envelope.weight_bytes() <= waiting_bytes_max;
        if fits && !must_come_first {
            if is_ordered {
                self.refused.remove(&door);
            }
            return None;
        }
        if !must_come_first {
            self.remember_refused(envelope);
        }
        Some(Rejection::new(ErrorCode::Busy))
    }

    fn is_quiet(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty() && self.held.is_empty()
    }

    /// The first refused command of a door is the one that must come again.
    fn remember_refused(&mut self, envelope: &Envelope) {
        let door = envelope.reply_to.door;
        if is_ordered(envelope) {
            self.refused.entry(door).or_insert(envelope.cid);
            if self.refused.len() > REFUSED_DOOR_COUNT_MAX {
                self.refused.pop_first(); // doors are numbered as they open
            }
        }
    }

    /// Takes out what waits from this place on, and remembers it as refused.
    fn refuse_waiting(&mut self, from: usize) -> Vec<Arc<Envelope>> {
        let taken = self.waiting.drain(from..).map(|(_, envelope)| envelope);
        let taken: Vec<Arc<Envelope>> = taken.collect();
        for envelope in &taken {
            self.waiting_bytes -= envelope.weight_bytes();
            self.remember_refused(envelope);
        }
        taken
    }

    fn requeue_in_flight(&mut self) {
        let held = std::mem::take(&mut self.held);
        let in_flight = std::mem::take(&mut self.in_flight);
        for envelope in held.into_iter().chain(in_flight).rev() {
            self.waiting_bytes += envelope.weight_bytes();
            self.waiting.push_front((IN_FLIGHT_BEFORE, envelope));
        }
    }

    /// Tells an idle actor. A patient command waits for company; whatever comes after takes it
    /// along.
    fn tell_of_work(&mut self, is_patient: bool) {
        if self.waiting.is_empty() {
            return;
        }
        let Stage::Idle(actor) = &self.stage else {
            return;
        };
        let msg = if is_patient {
            EntityMsg::WorkLater
        } else {
            EntityMsg::Work
        };
        // A dead actor's supervisor starts another, which looks at the queue by itself.
        let _ = actor.cast(msg);
        if !is_patient {
            self.stage = Stage::Busy(actor.clone());
        }
    }
}

/// Whether a command may not overtake an earlier one of its door. Callers that await share a door
/// and keep no order among themselves; a mark is worth the same in any order; an entity sends an
/// effect that was refused again under another cid, and one at a time.
fn is_ordered(envelope: &Envelope) -> bool {
    let door = envelope.reply_to.door;
    door != DoorId::NOBODY
        && door != crate::node::ASK_DOOR
        && matches!(envelope.caller, Caller::Person(_))
        && !is_patient(&envelope.command)
}

/// Read marks are worth a record only together.
fn is_patient(command: &Command) -> bool {
    matches!(command, Command::Room(RoomCommand::MarkRead { .. }))
}
