//! One timer wheel for every connection: pings, deadlines and expiry need a look about once in many
//! seconds, not a timer each.
//!
//! A connection asks to be looked at; after that it asks again. The wheel holds a weak reference
//! for each, so a closed connection costs nothing but its slot until the hand has passed.
//!
//! Invariants: a look comes at or after the time asked for, at most two ticks late.
//! Never: runs a connection's code; it wakes it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::shared::Shared;

/// One tick, milliseconds: deadlines of connections are seconds.
pub(super) const TICK_MS: u64 = 250;
/// Slots of the wheel: a turn takes 128 seconds, longer than any ping interval worth having.
const SLOT_COUNT: usize = 512;
/// The furthest look that can be asked for, milliseconds.
pub(super) const LOOK_AFTER_MS_MAX: u64 = (SLOT_COUNT as u64 - 2) * TICK_MS;

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

    /// Has a connection woken after this time, at most [`LOOK_AFTER_MS_MAX`].
    pub(crate) fn look_after(&self, connection: &Arc<Shared>, after_ms: u64) {
        let ticks = after_ms.min(LOOK_AFTER_MS_MAX).div_ceil(TICK_MS);
        // The tick under way is partly over and does not count.
        let ahead = usize::try_from(ticks).expect("below the slots") + 1;
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

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use frontdesk_actors::DialectId;

    use super::*;
    use crate::listen::spawn;
    use crate::ws::Bounds;

    fn was_looked_at(connection: &Shared) -> bool {
        connection.take_mail(Waker::noop()).is_some()
    }

    /// Simulated time goes on by itself while everyone waits.
    async fn pass(time_ms: u64) {
        let nothing = std::future::pending::<()>();
        let waited = tokio::time::timeout(Duration::from_millis(time_ms), nothing).await;
        waited.expect_err("nothing comes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_comes_at_its_time_or_soon_after_and_never_before() {
        let wheel = Arc::new(Wheel::new());
        spawn(Wheel::run(Arc::downgrade(&wheel)));
        let bounds = Bounds {
            soft_bytes: 1,
            hard_bytes: 2,
        };
        for after_ms in [1, 249, 250, 251, 750, 1_500, LOOK_AFTER_MS_MAX] {
            let connection = Arc::new(Shared::new(DialectId(0), bounds));
            // Between two ticks.
            pass(101).await;
            wheel.look_after(&connection, after_ms);
            pass(after_ms - 1).await;
            assert!(!was_looked_at(&connection), "early for {after_ms}");
            pass(2 * TICK_MS + 2).await;
            assert!(was_looked_at(&connection), "late for {after_ms}");
        }
    }
}
