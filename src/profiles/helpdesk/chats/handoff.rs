//! From the bot to people and back: wanting a person, giving a chat to one, answering, being done.
//!
//! Never: decides whether a step may be taken; the room does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use frontdesk_actors::Answer;
use frontdesk_actors::clock::fresh_cid;
use frontdesk_protocol::chat::Priority;
use frontdesk_protocol::command::{Role, RoomCommand};
use frontdesk_protocol::{ErrorCode, Rejection};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{HandoffBody, handoff, number, visitors_handoff};
use crate::app::App;
use crate::http::fields::{HostId, signed_id};
use crate::http::openapi::{BehindToken, GovernedBody};
use crate::http::schemas::PersonIdSchema;
use crate::http::{ApiError, ErrorBody, JsonBody};
use crate::identity::chats::{ChatScope, DeskScope, MaybeLoggedIn, agent_of, company_of};
use crate::identity::scope::LoggedIn;
use crate::identity::visitors::VisitorAsked;
use crate::profiles::frame::utc;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(escalate))
        .routes(routes!(assign))
        .routes(routes!(resolve))
        .routes(routes!(send_message))
        .routes(routes!(send_message_too))
        .routes(routes!(accept))
        .routes(routes!(complete))
}

/// A wish for a person.
#[derive(Deserialize, ToSchema)]
struct Wish {
    /// The chat.
    #[schema(min_length = 1, max_length = 100)]
    session_id: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 500)]
    reason: String,
    /// `low`, `medium`, `high` or `urgent`.
    #[schema(value_type = Option<String>)]
    priority: Option<String>,
    /// May be left out when the session's name begins with it, or the caller has a company.
    #[schema(min_length = 1, max_length = 64)]
    company_id: Option<String>,
    /// The proof that came with the chat; a cookie holds the same.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[schema(value_type = Option<PersonIdSchema>)]
    user_id: Option<HostId>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
}

/// What was done to a handoff.
#[derive(Serialize, ToSchema)]
struct Moved {
    message: &'static str,
    handoff_session: HandoffBody,
}

fn shown(chat: &ChatScope) -> Result<HandoffBody, ApiError> {
    let facts = chat.facts();
    let shown = match chat.principal().person == facts.chat.visitor {
        true => visitors_handoff(facts.conversation, &facts.chat),
        false => handoff(facts.conversation, &facts.chat),
    };
    shown.ok_or_else(|| ApiError::new(ErrorCode::Internal))
}

