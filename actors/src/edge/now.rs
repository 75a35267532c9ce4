//! What is shown now: who writes, who is there. Throttled at the origin, ended by time at every
//! edge, never stored.
//!
//! Typing that goes on and off leaves its edge as one on and one off for each person and throttle
//! time, however often it changes. The first on goes out at once and so does its off; an on that
//! comes after that waits for the time to be over, and an off before then takes it back. So what
//! was shown last is what the person did last, or it runs out.
//!
//! Invariants: what is not repeated ends by itself; one's own typing is not sent to oneself; a
//! reconnect within the grace time is no news; big rooms show no presence; a person is remembered
//! here for as long as something is shown or held back of them, and no longer.
//! Never: delays or displaces a durable event.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::PersonId;
use frontdesk_protocol::command::{Card, Principal};
use frontdesk_protocol::ephemeral::{Ephemeral, Passer};

use super::{DIALECT_COUNT_MAX, Edge, EdgeState, EphemeralKey, EphemeralSubject, Listener};
use crate::bus::BusMessage;
use crate::feed::FEED_ROOM_PERSON_COUNT_MAX;
use crate::limits::{
    PRESENCE_DELAY_MS, PRESENCE_LEAVE_MS, PRESENCE_PERSON_COUNT_MAX, TYPING_EXPIRES_MS,
    TYPING_THROTTLE_MS,
};
use crate::node::Node;
use crate::task::lock;

/// Someone who is shown as writing.
struct Writing {
    card: Card,
    until_ms: u64,
}

/// Someone whose typing went out from here, for one throttle time.
struct Told {
    until_ms: u64,
    /// They write again: told when the time is over.
    held: Option<Card>,
}

/// Someone who came or went, told of when it is due.
struct Passing {
    card: Card,
    due_ms: u64,
}

/// What an edge shows now.
#[derive(Default)]
pub(super) struct Now {
    writing: BTreeMap<PersonId, Writing>,
    told: BTreeMap<PersonId, Told>,
    came: BTreeMap<PersonId, Passing>,
    went: BTreeMap<PersonId, Passing>,
}

impl Now {
    fn is_still(&self) -> bool {
        let is_silent = self.writing.is_empty() && self.told.is_empty();
        is_silent && self.came.is_empty() && self.went.is_empty()
    }

    fn wrote(&mut self, person: &PersonId, card: &Card, now_ms: u64) {
        let writing = Writing {
            card: card.clone(),
            until_ms: now_ms + TYPING_EXPIRES_MS,
        };
        self.writing.insert(person.clone(), writing);
    }

    /// A person here writes; whether the others are told now.
    fn starts(&mut self, person: &PersonId, card: &Card, now_ms: u64) -> bool {
        if let Some(told) = self.told.get_mut(person)
            && told.until_ms > now_ms
        {
            match self.writing.get_mut(person) {
                Some(writing) => writing.until_ms = now_ms + TYPING_EXPIRES_MS,
                None => told.held = Some(card.clone()),
            }
            return false;
        }
        let told = Told {
            until_ms: now_ms + TYPING_THROTTLE_MS,
            held: None,
        };
        self.told.insert(person.clone(), told);
        self.wrote(person, card, now_ms);
        true
    }

    /// A person here writes no more; whether the others are told now.
    fn stops(&mut self, person: &PersonId) -> bool {
        if let Some(told) = self.told.get_mut(person) {
            told.held = None;
        }
        self.writing.remove(person).is_some()
    }

    /// Forgets whose throttle time is over; those among them who write again.
    fn take_held(&mut self, now_ms: u64) -> Vec<(PersonId, Card)> {
        let mut held = Vec::new();
        self.told.retain(|person, told| {
            let is_over = told.until_ms <= now_ms;
            if is_over && let Some(card) = told.held.take() {
                held.push((person.clone(), card));
            }
            !is_over
        });
        held
    }
}

