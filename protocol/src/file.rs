//! Files: what a finished upload leaves in a company's store, and what messages show of it.
//!
//! Never: says where a file is stored or how a link to it is signed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Author;
use crate::ids::{FileNo, RoomId, Timestamp, UploadId};

/// A file as a message carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFile {
    /// The company's number for it.
    pub no: FileNo,
    /// The upload that made it.
    pub upload: UploadId,
    /// What it is called, to be shown; never a path.
    pub name: Arc<str>,
    /// The MIME type that its bytes show.
    pub mime: Arc<str>,
    /// Its length as it is served, bytes.
    pub size: u64,
    /// Width and height of an image, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<(u32, u32)>,
    /// Whether there is a small picture of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_thumbnail: bool,
}

/// A file as its company keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// What messages carry of it.
    pub shared: SharedFile,
    /// When its upload was published.
    pub at: Timestamp,
    /// Who uploaded it, as known then.
    pub owner: Author,
    /// The room it is in; without one it waits to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// When it was dropped while it waited: it is there for nobody, unless a message shows it that
    /// was on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped_at: Option<Timestamp>,
    /// What is said with it.
    #[serde(default)]
    pub caption: Arc<str>,
    /// BLAKE3 of what was uploaded: names its content, also where that is served without what was
    /// private in it.
    pub blake3: [u8; 32],
    /// Whether its object is packed: read otherwise, and the same to whoever gets it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_packed: bool,
}
