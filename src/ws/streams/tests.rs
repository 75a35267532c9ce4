//! How a connection's window is shared among its uploads.

use std::sync::Arc;

use frontdesk_actors::clock::fresh_upload_id;
use proptest::prelude::*;

use super::*;
use crate::uploads::window::FIRST_BYTES;

/// Time enough for a stream to count as quiet, milliseconds.
const QUIET_MS: u64 = ACTIVE_MS + 1;

fn stream(number: u16, now_ms: u64) -> Stream {
    Stream {
        number,
        upload: fresh_upload_id(),
        lane: Arc::new(Lane::new(0)),
        next: 0,
        limit: 0,
        end_max: u64::MAX,
        size: None,
        has_ended: false,
        chunk_ceiling: 0,
        chunk_told: 0,
        acked: (0, 0),
        acked_ms: now_ms,
        must_ack: false,
        is_nacked: false,
        moved_ms: now_ms,
        paced: (now_ms, 0),
    }
}

/// With a window of some MiB, as a fast link has.
fn streams(count: u16) -> Streams {
    let mut streams = Streams::new(Codec::Json);
    for turn in 1..100 {
        streams.window.answered(1, turn, turn * 10_000_000);
    }
    streams.open = (0..count).map(|number| stream(number, 0)).collect();
    streams
}

#[test]
fn credit_that_lies_unused_counts_against_the_others() {
    let mut streams = streams(2);
    let window = streams.window.bytes();
    assert!(window > 16 * FIRST_BYTES, "{window}");
    assert_eq!(streams.share(0, QUIET_MS, true), window);
    streams.open[0].limit = window;
    assert_eq!(streams.share(1, QUIET_MS, true), FIRST_BYTES);
    streams.open[0].next = window / 2;
    assert_eq!(streams.share(1, QUIET_MS, true), window / 2);
}

#[test]
fn while_memory_is_short_everybody_gets_a_little() {
    let mut streams = streams(8);
    for number in 0..8 {
        assert_eq!(streams.share(number, QUIET_MS, false), FIRST_BYTES);
    }
    streams.open.truncate(1);
    assert_eq!(streams.share(0, QUIET_MS, false), FIRST_BYTES);
}

proptest! {
    #[test]
    fn whatever_streams_do_what_is_granted_is_about_a_window(
        steps in prop::collection::vec((0_usize..8, 0_u64..4_000, 0_u64..1 << 24), 1..200),
    ) {
        let mut streams = streams(8);
        let window = streams.window.bytes();
        let mut now_ms = 0;
        for (index, later_ms, sent) in steps {
            now_ms += later_ms;
            let share = streams.share(streams.open[index].number, now_ms, true);
            let stream = &mut streams.open[index];
            stream.limit = stream.limit.max(stream.next + share);
            let sent = sent.min(stream.limit - stream.next);
            if sent > 0 {
                stream.next += sent;
                stream.moved_ms = now_ms;
            }
            let unused: u64 = streams.open.iter().map(|stream| stream.limit - stream.next).sum();
            prop_assert!(unused <= window + 7 * FIRST_BYTES, "{} of {}", unused, window);
        }
    }
}
