//! Beginning an upload as the draft does: with nothing, with a part of the file, or with all of it.
//!
//! Never: tells where an upload is before its creation is answered.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use frontdesk_actors::clock::fresh_upload_id;
use frontdesk_protocol::upload::UploadWish;

use super::super::answers::{Refusal, Tus};
use super::super::append::take_body;
use super::super::create::room_of;
use super::super::headers::{PATH, UPLOAD_LENGTH, body_bytes, number};
use super::append::{answer, finish};
use super::fields::{complete, described, length, of_body, of_file, version};
use crate::app::{App, Known};
use crate::http::ApiError;
use crate::uploads::{Door, NamedBy};

/// Begins what the request describes and takes what it brings; answers where it is.
pub(in crate::http::uploads) async fn create(
    app: &Arc<App>,
    known: &Known,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Tus, Refusal> {
    let who = &known.principal;
    version(headers)?;
    let is_last = complete(headers)?;
    let size = number(headers, UPLOAD_LENGTH)?;
    let size = length(size, body_bytes(headers)?, 0, is_last)?;
    let said = described(uri, headers)?;
    let checking = of_body(headers)?;
    let sha256 = of_file(headers)?;
    app.rates
        .take_upload(who, Door::Native)
        .map_err(ApiError::from)?;
    let room = match &said.room {
        Some(room) => Some(room_of(app, who, room).await?),
        None => None,
    };
    let wish = UploadWish {
        name: said.name.into(),
        mime: said.mime.into(),
        size,
        room,
        caption: said.caption.into(),
        sha256,
        metadata: said.raw.into(),
        is_part: false,
        parts: Vec::new(),
        parts_text: "".into(),
    };
    let upload = fresh_upload_id();
    let named = (upload, NamedBy::Us);
    let begun = app.uploads.begin(who, Door::Native, named, wish).await?;
    let mut found = app.uploads.find(who, upload).await?;
    // Of a body that did not come to its end nobody is left who would hear where the upload is.
    let kept = take_body(app, &found, 0, (headers, body), checking).await?;
    let ended = finish(app, who, upload, &mut found, (kept, is_last)).await?;
    begun.told();
    let place = app.absolute(headers, &format!("{PATH}/{upload}"));
    let tus = answer(app, upload, &found, StatusCode::CREATED, (kept, ended));
    Ok(tus.with(header::LOCATION.as_str(), place))
}
