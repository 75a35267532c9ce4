//! What is shown now: who writes, who is there. Throttled at the origin, ended by time at every
//! edge, never stored.
//!
//! Invariants: what is not repeated ends by itself; one's own typing is not sent to oneself; a
//! reconnect within the grace time is no news; big rooms show no presence.
//! Never: delays or displaces a durable event.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::PersonId;
use frontdesk_protocol::command::{Card, Principal};
use frontdesk_protocol::ephemeral::Ephemeral;

use super::{Edge, EdgeState, EphemeralKey, EphemeralSubject};
use crate::bus::BusMessage;
use crate::limits::{
    PRESENCE_DELAY_MS, PRESENCE_LEAVE_MS, PRESENCE_PERSON_COUNT_MAX, TYPING_EXPIRES_MS,
    TYPING_THROTTLE_MS,
};
use crate::node::Node;
use crate::task::lock;

struct Writing {
    card: Card,
    until_ms: u64,
    announced_ms: u64,
}

/// What an edge shows now.
#[derive(Default)]
pub(super) struct Now {
    writing: BTreeMap<PersonId, Writing>,
    came: BTreeMap<PersonId, u64>,
    went: BTreeMap<PersonId, u64>,
}

impl Now {
    fn is_still(&self) -> bool {
        self.writing.is_empty() && self.came.is_empty() && self.went.is_empty()
    }
}

impl Edge {
    /// A person here writes, or stopped. Repeats within a short time change nothing.
    pub fn typing(self: &Arc<Self>, principal: &Principal, active: bool) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let now_ms = node.clock.monotonic_ms();
        {
            let mut state = lock(&self.state);
            match state.now.writing.get_mut(&principal.person) {
                Some(writing) if active => {
                    writing.until_ms = now_ms + TYPING_EXPIRES_MS;
                    if writing.announced_ms + TYPING_THROTTLE_MS > now_ms {
                        return;
                    }
                }
                None if !active => return,
                _ => {}
            }
        }
        let (person, card) = (principal.person.clone(), principal.card.clone());
        let typing = Ephemeral::Typing {
            person,
            card,
            active,
        };
        node.send(BusMessage::Ephemeral(self.entity.clone(), typing));
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
                let until_ms = now_ms + TYPING_EXPIRES_MS;
                let writing = Writing {
                    card: card.clone(),
                    until_ms,
                    announced_ms: now_ms,
                };
                state.now.writing.insert(person.clone(), writing);
                self.enroll(&node, &mut state);
            } else {
                state.now.writing.remove(person);
            }
        }
        self.show(&mut state, ephemeral);
    }

    /// Queues an ephemeral for everyone but whom it is about.
    pub(super) fn show(&self, state: &mut EdgeState, ephemeral: &Ephemeral) {
        let context = self.context(state);
        let mut frames = [const { None }; super::DIALECT_COUNT_MAX];
        let key = EphemeralKey {
            room: self.room,
            subject: subject_of(ephemeral),
        };
        for member in state.members.iter().flatten() {
            if ephemeral.about() == Some(member.listener.person()) {
                continue;
            }
            let dialect = usize::from(member.listener.dialect().0);
            let encoder = &self.dialects[dialect];
            let frame = frames[dialect]
                .get_or_insert_with(|| encoder.ephemeral(&context, ephemeral))
                .as_ref();
            if let Some(frame) = frame {
                member.listener.push_ephemeral(key.clone(), frame);
            }
        }
    }

    pub(super) fn person_came(self: &Arc<Self>, state: &mut EdgeState, person: &PersonId) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let is_known = connection_count(state, person) > 1;
        if is_known || state.view.marks.len() > PRESENCE_PERSON_COUNT_MAX {
            return;
        }
        if state.now.went.remove(person).is_none() {
            let due_ms = node.clock.monotonic_ms() + PRESENCE_DELAY_MS;
            state.now.came.insert(person.clone(), due_ms);
            self.enroll(&node, state);
        }
    }

    pub(super) fn person_went(self: &Arc<Self>, state: &mut EdgeState, person: &PersonId) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        if connection_count(state, person) > 0 {
            return;
        }
        let now_ms = node.clock.monotonic_ms();
        if let Some(writing) = state.now.writing.get_mut(person) {
            writing.until_ms = now_ms;
        }
        if state.view.marks.len() > PRESENCE_PERSON_COUNT_MAX {
            return;
        }
        if state.now.came.remove(person).is_none() {
            state
                .now
                .went
                .insert(person.clone(), now_ms + PRESENCE_LEAVE_MS);
        }
        self.enroll(&node, state);
    }

    /// Ends what is over and tells what was gathered; false when nothing needs a clock any more.
    pub(crate) fn tick(self: &Arc<Self>, node: &Arc<Node>) -> bool {
        let now_ms = node.clock.monotonic_ms();
        let mut state = lock(&self.state);
        let over: Vec<PersonId> = state
            .now
            .writing
            .iter()
            .filter(|(_, writing)| writing.until_ms <= now_ms)
            .map(|(person, _)| person.clone())
            .collect();
        for person in over {
            let writing = state.now.writing.remove(&person);
            let card = writing.map(|writing| writing.card).unwrap_or_default();
            self.show(
                &mut state,
                &Ephemeral::Typing {
                    person,
                    card,
                    active: false,
                },
            );
        }
        let presence = take_presence(&mut state, now_ms);
        let rests = state.ring.rest(now_ms) && state.now.is_still();
        state.enrolled = !rests;
        drop(state);
        if let Some(presence) = presence {
            node.send(BusMessage::Ephemeral(self.entity.clone(), presence));
        }
        !rests
    }
}

/// Everything gathered, as soon as the first of it is due.
fn take_presence(state: &mut EdgeState, now_ms: u64) -> Option<Ephemeral> {
    let came_is_due = state.now.came.values().any(|due_ms| *due_ms <= now_ms);
    let left: Vec<PersonId> = state
        .now
        .went
        .iter()
        .filter(|(_, due_ms)| **due_ms <= now_ms)
        .map(|(person, _)| person.clone())
        .collect();
    if !came_is_due && left.is_empty() {
        return None;
    }
    for person in &left {
        state.now.went.remove(person);
    }
    let joined = std::mem::take(&mut state.now.came).into_keys().collect();
    Some(Ephemeral::Presence { joined, left })
}

fn connection_count(state: &EdgeState, person: &PersonId) -> usize {
    state
        .members
        .iter()
        .flatten()
        .filter(|member| member.listener.person() == person)
        .count()
}

fn subject_of(ephemeral: &Ephemeral) -> EphemeralSubject {
    match ephemeral {
        Ephemeral::Typing { person, .. } => EphemeralSubject::Typing(person.clone()),
        Ephemeral::Read { person, .. } => EphemeralSubject::Read(person.clone()),
        Ephemeral::Presence { .. } => EphemeralSubject::Presence,
    }
}
