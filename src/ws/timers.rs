//! One timer wheel for every connection: pings, deadlines and expiry need a look about once in many
//! seconds, not a timer each.
//!
//! A connection asks to be looked at; after that it asks again. The wheel holds a weak reference for
//! each, so a closed connection costs nothing but its slot until the hand has passed.
//!
//! Invariants: a look comes at or after the time asked for, at most a tick late; a look that was
//! asked for beyond the wheel's turn comes at its end, and the connection asks again.
//! Never: runs a connection's code; it wakes it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::shared::Shared;

/// One tick, milliseconds: deadlines of connections are seconds.
const TICK_MS: u64 = 250;
/// Slots of the wheel: a turn takes 128 seconds, longer than any ping interval worth having.
const SLOT_COUNT: usize = 512;

/// See the module's text.
pub(crate) struct Wheel {
    slots: Box<[Mutex<Vec<Weak<Shared>>>]>,
    hand: Mutex<usize>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOT_COUNT).map(|_| Mutex::new(Vec::new())).collect();
        Self {
            slots,
            hand: Mutex::new(0),
        }
    }

    /// Has a connection woken after this time.
    pub(crate) fn look_after(&self, connection: &Arc<Shared>, after_ms: u64) {
        let ticks = usize::try_from(after_ms.div_ceil(TICK_MS)).unwrap_or(SLOT_COUNT);
        let ahead = ticks.clamp(1, SLOT_COUNT - 1);
        let hand = *self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &self.slots[(hand + ahead) % SLOT_COUNT];
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.push(Arc::downgrade(connection));
    }

    fn turn(&self) {
        let due = {
            let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
            *hand = (*hand + 1) % SLOT_COUNT;
            let slot = &self.slots[*hand];
            std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner))
        };
        for connection in due.iter().filter_map(Weak::upgrade) {
            connection.look();
        }
    }

    /// Turns until nobody holds the wheel but this task.
    pub(crate) async fn run(wheel: Weak<Self>) {
        let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let Some(wheel) = wheel.upgrade() else { return };
            wheel.turn();
        }
    }
}
