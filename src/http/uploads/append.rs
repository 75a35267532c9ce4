//! Bytes for an upload that was begun, and where it stands.
//!
//! Invariants: a body counts from the offset that it names and from no other; what is answered is
//! kept.
//! Never: reads a body that does not belong where the upload stands.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use frontdesk_protocol::UploadId;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::{UploadEnd, UploadFailure};

use super::answers::{Refusal, Tus};
use super::headers::{
    BYTES_TYPE, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_METADATA, UPLOAD_OFFSET,
    bad, body_bytes, checksum, number, one,
};
use crate::app::App;
use crate::uploads::{Checking, Job, PumpError, Upload, pump};

/// Where an upload stands. The turn is taken, so that nobody moves it after the answer.
pub(super) async fn offset(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
) -> Result<Tus, Refusal> {
    let found = standing(app, who, upload).await?;
    let wish = &found.view.wish;
    let mut tus = Tus::new(StatusCode::OK).expires(found.view.terms.expires_at);
    tus = match wish
        .size
        .or(found.view.facts.as_ref().map(|facts| facts.size))
    {
        Some(size) => tus.with(UPLOAD_LENGTH, size),
        None => tus.with(UPLOAD_DEFER_LENGTH, 1),
    };
    if !wish.metadata.is_empty() {
        tus = tus.with(UPLOAD_METADATA, &wish.metadata);
    }
    if wish.is_part {
        tus = tus.with(UPLOAD_CONCAT, "partial");
    }
    if !wish.parts.is_empty() {
        tus = tus.with(UPLOAD_CONCAT, &wish.parts_text);
    }
    Ok(tus.offset(found.offset()))
}

/// An upload that is not gone, and that nobody else writes to any more.
pub(super) async fn standing(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
) -> Result<Upload, Refusal> {
    let mut found = app.uploads.find(who, upload).await?;
    if let Err(why) = stand_still(app, &found).await {
        // All of it may have come meanwhile, and what was under way is no more.
        found = app.uploads.find(who, upload).await?;
        if found.job.is_some() {
            return Err(why);
        }
    }
    match found.is_gone() {
        true => Err(Refusal::gone()),
        false => Ok(found),
    }
}

/// Takes the turn, and seals what came whole without anybody saying so: the server ended meanwhile,
/// or could not write it down. Whoever asks then takes the answer for the end.
async fn stand_still(app: &Arc<App>, found: &Upload) -> Result<(), Refusal> {
    if let Some(job) = found.job.as_ref().filter(|job| !job.is_of_parts()) {
        drop(app.uploads.lease(job).await?);
        app.uploads.seal_if_whole(found).await?;
    }
    Ok(())
}

/// Takes a body that belongs where the upload stands.
pub(super) async fn append(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
    headers: &HeaderMap,
    body: Body,
) -> Result<Tus, Refusal> {
    if one(headers, "content-type")? != Some(BYTES_TYPE) {
        return Err(Refusal::media_type(BYTES_TYPE));
    }
    let Some(offset) = number(headers, UPLOAD_OFFSET)? else {
        return Err(bad(UPLOAD_OFFSET, "is missing").into());
    };
    let checking = checksum(headers)?;
    let mut found = app.uploads.find(who, upload).await?;
    if found.is_gone() {
        return Err(Refusal::gone());
    }
    if !found.view.wish.parts.is_empty() {
        return Err(Refusal::of_parts());
    }
    let size = number(headers, UPLOAD_LENGTH)?;
    if offset != found.offset() {
        return Err(Refusal::elsewhere(found.offset()));
    }
    if let (Some(size), Some(job)) = (size, &found.job) {
        if size < offset {
            let why = format!("is less than the {offset} bytes that are there");
            return Err(bad(UPLOAD_LENGTH, &why).into());
        }
        if body_bytes(headers)?.is_some_and(|bytes| bytes > size - offset) {
            return Err(Refusal::too_long(size));
        }
        app.uploads.declare(who, job, size).await?;
        found.view.wish.size = Some(size);
    }
    let expires_at = found.view.terms.expires_at;
    let kept = take_body(app, &found, offset, (headers, body), checking).await?;
    seal(app, who, upload, &found).await?;
    Ok(Tus::new(StatusCode::NO_CONTENT)
        .offset(kept)
        .expires(expires_at))
}

