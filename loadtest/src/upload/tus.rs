//! Files over tus: one as fast as it goes, or many at once.
//!
//! Never: sends a byte that the server already answered for.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION};
use hyper::http::request::Builder;
use hyper::http::response::Parts;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::clock::Clock;
use crate::options::UploadOptions;
use crate::report::Report;
use crate::steady::Target;

/// Pause between two looks at the server's memory, milliseconds.
const LOOK_MS: u64 = 50;
const MIB: f64 = 1024.0 * 1024.0;

/// One file, after a small one that warms everything up.
pub(super) async fn one(
    options: &UploadOptions,
    target: &Target,
    report: &mut Report,
) -> Result<(), String> {
    let token = target.tokens.of(0)?.token;
    let chunk = Bytes::from(super::text(options.chunk));
    send(target.address, &token, options.chunk as u64, &chunk).await?;
    let clock = Clock::start();
    send(target.address, &token, options.size, &chunk).await?;
    let seconds = clock.now_ns() as f64 / 1e9;
    report.add("upload_bytes", options.size as f64);
    report.add("chunk_bytes", options.chunk as f64);
    report.add("upload_mib_per_second", options.size as f64 / MIB / seconds);
    report.add("rss_end_bytes", target.rss_bytes() as f64);
    Ok(())
}

/// Many files at once, each of another person; the most memory that the server took meanwhile.
pub(super) async fn many(
    options: &UploadOptions,
    target: &Target,
    count: usize,
    report: &mut Report,
) -> Result<(), String> {
    let chunk = Bytes::from(super::text(options.chunk));
    // What every server needs after its first upload is not what many of them take.
    let first = target.tokens.of(count)?.token;
    send(target.address, &first, options.chunk as u64, &chunk).await?;
    let idle_bytes = target.rss_bytes();
    let clock = Clock::start();
    let mut sending = Vec::with_capacity(count);
    for member in 0..count {
        let (address, size, chunk) = (target.address, options.size, chunk.clone());
        let token = target.tokens.of(member)?.token;
        sending.push(spawn_local(async move {
            send(address, &token, size, &chunk).await
        }));
    }
    let sending = Rc::new(std::cell::RefCell::new(sending));
    let mut peak_bytes = idle_bytes;
    while sending.borrow().iter().any(|one| !one.is_finished()) {
        peak_bytes = peak_bytes.max(target.rss_bytes());
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
    let seconds = clock.now_ns() as f64 / 1e9;
    let finished = std::mem::take(&mut *sending.borrow_mut());
    for one in finished {
        one.await.map_err(|error| error.to_string())??;
    }
    let total = options.size as f64 * count as f64;
    report.add("uploads_count", count as f64);
    report.add("upload_bytes", options.size as f64);
    report.add("upload_mib_per_second", total / MIB / seconds);
    report.add("rss_idle_bytes", idle_bytes as f64);
    report.add("rss_peak_bytes", peak_bytes as f64);
    report.add(
        "rss_more_bytes",
        peak_bytes.saturating_sub(idle_bytes) as f64,
    );
    Ok(())
}

/// Sends one file, a chunk a request.
async fn send(address: SocketAddr, token: &str, size: u64, chunk: &Bytes) -> Result<(), String> {
    let mut client = Client::connect(address, token).await?;
    let begin = client
        .request(Method::POST, "/v1/uploads")
        .header("upload-length", size)
        .header("upload-metadata", "filename bG9hZC50eHQ="); // load.txt
    let head = client.ask(begin, Bytes::new(), 201).await?;
    let place = head.headers.get(LOCATION).and_then(|at| at.to_str().ok());
    let place = place.ok_or("an upload without a place")?.to_owned();
    let mut offset = 0;
    while offset < size {
        let left = usize::try_from(size - offset).unwrap_or(usize::MAX);
        let body = chunk.slice(..chunk.len().min(left));
        let length = body.len() as u64;
        let append = client
            .request(Method::PATCH, &place)
            .header(CONTENT_TYPE, "application/offset+octet-stream")
            .header("upload-offset", offset);
        client.ask(append, body, 204).await?;
        offset += length;
    }
    Ok(())
}

struct Client {
    host: String,
    token: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    async fn connect(address: SocketAddr, token: &str) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot reach {address}: {error}");
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| failed(&error))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| failed(&error))?;
        // Ends with the sender; a failure shows in the request that it fails.
        spawn_local(async move { drop(connection.await) });
        Ok(Self {
            host: address.to_string(),
            token: token.to_owned(),
            sender,
        })
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let path = match path
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
        {
            Some((_, path)) => format!("/{path}"),
            None => path.to_owned(),
        };
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header("tus-resumable", "1.0.0")
    }

    async fn ask(&mut self, request: Builder, body: Bytes, status: u16) -> Result<Parts, String> {
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| error.to_string())?;
        let failed = |error: hyper::Error| format!("an upload: {error}");
        self.sender.ready().await.map_err(failed)?;
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(failed)?.to_bytes();
        match head.status.as_u16() == status {
            true => Ok(head),
            false => {
                let text = String::from_utf8_lossy(&body);
                Err(format!("an upload was answered {}: {text}", head.status))
            }
        }
    }
}