/// Wants a person in a chat: the visitor, or somebody of the company.
#[utoipa::path(
    post,
    path = "/api/human-handoff/escalate",
    tag = "handoff",
    operation_id = "handoff_escalate",
    security((), ("bearer" = [])),
    request_body = Wish,
    responses(
        (status = 201, description = "a person is wanted", body = Moved),
        (status = 400, description = "the body does not fit; or a person is wanted already, as \
         `handoff_session` says", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn escalate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    staff: MaybeLoggedIn,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Response, ApiError> {
    let priority = match wish.priority.as_deref() {
        None | Some("") => Priority::default(),
        Some(text) => Priority::parse(text).ok_or_else(|| {
            let why = "expected one of low, medium, high, urgent";
            ApiError::because(ErrorCode::BadField, why).of_field("priority")
        })?,
    };
    let is_visitors = wish.session_token.is_some() || wish.user_hash.is_some();
    let chat = match staff.0.filter(|_| !is_visitors) {
        Some(who) => {
            let desk = DeskScope::resolve(&app, who, wish.company_id.as_deref()).await?;
            desk.free_chat(&app, &wish.session_id).await?
        }
        None => {
            let company = company_of(wish.company_id.as_deref(), Some(&wish.session_id))?;
            let asked = VisitorAsked {
                chat_id: Some(&wish.session_id),
                token: wish.session_token.as_deref(),
                signed: signed_id(wish.user_id.as_ref(), wish.user_hash.as_deref()),
                ..VisitorAsked::of(company, &headers, None)
            };
            app.visitors_chat(&asked).await?
        }
    };
    let reason = wish.reason;
    let wanted = chat
        .clone()
        .change(&app, RoomCommand::Escalate { reason, priority })
        .await;
    match wanted {
        Ok(chat) => {
            let body = Moved {
                message: "Session escalated successfully",
                handoff_session: shown(&chat)?,
            };
            Ok((StatusCode::CREATED, Json(body)).into_response())
        }
        Err(error) if error.code() == ErrorCode::WrongStage => already(&app, chat, error).await,
        Err(error) => Err(error),
    }
}

/// A second wish is answered with the first.
async fn already(
    app: &Arc<App>,
    mut chat: ChatScope,
    error: ApiError,
) -> Result<Response, ApiError> {
    chat.look_again(app).await?;
    let why = "Session is already escalated";
    let body = json!({
        "error": why, "detail": why, "message": why,
        "code": error.code().as_str(), "retry": "no", "request_id": error.request_id(),
        "handoff_session": shown(&chat)?,
    });
    Ok((StatusCode::BAD_REQUEST, Json(body)).into_response())
}

/// Whom a chat is given to.
#[derive(Deserialize, ToSchema)]
struct Assignment {
    /// The handoff's number.
    handoff_session_id: u64,
    /// The agent's number.
    agent_id: u64,
    /// Needed for those who run the installation; others have one.
    company_id: Option<String>,
}

/// Gives a chat to an agent: admins to any, agents one that waits to themselves, and on to another.
#[utoipa::path(
    post,
    path = "/api/human-handoff/assign",
    tag = "handoff",
    operation_id = "handoff_assign",
    security(("bearer" = [])),
    request_body = Assignment,
    responses(
        (status = 200, description = "as it is now", body = HandoffBody),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not theirs to give", body = ErrorBody),
        (status = 404, description = "no such handoff or agent", body = ErrorBody),
        (status = 409, description = "nobody is wanted there", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn assign(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(wanted): JsonBody<Assignment>,
) -> Result<Json<HandoffBody>, ApiError> {
    let desk = DeskScope::resolve(&app, who, wanted.company_id.as_deref()).await?;
    let chat = desk.handoff(&app, wanted.handoff_session_id).await?;
    let agent = agent_of(wanted.agent_id);
    let chat = chat.change(&app, RoomCommand::Assign { agent }).await?;
    Ok(Json(shown(&chat)?))
}

/// A handoff that is over.
#[derive(Deserialize, ToSchema)]
struct Resolution {
    /// The handoff's number.
    handoff_session_id: u64,
    /// What is written down.
    #[serde(default)]
    #[schema(max_length = 500)]
    notes: String,
    /// Needed for those who run the installation; others have one.
    company_id: Option<String>,
}

/// Gives a chat back to the bot.
#[utoipa::path(
    post,
    path = "/api/human-handoff/resolve",
    tag = "handoff",
    operation_id = "handoff_resolve",
    security(("bearer" = [])),
    request_body = Resolution,
    responses(
        (status = 200, description = "as it is now", body = Moved),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not theirs", body = ErrorBody),
        (status = 404, description = "no such handoff", body = ErrorBody),
        (status = 409, description = "it is over already", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn resolve(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(wanted): JsonBody<Resolution>,
) -> Result<Json<Moved>, ApiError> {
    let desk = DeskScope::resolve(&app, who, wanted.company_id.as_deref()).await?;
    let chat = desk.handoff(&app, wanted.handoff_session_id).await?;
    resolved(&app, chat, wanted.notes).await
}

async fn resolved(app: &Arc<App>, chat: ChatScope, notes: String) -> Result<Json<Moved>, ApiError> {
    let chat = chat.change(app, RoomCommand::Resolve { notes }).await?;
    Ok(Json(Moved {
        message: "Session resolved successfully",
        handoff_session: shown(&chat)?,
    }))
}

/// What an agent says.
#[derive(Deserialize, ToSchema)]
struct AgentSays {
    /// The chat.
    #[schema(min_length = 1, max_length = 100)]
    session_id: String,
    /// The text.
    #[schema(min_length = 1, max_length = 10_000)]
    message: String,
    /// Needed for nobody; another than the caller's is refused.
    #[schema(max_length = 64)]
    company_id: Option<String>,
}

/// What the agent said, as it was kept.
#[derive(Serialize, ToSchema)]
struct AgentSaid {
    message: &'static str,
    chat_message: KeptMessage,
}

#[derive(Serialize, ToSchema)]
struct KeptMessage {
    id: u64,
    content: String,
    timestamp: String,
}

/// Says something to a visitor whose chat the caller has.
#[utoipa::path(
    post,
    path = "/api/human-handoff/agent/send-message",
    tag = "handoff",
    operation_id = "handoff_send_message",
    security(("bearer" = [])),
    request_body = AgentSays,
    responses(
        (status = 200, description = "said", body = AgentSaid),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "another has the chat", body = ErrorBody),
        (status = 404, description = "no such chat", body = ErrorBody),
        (status = 409, description = "the chat is full", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn send_message(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(said): JsonBody<AgentSays>,
) -> Result<Json<AgentSaid>, ApiError> {
    agent_says(&app, who, said).await
}

/// The same under another name.
#[utoipa::path(
    post,
    path = "/api/human-handoff/send-message",
    tag = "handoff",
    operation_id = "handoff_send_message_too",
    security(("bearer" = [])),
    request_body = AgentSays,
    responses(
        (status = 200, description = "said", body = AgentSaid),
        (status = 409, description = "the chat is full", body = ErrorBody),
        GovernedBody,
    ),
)]
async fn send_message_too(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(said): JsonBody<AgentSays>,
) -> Result<Json<AgentSaid>, ApiError> {
    agent_says(&app, who, said).await
}

async fn agent_says(
    app: &Arc<App>,
    who: LoggedIn,
    said: AgentSays,
) -> Result<Json<AgentSaid>, ApiError> {
    let desk = DeskScope::resolve(app, who, said.company_id.as_deref()).await?;
    let chat = desk.any_chat(app, &said.session_id).await?;
    let agent = chat.facts().chat.agent();
    if agent.is_none_or(|agent| agent.id != desk.principal().person) {
        let why = "Session not assigned to this agent";
        return Err(ApiError::because(ErrorCode::Forbidden, why));
    }
    let post = RoomCommand::PostMessage {
        text: said.message.clone(),
        rich: None,
        reply_to: None,
        files: Vec::new(),
    };
    match chat.ask(app, post, fresh_cid()).await? {
        Answer::Posted { seq, at, .. } => Ok(Json(AgentSaid {
            message: "Message sent successfully",
            chat_message: KeptMessage {
                id: number(chat.facts().conversation, seq),
                content: said.message,
                timestamp: utc(at),
            },
        })),
        _ => Err(ApiError::new(ErrorCode::Internal)),
    }
}

/// Which chat.
#[derive(Deserialize, ToSchema)]
struct ChatRef {
    /// The widget's name for it.
    #[schema(min_length = 1, max_length = 100)]
    session_id: String,
    /// What is written down at the end.
    #[serde(default)]
    #[schema(max_length = 500)]
    notes: String,
    /// Needed for nobody; another than the caller's is refused.
    #[schema(max_length = 64)]
    company_id: Option<String>,
}

/// Takes a chat that waits for a person.
#[utoipa::path(
    post,
    path = "/api/agent-dashboard/accept-session",
    tag = "handoff",
    operation_id = "handoff_accept",
    security(("bearer" = [])),
    request_body = ChatRef,
    responses(
        (status = 200, description = "it is theirs", body = Moved),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "no agent", body = ErrorBody),
        (status = 404, description = "no such chat", body = ErrorBody),
        (status = 409, description = "nobody is wanted there", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn accept(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(wanted): JsonBody<ChatRef>,
) -> Result<Json<Moved>, ApiError> {
    let desk = own_desk(&app, who, wanted.company_id.as_deref()).await?;
    let chat = desk.chat(&app, &wanted.session_id).await?;
    let agent = desk.principal().person.clone();
    let chat = chat.change(&app, RoomCommand::Assign { agent }).await?;
    Ok(Json(Moved {
        message: "Session accepted successfully",
        handoff_session: shown(&chat)?,
    }))
}

/// Is done with a chat.
#[utoipa::path(
    post,
    path = "/api/agent-dashboard/complete-session",
    tag = "handoff",
    operation_id = "handoff_complete",
    security(("bearer" = [])),
    request_body = ChatRef,
    responses(
        (status = 200, description = "the bot has it again", body = Moved),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not theirs", body = ErrorBody),
        (status = 404, description = "no such chat", body = ErrorBody),
        (status = 409, description = "it is over already", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn complete(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    JsonBody(wanted): JsonBody<ChatRef>,
) -> Result<Json<Moved>, ApiError> {
    let desk = own_desk(&app, who, wanted.company_id.as_deref()).await?;
    let chat = desk.chat(&app, &wanted.session_id).await?;
    resolved(&app, chat, wanted.notes).await
}

/// The desk of somebody who belongs to a company.
async fn own_desk(
    app: &Arc<App>,
    who: LoggedIn,
    named: Option<&str>,
) -> Result<DeskScope, ApiError> {
    match who.account().role {
        Role::Agent | Role::Admin => DeskScope::resolve(app, who, named).await,
        _ => Err(Rejection::new(ErrorCode::Forbidden).into()),
    }
}
