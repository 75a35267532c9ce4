//! `/media/…`: the bytes of a file for whoever has a link to it.
//!
//! Invariants:
//! 1. The link is checked before anything is looked for: without a good one every file is answered
//!    alike, whether it is there or not.
//! 2. A file is of the type that its bytes showed when it came, and is shown in place only if it is
//!    a picture of pixels and the link says so; nothing else of it runs, loads or is guessed.
//! 3. Bytes are read as the client takes them.
//!
//! Never: looks a file up by its name.

mod body;
mod native;
mod range;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::{ErrorCode, Timestamp};
use frontdesk_storage::{BlobKey, BlobReader, ServedAs};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::FileBody;
use self::range::{Wanted, wanted};
use super::etag::names;
use super::openapi::Open;
use super::{ApiError, ErrorBody, Peer};
use crate::app::App;
use crate::files::downloads::Turn;
use crate::files::links::{Claim, LinkRefusal, Variant};
use crate::files::names::{Disposition, content_disposition};
use crate::files::store::{self, THUMBNAIL_MIME};
use crate::files::{nature_of, shown_as};

/// How long a link of the store itself is good, seconds: it is followed at once.
const REDIRECT_S: u64 = 60;
/// How long a client keeps a file without asking, seconds: one that is taken away goes from caches
/// too.
const KEPT_S: u64 = 300;

/// What keeps a file from being more than a file: its type is not guessed, nothing in it runs or
/// loads, its address is told to nobody. Any page may show it: widgets stand on others' pages.
const NEUTRAL: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "cross-origin",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::ACCEPT_RANGES, "bytes"),
];

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(media, media_head))
        .merge(native::routes())
}

/// What is served, as far as it is known without its bytes.
struct Served {
    key: BlobKey,
    size: u64,
    mime: Arc<str>,
    name: Arc<str>,
    tag: String,
    /// Whether the object is packed; all the rest speaks of the plain bytes.
    is_packed: bool,
    /// Whether the store may answer it itself: who followed would be given packed bytes, and a
    /// small picture is here before a client has followed.
    may_redirect: bool,
}

/// The bytes of a file, by a link that was told.
#[utoipa::path(
    get,
    path = "/media/{company_id}/{file_no}/{name}",
    tag = "files",
    params(
        ("company_id" = String, Path, description = "Whose file"),
        ("file_no" = String, Path, description = "Its number"),
        ("name" = String, Path, description = "For people; not looked at"),
        ("as" = Option<String>, Query, description = "`inline` or `attachment`, as signed"),
        ("of" = Option<String>, Query, description = "`thumbnail` for a small picture"),
        ("expires" = Option<String>, Query, description = "Seconds since 1970, or 0 for never"),
        ("key" = Option<String>, Query, description = "Which key signed"),
        ("signature" = Option<String>, Query, description = "Without a good one nothing is told"),
        ("Range" = Option<String>, Header, description = "One range; several are as none"),
    ),
    responses(
        (status = 200, description = "the file", content_type = "application/octet-stream"),
        (status = 206, description = "a part of it", content_type = "application/octet-stream"),
        (status = 304, description = "the client has it"),
        (status = 307, description = "the store answers it itself"),
        (status = 403, description = "the link is wrong or has expired", body = ErrorBody),
        (status = 404, description = "the file is gone", body = ErrorBody),
        (status = 416, description = "the file has no such bytes"),
        Open,
    ),
)]
async fn media(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    linked(&app, &Method::GET, (&uri, &headers), address).await
}

/// What is said of a file beside its bytes, by a link that was told.
#[utoipa::path(
    head,
    path = "/media/{company_id}/{file_no}/{name}",
    tag = "files",
    params(
        ("company_id" = String, Path, description = "Whose file"),
        ("file_no" = String, Path, description = "Its number"),
        ("name" = String, Path, description = "For people; not looked at"),
        ("signature" = Option<String>, Query, description = "With the rest of the link's query"),
    ),
    responses(
        (status = 200, description = "the file is there"),
        (status = 304, description = "the client has it"),
        (status = 403, description = "the link is wrong or has expired"),
        (status = 404, description = "the file is gone"),
        Open,
    ),
)]
async fn media_head(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    linked(&app, &Method::HEAD, (&uri, &headers), address).await
}

async fn linked(
    app: &Arc<App>,
    method: &Method,
    (uri, headers): (&Uri, &HeaderMap),
    address: IpAddr,
) -> Result<Response, ApiError> {
    let now = app.node.clock().now();
    let claim = claim_of(app, uri, now)?;
    let file = file_of(app, &claim).await?;
    let served = served(app, &claim, &file).await?;
    let mut answered = answer(app, &claim, &served, (method, headers), address).await?;
    let kept_s = match claim.expires_at {
        Some(end) => KEPT_S.min(end.0.saturating_sub(now.0) / 1_000),
        None => KEPT_S,
    };
    let kept = match answered.status() {
        // The store's link ends before the client would ask here again.
        StatusCode::TEMPORARY_REDIRECT => "no-store".to_owned(),
        _ => format!("private, max-age={kept_s}"),
    };
    let known = answered.headers_mut();
    known.insert(header::CACHE_CONTROL, value(&kept));
    known.insert(header::ETAG, value(&served.tag));
    for (name, text) in NEUTRAL {
        known.insert(name, HeaderValue::from_static(text));
    }
    Ok(answered)
}

