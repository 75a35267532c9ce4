//! What sockets of profiles have in common: a token in the handshake, JSON objects as frames, and,
//! for those with a conversation in their path, one room from the first frame to the last.
//!
//! Invariants: the first frame is `connection_established`; the token is checked when the socket
//! opens and not again, since hosts' tokens live minutes and these clients never refresh.
//! Never: knows the shape of an event.

use std::sync::Arc;

use frontdesk_actors::{Command, Joined, Outcome, Start};
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::websocket::{Opcode, server_frame};
use frontdesk_protocol::{CloseCode, ErrorCode, FileNo, Rejection, Seq};
use frontdesk_storage::EntityId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::profiles::wire::FileRef;
use crate::ws::Shared;
use crate::ws::desk::{Continuation, Desk, Place, join};

/// What a command weighs beside its text, bytes.
pub(crate) const COMMAND_OVERHEAD_BYTES: usize = 128;
/// What is shown of a word that is not known, characters.
const SHOWN_CHARS_MAX: usize = 64;

/// A client's frame.
pub(crate) type Fields = Map<String, Value>;

/// A socket was opened on a conversation. `refused` closes it when that is not the caller's.
pub(crate) fn open(desk: &mut Desk, conversation: &str, token: Option<String>, refused: CloseCode) {
    let name: Option<RoomName> = conversation.parse().ok();
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let opened = enter(&app, &shared, name, token).await;
        let go_on: Continuation = Box::new(move |desk| match opened {
            Ok((place, joined)) => {
                desk.take_place(place, &joined);
                greet(desk);
            }
            Err(why) => close(desk, &why, refused),
        });
        go_on
    });
}

/// Says that the socket is open.
pub(crate) fn greet(desk: &Desk) {
    say(
        desk,
        &json!({"type": "connection_established", "message": "Connected to chat"}),
    );
}

/// Closes a socket that could not be opened.
pub(crate) fn close(desk: &mut Desk, why: &Rejection, refused: CloseCode) {
    let code = match why.code {
        ErrorCode::UnknownRoom => refused,
        ErrorCode::Unavailable => CloseCode::Internal,
        _ => CloseCode::Unauthenticated,
    };
    desk.close(code, &why.message);
}

/// Whose token it is: the connection is theirs from now on.
pub(crate) async fn authenticate(
    app: &Arc<App>,
    shared: &Shared,
    token: Option<String>,
) -> Result<(), Rejection> {
    let token = token.ok_or_else(|| Rejection::new(ErrorCode::Unauthenticated))?;
    let known = app.authenticate(&token).await?;
    app.settle(shared, &known);
    Ok(())
}

async fn enter(
    app: &Arc<App>,
    shared: &Arc<Shared>,
    name: Option<RoomName>,
    token: Option<String>,
) -> Result<(Place, Joined), Rejection> {
    authenticate(app, shared, token).await?;
    let name = name.ok_or_else(|| Rejection::new(ErrorCode::UnknownRoom))?;
    let entity = find(app, shared, name).await?;
    join(app, shared, &entity, Start::Head).await
}

/// A room of the caller's company.
pub(crate) async fn find(
    app: &Arc<App>,
    shared: &Shared,
    name: RoomName,
) -> Result<EntityId, Rejection> {
    let unknown = || Rejection::new(ErrorCode::UnknownRoom);
    let principal = shared.principal().ok_or_else(unknown)?;
    let found = app.node.find_room(&principal.company, name).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "names cannot be read");
        Rejection::new(ErrorCode::Unavailable)
    })?;
    found.ok_or_else(unknown)
}

/// A message as a JSON object; what is none is refused.
pub(crate) fn parse(desk: &Desk, is_text: bool, payload: &[u8]) -> Option<Fields> {
    desk.app.metrics.frames.increment(1);
    let parsed = is_text
        .then(|| serde_json::from_slice::<Value>(payload).ok())
        .flatten();
    match parsed {
        Some(Value::Object(fields)) => Some(fields),
        _ => {
            refuse(desk, ErrorCode::BadFrame, "Invalid JSON");
            None
        }
    }
}

