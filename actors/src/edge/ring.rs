//! The last events of a room as ready-made frames, so that a short absence costs no read and no
//! encoding.
//!
//! Invariants: seqs in the ring are consecutive and end at the edge's head; its size is bounded in
//! events and bytes.
//! Never: holds what is not durable.

use std::collections::VecDeque;

use bytes::Bytes;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::{PersonId, Seq, Timestamp};

use super::{DIALECT_COUNT_MAX, DialectId};
use crate::limits::{RING_BYTES_MAX, RING_EVENT_COUNT_MAX, RING_IDLE_MS};

/// One event with its frames, encoded when first asked for.
pub(super) struct RingEntry {
    seq: Seq,
    pub(super) event: RoomEvent,
    frames: [Option<Option<Bytes>>; DIALECT_COUNT_MAX],
    weight_bytes: usize,
}

impl RingEntry {
    /// The frame in a dialect; `None` when these clients are shown nothing.
    pub(super) fn frame(
        &mut self,
        dialect: DialectId,
        encode: impl FnOnce() -> Option<Bytes>,
    ) -> Option<&Bytes> {
        self.frames[usize::from(dialect.0)]
            .get_or_insert_with(encode)
            .as_ref()
    }
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<RingEntry>,
    weight_bytes: usize,
    used_ms: u64,
}

impl Ring {
    /// Adds the newest event.
    pub(super) fn push(&mut self, seq: Seq, event: &RoomEvent) -> &mut RingEntry {
        if self
            .entries
            .back()
            .is_some_and(|last| last.seq.next() != seq)
        {
            self.clear();
        }
        let weight_bytes = weight_bytes(event);
        while self.entries.len() >= RING_EVENT_COUNT_MAX
            || (!self.entries.is_empty() && self.weight_bytes + weight_bytes > RING_BYTES_MAX)
        {
            let oldest = self.entries.pop_front();
            self.weight_bytes -= oldest.map_or(0, |oldest| oldest.weight_bytes);
        }
        self.weight_bytes += weight_bytes;
        let frames = Default::default();
        self.entries.push_back(RingEntry {
            seq,
            event: event.clone(),
            frames,
            weight_bytes,
        });
        self.entries.back_mut().expect("just pushed")
    }

    /// The entry of a seq, if it is still here.
    pub(super) fn get(&mut self, seq: Seq) -> Option<&mut RingEntry> {
        let first = self.entries.front()?.seq;
        let index = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        self.entries.get_mut(index)
    }

    /// A message was taken back: what it said is shown to nobody any more.
    pub(super) fn blank(&mut self, target: Seq, at: Timestamp) {
        let entry = self.get(target);
        if let Some(entry) = entry
            && let RoomEvent::MessagePosted(message) = &mut entry.event
        {
            message.blank(at);
            entry.frames = Default::default();
        }
    }

    /// What the last message of a person here says of them.
    pub(super) fn card_of(&self, person: &PersonId) -> Option<Card> {
        let card_of = |entry: &RingEntry| match &entry.event {
            RoomEvent::MessagePosted(message) if message.author.id == *person => {
                Some(message.author.card.clone())
            }
            _ => None,
        };
        self.entries.iter().rev().find_map(card_of)
    }

    /// Notes that something was added.
    pub(super) fn used(&mut self, now_ms: u64) {
        self.used_ms = now_ms;
    }

    /// Forgets everything if nothing was added for a while; true when there is nothing left.
    pub(super) fn rest(&mut self, now_ms: u64) -> bool {
        if self.used_ms + RING_IDLE_MS <= now_ms {
            self.clear();
        }
        self.entries.is_empty()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self {
            used_ms: self.used_ms,
            ..Self::default()
        };
    }
}

/// An event with frames in two dialects, about.
fn weight_bytes(event: &RoomEvent) -> usize {
    let body_bytes = match event {
        RoomEvent::MessagePosted(message) => {
            message.text.len() + message.rich.as_deref().map_or(0, str::len)
        }
        _ => 0,
    };
    512 + 3 * body_bytes
}
