//! What a connection owes to time: pings, silence, a peer that takes nothing, the token's end, a
//! place in the queue when the node drains.
//!
//! Invariants: one look at the clock is planned at any moment, not a timer for each concern;
//! silence is counted only while the client is being read.
//! Never: reads the clock other than through the node.

use frontdesk_actors::DoorId;
use frontdesk_protocol::{CloseCode, Timestamp};

use super::desk::Desk;
use super::speaker::Speaker;
use super::timers::TURN_MS;
use crate::config::Limits;

/// Empty frames of a client are answered at most once in this time, milliseconds.
const ECHO_MS: u64 = 1_000;
/// Grace after a token's end, milliseconds: a refresh may be on its way.
const EXPIRED_GRACE_MS: u64 = 25_000;
/// Commands answered `busy` are sent again after this, milliseconds.
const SEND_AGAIN_MS: u64 = 250;
/// A client that was told to leave has this long for commands under way, milliseconds.
const LEAVE_PATIENCE_MS: u64 = 2_000;

/// See the module's text.
pub(super) struct Clockwork {
    born_ms: u64,
    heard_ms: u64,
    /// When the client was pinged, until something is heard.
    asked_ms: Option<u64>,
    /// An empty frame would answer our ping.
    expects_pong: bool,
    echoed_ms: Option<u64>,
    blocked_ms: Option<u64>,
    leave_ms: Option<u64>,
    planned_ms: Option<u64>,
    /// The end of the token that the client was told about.
    told_expired: Option<Timestamp>,
    is_leaving: bool,
}

impl Clockwork {
    pub(super) fn new(now_ms: u64, door: DoorId, limits: &Limits) -> Self {
        // Connections that came at once are not pinged at once.
        let jitter_ms = door.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (limits.ping_ms / 2).max(1);
        Self {
            born_ms: now_ms,
            heard_ms: now_ms.saturating_sub(jitter_ms),
            asked_ms: None,
            expects_pong: false,
            echoed_ms: None,
            blocked_ms: None,
            leave_ms: None,
            planned_ms: None,
            told_expired: None,
            is_leaving: false,
        }
    }

    /// Something was read.
    pub(super) fn heard(&mut self, desk: &Desk) {
        self.heard_ms = now_ms(desk);
        self.asked_ms = None;
    }

    /// The client is not being read.
    pub(super) fn paused(&mut self, desk: &Desk) {
        self.heard_ms = now_ms(desk);
        self.asked_ms = None;
    }

    /// Whether an empty frame is the client's own ping and is answered now. The answer to our ping
    /// is not, and of many at once only the first: a client that answers every one would never end.
    pub(super) fn answers_ping(&mut self, desk: &Desk) -> bool {
        let now_ms = now_ms(desk);
        let was_pong = std::mem::take(&mut self.expects_pong);
        let is_soon = self.echoed_ms.is_some_and(|at| at + ECHO_MS > now_ms);
        if was_pong || is_soon {
            return false;
        }
        self.echoed_ms = Some(now_ms);
        true
    }

    /// The peer took something.
    pub(super) fn wrote(&mut self) {
        self.blocked_ms = None;
    }

    /// The peer takes nothing now.
    pub(super) fn blocked(&mut self, desk: &Desk) {
        if self.blocked_ms.is_none() {
            let now_ms = now_ms(desk);
            self.blocked_ms = Some(now_ms);
            self.plan(desk, now_ms);
        }
    }

    /// The node drains.
    pub(super) fn leave_after(&mut self, desk: &Desk, after_ms: u64) {
        let now_ms = now_ms(desk);
        self.leave_ms.get_or_insert(now_ms + after_ms);
        self.plan(desk, now_ms);
    }

