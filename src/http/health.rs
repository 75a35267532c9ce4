//! `/healthz`, `/readyz` and `/metrics`: what machines ask of a node.
//!
//! Invariants: `/healthz` answers as long as the process runs its event loop; `/readyz` asks the
//! node each time, and says why when it is not ready.
//! Never: knows what being ready means.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

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

/// The routes of this file.
pub fn routes(ready: ReadyProbe, metrics: &'static Metrics) -> Router {
    let ready = move || async move { answer(ready.ask().await) };
    let metrics = move || async move {
        let content_type = HeaderValue::from_static(METRICS_CONTENT_TYPE);
        ([(header::CONTENT_TYPE, content_type)], metrics.render())
    };
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
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