/// Seals what came whole. Another request may have done so meanwhile, and it may be a file by now.
async fn seal(
    app: &Arc<App>,
    who: &Arc<Principal>,
    upload: UploadId,
    found: &Upload,
) -> Result<(), Refusal> {
    let Err(why) = app.uploads.seal_if_whole(found).await else {
        return Ok(());
    };
    let again = app.uploads.find(who, upload).await?;
    match again.job.is_some() || again.is_gone() {
        true => Err(why.into()),
        false => Ok(()),
    }
}

/// Takes the bytes of a body that goes on from an offset; answers up to where bytes are kept then.
pub(super) async fn take_body(
    app: &Arc<App>,
    found: &Upload,
    offset: u64,
    (headers, body): (&HeaderMap, Body),
    checking: Option<Checking>,
) -> Result<u64, Refusal> {
    let announced = body_bytes(headers)?;
    let Some(job) = &found.job else {
        // All came before; a repeat that brings nothing changes nothing.
        return match announced {
            Some(0) => Ok(found.offset()),
            _ => Err(Refusal::too_long(found.offset())),
        };
    };
    let end = End::of(app, found, job).await?;
    let is_too_long = |end: &End| announced.is_some_and(|bytes| bytes > end.left(offset));
    if is_too_long(&end) {
        return Err(end.refusal(app));
    }
    let writer = app.uploads.write(job).await?;
    if writer.kept() != offset {
        // Whoever wrote before was not done when it was looked at, and it may move at any moment
        // until the turn is taken.
        return Err(Refusal::elsewhere(writer.kept()));
    }
    let end = end.since_said(job);
    if is_too_long(&end) {
        return Err(end.refusal(app));
    }
    let pumped = pump(writer, body, end.left(offset), checking).await;
    app.uploads.took(pumped.kept.saturating_sub(offset));
    match &pumped.outcome {
        Ok(()) => {}
        Err(PumpError::TooLong) => {
            // What was said of its length is not true: nobody knows what the rest is.
            app.uploads
                .fail(job, UploadEnd::Failed(end.failure()))
                .await;
            return Err(end.refusal(app));
        }
        Err(error) => return Err(Refusal::pumped(error, end.at)),
    }
    Ok(pumped.kept)
}

/// Where an upload ends at the latest.
struct End {
    at: u64,
    /// Since its company has no more space.
    is_of_space: bool,
}

impl End {
    async fn of(app: &App, found: &Upload, job: &Job) -> Result<Self, Refusal> {
        if let Some(at) = found.view.wish.size {
            let is_of_space = false; // it was reserved
            return Ok(Self { at, is_of_space });
        }
        let size_max = found.view.terms.size_max;
        let space = app.uploads.space_for(job).await?;
        Ok(Self {
            at: size_max.min(space),
            is_of_space: space < size_max,
        })
    }

    /// The same where somebody said a length after it was looked at, and before the turn was taken.
    fn since_said(self, job: &Job) -> Self {
        match job.size() {
            Some(at) => Self {
                at,
                is_of_space: false,
            },
            None => self,
        }
    }

    /// What may come from an offset on, bytes.
    fn left(&self, offset: u64) -> u64 {
        self.at.saturating_sub(offset)
    }

    fn failure(&self) -> UploadFailure {
        match self.is_of_space {
            true => UploadFailure::QuotaExceeded,
            false => UploadFailure::TooLarge,
        }
    }

    fn refusal(&self, app: &App) -> Refusal {
        match self.is_of_space {
            true => app.uploads.no_space().into(),
            false => Refusal::too_long(self.at),
        }
    }
}
