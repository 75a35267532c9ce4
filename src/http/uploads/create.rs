//! Beginning an upload: of bytes that come, or of parts that are there.
//!
//! Never: takes more than its own headers say.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use frontdesk_actors::clock::fresh_upload_id;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::upload::UploadWish;
use frontdesk_protocol::{ErrorCode, RoomId};
use frontdesk_storage::EntityKind;

use super::answers::{Refusal, Tus};
use super::append::take_body;
use super::headers::{
    BYTES_TYPE, Concat, Metadata, PATH, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, bad,
    body_bytes, checksum, number, one,
};
use crate::app::{App, Known};
use crate::http::ApiError;
use crate::uploads::{Checking, Door, Job, NamedBy};

/// Begins what the headers say; answers where it is.
pub(super) async fn create(
    app: &Arc<App>,
    known: &Known,
    headers: &HeaderMap,
    body: Body,
) -> Result<Tus, Refusal> {
    let who = &known.principal;
    let concat = Concat::read(headers)?;
    let size = size(headers, &concat)?;
    let metadata = Metadata::read(headers)?;
    let with_bytes = carries_bytes(headers)?;
    let checking = checksum(headers)?;
    app.rates
        .take_upload(who, Door::Native)
        .map_err(ApiError::from)?;
    let room = match &metadata.room {
        Some(room) => Some(room_of(app, who, room).await?),
        None => None,
    };
    let parts = match concat {
        Concat::Final(parts) => parts,
        Concat::Partial | Concat::Whole => Vec::new(),
    };
    let wish = UploadWish {
        name: metadata.name.into(),
        mime: metadata.mime.into(),
        size,
        room,
        caption: metadata.caption.into(),
        sha256: None,
        metadata: metadata.raw.into(),
        is_part: one(headers, UPLOAD_CONCAT)? == Some("partial"),
        parts_text: match parts.is_empty() {
            true => "".into(),
            false => one(headers, UPLOAD_CONCAT)?.unwrap_or_default().into(),
        },
        parts,
    };
    let upload = fresh_upload_id();
    let named = (upload, NamedBy::Us);
    let begun = match wish.parts.is_empty() {
        true => app.uploads.begin(who, Door::Native, named, wish).await?,
        false => app.uploads.assemble(who, upload, wish).await?,
    };
    if with_bytes && begun.job().is_of_parts() {
        return Err(Refusal::of_parts());
    }
    let body = with_bytes.then_some((body, checking));
    let answered = answer(app, who, begun.job(), headers, body).await?;
    begun.told();
    Ok(answered)
}

async fn answer(
    app: &Arc<App>,
    who: &Arc<Principal>,
    job: &Arc<Job>,
    headers: &HeaderMap,
    body: Option<(Body, Option<Checking>)>,
) -> Result<Tus, Refusal> {
    let upload = job.upload;
    let found = app.uploads.find(who, upload).await?;
    let place = format!("{PATH}/{upload}");
    let mut tus = Tus::new(StatusCode::CREATED)
        // Absolute: not every client resolves one that is not.
        .with(header::LOCATION.as_str(), app.absolute(headers, &place))
        .expires(found.view.terms.expires_at);
    if let Some((body, checking)) = body {
        // Of one that did not come to its end nobody is left who would hear where it is.
        tus = tus.offset(take_body(app, &found, 0, (headers, body), checking).await?);
    }
    app.uploads.seal_if_whole(&found).await?;
    Ok(tus)
}

/// How long it will be; `None` when that is said later.
fn size(headers: &HeaderMap, concat: &Concat) -> Result<Option<u64>, ApiError> {
    let length = number(headers, UPLOAD_LENGTH)?;
    let deferred = one(headers, UPLOAD_DEFER_LENGTH)?;
    match (length, deferred, concat) {
        (None, None, Concat::Final(_)) => Ok(None),
        (_, _, Concat::Final(_)) => Err(bad(UPLOAD_LENGTH, "follows from the parts")),
        (Some(length), None, _) => Ok(Some(length)),
        (None, Some("1"), _) => Ok(None),
        (None, Some(_), _) => Err(bad(UPLOAD_DEFER_LENGTH, "is not 1")),
        (Some(_), Some(_), _) => Err(bad(
            UPLOAD_LENGTH,
            "and upload-defer-length exclude each other",
        )),
        (None, None, _) => Err(bad(UPLOAD_LENGTH, "is missing")),
    }
}

/// Whether the first bytes come with the request.
fn carries_bytes(headers: &HeaderMap) -> Result<bool, ApiError> {
    let is_of_bytes = one(headers, "content-type")? == Some(BYTES_TYPE);
    let has_body = body_bytes(headers)? != Some(0);
    if has_body && !is_of_bytes {
        let why = format!("content-type: a body is {BYTES_TYPE}");
        return Err(ApiError::because(ErrorCode::BadFrame, why));
    }
    Ok(has_body)
}

/// A room of the company, by its id or number.
pub(super) async fn room_of(
    app: &Arc<App>,
    who: &Principal,
    name: &str,
) -> Result<RoomId, ApiError> {
    let unknown = || ApiError::new(ErrorCode::UnknownRoom);
    let name: RoomName = name.parse().map_err(|_| unknown())?;
    let found = app.node.find_room(&who.company, name).await;
    let found = found.map_err(|error| ApiError::fault(&error))?;
    match found.ok_or_else(unknown)?.kind {
        EntityKind::Room(room) => Ok(room),
        _ => Err(unknown()),
    }
}
