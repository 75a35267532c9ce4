//! Files for visitors' chats: one address for `widget`, which sends at once, and for `crm`, which
//! keeps a file until it is attached; those of `helpdesk`, for visitors and for agents; what was
//! sent in a chat.
//!
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
use frontdesk_protocol::{ErrorCode, MessageNo, Seq, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::early::{Doors, Early};
use super::named::{Names, arrive, chat_of};
use super::{Arriving, Refused, count, send};
use crate::app::App;
use crate::http::multipart::Form;
use crate::http::openapi::BehindToken;
use crate::http::{ApiError, Authenticated, ErrorBody, PathOf, QueryOf};
use crate::identity::chats::{ChatScope, DeskScope};
use crate::identity::scope::LoggedIn;
use crate::profiles::files::{CHAT_FILE_COUNT_MAX, ChatFile, Found};
use crate::profiles::frame::utc;
use crate::uploads::Door;

/// All of helpdesk's forms are alike.
const HELPDESK: Doors = Doors {
    people: Door::Helpdesk,
    visitors: Door::Helpdesk,
};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(upload))
        .routes(routes!(keep))
        .routes(routes!(agent_upload))
        .routes(routes!(list))
        .routes(routes!(list_of))
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
    filename: String,
    file_name: String,
    size: u64,
    file_size: u64,
    mime_type: String,
    /// The same as `mime_type`.
    file_type: String,
    /// Where a small picture of it is.
    thumbnail: Option<String>,
    created_at: String,
}

impl Staged {
    fn new(found: Found, at: Timestamp) -> Self {
        Self {
            attachment_id: found.no.to_string(),
            id: found.no,
            url: found.url.clone(),
            file_url: found.url,
            original_name: found.name.clone(),
            filename: found.name.clone(),
            file_name: found.name.clone(),
            name: found.name,
            size: found.size,
            file_size: found.size,
            file_type: found.mime.clone(),
            mime_type: found.mime,
            thumbnail: found.thumbnail,
            created_at: utc(at),
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
    let doors = Doors {
        people: Door::Crm,
        visitors: Door::Widget,
    };
    let arrived = arrive(&app, &mut parts, &mut form, (&query, doors)).await?;
    let Some(chat) = &arrived.chat else {
        let Authenticated(known) = Authenticated::from_request_parts(&mut parts, &app).await?;
        let who = &known.principal;
        arrived.count(&app, who, Door::Crm)?;
        let file = arrived
            .arriving
            .stage(&app, who, Door::Crm, &mut form)
            .await?;
        let absolute = |path: &str| app.absolute(&parts.headers, path);
        let addresses = &app.file_addresses;
        let found = addresses.find_as(&who.company, &file.shared, absolute);
        return Ok(Json(Staged::new(found, file.at)).into_response());
    };
    let (chat, who) = (chat.clone(), Arc::clone(chat.principal()));
    arrived.count(&app, &who, Door::Widget)?;
    let staging = arrived.arriving.stage(&app, &who, Door::Widget, &mut form);
    let file = staging.await?;
    let text = form.field("message").unwrap_or_default().to_owned();
    let seq = send(&app, (chat.entity(), &who), (text, &file), fresh_cid()).await?;
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
    let arrived = arrive(&app, &mut parts, &mut form, (&query, HELPDESK)).await?;
    let chat = arrived.chat.clone().ok_or_else(no_session)?;
    let who = chat.principal();
    arrived.count(&app, who, Door::Helpdesk)?;
    let staging = arrived.arriving.stage(&app, who, Door::Helpdesk, &mut form);
    let file = staging.await?;
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
    let names = query.with(&form);
    count(&app, staff.principal(), Door::Helpdesk)?;
    // Who runs the installation is of no company, and names one too.
    let is_named = names.company_id.is_some() || !staff.company().is_installation();
    let (arriving, names) = match names.session_id.is_some() && is_named {
        true => (Arriving::straight(part), names),
        false => {
            let company = names.company_id.as_deref();
            let counted = (staff.principal(), Door::Helpdesk);
            let early = Early::of_counted(&app, counted, company).await?;
            let spilled = Arriving::spilled(&app, part, &mut form, &early).await?;
            (spilled, query.with(&form))
        }
    };
    let session = names.session_id.as_deref().ok_or_else(no_session)?;
    let desk = DeskScope::resolve(&app, staff, names.company_id.as_deref()).await?;
    let chat = desk.chat(&app, session).await?;
    let who = chat.principal();
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
