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
use axum::extract::DefaultBodyLimit;
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
}
