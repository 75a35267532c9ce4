//! Replay: feeding a cursor that is behind until it is at the head.
//!
//! The connection drives it: when its outbox has space it asks for the next step. Pages come from
//! the ring while it reaches back far enough, else from the journal; the step that finds nothing
//! missing makes the cursor live, under the same lock that fans out.
//!
//! Invariants: every step re-checks the attachment, so detaching ends it; a page read from the
//! journal is used only if the cursor still stands where the page begins, and only up to the head
//! that the edge knows: what lies beyond is about to be published and comes live.
//! Never: holds the edge's lock while the journal is read.

use std::sync::Arc;

use frontdesk_protocol::Seq;
use frontdesk_protocol::event::RoomEvent;

use super::fan_out::author_of;
use super::{Attachment, Cursor, Edge, EdgeState, Listener};
use crate::limits::{REPLAY_PAGE_BYTES, REPLAY_PAGE_EVENT_COUNT};
use crate::task::lock;

/// How a replay goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum ReplayStep {
    /// At the head: nothing is missing any more.
    Live,
    /// The outbox is full: ask again when it has space.
    Full,
    /// More is in the ring or the journal: ask again.
    More,
    /// Not attached any more.
    Gone,
}

enum FromRing {
    Step(ReplayStep),
    Read { after: Seq },
}

impl Edge {
    /// Queues the next events that a connection misses, reading the journal if need be.
    pub async fn replay(self: &Arc<Self>, attachment: Attachment) -> ReplayStep {
        let after = match self.replay_ring(attachment) {
            FromRing::Step(step) => return step,
            FromRing::Read { after } => after,
        };
        let Some(node) = self.node.upgrade() else {
            return ReplayStep::Gone;
        };
        let page = node
            .events_after(
                &self.entity,
                after,
                REPLAY_PAGE_EVENT_COUNT,
                REPLAY_PAGE_BYTES,
            )
            .await;
        match page {
            Ok(events) => self.replay_page(attachment, after, &events),
            Err(error) => {
                // The client resumes on another connection; this one cannot be served in order.
                tracing::error!(entity = %self.entity, %error, "replay cannot read the journal");
                ReplayStep::Gone
            }
        }
    }

    fn replay_ring(self: &Arc<Self>, attachment: Attachment) -> FromRing {
        let mut state = lock(&self.state);
        let mut pushed_count = 0;
        let step = loop {
            let head = state.view.head;
            let Some(member) = state.member(attachment) else {
                break FromRing::Step(ReplayStep::Gone);
            };
            let Cursor::Behind(next) = member.cursor else {
                break FromRing::Step(ReplayStep::Live);
            };
            if next > head {
                member.cursor = Cursor::Live;
                break FromRing::Step(ReplayStep::Live);
            }
            match self.push_from_ring(&mut state, attachment, next) {
                Some(true) => pushed_count += 1,
                Some(false) => break FromRing::Step(ReplayStep::Full),
                None => {
                    break FromRing::Read {
                        after: Seq(next.0 - 1),
                    };
                }
            }
        };
        self.count_replayed(pushed_count);
        step
    }

    /// `None` when the ring does not reach back to `next`; false when there is no space.
    fn push_from_ring(
        &self,
        state: &mut EdgeState,
        attachment: Attachment,
        next: Seq,
    ) -> Option<bool> {
        let context = self.context(state);
        let EdgeState { ring, members, .. } = state;
        let member = members.get_mut(attachment.index)?.as_mut()?;
        let entry = ring.get(next)?;
        let dialect = member.listener.dialect();
        let encoder = self.dialects.of(dialect);
        let event = entry.event.clone();
        let frame = match self.is_own(&*member.listener, &event) {
            true => encoder.own_event(&context, &event),
            false => entry
                .frame(dialect, || encoder.event(&context, &event))
                .cloned(),
        };
        let fits = frame.is_none_or(|frame| member.listener.push_durable(&frame, true));
        if fits {
            member.cursor = Cursor::Behind(next.next());
        }
        Some(fits)
    }

    pub(crate) fn replay_page(
        self: &Arc<Self>,
        attachment: Attachment,
        after: Seq,
        events: &[RoomEvent],
    ) -> ReplayStep {
        let mut state = lock(&self.state);
        let (context, head) = (self.context(&state), state.view.head);
        let Some(member) = state.member(attachment) else {
            return ReplayStep::Gone;
        };
        if member.cursor != Cursor::Behind(after.next()) {
            return ReplayStep::More;
        }
        let encoder = self.dialects.of(member.listener.dialect());
        let mut next = after.next();
        let mut is_full = false;
        let mut page = events
            .iter()
            .take_while(|event| event.seq().is_none_or(|seq| seq <= head))
            .peekable();
        let is_short = page.peek().is_none() && next <= head;
        for event in page {
            if event.seq() != Some(next) {
                return self.hole(next);
            }
            let frame = match self.is_own(&*member.listener, event) {
                true => encoder.own_event(&context, event),
                false => encoder.event(&context, event),
            };
            if !frame.is_none_or(|frame| member.listener.push_durable(&frame, true)) {
                is_full = true;
                break;
            }
            next = next.next();
        }
        member.cursor = Cursor::Behind(next);
        self.count_replayed(next.0 - after.0 - 1);
        match (is_short, is_full) {
            (true, _) => self.hole(next),
            (_, true) => ReplayStep::Full,
            _ => ReplayStep::More,
        }
    }

    /// Whether these clients are told of their own messages otherwise than the others, and this is
    /// one.
    fn is_own(&self, listener: &dyn Listener, event: &RoomEvent) -> bool {
        self.dialects.tells_authors(listener.dialect())
            && author_of(event).is_some_and(|author| author == listener.person())
    }

    /// The journal shows less than the edge knows: a restore under our feet.
    fn hole(&self, expected: Seq) -> ReplayStep {
        tracing::error!(entity = %self.entity, expected = expected.0, "hole in the journal");
        ReplayStep::Gone
    }

    fn count_replayed(&self, count: u64) {
        if count > 0
            && let Some(node) = self.node.upgrade()
        {
            node.metrics.replayed.increment(count);
        }
    }
}
