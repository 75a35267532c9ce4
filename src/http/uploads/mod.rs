//! `/v1/uploads`: resumable uploads over HTTP, as tus 1.0 with its extensions but
//! `concatenation-unfinished`, and as the resumable-upload draft of the IETF where a client creates
//! with care.
//!
//! Owns: the routes, and the words of both protocols; `headers` reads their fields, `answers`
//! writes them, `create` and `append` are what they ask for, `draft` the other dialect.
//!
//! Invariants: whatever is refused is said in JSON with tus' own status; an upload of somebody else
//! is answered like one that does not exist, and never with an offset.
//! Never: holds a byte longer than it takes to pass it on.

mod answers;
mod append;
mod create;
mod draft;
mod headers;
mod holder;
mod status;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::{ErrorCode, UploadId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ErrorBody;
use super::extract::Sending;
use super::openapi::BehindToken;
use super::schemas::UploadIdSchema;
use super::{ApiError, PathOf};
use crate::app::App;
use answers::{Refusal, Tus};
use headers::{METHOD_OVERRIDE, PATH, TUS_RESUMABLE, VERSION};
use holder::Holder;
use status::UploadStatus;
pub(crate) use status::state as upload_state;

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(create_upload))
        .routes(routes!(
            find_offset,
            append_bytes,
            cancel_upload,
            override_method
        ))
        .routes(routes!(status::show))
}

/// Whether a body may be larger than others: what comes here is never gathered.
pub(crate) fn takes_files(path: &str) -> bool {
    path == PATH
        || path
            .strip_prefix(PATH)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Answers what a server can do. Not a route: browsers ask the same address with the same method
/// before they send, and mean something else, which they say in a header.
pub(crate) async fn answer_options(
    State(size_max): State<u64>,
    request: Request,
    next: Next,
) -> Response {
    let is_preflight = request
        .headers()
        .contains_key("access-control-request-method");
    let is_asked = request.method() == Method::OPTIONS && takes_files(request.uri().path());
    match is_asked && !is_preflight {
        true => answers::options(size_max),
        false => next.run(request).await,
    }
}

/// The request with the method that its header names: clients whose network lets only some methods
/// through send an upload's requests by one of those, and which one counts for nothing.
pub(crate) fn of_meant_method(mut request: Request) -> Request {
    let is_of_upload = takes_files(request.uri().path()) && request.uri().path() != PATH;
    let meant = request.headers().get(METHOD_OVERRIDE);
    let meant = match meant.map(|value| value.as_bytes()) {
        Some(b"PATCH") => Method::PATCH,
        Some(b"DELETE") => Method::DELETE,
        Some(b"HEAD") => Method::HEAD,
        _ => return request,
    };
    if is_of_upload {
        *request.method_mut() = meant;
    }
    request
}

/// Whose upload it is. The version is looked at first: what follows may mean something else.
fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers::one(headers, TUS_RESUMABLE)? {
        Some(VERSION) => Ok(()),
        _ => Err(Refusal::version()),
    }
}

/// An id as the path has it, which need not even be text.
type InPath = Result<PathOf<String>, ApiError>;

fn upload_id(path: InPath) -> Result<UploadId, Refusal> {
    let unknown = || ApiError::because(ErrorCode::NotFound, "no such upload");
    let PathOf(text) = path.map_err(|_| unknown())?;
    Ok(text.parse().map_err(|_| unknown())?)
}

