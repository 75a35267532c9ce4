//! `/api/chat/conversations/`: lists, opening, one conversation, title and archive.
//!
//! The list is an array unless the client pages (`cursor`, `page`, `limit`, `page_size`) or the
//! installation says that its clients are `crm`'s (`profiles.rest`): then it is an envelope.
//!
//! Never: decides who may be in a conversation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use frontdesk_actors::{ConversationPage, ListCursor, ListFrom};
use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{ConversationNo, ErrorCode, PersonId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::opening::{Opening, open_pair, open_room, pair_with, say_first, show_opened};
use super::place::{cards_of, check_text, enter, enter_path};
use super::shape::{ConversationBody, Style, conversation};
use crate::app::{App, Known};
use crate::config::RestStyle;
use crate::http::etag::unless_known;
use crate::http::fields::{Count, HostId, People};
use crate::http::openapi::BehindToken;
use crate::http::rooms::Naming;
use crate::http::schemas::{ConversationIdSchema, CountSchema, HostIdSchema};
use crate::http::{ApiError, Authenticated, ErrorBody, JsonBody, PathOf, QueryOf};

/// Conversations in an array: some 500 KB of JSON, and more than a client that does not page shows
/// without standing still.
const ARRAY_COUNT_MAX: usize = 500;
/// Conversations on a page when the client names no number.
const PAGE_COUNT_DEFAULT: u64 = 20;
/// Conversations on a page.
const PAGE_COUNT_MAX: u64 = 100;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(list, open))
        .routes(routes!(open_with, show, change))
        .routes(routes!(archive))
}

/// Which part of a list; with none of these the whole of it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Where another page ended, as its links say.
    cursor: Option<String>,
    /// The number of the page, from 1.
    #[param(value_type = Option<CountSchema>, inline)]
    page: Option<Count>,
    /// Conversations on a page, at most 100.
    #[param(value_type = Option<CountSchema>, inline)]
    limit: Option<Count>,
    /// The same as `limit`.
    #[param(value_type = Option<CountSchema>, inline)]
    page_size: Option<Count>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
struct ConversationEnvelope {
    /// All conversations, those on other pages among them.
    count: u64,
    /// The next page.
    next: Option<String>,
    /// The page before.
    previous: Option<String>,
    results: Vec<ConversationBody>,
}

/// A list, as an array or as a page.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum ConversationList {
    /// For clients that do not page.
    Array(Vec<ConversationBody>),
    /// For those that do.
    Envelope(ConversationEnvelope),
}

/// The conversations of the caller, the latest first.
#[utoipa::path(
    get,
    path = "/api/chat/conversations",
    tag = "conversations",
    operation_id = "conversations_list",
    security(("bearer" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "a list", body = ConversationList),
        (status = 304, description = "the client has it"),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    QueryOf(query): QueryOf<ListQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let limit = query.limit.or(query.page_size);
    let is_paged = query.cursor.is_some() || query.page.is_some() || limit.is_some();
    if !is_paged && app.profiles.rest != RestStyle::Crm {
        let page = read(&app, &principal, ListFrom::default(), ARRAY_COUNT_MAX).await?;
        let bodies = bodies(&app, &principal, Style::Inbox, &page).await?;
        let mut response = unless_known(&headers, &ConversationList::Array(bodies));
        if let Some(next) = page.next {
            // More than an array holds: who wants the rest finds it here.
            let cursor = write_cursor(next, false);
            let path = format!("/api/chat/conversations/?cursor={cursor}&limit={PAGE_COUNT_MAX}");
            let link = format!("<{}>; rel=\"next\"", app.absolute(&headers, &path));
            let link = HeaderValue::try_from(link);
            response
                .headers_mut()
                .extend(link.ok().map(|link| (header::LINK, link)));
        }
        return Ok(response);
    }
    let count = limit.map_or(PAGE_COUNT_DEFAULT, |Count(limit)| limit);
    let count = count.clamp(1, PAGE_COUNT_MAX);
    let wrong = || ApiError::because(ErrorCode::BadField, "cursor: not one of ours");
    let from = match (&query.cursor, query.page) {
        (Some(cursor), _) => parse_cursor(cursor).ok_or_else(wrong)?,
        (None, Some(Count(page))) => ListFrom::Skip((page - 1).saturating_mul(count)),
        (None, None) => ListFrom::default(),
    };
    let page = read(&app, &principal, from, count as usize).await?;
    let results = bodies(&app, &principal, Style::Crm, &page).await?;
    let link = |cursor: Option<ListCursor>, backwards| {
        cursor.map(|cursor| {
            let cursor = write_cursor(cursor, backwards);
            let path = format!("/api/chat/conversations/?cursor={cursor}&limit={count}");
            app.absolute(&headers, &path)
        })
    };
    let envelope = ConversationEnvelope {
        count: page.totals.rooms,
        next: link(page.next, false),
        previous: link(page.previous, true),
        results,
    };
    Ok(unless_known(
        &headers,
        &ConversationList::Envelope(envelope),
    ))
}

