//! One timer wheel for every connection: pings, deadlines and expiry need a look about once in many
//! seconds, not a timer each.
//!
//! A connection asks to be looked at; after that it asks again. The wheel holds a weak reference
//! for each, so a closed connection costs nothing but its slot until the hand has passed.
//!
//! Invariants: a look comes at or after the time asked for, at most two ticks late; nobody asks
//! further ahead than [`TURN_MS`], since the wheel has no slot for it.
//! Never: runs a connection's code; it wakes it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use frontdesk_actors::clock::Clock;

use super::shared::Shared;

/// One tick, milliseconds: deadlines of connections are seconds.
const TICK_MS: u64 = 250;
/// Slots of the wheel.
const SLOT_COUNT: u64 = 512;
/// How far ahead a look may be asked for, milliseconds: longer than any ping interval worth having.
pub(super) const TURN_MS: u64 = (SLOT_COUNT - 2) * TICK_MS;

/// See the module's text.
pub(crate) struct Wheel {
    slots: Box<[Mutex<Vec<Weak<Shared>>>]>,
    /// The tick that was dealt with last.
    hand: Mutex<u64>,
}

impl Wheel {
    pub(crate) fn new(now_ms: u64) -> Self {
        let slots = (0..SLOT_COUNT).map(|_| Mutex::default()).collect();
        Self {
            slots,
            hand: Mutex::new(now_ms / TICK_MS),
        }
    }

    /// Has a connection woken once it is this late.
    pub(crate) fn look_at(&self, connection: &Arc<Shared>, due_ms: u64) {
        // Held until the look is noted: the hand must not pass the slot meanwhile.
        let hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        let tick = due_ms
            .div_ceil(TICK_MS)
            .clamp(*hand + 1, *hand + SLOT_COUNT - 1);
        self.slot(tick).push(Arc::downgrade(connection));
    }

    fn slot(&self, tick: u64) -> std::sync::MutexGuard<'_, Vec<Weak<Shared>>> {
        let slot = &self.slots[(tick % SLOT_COUNT) as usize];
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out everyone whose time has come.
    fn turn_to(&self, now_ms: u64) -> Vec<Weak<Shared>> {
        let mut hand = self.hand.lock().unwrap_or_else(PoisonError::into_inner);
        let now_tick = now_ms / TICK_MS;
        // After a leap of more than a turn every slot is due, and none twice.
        let first = (*hand + 1).max((now_tick + 1).saturating_sub(SLOT_COUNT));
        let mut due = Vec::new();
        for tick in first..=now_tick {
            due.append(&mut self.slot(tick));
        }
        *hand = now_tick.max(*hand);
        due
    }

    /// Turns with the clock until nobody holds the wheel but this task.
    pub(crate) async fn run(wheel: Weak<Self>, clock: Arc<dyn Clock>) {
        let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let Some(wheel) = wheel.upgrade() else { return };
            for connection in wheel.turn_to(clock.monotonic_ms()) {
                if let Some(connection) = connection.upgrade() {
                    connection.look();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_actors::DialectId;

    use super::*;
    use crate::ws::Bounds;

    fn connection() -> Arc<Shared> {
        let bounds = Bounds {
            soft_bytes: 1,
            hard_bytes: 2,
        };
        Arc::new(Shared::new(DialectId(0), bounds))
    }

    #[test]
    fn a_look_never_comes_before_its_time_and_soon_after() {
        let connection = connection();
        for start_ms in [0, 1, 249, 250, 1_800_000_000_123] {
            for after_ms in [1, 249, 250, 251, 10_000, TURN_MS] {
                let wheel = Wheel::new(start_ms);
                // The hand stands in the middle of a tick, as it nearly always does.
                let now_ms = start_ms + 200;
                wheel.turn_to(now_ms);
                let due_ms = now_ms + after_ms;
                wheel.look_at(&connection, due_ms);
                assert!(
                    wheel.turn_to(due_ms - 1).is_empty(),
                    "{start_ms} {after_ms}"
                );
                assert_eq!(wheel.turn_to(due_ms + TICK_MS).len(), 1);
                assert!(wheel.turn_to(due_ms + 3 * TURN_MS).is_empty());
            }
        }
    }

    #[test]
    fn a_clock_that_leaps_passes_nobody_by() {
        let connection = connection();
        let wheel = Wheel::new(0);
        for due_ms in (TICK_MS..=TURN_MS).step_by(TICK_MS as usize) {
            wheel.look_at(&connection, due_ms);
        }
        let count = (TURN_MS / TICK_MS) as usize;
        assert_eq!(wheel.turn_to(1_000_000_000).len(), count);
        assert!(wheel.turn_to(2_000_000_000).is_empty());
    }
}
