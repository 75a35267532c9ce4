//! What the server says unasked: durable events, ephemerals, and what it wants of the connection.
//!
//! Never: says how they are laid out; `shape` does.

use std::sync::Arc;

use serde::Deserialize;

use super::{HandoffMove, ResetReason, UploadStatePush};
use crate::file::SharedFile;
use crate::ids::{Cid, PersonId, RoomId, Seq, Timestamp, UploadId};

/// Something happened; `type` is the variant in snake_case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Push {
    /// A durable event of a room.
    Event(RoomPush),
    /// Something to show now, never stored.
    Ephemeral(EphemeralPush),
    /// These rooms fall behind because the client reads too slowly; what is missing follows.
    Lag {
        /// Which.
        rooms: Vec<RoomId>,
    },
    /// Reconnect within this time.
    Drain {
        /// Milliseconds.
        after_ms: u64,
    },
    /// The token has expired; refresh or be closed.
    Expired {},
    /// More of a file may be sent.
    UploadCredit {
        /// On which stream.
        stream: u16,
        /// Bytes of the file, from its beginning on; never less than before.
        limit: u64,
        /// Payload of one frame at most, from now on, bytes.
        chunk_max: u32,
    },
    /// Bytes of a file came.
    UploadAck {
        /// On which stream.
        stream: u16,
        /// Up to where they came.
        received: u64,
        /// Up to where they are kept, whatever happens.
        durable: u64,
    },
    /// A frame could not be used: send again from here.
    UploadNack {
        /// On which stream.
        stream: u16,
        /// Where the next frame must begin.
        expected: u64,
    },
    /// A stream ended before its upload did.
    UploadReset {
        /// Which stream.
        stream: u16,
        /// Which upload; it can be gone on with.
        upload: UploadId,
        /// Why.
        reason: ResetReason,
    },
    /// An upload came to its next state.
    UploadState(UploadStatePush),
}

impl Push {
    /// Every `type` there is, in the order of the variants.
    pub const KINDS: &'static [&'static str] = &[
        "event",
        "ephemeral",
        "lag",
        "drain",
        "expired",
        "upload_credit",
        "upload_ack",
        "upload_nack",
        "upload_reset",
        "upload_state",
    ];

    /// The `type` on the wire; the same word labels metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Push::Event(_) => Self::KINDS[0],
            Push::Ephemeral(_) => Self::KINDS[1],
            Push::Lag { .. } => Self::KINDS[2],
            Push::Drain { .. } => Self::KINDS[3],
            Push::Expired {} => Self::KINDS[4],
            Push::UploadCredit { .. } => Self::KINDS[5],
            Push::UploadAck { .. } => Self::KINDS[6],
            Push::UploadNack { .. } => Self::KINDS[7],
            Push::UploadReset { .. } => Self::KINDS[8],
            Push::UploadState(_) => Self::KINDS[9],
        }
    }
}

/// A durable event and its room.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RoomPush {
    /// Which room.
    pub room: RoomId,
    /// What.
    #[serde(flatten)]
    pub event: EventBody,
}

/// A durable event as clients see it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EventBody {
    /// Its place in the room.
    pub seq: Seq,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened; `kind` is the variant in snake_case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A message.
    Message {
        /// When it was accepted.
        at: Timestamp,
        /// The command that made it, so that its sender recognises it.
        cid: Cid,
        /// Who wrote it.
        author: crate::event::Author,
        /// What is said.
        text: Arc<str>,
        /// Structured part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rich: Option<serde_json::Value>,
        /// The event it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<Seq>,
        /// The file that is sent with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<Box<SharedFile>>,
        /// The first of the messages that were sent as one, for those behind it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part_of: Option<Seq>,
        /// When it was taken back; what it said is empty then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deleted_at: Option<Timestamp>,
    },
    /// A message was taken back: what it said is shown no more.
    MessageDeleted {
        /// When.
        at: Timestamp,
        /// The message's place.
        target: Seq,
    },
    /// A chat went from the bot to people, or back.
    Handoff(HandoffMove),
    /// Something the client may not see, or does not know: the number is counted, nothing is shown.
    Hidden {},
}

impl EventKind {
    /// Every `kind` there is, in the order of the variants.
    pub const KINDS: &'static [&'static str] = &["message", "message_deleted", "handoff", "hidden"];

    /// The `kind` on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            EventKind::Message { .. } => Self::KINDS[0],
            EventKind::MessageDeleted { .. } => Self::KINDS[1],
            EventKind::Handoff(_) => Self::KINDS[2],
            EventKind::Hidden {} => Self::KINDS[3],
        }
    }
}

/// An ephemeral and its room.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EphemeralPush {
    /// Which room.
    pub room: RoomId,
    /// What.
    #[serde(flatten)]
    pub kind: EphemeralKind,
}

/// Something to show now; `kind` is the variant in snake_case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EphemeralKind {
    /// Someone writes, or stopped.
    Typing {
        /// Who.
        person: PersonId,
        /// Whether they write now.
        active: bool,
    },
    /// People came and went.
    Presence {
        /// Who came.
        joined: Vec<PersonId>,
        /// Who went.
        left: Vec<PersonId>,
    },
    /// A read mark moved.
    Read {
        /// Whose.
        person: PersonId,
        /// Everything up to here is read.
        seq: Seq,
    },
    /// Somebody's file for this room is on its way.
    UploadProgress {
        /// Whose.
        person: PersonId,
        /// Which upload.
        upload: UploadId,
        /// What the file is called.
        name: Arc<str>,
        /// Bytes that came.
        received: u64,
        /// Its length, once it is known, bytes.
        #[serde(default)]
        size: Option<u64>,
    },
}

impl EphemeralKind {
    /// Every `kind` there is, in the order of the variants.
    pub const KINDS: &'static [&'static str] = &["typing", "presence", "read", "upload_progress"];

    /// The `kind` on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            EphemeralKind::Typing { .. } => Self::KINDS[0],
            EphemeralKind::Presence { .. } => Self::KINDS[1],
            EphemeralKind::Read { .. } => Self::KINDS[2],
            EphemeralKind::UploadProgress { .. } => Self::KINDS[3],
        }
    }
}