async fn read(
    app: &Arc<App>,
    principal: &Principal,
    from: ListFrom,
    count: usize,
) -> Result<ConversationPage, ApiError> {
    let (company, person) = (&principal.company, &principal.person);
    let page = app.node.conversations(company, person, from, count).await;
    Ok(page?)
}

async fn bodies(
    app: &Arc<App>,
    principal: &Principal,
    style: Style,
    page: &ConversationPage,
) -> Result<Vec<ConversationBody>, ApiError> {
    let cards = cards_of(app, principal, &page.conversations).await?;
    let shown = page.conversations.iter();
    let body = |found| conversation(style, found, &principal.person, &cards);
    Ok(shown.map(body).collect())
}

/// `n` or `p`, then time and number: opaque to clients, and no secret.
fn write_cursor(cursor: ListCursor, backwards: bool) -> String {
    let direction = if backwards { 'p' } else { 'n' };
    format!(
        "{direction}{:x}-{:x}",
        cursor.changed_at.0, cursor.conversation.0
    )
}

fn parse_cursor(text: &str) -> Option<ListFrom> {
    let (direction, rest) = text.split_at_checked(1)?;
    let (changed_at, conversation) = rest.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let cursor = ListCursor {
        changed_at: Timestamp(number(changed_at)?),
        conversation: ConversationNo(number(conversation)?),
    };
    match direction {
        "n" => Some(ListFrom::After(cursor)),
        "p" => Some(ListFrom::Before(cursor)),
        _ => None,
    }
}

/// The conversation that is wanted.
#[derive(Deserialize, ToSchema)]
struct OpenConversation {
    /// What it is called; a conversation with the bot.
    #[schema(max_length = 255)]
    title: Option<String>,
    /// Who is in it beside the caller and the bot; with the two as many as lists show.
    #[schema(value_type = Option<Vec<HostIdSchema>>, max_items = 254)]
    participants: Option<People>,
    /// The other of a pair, who has one conversation with the caller; no title and no bot then.
    #[schema(value_type = Option<HostIdSchema>)]
    listener_id: Option<HostId>,
    /// What is said first in a conversation of a pair where nothing was said yet, at most 10,000
    /// characters.
    initial_message: Option<String>,
}

/// Opens a conversation with the bot, or with the other of a pair.
#[utoipa::path(
    post,
    path = "/api/chat/conversations",
    tag = "conversations",
    operation_id = "conversations_open",
    security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body = OpenConversation,
    responses(
        (status = 201, description = "opened", body = ConversationBody),
        (status = 200, description = "it was there already", body = ConversationBody),
        (status = 400, description = "the body or a header does not fit", body = ErrorBody),
        (status = 409, description = "the key was used for something else", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn open(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<OpenConversation>,
) -> Result<Response, ApiError> {
    let naming = Naming::of(&principal, &headers)?;
    let Some(HostId(listener)) = wanted.listener_id else {
        let opening = Opening {
            participants: wanted
                .participants
                .map(|people| people.0)
                .unwrap_or_default(),
            direct: false,
            title: wanted.title.filter(|title| !title.is_empty()),
            with_bot: true,
        };
        let opened = open_room(&app, &principal, &naming, opening).await?;
        return show_opened(&app, &principal, Style::Crm, opened).await;
    };
    let first = wanted.initial_message.filter(|text| !text.is_empty());
    if let Some(text) = &first {
        check_text(text)?; // nothing is opened for what would not be said
    }
    let opened = open_pair(&app, &principal, &naming, listener).await?;
    if let Some(text) = first {
        say_first(&app, &principal, &naming, &opened, text).await?;
    }
    show_opened(&app, &principal, Style::Inbox, opened).await
}

/// Opens the conversation of the caller and one other person, or finds it.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}",
    tag = "conversations",
    operation_id = "conversations_open_with",
    security(("bearer" = [])),
    params(("id" = inline(HostIdSchema), Path, description = "the other person")),
    responses(
        (status = 201, description = "opened", body = ConversationBody),
        (status = 200, description = "it was there already", body = ConversationBody),
        (status = 400, description = "it is the caller's own id", body = ErrorBody),
        BehindToken,
    ),
)]
async fn open_with(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(other): PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let naming = Naming::of(&principal, &headers)?;
    let other = PersonId::new(&other);
    let other = other.map_err(|why| ApiError::because(ErrorCode::BadField, why.to_string()))?;
    let opened = open_pair(&app, &principal, &naming, other).await?;
    show_opened(&app, &principal, app.profiles.rest.into(), opened).await
}

