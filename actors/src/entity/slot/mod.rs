//! A slot: what an entity needs while it is awake and what must survive a crash of its actor: the
//! commands that were admitted and not yet answered.
//!
//! Commands wait here, not in the actor's mailbox: the mailbox is unbounded and dies with the actor.
//! The actor is only told that there is work.
//!
//! Invariants:
//! 1. Every admitted envelope is in `waiting` or `in_flight` until it is answered.
//! 2. `waiting` is bounded in bytes; what does not fit is refused and nothing later of that door is
//!    admitted before it, so order holds.
//! 3. A closed slot admits nothing: its entity is found again through the registry.
//!
//! Never: decides anything, or awaits.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::{Cid, ErrorCode, Rejection};
use frontdesk_storage::EntityId;
use ractor::ActorRef;

use super::actor::EntityMsg;
use super::{Command, Envelope};
use crate::door::DoorId;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_COMMAND_COUNT_MAX, RESTART_BACKOFF_MS, RESTART_BACKOFF_MS_MAX,
    RESTART_COUNT_MAX, RESTART_WINDOW_MS,
};
use crate::task::lock;

/// Doors whose refused command must come again first; more than this are forgotten, oldest first.
const REFUSED_DOOR_COUNT_MAX: usize = 1_024;

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
    refused: HashMap<DoorId, Cid>,
    crashes_ms: VecDeque<u64>,
}

/// See the module's text.
pub(crate) struct Slot {
    pub(crate) entity: EntityId,
    pub(crate) generation: u64,
    inbox: Mutex<Inbox>,
    active_ms: AtomicU64,
}

/// What became of an envelope that was offered.
pub(crate) enum Admission {
    /// It waits; it will be answered.
    Admitted,
    /// It waits, and somebody must start an actor.
    AdmittedStart,
    /// No.
    Refused(Rejection),
    /// The slot is closed: resolve again.
    Gone,
}

/// What to do after a crash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterCrash {
    /// Start again after this pause.
    Restart { after_ms: u64 },
    /// The budget is used up; these are refused.
    GiveUp,
}

impl Slot {
    /// A slot whose actor is about to be started.
    pub(crate) fn new(entity: EntityId, generation: u64, now_ms: u64) -> Self {
        let inbox = Inbox {
            stage: Stage::Starting,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: Vec::new(),
            refused: HashMap::new(),
            crashes_ms: VecDeque::new(),
        };
        Self {
            entity,
            generation,
            inbox: Mutex::new(inbox),
            active_ms: AtomicU64::new(now_ms),
        }
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
        let mut start = false;
        match inbox.stage {
            Stage::Closed => return Admission::Gone,
            Stage::GivenUp { until_ms } if now_ms < until_ms => {
                return Admission::Refused(Rejection::new(ErrorCode::Unavailable));
            }
            Stage::GivenUp { .. } => {
                inbox.stage = Stage::Starting;
                start = true;
            }
            _ => {}
        }
        if let Some(refused) = inbox.refuse_for_space(envelope, waiting_bytes_max) {
            return Admission::Refused(refused);
        }
        inbox.waiting_bytes += envelope.weight_bytes();
        inbox.waiting.push_back((now_ms, Arc::clone(envelope)));
        inbox.tell_of_work(is_patient(&envelope.command));
        if start {
            Admission::AdmittedStart
        } else {
            Admission::Admitted
        }
    }

    /// The actor is up: what its predecessor had in flight is decided again, first.
    pub(crate) fn started(&self, actor: ActorRef<EntityMsg>) {
        let mut inbox = lock(&self.inbox);
        inbox.requeue_in_flight();
        inbox.stage = Stage::Idle(actor);
        inbox.tell_of_work(false);
    }

