//! `/healthz`, `/readyz` and `/metrics`: what machines ask of a node.
//!
//! Invariants: `/healthz` answers as long as the process runs its event loop; `/readyz` asks the
//! node each time, and says why when it is not ready.
//! Never: knows what being ready means.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::telemetry::{METRICS_CONTENT_TYPE, Metrics};

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Asks the node whether it can serve: a probe along the path that commands take.
#[derive(Clone)]
pub struct ReadyProbe(Arc<dyn Fn() -> Answer + Send + Sync>);

impl ReadyProbe {
    /// Wraps the probe; its error says for operators what is wrong.
    pub fn new<F, A>(probe: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(probe())))
    }

    async fn ask(&self) -> Result<(), String> {
        (self.0)().await
    }
}

impl fmt::Debug for ReadyProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadyProbe")
    }
}

/// The routes of this file that clients may ask as well.
pub(crate) fn routes<S>(ready: ReadyProbe) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::default()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .with_state(ready)
}

/// The route of figures, which no page of another origin may read.
pub(crate) fn metrics_routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::default().routes(routes!(metrics))
}

/// Whether the process serves requests.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "machines",
    responses((status = 200, description = "it does", body = String, content_type = "text/plain")),
)]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether a write and an actor's turn succeed.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "machines",
    responses(
        (status = 200, description = "they do", body = String, content_type = "text/plain"),
        (status = 503, description = "why not", body = String, content_type = "text/plain"),
    ),
)]
async fn readyz(State(ready): State<ReadyProbe>) -> Response {
    answer(ready.ask().await)
}

/// Metrics in the Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "machines",
    responses((status = 200, description = "figures", body = String, content_type = "text/plain")),
)]
async fn metrics() -> impl IntoResponse {
    let content_type = HeaderValue::from_static(METRICS_CONTENT_TYPE);
    (
        [(header::CONTENT_TYPE, content_type)],
        Metrics::of_program().render(),
    )
}

fn answer(outcome: Result<(), String>) -> Response {
    match outcome {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => {
            let body = format!("not ready: {reason}\n");
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}
