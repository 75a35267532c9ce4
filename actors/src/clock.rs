//! The only reader of real time and the maker of what needs it: timestamps and fresh cids.
//!
//! Never: sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use frontdesk_protocol::{Cid, RoomId, Timestamp, UploadId};

/// Time as a parameter.
pub trait Clock: Send + Sync + 'static {
    /// Wall time: for what is stored and shown.
    fn now(&self) -> Timestamp;
    /// Milliseconds that never go back: for throttles, expiry and idleness.
    fn monotonic_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

#[allow(clippy::disallowed_methods, reason = "the one reader of real time")]
impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one reader of real time")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that moves only when told: for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: AtomicU64,
}

impl ManualClock {
    /// Starts at this wall time.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now_ms: AtomicU64::new(now.0),
        }
    }

    /// Moves forward.
    pub fn advance_ms(&self, by_ms: u64) {
        self.now_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ms.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

/// A cid for a command whose client sent none.
pub fn fresh_cid() -> Cid {
    Cid::from_bits(uuid::Uuid::now_v7().into_bytes())
}

/// A name for a new room: 128 random bits.
pub fn fresh_room_id() -> RoomId {
    RoomId::from_bits(random_bits().to_be_bytes())
}

/// A name for a new upload: 128 random bits.
pub fn fresh_upload_id() -> UploadId {
    UploadId::from_bits(random_bits().to_be_bytes())
}

/// Random bits for a new room's history id.
pub fn fresh_history_base() -> u64 {
    let bits = random_bits();
    (bits >> 64) as u64 ^ bits as u64
}

fn random_bits() -> u128 {
    let mut bits = [0_u8; 16];
    // Two v4 UUIDs hold 122 random bits each; their fixed bits are covered by the other's.
    let (one, two) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    for (index, bit) in bits.iter_mut().enumerate() {
        *bit = one.as_bytes()[index] ^ two.as_bytes()[15 - index];
    }
    u128::from_be_bytes(bits)
}
