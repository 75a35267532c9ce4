//! The stages of an upload and their order.
//!
//! Never: says how one is reached.

use frontdesk_protocol::upload::UploadEnd;
use frontdesk_protocol::{FileNo, Seq};
use serde::{Deserialize, Serialize};

/// Where an upload stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadStage {
    /// Nobody began it.
    #[default]
    Unknown,
    /// Bytes come.
    Receiving,
    /// All are there; it is inspected.
    Sealed,
    /// It may be published.
    Passed,
    /// Its object stands in the store.
    Published,
    /// It is a file of the company.
    Finished {
        /// The company's number for it.
        file_no: FileNo,
        /// The message in its room.
        seq: Option<Seq>,
    },
    /// It came to no file.
    Ended(UploadEnd),
    /// Its file is kept no more, or it came to none long enough ago.
    Forgotten,
}

impl UploadStage {
    /// Whether it is a file, or will never be one.
    pub const fn is_over(self) -> bool {
        matches!(self, UploadStage::Finished { .. } | UploadStage::Ended(_))
    }

    /// The place in the only order there is.
    pub(super) const fn order(self) -> u8 {
        match self {
            UploadStage::Unknown => 0,
            UploadStage::Receiving => 1,
            UploadStage::Sealed => 2,
            UploadStage::Passed => 3,
            UploadStage::Published => 4,
            UploadStage::Finished { .. } | UploadStage::Ended(_) => 5,
            UploadStage::Forgotten => 6,
        }
    }
}
