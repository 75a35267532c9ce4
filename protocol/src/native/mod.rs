//! Native v1: the frames of `/v1/ws`, one schema of named fields for JSON and MessagePack.
//!
//! Owns: [`ClientFrame`] and [`ServerFrame`], typed. Their bytes are made in [`crate::codec`]; the
//! shape of pushes stands in `shape`, the way from stored events to them in `convert`.
//! Invariants: a frame with an `id` that came from a client is a reply to it, one without is a
//! push; new commands are new `type`s and new fields are optional, so old peers go on.
//! Never: decides whether a command is allowed.

mod convert;
mod handoff;
mod push;
mod room_name;
mod shape;
mod upload;

pub use convert::rich_text;
pub use handoff::HandoffMove;
pub use push::{EphemeralKind, EphemeralPush, EventBody, EventKind, Push, RoomPush};
pub use room_name::RoomName;
pub use upload::{ResetReason, UploadOpen, UploadOpened, UploadStatePush};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::command::Role;
use crate::error::{ErrorCode, Retry};
use crate::ids::{
    Cid, ConversationNo, FileNo, HistoryId, PersonId, RoomId, Seq, Timestamp, UploadId,
};

/// Subprotocol of MessagePack sockets.
pub const SUBPROTOCOL_MSGPACK: &str = "frontdesk.v1.msgpack";
/// Subprotocol of JSON sockets.
pub const SUBPROTOCOL_JSON: &str = "frontdesk.v1.json";
/// Prefix of the subprotocol entry that carries a browser's token.
pub const SUBPROTOCOL_TOKEN_PREFIX: &str = "frontdesk.token.";

/// The client's own name for a frame, repeated in its reply: a number or a text of at most
/// [`crate::limits::FRAME_REF_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FrameRef {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// Where a client stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The log it knew.
    pub history_id: HistoryId,
    /// The last event it has.
    pub seq: Seq,
}

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom {
    /// The newest events with a smaller seq, oldest first.
    Before(Seq),
    /// The oldest events with a greater seq.
    After(Seq),
    /// The newest events, oldest first.
    Latest,
}

/// One frame from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientFrame {
    /// Wants a reply under this name; without it only errors are answered.
    pub id: Option<FrameRef>,
    /// What is asked.
    pub request: ClientRequest,
}

/// What a client may ask. The variant's name in snake_case is the `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientRequest {
    /// First frame: proves who speaks unless the handshake did, and resumes rooms.
    Connect {
        /// The token, unless the handshake carried one.
        token: Option<String>,
        /// Rooms to join again, each with where the client stopped; keys are room names.
        resume: BTreeMap<RoomName, Since>,
    },
    /// Receive a room's events from now on, or from where the client stopped.
    Join {
        /// Which room.
        room: RoomName,
        /// Where the client stopped; without it the socket is live at the head.
        since: Option<Since>,
    },
    /// Stop receiving a room's events.
    Leave {
        /// Which room.
        room: RoomName,
    },
    /// Add a message.
    PostMessage {
        /// Which room.
        room: RoomName,
        /// The client's name for this command; the server makes one where it is missing.
        cid: Option<Cid>,
        /// What is said.
        text: String,
        /// Structured part: any JSON value.
        rich: Option<serde_json::Value>,
        /// The event it answers.
        reply_to: Option<Seq>,
        /// Own files that are in no room yet; each is a message of its own, the text with the
        /// first.
        files: Vec<FileNo>,
    },
    /// Move the read mark forward.
    MarkRead {
        /// Which room.
        room: RoomName,
        /// Everything up to here is read.
        seq: Seq,
    },
    /// Say that one writes, or stopped.
    Typing {
        /// Which room.
        room: RoomName,
        /// Whether one writes now.
        active: bool,
    },
    /// Read a page of history.
    History {
        /// Which room.
        room: RoomName,
        /// Which page.
        from: PageFrom,
        /// Events at most.
        limit: Option<u32>,
    },
    /// Ask who is there now.
    Presence {
        /// Which room.
        room: RoomName,
    },
    /// Put a newer token in the place of the current one.
    Refresh {
        /// The token.
        token: String,
    },
    /// Begin an upload whose bytes come on this connection.
    UploadOpen(Box<UploadOpen>),
    /// Go on with an upload on this connection, wherever it was begun.
    UploadResume {
        /// Which upload.
        upload: UploadId,
        /// What was given out with it; without one it must be the caller's own.
        ticket: Option<String>,
    },
    /// End an upload that has made no file yet.
    UploadCancel {
        /// Which upload.
        upload: UploadId,
    },
}

