//! `/api/chat/conversations/{id}/messages/` and what is done with single messages.
//!
//! With `limit` or `offset` a page is an array, the oldest first, as `crm` reads it; else an
//! envelope of pages, the newest first, as `inbox` does.
//!
//! Never: marks anything as read by showing it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, MessagesFrom};
use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{ErrorCode, Seq};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bot::of_attachment;
use super::place::{Place, enter, enter_path, fault, no_text};
use super::shape::{MessageBody, Style};
use crate::app::{App, Known};
use crate::http::etag::unless_known;
use crate::http::fields::{Count, Whole};
use crate::http::openapi::BehindToken;
use crate::http::rooms::Naming;
use crate::http::schemas::{
    ConversationIdSchema, CountSchema, MessageIdSchema, MessageNumberSchema, WholeSchema,
};
use crate::http::{ApiError, Authenticated, ErrorBody, JsonBody, PathOf, QueryOf};
use crate::profiles::wire::{FileRef, MessageRef};

/// Messages on a page when the client names no number.
const PAGE_COUNT_DEFAULT: u64 = 50;
/// Messages on a page.
const PAGE_COUNT_MAX: u64 = 100;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(list, post))
        .routes(routes!(delete))
}

/// Which part of the messages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MessagesQuery {
    /// The number of the page, the newest is 1.
    #[param(value_type = Option<CountSchema>, inline)]
    page: Option<Count>,
    /// Messages on a page, at most 100; 50 unasked.
    #[param(value_type = Option<CountSchema>, inline)]
    page_size: Option<Count>,
    /// Messages in an array, the oldest first; at most 100, 50 unasked.
    #[param(value_type = Option<CountSchema>, inline)]
    limit: Option<Count>,
    /// Messages to leave out, from the oldest.
    #[param(value_type = Option<WholeSchema>, inline)]
    offset: Option<Whole>,
}

/// A page of messages, the newest first.
#[derive(Serialize, ToSchema)]
struct MessageEnvelope {
    /// All messages of the conversation.
    count: u64,
    /// The next page, with older ones.
    next: Option<String>,
    /// The page before, with newer ones.
    previous: Option<String>,
    results: Vec<MessageBody>,
}

/// Messages, as an array or as a page.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum MessageList {
    /// The oldest first.
    Array(Vec<MessageBody>),
    /// The newest first.
    Envelope(MessageEnvelope),
}

/// Messages of a conversation.
#[utoipa::path(
    get,
    path = "/api/chat/conversations/{id}/messages",
    tag = "conversations",
    operation_id = "messages_list",
    security(("bearer" = [])),
    params(
        ("id" = inline(ConversationIdSchema), Path, description = "the conversation's number"),
        MessagesQuery,
    ),
    responses(
        (status = 200, description = "messages", body = MessageList),
        (status = 304, description = "the client has them"),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation, or no such page", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<MessagesQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = enter_path(&app, &principal, &id).await?;
    let count = |asked: Option<Count>| {
        let asked = asked.map_or(PAGE_COUNT_DEFAULT, |Count(count)| count);
        asked.clamp(1, PAGE_COUNT_MAX)
    };
    let style = Style::from(app.profiles.rest);
    let is_paged = query.page.is_some() || query.page_size.is_some();
    let is_crm = style == Style::Crm && !is_paged;
    if is_crm || query.limit.is_some() || query.offset.is_some() {
        let skip = query.offset.map_or(0, |Whole(offset)| offset);
        let from = MessagesFrom::Oldest { skip };
        let count = count(query.limit) as usize;
        let page = app.node.messages(&place.entity, from, count).await;
        let page = page.map_err(fault)?;
        let shown = place.show_messages(&app, &principal, (Style::Crm, &headers), page.messages);
        let array = shown.await?;
        return Ok(unless_known(&headers, &MessageList::Array(array)));
    }
    let (page_no, count) = (
        query.page.map_or(1, |Count(page)| page),
        count(query.page_size),
    );
    let skip = (page_no - 1).saturating_mul(count);
    let from = MessagesFrom::Newest { skip };
    let page = app.node.messages(&place.entity, from, count as usize).await;
    let page = page.map_err(fault)?;
    if page_no > 1 && skip >= page.total {
        return Err(ApiError::because(ErrorCode::NotFound, "Invalid page."));
    }
    let total = page.total;
    let shown = place.show_messages(&app, &principal, (style, &headers), page.messages);
    let mut results = shown.await?;
    results.reverse();
    let link = |is_there: bool, page_no: u64| {
        let number = place.conversation;
        let query = format!("page={page_no}&page_size={count}");
        let path = format!("/api/chat/conversations/{number}/messages/?{query}");
        is_there.then(|| app.absolute(&headers, &path))
    };
    let envelope = MessageEnvelope {
        count: total,
        next: link(
            skip.saturating_add(count) < total,
            page_no.saturating_add(1),
        ),
        previous: link(page_no > 1, page_no - 1),
        results,
    };
    Ok(unless_known(&headers, &MessageList::Envelope(envelope)))
}

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
struct PostMessage {
    /// What is said.
    #[schema(max_length = 10_000)]
    content: Option<String>,
    /// The message that is answered.
    #[schema(value_type = Option<MessageNumberSchema>)]
    reply_to: Option<MessageRef>,
    /// A file that was uploaded before, as text or number.
    #[schema(value_type = Option<u64>)]
    attachment_id: Option<FileRef>,
}