/// Begins an upload; with a body, takes its first bytes as well.
#[utoipa::path(
    post,
    path = "/v1/uploads",
    tag = "uploads",
    security(("bearer" = [])),
    params(
        ("Tus-Resumable" = Option<String>, Header, description = "1.0.0; not in the draft"),
        ("Upload-Length" = Option<u64>, Header, description = "Bytes; or `Upload-Defer-Length: 1`"),
        ("Upload-Metadata" = Option<String>, Header, description =
            "`filename`, `filetype`, `room` (its id or number), `caption`, each with base64"),
        ("Upload-Concat" = Option<String>, Header, description = "`partial`, or `final;` parts"),
        ("Upload-Complete" = Option<String>, Header, description =
            "In the draft: `?1` if the body is all of the file, else `?0`"),
        ("filename" = Option<String>, Query, description = "In the draft: what it is called"),
        ("room" = Option<String>, Query, description = "In the draft: a room's id or number"),
        ("caption" = Option<String>, Query, description = "In the draft: what is said with it"),
    ),
    responses(
        (status = 201, description = "begun; `Location` is where its bytes go"),
        (status = 400, description = "a header does not fit", body = ErrorBody),
        (status = 403, description = "the room is not the caller's any more", body = UploadStatus),
        (status = 404, description = "no such room, or not one of the caller's", body = ErrorBody),
        (status = 412, description = "another version of tus", body = ErrorBody),
        (status = 413, description = "the file is too large", body = ErrorBody),
        (status = 422, description = "the file is not taken", body = UploadStatus),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn create_upload(
    State(app): State<Arc<App>>,
    Sending(known): Sending,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if draft::is_spoken(&headers) {
        let created = draft::create(&app, &known, &uri, &headers, body).await;
        return draft::of(&headers, created);
    }
    let created = async {
        check_version(&headers)?;
        create::create(&app, &known, &headers, body).await
    };
    answers::of(created.await)
}

/// Says up to where an upload's bytes are kept. Whoever was sending them sends no more.
#[utoipa::path(
    head,
    path = "/v1/uploads/{upload}",
    tag = "uploads",
    security(("bearer" = [])),
    params(
        ("upload" = inline(UploadIdSchema), Path),
        ("Tus-Resumable" = Option<String>, Header, description = "1.0.0; not in the draft"),
    ),
    responses(
        (status = 200, description = "`Upload-Offset` says up to where"),
        (status = 204, description = "the same in the draft, with `Upload-Complete`"),
        (status = 404, description = "no such upload, or not one of the caller's"),
        (status = 410, description = "it ended without a file"),
        (status = 412, description = "another version of tus"),
        BehindToken,
    ),
)]
async fn find_offset(
    State(app): State<Arc<App>>,
    Holder(who): Holder,
    upload: InPath,
    headers: HeaderMap,
) -> Response {
    if draft::is_bare(&headers) {
        let asked = async {
            let upload = upload_id(upload)?;
            draft::offset(&app, &who, upload, &headers).await
        };
        return draft::of(&headers, asked.await);
    }
    answers::of(offset(&app, &who, upload, &headers).await)
}

async fn offset(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: InPath,
    headers: &HeaderMap,
) -> Result<Tus, Refusal> {
    check_version(headers)?;
    let upload = upload_id(upload)?;
    append::offset(app, who, upload).await
}

