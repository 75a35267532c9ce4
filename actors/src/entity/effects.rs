//! What an entity owes others: commands that must arrive although anyone may crash in between.
//!
//! A record whose events have effects marks the entity as pending in the same append. Effects are
//! sent in order, a bounded number at a time; the mark moves behind the oldest undelivered one, and
//! after a crash everything from the mark on is sent again. Receivers tolerate repeats.
//!
//! Never: drops an effect because its receiver is busy.

use std::collections::VecDeque;

use frontdesk_protocol::{Pos, Rejection};

use super::{Answer, Effect, Outcome, ReplyTo};
use crate::limits::EFFECT_IN_FLIGHT_COUNT_MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Sent,
    Delivered,
}

struct Owed {
    number: u64,
    pos: Pos,
    effect: Effect,
    stage: Stage,
    /// Who waits for it, and what they are told.
    waiting: Vec<(ReplyTo, Answer)>,
}

/// The effects of one entity, oldest first.
#[derive(Default)]
pub(crate) struct Effects {
    owed: VecDeque<Owed>,
    next_number: u64,
}

/// What an outcome of an effect means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Delivered; whoever waited is told.
    Delivered(Vec<(ReplyTo, Outcome)>),
    /// Refused for good, which is a bug: it is dropped, and whoever waited is told.
    Refused(Vec<(ReplyTo, Outcome)>, Rejection),
    /// Not now: try again after a pause.
    Again,
    /// Nothing is known of it.
    Stranger,
}

impl Effects {
    /// Owes one more.
    pub(crate) fn owe(&mut self, pos: Pos, effect: Effect) {
        self.next_number += 1;
        let number = self.next_number;
        self.owed.push_back(Owed {
            number,
            pos,
            effect,
            stage: Stage::Waiting,
            waiting: Vec::new(),
        });
    }

    /// Has a caller wait for the last debt of these; false when there is none.
    pub(crate) fn wait(
        &mut self,
        is_awaited: impl Fn(&Effect) -> bool,
        to: ReplyTo,
        answer: &Answer,
    ) -> bool {
        let mut owed = self.owed.iter_mut().rev();
        let last = owed.find(|owed| owed.stage != Stage::Delivered && is_awaited(&owed.effect));
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
        self.owed.front().map(|owed| owed.pos)
    }

    /// Effects to send now, each with its number. At most one to a receiver is under way, so that
    /// a receiver sees them in order.
    pub(crate) fn next_to_send(&mut self) -> Vec<(u64, Effect)> {
        let mut sent = Vec::new();
        for i in 0..self.owed.len().min(EFFECT_IN_FLIGHT_COUNT_MAX) {
            let earlier = self.owed.iter().take(i);
            let receiver = &self.owed[i].effect.to;
            let receiver_is_free = earlier
                .filter(|owed| owed.stage != Stage::Delivered)
                .all(|owed| owed.effect.to != *receiver);
            let owed = &mut self.owed[i];
            if owed.stage == Stage::Waiting && receiver_is_free {
                owed.stage = Stage::Sent;
                sent.push((owed.number, owed.effect.clone()));
            }
        }
        sent
    }

    /// The outcome of an effect that was sent.
    pub(crate) fn answered(&mut self, number: u64, outcome: Outcome) -> Delivery {
        let Some(owed) = self.owed.iter_mut().find(|owed| owed.number == number) else {
            return Delivery::Stranger;
        };
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
            Outcome::Refused(_) | Outcome::Unknown => Delivery::Again,
        };
        match delivery {
            Delivery::Again => owed.stage = Stage::Waiting,
            _ => owed.stage = Stage::Delivered,
        }
        while self
            .owed
            .front()
            .is_some_and(|owed| owed.stage == Stage::Delivered)
        {
            self.owed.pop_front();
        }
        delivery
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
    fn busy_and_unknown_are_tried_again_and_a_refusal_is_not() {
        let mut effects = Effects::default();
        effects.owe(Pos(1), effect(1));
        for outcome in [
            Outcome::Unknown,
            Outcome::Refused(Rejection::new(ErrorCode::Busy)),
        ] {
            let sent = effects.next_to_send();
            assert_eq!(effects.answered(sent[0].0, outcome), Delivery::Again);
        }
        let sent = effects.next_to_send();
        let why = Rejection::new(ErrorCode::Forbidden);
        let delivery = effects.answered(sent[0].0, Outcome::Refused(why.clone()));
        assert_eq!(delivery, Delivery::Refused(Vec::new(), why));
        assert!(effects.is_empty());
    }
}
