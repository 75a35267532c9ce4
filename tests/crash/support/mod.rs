//! What the tests share: servers as processes, members who talk, the ledger that judges.
//!
//! Never: asserts what a server should do; the tests and the ledger do.

pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod member;
pub(crate) mod server;
pub(crate) mod talk;
pub(crate) mod trial;

use std::env;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use tokio::time::Instant;

/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// Lets time pass: between two looks at a condition, or up to a kill whose moment shall be unknown.
pub(crate) fn pause(time: Duration) {
    let (_never, end) = mpsc::channel::<()>();
    assert_eq!(end.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}

/// Looks until there is an answer, for this long and at least once: by time, since a look may take
/// a hundred pauses where the disk is slow.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let started = Instant::now();
    loop {
        if let Some(answer) = look() {
            return Ok(answer);
        }
        if started.elapsed() >= limit {
            return Err(format!("{what}: not within {limit:?}"));
        }
        pause(LOOK);
    }
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A number that looks random and follows from its seed (splitmix64).
pub(crate) fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
