//! How much a socket may have under way: as much as keeps its link busy, and not so much that what
//! else is sent on it waits for long.
//!
//! Whoever sends a file fills the buffers before the narrowest part of the link, and a chat message
//! waits behind them. How long is measured with pings, which queue like messages do: the time an
//! answer takes beyond the least it ever took is the queue. The window grows while the queue is
//! shorter than wanted, and shrinks in proportion while it is longer.
//!
//! Invariants: the window stays within its bounds, whatever is measured; a link that is not filled
//! gets no greater one.
//! Never: reads a clock.

use std::collections::VecDeque;

use frontdesk_protocol::limits::{FILE_CHUNK_BYTES_MAX, FILE_CHUNK_BYTES_MIN};

/// How long what else is sent may wait behind a file, milliseconds: not noticed in a chat.
const QUEUE_MS: f64 = 60.0;
/// The window before anything is measured, bytes.
pub(crate) const FIRST_BYTES: u64 = 64 * 1024;
/// The least window, bytes: two frames, so that one is under way while the other is taken in.
const LEAST_BYTES: u64 = 2 * FILE_CHUNK_BYTES_MIN as u64;
/// The greatest window, bytes: a second of a link of 64 Mbit/s.
const GREATEST_BYTES: u64 = 8 * 1024 * 1024;
/// What a frame should keep a link busy for at most, milliseconds: nothing passes it.
const CHUNK_MS: f64 = 20.0;
/// Payload of a frame before anything is measured, bytes.
const FIRST_CHUNK_BYTES: u64 = 16 * 1024;
/// How much of the way to the window that fits is gone with each answer. Half of it: an answer
/// tells of a window that was.
const STEP: f64 = 0.5;
/// The greatest ratio of the window that fits to the one there is that an answer is believed about.
const RATIO_MAX: f64 = 2.0;
/// The least one.
const RATIO_MIN: f64 = 0.25;
/// Part of a window that must have come in a round trip for the window to be what limits the link.
const FILLED: f64 = 0.5;
/// How much a new measurement of the rate counts against those before.
const RATE_WEIGHT: f64 = 0.3;
/// The least answer is kept for each span of this length, milliseconds,
const SPAN_MS: u64 = 60_000;
/// and for so many of them: a route that became longer is believed after ten minutes.
const SPAN_COUNT: usize = 10;

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    bytes: f64,
    /// Bytes a millisecond.
    rate: f64,
    /// The least answer of each span, milliseconds, with when the span began.
    least: VecDeque<(u64, f64)>,
    /// When the rate was measured last, and what had come until then.
    since: Option<(u64, u64)>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            bytes: FIRST_BYTES as f64,
            rate: 0.0,
            least: VecDeque::new(),
            since: None,
        }
    }

    /// What all uploads of the socket may have under way together, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Payload of one frame at most, bytes: a power of two.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        let wanted = match self.rate > 0.0 {
            true => (self.rate * CHUNK_MS) as u64,
            false => FIRST_CHUNK_BYTES,
        };
        let wanted = wanted.clamp(FILE_CHUNK_BYTES_MIN as u64, FILE_CHUNK_BYTES_MAX as u64);
        1 << wanted.ilog2()
    }

    /// An answer to a ping came after so long, when so many bytes had come on this socket in all.
    pub(crate) fn answered(&mut self, took_ms: u64, now_ms: u64, came_bytes: u64) {
        let took_ms = (took_ms as f64).max(1.0);
        let least_ms = self.least(took_ms, now_ms);
        let rate = self.measure(now_ms, came_bytes);
        let fitting = (least_ms + QUEUE_MS) / took_ms;
        let ratio = fitting.clamp(RATIO_MIN, RATIO_MAX);
        // Where little comes although much may, a greater window changes nothing.
        let is_filled = rate.is_some_and(|rate| rate * took_ms >= self.bytes * FILLED);
        if ratio > 1.0 && !is_filled {
            return;
        }
        self.bytes *= 1.0 + STEP * (ratio - 1.0);
        self.bytes = self.bytes.clamp(LEAST_BYTES as f64, GREATEST_BYTES as f64);
    }

    /// Nothing was sent for a while: how fast the link is will be measured anew.
    pub(crate) fn rested(&mut self) {
        self.since = None;
    }

    /// Bytes a millisecond since the last time.
    fn measure(&mut self, now_ms: u64, came_bytes: u64) -> Option<f64> {
        let (since_ms, before_bytes) = self.since.replace((now_ms, came_bytes))?;
        let span_ms = now_ms.saturating_sub(since_ms).max(1) as f64;
        let rate = came_bytes.saturating_sub(before_bytes) as f64 / span_ms;
        self.rate = match self.rate > 0.0 {
            true => self.rate + RATE_WEIGHT * (rate - self.rate),
            false => rate,
        };
        Some(rate)
    }

    fn least(&mut self, took_ms: f64, now_ms: u64) -> f64 {
        match self.least.back_mut() {
            Some((since_ms, least_ms)) if now_ms.saturating_sub(*since_ms) < SPAN_MS => {
                *least_ms = least_ms.min(took_ms);
            }
            _ => self.least.push_back((now_ms, took_ms)),
        }
        while self.least.len() > SPAN_COUNT {
            self.least.pop_front();
        }
        let least = self.least.iter().map(|(_, least_ms)| *least_ms);
        least.fold(took_ms, f64::min)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A link with a queue before it, and a client that always has something to send.
    struct Link {
        /// Bytes a millisecond.
        rate: f64,
        /// Milliseconds that an answer takes when nothing is under way.
        idle_ms: f64,
        now_ms: f64,
        came: f64,
    }

    impl Link {
        /// What one round trip does to the window; how long what else was sent waited.
        fn turn(&mut self, window: &mut Window) -> f64 {
            let under_way = window.bytes() as f64;
            let queue_ms = (under_way / self.rate - self.idle_ms).max(0.0);
            let took_ms = self.idle_ms + queue_ms;
            self.now_ms += took_ms.max(1.0);
            self.came += under_way.min(self.rate * took_ms.max(1.0));
            window.answered(took_ms as u64, self.now_ms as u64, self.came as u64);
            queue_ms
        }
    }

    fn link(megabits: f64, idle_ms: f64) -> Link {
        Link {
            rate: megabits * 1e6 / 8.0 / 1e3,
            idle_ms,
            now_ms: 0.0,
            came: 0.0,
        }
    }

    fn begun(link: &Link) -> Window {
        let mut window = Window::new();
        // The ping before the first bytes.
        window.answered(link.idle_ms as u64, 0, 0);
        window
    }

    #[test]
    fn a_link_is_filled_and_its_queue_stays_short() {
        for (megabits, idle_ms) in [(2.0, 20.0), (10.0, 20.0), (100.0, 20.0), (50.0, 150.0)] {
            let mut link = link(megabits, idle_ms);
            let mut window = begun(&link);
            let settling = (0..60).map(|_| link.turn(&mut window)).count();
            assert_eq!(settling, 60);
            for _ in 0..200 {
                let queue_ms = link.turn(&mut window);
                assert!(
                    (10.0..=2.0 * QUEUE_MS).contains(&queue_ms),
                    "{queue_ms} ms at {megabits} Mbit/s"
                );
            }
        }
    }

    #[test]
    fn a_slow_link_is_relieved_within_a_few_answers() {
        let mut link = link(2.0, 20.0);
        let mut window = begun(&link);
        assert!(
            link.turn(&mut window) > 3.0 * QUEUE_MS,
            "the first credit is too much for it"
        );
        for _ in 0..5 {
            link.turn(&mut window);
        }
        assert!(link.turn(&mut window) < 2.0 * QUEUE_MS);
    }

    #[test]
    fn who_sends_little_is_granted_no_more() {
        let mut window = Window::new();
        for turn in 1..100 {
            window.answered(20, turn * 70, turn * 500);
        }
        assert_eq!(window.bytes(), FIRST_BYTES);
    }

    #[test]
    fn frames_keep_a_link_busy_for_no_longer_than_a_moment() {
        for (megabits, expected) in [(2.0, 4_096), (10.0, 16_384), (100.0, 131_072)] {
            let mut link = link(megabits, 20.0);
            let mut window = begun(&link);
            for _ in 0..100 {
                link.turn(&mut window);
            }
            assert_eq!(window.chunk_bytes(), expected, "{megabits} Mbit/s");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_measured_the_bounds_hold(
            answers in prop::collection::vec(
                (0_u64..1 << 40, 0_u64..1 << 30, 0_u64..1 << 40),
                1..200,
            ),
        ) {
            let mut window = Window::new();
            let (mut now_ms, mut came) = (0, 0);
            for (took_ms, later_ms, more) in answers {
                now_ms += later_ms;
                came += more;
                window.answered(took_ms, now_ms, came);
                prop_assert!((LEAST_BYTES..=GREATEST_BYTES).contains(&window.bytes()));
                let chunk = window.chunk_bytes();
                prop_assert!(chunk.is_power_of_two());
                let bounds = FILE_CHUNK_BYTES_MIN as u64..=FILE_CHUNK_BYTES_MAX as u64;
                prop_assert!(bounds.contains(&chunk));
                prop_assert!(window.least.len() <= SPAN_COUNT);
            }
        }
    }
}
