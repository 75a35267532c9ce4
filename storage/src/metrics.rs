//! The journal's metrics: every name, made once and kept as handles.
//!
//! Never: labels with an id.

use std::time::Instant;

use metrics::{Counter, Gauge, Histogram};

use crate::journal::AppendOutcome;

const APPENDS: &str = "frontdesk_journal_appends_total";

/// Handles of the journal's metrics.
pub(crate) struct JournalMetrics {
    appends_ok: Counter,
    appends_fenced: Counter,
    appends_wrong_pos: Counter,
    appends_unknown: Counter,
    /// Seconds from taking a group to its end on disk.
    pub(crate) commit_seconds: Histogram,
    /// Appends that shared one commit.
    pub(crate) group_appends: Histogram,
    /// Appends that wait for the writer.
    pub(crate) queue_appends: Gauge,
    /// 1 once the store has failed.
    pub(crate) failed: Gauge,
}

impl JournalMetrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            appends_ok: metrics::counter!(APPENDS, "outcome" => "ok"),
            appends_fenced: metrics::counter!(APPENDS, "outcome" => "fenced"),
            appends_wrong_pos: metrics::counter!(APPENDS, "outcome" => "wrong_pos"),
            appends_unknown: metrics::counter!(APPENDS, "outcome" => "unknown"),
            commit_seconds: metrics::histogram!("frontdesk_journal_commit_seconds"),
            group_appends: metrics::histogram!("frontdesk_journal_group_appends"),
            queue_appends: metrics::gauge!("frontdesk_journal_queue_appends"),
            failed: metrics::gauge!("frontdesk_storage_failed"),
        };
        metrics.failed.set(0.0);
        metrics
    }

    pub(crate) fn append(&self, outcome: &AppendOutcome) {
        match outcome {
            AppendOutcome::Ok { .. } => self.appends_ok.increment(1),
            AppendOutcome::Fenced => self.appends_fenced.increment(1),
            AppendOutcome::WrongPos { .. } => self.appends_wrong_pos.increment(1),
            AppendOutcome::Unknown => self.appends_unknown.increment(1),
        }
    }
}

/// Starts measuring a duration; the only reader of the machine's clock in this crate.
#[allow(
    clippy::disallowed_methods,
    reason = "a duration for a metric decides nothing"
)]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}
