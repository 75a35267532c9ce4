//! HTTP: how requests are answered, whoever answers them.
//!
//! Owns: the assembly of the router, its limits and fallbacks, errors, and the routes for machines.
//!
//! Invariants:
//! 1. Every error is JSON of one shape, that of an unknown path, a wrong method and a body too
//!    large among them.
//! 2. Every route but pages and their files stands in the OpenAPI document; every path is served
//!    with and without a trailing slash, without a redirect.
//! 3. A body is read up to `limits.http_body_bytes` and no further.
//!
//! Never: accepts connections, or holds a rule of the chat.

pub(crate) mod chats;
mod cors;
mod docs;
pub mod error;
pub(crate) mod etag;
pub mod extract;
pub(crate) mod fields;
pub(crate) mod files;
pub mod health;
pub(crate) mod multipart;
pub(crate) mod openapi;
pub(crate) mod people;
pub(crate) mod rooms;
pub(crate) mod schemas;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
pub(crate) mod uploads;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::ErrorCode;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

pub use error::ApiError;
pub(crate) use error::ErrorBody;
pub(crate) use extract::Authenticated;
pub use extract::{JsonBody, PathOf, QueryOf};
pub(crate) use extract::{JsonOrForm, Peer, Sending};
pub use health::ReadyProbe;
pub(crate) use uploads::upload_state;

use crate::config::Config;
use crate::profiles::doors;
use crate::rates::TooSoon;
use openapi::DocumentText;

/// The routes that the caller brings, with their state filled in.
pub(crate) struct Brought {
    /// Those that act for a company.
    pub(crate) resources: OpenApiRouter,
    /// Those that become sockets.
    pub(crate) sockets: OpenApiRouter,
    /// What `/readyz` asks.
    pub(crate) ready: ReadyProbe,
    /// Who may ask now.
    pub(crate) admit: Admission,
    /// Whether some company names an origin.
    pub(crate) names_origin: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

/// Whether an address may ask now. Sockets ask by themselves, since they are refused otherwise.
#[derive(Clone)]
pub(crate) struct Admission(Arc<dyn Fn(IpAddr) -> Result<(), TooSoon> + Send + Sync>);

impl Admission {
    /// Wraps the rule.
    pub(crate) fn new(
        admit: impl Fn(IpAddr) -> Result<(), TooSoon> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(admit))
    }
}

/// The whole router: the routes of this crate, the pages, and those that the caller brings.
pub(crate) fn router(brought: Brought, config: &Config) -> Router {
    let limit_bytes = config.limits.http_body_bytes;
    let admit = brought.admit.clone();
    let names_origin = Arc::clone(&brought.names_origin);
    let Split {
        counted,
        sockets,
        machines,
        figures,
    } = split(brought);
    let counted = counted
        .merge(pages())
        .fallback(async || ApiError::new(ErrorCode::NotFound))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(admit, check_rate));
    let bounded = |router: Router| {
        router
            .layer(DefaultBodyLimit::max(limit_bytes))
            .layer(from_fn_with_state(limit_bytes, check_announced))
            .layer(CatchPanicLayer::custom(broken))
    };
    // Outermost, so that refusals carry its headers too. No socket does: browsers let any page
    // open one, and the answer to its handshake has a size of its own.
    let cors = cors::layer(&config.server.cors_origins, names_origin);
    let machines = machines.method_not_allowed_fallback(method_not_allowed);
    let size_max = config.limits.file_bytes_max;
    let open = bounded(machines.merge(counted))
        .layer(cors)
        .layer(from_fn_with_state(size_max, uploads::answer_options));
    let sockets = bounded(sockets.method_not_allowed_fallback(method_not_allowed));
    let figures = figures.method_not_allowed_fallback(method_not_allowed);
    let router = open.merge(sockets).merge(figures);
    // Around the router and not a layer of it: layers run when a route has been found.
    let router = ServiceExt::<Request>::map_request(router, as_meant);
    Router::new().fallback_service(router)
}

/// A bug of ours in one request is the end of that request and of nothing else; the log has the
/// panic's own line before this one.
fn broken(_panic: Box<dyn std::any::Any + Send>) -> Response {
    ApiError::fault(&std::io::Error::other("a handler panicked")).into_response()
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed)
}

/// Every documented route, by who may ask.
struct Split {
    /// Clients and their pages, so often an address.
    counted: Router,
    /// Sockets, which count by themselves.
    sockets: Router,
    /// Machines that look after the node.
    machines: Router,
    /// `/metrics`: machines of the operator.
    figures: Router,
}

fn split(brought: Brought) -> Split {
    let text = DocumentText::default();
    let (counted, mut document) = openapi::documented(text.clone())
        .merge(brought.resources)
        .split_for_parts();
    let (sockets, of_sockets) = brought.sockets.split_for_parts();
    let (machines, of_machines) = health::routes(brought.ready).split_for_parts();
    let (figures, of_figures) = health::metrics_routes().split_for_parts();
    document.merge(of_machines);
    document.merge(of_sockets);
    document.merge(of_figures);
    text.write(&document);
    Split {
        counted,
        sockets,
        machines,
        figures,
    }
}

/// What browsers are shown; pages and their files are no part of the interface.
fn pages() -> Router {
    crate::web::routes().merge(docs::routes())
}

/// What is asked, however a client or the way to us has to write it.
fn as_meant(request: Request) -> Request {
    uploads::of_meant_method(without_last_slash(request))
}

/// Both forms of an address are one: clients were written against servers that want the slash and
/// against such that do not, and a redirect would turn their POST into a GET.
fn without_last_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    let Some(path) = path.strip_suffix('/').filter(|path| !path.is_empty()) else {
        return request;
    };
    let target = match request.uri().query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(target.expect("a part of a valid address"));
    *request.uri_mut() = Uri::from_parts(parts).expect("only the path has changed");
    request
}

/// Refuses an address that asks too much.
async fn check_rate(State(admit): State<Admission>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<SocketAddr>();
    match peer.map_or(Ok(()), |peer| (admit.0)(peer.ip())) {
        Ok(()) => next.run(request).await,
        Err(refused) => ApiError::from(refused).into_response(),
    }
}

/// Refuses a body that says by itself that it is too large, before the client is asked for it.
async fn check_announced(
    State(limit_bytes): State<usize>,
    request: Request,
    next: Next,
) -> Response {
    let announced_bytes = request.body().size_hint().lower();
    let path = request.uri().path();
    let is_file = doors::takes_files(path) || uploads::takes_files(path);
    if announced_bytes > limit_bytes as u64 && !is_file {
        let why = format!("body too large: {announced_bytes} bytes, limit {limit_bytes}");
        return ApiError::because(ErrorCode::FrameTooLarge, why).into_response();
    }
    let is_form = doors::takes_files(path);
    let mut response = next.run(request).await;
    if is_form && !response.status().is_success() {
        // What still comes of the form is dropped, and the connection with it.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