    /// Takes the next batch; it stays in flight until `finish`. Empty means that the actor is idle
    /// from now on and will be told of work.
    pub(crate) fn take_batch(&self) -> Vec<Arc<Envelope>> {
        let mut inbox = lock(&self.inbox);
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

    /// The batch in flight is answered.
    pub(crate) fn finish(&self) {
        lock(&self.inbox).in_flight.clear();
    }

    /// Closes the slot if nothing is left to do. Called under the registry's lock of this entity.
    pub(crate) fn close_if_quiet(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        let is_quiet = inbox.waiting.is_empty() && inbox.in_flight.is_empty();
        if is_quiet && matches!(inbox.stage, Stage::Idle(_) | Stage::Busy(_)) {
            inbox.stage = Stage::Closed;
            return true;
        }
        is_quiet && matches!(inbox.stage, Stage::Closed)
    }

    /// The actor crashed or could not start.
    pub(crate) fn crashed(&self, now_ms: u64) -> AfterCrash {
        let mut inbox = lock(&self.inbox);
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
        AfterCrash::Restart { after_ms }
    }

    /// Takes out everything that waits, to be refused: the entity cannot be brought up.
    pub(crate) fn give_up_waiting(&self) -> Vec<Arc<Envelope>> {
        lock(&self.inbox).drain_waiting()
    }

    /// Takes out everything that waits if the oldest has waited longer than this; to be refused.
    pub(crate) fn take_overdue(&self, wait_ms_max: u64, now_ms: u64) -> Vec<Arc<Envelope>> {
        let mut inbox = lock(&self.inbox);
        match inbox.waiting.front() {
            Some((since, _)) if since + wait_ms_max < now_ms => {}
            _ => return Vec::new(),
        }
        let overdue = inbox.drain_waiting();
        for envelope in &overdue {
            inbox.remember_refused(envelope);
        }
        overdue
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
        let must_come_first = self
            .refused
            .get(&door)
            .is_some_and(|cid| *cid != envelope.cid);
        let fits = self.waiting_bytes + envelope.weight_bytes() <= waiting_bytes_max;
        if fits && !must_come_first {
            self.refused.remove(&door);
            return None;
        }
        if !must_come_first {
            self.remember_refused(envelope);
        }
        Some(Rejection::new(ErrorCode::Busy))
    }

    /// The first refused command of a door is the one that must come again. Callers that await
    /// share a door and keep no order among themselves.
    fn remember_refused(&mut self, envelope: &Envelope) {
        let door = envelope.reply_to.door;
        let is_ordered = door != DoorId::NOBODY && door != crate::node::ASK_DOOR;
        if is_ordered && self.refused.len() < REFUSED_DOOR_COUNT_MAX {
            self.refused.entry(door).or_insert(envelope.cid);
        }
    }

    fn drain_waiting(&mut self) -> Vec<Arc<Envelope>> {
        self.waiting_bytes = 0;
        self.waiting
            .drain(..)
            .map(|(_, envelope)| envelope)
            .collect()
    }

    fn requeue_in_flight(&mut self) {
        for envelope in std::mem::take(&mut self.in_flight).into_iter().rev() {
            self.waiting_bytes += envelope.weight_bytes();
            self.waiting.push_front((u64::MAX / 2, envelope));
        }
    }

    /// Tells an idle actor. A patient command waits for company; whatever comes after takes it along.
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

/// Read marks are worth a record only together.
fn is_patient(command: &Command) -> bool {
    matches!(command, Command::Room(RoomCommand::MarkRead { .. }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use frontdesk_protocol::CompanyId;

    use super::super::{Caller, ReplyTo};
    use super::*;

    fn slot() -> Slot {
        let company = CompanyId::new("TES001").expect("valid");
        Slot::new(EntityId::company(company), 1, 0)
    }

    fn envelope(door: u64, cid: u8) -> Arc<Envelope> {
        let entity = slot().entity;
        Arc::new(Envelope {
            reply_to: ReplyTo {
                boot: 1,
                door: DoorId(door),
                cseq: u64::from(cid),
            },
            cid: Cid::from_bits([cid; 16]),
            caller: Caller::Entity(entity),
            command: Command::Wake,
        })
    }

    fn is_admitted(slot: &Slot, door: u64, cid: u8, bytes_max: usize) -> bool {
        let admission = slot.admit(&envelope(door, cid), bytes_max, 0);
        matches!(admission, Admission::Admitted)
    }

    #[test]
    fn after_busy_a_door_must_send_the_refused_command_first() {
        let slot = slot();
        let one = envelope(9, 1).weight_bytes();
        assert!(is_admitted(&slot, 9, 1, one));
        assert!(!is_admitted(&slot, 9, 2, one));
        assert!(!is_admitted(&slot, 9, 3, 10 * one), "3 may not overtake 2");
        assert!(is_admitted(&slot, 8, 4, 10 * one), "another door is free");
        assert!(is_admitted(&slot, 9, 2, 10 * one));
        assert!(is_admitted(&slot, 9, 3, 10 * one));
    }

    #[test]
    fn a_crash_puts_the_batch_in_flight_back_in_front() {
        let slot = slot();
        for cid in 1..=3 {
            assert!(is_admitted(&slot, 9, cid, usize::MAX));
        }
        assert_eq!(slot.take_batch().len(), 3);
        assert!(is_admitted(&slot, 9, 4, usize::MAX));
        assert_eq!(slot.crashed(0), AfterCrash::Restart { after_ms: 0 });
        let again: Vec<u64> = slot
            .take_batch()
            .iter()
            .map(|sent| sent.reply_to.cseq)
            .collect();
        assert_eq!(again, [1, 2, 3, 4]);
    }

    #[test]
    fn the_backoff_doubles_and_the_budget_ends() {
        let slot = slot();
        let pauses: Vec<AfterCrash> = (0..=RESTART_COUNT_MAX as u64)
            .map(|at| slot.crashed(at))
            .collect();
        assert_eq!(pauses[0], AfterCrash::Restart { after_ms: 0 });
        assert_eq!(
            pauses[1],
            AfterCrash::Restart {
                after_ms: RESTART_BACKOFF_MS
            }
        );
        assert_eq!(
            pauses[2],
            AfterCrash::Restart {
                after_ms: 2 * RESTART_BACKOFF_MS
            }
        );
        assert_eq!(pauses.last(), Some(&AfterCrash::GiveUp));
        let refused = slot.admit(&envelope(9, 1), usize::MAX, 10);
        assert!(matches!(refused, Admission::Refused(why) if why.code == ErrorCode::Unavailable));
        let later = slot.admit(&envelope(9, 1), usize::MAX, RESTART_WINDOW_MS);
        assert!(matches!(later, Admission::AdmittedStart));
    }

    #[test]
    fn overdue_commands_are_taken_out_together_and_keep_their_order() {
        let slot = slot();
        assert!(is_admitted(&slot, 9, 1, usize::MAX));
        assert!(is_admitted(&slot, 9, 2, usize::MAX));
        assert!(slot.take_overdue(5_000, 5_000).is_empty());
        assert_eq!(slot.take_overdue(5_000, 5_001).len(), 2);
        assert!(!is_admitted(&slot, 9, 2, usize::MAX), "1 must come first");
        assert!(is_admitted(&slot, 9, 1, usize::MAX));
    }
}
