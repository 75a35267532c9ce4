//! Which pages of other origins may read answers.
//!
//! A preflight carries no token, so nobody knows its company: it is answered for every origin that
//! the installation lists or any company names. Whether a cookie counts is another question, and
//! the company's own list answers it.
//!
//! Invariants: credentials are allowed to origins that are listed or named, never because of `*`;
//! no other origin is told that it may read.
//! Never: guards anything: whoever asks without a browser is not concerned.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowCredentials, AllowOrigin, CorsLayer};

use super::error::REQUEST_ID_HEADER;
use super::rooms::IDEMPOTENCY_KEY;

/// How long a browser may remember a preflight's answer, seconds: what a company no longer
/// names may still be asked for as long, and is refused by other means.
const PREFLIGHT_KEPT_S: u64 = 600;

/// Headers a page may send.
const SENT: [HeaderName; 17] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static(IDEMPOTENCY_KEY),
    header::IF_NONE_MATCH,
    HeaderName::from_static(REQUEST_ID_HEADER),
    // Pages that were written for other servers send these with every request.
    HeaderName::from_static("x-csrftoken"),
    HeaderName::from_static("x-requested-with"),
    // Uploads.
    HeaderName::from_static("tus-resumable"),
    HeaderName::from_static("upload-length"),
    HeaderName::from_static("upload-offset"),
    HeaderName::from_static("upload-defer-length"),
    HeaderName::from_static("upload-metadata"),
    HeaderName::from_static("upload-concat"),
    HeaderName::from_static("upload-checksum"),
    HeaderName::from_static("upload-complete"),
    HeaderName::from_static("upload-draft-interop-version"),
    HeaderName::from_static("x-http-method-override"),
];
/// Headers a page may read beside those that browsers always show.
const SHOWN: [HeaderName; 19] = [
    header::ETAG,
    header::RETRY_AFTER,
    HeaderName::from_static(REQUEST_ID_HEADER),
    header::LINK,
    header::LOCATION,
    // Uploads.
    HeaderName::from_static("tus-resumable"),
    HeaderName::from_static("tus-version"),
    HeaderName::from_static("tus-extension"),
    HeaderName::from_static("tus-max-size"),
    HeaderName::from_static("tus-checksum-algorithm"),
    HeaderName::from_static("upload-length"),
    HeaderName::from_static("upload-offset"),
    HeaderName::from_static("upload-defer-length"),
    HeaderName::from_static("upload-metadata"),
    HeaderName::from_static("upload-expires"),
    HeaderName::from_static("upload-concat"),
    HeaderName::from_static("upload-complete"),
    HeaderName::from_static("upload-limit"),
    HeaderName::from_static("upload-draft-interop-version"),
];
/// Methods of our routes.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Whether some company names an origin in its settings.
pub(super) type IsNamed = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The layer of what the installation's settings list, which were checked when they were read, and
/// of what companies name.
pub(super) fn layer(listed: &[String], is_named: IsNamed) -> CorsLayer {
    let is_any = listed.iter().any(|origin| origin == "*");
    let listed: BTreeSet<String> = listed.iter().cloned().collect();
    let is_known = move |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        origin.is_some_and(|origin| listed.contains(origin) || is_named(origin))
    };
    let may_show = is_known.clone();
    CorsLayer::new()
        .allow_headers(SENT)
        .expose_headers(SHOWN)
        .allow_methods(METHODS)
        .max_age(Duration::from_secs(PREFLIGHT_KEPT_S))
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            is_any || is_known(origin)
        }))
        .allow_credentials(AllowCredentials::predicate(move |origin, _| {
            may_show(origin)
        }))
}
