//! Who gets a seat in a chat, and who loses theirs, as the edge sees it.
//!
//! Invariant: whoever is put out has been shown why, and gets nothing from there on.
//! Never: tells a listener; a connection looks whether it still has its place.

use std::sync::Arc;

use frontdesk_protocol::chat::HandoffStep;

use super::{Edge, EdgeState, Member};

impl Edge {
    /// Who has the chat now may attach; who had it has heard so, and gets nothing from here on.
    pub(super) fn reseat(self: &Arc<Self>, state: &mut EdgeState, step: &HandoffStep) {
        let left = match step {
            HandoffStep::Assigned { agent, left, .. } => {
                state.view.marks.entry(agent.clone()).or_default();
                left
            }
            HandoffStep::Resolved { left, .. } => left,
            HandoffStep::Escalated { .. } => return,
        };
        for person in left {
            state.view.marks.remove(person);
        }
        for index in 0..state.members.len() {
            let is_leaving = |member: &Member| left.contains(member.listener.person());
            if !state.members[index].as_ref().is_some_and(is_leaving) {
                continue;
            }
            state.free.push(index);
            if let Some(member) = state.members[index].take() {
                self.person_went(state, &*member.listener);
            }
        }
    }
}
