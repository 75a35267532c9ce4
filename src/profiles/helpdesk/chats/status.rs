//! A visitor's own chat: where it stands, what was said, the form filled in at once.
//!
//! Never: shows one visitor another's.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use frontdesk_actors::MessagesFrom;
use frontdesk_actors::form::FormSpec;
use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::chat::FormAnswers;
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::settings::FormChoice;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{
    ChatMessage, ChatStatus, GoingOn, ProfileBody, chat_message, chat_status, going_on,
    profile_body,
};
use crate::app::App;
use crate::http::fields::{HostId, signed_id};
use crate::http::openapi::BehindToken;
use crate::http::schemas::PersonIdSchema;
use crate::http::{ApiError, ErrorBody, JsonOrForm, QueryOf};
use crate::identity::chats::{ChatScope, company_of};
use crate::identity::visitors::VisitorAsked;

/// Messages of a chat's history at most: what a page shows.
const HISTORY_COUNT_MAX: usize = 50;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(status))
        .routes(routes!(history))
        .routes(routes!(create_profile))
}

/// Which chat.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChatQuery {
    /// The widget's name for it.
    #[param(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// May be left out when the session's name begins with it.
    #[param(min_length = 1, max_length = 64)]
    company_id: Option<String>,
    /// The proof that came with the chat; a cookie holds the same.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[param(value_type = Option<PersonIdSchema>, inline)]
    user_id: Option<HostId>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
}

async fn chat_of(
    app: &Arc<App>,
    headers: &HeaderMap,
    raw: Option<&str>,
    query: &ChatQuery,
) -> Result<ChatScope, ApiError> {
    let name = query.session_id.as_deref();
    let company = match name {
        Some(_) => company_of(query.company_id.as_deref(), name)?,
        None => {
            let why = "session_id is required";
            return Err(ApiError::because(ErrorCode::BadField, why).of_field("session_id"));
        }
    };
    let asked = VisitorAsked {
        chat_id: name,
        token: query.session_token.as_deref(),
        signed: signed_id(query.user_id.as_ref(), query.user_hash.as_deref()),
        ..VisitorAsked::of(company, headers, raw)
    };
    app.visitors_chat(&asked).await
}

/// Where a visitor's chat stands.
#[utoipa::path(
    get,
    path = "/api/chatbot/session-status",
    tag = "chats",
    operation_id = "chats_status",
    params(ChatQuery),
    responses(
        (status = 200, description = "as it stands", body = ChatStatus),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        BehindToken,
    ),
)]
async fn status(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
    QueryOf(query): QueryOf<ChatQuery>,
) -> Result<Json<ChatStatus>, ApiError> {
    let chat = chat_of(&app, &headers, raw.as_deref(), &query).await?;
    let profile = chat.profile(&app).await?;
    Ok(Json(chat_status(chat.facts(), profile.as_ref())))
}

/// What was said in a chat.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    session_id: String,
    messages: Vec<ChatMessage>,
}

/// The last messages of a chat, the oldest first.
pub(super) async fn history_of(
    app: &Arc<App>,
    headers: &HeaderMap,
    chat: &ChatScope,
) -> Result<History, ApiError> {
    let newest = MessagesFrom::Newest { skip: 0 };
    let page = app.node.messages(chat.entity(), newest, HISTORY_COUNT_MAX);
    let page = page.await.map_err(|error| ApiError::fault(&error))?;
    let conversation = chat.facts().conversation;
    let shown = page.messages.iter().filter(|it| it.deleted_at.is_none());
    let found = |message: &Message| {
        let file = message.file.as_deref()?;
        let absolute = |path: &str| app.absolute(headers, path);
        Some(app.file_addresses.find_as(chat.company(), file, absolute))
    };
    let messages = shown.map(|it| chat_message(conversation, it, found(it)));
    Ok(History {
        session_id: chat.facts().chat.id.to_string(),
        messages: messages.collect(),
    })
}

/// What was said in a visitor's chat lately.
#[utoipa::path(
    get,
    path = "/api/chatbot/chat-history",
    tag = "chats",
    operation_id = "chats_history",
    params(ChatQuery),
    responses(
        (status = 200, description = "the last 50 messages, the oldest first", body = History),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        BehindToken,
    ),
)]
async fn history(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
    QueryOf(query): QueryOf<ChatQuery>,
) -> Result<Json<History>, ApiError> {
    let chat = chat_of(&app, &headers, raw.as_deref(), &query).await?;
    Ok(Json(history_of(&app, &headers, &chat).await?))
}

