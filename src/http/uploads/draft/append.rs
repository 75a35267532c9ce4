//! Bytes for an upload as the draft sends them, where it stands, and its end.
//!
//! Never: takes bytes past the length that was said.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use frontdesk_actors::UploadStage;
use frontdesk_protocol::UploadId;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::{UploadEnd, UploadFailure};

use super::super::answers::{Refusal, Tus};
use super::super::append::{standing, take_body};
use super::super::headers::{UPLOAD_LENGTH, UPLOAD_OFFSET, bad, body_bytes, number, one};
use super::super::status::UploadStatus;
use super::answers::{completed, completeness, elsewhere, ended, inconsistent, limited};
use super::fields::{PARTIAL_TYPE, complete, length, of_body, of_file, version};
use crate::app::App;
use crate::uploads::Upload;

/// How long the answer to the last byte waits for what comes of the file, milliseconds: most are
/// looked at and stored within it, and clients wait for longer.
const END_WAIT_MS: u64 = 5_000;

/// Where an upload stands. The turn is taken, so that nobody moves it after the answer.
pub(in crate::http::uploads) async fn offset(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
    headers: &HeaderMap,
) -> Result<Tus, Refusal> {
    version(headers)?;
    let found = standing(app, who, upload).await?;
    let tus = Tus::new(StatusCode::NO_CONTENT).offset(found.offset());
    let tus = completeness(tus, found.job.is_none());
    Ok(described(app, tus, &found))
}

/// Ends an upload that has made no file that others see.
pub(in crate::http::uploads) async fn cancel(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
    headers: &HeaderMap,
) -> Result<Tus, Refusal> {
    version(headers)?;
    super::super::cancel_found(app, who, upload).await
}

/// Takes a body that belongs where the upload stands.
pub(in crate::http::uploads) async fn append(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Tus, Refusal> {
    version(headers)?;
    if one(headers, "content-type")? != Some(PARTIAL_TYPE) {
        return Err(Refusal::media_type(PARTIAL_TYPE));
    }
    let is_last = complete(headers)?;
    let Some(offset) = number(headers, UPLOAD_OFFSET)? else {
        return Err(bad(UPLOAD_OFFSET, "is missing").into());
    };
    let checking = of_body(headers)?;
    let mut found = app.uploads.find(who, upload).await?;
    if found.is_gone() {
        return Err(Refusal::gone());
    }
    if found.view.wish.is_part || !found.view.wish.parts.is_empty() {
        return Err(Refusal::of_parts());
    }
    if offset != found.offset() {
        return Err(elsewhere(found.offset(), offset));
    }
    let announced = body_bytes(headers)?;
    if found.job.is_none() && announced != Some(0) {
        return Err(completed());
    }
    let size = length(number(headers, UPLOAD_LENGTH)?, announced, offset, is_last)?;
    check_length(app, who, &mut found, size, (offset, announced)).await?;
    check_digest(&found, headers)?;
    let kept = match take_body(app, &found, offset, (headers, body), checking).await {
        Ok(kept) => kept,
        Err(refusal) => {
            return Err(match refusal.stands() {
                Some(stands) => elsewhere(stands, offset),
                None => refusal,
            });
        }
    };
    let ended = finish(app, who, upload, &mut found, (kept, is_last)).await?;
    Ok(answer(app, upload, &found, StatusCode::OK, (kept, ended)))
}

/// Holds what a request says of the length against what was said before.
async fn check_length(
    app: &Arc<App>,
    who: &Arc<Principal>,
    found: &mut Upload,
    size: Option<u64>,
    (offset, announced): (u64, Option<u64>),
) -> Result<(), Refusal> {
    let known = found
        .view
        .wish
        .size
        .or(found.view.facts.as_ref().map(|facts| facts.size));
    let reaches = offset.saturating_add(announced.unwrap_or(0));
    let Some(job) = &found.job else {
        return match size == known || size.is_none() {
            true => Ok(()),
            false => Err(inconsistent(found.offset())),
        };
    };
    match (known, size) {
        (Some(known), _) if reaches > known => {
            // Nobody knows what the rest of it would be.
            let end = UploadEnd::Failed(UploadFailure::TooLarge);
            app.uploads.fail(job, end).await;
            Err(inconsistent(known))
        }
        (Some(known), Some(size)) if size != known => Err(inconsistent(known)),
        (None, Some(size)) if size < found.offset() => Err(inconsistent(size)),
        (None, Some(size)) => {
            app.uploads.declare(who, job, size).await?;
            found.view.wish.size = Some(size);
            Ok(())
        }
        (Some(_), _) | (None, None) => Ok(()),
    }
}

/// The digest of the whole file is told when the upload begins; a later one can only repeat it.
fn check_digest(found: &Upload, headers: &HeaderMap) -> Result<(), Refusal> {
    let said = of_file(headers)?;
    let known = found.view.wish.sha256;
    match said.is_none() || said == known {
        true => Ok(()),
        false => Err(bad(
            "repr-digest",
            "differs from what was said at first, if it was",
        )
        .into()),
    }
}

/// What is to be done when a body was taken: after the last one the file is whole, and what comes
/// of it is waited for. Answers what it came to, if all of it is there.
pub(super) async fn finish(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
    found: &mut Upload,
    (kept, is_last): (u64, bool),
) -> Result<Option<UploadStage>, Refusal> {
    if let Some(job) = found.job.as_ref().filter(|_| is_last) {
        match found.view.wish.size {
            Some(size) if size != kept => return Err(inconsistent(size)),
            Some(_) => {}
            None => {
                app.uploads.declare(who, job, kept).await?;
                found.view.wish.size = Some(kept);
            }
        }
    }
    app.uploads.seal_if_whole(found).await?;
    if found.job.is_some() && found.view.wish.size != Some(kept) {
        return Ok(None);
    }
    let limit = Duration::from_millis(END_WAIT_MS);
    let stage = app.uploads.await_end(&who.company, upload, limit).await?;
    *found = app.uploads.find(who, upload).await?;
    Ok(Some(stage))
}

/// Says up to where bytes are kept or, when all are, what came of them.
pub(super) fn answer(
    app: &App,
    upload: UploadId,
    found: &Upload,
    done: StatusCode,
    (kept, stage): (u64, Option<UploadStage>),
) -> Tus {
    let going_on = match done {
        StatusCode::CREATED => StatusCode::CREATED,
        _ => StatusCode::NO_CONTENT,
    };
    let tus = completeness(Tus::new(going_on).offset(kept), stage.is_some());
    let tus = described(app, tus, found);
    match stage {
        Some(stage) => ended(tus, done, stage, &UploadStatus::of(upload, found)),
        None => tus,
    }
}

/// Its length, once that is known, and its limits.
fn described(app: &App, tus: Tus, found: &Upload) -> Tus {
    let facts = found.view.facts.as_ref();
    let tus = match found.view.wish.size.or(facts.map(|facts| facts.size)) {
        Some(size) => tus.with(UPLOAD_LENGTH, size),
        None => tus,
    };
    let terms = &found.view.terms;
    limited(
        tus,
        terms.size_max,
        terms.expires_at,
        app.node.clock().now(),
    )
}