    /// Whether the connection only waits for what is under way.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Does what is due.
    pub(super) fn look(&mut self, desk: &mut Desk, speaker: Speaker) {
        let now_ms = now_ms(desk);
        let limits = &desk.app.limits;
        if self
            .planned_ms
            .is_some_and(|planned_ms| planned_ms <= now_ms)
        {
            self.planned_ms = None;
        }
        let has_stalled = self
            .blocked_ms
            .is_some_and(|since_ms| since_ms + limits.write_stall_ms <= now_ms);
        let silence_ms = now_ms.saturating_sub(self.heard_ms);
        // Nobody is blamed for silence who was not asked: our own process may have stood still.
        let is_idle = self.asked_ms.is_some_and(|asked_ms| {
            silence_ms >= limits.idle_ms && asked_ms + answer_ms(limits) <= now_ms
        });
        let is_unknown = desk.shared.principal().is_none();
        if has_stalled {
            let code = CloseCode::NoWriteProgress;
            return desk.close(code, code.reason());
        }
        if is_unknown && self.born_ms + desk.app.connect_timeout_ms <= now_ms {
            return desk.close(CloseCode::Unauthenticated, "no token in time");
        }
        if is_idle && !desk.must_pause() {
            return desk.close(CloseCode::Idle, CloseCode::Idle.reason());
        }
        if silence_ms >= limits.ping_ms && self.asked_ms.is_none() {
            self.asked_ms = Some(now_ms);
            self.expects_pong = true;
            desk.reply(speaker.ping());
        }
        self.check_expiry(desk, speaker);
        self.check_leaving(desk, now_ms);
        desk.rest_feed(now_ms);
        desk.shared.rest(); // beside a ping, which is due at most looks
        if desk.has_put_off() {
            desk.send_again();
        }
        desk.settle_pace(now_ms);
        self.plan(desk, now_ms);
    }

    fn check_expiry(&mut self, desk: &mut Desk, speaker: Speaker) {
        let Some(expires_at) = desk.expires_at else {
            return;
        };
        let now = desk.app.node.clock().now();
        if now < expires_at {
            return;
        }
        if self.told_expired != Some(expires_at) {
            self.told_expired = Some(expires_at);
            speaker.expired(desk);
        } else if expires_at.0 + EXPIRED_GRACE_MS <= now.0 {
            desk.close(CloseCode::Unauthenticated, "token expired");
        }
    }

    fn check_leaving(&mut self, desk: &mut Desk, now_ms: u64) {
        let Some(leave_ms) = self.leave_ms.filter(|leave_ms| *leave_ms <= now_ms) else {
            return;
        };
        self.is_leaving = true;
        let is_done = !desk.is_waiting() && desk.shared.queued_bytes().0 == 0;
        if is_done || leave_ms + LEAVE_PATIENCE_MS <= now_ms {
            let reason = format!(
                "server restarts; retry_after_ms={}",
                desk.app.retry_after_ms()
            );
            desk.close(CloseCode::Restart, &reason);
        }
    }

    /// Plans the next look from now on.
    pub(super) fn plan_now(&mut self, desk: &Desk) {
        self.plan(desk, now_ms(desk));
    }

    /// Plans the next look, unless an earlier one is planned.
    pub(super) fn plan(&mut self, desk: &Desk, now_ms: u64) {
        let limits = &desk.app.limits;
        // Hearing something plans nothing, so a look comes at least as often as pings may be due.
        let mut due_ms = match self.asked_ms {
            Some(asked_ms) => (asked_ms + answer_ms(limits))
                .max(self.heard_ms + limits.idle_ms)
                .min(now_ms + limits.ping_ms),
            None => self.heard_ms + limits.ping_ms,
        };
        if desk.shared.principal().is_none() {
            due_ms = due_ms.min(self.born_ms + desk.app.connect_timeout_ms);
        }
        if let Some(blocked_ms) = self.blocked_ms {
            due_ms = due_ms.min(blocked_ms + limits.write_stall_ms);
        }
        if let Some(leave_ms) = self.leave_ms {
            due_ms = due_ms.min(leave_ms.max(now_ms + SEND_AGAIN_MS));
        }
        if let Some(expires_at) = desk.expires_at {
            let grace_ms = if self.told_expired == Some(expires_at) {
                EXPIRED_GRACE_MS
            } else {
                0
            };
            let now = desk.app.node.clock().now();
            let left_ms = (expires_at.0.saturating_add(grace_ms)).saturating_sub(now.0);
            due_ms = due_ms.min(now_ms.saturating_add(left_ms));
        }
        if desk.has_put_off() {
            due_ms = due_ms.min(now_ms + SEND_AGAIN_MS);
        }
        if let Some(paced_until_ms) = desk.paced_until_ms() {
            due_ms = due_ms.min(paced_until_ms);
        }
        let due_ms = due_ms.clamp(now_ms + 1, now_ms + TURN_MS);
        if self.planned_ms.is_none_or(|planned_ms| due_ms < planned_ms) {
            self.planned_ms = Some(due_ms);
            desk.app.wheel.look_at(&desk.shared, due_ms);
        }
    }
}

/// Time that a client has to answer a ping, milliseconds.
fn answer_ms(limits: &Limits) -> u64 {
    limits.idle_ms.saturating_sub(limits.ping_ms)
}

fn now_ms(desk: &Desk) -> u64 {
    desk.app.node.clock().monotonic_ms()
}