impl Edge {
    /// A person here writes, or stopped. How often they say so changes little: see the module's
    /// text.
    pub fn typing(self: &Arc<Self>, principal: &Principal, active: bool) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let now_ms = node.clock.monotonic_ms();
        let (person, card) = (&principal.person, &principal.card);
        let is_told = {
            let mut state = lock(&self.state);
            let is_told = match active {
                true => state.now.starts(person, card, now_ms),
                false => state.now.stops(person),
            };
            // Where nothing changed too: the edge may be here for this alone, and the tick ends it.
            self.enroll(&node, &mut state);
            is_told
        };
        if is_told {
            let typing = Ephemeral::Typing {
                person: person.clone(),
                card: card.clone(),
                active,
            };
            node.send(BusMessage::Ephemeral(self.entity.clone(), typing));
        }
    }

    /// Something to show, from some edge of this room.
    pub(crate) fn on_ephemeral(self: &Arc<Self>, ephemeral: &Ephemeral) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let now_ms = node.clock.monotonic_ms();
        let mut state = lock(&self.state);
        if let Ephemeral::Typing {
            person,
            card,
            active,
        } = ephemeral
        {
            if *active {
                state.now.wrote(person, card, now_ms);
                self.enroll(&node, &mut state);
            } else {
                state.now.writing.remove(person);
            }
        }
        self.show(&mut state, ephemeral);
    }

    /// Queues an ephemeral for everyone but whom it is about. Whoever has a feed hears of typing
    /// and read marks through it, attached or not, so that nobody is told twice.
    pub(super) fn show(&self, state: &mut EdgeState, ephemeral: &Ephemeral) {
        let context = self.context(state);
        let mut frames = [const { None }; DIALECT_COUNT_MAX];
        let key = EphemeralKey {
            room: Some(self.room),
            subject: EphemeralSubject::of(ephemeral),
        };
        let is_for_feeds =
            ephemeral.about().is_some() && state.view.marks.len() <= FEED_ROOM_PERSON_COUNT_MAX;
        for member in state.members.iter().flatten() {
            let listener = &member.listener;
            let is_told_otherwise = is_for_feeds && listener.has_feed();
            if ephemeral.about() == Some(listener.person()) || is_told_otherwise {
                continue;
            }
            let dialect = listener.dialect();
            let encoder = self.dialects.of(dialect);
            let hidden = match self.dialects.hides_viewer(dialect) {
                true => ephemeral.without(listener.person()),
                false => None,
            };
            if let Some(of_others) = hidden {
                if let Some(frame) = encoder.ephemeral(&context, &of_others) {
                    listener.push_ephemeral(key.clone(), &frame);
                }
                continue;
            }
            let frame = frames[usize::from(dialect.0)]
                .get_or_insert_with(|| encoder.ephemeral(&context, ephemeral))
                .as_ref();
            if let Some(frame) = frame {
                listener.push_ephemeral(key.clone(), frame);
            }
        }
        // Read marks come to feeds from the room itself, which knows its people without an edge.
        if is_for_feeds
            && matches!(ephemeral, Ephemeral::Typing { .. })
            && let Some(node) = self.node.upgrade()
        {
            let people = state.view.marks.keys();
            node.show_in_feeds(&self.entity.company, people, &context, ephemeral);
        }
    }

    pub(super) fn person_came(
        self: &Arc<Self>,
        state: &mut EdgeState,
        person: &PersonId,
        card: Card,
    ) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let is_known = connection_count(state, person) > 1;
        if is_known || state.view.marks.len() > PRESENCE_PERSON_COUNT_MAX {
            return;
        }
        if state.now.went.remove(person).is_none() {
            let due_ms = node.clock.monotonic_ms() + PRESENCE_DELAY_MS;
            let came = Passing { card, due_ms };
            state.now.came.insert(person.clone(), came);
            self.enroll(&node, state);
        }
    }

    pub(super) fn person_went(self: &Arc<Self>, state: &mut EdgeState, listener: &dyn Listener) {
        let person = listener.person();
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let now_ms = node.clock.monotonic_ms();
        let is_elsewhere = |member: &super::Member| member.listener.person() == person;
        if !state.members.iter().flatten().any(is_elsewhere) {
            if let Some(writing) = state.now.writing.get_mut(person) {
                writing.until_ms = now_ms;
                self.enroll(&node, state);
            }
            if let Some(told) = state.now.told.get_mut(person) {
                told.held = None;
            }
        }
        if state.members.len() == state.free.len() {
            // Nobody is left to tick for: feeds are told now.
            self.end_typing(state, u64::MAX);
        }
        let was_here = !listener.has_feed() && connection_count(state, person) == 0;
        if !was_here || state.view.marks.len() > PRESENCE_PERSON_COUNT_MAX {
            return;
        }
        if state.now.came.remove(person).is_none() {
            let went = Passing {
                card: listener.card(),
                due_ms: now_ms + PRESENCE_LEAVE_MS,
            };
            state.now.went.insert(person.clone(), went);
        }
        self.enroll(&node, state);
    }

    /// Ends what is over and tells what was gathered; false when nothing needs a clock any more.
    pub(crate) fn tick(self: &Arc<Self>, node: &Arc<Node>) -> bool {
        let now_ms = node.clock.monotonic_ms();
        let mut state = lock(&self.state);
        self.end_typing(&mut state, now_ms);
        let held = state.now.take_held(now_ms);
        let presence = take_presence(&mut state, now_ms);
        let told = held.into_iter().map(|(person, card)| {
            state.now.starts(&person, &card, now_ms);
            let active = true;
            Ephemeral::Typing {
                person,
                card,
                active,
            }
        });
        let told: Vec<Ephemeral> = told.chain(presence).collect();
        let rests = state.ring.rest(now_ms) && state.now.is_still();
        state.enrolled = !rests;
        drop(state);
        for ephemeral in told {
            node.send(BusMessage::Ephemeral(self.entity.clone(), ephemeral));
        }
        !rests
    }
}

