//! What the draft answers with: its fields, and its problems in `application/problem+json` beside
//! the keys of every error.
//!
//! Never: decides whether something is refused.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use frontdesk_actors::UploadStage;
use frontdesk_protocol::upload::{UploadEnd, UploadFailure};
use frontdesk_protocol::{ErrorCode, Timestamp};
use serde_json::{Map, Value};

use super::super::answers::{Refusal, Tus, plain};
use super::super::headers::{UPLOAD_LIMIT, UPLOAD_OFFSET};
use super::super::status::UploadStatus;
use super::fields::{INTEROP, UPLOAD_COMPLETE, version};
use crate::http::ApiError;

/// Where the draft's problems are listed.
const PROBLEMS: &str = "https://iana.org/assignments/http-problem-types#";
/// The type of a body that says what is wrong.
const PROBLEM_TYPE: &str = "application/problem+json";

/// A refusal that the draft has a name for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::uploads) enum Problem {
    /// The upload stands elsewhere.
    Offset { stands: u64, provided: u64 },
    /// Two lengths of one file differ.
    Length,
    /// Nothing can be added any more.
    Completed,
}

impl Problem {
    /// What a body says of it.
    pub(in crate::http::uploads) fn members(self) -> Map<String, Value> {
        let (name, title) = match self {
            Problem::Offset { .. } => (
                "mismatching-upload-offset",
                "offset from request does not match offset of resource",
            ),
            Problem::Length => (
                "inconsistent-upload-length",
                "inconsistent length values for upload",
            ),
            Problem::Completed => ("completed-upload", "upload is already completed"),
        };
        let mut members = Map::new();
        members.insert("type".to_owned(), format!("{PROBLEMS}{name}").into());
        members.insert("title".to_owned(), title.into());
        if let Problem::Offset { stands, provided } = self {
            members.insert("expected-offset".to_owned(), stands.into());
            members.insert("provided-offset".to_owned(), provided.into());
        }
        members
    }
}

/// Two lengths of one file differ.
pub(super) fn inconsistent(said: u64) -> Refusal {
    let why = format!("upload-length: differs from another that was said, {said}");
    let refusal = Refusal::from(ApiError::because(ErrorCode::BadField, why));
    refusal.of_problem(Problem::Length)
}

/// The upload stands elsewhere.
pub(super) fn elsewhere(stands: u64, provided: u64) -> Refusal {
    Refusal::elsewhere(stands).of_problem(Problem::Offset { stands, provided })
}

/// Nothing can be added any more.
pub(super) fn completed() -> Refusal {
    let why = "the upload is complete";
    let refusal = Refusal::from(ApiError::because(ErrorCode::BadField, why));
    refusal.of_problem(Problem::Completed)
}

/// How much an upload takes, and for how long it does.
pub(super) fn limited(tus: Tus, size_max: u64, expires_at: Timestamp, now: Timestamp) -> Tus {
    let left_s = expires_at.0.saturating_sub(now.0) / 1_000;
    tus.with(
        UPLOAD_LIMIT,
        format!("max-size={size_max}, max-age={left_s}"),
    )
}

/// Whether all of a file is there.
pub(super) fn completeness(tus: Tus, is_complete: bool) -> Tus {
    tus.with(UPLOAD_COMPLETE, if is_complete { "?1" } else { "?0" })
}

/// What came of a file, all of which is there.
pub(super) fn ended(tus: Tus, done: StatusCode, stage: UploadStage, status: &UploadStatus) -> Tus {
    let status_code = match stage {
        UploadStage::Ended(UploadEnd::Failed(failure)) => of_failure(failure),
        UploadStage::Ended(UploadEnd::Cancelled | UploadEnd::Expired) => StatusCode::GONE,
        _ => done,
    };
    tus.saying(status_code, status)
}

fn of_failure(failure: UploadFailure) -> StatusCode {
    match failure {
        UploadFailure::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        UploadFailure::WrongDigest => StatusCode::BAD_REQUEST,
        UploadFailure::NotAllowed => StatusCode::FORBIDDEN,
        UploadFailure::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
        UploadFailure::ScannerUnavailable | UploadFailure::Lost => StatusCode::SERVICE_UNAVAILABLE,
        UploadFailure::Empty
        | UploadFailure::RefusedType
        | UploadFailure::Mismatched
        | UploadFailure::Infected
        | UploadFailure::Unscannable => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// What is sent to clients of the draft.
pub(in crate::http::uploads) fn of(
    headers: &HeaderMap,
    answered: Result<Tus, Refusal>,
) -> Response {
    let problem = answered.as_ref().err().and_then(Refusal::problem);
    let is_mismatch = answered.as_ref().is_err_and(Refusal::is_mismatch);
    let mut response = plain(answered);
    if is_mismatch {
        // The other protocol's own number.
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    let to = response.headers_mut();
    if problem.is_some() {
        to.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
    }
    if let Some(Problem::Offset { stands, .. }) = problem {
        to.insert(UPLOAD_OFFSET, HeaderValue::from(stands));
        let incomplete = HeaderValue::from_static("?0");
        to.insert(HeaderName::from_static(UPLOAD_COMPLETE), incomplete);
    }
    if let Ok(Some(version)) = version(headers)
        && let Ok(version) = HeaderValue::from_str(version)
    {
        to.insert(HeaderName::from_static(INTEROP), version);
    }
    response
}