/// What a frame calls itself.
pub(crate) fn kind_of(fields: &Fields) -> &str {
    let kind = fields.get("type").and_then(Value::as_str);
    kind.unwrap_or_default()
}

/// The text of a message, under whichever name.
fn text_in(fields: &Fields) -> Option<String> {
    let named = ["message", "content", "text"];
    let text = named.iter().find_map(|name| fields.get(*name));
    text.and_then(Value::as_str).map(str::to_owned)
}

/// Whether a `typing` frame says that its sender writes.
pub(crate) fn is_typing(fields: &Fields) -> bool {
    let active = fields.get("is_typing").and_then(Value::as_bool);
    active.unwrap_or(false)
}

/// The files that a frame attaches, by number or text; refused where something else stands.
fn files_of(desk: &Desk, fields: &Fields) -> Option<Vec<FileNo>> {
    let one = fields.get("attachment_id").filter(|one| !one.is_null());
    let many = fields.get("attachment_ids").and_then(Value::as_array);
    let named = one.into_iter().chain(many.into_iter().flatten());
    let read = |value: &Value| FileRef::deserialize(value).ok().map(|file| file.0);
    let files: Option<Vec<FileNo>> = named.map(read).collect();
    if files.is_none() {
        let why = "attachment_id is not the number of a file";
        refuse(desk, ErrorCode::BadField, why);
    }
    files
}

/// Posts the text of a frame to a room, with the files that it attaches.
pub(crate) fn post(desk: &mut Desk, room: EntityId, fields: &Fields) {
    let Some(files) = files_of(desk, fields) else {
        return;
    };
    let text = match (files.is_empty(), text_in(fields)) {
        (false, text) => text.unwrap_or_default(),
        (true, Some(text)) => text,
        (true, None) => return refuse(desk, ErrorCode::BadField, "Message is required"),
    };
    let weight_bytes = text.len() + COMMAND_OVERHEAD_BYTES;
    let command = RoomCommand::PostMessage {
        text,
        rich: None,
        reply_to: None,
        files,
    };
    desk.submit(None, room, Command::Room(command), None, weight_bytes);
}

/// Marks everything up to there as read.
pub(crate) fn mark_read(desk: &mut Desk, room: EntityId, seq: Seq) {
    let command = Command::Room(RoomCommand::MarkRead { seq });
    desk.submit(None, room, command, None, COMMAND_OVERHEAD_BYTES);
}

/// The one room of a socket with a conversation in its path.
pub(crate) fn own_room(desk: &Desk) -> Option<EntityId> {
    let joined = desk.rooms.first()?;
    Some(joined.edge().entity().clone())
}

/// Shows in the one room of a socket whether its person writes.
pub(crate) fn typing(desk: &Desk, fields: &Fields) {
    if let (Some(joined), Some(principal)) = (desk.rooms.first(), desk.principal()) {
        joined.edge().typing(&principal, is_typing(fields));
    }
}

/// A type of frame that means nothing here.
pub(crate) fn unknown(desk: &Desk, kind: &str) {
    let shown: String = kind.chars().take(SHOWN_CHARS_MAX).collect();
    let why = format!("Unknown message type: {shown}");
    refuse(desk, ErrorCode::UnknownType, &why);
}

/// A message came that is too large to be read.
pub(crate) fn oversize(desk: &Desk, announced_bytes: u64) {
    let why = format!("Frame too large: {announced_bytes} bytes, limit {CLIENT_MESSAGE_BYTES_MAX}");
    refuse(desk, ErrorCode::FrameTooLarge, &why);
}

/// A command has an outcome; what was refused is told.
pub(crate) fn answered(desk: &Desk, outcome: &Outcome) {
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

/// Tells the client that a frame was refused.
pub(crate) fn refuse(desk: &Desk, code: ErrorCode, text: &str) {
    desk.app.metrics.frames_refused.increment(1);
    say(
        desk,
        &json!({"type": "error", "message": text, "code": code.as_str()}),
    );
}

/// Sends one frame.
pub(crate) fn say(desk: &Desk, frame: &Value) {
    desk.reply(server_frame(Opcode::Text, frame.to_string().as_bytes()));
}