/// Adds bytes to an upload where it stands.
#[utoipa::path(
    patch,
    path = "/v1/uploads/{upload}",
    tag = "uploads",
    security(("bearer" = [])),
    params(
        ("upload" = inline(UploadIdSchema), Path),
        ("Tus-Resumable" = Option<String>, Header, description = "1.0.0; not in the draft"),
        ("Upload-Offset" = u64, Header, description = "Where the body belongs"),
        ("Upload-Complete" = Option<String>, Header, description =
            "In the draft: `?1` if nothing comes after the body, else `?0`"),
        ("Upload-Checksum" = Option<String>, Header, description =
            "`sha1`, `sha256`, `crc32c` or `blake3`, and the body's digest in base64"),
    ),
    responses(
        (status = 200, description = "the last of it, in the draft", body = UploadStatus),
        (status = 204, description = "kept; `Upload-Offset` says up to where"),
        (status = 400, description = "a header does not fit", body = ErrorBody),
        (status = 403, description = "the upload is made of parts", body = ErrorBody),
        (status = 404, description = "no such upload of the caller's", body = ErrorBody),
        (status = 409, description = "the upload stands elsewhere", body = ErrorBody),
        (status = 410, description = "it ended without a file", body = ErrorBody),
        (status = 412, description = "another version of tus", body = ErrorBody),
        (status = 413, description = "more than was announced or may come", body = ErrorBody),
        (status = 415, description = "not the protocol's type", body = ErrorBody),
        (status = 422, description = "the file is not taken", body = UploadStatus),
        (status = 423, description = "another request has taken over", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn append_bytes(
    State(app): State<Arc<App>>,
    Holder(who): Holder,
    upload: InPath,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if draft::is_spoken(&headers) {
        let appended = async {
            let upload = upload_id(upload)?;
            draft::append(&app, &who, upload, &headers, body).await
        };
        return draft::of(&headers, appended.await);
    }
    answers::of(append(&app, &who, upload, &headers, body).await)
}

async fn append(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: InPath,
    headers: &HeaderMap,
    body: Body,
) -> Result<Tus, Refusal> {
    check_version(headers)?;
    let upload = upload_id(upload)?;
    append::append(app, who, upload, headers, body).await
}

/// Ends an upload, or takes away the file that it became while that waits to be sent.
#[utoipa::path(
    delete,
    path = "/v1/uploads/{upload}",
    tag = "uploads",
    security(("bearer" = [])),
    params(
        ("upload" = inline(UploadIdSchema), Path),
        ("Tus-Resumable" = Option<String>, Header, description = "1.0.0; not in the draft"),
    ),
    responses(
        (status = 204, description = "ended, or its file is taken away"),
        (status = 404, description = "no such upload of the caller's", body = ErrorBody),
        (status = 409, description = "its file is in a room", body = ErrorBody),
        (status = 410, description = "it has ended already", body = ErrorBody),
        (status = 412, description = "another version of tus", body = ErrorBody),
        BehindToken,
    ),
)]
async fn cancel_upload(
    State(app): State<Arc<App>>,
    Holder(who): Holder,
    upload: InPath,
    headers: HeaderMap,
) -> Response {
    if draft::is_bare(&headers) {
        let cancelled = async {
            let upload = upload_id(upload)?;
            draft::cancel(&app, &who, upload, &headers).await
        };
        return draft::of(&headers, cancelled.await);
    }
    answers::of(cancel(&app, &who, upload, &headers).await)
}

async fn cancel(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: InPath,
    headers: &HeaderMap,
) -> Result<Tus, Refusal> {
    check_version(headers)?;
    cancel_found(app, who, upload_id(upload)?).await
}

/// Ends an upload, or takes back the file that it became while that waits to be sent.
async fn cancel_found(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
) -> Result<Tus, Refusal> {
    let found = app.uploads.find(who, upload).await?;
    if found.is_gone() {
        return Err(Refusal::gone());
    }
    app.uploads.cancel(who, upload).await?;
    Ok(Tus::new(StatusCode::NO_CONTENT))
}

/// The same as PATCH, DELETE or HEAD, for clients whose network lets none of them through.
#[utoipa::path(
    post,
    path = "/v1/uploads/{upload}",
    tag = "uploads",
    security(("bearer" = [])),
    params(
        ("upload" = inline(UploadIdSchema), Path),
        ("X-HTTP-Method-Override" = String, Header, description = "PATCH, DELETE or HEAD"),
        ("Tus-Resumable" = Option<String>, Header, description = "1.0.0; not in the draft"),
    ),
    responses(
        (status = 204, description = "as the method says"),
        (status = 200, description = "as the method says"),
        (status = 400, description = "a header does not fit", body = ErrorBody),
        (status = 403, description = "the upload is made of parts", body = ErrorBody),
        (status = 404, description = "no such upload of the caller's", body = ErrorBody),
        (status = 405, description = "another method, or none", body = ErrorBody),
        (status = 409, description = "the upload stands elsewhere", body = ErrorBody),
        (status = 410, description = "it ended without a file", body = ErrorBody),
        (status = 412, description = "another version of tus", body = ErrorBody),
        (status = 413, description = "more than was announced or may come", body = ErrorBody),
        (status = 415, description = "not application/offset+octet-stream", body = ErrorBody),
        (status = 423, description = "another request has taken over", body = ErrorBody),
        (status = 507, description = "no room for the file", body = ErrorBody),
        BehindToken,
    ),
)]
async fn override_method(_who: Holder) -> Response {
    // What names one of them was given that method before its route was looked for.
    answers::of(Err(ApiError::new(ErrorCode::MethodNotAllowed).into()))
}
