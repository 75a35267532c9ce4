//! The metrics of uploads. Names, units and labels stand here only.

use metrics::{Counter, Unit, counter, describe_counter};

/// Handles made once.
pub(crate) struct UploadMetrics {
    pub(crate) bytes: Counter,
}

impl UploadMetrics {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "frontdesk_upload_bytes_total",
            Unit::Bytes,
            "bytes of uploads that were kept"
        );
        describe_counter!(
            "frontdesk_file_scans_total",
            "answers of the virus scanner, by verdict"
        );
        describe_counter!(
            "frontdesk_files_packed_saved_bytes_total",
            Unit::Bytes,
            "bytes that were not stored because files were packed"
        );
        counter!("frontdesk_files_packed_saved_bytes_total").increment(0);
        for verdict in ["clean", "infected", "unscannable", "unavailable"] {
            // There from the start, so that a first bad answer is seen to rise.
            counter!("frontdesk_file_scans_total", "verdict" => verdict).increment(0);
        }
        Self {
            bytes: counter!("frontdesk_upload_bytes_total"),
        }
    }
}
