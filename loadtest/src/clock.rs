//! The one place that reads time: everything else gets a [`Clock`] or a number of nanoseconds.
//!
//! Invariant: nanoseconds are counted from the clock's making and never go back, so that a marker's
//! time and the time of its arrival are of the same scale.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since this was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts counting.
    #[allow(
        clippy::disallowed_methods,
        reason = "a load generator measures real time"
    )]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Nanoseconds so far.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant at which [`Clock::now_ns`] gives this number.
    pub fn instant(&self, at_ns: u64) -> Instant {
        self.origin + Duration::from_nanos(at_ns)
    }
}

/// Milliseconds since 1970, for tokens and cids.
#[expect(clippy::disallowed_methods, reason = "tokens and cids carry the date")]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

/// Asks the kernel to wake the calling thread without its usual 50 µs of slack.
pub fn sharpen_thread() {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    let Some(thread) = link.file_name() else {
        return;
    };
    let slack = Path::new("/proc").join(thread).join("timerslack_ns");
    // Without it the thread only wakes later, and the report says how late.
    drop(std::fs::write(slack, "1"));
}

/// Sleeps on the calling thread, where an async timer would be up to 1 ms late.
#[allow(
    clippy::disallowed_methods,
    reason = "the pacer's own thread has nothing else to do"
)]
pub fn sleep_thread(time: Duration) {
    std::thread::sleep(time);
}
