//! What an entity owes while it runs, sent and settled: its effects to others, its summary to the
//! lists. The mark of the oldest unpaid record stands in the journal, so a successor goes on.
//!
//! Never: decides anything.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_protocol::Pos;
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::staff::StaffCommand;
use ractor::ActorRef;
use tracing::error;

use super::actor::{EntityActor, EntityMsg, EntityState, Stage};
use super::effects::Delivery;
use super::{Caller, CidBy, Command, Envelope, Outcome, ReplyTo, Rules};
use crate::bus::BusMessage;
use crate::door::{Door, OwnDoor};
use crate::index::LIST_DELAY_MS;
use crate::limits::{EFFECT_RETRY_MS, EFFECT_RETRY_MS_MAX};
use crate::upload::Work;

/// How far lists know an entity.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The first record that lists do not show.
    owed_from: Option<Pos>,
    /// The record that was told last.
    told: Pos,
    /// When that was, milliseconds of the clock that never goes back.
    told_ms: Option<u64>,
    /// A look is coming by itself.
    is_set: bool,
    /// It came, and the state was ahead of the journal.
    is_due: bool,
}

impl Listing {
    /// Of an entity that may have owed this when it crashed.
    pub(super) fn after_recovery(owed_from: Option<Pos>) -> Self {
        Self {
            owed_from,
            ..Self::default()
        }
    }

    /// A record was made that lists do not show.
    pub(super) fn owe(&mut self, pos: Pos) {
        self.owed_from.get_or_insert(pos);
    }
}

impl<R: Rules> EntityState<R> {
    /// The first record that something is owed for.
    pub(super) fn owed_from(&self) -> Option<Pos> {
        let both = [self.effects.pending(), self.listing.owed_from];
        both.into_iter().flatten().min()
    }

    /// Whether the state is what the journal says: it runs ahead while an append is in flight.
    fn is_durable(&self) -> bool {
        matches!(self.stage, Stage::Idle | Stage::Reading)
    }
}

impl<R: Rules> EntityActor<R> {
    pub(super) fn answer_held(&self, told: impl IntoIterator<Item = (ReplyTo, Outcome)>) {
        for (to, outcome) in told {
            if self.slot.finish_held(self.incarnation, to) {
                self.node.answer(to, outcome);
            }
        }
    }

    pub(super) fn on_effect_answered(
        &self,
        myself: &ActorRef<EntityMsg>,
        state: &mut EntityState<R>,
        number: u64,
        outcome: Outcome,
    ) {
        let before = state.owed_from();
        match state.effects.answered(number, outcome) {
            Delivery::Delivered(told) => self.answer_held(told),
            Delivery::Refused(told, why) => {
                error!(entity = %self.slot.entity, %why, "effect refused");
                self.answer_held(told);
            }
            Delivery::Again(try_count) => {
                let doubled = EFFECT_RETRY_MS << try_count.saturating_sub(1).min(16);
                let pause = Duration::from_millis(doubled.min(EFFECT_RETRY_MS_MAX));
                myself.send_after(pause, move || EntityMsg::EffectRested(number));
                return;
            }
            Delivery::Stranger => return,
        }
        self.settle(state, before);
        if state.effects.is_empty() {
            state.effect_door = None;
        }
        self.send_effects(myself, state);
    }

    pub(super) fn send_effects(&self, myself: &ActorRef<EntityMsg>, state: &mut EntityState<R>) {
        if state.effects.is_empty() {
            return;
        }
        let open = || OwnDoor::open(&self.node, Arc::new(EffectDoor(myself.clone())));
        let door = state.effect_door.get_or_insert_with(open).id;
        for (number, effect) in state.effects.next_to_send() {
            let reply_to = ReplyTo {
                boot: self.node.boot(),
                door,
                cseq: number,
            };
            if let Command::Room(RoomCommand::TakeTurn { question }) = effect.command {
                self.node.take_turn(effect.to, question, reply_to);
                continue;
            }
            if let Command::Staff(StaffCommand::LeaveDesk { account }) = effect.command {
                self.node.leave_desk(effect.to, account, reply_to);
                continue;
            }
            if let Some(work) = Work::of(&effect.command) {
                self.node.have_done(effect.to, work, reply_to);
                continue;
            }
            let envelope = Envelope {
                reply_to,
                cid: crate::clock::fresh_cid(),
                named_by: CidBy::Node,
                caller: Caller::Entity(self.slot.entity.clone()),
                command: effect.command,
            };
            if let Command::Staff(StaffCommand::Found { .. }) = envelope.command {
                self.node.found(effect.to, envelope);
                continue;
            }
            self.node
                .send(BusMessage::Request(effect.to, Arc::new(envelope)));
        }
    }

    /// Tells lists what they show of the entity, unless they were told a moment ago.
    pub(super) fn on_list(&self, myself: &ActorRef<EntityMsg>, state: &mut EntityState<R>) {
        let listing = &mut state.listing;
        if listing.owed_from.is_none() || listing.told == state.tail.pos {
            listing.is_due = false;
            return;
        }
        let now_ms = self.node.clock.monotonic_ms();
        let was_told = |told| now_ms < told + LIST_DELAY_MS;
        if !listing.is_due && listing.told_ms.is_some_and(was_told) {
            if !std::mem::replace(&mut listing.is_set, true) {
                let delay = Duration::from_millis(LIST_DELAY_MS);
                myself.send_after(delay, || EntityMsg::List);
            }
            return;
        }
        if !state.is_durable() {
            return; // looked at again when the append's outcome comes
        }
        state.listing.is_due = false;
        let Some(summary) = state.rules.summarise() else {
            state.listing.owed_from = None;
            self.node.index.forget(&self.slot.entity);
            return;
        };
        let pos = state.tail.pos;
        state.listing.told = pos;
        state.listing.told_ms = Some(now_ms);
        let writer_side = myself.clone();
        let done = Box::new(move || {
            // A dead actor's successor tells again.
            let _ = writer_side.cast(EntityMsg::Listed(pos));
        });
        self.node.list(&self.slot.entity, pos, summary, done);
    }

    /// The moment is over.
    pub(super) fn on_list_due(&self, myself: &ActorRef<EntityMsg>, state: &mut EntityState<R>) {
        state.listing.is_set = false;
        state.listing.is_due = true;
        self.on_list(myself, state);
    }

    /// Lists show everything up to a record.
    pub(super) fn on_listed(&self, state: &mut EntityState<R>, pos: Pos) {
        let before = state.owed_from();
        let has_newer = state.tail.pos > pos;
        let owed_from = state.listing.owed_from;
        state.listing.owed_from = owed_from.filter(|from| *from > pos).or_else(|| {
            let next = pos.next();
            (has_newer && owed_from.is_some()).then_some(next)
        });
        self.settle(state, before);
    }

    /// Moves the mark in the journal. While an append is in flight its own mark is the newer one;
    /// what is paid next settles.
    fn settle(&self, state: &EntityState<R>, before: Option<Pos>) {
        let owed_from = state.owed_from();
        if owed_from != before && state.is_durable() {
            let (entity, journal) = (&self.slot.entity, &self.node.journal);
            journal.settle(entity, state.epoch, owed_from);
        }
    }
}

/// Brings outcomes of effects to the actor that owes them.
struct EffectDoor(ActorRef<EntityMsg>);

impl Door for EffectDoor {
    fn answered(&self, cseq: u64, outcome: Outcome) {
        // A dead actor's successor delivers again.
        let _ = self.0.cast(EntityMsg::EffectAnswered(cseq, outcome));
    }
}
