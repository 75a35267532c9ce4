//! The `direct` profile: chat of two people (or more) over one socket for each conversation,
//! `/ws/chat/{conversation_id}/?token=…`.
//!
//! Invariants:
//! 1. The first frame is `connection_established`; after it only new messages have an `id`.
//! 2. Every frame is JSON text, never an empty one; pings are control frames.
//!
//! Never: sends history by itself, or the same message twice on one socket: the client appends
//! whatever has an `id`.

pub(crate) mod dialect;

use frontdesk_protocol::{CloseCode, ErrorCode, Seq};
use serde_json::Value;

pub(crate) use dialect::DirectDialect;

use super::chat::{self, Fields};
use crate::ws::desk::Desk;

/// Closes sockets on conversations that are not the caller's.
pub(crate) const REFUSED: CloseCode = CloseCode::UnknownRoom;

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    if let Some(fields) = chat::parse(desk, is_text, payload) {
        fields_came(desk, &fields);
    }
}

/// A frame came.
pub(crate) fn fields_came(desk: &mut Desk, fields: &Fields) {
    let Some(room) = chat::own_room(desk) else {
        return;
    };
    match chat::kind_of(fields) {
        "chat_message" => chat::post(desk, room, fields),
        "file_message" => file_message(desk, fields),
        "typing" => chat::typing(desk, fields),
        "mark_read" => chat::mark_read(desk, room, Seq(u64::MAX)),
        // Clients are known to send back what the server says.
        "connection_established" | "new_message" | "read_receipt" | "error" => {}
        other => chat::unknown(desk, other),
    }
}

fn file_message(desk: &Desk, fields: &Fields) {
    let has = |key: &str| {
        let text = fields.get(key).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    if !has("file") || !has("filename") {
        let why = "File data and filename are required";
        return chat::refuse(desk, ErrorCode::BadField, why);
    }
    let why = "Files are not accepted on this server yet";
    chat::refuse(desk, ErrorCode::NotSupported, why);
}
