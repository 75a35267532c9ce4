//! The one table of error codes: what a client may be told, whether trying again helps, and the
//! fixed text. HTTP status codes are chosen elsewhere; internal detail never comes this way.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a client should do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same command will be refused again.
    No,
    /// The same command, with the same cid, may succeed after a pause.
    Later,
    /// Reconnect and resume first.
    Resume,
    /// Ask another node.
    OtherNode,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $retry:ident, $text:literal;)*) => {
        /// What went wrong, as clients see it. Each is documented in docs/PROTOCOL.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code, in table order.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $code,)* }
            }

            /// What the client should do.
            pub const fn retry(self) -> Retry {
                match self { $(ErrorCode::$name => Retry::$retry,)* }
            }

            /// The text when nothing more specific is known.
            pub const fn text(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* }
            }
        }
    };
}

error_codes! {
    /// The frame is not JSON or MessagePack, or not an object.
    BadFrame = "bad_frame", No, "frame is not a valid object";
    /// A field is missing or has the wrong type or value.
    BadField = "bad_field", No, "a field is missing or invalid";
    /// `type` names no command.
    UnknownType = "unknown_type", No, "unknown type";
    /// The frame is larger than the connection accepts.
    FrameTooLarge = "frame_too_large", No, "frame too large";
    /// The file is larger than the company or the server takes.
    FileTooLarge = "file_too_large", No, "file too large";
    /// The company's space for files, or the server's disk, is used up.
    StorageFull = "storage_full", Later, "no room for the file";
    /// The text has no visible character.
    TextEmpty = "text_empty", No, "text is empty";
    /// The text is longer than the limit.
    TextTooLong = "text_too_long", No, "text too long";
    /// No token, or one that does not verify.
    Unauthenticated = "unauthenticated", No, "authentication required";
    /// The token was valid once.
    TokenExpired = "token_expired", No, "token expired";
    /// The token's company is not served here.
    UnknownCompany = "unknown_company", No, "unknown company";
    /// The password was made by somebody else and must be changed first.
    FirstLogin = "first_login", No, "choose a password of your own first";
    /// The login name belongs to somebody else.
    NameTaken = "name_taken", No, "this e-mail address is taken";
    /// As many as the plan or the installation allows are there.
    LimitReached = "limit_reached", No, "limit reached";
    /// The chat is not where this can be done: it has a person already, or none.
    WrongStage = "wrong_stage", No, "the chat is not at that stage";
    /// The role may not do this.
    Forbidden = "forbidden", No, "not allowed";
    /// No such room, or not one of the caller's: the answer is the same.
    UnknownRoom = "unknown_room", No, "unknown room";
    /// The connection has not joined the room it speaks of.
    NotJoined = "not_joined", No, "join the room first";
    /// The connection has joined as many rooms as it may.
    TooManyRooms = "too_many_rooms", No, "too many rooms on this connection";
    /// The room's numbers are used up; it goes on in a new one.
    RoomFull = "room_full", No, "room is full";
    /// The cid is older than repeated commands are remembered.
    CidExpired = "cid_expired", No, "cid is too old to be checked";
    /// The cid was used for another command.
    CidReused = "cid_reused", No, "cid was used for another command";
    /// Too many commands wait; send the same one again.
    Busy = "busy", Later, "busy, send the same command again";
    /// The entity cannot be reached now.
    Unavailable = "unavailable", Later, "temporarily unavailable, send the same command again";
    /// Too many requests.
    RateLimited = "rate_limited", Later, "too many requests";
    /// The node is going away.
    Draining = "draining", Resume, "node is draining, reconnect";
    /// The feature is not there, or not for this client.
    NotSupported = "not_supported", No, "not supported";
    /// No such resource.
    NotFound = "not_found", No, "not found";
    /// The resource has no such method.
    MethodNotAllowed = "method_not_allowed", No, "method not allowed";
    /// Our side broke; the log knows more under the request id.
    Internal = "internal", Later, "internal error";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let found = Self::ALL.iter().find(|code| code.as_str() == text);
        found
            .copied()
            .ok_or_else(|| serde::de::Error::custom("unknown error code"))
    }
}

/// A command that cannot be done: part of the contract, never a fault of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// What went wrong.
    pub code: ErrorCode,
    /// For people: lower case, the value and the limit where there is one.
    pub message: String,
}

impl Rejection {
    /// With the table's own text.
    pub fn new(code: ErrorCode) -> Self {
        Self {
            code,
            message: code.text().to_owned(),
        }
    }

    /// With a text that names the value and the limit.
    pub fn because(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What the client should do.
    pub fn retry(&self) -> Retry {
        self.code.retry()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Rejection {}
