//! What is said of uploads on a socket beside their bytes, which come in frames of their own
//! ([`crate::file_frame`]).
//!
//! Never: decides how much a client may send.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::RoomName;
use crate::ids::{Cid, FileNo, Seq, Timestamp, UploadId};

/// To begin an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadOpen {
    /// The room it is for; without one it waits to be sent with a message.
    pub room: Option<RoomName>,
    /// What it is called.
    pub name: String,
    /// Its length, bytes; where it is missing the last frame says it.
    pub size: Option<u64>,
    /// Its MIME type, as the client sees it.
    pub mime: Option<String>,
    /// What is said with it.
    pub caption: Option<String>,
    /// SHA-256 of all of it.
    pub sha256: Option<[u8; 32]>,
    /// The client's name for this upload: the same again finds the one that was begun with it.
    pub cid: Option<Cid>,
}

/// To `upload_open` and `upload_resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadOpened {
    /// Which upload.
    pub upload: UploadId,
    /// The number that its frames bear on this connection; none when no more bytes are wanted.
    pub stream: Option<u16>,
    /// Bytes that are kept: the next frame begins there.
    pub offset: u64,
    /// Payload of one frame at most, bytes.
    pub chunk_max: u32,
    /// Bytes of the file that may be sent for now, from its beginning on.
    pub credit: u64,
    /// When it ends if not all of it came.
    pub expires_at: Timestamp,
    /// Bytes that it may have at most.
    pub size_max: u64,
    /// Where it can be sent over tus instead.
    pub tus_url: String,
    /// Opens this upload, and nothing else, without another token.
    pub ticket: String,
}

/// Where an upload stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UploadStatePush {
    /// Which upload.
    pub upload: UploadId,
    /// `verifying`, `publishing`, `ready`, `failed`, `cancelled` or `expired`.
    pub state: Arc<str>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Arc<str>>,
    /// Whether the same file may be sent again with another outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// The company's number for the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileNo>,
    /// The message that shows it in its room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}

/// Why a stream ended before its upload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// More was sent than there was credit for.
    FlowControl,
    /// Another connection or request goes on with this upload.
    Overtaken,
    /// A frame's payload was longer than it may be.
    FrameTooLarge,
    /// The last frame does not end where the file does.
    WrongEnd,
    /// Nothing, or next to nothing, came for too long.
    Idle,
    /// The bytes cannot be kept now.
    Unavailable,
    /// The disk is full.
    StorageFull,
}

impl ResetReason {
    /// Every reason there is.
    pub const ALL: [ResetReason; 7] = [
        ResetReason::FlowControl,
        ResetReason::Overtaken,
        ResetReason::FrameTooLarge,
        ResetReason::WrongEnd,
        ResetReason::Idle,
        ResetReason::Unavailable,
        ResetReason::StorageFull,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ResetReason::FlowControl => "flow_control",
            ResetReason::Overtaken => "overtaken",
            ResetReason::FrameTooLarge => "frame_too_large",
            ResetReason::WrongEnd => "wrong_end",
            ResetReason::Idle => "idle",
            ResetReason::Unavailable => "unavailable",
            ResetReason::StorageFull => "storage_full",
        }
    }
}