impl Edge {
    /// Those who are shown as writing until then write no more.
    fn end_typing(&self, state: &mut EdgeState, until_ms: u64) {
        let is_over = |writing: &Writing| writing.until_ms <= until_ms;
        let over: Vec<PersonId> = state
            .now
            .writing
            .iter()
            .filter(|(_, writing)| is_over(writing))
            .map(|(person, _)| person.clone())
            .collect();
        for person in over {
            let writing = state.now.writing.remove(&person);
            let typing = Ephemeral::Typing {
                person,
                card: writing.map(|writing| writing.card).unwrap_or_default(),
                active: false,
            };
            self.show(state, &typing);
        }
    }
}

/// Everything gathered, as soon as the first of it is due.
fn take_presence(state: &mut EdgeState, now_ms: u64) -> Option<Ephemeral> {
    let came_is_due = state.now.came.values().any(|came| came.due_ms <= now_ms);
    let (left, still) = std::mem::take(&mut state.now.went)
        .into_iter()
        .partition::<BTreeMap<_, _>, _>(|(_, went)| went.due_ms <= now_ms);
    state.now.went = still;
    if !came_is_due && left.is_empty() {
        return None;
    }
    let joined = passers(std::mem::take(&mut state.now.came));
    let left = passers(left);
    Some(Ephemeral::Presence { joined, left })
}

fn passers(passing: BTreeMap<PersonId, Passing>) -> Vec<Passer> {
    let passer = |(person, Passing { card, .. })| Passer { person, card };
    passing.into_iter().map(passer).collect()
}

/// Connections of a person that came to this room and to no feed.
fn connection_count(state: &EdgeState, person: &PersonId) -> usize {
    state
        .members
        .iter()
        .flatten()
        .filter(|member| member.listener.person() == person && !member.listener.has_feed())
        .count()
}
