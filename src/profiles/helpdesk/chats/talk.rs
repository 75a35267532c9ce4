//! Talking to a company's bot, one request a message: the first opens a chat.
//!
//! Whichever way a message came, the room owes it one answer: the form's next question, the bot's
//! words, or nothing while a person has the chat. The answer to the request is that one.
//!
//! Never: asks a bot or a form by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use frontdesk_actors::Answer;
use frontdesk_actors::clock::fresh_cid;
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::visible::has_visible;
use frontdesk_protocol::{ErrorCode, FileNo, Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::number;
use crate::app::App;
use crate::http::fields::{HostId, signed_id};
use crate::http::openapi::BehindToken;
use crate::http::rooms::Naming;
use crate::http::schemas::PersonIdSchema;
use crate::http::{ApiError, ErrorBody, JsonOrForm, Peer};
use crate::identity::chats::{ChatScope, company_of};
use crate::identity::visitors::VisitorAsked;
use crate::identity::visits::language;
use crate::profiles::files::Attachment;
use crate::profiles::frame::utc;
use crate::profiles::rest::answer_to;
use crate::profiles::wire::FileRef;

/// A message, characters: what these clients' own server takes.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// What a page says of itself, characters.
const CONTEXT_CHARS_MAX: usize = 500;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default().routes(routes!(talk, about))
}

/// What a visitor says.
#[derive(Deserialize, ToSchema)]
pub(super) struct Said {
    /// The text.
    #[schema(max_length = 2_000)]
    message: Option<String>,
    /// The chat; a new one if it is absent.
    #[schema(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// What the page is about; kept by nobody.
    #[schema(max_length = 500)]
    context: Option<String>,
    /// Whose bot it is; may be left out when the session's name begins with it.
    #[schema(min_length = 1, max_length = 64)]
    company_id: Option<String>,
    /// Files that were sent before.
    #[serde(default)]
    #[schema(value_type = Vec<u64>, max_items = 10)]
    attachment_ids: Vec<FileRef>,
    /// The proof that came with the chat; a cookie holds the same.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[schema(value_type = Option<PersonIdSchema>)]
    user_id: Option<HostId>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
}

/// What is answered.
#[derive(Serialize, ToSchema)]
struct Responded {
    response: String,
    /// What a visitor may say next.
    suggestions: Vec<String>,
    /// `profile_collection`, `profile_complete`, `bot_response` or `human_handling`.
    #[serde(rename = "type")]
    kind: &'static str,
    session_id: String,
    /// Proves that the chat is the visitor's; not for one whose id alone was enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
    company_id: String,
    escalated: bool,
    /// The files that were sent with it.
    attachments: Vec<Attachment>,
    user_message: SaidMessage,
    /// The visitor's id, the same in every chat of theirs.
    persistent_user_id: String,
    /// The step of the form that is awaited.
    #[serde(skip_serializing_if = "Option::is_none")]
    collecting: Option<String>,
    /// What was answered so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    temp_data: Option<Value>,
}

/// What the visitor said, as it was kept.
#[derive(Serialize, ToSchema)]
struct SaidMessage {
    id: u64,
    content: String,
    timestamp: String,
}

/// How to talk.
#[derive(Serialize, ToSchema)]
struct About {
    message: &'static str,
    fields: [&'static str; 6],
}

/// Says how to talk.
#[utoipa::path(
    get,
    path = "/api/chatbot/chat",
    tag = "chats",
    operation_id = "chats_about",
    responses((status = 200, description = "how to talk", body = About)),
)]
async fn about() -> Json<About> {
    Json(About {
        message: "POST a message to talk to the company's assistant.",
        fields: [
            "message",
            "session_id",
            "company_id",
            "context",
            "attachment_ids",
            "session_token",
        ],
    })
}

