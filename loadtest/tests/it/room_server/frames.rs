//! What the server says: events, refusals and ids, in whichever dialect.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::event::Author;
use frontdesk_protocol::native::{
    EventBody, EventKind, FrameRef, Push, RoomPush, ServerFrame, WireError,
};
use frontdesk_protocol::websocket::{Opcode, server_frame, server_message};
use frontdesk_protocol::{Cid, ErrorCode, PersonId, RoomId, Seq, Timestamp};
use serde_json::json;

/// The id of a room by its index.
pub(super) fn room_id(room: usize) -> RoomId {
    RoomId::from_bits((room as u128).to_be_bytes())
}

pub(super) fn refusal(codec: Codec, id: &FrameRef) -> Bytes {
    let code = ErrorCode::Busy;
    let error = WireError {
        code,
        message: code.text().to_owned(),
        retry: code.retry(),
        request_id: "1".to_owned(),
    };
    let id = Some(id.clone());
    server_message(codec, &ServerFrame::Error { id, error })
}

pub(super) fn native_event(codec: Codec, room: usize, seq: u64, cid: Cid, text: &str) -> Bytes {
    let author = Author {
        id: PersonId::new("someone").expect("a valid id"),
        role: Role::Agent,
        card: Card::default(),
    };
    let kind = EventKind::Message {
        at: Timestamp(0),
        cid,
        author,
        text: Arc::from(text),
        rich: None,
        reply_to: None,
        file: None,
        part_of: None,
        deleted_at: None,
    };
    let event = RoomPush {
        room: room_id(room),
        event: EventBody {
            seq: Seq(seq),
            kind,
        },
    };
    server_message(codec, &ServerFrame::Push(Push::Event(event)))
}

pub(super) fn direct_message(room: usize, seq: u64, text: &str) -> Bytes {
    let message = json!({
        "id": seq, "conversation": room + 1,
        "sender": {"id": 1, "email": "a@load.invalid", "user_type": "talker", "full_name": "A"},
        "content": text, "message_type": "text", "is_read": false,
        "created_at": "2026-01-01T00:00:00Z", "file_attachment": null,
    });
    server_frame(Opcode::Text, message.to_string().as_bytes())
}

pub(super) fn crm_message(room: usize, seq: u64, kind: &str, text: &str) -> Bytes {
    let message = json!({"type": "message:new", "message": {
        "id": seq.to_string(), "conversation_id": (room + 1).to_string(), "type": kind,
        "text": text, "sender": "1", "sender_name": "A",
        "created_at": "2026-01-01T00:00:00Z", "attachment": null,
    }});
    server_frame(Opcode::Text, message.to_string().as_bytes())
}
