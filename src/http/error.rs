//! The one place that knows HTTP status codes, and the one shape of an HTTP error.
//!
//! Invariants: every error is JSON with the same keys; what broke inside goes to the log under the
//! request id, never to the client.
//! Never: decides that something is an error.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::{ErrorCode, Rejection, Retry};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::schemas::{ErrorCodeSchema, MessageSchema, RetrySchema};
use crate::auth::AuthError;
use crate::rates::TooSoon;
use crate::telemetry::request_id;

/// Header that repeats the `request_id` of the body, for clients that drop bodies of errors.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// `Retry-After` of answers that may succeed later, seconds, unless more is known: queues empty
/// within it.
const RETRY_AFTER_S: u64 = 1;

/// The status of a code.
pub const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadFrame
        | ErrorCode::BadField
        | ErrorCode::UnknownType
        | ErrorCode::TextEmpty
        | ErrorCode::TextTooLong
        // A request that would never fit, and no fault of ours.
        | ErrorCode::NotSupported => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated | ErrorCode::TokenExpired | ErrorCode::UnknownCompany => {
            StatusCode::UNAUTHORIZED
        }
        ErrorCode::Forbidden | ErrorCode::FirstLogin => StatusCode::FORBIDDEN,
        ErrorCode::UnknownRoom | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::NotJoined
        | ErrorCode::TooManyRooms
        | ErrorCode::RoomFull
        | ErrorCode::WrongStage
        | ErrorCode::CidExpired
        | ErrorCode::CidReused
        | ErrorCode::NameTaken
        | ErrorCode::LimitReached => StatusCode::CONFLICT,
        ErrorCode::FrameTooLarge | ErrorCode::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Draining => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// What an HTTP client is told when something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    request_id: String,
    retry_after_s: Option<u64>,
    field: Option<&'static str>,
    /// More keys of the body, for a protocol that has its own.
    members: Option<Box<Map<String, Value>>>,
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// The text of `message`, for clients that read `error`.
    error: String,
    /// The text of `message`, for clients that read `detail`.
    detail: String,
    /// What went wrong.
    #[schema(value_type = ErrorCodeSchema)]
    code: ErrorCode,
    /// For people: lower case, the value and the limit where there is one. A list with this text
    /// where a field of this name is wrong.
    #[schema(value_type = MessageSchema)]
    message: String,
    /// Whether the same request may succeed.
    #[schema(value_type = RetrySchema)]
    retry: Retry,
    /// Finds the log line.
    request_id: String,
}

impl ApiError {
    /// With the table's own text.
    pub fn new(code: ErrorCode) -> Self {
        Self::because(code, code.text())
    }

    /// With a text that names the value and the limit.
    pub fn because(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            request_id: request_id(),
            retry_after_s: None,
            field: None,
            members: None,
        }
    }

    /// The same, said of a field too: its name is a key of the body, with a list of texts.
    #[must_use]
    pub fn of_field(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    /// The same, with more keys in its body.
    #[must_use]
    pub(crate) fn with_members(mut self, members: Map<String, Value>) -> Self {
        self.members = Some(Box::new(members));
        self
    }

    /// The same, with the seconds after which another try makes sense.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same, with milliseconds.
    #[must_use]
    pub fn retry_after_ms(self, millis: u64) -> Self {
        self.retry_after_s(millis.div_ceil(1_000).max(1))
    }

    /// Our side broke: the log is told what, the client only where to find it.
    pub fn fault(error: &dyn std::error::Error) -> Self {
        let told = Self::new(ErrorCode::Internal);
        tracing::error!(request_id = told.request_id, %error, "request failed");
        told
    }

    /// What went wrong.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Finds the log line.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<TooSoon> for ApiError {
    fn from(refused: TooSoon) -> Self {
        Self::new(ErrorCode::RateLimited).retry_after_s(refused.retry_after_s())
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self::because(rejection.code, rejection.message)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Rejection::from(error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.message.clone(),
            detail: self.message.clone(),
            code: self.code,
            message: self.message.clone(),
            retry: self.code.retry(),
            request_id: self.request_id.clone(),
        };
        let mut body = serde_json::to_value(body).expect("texts always encode");
        if let Some(field) = self.field {
            // A field may be called `message` too: its clients read the list.
            body[field] = Value::from(vec![self.message]);
        }
        for (name, value) in self.members.into_iter().flat_map(|members| *members) {
            body[name] = value;
        }
        let body = Json(body);
        let mut response = (status(self.code), body).into_response();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID_HEADER, id);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status(self.code) == StatusCode::PAYLOAD_TOO_LARGE {
            // What still comes of the body is dropped, and the connection with it.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        // A draining node is left for another one: the client may try at once, but not in a loop.
        if matches!(self.code.retry(), Retry::Later | Retry::Resume) {
            let seconds = self.retry_after_s.unwrap_or(RETRY_AFTER_S);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status(self.code) == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::Value;

    use super::*;

    async fn body_of(response: Response) -> Value {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn every_code_answers_json_with_the_same_keys() {
        for code in ErrorCode::ALL {
            let response = ApiError::new(*code).into_response();
            assert!(response.status().is_client_error() || response.status().is_server_error());
            let type_ = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(type_, "application/json");
            let later = code.retry() != Retry::No;
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                later,
                "{code}"
            );
            let id = response.headers()[REQUEST_ID_HEADER].clone();
            let body = body_of(response).await;
            assert_eq!(body["code"], code.as_str());
            for key in ["error", "detail", "message"] {
                assert_eq!(body[key], code.text());
            }
            assert_eq!(body["request_id"], id.to_str().unwrap());
            assert!(body["retry"].is_string());
            assert_eq!(body.as_object().unwrap().len(), 6);
        }
    }

    #[tokio::test]
    async fn who_asks_too_much_is_told_when_to_come_back() {
        let response = ApiError::from(TooSoon { wait_ms: 1_200 }).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(body_of(response).await["code"], "rate_limited");
    }

    #[tokio::test]
    async fn a_fault_tells_the_client_nothing_of_our_side() {
        let broken = std::io::Error::other("disk of rack 7 is gone");
        let response = ApiError::fault(&broken).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = body_of(response).await.to_string();
        assert!(!body.contains("rack"), "{body}");
    }

    #[tokio::test]
    async fn a_refused_token_says_which_way_it_is_wrong() {
        let response = ApiError::from(AuthError::Expired).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        let body = body_of(response).await;
        assert_eq!(body["code"], "token_expired");
        assert_eq!(body["message"], "token expired");
    }
}
