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
mod inline;
mod scan;

use frontdesk_protocol::{CloseCode, Seq};

pub(crate) use dialect::DirectDialect;
pub(crate) use inline::Inline;

use super::chat::{self, Fields};
use crate::ws::desk::Desk;
use crate::ws::speaker::Speaker;

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
        "file_message" => inline::message(desk, fields),
        "typing" => chat::typing(desk, fields),
        "mark_read" => chat::mark_read(desk, room, Seq(u64::MAX)),
        // Clients are known to send back what the server says.
        "connection_established" | "new_message" | "read_receipt" | "error" => {}
        other => chat::unknown(desk, other),
    }
}

/// A part of a text came that is too large to be held: only files are so large.
pub(crate) fn piece(desk: &mut Desk, piece: &[u8], is_last: bool) {
    inline::piece(desk, piece, is_last);
}

/// A message came that is too large to be read; one that is larger than any file may be was to be
/// one.
pub(crate) fn oversize(desk: &mut Desk, announced_bytes: u64, limit: u64) {
    match announced_bytes > limit {
        true => inline::give_up(desk),
        false => chat::oversize(desk, announced_bytes),
    }
}

/// What a frame calls itself tells a client that has not been known until now.
fn narrow(desk: &Desk, kind: &str) {
    use frontdesk_actors::Listener;
    let is_union = desk.shared.dialect() == Speaker::Union.dialect();
    if is_union && kind == "file_message" {
        desk.shared.set_dialect(Speaker::Direct.dialect());
    }
}
