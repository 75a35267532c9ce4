//! What waits to be written to one connection, bounded in bytes, in three classes.
//!
//! Control frames (replies, pongs, notices) go first, then durable events in order, then
//! ephemerals, of which a newer one with the same key replaces the older and which are dropped
//! first. Frames are shared: what is queued here is a reference to the bytes every other recipient
//! gets.
//!
//! Invariants:
//! 1. Durable frames are refused beyond the hard bound, never dropped once queued: the edge then
//!    remembers where this connection stopped.
//! 2. A frame that was partly written is finished before any other.
//! 3. Replies are not refused: their number is bounded by the commands a connection may have
//!    unanswered.
//!
//! Never: writes, wakes or locks by itself.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use frontdesk_actors::edge::{EphemeralKey, EphemeralSubject};

/// Frames written at once at most: more iovecs cost the kernel without saving a call.
pub(super) const WRITE_FRAME_COUNT_MAX: usize = 64;
/// Bytes offered to one write at most: about what a socket buffer takes.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Ephemerals kept at most: what a person could take in at a glance.
const EPHEMERAL_COUNT_MAX: usize = 32;

/// Durable frames that there is space for while a connection is in use: making that space anew for
/// every message costs more than the half kilobyte. A connection at rest keeps none.
const KEPT_FRAME_COUNT: usize = 16;

/// Bounds of one outbox, bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Beyond it ephemerals and replayed pages wait or are dropped.
    pub(crate) soft_bytes: usize,
    /// Beyond it durable events wait in the journal.
    pub(crate) hard_bytes: usize,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The frame under way, if some of it was written.
    started: Option<Bytes>,
    control: VecDeque<Bytes>,
    durable: VecDeque<Bytes>,
    ephemeral: Vec<(EphemeralKey, Bytes)>,
    queued_bytes: usize,
    peak_bytes: usize,
}

impl Outbox {
    /// Queues a control frame.
    pub(crate) fn push_control(&mut self, frame: Bytes) {
        self.grow(frame.len());
        self.control.push_back(frame);
    }

    /// Queues a durable frame if there is space for it.
    pub(crate) fn push_durable(&mut self, frame: &Bytes, bound_bytes: usize) -> bool {
        // One frame always fits an empty outbox, however large.
        if self.queued_bytes > 0 && self.queued_bytes + frame.len() > bound_bytes {
            return false;
        }
        self.grow(frame.len());
        self.durable.push_back(frame.clone());
        true
    }

