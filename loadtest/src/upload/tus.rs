//! Files over tus: one as fast as it goes, alone or in turn with another server, or many at once.
//!
//! Never: sends a byte that the server already answered for.

use std::net::{SocketAddr, ToSocketAddrs};
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

/// Pause between two looks at the server's memory, and between two attempts to remove a file,
/// milliseconds.
const LOOK_MS: u64 = 50;
/// Time for a file to be removed, seconds: it may be looked into first.
const REMOVE_SECS: f64 = 60.0;
/// Where uploads begin on a server of ours.
const PATH: &str = "/v1/uploads";
/// Files that each of two servers gets in turn.
const PAIR_COUNT: usize = 7;
const MIB: f64 = 1024.0 * 1024.0;

/// One file, after a small one that warms everything up.
pub(super) async fn one(
    options: &UploadOptions,
    target: &Target,
    report: &mut Report,
) -> Result<(), String> {
    let door = Door::of(target, 0)?;
    let chunk = Bytes::from(super::text(options.chunk));
    door.send(options.chunk as u64, &chunk).await?;
    let (rate, _) = door.rate(options.size, &chunk).await?;
    report.add("upload_bytes", options.size as f64);
    report.add("chunk_bytes", options.chunk as f64);
    report.add("upload_mib_per_second", rate);
    report.add("rss_end_bytes", target.rss_bytes() as f64);
    Ok(())
}

/// The same file to a server of ours and to another one in turn, removed after each time; the first
/// time of each does not count.
pub(super) async fn beside(
    options: &UploadOptions,
    target: &Target,
    other: &str,
    report: &mut Report,
) -> Result<(), String> {
    let (ours, theirs) = (Door::of(target, 0)?, Door::at(other)?);
    let chunk = Bytes::from(super::text(options.chunk));
    let (mut rates, mut other_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..=PAIR_COUNT {
        let (rate, sent) = ours.rate(options.size, &chunk).await?;
        sent.remove().await?;
        let (other_rate, sent) = theirs.rate(options.size, &chunk).await?;
        sent.remove().await?;
        if pair > 0 {
            rates.push(rate);
            other_rates.push(other_rate);
            ratios.push(rate / other_rate);
        }
    }
    report.add("upload_bytes", options.size as f64);
    report.add("chunk_bytes", options.chunk as f64);
    report.add("upload_mib_per_second", median(rates));
    report.add("beside_mib_per_second", median(other_rates));
    report.add("beside_ratio", median(ratios));
    Ok(())
}

/// The middle one of an odd number of figures.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
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
    let first = Door::of(target, count)?;
    first.send(options.chunk as u64, &chunk).await?;
    let idle_bytes = target.rss_bytes();
    let clock = Clock::start();
    let mut sending = Vec::with_capacity(count);
    for member in 0..count {
        let (size, chunk) = (options.size, chunk.clone());
        let door = Door::of(target, member)?;
        sending.push(spawn_local(async move {
            door.send(size, &chunk).await.map(drop)
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

/// Where a server takes uploads, and who sends them.
struct Door {
    address: SocketAddr,
    path: String,
    token: String,
}

impl Door {
    /// A server of ours, for one of its members.
    fn of(target: &Target, member: usize) -> Result<Self, String> {
        Ok(Self {
            address: target.address,
            path: PATH.to_owned(),
            token: target.tokens.of(member)?.token,
        })
    }

    /// Another server by its address, `http://HOST:PORT/path`.
    fn at(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let found = host.to_socket_addrs();
        let mut found = found.map_err(|error| format!("{host}: {error}"))?;
        Ok(Self {
            address: found.next().ok_or_else(|| format!("{host}: no address"))?,
            path: format!("/{path}"),
            token: "none".to_owned(),
        })
    }

    /// Sends one file, a chunk a request; MiB a second.
    async fn rate(&self, size: u64, chunk: &Bytes) -> Result<(f64, Sent), String> {
        let clock = Clock::start();
        let sent = self.send(size, chunk).await?;
        let seconds = clock.now_ns() as f64 / 1e9;
        Ok((size as f64 / MIB / seconds, sent))
    }

    /// Sends one file, a chunk a request.
    async fn send(&self, size: u64, chunk: &Bytes) -> Result<Sent, String> {
        let mut client = Client::connect(self.address, &self.token).await?;
        let begin = client
            .request(Method::POST, &self.path)
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
        Ok(Sent { client, place })
    }
}

/// A file that was sent.
struct Sent {
    client: Client,
    place: String,
}

impl Sent {
    /// Removes it, as soon as the server lets it go.
    async fn remove(mut self) -> Result<(), String> {
        let clock = Clock::start();
        loop {
            let remove = self.client.request(Method::DELETE, &self.place);
            let why = match self.client.ask(remove, Bytes::new(), 204).await {
                Ok(_) => return Ok(()),
                Err(why) => why,
            };
            if clock.now_ns() as f64 / 1e9 > REMOVE_SECS {
                return Err(why);
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_servers_address_may_have_a_scheme_and_a_path() {
        for (url, path) in [
            ("http://127.0.0.1:1080/files", "/files"),
            ("127.0.0.1:1080/a/b/", "/a/b/"),
            ("127.0.0.1:1080", "/"),
        ] {
            let door = Door::at(url).unwrap();
            assert_eq!(door.address, SocketAddr::from(([127, 0, 0, 1], 1080)));
            assert_eq!(door.path, path);
        }
        assert!(Door::at("http://127.0.0.1/files").is_err(), "no port");
    }

    #[test]
    fn a_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 9.0, 1.0]).to_bits(), 3.0_f64.to_bits());
    }
}
