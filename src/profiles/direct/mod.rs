//! The `direct` profile: chat of two people (or more) over one socket for each conversation,
//! `/ws/chat/{conversation_id}/?token=…`.
//!
//! Invariants:
//! 1. The first frame is `connection_established`; after it only new messages have an `id`.
//! 2. Every frame is JSON text, never an empty one; pings are control frames.
//! 3. The token is checked when the socket opens and not again: hosts' tokens live minutes and
//!    these clients never refresh.
//!
//! Never: sends history by itself, or the same message twice on one socket: the client appends
//! whatever has an `id`.

mod dialect;

use std::sync::Arc;

use frontdesk_actors::{Command, Joined, Outcome};
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::websocket::{Opcode, server_frame};
use frontdesk_protocol::{CloseCode, ErrorCode, Rejection, Seq};
use serde_json::{Value, json};

pub(crate) use dialect::DirectDialect;

use crate::app::{App, Known};
use crate::ws::Shared;
use crate::ws::desk::{Continuation, Desk, Place, join};

/// What a command weighs beside its text, bytes.
const COMMAND_OVERHEAD_BYTES: usize = 128;

/// A socket was opened on a conversation.
pub(crate) fn open(desk: &mut Desk, conversation: &str, token: Option<String>) {
    let name: Option<RoomName> = conversation.parse().ok();
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let opened = enter(&app, &shared, name, token).await;
        let go_on: Continuation = Box::new(move |desk| match opened {
            Ok((place, joined)) => {
                desk.take_place(place, &joined);
                let hello = json!({
                    "type": "connection_established",
                    "message": "Connected to chat",
                });
                say(desk, &hello);
            }
            Err(why) => desk.close(close_code(&why), &why.message),
        });
        go_on
    });
}

async fn enter(
    app: &Arc<App>,
    shared: &Arc<Shared>,
    name: Option<RoomName>,
    token: Option<String>,
) -> Result<(Place, Joined), Rejection> {
    let token = token.ok_or_else(|| Rejection::new(ErrorCode::Unauthenticated))?;
    let Known { principal, .. } = app.authenticate(&token).await?;
    let company = principal.company.clone();
    shared.set_principal(principal);
    let name = name.ok_or_else(|| Rejection::new(ErrorCode::UnknownRoom))?;
    let found = app.node.find_room(&company, name).await.map_err(|error| {
        tracing::error!(%error, "names cannot be read");
        Rejection::new(ErrorCode::Unavailable)
    })?;
    let entity = found.ok_or_else(|| Rejection::new(ErrorCode::UnknownRoom))?;
    join(app, shared, &entity, None).await
}

fn close_code(why: &Rejection) -> CloseCode {
    match why.code {
        ErrorCode::UnknownRoom => CloseCode::UnknownRoom,
        ErrorCode::Unavailable => CloseCode::Internal,
        _ => CloseCode::Unauthenticated,
    }
}

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    desk.app.metrics.frames.increment(1);
    let parsed = is_text
        .then(|| serde_json::from_slice::<Value>(payload).ok())
        .flatten();
    let Some(Value::Object(frame)) = parsed else {
        return refuse(desk, ErrorCode::BadFrame, "Invalid JSON");
    };
    match frame
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
    {
        "chat_message" => chat_message(desk, &frame),
        "file_message" => file_message(desk, &frame),
        "typing" => {
            let active = frame
                .get("is_typing")
                .and_then(Value::as_bool)
                .unwrap_or(false);
            if let (Some(joined), Some(principal)) = (desk.rooms.first(), desk.principal()) {
                joined.edge().typing(&principal, active);
            }
        }
        "mark_read" => {
            let everything = Seq(u64::MAX);
            submit(
                desk,
                RoomCommand::MarkRead { seq: everything },
                COMMAND_OVERHEAD_BYTES,
            );
        }
        // Clients are known to send back what the server says.
        "connection_established" | "new_message" | "read_receipt" | "error" => {}
        other => {
            let shown: String = other.chars().take(64).collect();
            refuse(
                desk,
                ErrorCode::UnknownType,
                &format!("Unknown message type: {shown}"),
            );
        }
    }
}

fn chat_message(desk: &mut Desk, frame: &serde_json::Map<String, Value>) {
    let text = ["message", "content", "text"]
        .iter()
        .find_map(|key| frame.get(*key));
    let Some(text) = text.and_then(Value::as_str) else {
        return refuse(desk, ErrorCode::BadField, "Message is required");
    };
    let weight_bytes = text.len() + COMMAND_OVERHEAD_BYTES;
    let text = text.to_owned();
    submit(
        desk,
        RoomCommand::PostMessage {
            text,
            rich: None,
            reply_to: None,
        },
        weight_bytes,
    );
}

fn file_message(desk: &Desk, frame: &serde_json::Map<String, Value>) {
    let has = |key: &str| {
        frame
            .get(key)
            .and_then(Value::as_str)
            .is_some_and(|it| !it.is_empty())
    };
    if !has("file") || !has("filename") {
        return refuse(
            desk,
            ErrorCode::BadField,
            "File data and filename are required",
        );
    }
    refuse(
        desk,
        ErrorCode::NotSupported,
        "Files are not accepted on this server yet",
    );
}

/// A message came that is too large to be read.
pub(crate) fn oversize(desk: &Desk, announced_bytes: u64) {
    let why = format!(
        "Frame too large: {announced_bytes} bytes, limit {CLIENT_MESSAGE_BYTES_MAX}; \
         files are not accepted on this server yet"
    );
    refuse(desk, ErrorCode::FrameTooLarge, &why);
}

/// A command has an outcome. What was accepted comes back as an event, to the sender too.
pub(crate) fn answered(desk: &Desk, outcome: Outcome) {
    match outcome {
        Outcome::Done(_) => {}
        Outcome::Refused(why) => {
            let text = match why.code {
                ErrorCode::TextEmpty => "Message is required",
                _ => &why.message,
            };
            refuse(desk, why.code, text);
        }
        Outcome::Unknown => {
            let why = ErrorCode::Unavailable;
            refuse(desk, why, why.text());
        }
    }
}

fn submit(desk: &mut Desk, command: RoomCommand, weight_bytes: usize) {
    let Some(joined) = desk.rooms.first() else {
        return;
    };
    let entity = joined.edge().entity().clone();
    desk.submit(None, entity, Command::Room(command), None, weight_bytes);
}

fn refuse(desk: &Desk, code: ErrorCode, text: &str) {
    desk.app.metrics.frames_refused.increment(1);
    say(
        desk,
        &json!({"type": "error", "message": text, "code": code.as_str()}),
    );
}

fn say(desk: &Desk, frame: &Value) {
    desk.reply(server_frame(Opcode::Text, frame.to_string().as_bytes()));
}
