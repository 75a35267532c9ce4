//! Answers of resumable uploads: the fields each carries, and the statuses that clients know.
//!
//! Never: decides whether something is refused.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::{ErrorCode, Rejection, Timestamp};

use super::headers::{
    EXTENSIONS, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION,
    UPLOAD_EXPIRES, UPLOAD_OFFSET, VERSION,
};
use crate::http::ApiError;
use crate::uploads::{Checking, PumpError, WriteError, refused};

/// What tus calls a checksum that does not match.
const CHECKSUM_MISMATCH: u16 = 460;

/// An answer that says what was asked.
pub(super) struct Tus {
    status: StatusCode,
    headers: HeaderMap,
}

impl Tus {
    pub(super) fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
        }
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
    error: ApiError,
    status: Option<StatusCode>,
    says_version: bool,
    is_of_body: bool,
}

impl Refusal {
    fn with(code: ErrorCode, why: &str, status: StatusCode) -> Self {
        Self {
            error: ApiError::because(code, why),
            status: Some(status),
            says_version: false,
            is_of_body: false,
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
        Self::with(ErrorCode::WrongStage, &why, StatusCode::CONFLICT)
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

    /// Whether the body alone was at fault: what it was for is there.
    pub(super) fn is_of_body(&self) -> bool {
        self.is_of_body
    }

    /// What a door says of a body that was not taken.
    pub(super) fn pumped(error: &PumpError, limit: u64) -> Self {
        match error {
            PumpError::TooLong => Self::too_long(limit),
            PumpError::Mismatch => Self::with(
                ErrorCode::BadField,
                "upload-checksum: the body has another",
                StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST),
            ),
            PumpError::Cut => Self {
                is_of_body: true,
                ..ApiError::because(ErrorCode::BadFrame, "the body was cut off").into()
            },
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
            error,
            status: None,
            says_version: false,
            is_of_body: false,
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(why: Rejection) -> Self {
        ApiError::from(why).into()
    }
}

/// What is sent.
pub(super) fn of(answered: Result<Tus, Refusal>) -> Response {
    let mut response = match answered {
        Ok(tus) => (tus.status, tus.headers).into_response(),
        Err(refusal) => {
            let mut response = refusal.error.into_response();
            if let Some(status) = refusal.status {
                *response.status_mut() = status;
            }
            if refusal.says_version {
                let version = HeaderValue::from_static(VERSION);
                response.headers_mut().insert(TUS_VERSION, version);
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What can be done here.
pub(super) fn options(size_max: u64) -> Response {
    let tus = Tus::new(StatusCode::NO_CONTENT)
        .with(TUS_VERSION, VERSION)
        .with(TUS_EXTENSION, EXTENSIONS)
        .with(TUS_MAX_SIZE, size_max)
        .with(TUS_CHECKSUM_ALGORITHM, Checking::ALGORITHMS.join(","));
    of(Ok(tus))
}
