//! Answers of resumable uploads: the fields each carries, and the statuses that clients know.
//!
//! Never: decides whether something is refused.

use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::{ErrorCode, Rejection, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::draft::Problem;
use super::headers::{
    EXTENSIONS, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION,
    UPLOAD_EXPIRES, UPLOAD_LIMIT, UPLOAD_OFFSET, VERSION,
};
use crate::http::ApiError;
use crate::uploads::{Checking, PumpError, WriteError, refused};

/// What tus calls a checksum that does not match.
const CHECKSUM_MISMATCH: u16 = 460;

/// An answer that says what was asked.
pub(super) struct Tus {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<Value>,
}

impl Tus {
    pub(super) fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: None,
        }
    }

    #[must_use]
    pub(super) fn saying(mut self, status: StatusCode, body: &impl Serialize) -> Self {
        self.status = status;
        self.body = Some(serde_json::to_value(body).expect("texts and numbers always encode"));
        self
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        // What a client gave as a header's value can be one again.
        if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    #[must_use]
    pub(super) fn offset(self, offset: u64) -> Self {
        self.with(UPLOAD_OFFSET, offset)
    }

    #[must_use]
    pub(super) fn expires(self, at: Timestamp) -> Self {
        let at = UNIX_EPOCH + Duration::from_millis(at.0);
        self.with(UPLOAD_EXPIRES, httpdate::fmt_http_date(at))
    }
}

/// An answer that refuses.
pub(super) struct Refusal {
    error: Box<ApiError>,
    status: Option<StatusCode>,
    says_version: bool,
    /// Where the upload stands, if that is why.
    stands: Option<u64>,
    /// What the draft calls it, if it has a name for it.
    problem: Option<Problem>,
}

impl Refusal {
    fn with(code: ErrorCode, why: &str, status: StatusCode) -> Self {
        Self {
            error: Box::new(ApiError::because(code, why)),
            status: Some(status),
            says_version: false,
            stands: None,
            problem: None,
        }
    }

    pub(super) fn version() -> Self {
        let why = format!("tus-resumable: {VERSION} is spoken here");
        Self {
            says_version: true,
            ..Self::with(
                ErrorCode::NotSupported,
                &why,
                StatusCode::PRECONDITION_FAILED,
            )
        }
    }

    pub(super) fn gone() -> Self {
        let why = "the upload has ended without a file";
        Self::with(ErrorCode::NotFound, why, StatusCode::GONE)
    }

    pub(super) fn elsewhere(stands: u64) -> Self {
        let why = format!("upload-offset: the upload stands at {stands}");
        Self {
            stands: Some(stands),
            ..Self::with(ErrorCode::WrongStage, &why, StatusCode::CONFLICT)
        }
    }

    pub(super) fn media_type(expected: &str) -> Self {
        let why = format!("content-type: expected {expected}");
        Self::with(
            ErrorCode::BadFrame,
            &why,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        )
    }

    pub(super) fn of_parts() -> Self {
        let why = "the upload is made of parts and takes no bytes";
        Self::with(ErrorCode::Forbidden, why, StatusCode::FORBIDDEN)
    }

    pub(super) fn too_long(limit: u64) -> Self {
        let why = format!("more bytes than were announced or may come, limit {limit}");
        Self::with(ErrorCode::FileTooLarge, &why, StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Where the upload stands, if the request was refused because it meant another place.
    pub(super) fn stands(&self) -> Option<u64> {
        self.stands
    }

    #[must_use]
    pub(super) fn of_problem(mut self, problem: Problem) -> Self {
        self.problem = Some(problem);
        self
    }

    /// What the draft calls it.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// Whether the body is not what its checksum is of.
    pub(super) fn is_mismatch(&self) -> bool {
        self.status
            .is_some_and(|status| status.as_u16() == CHECKSUM_MISMATCH)
    }

    /// What a door says of a body that was not taken.
    pub(super) fn pumped(error: &PumpError, limit: u64) -> Self {
        match error {
            PumpError::TooLong => Self::too_long(limit),
            PumpError::Mismatch => Self::with(
                ErrorCode::BadField,
                "the body has another checksum",
                StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST),
            ),
            PumpError::Cut => ApiError::because(ErrorCode::BadFrame, "the body was cut off").into(),
            PumpError::Slow => {
                // Of the server's kind of errors: clients try those again.
                let why = "the body came too slowly, go on from where it is kept";
                Self::with(ErrorCode::Busy, why, StatusCode::SERVICE_UNAVAILABLE)
            }
            PumpError::Write(WriteError::Overtaken) => Self::with(
                ErrorCode::Busy,
                "another request has taken over this upload",
                StatusCode::LOCKED,
            ),
            PumpError::Write(error) => refused(error).into(),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self {
            error: Box::new(error),
            status: None,
            says_version: false,
            stands: None,
            problem: None,
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(why: Rejection) -> Self {
        ApiError::from(why).into()
    }
}

/// What is sent to clients of tus.
pub(super) fn of(answered: Result<Tus, Refusal>) -> Response {
    let says_version = answered.as_ref().is_err_and(|refusal| refusal.says_version);
    let mut response = plain(answered);
    let headers = response.headers_mut();
    if says_version {
        headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
    }
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// What is sent, without a word of tus.
pub(super) fn plain(answered: Result<Tus, Refusal>) -> Response {
    let mut response = match answered {
        Ok(Tus {
            status,
            headers,
            body: Some(body),
        }) => (status, headers, Json(body)).into_response(),
        Ok(tus) => (tus.status, tus.headers).into_response(),
        Err(refusal) => {
            let status = refusal.status;
            let mut response = match refusal.problem {
                Some(problem) => refusal
                    .error
                    .with_members(problem.members())
                    .into_response(),
                None => refusal.error.into_response(),
            };
            if let Some(status) = status {
                *response.status_mut() = status;
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What can be done here.
pub(super) fn options(size_max: u64) -> Response {
    let tus = Tus::new(StatusCode::NO_CONTENT)
        .with(TUS_VERSION, VERSION)
        .with(TUS_EXTENSION, EXTENSIONS)
        .with(TUS_MAX_SIZE, size_max)
        .with(TUS_CHECKSUM_ALGORITHM, Checking::ALGORITHMS.join(","))
        .with(UPLOAD_LIMIT, format!("max-size={size_max}"));
    of(Ok(tus))
}
