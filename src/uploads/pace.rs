//! How fast a request's body must come: whoever sends a byte a second holds memory, or a place, for
//! hours.
//!
//! Never: writes what came.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;

use super::PumpError;

/// Time without a byte after which a body is ended, milliseconds.
const IDLE_MS: u64 = 30_000;
/// Time over which a body's speed is looked at, milliseconds.
const SPAN_MS: u64 = 30_000;
/// What must come in that time, bytes: a kilobyte a second.
const SPAN_BYTES: u64 = 30 * 1024;

/// A body's speed.
pub(crate) struct BodyPace {
    since_ms: u64,
    came_bytes: u64,
}

impl BodyPace {
    /// Of a body that begins now.
    pub(crate) fn begin(now_ms: u64) -> Self {
        Self {
            since_ms: now_ms,
            came_bytes: 0,
        }
    }

    /// The next bytes of a body; `None` at its end. `now_ms` is asked when they are there.
    ///
    /// # Errors
    /// When they come too slowly, or the body is broken off.
    pub(crate) async fn next(
        &mut self,
        body: &mut Body,
        now_ms: impl Fn() -> u64 + Send,
    ) -> Result<Option<Bytes>, PumpError> {
        let idle = Duration::from_millis(IDLE_MS);
        let bytes = match tokio::time::timeout(idle, body.frame()).await {
            Err(_) => return Err(PumpError::Slow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(PumpError::Cut),
            // Trailers are nothing of the file's.
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        };
        match self.is_too_slow(bytes.len() as u64, now_ms()) {
            true => Err(PumpError::Slow),
            false => Ok(Some(bytes)),
        }
    }

    /// The body waited for us so long, which is not its client's to answer for.
    pub(super) fn waited(&mut self, by_ms: u64) {
        self.since_ms += by_ms;
    }

    fn is_too_slow(&mut self, bytes: u64, now_ms: u64) -> bool {
        self.came_bytes += bytes;
        if now_ms.saturating_sub(self.since_ms) < SPAN_MS {
            return false;
        }
        let came_bytes = std::mem::take(&mut self.came_bytes);
        self.since_ms = now_ms;
        came_bytes < SPAN_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_a_kilobyte_a_second_is_too_slow() {
        let mut pace = BodyPace::begin(7);
        assert!(!pace.is_too_slow(1, 7 + SPAN_MS - 1), "not looked at yet");
        assert!(
            !pace.is_too_slow(SPAN_BYTES - 1, 7 + SPAN_MS),
            "just enough"
        );
        assert!(!pace.is_too_slow(SPAN_BYTES - 1, 6 + 2 * SPAN_MS));
        assert!(pace.is_too_slow(0, 7 + 2 * SPAN_MS), "each span for itself");
    }
}
