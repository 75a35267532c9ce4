//! Files for a conversation: `…/send-file/` of `inbox`, `…/upload_file/` of `direct`.
//!
//! Never: takes a file of somebody who is not in the conversation.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Arriving, Refused, count, send};
use crate::app::{App, Known};
use crate::http::multipart::Form;
use crate::http::openapi::BehindToken;
use crate::http::rooms::Naming;
use crate::http::schemas::ConversationIdSchema;
use crate::http::{Authenticated, ErrorBody, PathOf};
use crate::profiles::rest::place::enter_path;
use crate::profiles::rest::shape::{MessageBody, Style};
use crate::uploads::Door;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(send_file))
        .routes(routes!(upload_file))
}

/// A file and what is said with it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the document; the form is read as it comes")]
struct FileForm {
    #[schema(value_type = String, format = Binary)]
    file: (),
    /// What is said with it.
    #[schema(max_length = 10_000)]
    caption: Option<String>,
    /// The same.
    #[schema(max_length = 10_000)]
    content: Option<String>,
}

/// Sends a file.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}/send-file",
    tag = "conversations",
    operation_id = "messages_send_file",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "the conversation's number"),
           ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "sent", body = MessageBody),
        (status = 400, description = "the form or the file does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        (status = 409, description = "it is full, or the key was used", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn send_file(
    State(app): State<Arc<App>>,
    Authenticated(known): Authenticated,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let style = Style::from(app.profiles.rest);
    into_room(&app, &known, (Door::Inbox, style), &id, (&headers, body)).await
}

/// Sends a file, which is a file to these clients although it is a picture.
#[utoipa::path(
    post,
    path = "/api/chat/conversations/{id}/upload_file",
    tag = "conversations",
    operation_id = "messages_upload_file",
    security(("bearer" = [])),
    params(("id" = inline(ConversationIdSchema), Path, description = "the conversation's number"),
           ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "sent", body = MessageBody),
        (status = 400, description = "the form or the file does not fit", body = ErrorBody),
        (status = 403, description = "not one of the caller's", body = ErrorBody),
        (status = 404, description = "no such conversation", body = ErrorBody),
        (status = 409, description = "it is full, or the key was used", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn upload_file(
    State(app): State<Arc<App>>,
    Authenticated(known): Authenticated,
    PathOf(id): PathOf<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let to = (Door::Direct, Style::Direct);
    into_room(&app, &known, to, &id, (&headers, body)).await
}

async fn into_room(
    app: &Arc<App>,
    known: &Known,
    (door, style): (Door, Style),
    id: &str,
    (headers, body): (&HeaderMap, Body),
) -> Result<Response, Refused> {
    let who = &known.principal;
    let naming = Naming::of(who, headers)?;
    let place = enter_path(app, who, id).await?;
    count(app, who, door)?;
    let mut form = Form::new(headers, body)?;
    let part = form.file().await?;
    let file = Arriving::straight(part)
        .stage(app, who, door, &mut form)
        .await?;
    let said = ["caption", "content", "message"];
    let text = said.iter().find_map(|name| form.field(name));
    let said = (text.unwrap_or_default().to_owned(), &file);
    let seq = send(app, (&place.entity, who), said, naming.cid).await?;
    let shown = place.show_message(app, who, (style, headers), seq).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}
