//! HTTP: how requests are answered, whoever answers them.
//!
//! Owns: the assembly of the router, its limits and fallbacks, errors, and the routes for machines.
//!
//! Invariants:
//! 1. Every error is JSON of one shape, that of an unknown path, a wrong method and a body too
//!    large among them.
//! 2. A body is read up to `limits.http_body_bytes` and no further.
//!
//! Never: accepts connections, or holds a rule of the chat.

pub mod error;
pub mod extract;
mod fields;
pub mod health;
pub(crate) mod rooms;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::ErrorCode;

pub use error::ApiError;
pub use extract::{JsonBody, PathOf, QueryOf};
pub use health::ReadyProbe;

use crate::config::Limits;
use crate::telemetry::Metrics;

/// The whole router: the routes of this crate, the page, and those that the caller brings with
/// their state filled in.
pub fn router(routes: Router, ready: ReadyProbe, limits: &Limits) -> Router {
    Router::new()
        .merge(health::routes(ready, Metrics::of_program()))
        .merge(crate::web::routes())
        .merge(routes)
        .fallback(async || ApiError::new(ErrorCode::NotFound))
        .method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(limits.http_body_bytes))
        .layer(from_fn_with_state(limits.http_body_bytes, check_announced))
}

/// Refuses a body that says by itself that it is too large, before the client is asked for it.
async fn check_announced(
    State(limit_bytes): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    let announced_bytes = request.body().size_hint().lower();
    if announced_bytes > limit_bytes as u64 {
        let why = format!("body too large: {announced_bytes} bytes, limit {limit_bytes}");
        return ApiError::because(ErrorCode::FrameTooLarge, why).into_response();
    }
    next.run(request).await
}
