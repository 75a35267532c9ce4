//! Uploads: a file on its way from a client into the company's store, from the wish to the end.
//!
//! The bytes and how many of them are kept are not here: they are in the spool. An upload's journal
//! says only what state it is in.
//!
//! Never: says what a client calls a state or a file; those are dialects.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Author;
use crate::ids::{FileNo, PersonId, RoomId, Seq, Timestamp, UploadId};

/// What a client says of a file before its bytes come. All of it is a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadWish {
    /// What it is called, to be shown; never a path.
    pub name: Arc<str>,
    /// Its MIME type; empty if nobody said.
    #[serde(default)]
    pub mime: Arc<str>,
    /// Its length, bytes; `None` until it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The room it is for; without one it waits to be attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// What is said with it.
    #[serde(default)]
    pub caption: Arc<str>,
    /// SHA-256 of all of it, if the client knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
    /// What else the client said of it, in its own form, to be told again.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub metadata: Arc<str>,
    /// It is a part of a file and becomes none itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_part: bool,
    /// It is made of these parts, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<UploadId>,
    /// How its client wrote what parts it is made of, to be told again.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub parts_text: Arc<str>,
}

impl UploadWish {
    /// Whether both speak of one file for one place; how long it is may be said later.
    pub fn is_same_file(&self, other: &Self) -> bool {
        let size_fits = self.size == other.size || other.size.is_none();
        let sized = Self {
            size: self.size,
            ..other.clone()
        };
        size_fits && *self == sized
    }
}

/// What an upload may come to; the node decides when it is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadTerms {
    /// Bytes at most.
    pub size_max: u64,
    /// When it ends if not all of it came.
    pub expires_at: Timestamp,
    /// What kinds of files are taken.
    #[serde(default)]
    pub kinds: Kinds,
}

/// What kinds of files are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kinds {
    /// What neither runs nor has something run.
    #[default]
    Harmless,
    /// Every kind: to be kept and given out, never shown.
    Everything,
    /// Of what is harmless, these MIME types.
    Only(Vec<Arc<str>>),
}

/// What was found out about a file whose bytes are all there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its length, bytes.
    pub size: u64,
    /// BLAKE3 of all of it.
    pub blake3: [u8; 32],
    /// SHA-256 of all of it, where it was said beforehand what that must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<[u8; 32]>,
}

/// What an inspection says of a file: its type is what its bytes show, whatever was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileKind {
    /// The MIME type it is served as.
    pub mime: Arc<str>,
    /// Width and height of an image, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<(u32, u32)>,
    /// Whether there is a small picture of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_thumbnail: bool,
    /// Its length as it is served, bytes: what is private in a picture was taken out.
    pub stored_size: u64,
    /// Whether a copy is passed on instead of what came: something private was taken out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rewritten: bool,
    /// Whether its object is packed, and takes less room than that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_packed: bool,
}

/// Why an upload came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadFailure {
    /// It is longer than it may be, or than was said.
    TooLarge,
    /// It is empty.
    Empty,
    /// Its bytes are not those that the client's digest is of.
    WrongDigest,
    /// It is of a kind that is not taken.
    RefusedType,
    /// Its bytes, its name and its declared type are of different kinds.
    Mismatched,
    /// It holds malware.
    Infected,
    /// It could not be looked through: encrypted, nested too deep, or too large for that.
    Unscannable,
    /// Nobody could look at it, for longer than it is waited for.
    ScannerUnavailable,
    /// Its room, its owner or their right to it is gone.
    NotAllowed,
    /// The company's space is used up.
    QuotaExceeded,
    /// Its bytes were lost on the way.
    Lost,
}

impl UploadFailure {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            UploadFailure::TooLarge => "file_too_large",
            UploadFailure::Empty => "file_empty",
            UploadFailure::WrongDigest => "wrong_digest",
            UploadFailure::RefusedType => "file_type_refused",
            UploadFailure::Mismatched => "file_type_mismatch",
            UploadFailure::Infected => "file_infected",
            UploadFailure::Unscannable => "file_unscannable",
            UploadFailure::ScannerUnavailable => "scanner_unavailable",
            UploadFailure::NotAllowed => "not_allowed",
            UploadFailure::QuotaExceeded => "quota_exceeded",
            UploadFailure::Lost => "upload_lost",
        }
    }

    /// Whether the same file may be sent again with another outcome.
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            UploadFailure::WrongDigest
                | UploadFailure::ScannerUnavailable
                | UploadFailure::QuotaExceeded
                | UploadFailure::Lost
        )
    }
}

/// How an upload ended without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadEnd {
    /// It came to nothing.
    Failed(UploadFailure),
    /// Who began it does not want it any more.
    Cancelled,
    /// Not all of it came in time.
    Expired,
}

/// What may be asked of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadCommand {
    /// Begins it; whoever asks owns it. A repeat of the same wish changes nothing.
    Reserve {
        /// What is wanted.
        wish: UploadWish,
        /// What it may come to.
        terms: UploadTerms,
    },
    /// Says how long it is, once.
    DeclareSize {
        /// Bytes.
        size: u64,
    },
    /// All bytes are kept. Only the node that keeps them sends this.
    Seal {
        /// What they are.
        facts: FileFacts,
    },
    /// It was inspected and may be published. Only the node sends this.
    Pass {
        /// What it is.
        kind: FileKind,
    },
    /// Its object stands in the store. Only the node sends this.
    Publish,
    /// The company has given it a number and, if it is for a room, the room has dealt with it. Only
    /// its company and its room send this.
    Finish {
        /// The company's number for the file.
        file_no: FileNo,
        /// The message in its room; none if it is for no room or is not shown there.
        seq: Option<Seq>,
    },
    /// Its file is kept no more, or it ended without one long enough ago: what it was called is
    /// forgotten. Only its company sends this.
    Forget,
    /// Has the node look at what came: what a sealed upload owes itself, taken up by the node and
    /// not by the entity.
    Inspect,
    /// Has the node put it into the store: what an upload that passed owes itself.
    Store,
    /// Has the node forget the bytes under way and tell who waits: what an upload that is over owes
    /// itself.
    Settle,
    /// It ends without a file: cancelled by its owner, else said by the node.
    End {
        /// How.
        end: UploadEnd,
    },
}

/// What happened to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadEvent {
    /// It was begun.
    Reserved {
        /// When.
        at: Timestamp,
        /// Whose it is.
        owner: Author,
        /// What is wanted.
        wish: Box<UploadWish>,
        /// What it may come to.
        terms: UploadTerms,
    },
    /// It was said how long it is.
    SizeDeclared {
        /// Bytes.
        size: u64,
    },
    /// All its bytes are kept.
    Sealed {
        /// When.
        at: Timestamp,
        /// What they are.
        facts: FileFacts,
    },
    /// It was inspected and is fine.
    Passed {
        /// What it is.
        kind: FileKind,
    },
    /// Its object stands in the store.
    Published {
        /// When.
        at: Timestamp,
    },
    /// It is a file of the company.
    Finished {
        /// The company's number for it.
        file_no: FileNo,
        /// The message in its room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<Seq>,
    },
    /// Its file is kept no more, or it ended without one. Nothing before this need be known.
    Forgotten {
        /// When.
        at: Timestamp,
        /// When it ended, if it came to no file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended_at: Option<Timestamp>,
    },
    /// It ended without a file.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        end: UploadEnd,
        /// Who cancelled it, if somebody did.
        by: Option<PersonId>,
    },
}