/// Sends a text.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}/messages",
    tag = "conversations",
    operation_id = "messages_post",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "the conversation's number"),
           ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body = PostMessage,
    responses(
        (status = 201, description = "sent", body = MessageBody),
        (status = 400, description = "the body or a header does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        (status = 409, description = "it is full, or the key was used", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn post(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<PostMessage>,
) -> Result<Response, ApiError> {
    let naming = Naming::of(&principal, &headers)?;
    let place = enter_path(&app, &principal, &id).await?;
    let reply_to = match wanted.reply_to {
        Some(answered) if answered.conversation != place.conversation => {
            let why = "reply_to is in another conversation";
            return Err(ApiError::because(ErrorCode::BadField, why));
        }
        answered => answered.map(|answered| answered.seq),
    };
    let command = RoomCommand::PostMessage {
        text: wanted.content.unwrap_or_default(),
        rich: None,
        reply_to,
        files: wanted.attachment_id.iter().map(|file| file.0).collect(),
    };
    let answer = place.ask(&app, &principal, command, naming.cid).await;
    let answer = answer
        .map_err(of_attachment)
        .map_err(|why| match why.code() {
            ErrorCode::TextEmpty => no_text(),
            _ => why,
        })?;
    let Answer::Posted { seq, .. } = answer else {
        return Err(ApiError::new(ErrorCode::Unavailable));
    };
    let shown = place
        .show_message(&app, &principal, (app.profiles.rest.into(), &headers), seq)
        .await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// What was done, in words.
#[derive(Serialize, ToSchema)]
struct Detail {
    detail: String,
}

/// Takes a message of the caller back.
#[utoipa::path(
    delete,
    path = "/api/chat/messages/{id}/delete",
    tag = "conversations",
    operation_id = "messages_delete",
    security(("bearer" = [])),
    params(("id" = inline(MessageIdSchema), Path, description = "the message's number")),
    responses(
        (status = 200, description = "taken back", body = Detail),
        (status = 403, description = "not the caller's", body = ErrorBody),
        (status = 404, description = "no such message", body = ErrorBody),
        (status = 409, description = "the conversation is full", body = ErrorBody),
        BehindToken,
    ),
)]
async fn delete(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<Detail>, ApiError> {
    let (place, seq) = find(&app, &principal, &id).await?;
    let command = RoomCommand::DeleteMessage { seq };
    let done = place.ask(&app, &principal, command, fresh_cid()).await;
    done.map_err(|why| match why.code() {
        ErrorCode::Forbidden => {
            let why = "You can only delete your own messages.";
            ApiError::because(ErrorCode::Forbidden, why)
        }
        _ => why,
    })?;
    let detail = "Message deleted.".to_owned();
    Ok(Json(Detail { detail }))
}

/// A message by its number, for one of its conversation's people.
pub(super) async fn find(
    app: &Arc<App>,
    principal: &Principal,
    id: &str,
) -> Result<(Place, Seq), ApiError> {
    let no_message = || ApiError::because(ErrorCode::NotFound, "No such message.");
    let named = MessageRef::parse(id).ok_or_else(no_message)?;
    let name = RoomName::Conversation(named.conversation);
    let place = enter(app, principal, name)
        .await
        .map_err(|why| match why.code() {
            ErrorCode::UnknownRoom => no_message(),
            _ => why,
        })?;
    match named.seq <= place.head {
        true => Ok((place, named.seq)),
        false => Err(no_message()),
    }
}
