//! Showing an event to everyone who is live: encoded once a dialect, the same bytes for all.
//!
//! Invariant: whoever has no space falls behind at this event, and gets none after it until it has
//! caught up.
//! Never: waits for a listener.

use std::sync::Arc;

use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{PersonId, Seq};

use super::{Cursor, Edge, EdgeState, RoomContext};

/// What came of events that were shown.
#[derive(Default)]
pub(super) struct Pushed {
    event_count: u64,
    delivery_count: u64,
    lag_count: u64,
}

impl Pushed {
    /// With what came of more.
    pub(super) fn add(&mut self, more: Pushed) {
        self.event_count += more.event_count;
        self.delivery_count += more.delivery_count;
        self.lag_count += more.lag_count;
    }
}

impl Edge {
    /// Shows an event to everyone who is live.
    pub(super) fn fan_out(
        self: &Arc<Self>,
        state: &mut EdgeState,
        seq: Seq,
        event: &RoomEvent,
        context: &RoomContext,
    ) -> Pushed {
        debug_assert_eq!(seq, state.view.head.next(), "invariant 1");
        state.view.head = seq;
        state.view.note_author(event);
        let author = author_of(event);
        let EdgeState { ring, members, .. } = state;
        if let RoomEvent::MessageDeleted { target, at, .. } = event {
            ring.blank(*target, *at);
        }
        let entry = ring.push(seq, event);
        let mut pushed = Pushed {
            event_count: 1,
            ..Pushed::default()
        };
        for member in members
            .iter_mut()
            .flatten()
            .filter(|member| member.cursor == Cursor::Live)
        {
            let dialect = member.listener.dialect();
            let encoder = self.dialects.of(dialect);
            let is_own = self.dialects.tells_authors(dialect)
                && author.is_some_and(|author| author == member.listener.person());
            let own_frame;
            let frame = match is_own {
                // An author has few connections: their own frame is not kept.
                true => {
                    own_frame = encoder.own_event(context, event);
                    own_frame.as_ref()
                }
                false => entry.frame(dialect, || encoder.event(context, event)),
            };
            let Some(frame) = frame else { continue };
            if member.listener.push_durable(frame, false) {
                pushed.delivery_count += 1;
            } else {
                member.cursor = Cursor::Behind(seq);
                member.listener.fell_behind(self.room);
                pushed.lag_count += 1;
            }
        }
        if let RoomEvent::HandoffMoved { step, .. } = event {
            state.seats_at = seq;
            self.reseat(state, step);
        }
        pushed
    }

    /// Notes what came of a publication.
    pub(super) fn note_pushed(self: &Arc<Self>, state: &mut EdgeState, pushed: Pushed) {
        if pushed.event_count == 0 {
            return;
        }
        if let Some(node) = self.node.upgrade() {
            let now_ms = node.clock.monotonic_ms();
            state.ring.used(now_ms);
            node.metrics.deliveries.increment(pushed.delivery_count);
            node.metrics.lagged.increment(pushed.lag_count);
            self.enroll(&node, state);
        }
    }
}

/// Who wrote a message.
pub(super) fn author_of(event: &RoomEvent) -> Option<&PersonId> {
    match event {
        RoomEvent::MessagePosted(message) => Some(&message.author.id),
        _ => None,
    }
}
