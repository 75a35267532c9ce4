//! Visitors' chats in the native words: opening one, where it stands, handing it over.
//!
//! Invariants: every chat comes from a proof of `identity`; times are milliseconds since 1970, as
//! everywhere in the native API.
//! Never: says anything in a chat; its visitor and its agent do that on their sockets.

mod shape;

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use frontdesk_actors::Bucket;
use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::chat::{Priority, Stage};
use frontdesk_protocol::command::RoomCommand;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::shape::{ChatBody, body_of, chat_body};
use super::fields::{HostId, signed_id};
use super::openapi::BehindToken;
use super::schemas::PersonIdSchema;
use super::{ApiError, ErrorBody, JsonBody, PathOf, Peer, QueryOf};
use crate::app::App;
use crate::identity::chats::{ChatScope, DeskScope, MaybeLoggedIn, company_of};
use crate::identity::scope::LoggedIn;
use crate::identity::visitors::VisitorAsked;

/// Chats of a page unless a client asks for another number.
const PAGE_COUNT: u32 = 50;
/// Chats of a page at most.
const PAGE_COUNT_MAX: u32 = 100;

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(open, list))
        .routes(routes!(show))
        .routes(routes!(escalate))
        .routes(routes!(assign))
        .routes(routes!(resolve))
}

/// A chat that a visitor wants.
#[derive(Deserialize, ToSchema)]
struct NewChat {
    /// Whom they visit.
    #[schema(min_length = 1, max_length = 64)]
    company_id: String,
    /// The widget's name for it; one is made if it is absent.
    #[schema(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// The visitor's language as a tag.
    #[schema(max_length = 35)]
    language: Option<String>,
    /// The proof of an earlier chat: the visitor is who they were.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[schema(value_type = Option<PersonIdSchema>)]
    user_id: Option<HostId>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
}

/// A chat and what its visitor keeps.
#[derive(Serialize, ToSchema)]
struct OpenedChat {
    /// A token for `/v1/ws` and for requests about this chat; not for one whose id alone was
    /// enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
    #[serde(flatten)]
    chat: ChatBody,
}

/// Opens a visitor's chat, or finds the one of this name if it is theirs.
#[utoipa::path(
    post,
    path = "/v1/chats",
    tag = "chats",
    operation_id = "chats_native_open_chat",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
            description = "A repeat with the same key within 24 hours finds the same chat")),
    request_body = NewChat,
    responses(
        (status = 200, description = "as it stands", body = OpenedChat),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such company, or not their chat", body = ErrorBody),
        (status = 409, description = "the key was used more than a day ago", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn open(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewChat>,
) -> Result<Response, ApiError> {
    let asked = VisitorAsked {
        chat_id: new.session_id.as_deref(),
        token: new.session_token.as_deref(),
        signed: signed_id(new.user_id.as_ref(), new.user_hash.as_deref()),
        ..VisitorAsked::of(&new.company_id, &headers, None)
    };
    let language = new.language.as_deref().unwrap_or_default();
    if !is_tag(language) {
        let why = "expected a language tag as en or pt-BR";
        return Err(ApiError::because(ErrorCode::BadField, why).of_field("language"));
    }
    let (chat, keepsake) = app.enter_chat(&asked, language, address).await?;
    let body = OpenedChat {
        session_token: keepsake.token,
        chat: chat_body(chat.facts(), false),
    };
    let cookie = keepsake.cookie.map(|cookie| (header::SET_COOKIE, cookie));
    Ok((AppendHeaders(cookie), Json(body)).into_response())
}

fn is_tag(language: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    language.len() <= 35 && language.bytes().all(fits)
}

/// For which company, and with which proof, where a header does not say.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChatQuery {
    /// A visitor's company, or the one that somebody who runs the installation means.
    #[param(max_length = 64)]
    company_id: Option<String>,
    /// A visitor's proof; a cookie holds the same.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[param(value_type = Option<PersonIdSchema>, inline)]
    user_id: Option<HostId>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
}

impl ChatQuery {
    /// A visitor asks, whoever else the request is from.
    fn is_visitors(&self) -> bool {
        self.session_token.is_some() || self.user_hash.is_some()
    }
}

/// The chat of a path, for its visitor or for somebody of the company. The second is which.
async fn chat_of(
    app: &Arc<App>,
    staff: MaybeLoggedIn,
    headers: &HeaderMap,
    raw: Option<&str>,
    (name, query): (&str, &ChatQuery),
) -> Result<(ChatScope, bool), ApiError> {
    if let Some(who) = staff.0.filter(|_| !query.is_visitors()) {
        let desk = DeskScope::resolve(app, who, query.company_id.as_deref()).await?;
        return Ok((desk.chat(app, name).await?, true));
    }
    let company = company_of(query.company_id.as_deref(), Some(name))?;
    let asked = VisitorAsked {
        chat_id: Some(name),
        token: query.session_token.as_deref(),
        signed: signed_id(query.user_id.as_ref(), query.user_hash.as_deref()),
        ..VisitorAsked::of(company, headers, raw)
    };
    Ok((app.visitors_chat(&asked).await?, false))
}

/// Where a chat stands.
#[utoipa::path(
    get,
    path = "/v1/chats/{session_id}",
    tag = "chats",
    operation_id = "chats_native_show_chat",
    security((), ("bearer" = [])),
    params(("session_id" = String, Path, min_length = 1, max_length = 100), ChatQuery),
    responses(
        (status = 200, description = "as it stands", body = ChatBody),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        BehindToken,
    ),
)]
async fn show(
    State(app): State<Arc<App>>,
    staff: MaybeLoggedIn,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ChatQuery>,
) -> Result<Json<ChatBody>, ApiError> {
    let found = chat_of(&app, staff, &headers, raw.as_deref(), (&name, &query)).await?;
    Ok(Json(chat_body(found.0.facts(), found.1)))
}