/// One conversation, by its number or, for a pair, by the other person.
#[utoipa::path(
    get,
    path = "/api/chat/conversations/{id}",
    tag = "conversations",
    operation_id = "conversations_show",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path,
            description = "its number, or the other person of a pair")),
    responses(
        (status = 200, description = "the conversation", body = ConversationBody),
        (status = 304, description = "the client has it"),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        BehindToken,
    ),
)]
async fn show(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = match enter_path(&app, &principal, &id).await {
        Ok(place) => place,
        Err(why) => {
            let room = pair_with(&app, &principal, &id).await?;
            let room = room.ok_or(why)?;
            enter(&app, &principal, RoomName::Id(room)).await?
        }
    };
    let body = place
        .show(&app, &principal, app.profiles.rest.into())
        .await?;
    Ok(unless_known(&headers, &body))
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
struct ChangeConversation {
    /// A new title; empty takes it away.
    #[schema(max_length = 255)]
    title: Option<String>,
    /// Whether it is put away.
    is_archived: Option<bool>,
}

/// Changes the title of a conversation, or puts it away.
#[utoipa::path(
    patch,
    path = "/api/chat/conversations/{id}",
    tag = "conversations",
    operation_id = "conversations_change",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "its number")),
    request_body = ChangeConversation,
    responses(
        (status = 200, description = "changed", body = ConversationBody),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn change(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
    JsonBody(wanted): JsonBody<ChangeConversation>,
) -> Result<Json<ConversationBody>, ApiError> {
    let place = enter_path(&app, &principal, &id).await?;
    let command = RoomCommand::ChangeRoom {
        title: wanted.title,
        archived: wanted.is_archived,
    };
    let cid = frontdesk_actors::clock::fresh_cid();
    place.ask(&app, &principal, command, cid).await?;
    Ok(Json(place.show(&app, &principal, Style::Crm).await?))
}

/// Puts a conversation away.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}/archive",
    tag = "conversations",
    operation_id = "conversations_archive",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "its number")),
    responses(
        (status = 200, description = "put away", body = ConversationBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        BehindToken,
    ),
)]
async fn archive(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<ConversationBody>, ApiError> {
    let place = enter_path(&app, &principal, &id).await?;
    let command = RoomCommand::ChangeRoom {
        title: None,
        archived: Some(true),
    };
    let cid = frontdesk_actors::clock::fresh_cid();
    place.ask(&app, &principal, command, cid).await?;
    Ok(Json(place.show(&app, &principal, Style::Crm).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is_one() {
        let cursor = ListCursor {
            changed_at: Timestamp(1_800_000_000_123),
            conversation: ConversationNo(42),
        };
        let (next, previous) = (write_cursor(cursor, false), write_cursor(cursor, true));
        assert_eq!(parse_cursor(&next), Some(ListFrom::After(cursor)));
        assert_eq!(parse_cursor(&previous), Some(ListFrom::Before(cursor)));
        for text in ["", "n", "x1-2", "n1", "n1-", "nxyz-1", "é1-1"] {
            assert_eq!(parse_cursor(text), None, "{text}");
        }
    }
}