/// Says something in a chat, or in a new one, and has the answer.
#[utoipa::path(
    post,
    path = "/api/chatbot/chat",
    tag = "chats",
    operation_id = "chats_talk",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body = Said,
    responses(
        (status = 200, description = "the answer", body = Responded),
        (status = 400, description = "the body or a header does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such company, or not their chat", body = ErrorBody),
        (status = 409, description = "the chat is full, or the key was used", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn talk(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    headers: HeaderMap,
    JsonOrForm(said): JsonOrForm<Said>,
) -> Result<Response, ApiError> {
    let text = checked(&said)?;
    let company = company_of(said.company_id.as_deref(), said.session_id.as_deref())?;
    let asked = VisitorAsked {
        chat_id: said.session_id.as_deref(),
        token: said.session_token.as_deref(),
        signed: signed_id(said.user_id.as_ref(), said.user_hash.as_deref()),
        ..VisitorAsked::of(company, &headers, None)
    };
    let entered = app.enter_chat(&asked, language(&headers), address).await?;
    let (mut chat, keepsake) = entered;
    let naming = Naming::of(chat.principal(), &headers)?;
    let files: Vec<FileNo> = said.attachment_ids.iter().map(|file| file.0).collect();
    let post = RoomCommand::PostMessage {
        text: text.clone(),
        rich: None,
        reply_to: None,
        files: files.clone(),
    };
    let posted = chat.ask(&app, post, naming.cid).await;
    let Answer::Posted { seq, at, .. } = posted.map_err(of_files)? else {
        return Err(ApiError::new(ErrorCode::Internal));
    };
    let attachments = attached(&app, &headers, &chat, &files).await?;
    chat.look_again(&app).await?;
    let shown = answered(&app, &mut chat, seq).await?;
    let body = Responded {
        session_token: keepsake.token,
        attachments,
        user_message: kept(&chat, seq, at, text),
        ..shown
    };
    let cookie = keepsake.cookie.map(|cookie| (header::SET_COOKIE, cookie));
    Ok((AppendHeaders(cookie), Json(body)).into_response())
}

/// What is wrong with files is said of their field, with the status that these clients know.
fn of_files(error: ApiError) -> ApiError {
    match error.code() {
        ErrorCode::NotFound => {
            let why = error.to_string();
            ApiError::because(ErrorCode::BadField, why).of_field("attachment_ids")
        }
        _ => error,
    }
}

/// The files that were sent.
async fn attached(
    app: &Arc<App>,
    headers: &HeaderMap,
    chat: &ChatScope,
    files: &[FileNo],
) -> Result<Vec<Attachment>, ApiError> {
    let absolute = |path: &str| app.absolute(headers, path);
    let addresses = &app.file_addresses;
    let mut attached = Vec::with_capacity(files.len());
    for no in files {
        let file = app.node.file(chat.company(), *no).await;
        let file = file.map_err(|error| ApiError::fault(&error))?;
        let found = |file: StoredFile| addresses.find_as(chat.company(), &file.shared, absolute);
        attached.extend(file.map(found).map(Attachment::from));
    }
    Ok(attached)
}

fn kept(chat: &ChatScope, seq: Seq, at: Timestamp, content: String) -> SaidMessage {
    SaidMessage {
        id: number(chat.facts().conversation, seq),
        content,
        timestamp: utc(at),
    }
}

/// What came of a message.
async fn answered(
    app: &Arc<App>,
    chat: &mut ChatScope,
    question: Seq,
) -> Result<Responded, ApiError> {
    if !chat.facts().chat.stage.is_open() {
        chat.ask(app, RoomCommand::AwaitAnswer, fresh_cid()).await?;
        chat.look_again(app).await?;
    }
    let answer = answer_to(app, chat.entity(), question).await?;
    let form = answer.as_ref().and_then(form_of);
    let facts = chat.facts();
    let is_open = facts.chat.stage.is_open();
    let kind = match &form {
        Some((collecting, _)) if collecting == frontdesk_actors::form::COMPLETE => {
            "profile_complete"
        }
        Some(_) => "profile_collection",
        None if is_open => "human_handling",
        None => "bot_response",
    };
    let response = match &answer {
        Some(message) => message.text.to_string(),
        None if is_open => {
            "Your message was passed on to our team. Somebody will answer here.".to_owned()
        }
        None => String::new(),
    };
    let answers = facts.chat.form.as_ref().map(|form| &form.answers);
    let temp_data = form
        .is_some()
        .then(|| serde_json::to_value(answers).unwrap_or_default());
    let (collecting, suggestions) = form.unzip();
    Ok(Responded {
        response,
        suggestions: suggestions.unwrap_or_default(),
        kind,
        session_id: facts.chat.id.to_string(),
        session_token: None,
        company_id: chat.company().to_string(),
        escalated: is_open,
        attachments: Vec::new(),
        user_message: kept(chat, question, Timestamp(0), String::new()),
        persistent_user_id: facts.chat.visitor.to_string(),
        collecting,
        temp_data,
    })
}

/// The step that a message of the form waits for, and what may be said.
fn form_of(message: &Message) -> Option<(String, Vec<String>)> {
    let rich: Value = serde_json::from_str(message.rich.as_deref()?).ok()?;
    let form = rich.get("form")?;
    let collecting = form.get("collecting")?.as_str()?.to_owned();
    let suggestions = form.get("suggestions")?.as_array()?.iter();
    let texts = suggestions.filter_map(|text| text.as_str().map(str::to_owned));
    Some((collecting, texts.collect()))
}

fn checked(said: &Said) -> Result<String, ApiError> {
    let refuse = |field, code, why: String| Err(ApiError::because(code, why).of_field(field));
    let context_chars = said.context.as_deref().map_or(0, |it| it.chars().count());
    if context_chars > CONTEXT_CHARS_MAX {
        let why = format!("Ensure this field has no more than {CONTEXT_CHARS_MAX} characters.");
        return refuse("context", ErrorCode::TextTooLong, why);
    }
    let text = said.message.as_deref().unwrap_or_default();
    if !has_visible(text) && said.attachment_ids.is_empty() {
        let why = "Either message or attachments must be provided.".to_owned();
        return refuse("message", ErrorCode::TextEmpty, why);
    }
    if text.chars().count() > MESSAGE_CHARS_MAX {
        let why = format!("Ensure this field has no more than {MESSAGE_CHARS_MAX} characters.");
        return refuse("message", ErrorCode::TextTooLong, why);
    }
    Ok(text.to_owned())
}