/// A wish for a person.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatWish)]
struct Wish {
    /// Why.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
    /// `low`, `medium`, `high` or `urgent`.
    priority: Option<String>,
}

/// Wants a person in a chat.
#[utoipa::path(
    post,
    path = "/v1/chats/{session_id}/escalate",
    tag = "chats",
    operation_id = "chats_native_escalate_chat",
    security((), ("bearer" = [])),
    params(("session_id" = String, Path, min_length = 1, max_length = 100), ChatQuery),
    request_body = Wish,
    responses(
        (status = 200, description = "as it stands", body = ChatBody),
        (status = 400, description = "the body or the query does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        (status = 409, description = "a person is there or wanted already", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn escalate(
    State(app): State<Arc<App>>,
    staff: MaybeLoggedIn,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ChatQuery>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Json<ChatBody>, ApiError> {
    let priority = match wish.priority.as_deref() {
        None => Priority::default(),
        Some(text) => Priority::parse(text).ok_or_else(|| {
            let why = "expected one of low, medium, high, urgent";
            ApiError::because(ErrorCode::BadField, why).of_field("priority")
        })?,
    };
    let found = match (&staff.0, query.is_visitors()) {
        // The company's people may want one in a chat that they do not have.
        (Some(who), false) => {
            let desk = DeskScope::resolve(&app, who.clone(), query.company_id.as_deref()).await?;
            (desk.free_chat(&app, &name).await?, true)
        }
        _ => chat_of(&app, staff, &headers, raw.as_deref(), (&name, &query)).await?,
    };
    let reason = wish.reason;
    let chat = found
        .0
        .change(&app, RoomCommand::Escalate { reason, priority })
        .await?;
    Ok(Json(chat_body(chat.facts(), found.1)))
}

/// Whom a chat is given to.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatAssignment)]
struct Assignment {
    /// The account's number, or a person's id.
    #[schema(value_type = String)]
    agent: HostId,
}

/// Gives a chat to somebody of the company.
#[utoipa::path(
    post,
    path = "/v1/chats/{session_id}/assign",
    tag = "chats",
    operation_id = "chats_native_assign_chat",
    security(("bearer" = [])),
    params(("session_id" = String, Path, min_length = 1, max_length = 100), ChatQuery),
    request_body = Assignment,
    responses(
        (status = 200, description = "as it stands", body = ChatBody),
        (status = 400, description = "the body or the query does not fit", body = ErrorBody),
        (status = 403, description = "not theirs to give", body = ErrorBody),
        (status = 404, description = "no such chat or agent", body = ErrorBody),
        (status = 409, description = "nobody is wanted there", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn assign(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ChatQuery>,
    JsonBody(wanted): JsonBody<Assignment>,
) -> Result<Json<ChatBody>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let chat = desk.chat(&app, &name).await?;
    let named = wanted.agent.0;
    let agent = match named.as_str().parse() {
        Ok(no) => crate::identity::chats::agent_of(no),
        Err(_) => named,
    };
    let chat = chat.change(&app, RoomCommand::Assign { agent }).await?;
    Ok(Json(chat_body(chat.facts(), true)))
}

/// The end of a handoff.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatResolution)]
struct Resolution {
    /// What is written down.
    #[serde(default)]
    #[schema(max_length = 500)]
    notes: String,
}

/// Gives a chat back to the bot.
#[utoipa::path(
    post,
    path = "/v1/chats/{session_id}/resolve",
    tag = "chats",
    operation_id = "chats_native_resolve_chat",
    security(("bearer" = [])),
    params(("session_id" = String, Path, min_length = 1, max_length = 100), ChatQuery),
    request_body = Resolution,
    responses(
        (status = 200, description = "as it stands", body = ChatBody),
        (status = 400, description = "the body or the query does not fit", body = ErrorBody),
        (status = 403, description = "not theirs", body = ErrorBody),
        (status = 404, description = "no such chat", body = ErrorBody),
        (status = 409, description = "nobody has it", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn resolve(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(name): PathOf<String>,
    QueryOf(query): QueryOf<ChatQuery>,
    JsonBody(wanted): JsonBody<Resolution>,
) -> Result<Json<ChatBody>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let chat = desk.chat(&app, &name).await?;
    let notes = wanted.notes;
    let chat = chat.change(&app, RoomCommand::Resolve { notes }).await?;
    Ok(Json(chat_body(chat.facts(), true)))
}

/// Which chats.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `queued`, `assigned` or `resolved`.
    stage: String,
    /// The first so many are left out.
    skip: Option<u64>,
    /// At most 100.
    limit: Option<u32>,
    /// Needed for those who run the installation; others have one.
    #[param(max_length = 64)]
    company_id: Option<String>,
}

/// Chats that people are wanted in, have or had.
#[derive(Serialize, ToSchema)]
struct ChatPage {
    /// The latest handoff first.
    chats: Vec<ChatBody>,
    /// How many there are.
    total: u64,
}

/// Chats of a stage: for admins all, for agents those that wait and their own.
#[utoipa::path(
    get,
    path = "/v1/chats",
    tag = "chats",
    operation_id = "chats_native_list_chats",
    security(("bearer" = [])),
    params(ListQuery),
    responses(
        (status = 200, description = "a page", body = ChatPage),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "not allowed", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Json<ChatPage>, ApiError> {
    let desk = DeskScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let bucket = match query.stage.as_str() {
        stage if stage == Stage::Queued.as_str() => Bucket::Unassigned,
        stage if stage == Stage::Assigned.as_str() => Bucket::Assigned,
        stage if stage == Stage::Resolved.as_str() => Bucket::Resolved,
        _ => {
            let why = "expected one of queued, assigned, resolved";
            return Err(ApiError::because(ErrorCode::BadField, why).of_field("stage"));
        }
    };
    let own = &desk.principal().person;
    let whose = (!desk.sees_all() && bucket != Bucket::Unassigned).then_some(own);
    let count = query.limit.unwrap_or(PAGE_COUNT).min(PAGE_COUNT_MAX) as usize;
    let part = (query.skip.unwrap_or_default(), count);
    let (found, total) = desk.listed(&app, whose, bucket, part).await?;
    let chats = found.iter().filter_map(|found| {
        let chat = found.summary.chat.as_deref()?;
        Some(body_of(found.room, found.summary.conversation, chat, true))
    });
    Ok(Json(ChatPage {
        chats: chats.collect(),
        total,
    }))
}
