//! Limits of the actors: name, unit, reason. Those an operator may set are fields, with defaults.

/// Commands decided together at most: one record stays small enough to read back at once.
pub const BATCH_COMMAND_COUNT_MAX: usize = 64;
/// Bytes of commands decided together at most.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// What an envelope costs beside its text, bytes: ids, caller and queue slot.
pub const ENVELOPE_OVERHEAD_BYTES: usize = 256;
/// Cids remembered in memory for each person and entity.
pub const CID_WINDOW_COUNT: usize = 256;
/// How far the clocks of two nodes may be apart, and how far one may be set back, milliseconds: a
/// record is looked for by the time at which its command was named.
pub const NODE_CLOCKS_APART_MS: u64 = 60_000;
/// Pause between two walks over an entity's remembered cids to forget the oldest, milliseconds:
/// they are kept for a day, so an hour more is little.
pub const CID_SWEEP_MS: u64 = 60 * 60 * 1_000;
/// Records between snapshots: waking replays at most this many.
pub const SNAPSHOT_RECORD_COUNT: u64 = 256;
/// Shown events between snapshots: waking replays at most this many and one batch.
pub const SNAPSHOT_EVENT_COUNT: u64 = 512;
/// Fewer new records than this are not worth a snapshot when an entity falls asleep.
pub const SNAPSHOT_ON_SLEEP_RECORD_COUNT: u64 = 16;
/// Read marks wait this long for company, milliseconds: a burst of marks is one record.
pub const MARK_DELAY_MS: u64 = 150;
/// Entities that come up at the same time because they owed something when their node went down:
/// each reads its log, and whoever is asked for now comes up beside them.
pub const WAKE_AT_ONCE_COUNT: usize = 64;
/// Effects of one entity under way at once.
pub const EFFECT_IN_FLIGHT_COUNT_MAX: usize = 64;
/// Pause before an effect that was refused for now is tried again, milliseconds; doubled each time.
pub const EFFECT_RETRY_MS: u64 = 200;
/// The longest such pause, milliseconds: a receiver that rests after crashes is back by then.
pub const EFFECT_RETRY_MS_MAX: u64 = 30_000;
/// A command whose outcome nobody was told is in the journal after this or never will be,
/// milliseconds: many times what an append waits while the journal stalls.
pub const DECIDED_MS: u64 = 2 * 60 * 1_000;
/// Restarts of one entity within [`RESTART_WINDOW_MS`] before it is given up for a while.
pub const RESTART_COUNT_MAX: usize = 8;
/// The window for the restart budget, milliseconds.
pub const RESTART_WINDOW_MS: u64 = 60_000;
/// First pause of the backoff, milliseconds; the first restart is at once.
pub const RESTART_BACKOFF_MS: u64 = 20;
/// Longest pause of the backoff, milliseconds.
pub const RESTART_BACKOFF_MS_MAX: u64 = 2_000;
/// Frames kept by an edge for replay without a read: what a short reconnect misses.
pub const RING_EVENT_COUNT_MAX: usize = 128;
/// Bytes of frames kept by an edge for replay.
pub const RING_BYTES_MAX: usize = 128 * 1024;
/// A ring that nothing was added to for this long is dropped, milliseconds.
pub const RING_IDLE_MS: u64 = 30_000;
/// A resume that misses more events than this asks for history pages instead.
pub const RESUME_PUSH_COUNT_MAX: u64 = 1_000;
/// Events read from the journal for one replay page.
pub const REPLAY_PAGE_EVENT_COUNT: usize = 128;
/// Bytes read from the journal for one replay page.
pub const REPLAY_PAGE_BYTES: usize = 128 * 1024;
/// Bytes read from the journal for one page of history: a page is one frame, which must fit the
/// outbox of a client that reads slowly.
pub const HISTORY_PAGE_BYTES: usize = 128 * 1024;
/// `typing` that is not repeated ends after this, milliseconds.
pub const TYPING_EXPIRES_MS: u64 = 6_000;
/// Repeats of `typing` within this change nothing on other screens, milliseconds.
pub const TYPING_THROTTLE_MS: u64 = 2_000;
/// Presence changes are gathered for this long, milliseconds.
pub const PRESENCE_DELAY_MS: u64 = 500;
/// Who leaves is missed only after this, milliseconds: a reconnect is no news.
pub const PRESENCE_LEAVE_MS: u64 = 5_000;
/// Rooms with more people than this show no presence.
pub const PRESENCE_PERSON_COUNT_MAX: usize = 256;

/// Limits that an operator may set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of undecided commands in one entity; beyond, commands are answered `busy`.
    pub entity_waiting_bytes: usize,
    /// Commands that waited this long while the journal stalls are answered `busy`, milliseconds.
    pub entity_wait_ms: u64,
    /// An entity without work sleeps after this, milliseconds.
    pub entity_idle_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entity_waiting_bytes: 4 * 1024 * 1024,
            entity_wait_ms: 5_000,
            entity_idle_ms: 30_000,
        }
    }
}
