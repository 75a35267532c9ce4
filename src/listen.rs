//! Listening: sockets with a deep backlog, and an HTTP/1.1 task for each connection until it is
//! answered or upgraded.
//!
//! Invariants: a burst of connects waits in the backlog instead of being retried by the kernel a
//! second later; a client that does not finish its request head in time is dropped, and so is one
//! that takes nothing of its answer.
//! Never: looks into a request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use frontdesk_actors::task::spawn;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::linger::{CutOff, Lingering, Watched};

/// Time for a request's head to arrive, milliseconds: a person's slowest network, not an attacker's
/// patience.
const HEAD_TIMEOUT_MS: u64 = 10_000;
/// A request's head, bytes: one with the longest token fits.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Read at once of a body that comes fast, bytes: each read goes through every layer. As much of an
/// answer waits here for a client that takes it slowly.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Pause after the process ran out of files, milliseconds.
const NO_FILES_PAUSE_MS: u64 = 50;

/// Opens one listener.
pub(crate) fn bind(address: SocketAddr, backlog_connections: u32) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog_connections)
}

/// Counts HTTP connections that are open. One that waits for its next request ends when the node is
/// told to stop, so that what is left then is under way.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<()>);

impl UnderWay {
    /// Connections under way.
    pub(crate) fn count(&self) -> usize {
        // Listeners that have not stopped yet count as well: one may be about to accept.
        Arc::strong_count(&self.0) - 1
    }
}

/// Accepts until told to stop; requests under way are finished. A connection whose client takes
/// nothing of an answer for the limit is ended.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
    (stall_limit, under_way): (Duration, UnderWay),
) {
    let http = Arc::new(http());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (http, router, stop) = (Arc::clone(&http), router.clone(), stop.clone());
                let serving = serve(http, (stream, stall_limit), peer, router, stop);
                let counted = under_way.clone();
                spawn(async move {
                    serving.await;
                    drop(counted);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(NO_FILES_PAUSE_MS)).await;
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return; // whoever could say stop is gone
        }
    }
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_TIMEOUT_MS))
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(READ_BYTES_MAX)
        .half_close(false);
    http
}

async fn serve(
    http: Arc<http1::Builder>,
    (stream, stall_limit): (TcpStream, Duration),
    peer: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // A chat's frames are small and must not wait for each other.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let cut_off = CutOff::default();
    let stream = Lingering::new(stream, stall_limit, cut_off.clone());
    let service = router.map_request(move |request: hyper::Request<hyper::body::Incoming>| {
        let watched = |body| Body::new(Watched::new(body, cut_off.clone()));
        let mut request = request.map(watched);
        request.extensions_mut().insert(peer);
        request
    });
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "http connection ended");
    }
}
