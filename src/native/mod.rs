//! Native v1: frames of `/v1/ws` become commands, events become frames, in either codec; in `admin`
//! the HTTP routes of accounts and companies.
//!
//! Invariants: every frame with an `id` gets one reply; before a token is known only `connect` is
//! understood; the socket outlives every error that is not the transport's.
//! Never: decides what a command does.

pub(crate) mod admin;
mod dialect;
mod joining;
mod requests;
mod uploads;

use frontdesk_actors::{Answer as EntityAnswer, Outcome};
use frontdesk_protocol::codec::{Codec, decode_client};
use frontdesk_protocol::file_frame::FileFrame;
use frontdesk_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;
use frontdesk_protocol::native::{
    Answer, Done, FrameRef, Marked, Posted, Push, ServerFrame, WireError,
};
use frontdesk_protocol::websocket::server_message;
use frontdesk_protocol::{CloseCode, ErrorCode, Rejection, RoomId};

pub(crate) use dialect::{NativeDialect, event_bodies};
pub(crate) use joining::open;

use crate::telemetry::request_id;
use crate::ws::desk::{Desk, Waiting};

/// A message came.
pub(crate) fn message(codec: Codec, desk: &mut Desk, is_text: bool, payload: &[u8]) {
    if !is_text && FileFrame::is_one(payload) && desk.principal().is_some() {
        return desk.take_file_frame(codec, payload);
    }
    desk.app.metrics.frames.increment(1);
    if payload.len() > CLIENT_MESSAGE_BYTES_MAX {
        return oversize(codec, desk, payload.len() as u64);
    }
    if is_text == codec.is_binary() {
        let code = CloseCode::UnsupportedFrame;
        return desk.close(code, code.reason());
    }
    match decode_client(codec, payload) {
        Ok(frame) => requests::handle(codec, desk, frame),
        Err(error) => refuse(codec, desk, error.id, error.rejection),
    }
}

/// A message came that is too large to be read.
pub(crate) fn oversize(codec: Codec, desk: &mut Desk, announced_bytes: u64) {
    let why = format!("frame too large: {announced_bytes} bytes, limit {CLIENT_MESSAGE_BYTES_MAX}");
    refuse(
        codec,
        desk,
        None,
        Rejection::because(ErrorCode::FrameTooLarge, why),
    );
}

/// A command has an outcome.
pub(crate) fn answered(codec: Codec, desk: &mut Desk, waiting: Waiting, outcome: Outcome) {
    let answer = match outcome {
        Outcome::Done(answer) => answer,
        Outcome::Refused(why) => return refuse(codec, desk, waiting.frame, why),
        Outcome::Unknown => {
            let why = Rejection::new(ErrorCode::Unavailable);
            return refuse(codec, desk, waiting.frame, why);
        }
    };
    let answer = match answer {
        EntityAnswer::Posted { seq, at, dup } => Answer::Posted(Posted { seq, at, dup }),
        EntityAnswer::Marked { read } => Answer::Marked(Marked { read }),
        // Of what sockets do not ask.
        EntityAnswer::Done
        | EntityAnswer::Opened { .. }
        | EntityAnswer::Answered { .. }
        | EntityAnswer::Numbered { .. }
        | EntityAnswer::Rotated { .. } => Answer::Done(Done {}),
    };
    reply(codec, desk, waiting.frame, answer);
}

/// The connection fell behind in these rooms.
pub(crate) fn lagged(codec: Codec, desk: &Desk, rooms: Vec<RoomId>) {
    push(codec, desk, Push::Lag { rooms });
}

/// The node drains.
pub(crate) fn draining(codec: Codec, desk: &Desk, after_ms: u64) {
    push(codec, desk, Push::Drain { after_ms });
}

/// The token has ended.
pub(crate) fn expired(codec: Codec, desk: &Desk) {
    push(codec, desk, Push::Expired {});
}

fn push(codec: Codec, desk: &Desk, push: Push) {
    desk.reply(server_message(codec, &ServerFrame::Push(push)));
}

fn reply(codec: Codec, desk: &Desk, frame: Option<FrameRef>, ok: Answer) {
    if let Some(id) = frame {
        desk.reply(server_message(codec, &ServerFrame::Ok { id, ok }));
    }
}

fn refuse(codec: Codec, desk: &Desk, frame: Option<FrameRef>, why: Rejection) {
    desk.app.metrics.frames_refused.increment(1);
    let error = wire_error(why);
    desk.reply(server_message(
        codec,
        &ServerFrame::Error { id: frame, error },
    ));
}

/// A rejection as clients see it.
pub(crate) fn wire_error(why: Rejection) -> WireError {
    let retry = why.retry();
    WireError {
        code: why.code,
        message: why.message,
        retry,
        request_id: request_id(),
    }
}
