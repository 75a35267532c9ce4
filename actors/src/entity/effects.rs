//! What an entity owes others: commands that must arrive although anyone may crash in between.
//!
//! A record whose events have effects marks the entity as pending in the same append. Effects are
//! sent in order, a bounded number at a time; the mark stays at the oldest undelivered one, and
//! after a crash everything from the mark on is sent again. Receivers tolerate repeats.
//!
//! Invariant: an effect that cannot be delivered holds up those behind it to the same receiver, and
//! nobody else's.
//! Never: drops an effect because its receiver is busy.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use frontdesk_protocol::staff::StaffCommand;
use frontdesk_protocol::{AccountNo, Pos, Rejection};
use frontdesk_storage::EntityId;

use super::{Answer, Command, Effect, Outcome, ReplyTo};
use crate::limits::EFFECT_IN_FLIGHT_COUNT_MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be sent, once it is the first of its lane.
    Waiting,
    Sent,
    /// Its receiver could not be reached; it is sent again after a pause.
    Resting,
}

struct Owed {
    pos: Pos,
    effect: Effect,
    stage: Stage,
    /// How often it came back.
    try_count: u32,
    /// Who waits for it, and what they are told.
    waiting: Vec<(ReplyTo, Answer)>,
}

/// What is kept in order: all that goes to one receiver, but for work of the node's own, which is
/// about one account each.
type Lane = (EntityId, Option<AccountNo>);

fn lane(effect: &Effect) -> Lane {
    let of_account = match &effect.command {
        Command::Staff(StaffCommand::LeaveDesk { account }) => Some(*account),
        _ => None,
    };
    (effect.to.clone(), of_account)
}

/// The effects of one entity by number, the oldest first.
#[derive(Default)]
pub(crate) struct Effects {
    owed: BTreeMap<u64, Owed>,
    /// The numbers of each lane, in order; none is empty.
    lanes: HashMap<Lane, VecDeque<u64>>,
    /// The first of their lanes, as far as they wait.
    ready: BTreeSet<u64>,
    sent_count: usize,
    next_number: u64,
}

/// What an outcome of an effect means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Delivered; whoever waited is told.
    Delivered(Vec<(ReplyTo, Outcome)>),
    /// Refused for good, which is a bug: it is dropped, and whoever waited is told.
    Refused(Vec<(ReplyTo, Outcome)>, Rejection),
    /// Not now: it rests until [`Effects::rested`] is called; it came back so many times.
    Again(u32),
    /// Nothing is known of it.
    Stranger,
}

impl Effects {
    /// Owes one more.
    pub(crate) fn owe(&mut self, pos: Pos, effect: Effect) {
        self.next_number += 1;
        let number = self.next_number;
        let in_lane = self.lanes.entry(lane(&effect)).or_default();
        in_lane.push_back(number);
        if in_lane.len() == 1 {
            self.ready.insert(number);
        }
        let owed = Owed {
            pos,
            effect,
            stage: Stage::Waiting,
            try_count: 0,
            waiting: Vec::new(),
        };
        self.owed.insert(number, owed);
    }

    /// Has a caller wait for the last debt of these; false when there is none.
    pub(crate) fn wait(
        &mut self,
        is_awaited: impl Fn(&Effect) -> bool,
        to: ReplyTo,
        answer: &Answer,
    ) -> bool {
        let mut owed = self.owed.values_mut().rev();
        let last = owed.find(|owed| is_awaited(&owed.effect));
        let Some(last) = last else { return false };
        last.waiting.push((to, answer.clone()));
        true
    }

    /// Whether nothing is owed.
    pub(crate) fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// The record of the oldest undelivered effect.
    pub(crate) fn pending(&self) -> Option<Pos> {
        self.owed.values().next().map(|owed| owed.pos)
    }

    /// Effects to send now, each with its number. At most one to a receiver is under way, so that
    /// a receiver sees them in order.
    pub(crate) fn next_to_send(&mut self) -> Vec<(u64, Effect)> {
        let mut sent = Vec::new();
        while self.sent_count < EFFECT_IN_FLIGHT_COUNT_MAX
            && let Some(number) = self.ready.pop_first()
        {
            if let Some(owed) = self.owed.get_mut(&number) {
                owed.stage = Stage::Sent;
                self.sent_count += 1;
                sent.push((number, owed.effect.clone()));
            }
        }
        sent
    }

    /// The pause of one that came back is over.
    pub(crate) fn rested(&mut self, number: u64) {
        let owed = self.owed.get_mut(&number);
        if let Some(owed) = owed.filter(|owed| owed.stage == Stage::Resting) {
            owed.stage = Stage::Waiting;
            self.ready.insert(number);
        }
    }

    /// The outcome of an effect that was sent.
    pub(crate) fn answered(&mut self, number: u64, outcome: Outcome) -> Delivery {
        let owed = self.owed.get_mut(&number);
        let Some(owed) = owed.filter(|owed| owed.stage == Stage::Sent) else {
            return Delivery::Stranger;
        };
        self.sent_count -= 1;
        let delivery = match outcome {
            Outcome::Done(_) => {
                let told = owed.waiting.drain(..);
                Delivery::Delivered(
                    told.map(|(to, answer)| (to, Outcome::Done(answer)))
                        .collect(),
                )
            }
            Outcome::Refused(why) if why.retry() == frontdesk_protocol::Retry::No => {
                let told = owed.waiting.drain(..);
                let refused = told.map(|(to, _)| (to, Outcome::Refused(why.clone())));
                Delivery::Refused(refused.collect(), why)
            }
            Outcome::Refused(_) | Outcome::Unknown => {
                owed.stage = Stage::Resting;
                owed.try_count += 1;
                return Delivery::Again(owed.try_count);
            }
        };
        self.remove(number);
        delivery
    }

