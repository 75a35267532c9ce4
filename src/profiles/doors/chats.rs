//! Files for visitors' chats: one address for `widget`, which sends at once, and for `crm`, which
//! keeps a file until it is attached; those of `helpdesk`, for visitors and for agents; what was
//! sent in a chat.
//!
//! Invariants: a chat is found by its proofs as on every other route of it; `uploader` says at most
//! which of two proofs is meant.
//! Never: shows a file of another chat.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use frontdesk_actors::clock::fresh_cid;
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::{ErrorCode, MessageNo, Seq};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arriving, Refused, count, send};
use crate::app::App;
use crate::http::multipart::Form;
use crate::http::openapi::BehindToken;
use crate::http::{ApiError, Authenticated, ErrorBody, PathOf, QueryOf};
use crate::identity::chats::{ChatScope, DeskScope, MaybeLoggedIn, company_of};
use crate::identity::scope::LoggedIn;
use crate::identity::visitors::{SignedId, VisitorAsked};
use crate::profiles::files::{CHAT_FILE_COUNT_MAX, ChatFile, Found};
use crate::uploads::Door;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(upload))
        .routes(routes!(keep))
        .routes(routes!(agent_upload))
        .routes(routes!(list))
        .routes(routes!(list_of))
}

/// Which chat, and with which proof; in a form's fields, or in the query.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Names {
    /// The widget's name for it.
    #[param(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// May be left out when the session's name begins with it, or the caller has a company.
    #[param(min_length = 1, max_length = 64)]
    company_id: Option<String>,
    /// The proof that came with the chat; a cookie holds the same.
    session_token: Option<String>,
    /// Who the company's own application says it is.
    #[param(max_length = 128)]
    user_id: Option<String>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    user_hash: Option<String>,
    /// `agent` where an agent's cookie is meant and not a visitor's.
    uploader: Option<String>,
}

impl Names {
    /// With what a form has said so far.
    fn with(&self, form: &Form) -> Self {
        let pick = |name: &str, own: &Option<String>| {
            let said = form.field(name).map(str::to_owned);
            said.or_else(|| own.clone()).filter(|text| !text.is_empty())
        };
        Self {
            session_id: pick("session_id", &self.session_id),
            company_id: pick("company_id", &self.company_id),
            session_token: pick("session_token", &self.session_token),
            user_id: pick("user_id", &self.user_id),
            user_hash: pick("user_hash", &self.user_hash),
            uploader: pick("uploader", &self.uploader),
        }
    }
}

/// The chat that is named, for its visitor or for somebody of the company.
async fn chat_of(app: &Arc<App>, parts: &mut Parts, names: &Names) -> Result<ChatScope, ApiError> {
    let Some(session) = names.session_id.as_deref() else {
        let why = "session_id is required";
        return Err(ApiError::because(ErrorCode::BadField, why).of_field("session_id"));
    };
    let company = names.company_id.as_deref();
    let is_visitors = names.session_token.is_some() || names.user_hash.is_some();
    let staff = match names.uploader.as_deref() {
        _ if is_visitors => None,
        // A cookie of somebody who is logged in counts where they say that it is them.
        Some("agent") => LoggedIn::from_request_parts(parts, app).await.ok(),
        _ => MaybeLoggedIn::from_request_parts(parts, app).await?.0,
    };
    if let Some(who) = staff {
        let desk = DeskScope::resolve(app, who, company).await?;
        return desk.chat(app, session).await;
    }
    let asked = VisitorAsked {
        chat_id: Some(session),
        token: names.session_token.as_deref(),
        signed: SignedId {
            user_id: names.user_id.as_deref(),
            user_hash: names.user_hash.as_deref(),
        },
        ..VisitorAsked::of(
            company_of(company, Some(session))?,
            &parts.headers,
            parts.uri.query(),
        )
    };
    app.visitors_chat(&asked).await
}

/// A file for a chat.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document; the form is read as it comes")]
struct ChatFileForm {
    #[schema(value_type = String, format = Binary)]
    file: (),
    /// The chat; without one the file is kept until it is attached.
    #[schema(max_length = 100)]
    session_id: Option<String>,
    #[schema(max_length = 64)]
    company_id: Option<String>,
    /// The proof that came with the chat; a cookie holds the same.
    session_token: Option<String>,
    /// `user` or `agent`: nobody becomes one by it.
    uploader: Option<String>,
    /// What is said with it.
    #[schema(max_length = 10_000)]
    message: Option<String>,
}