    /// Queues an ephemeral frame, or puts it in the place of an older one.
    pub(crate) fn push_ephemeral(&mut self, key: EphemeralKey, frame: &Bytes, bound_bytes: usize) {
        let replaces = key.subject != EphemeralSubject::Presence;
        let older = self
            .ephemeral
            .iter_mut()
            .find(|(known, _)| replaces && *known == key);
        if let Some((_, older)) = older {
            self.queued_bytes = self.queued_bytes - older.len() + frame.len();
            *older = frame.clone();
            return;
        }
        let is_full = self.ephemeral.len() >= EPHEMERAL_COUNT_MAX
            || self.queued_bytes + frame.len() > bound_bytes;
        if !is_full {
            self.grow(frame.len());
            self.ephemeral.push((key, frame.clone()));
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued_bytes == 0
    }

    /// Bytes that wait.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// The most that ever waited, bytes.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    /// Takes out frames for one write, in the order they must leave.
    pub(super) fn take(&mut self, batch: &mut Vec<Bytes>) {
        let mut batch_bytes = 0;
        while batch.len() < WRITE_FRAME_COUNT_MAX && batch_bytes < WRITE_BYTES_MAX {
            let next = self
                .started
                .take()
                .or_else(|| self.control.pop_front())
                .or_else(|| self.durable.pop_front())
                .or_else(|| (!self.ephemeral.is_empty()).then(|| self.ephemeral.remove(0).1));
            let Some(frame) = next else { break };
            batch_bytes += frame.len();
            batch.push(frame);
        }
    }

    /// Notes that `written` bytes of a batch have left; what has not goes back to the front.
    /// Whether anything waits now.
    pub(super) fn wrote(&mut self, batch: &mut Vec<Bytes>, written: usize) -> bool {
        self.queued_bytes -= written;
        let mut left = written;
        let mut unsent = Vec::new();
        for mut frame in batch.drain(..) {
            let gone = left.min(frame.len());
            left -= gone;
            frame.advance(gone);
            if !frame.is_empty() {
                unsent.push((frame, gone > 0));
            }
        }
        // Whatever class they came from, they leave next and in this order.
        for (frame, was_started) in unsent.into_iter().rev() {
            if was_started {
                self.started = Some(frame);
            } else {
                self.control.push_front(frame);
            }
        }
        if self.is_empty() {
            // Only for durable frames: a ping now and then is no use.
            self.control = VecDeque::new();
            self.ephemeral = Vec::new();
            self.durable.shrink_to(KEPT_FRAME_COUNT);
        }
        !self.is_empty()
    }

    /// Drops everything that was not started: the connection is about to be closed.
    pub(crate) fn clear_unstarted(&mut self) {
        let started = self.started.take();
        let peak_bytes = self.peak_bytes;
        *self = Self {
            peak_bytes,
            ..Self::default()
        };
        self.queued_bytes = started.as_ref().map_or(0, Bytes::len);
        self.started = started;
    }

    fn grow(&mut self, by_bytes: usize) {
        self.queued_bytes += by_bytes;
        self.peak_bytes = self.peak_bytes.max(self.queued_bytes);
    }

    /// Gives the space for durable frames back, if none waits.
    pub(super) fn rest(&mut self) {
        if self.durable.is_empty() {
            self.durable = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::{PersonId, RoomId};

    use super::*;

    fn frame(byte: u8, len: usize) -> Bytes {
        Bytes::from(vec![byte; len])
    }

    fn typing(person: &str) -> EphemeralKey {
        let person = PersonId::new(person).expect("valid");
        let room = RoomId::from_bits([1; 16]);
        EphemeralKey {
            room: Some(room),
            subject: EphemeralSubject::Typing(person),
        }
    }

    /// Writes everything in pieces of at most `piece` bytes.
    fn drain(outbox: &mut Outbox, piece: usize) -> Vec<u8> {
        let mut written = Vec::new();
        while !outbox.is_empty() {
            let mut batch = Vec::new();
            outbox.take(&mut batch);
            let all: Vec<u8> = batch.iter().flatten().copied().collect();
            let count = all.len().min(piece);
            written.extend_from_slice(&all[..count]);
            outbox.wrote(&mut batch, count);
        }
        written
    }

    #[test]
    fn control_goes_before_durable_before_ephemeral() {
        let mut outbox = Outbox::default();
        outbox.push_ephemeral(typing("ann"), &frame(3, 1), 100);
        assert!(outbox.push_durable(&frame(2, 1), 100));
        outbox.push_control(frame(1, 1));
        assert_eq!(drain(&mut outbox, 100), [1, 2, 3]);
    }

    #[test]
    fn a_frame_that_was_started_is_finished_before_a_control_frame() {
        let mut outbox = Outbox::default();
        assert!(outbox.push_durable(&frame(2, 4), 100));
        let mut batch = Vec::new();
        outbox.take(&mut batch);
        outbox.wrote(&mut batch, 2);
        outbox.push_control(frame(1, 1));
        assert_eq!(drain(&mut outbox, 100), [2, 2, 1]);
    }

    #[test]
    fn order_survives_partial_writes() {
        for piece in 1..12 {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for i in 0..20 {
                assert!(outbox.push_durable(&frame(i, 5), 1_000));
                expected.extend_from_slice(&[i; 5]);
            }
            assert_eq!(drain(&mut outbox, piece), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn space_for_a_few_durable_frames_stays_until_the_connection_rests() {
        let mut outbox = Outbox::default();
        for i in 0..200 {
            assert!(outbox.push_durable(&frame(i, 5), 10_000));
        }
        outbox.push_control(frame(1, 5));
        outbox.rest();
        assert_eq!(drain(&mut outbox, 10_000).len(), 201 * 5);
        assert!((1..=KEPT_FRAME_COUNT).contains(&outbox.durable.capacity()));
        assert_eq!(outbox.control.capacity(), 0);
        outbox.push_control(frame(1, 5));
        outbox.rest();
        assert_eq!(outbox.durable.capacity(), 0, "beside a ping that waits");
    }

    #[test]
    fn durable_frames_are_refused_beyond_the_bound_and_one_always_fits() {
        let mut outbox = Outbox::default();
        assert!(outbox.push_durable(&frame(1, 500), 100));
        assert!(!outbox.push_durable(&frame(2, 1), 100));
        assert_eq!(outbox.peak_bytes(), 500);
        drain(&mut outbox, 1_000);
        assert!(outbox.push_durable(&frame(2, 1), 100));
    }

    #[test]
    fn a_newer_ephemeral_replaces_the_older_and_none_displaces_a_durable_one() {
        let mut outbox = Outbox::default();
        outbox.push_ephemeral(typing("ann"), &frame(1, 1), 100);
        outbox.push_ephemeral(typing("ann"), &frame(2, 2), 100);
        outbox.push_ephemeral(typing("bob"), &frame(3, 1), 100);
        assert!(outbox.push_durable(&frame(9, 97), 100));
        outbox.push_ephemeral(typing("eve"), &frame(4, 1), 100);
        let written = drain(&mut outbox, 1_000);
        assert_eq!(&written[97..], [2, 2, 3]);
    }
}