    /// It is delivered: the next of its lane may go.
    fn remove(&mut self, number: u64) {
        let Some(owed) = self.owed.remove(&number) else {
            return;
        };
        let lane = lane(&owed.effect);
        let Some(in_lane) = self.lanes.get_mut(&lane) else {
            return;
        };
        in_lane.pop_front();
        match in_lane.front() {
            Some(next) => {
                self.ready.insert(*next);
            }
            None => {
                self.lanes.remove(&lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::{CompanyId, ErrorCode, RoomId};
    use frontdesk_storage::EntityId;

    use super::super::Command;
    use super::*;

    fn effect(room: u8) -> Effect {
        let company = CompanyId::new("TES001").expect("valid");
        let to = EntityId::room(company, RoomId::from_bits([room; 16]));
        Effect {
            to,
            command: Command::Wake,
        }
    }

    #[test]
    fn the_mark_stays_at_the_oldest_until_it_is_delivered() {
        let mut effects = Effects::default();
        effects.owe(Pos(1), effect(1));
        effects.owe(Pos(2), effect(2));
        let sent = effects.next_to_send();
        assert_eq!(sent.len(), 2);
        let _ = effects.answered(sent[1].0, Outcome::Done(Answer::Done));
        assert_eq!(effects.pending(), Some(Pos(1)));
        let _ = effects.answered(sent[0].0, Outcome::Done(Answer::Done));
        assert!(effects.is_empty());
    }

    #[test]
    fn who_waits_is_told_with_the_last_delivery_to_that_receiver() {
        let mut effects = Effects::default();
        effects.owe(Pos(1), effect(1));
        effects.owe(Pos(2), effect(1));
        let to = ReplyTo {
            boot: 1,
            door: crate::door::DoorId(2),
            cseq: 3,
        };
        assert!(effects.wait(|owed| *owed == effect(1), to, &Answer::Done));
        assert!(!effects.wait(|owed| *owed == effect(2), to, &Answer::Done));
        let first = effects.next_to_send();
        let delivery = effects.answered(first[0].0, Outcome::Done(Answer::Done));
        assert_eq!(delivery, Delivery::Delivered(Vec::new()));
        let second = effects.next_to_send();
        let delivery = effects.answered(second[0].0, Outcome::Done(Answer::Done));
        let told = vec![(to, Outcome::Done(Answer::Done))];
        assert_eq!(delivery, Delivery::Delivered(told));
        assert!(!effects.wait(|owed| *owed == effect(1), to, &Answer::Done));
    }

    #[test]
    fn a_receiver_gets_its_effects_one_after_another() {
        let mut effects = Effects::default();
        effects.owe(Pos(1), effect(1));
        effects.owe(Pos(2), effect(1));
        let first = effects.next_to_send();
        assert_eq!(first.len(), 1);
        assert!(effects.next_to_send().is_empty());
        let _ = effects.answered(first[0].0, Outcome::Done(Answer::Done));
        assert_eq!(effects.next_to_send().len(), 1);
    }

    #[test]
    fn a_receiver_that_cannot_be_reached_holds_up_nobody_else() {
        let mut effects = Effects::default();
        effects.owe(Pos(1), effect(0));
        effects.owe(Pos(2), effect(0));
        let stuck = effects.next_to_send();
        assert_eq!(stuck.len(), 1);
        let unavailable = Outcome::Refused(Rejection::new(ErrorCode::Unavailable));
        let delivery = effects.answered(stuck[0].0, unavailable);
        assert_eq!(delivery, Delivery::Again(1));
        for round in 0..4 * EFFECT_IN_FLIGHT_COUNT_MAX as u64 {
            effects.owe(Pos(3 + round), effect(1 + (round % 200) as u8));
            let sent = effects.next_to_send();
            assert_eq!(sent.len(), 1, "round {round}");
            let _ = effects.answered(sent[0].0, Outcome::Done(Answer::Done));
        }
        assert_eq!(
            effects.pending(),
            Some(Pos(1)),
            "what is stuck is not forgotten"
        );
        effects.rested(stuck[0].0);
        assert_eq!(effects.next_to_send(), stuck);
        let _ = effects.answered(stuck[0].0, Outcome::Done(Answer::Done));
        assert_eq!(
            effects.next_to_send().len(),
            1,
            "the next of the same receiver"
        );
    }

    #[test]
    fn busy_and_unknown_are_tried_again_and_a_refusal_is_not() {
        let mut effects = Effects::default();
        effects.owe(Pos(1), effect(1));
        for outcome in [
            Outcome::Unknown,
            Outcome::Refused(Rejection::new(ErrorCode::Busy)),
        ] {
            let sent = effects.next_to_send();
            let delivery = effects.answered(sent[0].0, outcome);
            assert!(matches!(delivery, Delivery::Again(_)), "{delivery:?}");
            assert!(effects.next_to_send().is_empty(), "it rests");
            effects.rested(sent[0].0);
        }
        let sent = effects.next_to_send();
        let why = Rejection::new(ErrorCode::Forbidden);
        let delivery = effects.answered(sent[0].0, Outcome::Refused(why.clone()));
        assert_eq!(delivery, Delivery::Refused(Vec::new(), why));
        assert!(effects.is_empty());
    }
}
