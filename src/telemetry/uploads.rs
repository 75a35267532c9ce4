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
        Self {
            bytes: counter!("frontdesk_upload_bytes_total"),
        }
    }
}
