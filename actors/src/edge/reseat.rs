//! Who gets a seat in a chat, and who loses theirs, as the edge sees it.
//!
//! Invariant: whoever is put out has been shown why, and gets nothing from there on.
//! Never: tells a listener; a connection looks whether it still has its place.

use std::sync::Arc;

use frontdesk_protocol::PersonId;
use frontdesk_protocol::chat::HandoffStep;

use super::ring::Ring;
use super::{Edge, EdgeState, Member, View};
use crate::task::{lock, spawn};

impl Edge {
    /// Who has the chat now may attach; who had it has heard so, and gets nothing from here on.
    pub(super) fn reseat(self: &Arc<Self>, state: &mut EdgeState, step: &HandoffStep) {
        let left = match step {
            HandoffStep::Assigned { agent, left, .. } => {
                state.view.marks.entry(agent.clone()).or_default();
                left
            }
            HandoffStep::Resolved { left, .. } | HandoffStep::Released { left, .. } => left,
            HandoffStep::Escalated { .. } => return,
        };
        for person in left {
            state.view.marks.remove(person);
        }
        self.put_out(state, |person| left.contains(person));
    }

    /// The room is nobody's any more, and nothing is left of what was said.
    pub(super) fn close_room(self: &Arc<Self>, state: &mut EdgeState) {
        let head = state.view.head;
        self.put_out(state, |_| true);
        state.view = View {
            head,
            ..View::none()
        };
        state.ring = Ring::default();
    }

    /// Events were missed: who has a seat may have changed with them, so it is read again.
    pub(super) fn count_seats(self: &Arc<Self>) {
        let (edge, Some(node)) = (Arc::clone(self), self.node.upgrade()) else {
            return;
        };
        spawn(async move {
            match node.room_view(&edge.entity).await {
                Ok(read) => edge.settle(&read),
                // Whoever reads the room next fails as well, and is told.
                Err(error) => tracing::error!(entity = %edge.entity, %error, "seats are unread"),
            }
        });
    }

    fn settle(self: &Arc<Self>, read: &View) {
        let mut state = lock(&self.state);
        if state.seats_at > read.head {
            return; // a later step has said who sits here
        }
        for (person, mark) in &read.marks {
            state.view.marks.entry(person.clone()).or_insert(*mark);
        }
        let is_gone = |person: &PersonId| !read.marks.contains_key(person);
        state.view.marks.retain(|person, _| !is_gone(person));
        self.put_out(&mut state, is_gone);
    }

    fn put_out(self: &Arc<Self>, state: &mut EdgeState, is_leaving: impl Fn(&PersonId) -> bool) {
        for index in 0..state.members.len() {
            let leaves = |member: &Member| is_leaving(member.listener.person());
            if !state.members[index].as_ref().is_some_and(leaves) {
                continue;
            }
            state.free.push(index);
            if let Some(member) = state.members[index].take() {
                self.person_went(state, &*member.listener);
            }
        }
    }
}