/// A file that was taken in.
#[derive(Serialize, ToSchema)]
struct Uploaded {
    #[serde(flatten)]
    file: ChatFile,
    /// The number that it is attached by.
    file_id: u64,
    /// The same.
    attachment_id: u64,
    /// The message that it was sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// A file that is kept until it is attached.
#[derive(Serialize, ToSchema)]
struct Staged {
    /// What it is attached by.
    attachment_id: String,
    id: u64,
    url: String,
    file_url: String,
    name: String,
    original_name: String,
    file_name: String,
    size: u64,
    file_size: u64,
    mime_type: String,
}

impl From<Found> for Staged {
    fn from(found: Found) -> Self {
        Self {
            attachment_id: found.no.to_string(),
            id: found.no,
            url: found.url.clone(),
            file_url: found.url,
            original_name: found.name.clone(),
            file_name: found.name.clone(),
            name: found.name,
            size: found.size,
            file_size: found.size,
            mime_type: found.mime,
        }
    }
}

fn find(app: &App, parts: &Parts, of: &ChatScope, file: &StoredFile) -> Found {
    let absolute = |path: &str| app.absolute(&parts.headers, path);
    let addresses = &app.file_addresses;
    addresses.find_as(of.company(), &file.shared, absolute)
}

fn uploaded((chat, file): (&ChatScope, &StoredFile), found: Found, seq: Option<Seq>) -> Uploaded {
    let facts = chat.facts();
    let session = facts.chat.id.as_str();
    let number = |seq| MessageNo::new(facts.conversation, seq).map(|number| number.0);
    Uploaded {
        file_id: found.no,
        attachment_id: found.no,
        message_id: seq.and_then(number),
        message: None,
        file: ChatFile::kept(found, chat.company(), session, file),
    }
}

/// The file of a form for a chat, and the chat: that is looked for before the file is taken, unless
/// it is named behind it.
async fn arrive(
    app: &Arc<App>,
    parts: &mut Parts,
    form: &mut Form,
    query: &Names,
) -> Result<(Arriving, Option<ChatScope>), ApiError> {
    let part = form.file().await?;
    let names = query.with(form);
    if names.session_id.is_some() {
        let chat = chat_of(app, parts, &names).await?;
        return Ok((Arriving::straight(part), Some(chat)));
    }
    let spilled = Arriving::spilled(app, part, form).await?;
    let names = query.with(form);
    let chat = match names.session_id {
        Some(_) => Some(chat_of(app, parts, &names).await?),
        None => None,
    };
    Ok((spilled, chat))
}

/// Sends a file in a visitor's chat; without a chat, keeps it until it is attached.
#[utoipa::path(
    post,
    path = "/api/chat/upload",
    tag = "conversations",
    operation_id = "chats_upload",
    security((), ("bearer" = [])),
    params(Names),
    request_body(content = ChatFileForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "kept until it is attached", body = Staged),
        (status = 201, description = "sent", body = Uploaded),
        (status = 400, description = "the form or the file does not fit", body = ErrorBody),
        (status = 403, description = "not allowed", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        (status = 409, description = "the chat is full", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn upload(
    State(app): State<Arc<App>>,
    QueryOf(query): QueryOf<Names>,
    mut parts: Parts,
    body: Body,
) -> Result<Response, Refused> {
    let mut form = Form::new(&parts.headers, body)?;
    let (arriving, chat) = arrive(&app, &mut parts, &mut form, &query).await?;
    let Some(chat) = chat else {
        let Authenticated(known) = Authenticated::from_request_parts(&mut parts, &app).await?;
        let who = &known.principal;
        count(&app, who, Door::Crm)?;
        let file = arriving.stage(&app, who, Door::Crm, &mut form).await?;
        let absolute = |path: &str| app.absolute(&parts.headers, path);
        let addresses = &app.file_addresses;
        let found = addresses.find_as(&who.company, &file.shared, absolute);
        return Ok(Json(Staged::from(found)).into_response());
    };
    let who = chat.principal();
    count(&app, who, Door::Widget)?;
    let file = arriving.stage(&app, who, Door::Widget, &mut form).await?;
    let text = form.field("message").unwrap_or_default().to_owned();
    let seq = send(&app, (chat.entity(), who), (text, &file), fresh_cid()).await?;
    let found = find(&app, &parts, &chat, &file);
    let body = uploaded((&chat, &file), found, Some(seq));
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Keeps a file of a visitor until it is attached to what they say.
#[utoipa::path(
    post,
    path = "/api/chatbot/upload",
    tag = "chats",
    operation_id = "chats_keep",
    security((), ("bearer" = [])),
    params(Names),
    request_body(content = ChatFileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "kept until it is attached", body = Uploaded),
        (status = 400, description = "the form or the file does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn keep(
    State(app): State<Arc<App>>,
    QueryOf(query): QueryOf<Names>,
    mut parts: Parts,
    body: Body,
) -> Result<Response, Refused> {
    let mut form = Form::new(&parts.headers, body)?;
    let (arriving, chat) = arrive(&app, &mut parts, &mut form, &query).await?;
    let chat = chat.ok_or_else(no_session)?;
    let who = chat.principal();
    count(&app, who, Door::Helpdesk)?;
    let file = arriving.stage(&app, who, Door::Helpdesk, &mut form).await?;
    let found = find(&app, &parts, &chat, &file);
    let (category, path) = (found.category(), found.path.clone());
    let mut body = uploaded((&chat, &file), found, None);
    body.message = Some("File uploaded successfully");
    body.file = body.file.of_helpdesk(category, path);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

fn no_session() -> ApiError {
    let why = "session_id is required";
    ApiError::because(ErrorCode::BadField, why).of_field("session_id")
}

/// Sends a file to a visitor whose chat the caller has.
#[utoipa::path(
    post,
    path = "/api/human-handoff/agent/upload",
    tag = "handoff",
    operation_id = "handoff_upload",
    security(("bearer" = [])),
    params(Names),
    request_body(content = ChatFileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "sent", body = Uploaded),
        (status = 400, description = "the form or the file does not fit", body = ErrorBody),
        (status = 403, description = "another has the chat", body = ErrorBody),
        (status = 404, description = "no such chat", body = ErrorBody),
        (status = 409, description = "the chat is full", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn agent_upload(
    State(app): State<Arc<App>>,
    staff: LoggedIn,
    QueryOf(query): QueryOf<Names>,
    parts: Parts,
    body: Body,
) -> Result<Response, Refused> {
    // Whatever else came with the request, it is the account's.
    let query = Names {
        session_id: query.session_id,
        company_id: query.company_id,
        ..Names::default()
    };
    let mut form = Form::new(&parts.headers, body)?;
    let part = form.file().await?;
    let early = query.with(&form).session_id;
    let (arriving, names) = match early {
        Some(_) => (Arriving::straight(part), query.with(&form)),
        None => {
            let spilled = Arriving::spilled(&app, part, &mut form).await?;
            (spilled, query.with(&form))
        }
    };
    let session = names.session_id.as_deref().ok_or_else(no_session)?;
    let desk = DeskScope::resolve(&app, staff, names.company_id.as_deref()).await?;
    let chat = desk.chat(&app, session).await?;
    let who = chat.principal();
    count(&app, who, Door::Helpdesk)?;
    let file = arriving.stage(&app, who, Door::Helpdesk, &mut form).await?;
    let text = form.field("message").unwrap_or_default().to_owned();
    let seq = send(&app, (chat.entity(), who), (text, &file), fresh_cid()).await?;
    let found = find(&app, &parts, &chat, &file);
    let (category, path) = (found.category(), found.path.clone());
    let mut body = uploaded((&chat, &file), found, Some(seq));
    body.message = Some("File uploaded successfully");
    body.file = body.file.of_helpdesk(category, path);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// What was sent in a chat.
#[derive(Serialize, ToSchema)]
struct ChatFiles {
    session_id: String,
    company_id: String,
    /// The oldest first.
    files: Vec<ChatFile>,
    count: usize,
}

/// The last files of a visitor's chat; those that were taken back are not among them.
#[utoipa::path(
    get,
    path = "/api/chat/files",
    tag = "chats",
    operation_id = "chats_files",
    security((), ("bearer" = [])),
    params(Names),
    responses(
        (status = 200, description = "at most 200", body = ChatFiles),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    QueryOf(query): QueryOf<Names>,
    mut parts: Parts,
) -> Result<Json<ChatFiles>, ApiError> {
    files(&app, &mut parts, &query).await
}

/// The same by the chat's name in the path.
#[utoipa::path(
    get,
    path = "/api/chat/files/{session_id}",
    tag = "chats",
    operation_id = "chats_files_of",
    security((), ("bearer" = [])),
    params(("session_id" = String, Path, min_length = 1, max_length = 100), Names),
    responses(
        (status = 200, description = "at most 200", body = ChatFiles),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "a page that may not ask", body = ErrorBody),
        (status = 404, description = "no such chat, or not theirs", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list_of(
    State(app): State<Arc<App>>,
    PathOf(session): PathOf<String>,
    QueryOf(query): QueryOf<Names>,
    mut parts: Parts,
) -> Result<Json<ChatFiles>, ApiError> {
    let names = Names {
        session_id: Some(session),
        ..query
    };
    files(&app, &mut parts, &names).await
}

async fn files(
    app: &Arc<App>,
    parts: &mut Parts,
    names: &Names,
) -> Result<Json<ChatFiles>, ApiError> {
    let chat = chat_of(app, parts, names).await?;
    let room = &chat.facts().room;
    let count = CHAT_FILE_COUNT_MAX;
    let kept = app.node.files_of_room(chat.company(), room, count).await;
    let mut kept = kept.map_err(|error| ApiError::fault(&error))?;
    kept.reverse();
    let session = chat.facts().chat.id.as_str();
    let shown = |file: &StoredFile| {
        let found = find(app, parts, &chat, file);
        ChatFile::kept(found, chat.company(), session, file)
    };
    Ok(Json(ChatFiles {
        session_id: session.to_owned(),
        company_id: chat.company().to_string(),
        count: kept.len(),
        files: kept.iter().map(shown).collect(),
    }))
}