/// What the link allows, before anything is looked for.
fn claim_of(app: &App, uri: &Uri, now: Timestamp) -> Result<Claim, ApiError> {
    let mut parts = uri.path().split('/').skip(2);
    let (company, no) = (parts.next().unwrap_or_default(), parts.next());
    let query = uri.query().unwrap_or_default();
    let checked = app
        .files
        .links
        .check(company, no.unwrap_or_default(), query, now);
    checked.map_err(|why| {
        let why = match why {
            LinkRefusal::Wrong => "the link is not as it was made",
            LinkRefusal::Expired => "the link has expired",
        };
        ApiError::because(ErrorCode::Forbidden, why)
    })
}

async fn file_of(app: &Arc<App>, claim: &Claim) -> Result<StoredFile, ApiError> {
    let company = app.open_company(claim.company.as_str()).await?.id;
    if claim.expires_at.is_none() && !app.settings(&company).await?.are_links_permanent {
        let why = "the link has expired: its company has no permanent links any more";
        return Err(ApiError::because(ErrorCode::Forbidden, why));
    }
    let file = app.node.file(&company, claim.no).await;
    let file = file.map_err(|error| ApiError::fault(&error))?;
    file.ok_or_else(gone)
}

fn gone() -> ApiError {
    ApiError::because(ErrorCode::NotFound, "the file is gone")
}

async fn served(app: &App, claim: &Claim, file: &StoredFile) -> Result<Served, ApiError> {
    let (company, shared) = (&claim.company, &file.shared);
    let digest: String = file
        .blake3
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if claim.variant == Variant::Original {
        return Ok(Served {
            key: store::object_key(company, &shared.upload),
            size: shared.size,
            mime: Arc::clone(&shared.mime),
            name: Arc::clone(&shared.name),
            tag: format!("\"{digest}\""),
            is_packed: file.is_packed,
            may_redirect: !file.is_packed,
        });
    }
    if !shared.has_thumbnail {
        return Err(gone());
    }
    let key = store::thumbnail_key(company, &shared.upload);
    let found = app.files.blobs.head(&key).await.map_err(away)?;
    Ok(Served {
        size: found.ok_or_else(gone)?.bytes,
        key,
        mime: THUMBNAIL_MIME.into(),
        name: Arc::clone(&shared.name),
        tag: format!("\"{digest}-small\""),
        is_packed: false,
        may_redirect: false,
    })
}

/// The store was told to log what is wrong with it.
fn away(_error: frontdesk_storage::Error) -> ApiError {
    ApiError::new(ErrorCode::Unavailable)
}

async fn answer(
    app: &Arc<App>,
    claim: &Claim,
    served: &Served,
    (method, headers): (&Method, &HeaderMap),
    address: IpAddr,
) -> Result<Response, ApiError> {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter();
    if known.any(|value| value.to_str().is_ok_and(|value| names(value, &served.tag))) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let wanted = match *method {
        Method::GET => wanted(headers, &served.tag, served.size),
        // Parts are of a body, which HEAD has none of.
        _ => Wanted::Whole,
    };
    let (status, part) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..served.size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Outside => {
            let mut refused = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            let length = value(&format!("bytes */{}", served.size));
            refused.headers_mut().insert(header::CONTENT_RANGE, length);
            return Ok(refused);
        }
    };
    if let Some(redirect) = redirect(app, claim, served, method).await? {
        return Ok(redirect);
    }
    let turn = app.files.downloads.turn(address).await?;
    let mut answered = bytes_of(app, claim, served, part.clone(), turn).await?;
    *answered.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last, size) = (part.start, part.end - 1, served.size);
        let shown = value(&format!("bytes {first}-{last}/{size}"));
        answered.headers_mut().insert(header::CONTENT_RANGE, shown);
    }
    Ok(answered)
}

/// The store's own link, where it has such and is to be asked.
async fn redirect(
    app: &App,
    claim: &Claim,
    served: &Served,
    method: &Method,
) -> Result<Option<Response>, ApiError> {
    if !app.files.redirects || !served.may_redirect || *method != Method::GET {
        return Ok(None);
    }
    let disposition = disposition(claim, served);
    let shown = ServedAs {
        content_type: &served.mime,
        disposition: &disposition,
    };
    let good_for = Duration::from_secs(REDIRECT_S);
    let signed = app.files.blobs.sign(&served.key, good_for, &shown).await;
    let Some(link) = signed.map_err(away)? else {
        return Ok(None);
    };
    let mut found = StatusCode::TEMPORARY_REDIRECT.into_response();
    found.headers_mut().insert(header::LOCATION, value(&link));
    Ok(Some(found))
}

/// The body with the headers that describe it.
async fn bytes_of(
    app: &App,
    claim: &Claim,
    served: &Served,
    part: Range<u64>,
    turn: Turn,
) -> Result<Response, ApiError> {
    let (blobs, key) = (Arc::clone(&app.files.blobs), served.key.clone());
    let length = part.end - part.start;
    let mut reader = match served.is_packed {
        true => BlobReader::of_packed(blobs, key, served.size, part),
        false => BlobReader::new(blobs, key, part),
    };
    // Before the head is answered: what is not there is told, not broken off.
    let first = reader.next().await.map_err(away)?;
    let disposition = disposition(claim, served);
    let mut answered = Response::new(Body::new(FileBody::new(first, reader, turn)));
    let headers = answered.headers_mut();
    headers.insert(header::CONTENT_TYPE, value(&served.mime));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_DISPOSITION, value(&disposition));
    Ok(answered)
}

fn disposition(claim: &Claim, served: &Served) -> String {
    // A link to keep a file never shows it.
    let shown = match claim.disposition {
        Disposition::Inline => shown_as(&served.mime, nature_of(&served.mime)),
        Disposition::Attachment => Disposition::Attachment,
    };
    content_disposition(shown, &served.name)
}

/// A header's value; what could not be one is left out rather than sent.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
