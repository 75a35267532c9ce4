//! What handlers take from a request: who asks, bodies, queries and path parts. They are refused in
//! our own words, since the framework's own extractors answer plain text.
//!
//! Invariants: whatever does not fit becomes an [`ApiError`] that speaks of the client's fields and
//! not of our types; a body is an object, and is read up to `limits.http_body_bytes`.
//! Never: checks more than shape.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use frontdesk_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use crate::app::{App, Known};
use crate::identity::cookies::{Carried, carried};
use crate::identity::scope::check_query;
use crate::object::Object;

/// A body that is a JSON object.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let parsed = axum::Json::<Object<T>>::from_request(request, state).await;
        parsed
            .map(|axum::Json(Object(body))| Self(body))
            .map_err(body_refused)
    }
}

/// A body that is a JSON object or a form, for routes whose clients send either.
#[derive(Debug)]
pub(crate) struct JsonOrForm<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonOrForm<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_form = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !is_form {
            let JsonBody(body) = JsonBody::from_request(request, state).await?;
            return Ok(Self(body));
        }
        let parsed = axum::Form::<T>::from_request(request, state).await;
        parsed
            .map(|axum::Form(body)| Self(body))
            .map_err(|error| match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiError::because(ErrorCode::FrameTooLarge, "body too large")
                }
                _ => bad_field(error.body_text()),
            })
    }
}

/// The query of the address.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let refused = |error: QueryRejection| bad_field(error.body_text());
        parsed
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(refused)
    }
}

/// The named parts of the path.
#[derive(Debug)]
pub struct PathOf<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let refused = |error: PathRejection| bad_field(error.body_text());
        parsed
            .map(|axum::extract::Path(path)| Self(path))
            .map_err(refused)
    }
}

/// The person whose token the request carries in `Authorization: Bearer`, or in the cookie of
/// somebody who is logged in. Taking it counts as one request of that person.
pub(crate) struct Authenticated(pub(crate) Known);

impl FromRequestParts<Arc<App>> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Sending(known) = Sending::from_request_parts(parts, app).await?;
        app.rates.take_person(&known.principal)?;
        Ok(Self(known))
    }
}

/// The same, of a request that brings bytes of an upload: those are bounded by what they use up,
/// and a fast client sends hundreds of such requests a second.
pub(crate) struct Sending(pub(crate) Known);

impl FromRequestParts<Arc<App>> for Sending {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        if app.is_draining() {
            return Err(ApiError::new(ErrorCode::Draining));
        }
        let Some(Carried { token, is_cookie }) = carried(&parts.headers) else {
            return Err(ApiError::new(ErrorCode::Unauthenticated));
        };
        let known = app.authenticate(token).await?;
        if is_cookie {
            let company = &known.principal.company;
            app.check_page(company, &parts.method, &parts.headers)
                .await?;
        }
        check_query(&known.principal.company, &parts.uri)?;
        Ok(Self(known))
    }
}

/// Where a request comes from.
pub(crate) struct Peer(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // Absent only where no listener stands before the router.
        let peer = parts.extensions.get::<SocketAddr>();
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(Self(peer.map_or(unknown, SocketAddr::ip)))
    }
}

fn body_refused(error: JsonRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::because(ErrorCode::FrameTooLarge, "body too large");
    }
    match error {
        JsonRejection::JsonDataError(error) => bad_field(error.body_text()),
        JsonRejection::JsonSyntaxError(_) => {
            ApiError::because(ErrorCode::BadFrame, "body is not valid JSON")
        }
        JsonRejection::MissingJsonContentType(_) => ApiError::because(
            ErrorCode::BadFrame,
            "body must be JSON with content-type application/json",
        ),
        _ => ApiError::because(ErrorCode::BadFrame, "body cannot be read"),
    }
}

/// In our words: the framework's texts begin with a sentence that says nothing more.
fn bad_field(text: String) -> ApiError {
    let detail = text.split_once(": ").map_or(&*text, |(_, detail)| detail);
    ApiError::because(ErrorCode::BadField, in_fields(detail))
}

/// Says what a field should be and not what it was: the reader's words for that are of its own
/// language, and a value may be as long as a body.
fn in_fields(detail: &str) -> String {
    let missing = |rest: &str| Some(format!("{} is missing", rest.split_once('`')?.0));
    let twice = |rest: &str| Some(format!("{} stands twice", rest.split_once('`')?.0));
    let plain = detail
        .strip_prefix("missing field `")
        .and_then(missing)
        .or_else(|| detail.strip_prefix("duplicate field `").and_then(twice));
    if let Some(plain) = plain {
        return plain;
    }
    let detail = &*in_numbers(detail);
    let wrong = ["invalid type: ", "invalid value: "];
    let found = wrong.iter().find_map(|words| detail.find(words));
    let expected = detail.rfind(", expected ");
    match found.zip(expected) {
        Some((0, expected)) => format!("body: {}", &detail[expected + 2..]),
        Some((found, expected)) => format!("{}{}", &detail[..found], &detail[expected + 2..]),
        None => detail.to_owned(),
    }
}

/// What libraries say of numbers, each in its own words.
fn in_numbers(detail: &str) -> String {
    const WHOLE: &str = "expected a whole number";
    let no_place = detail.split(" at line ").next().unwrap_or_default();
    let of_path = no_place.starts_with("Cannot parse ") && no_place.contains(" to a `");
    if of_path {
        return format!("address: {WHOLE}");
    }
    let mut words = no_place.to_owned();
    for said in [
        "invalid digit found in string",
        "cannot parse integer from empty string",
        "number too large to fit in target type",
        "number too small to fit in target type",
    ] {
        words = words.replace(said, WHOLE);
    }
    for kind in [
        "u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64",
    ] {
        if let Some(start) = words.strip_suffix(&format!("expected {kind}")) {
            words = format!("{start}{WHOLE}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::in_fields;

    #[test]
    fn what_does_not_fit_is_said_without_words_of_a_library() {
        for (said, expected) in [
            ("missing field `name` at line 1 column 2", "name is missing"),
            (
                "email: invalid type: integer `5`, expected a string at line 1 column 42",
                "email: expected a string",
            ),
            (
                "page: invalid digit found in string",
                "page: expected a whole number",
            ),
            (
                "no: invalid value: integer `-1`, expected u64",
                "no: expected a whole number",
            ),
            (
                "Cannot parse value at index 1 with value `-1` to a `u64`",
                "address: expected a whole number",
            ),
        ] {
            assert_eq!(in_fields(said), expected);
        }
    }
}
