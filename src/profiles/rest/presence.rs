//! What is read, who is there, who writes: the routes that clients ask every few seconds or in
//! passing.
//!
//! Never: stores what is not worth a record; a read mark is one, typing is none.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use frontdesk_actors::clock::fresh_cid;
use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::{ErrorCode, PersonId, Seq};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::messages::find;
use super::place::{Place, enter, enter_path, fault};
use super::shape::{PersonBody, Style, person};
use crate::app::{App, Known};
use crate::http::etag::unless_known;
use crate::http::openapi::BehindToken;
use crate::http::schemas::{ConversationIdSchema, ConversationNumberSchema, MessageIdSchema};
use crate::http::{ApiError, Authenticated, ErrorBody, JsonBody, PathOf};
use crate::profiles::frame::utc;
use crate::profiles::wire::ConversationRef;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(unread_count))
        .routes(routes!(mark_read))
        .routes(routes!(mark_read_direct))
        .routes(routes!(read_message))
        .routes(routes!(status))
        .routes(routes!(typing))
}

/// How much is unread.
#[derive(Serialize, ToSchema)]
struct UnreadCount {
    /// Messages of others, in all conversations.
    unread_count: u64,
}

/// Counts what the caller has not read.
#[utoipa::path(
    get,
    path = "/api/chat/unread-count",
    tag = "conversations",
    operation_id = "presence_unread_count",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "the count", body = UnreadCount),
        (status = 304, description = "the client has it"),
        BehindToken,
    ),
)]
async fn unread_count(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (company, who) = (&principal.company, &principal.person);
    let totals = app.node.totals(company, who).await?;
    let unread_count = totals.unread_messages;
    Ok(unless_known(&headers, &UnreadCount { unread_count }))
}

/// What was done, in words.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadDetail)]
struct Detail {
    detail: String,
}

/// Marks everything in a conversation as read.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}/mark-read",
    tag = "conversations",
    operation_id = "presence_mark_read",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "the conversation's number")),
    responses(
        (status = 200, description = "marked", body = Detail),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        BehindToken,
    ),
)]
async fn mark_read(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<Detail>, ApiError> {
    let place = enter_path(&app, &principal, &id).await?;
    mark(&app, &principal, &place, Seq(u64::MAX)).await?;
    let detail = "Messages marked as read.".to_owned();
    Ok(Json(Detail { detail }))
}

/// How much was marked.
#[derive(Serialize, ToSchema)]
struct Marked {
    success: bool,
    /// Messages that were unread before.
    marked_read: u64,
}

/// Marks everything in a conversation as read.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}/mark_read",
    tag = "conversations",
    operation_id = "presence_mark_read_direct",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "the conversation's number")),
    responses(
        (status = 200, description = "marked", body = Marked),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        BehindToken,
    ),
)]
async fn mark_read_direct(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<Marked>, ApiError> {
    let place = enter_path(&app, &principal, &id).await?;
    let (company, who) = (&principal.company, &principal.person);
    let before = app.node.summary(company, who, &place.room).await?;
    let mut seats = before.into_iter().flat_map(|summary| summary.people);
    let unread = seats
        .find(|seat| seat.person == *who)
        .map(|seat| seat.unread);
    mark(&app, &principal, &place, Seq(u64::MAX)).await?;
    Ok(Json(Marked {
        success: true,
        marked_read: unread.unwrap_or(0),
    }))
}

/// That it was done.
#[derive(Serialize, ToSchema)]
struct Status {
    /// Always `success`.
    status: String,
}

fn success() -> Json<Status> {
    let status = "success".to_owned();
    Json(Status { status })
}

/// Marks everything up to a message as read.
#[utoipa::path(
    post,
    path = "/api/chat/messages/{id}/read",
    tag = "conversations",
    operation_id = "presence_read_message",
    security(("bearer" = [])),
    params(("id" = inline(MessageIdSchema), Path, description = "the message's number")),
    responses(
        (status = 200, description = "marked", body = Status),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such message", body = ErrorBody),
        BehindToken,
    ),
)]
async fn read_message(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<Status>, ApiError> {
    let (place, seq) = find(&app, &principal, &id).await?;
    mark(&app, &principal, &place, seq).await?;
    Ok(success())
}

async fn mark(
    app: &Arc<App>,
    principal: &Arc<Principal>,
    place: &Place,
    seq: Seq,
) -> Result<(), ApiError> {
    let command = RoomCommand::MarkRead { seq };
    place.ask(app, principal, command, fresh_cid()).await?;
    Ok(())
}

/// Whether somebody is there.
#[derive(Serialize, ToSchema)]
struct PersonStatus {
    user: PersonBody,
    is_online: bool,
    /// When they were last seen, if ever.
    last_seen: Option<String>,
}

/// Whether somebody has a socket open.
#[utoipa::path(
    get,
    path = "/api/chat/status/{id}",
    tag = "conversations",
    operation_id = "presence_status",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "the person")),
    responses(
        (status = 200, description = "their state", body = PersonStatus),
        (status = 404, description = "no such person", body = ErrorBody),
        BehindToken,
    ),
)]
async fn status(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<PersonStatus>, ApiError> {
    let no_person = || ApiError::because(ErrorCode::NotFound, "No such user.");
    let who = PersonId::new(&id).map_err(|_| no_person())?;
    let company = &principal.company;
    let card = app.node.card(company, &who).await.map_err(fault)?;
    let card = card.ok_or_else(no_person)?;
    let is_online = app.node.is_online(company, &who);
    let last_seen = app.node.last_seen(company, &who).await.map_err(fault)?;
    Ok(Json(PersonStatus {
        user: person(Style::Inbox, &who, &card),
        is_online,
        last_seen: last_seen.map(utc),
    }))
}

/// That somebody writes.
#[derive(Deserialize, ToSchema)]
struct TypingNow {
    /// The conversation, as number or text.
    #[schema(value_type = ConversationNumberSchema)]
    conversation_id: ConversationRef,
    /// Whether they write now.
    #[serde(default)]
    is_typing: bool,
}

/// Says that the caller writes, or stopped.
#[utoipa::path(
    post,
    path = "/api/chat/typing",
    tag = "conversations",
    operation_id = "presence_typing",
    security(("bearer" = [])),
    request_body = TypingNow,
    responses(
        (status = 200, description = "said", body = Status),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn typing(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    JsonBody(now): JsonBody<TypingNow>,
) -> Result<Json<Status>, ApiError> {
    let place = enter(&app, &principal, now.conversation_id.0).await?;
    app.node
        .typing(&place.entity, &principal, now.is_typing)
        .await;
    Ok(success())
}
