//! Which pages of other origins may read answers.
//!
//! Invariants: credentials are allowed to origins that are named, never to `*`; without a setting
//! no answer carries a header of this kind.
//! Never: guards anything: whoever asks without a browser is not concerned.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::error::REQUEST_ID_HEADER;
use super::rooms::IDEMPOTENCY_KEY;

/// How long a browser may remember a preflight's answer, seconds: settings change at a start.
const PREFLIGHT_KEPT_S: u64 = 600;

/// Headers a page may send.
const SENT: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static(IDEMPOTENCY_KEY),
    header::IF_NONE_MATCH,
    HeaderName::from_static(REQUEST_ID_HEADER),
    // Pages that were written for other servers send these with every request.
    HeaderName::from_static("x-csrftoken"),
    HeaderName::from_static("x-requested-with"),
];
/// Headers a page may read beside those that browsers always show.
const SHOWN: [HeaderName; 4] = [
    header::ETAG,
    header::RETRY_AFTER,
    HeaderName::from_static(REQUEST_ID_HEADER),
    header::LINK,
];
/// Methods of our routes.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// The layer of the settings; they were checked when they were read.
pub(super) fn layer(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_headers(SENT)
        .expose_headers(SHOWN)
        .allow_methods(METHODS)
        .max_age(Duration::from_secs(PREFLIGHT_KEPT_S));
    if origins.iter().any(|origin| origin == "*") {
        return Some(layer.allow_origin(AllowOrigin::any()));
    }
    let named = origins.iter();
    let named = named.filter_map(|origin| HeaderValue::from_str(origin).ok());
    Some(
        layer
            .allow_origin(AllowOrigin::list(named))
            .allow_credentials(true),
    )
}