impl ClientRequest {
    /// Every `type` there is, in the order of the variants.
    pub const KINDS: &'static [&'static str] = &[
        "connect",
        "join",
        "leave",
        "post_message",
        "mark_read",
        "typing",
        "history",
        "presence",
        "refresh",
        "upload_open",
        "upload_resume",
        "upload_cancel",
    ];

    /// The `type` on the wire; the same word labels metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            ClientRequest::Connect { .. } => Self::KINDS[0],
            ClientRequest::Join { .. } => Self::KINDS[1],
            ClientRequest::Leave { .. } => Self::KINDS[2],
            ClientRequest::PostMessage { .. } => Self::KINDS[3],
            ClientRequest::MarkRead { .. } => Self::KINDS[4],
            ClientRequest::Typing { .. } => Self::KINDS[5],
            ClientRequest::History { .. } => Self::KINDS[6],
            ClientRequest::Presence { .. } => Self::KINDS[7],
            ClientRequest::Refresh { .. } => Self::KINDS[8],
            ClientRequest::UploadOpen(_) => Self::KINDS[9],
            ClientRequest::UploadResume { .. } => Self::KINDS[10],
            ClientRequest::UploadCancel { .. } => Self::KINDS[11],
        }
    }
}

/// One frame to a client. The three kinds differ by their fields, as documented in PROTOCOL.md:
/// `{id, ok}`, `{id, error}` and `{type, …}`.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerFrame {
    /// The command was done.
    Ok {
        /// Which frame.
        id: FrameRef,
        /// What came of it.
        ok: Answer,
    },
    /// The command was refused. `id` is absent when the frame had none or could not be read.
    Error {
        /// Which frame.
        id: Option<FrameRef>,
        /// Why.
        error: WireError,
    },
    /// Something happened.
    Push(Push),
}

/// An error as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// What went wrong.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// What to do.
    pub retry: Retry,
    /// Finds the log line.
    pub request_id: String,
}

/// The body of `ok`; untagged, since the client knows what it asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `post_message`.
    Posted(Posted),
    /// To `connect`.
    Connected(Connected),
    /// To `join`.
    Joined(Joined),
    /// To `history`.
    Page(Page),
    /// To `presence`.
    Occupants(Occupants),
    /// To `mark_read`: the mark as it stands.
    Marked(Marked),
    /// To `upload_open` and `upload_resume`.
    UploadOpened(UploadOpened),
    /// To everything else: an empty object.
    Done(Done),
}

/// To `post_message`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posted {
    /// The message's place.
    pub seq: Seq,
    /// When it was accepted.
    pub at: Timestamp,
    /// Whether it had been accepted before.
    pub dup: bool,
}

/// To `connect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connected {
    /// Who the token says one is.
    pub person: PersonId,
    /// Their role.
    pub role: Role,
    /// The server pings after this much silence; an empty frame answers.
    pub ping_ms: u64,
    /// When the token expires; refresh before.
    pub expires_at: Option<Timestamp>,
    /// What became of each room in `resume`, under the name the client used.
    pub rooms: BTreeMap<String, Rejoined>,
}

/// What became of a join or resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// The room's id, whatever name was used.
    pub room: RoomId,
    /// Its number.
    pub conversation_id: ConversationNo,
    /// How the client goes on.
    pub resume: Resume,
    /// Names the log.
    pub history_id: HistoryId,
    /// The last event.
    pub head: Seq,
    /// Read marks of everyone.
    pub marks: BTreeMap<PersonId, Seq>,
}

/// What became of one room in `resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rejoined {
    /// It is joined.
    Joined(Joined),
    /// It could not be joined.
    Refused {
        /// Why.
        error: WireError,
    },
}

/// How a client goes on after joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// Whatever is missing follows by itself.
    Ok,
    /// More is missing than is pushed: ask for history; live events are pushed from the head on.
    Page,
    /// The client's position is not of this log: drop the cache and read history.
    Reset,
}

/// To `history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Names the log.
    pub history_id: HistoryId,
    /// The last event of the room.
    pub head: Seq,
    /// Events in seq order.
    pub events: Vec<EventBody>,
    /// Whether more lies beyond this page, in its direction.
    pub more: bool,
}

/// To `presence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occupants {
    /// Everyone with a connection in the room.
    pub present: Vec<PersonId>,
}

/// To `mark_read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marked {
    /// The mark as it stands.
    pub read: Seq,
}

/// Nothing to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {}