/// What a visitor says of themselves.
#[derive(Deserialize, ToSchema)]
struct NewProfile {
    /// The chat.
    #[schema(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// May be left out when the session's name begins with it.
    #[schema(min_length = 1, max_length = 64)]
    company_id: Option<String>,
    /// The proof that came with the chat; a cookie holds the same.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[schema(value_type = Option<PersonIdSchema>)]
    user_id: Option<HostId>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    address: Option<String>,
    /// `+977`, `NP` or the country's name.
    country_code: Option<String>,
    /// Answers to what else a form of the company's own asks, by the keys of its steps.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

impl NewProfile {
    /// The chat, and what was said.
    fn parts(self) -> (ChatQuery, FormAnswers, BTreeMap<String, Value>) {
        let query = ChatQuery {
            session_id: self.session_id,
            company_id: self.company_id,
            session_token: self.session_token,
            user_id: self.user_id,
            user_hash: self.user_hash,
        };
        let said = [
            ("name", self.name),
            ("phone", self.phone),
            ("email", self.email),
            ("address", self.address),
            ("country_code", self.country_code),
        ];
        let said = said.into_iter().filter(|(_, text)| text.is_some());
        let answers = said.map(|(key, text)| (key.to_owned(), text)).collect();
        (query, answers, self.more)
    }
}

/// The form that a company has written itself, if it has.
async fn own_form(app: &Arc<App>, chat: &ChatScope) -> Result<Option<FormSpec>, ApiError> {
    let settings = app.node.settings(chat.company()).await;
    let settings = settings.map_err(|error| ApiError::fault(&error))?;
    let form: Option<FormSpec> = match &settings.form {
        FormChoice::Own(text) => serde_json::from_str(text).ok(),
        FormChoice::Profile | FormChoice::Off => None,
    };
    Ok(form.filter(|form| form != FormSpec::profile()))
}

/// What clients of the built-in form always say.
fn check_profile(answers: &FormAnswers) -> Result<(), ApiError> {
    for key in ["name", "phone"] {
        let text = answers.get(key).cloned().flatten().unwrap_or_default();
        if text.trim().is_empty() {
            let why = format!("{key} is required");
            return Err(ApiError::because(ErrorCode::BadField, why).of_field(key));
        }
    }
    Ok(())
}

/// Answers to what only this form asks.
fn own_answers(form: &FormSpec, more: BTreeMap<String, Value>) -> Result<FormAnswers, ApiError> {
    let asked = more
        .into_iter()
        .filter(|(key, value)| form.step(key).is_some() && !value.is_null());
    let text = |(key, value): (String, Value)| match value {
        Value::String(text) => Ok((key, Some(text))),
        Value::Number(number) => Ok((key, Some(number.to_string()))),
        _ => {
            let why = format!("{key}: expected a text");
            Err(ApiError::because(ErrorCode::BadField, why))
        }
    };
    asked.map(text).collect()
}

/// Answers a chat's form all at once. A form of the company's own goes on where something is
/// missing that it must know.
#[utoipa::path(
    post,
    path = "/api/chatbot/create-profile",
    tag = "chats",
    operation_id = "chats_create_profile",
    request_body = NewProfile,
    responses(
        (status = 200, description = "kept, and the form goes on", body = GoingOn),
        (status = 201, description = "as it is kept", body = ProfileBody),
        (status = 400, description = "an answer is refused", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn create_profile(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonOrForm(new): JsonOrForm<NewProfile>,
) -> Result<Response, ApiError> {
    let (query, mut answers, more) = new.parts();
    let chat = chat_of(&app, &headers, None, &query).await?;
    match own_form(&app, &chat).await? {
        Some(form) => answers.extend(own_answers(&form, more)?),
        None => check_profile(&answers)?,
    }
    let chat = chat
        .change(&app, RoomCommand::AnswerForm { answers })
        .await?;
    if let Some(body) = going_on(&chat.facts().chat) {
        return Ok(Json(body).into_response());
    }
    let profile = chat.profile(&app).await?;
    let profile = profile.ok_or_else(|| ApiError::new(ErrorCode::Unavailable))?;
    let body = Json(profile_body(&profile));
    Ok((StatusCode::CREATED, body).into_response())
}
