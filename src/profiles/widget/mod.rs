//! The `widget` profile on its socket: a visitor's page on one chat,
//! `/ws/chat/{company_id}/{session_id}/`, and whoever serves that chat on the same address.
//!
//! Invariants:
//! 1. The first frame is `connection_established`.
//! 2. Who says something is told by what they proved to be when the socket opened; what a frame
//!    says of its sender is not read.
//! 3. Whoever was put out of a chat does nothing more in it.
//!
//! Never: sends history by itself; these pages read it over HTTP.

pub(crate) mod dialect;
pub(crate) mod frames;

use std::sync::Arc;

use frontdesk_actors::{Command, Joined, Start};
use frontdesk_protocol::chat::Priority;
use frontdesk_protocol::command::{Role, RoomCommand};
use frontdesk_protocol::{CloseCode, ErrorCode, Rejection};
use frontdesk_storage::{EntityId, EntityKind};
use serde_json::{Value, json};

pub(crate) use dialect::WidgetDialect;

use super::chat::{self, COMMAND_OVERHEAD_BYTES, Fields};
use super::files::{CHAT_FILE_COUNT_MAX, ChatFile};
use super::frame::utc;
use crate::app::App;
use crate::identity::sockets::Brought;
use crate::ws::Shared;
use crate::ws::desk::{Continuation, Desk, Place, join};

/// A client's own time that a `pong` gives back, bytes at most.
const TIMESTAMP_BYTES_MAX: usize = 64;
/// What visitors are told whose company lets them talk on a socket to people only.
const TOO_EARLY: &str = "Session not escalated. Use DRF API";

/// A socket was opened on a chat.
pub(crate) fn open(desk: &mut Desk, company: String, session: String, brought: Brought) {
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let entered = enter(&app, &shared, &company, &session, &brought).await;
        let go_on: Continuation = Box::new(move |desk| match entered {
            Ok((place, joined)) => {
                desk.take_place(place, &joined);
                chat::say(
                    desk,
                    &json!({
                        "type": "connection_established", "message": "Connected to chat",
                        "session_id": session, "company_id": company,
                    }),
                );
            }
            Err(why) => chat::close(desk, &why, CloseCode::UnknownRoom),
        });
        go_on
    });
}

async fn enter(
    app: &Arc<App>,
    shared: &Arc<Shared>,
    company: &str,
    session: &str,
    brought: &Brought,
) -> Result<(Place, Joined), Rejection> {
    let (known, entity) = app.join_chat(company, session, brought).await?;
    app.settle(shared, &known);
    join(app, shared, &entity, Start::Head).await
}

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    if let Some(fields) = chat::parse(desk, is_text, payload) {
        act(desk, fields);
    }
}

/// Does what a frame of somebody in a chat says.
pub(crate) fn act(desk: &mut Desk, fields: Fields) {
    let Some(joined) = desk.rooms.first() else {
        return;
    };
    if !joined.is_held() {
        let why = "the chat is not yours any more";
        return desk.close(CloseCode::UnknownRoom, why);
    }
    let room = joined.edge().entity().clone();
    match chat::kind_of(&fields) {
        "chat_message" => say(desk, room, fields),
        "typing" | "typing_indicator" => chat::typing(desk, &fields),
        "escalate_to_human" => escalate(desk, room, &fields),
        "request_file_list" => list_files(desk, room),
        "ping" => pong(desk, &fields),
        // Clients are known to send back what the server says.
        "connection_established"
        | "system_message"
        | "escalation_confirmed"
        | "agent_joined"
        | "agent_left"
        | "file_shared"
        | "file_list"
        | "pong"
        | "error" => {}
        other => chat::unknown(desk, other),
    }
}

/// Posts a message, unless the company wants its visitors elsewhere until a person has them.
fn say(desk: &mut Desk, room: EntityId, fields: Fields) {
    let is_visitor = desk
        .principal()
        .is_some_and(|who| who.role == Role::Visitor);
    if !is_visitor {
        return chat::post(desk, room, &fields);
    }
    let app = Arc::clone(&desk.app);
    desk.start(async move {
        let is_early = is_early(&app, &room).await;
        let go_on: Continuation = Box::new(move |desk| match is_early {
            Ok(false) => chat::post(desk, room, &fields),
            Ok(true) => chat::refuse(desk, ErrorCode::WrongStage, TOO_EARLY),
            Err(why) => chat::refuse(desk, why.code, &why.message),
        });
        go_on
    });
}

/// Whether a visitor may not talk on a socket yet.
async fn is_early(app: &Arc<App>, room: &EntityId) -> Result<bool, Rejection> {
    let unavailable = |error: frontdesk_storage::Error| {
        tracing::error!(%error, "a chat cannot be read");
        Rejection::new(ErrorCode::Unavailable)
    };
    let settings = app.node.settings(&room.company).await;
    if !settings.map_err(unavailable)?.is_socket_strict {
        return Ok(false);
    }
    let facts = app.node.chat(room).await.map_err(unavailable)?;
    Ok(facts.is_none_or(|facts| !facts.chat.stage.is_open()))
}

fn escalate(desk: &mut Desk, room: EntityId, fields: &Fields) {
    let reason = fields.get("reason").and_then(Value::as_str);
    let reason = reason.unwrap_or_default().to_owned();
    let weight_bytes = reason.len() + COMMAND_OVERHEAD_BYTES;
    let priority = Priority::default();
    let command = Command::Room(RoomCommand::Escalate { reason, priority });
    desk.submit(None, room, command, None, weight_bytes);
}

/// Lists what was sent in the chat, the oldest first.
fn list_files(desk: &mut Desk, entity: EntityId) {
    let chat = desk.rooms.first().and_then(|joined| joined.edge().chat());
    let (EntityKind::Room(room), Some(chat)) = (entity.kind, chat) else {
        return;
    };
    let (app, company) = (Arc::clone(&desk.app), entity.company);
    desk.start(async move {
        let count = CHAT_FILE_COUNT_MAX;
        let kept = app.node.files_of_room(&company, &room, count).await;
        let go_on: Continuation = Box::new(move |desk| {
            let Ok(kept) = kept else {
                let why = ErrorCode::Unavailable;
                return chat::refuse(desk, why, why.text());
            };
            let session = chat.id.as_str();
            let shown = kept.iter().rev().map(|file| {
                let found = desk.app.file_addresses.find(&company, &file.shared);
                ChatFile::kept(found, &company, session, file)
            });
            let files: Vec<ChatFile> = shown.collect();
            chat::say(
                desk,
                &json!({
                    "type": "file_list", "files": files, "session_id": session,
                    "company_id": company.as_str(),
                }),
            );
        });
        go_on
    });
}

/// Answers a client's own ping, with its own time if it sent one.
pub(crate) fn pong(desk: &Desk, fields: &Fields) {
    let own = fields.get("timestamp").filter(|value| match value {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= TIMESTAMP_BYTES_MAX,
        _ => false,
    });
    let now = || json!(utc(desk.app.node.clock().now()));
    let timestamp = own.cloned().unwrap_or_else(now);
    chat::say(
        desk,
        &json!({"type": "pong", "message": "pong", "timestamp": timestamp}),
    );
}
