//! Heads and bodies beyond the limit: who writes all of it before reading is still told why it was
//! refused.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::support::raw::Raw;
use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    a_body_beyond_the_limit_is_answered_however_it_is_sent,
    a_body_that_was_announced_too_large_is_not_asked_for,
    an_early_answer_of_any_kind_reaches_who_writes_first,
    a_body_that_never_ends_is_not_read_for_ever,
    a_head_is_bounded_however_much_is_read_of_a_body_at_once,
);

/// What a head may have.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Three times what a body may have.
const BODY_BYTES: usize = 3 * 1024 * 1024;
/// What the client's kernel takes in advance, bytes.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// Bytes of one chunk.
const CHUNK_BYTES: usize = 64 * 1024;

fn head(path: &str, headers: &str) -> Vec<u8> {
    let token = token_of("ann");
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {token}\r\n{headers}\r\n"
    )
    .into_bytes()
}

fn body() -> Vec<u8> {
    let empty = r#"{"participants":[],"more":""}"#.len();
    let more = "x".repeat(BODY_BYTES - empty);
    format!(r#"{{"participants":[],"more":"{more}"}}"#).into_bytes()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks = body.chunks(CHUNK_BYTES).flat_map(|chunk| {
        let size = format!("{:x}\r\n", chunk.len());
        [size.as_bytes(), chunk, b"\r\n"].concat()
    });
    chunks.chain(*b"0\r\n\r\n").collect()
}

/// Writes all of it, then reads to the end, which must be a clean one: the status and the JSON of
/// the last answer. The kernel takes little of what the server has not read, as on a long way.
async fn answer(site: &Site, request: &[u8]) -> (String, Value) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .set_send_buffer_size(SEND_BUFFER_BYTES)
        .expect("a smaller buffer");
    let dialed = socket.connect(site.address).await;
    let mut stream = dialed.expect("connected");
    let written = soon("writing", stream.write_all(request)).await;
    written.expect("the server takes all of it");
    let mut answers = Vec::new();
    let ended = soon("the end", stream.read_to_end(&mut answers)).await;
    ended.expect("no reset");
    let answers = String::from_utf8(answers).expect("text");
    let last = answers
        .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
        .unwrap_or(&answers);
    let status = last.split(' ').nth(1).expect("a status");
    let (_, body) = last.split_once("\r\n\r\n").expect("a whole head");
    let told = serde_json::from_str(body).expect("a whole body");
    (status.to_owned(), told)
}

async fn a_body_beyond_the_limit_is_answered_however_it_is_sent(bus: Bus) {
    let site = Site::start(bus).await;
    let length = format!("Content-Length: {BODY_BYTES}\r\n");
    let chunks = "Transfer-Encoding: chunked\r\n";
    for (headers, body) in [(length.as_str(), body()), (chunks, chunked(&body()))] {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let headers = format!("{headers}{expect}");
            let request = [head("/v1/rooms", &headers), body.clone()].concat();
            // Whether it goes wrong is a race between the two sides.
            for _ in 0..2 {
                let (status, told) = answer(&site, &request).await;
                assert_eq!(
                    (status.as_str(), &told["code"]),
                    ("413", &"frame_too_large".into())
                );
            }
        }
    }
}

async fn a_body_that_was_announced_too_large_is_not_asked_for(bus: Bus) {
    let site = Site::start(bus).await;
    let headers = format!("Content-Length: {BODY_BYTES}\r\nExpect: 100-continue\r\n");
    let mut raw = Raw::connect(site.address).await;
    raw.write(&head("/v1/rooms", &headers)).await;
    let told = raw.head().await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    drop(raw);
    // One that has nothing to fear is asked.
    let body = br#"{"participants":[]}"#;
    let headers = format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len());
    let mut raw = Raw::connect(site.address).await;
    raw.write(&head("/v1/rooms", &headers)).await;
    let told = raw.head().await;
    assert!(told.starts_with("HTTP/1.1 100 "), "{told}");
    raw.write(body).await;
    let told = raw.head().await;
    assert!(told.starts_with("HTTP/1.1 201 "), "{told}");
}

async fn an_early_answer_of_any_kind_reaches_who_writes_first(bus: Bus) {
    let site = Site::start(bus).await;
    let length = format!("Content-Length: {}\r\n", 900 * 1024);
    for (path, status) in [("/nowhere", "404"), ("/healthz", "405")] {
        for _ in 0..2 {
            let request = [head(path, &length), vec![b' '; 900 * 1024]].concat();
            assert_eq!(answer(&site, &request).await.0, status, "{path}");
        }
    }
}

async fn a_body_that_never_ends_is_not_read_for_ever(bus: Bus) {
    let site = Site::start(bus).await;
    let mut raw = Raw::connect(site.address).await;
    let headers = "Transfer-Encoding: chunked\r\n";
    raw.write(&head("/v1/rooms", headers)).await;
    let piece = chunked(&vec![b' '; CHUNK_BYTES]);
    let piece = &piece[..piece.len() - b"0\r\n\r\n".len()];
    let mut written_bytes = 0;
    while soon("writing", raw.stream.write_all(piece)).await.is_ok() {
        written_bytes += piece.len();
        assert!(written_bytes < 256 * 1024 * 1024, "still read");
    }
}

/// A head of so many bytes.
fn head_of(bytes: usize) -> Vec<u8> {
    let empty = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n".len();
    let more = "x".repeat(bytes - empty);
    format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {more}\r\n\r\n").into_bytes()
}

async fn a_head_is_bounded_however_much_is_read_of_a_body_at_once(bus: Bus) {
    let site = Site::start(bus).await;
    for refused in [head_of(HEAD_BYTES_MAX + 1), head_of(4 * HEAD_BYTES_MAX)] {
        let mut raw = Raw::connect(site.address).await;
        // Much of it comes at once, so that much is read at once.
        let mut body = vec![b' '; 900 * 1024];
        body.extend_from_slice(br#"{"participants":[]}"#);
        let length = format!("Content-Length: {}\r\n", body.len());
        raw.write(&[head("/v1/rooms", &length), body].concat())
            .await;
        let told = raw.head().await;
        assert!(told.starts_with("HTTP/1.1 201 "), "{told}");
        // The answer's body stands before the next head.
        raw.write(&head_of(HEAD_BYTES_MAX)).await;
        let told = raw.head().await;
        assert!(told.contains("HTTP/1.1 200 "), "{told}");
        raw.write(&refused).await;
        let told = raw.head().await;
        assert!(told.contains("HTTP/1.1 431 "), "{told}");
        raw.rest().await;
    }
}
