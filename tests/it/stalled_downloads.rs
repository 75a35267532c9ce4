//! Downloads whose clients take nothing or little: what they hold is given back, one address holds
//! no more than its share, and sockets are not meant.

use std::net::{IpAddr, Ipv4Addr};

use frontdesk::config::Config;
use frontdesk_protocol::CompanyId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::files::Kept;
use crate::support::socket::{JSON, Socket};
use crate::support::token::token_of;
use crate::support::{Bus, COMPANY, Site, run, soon};

/// Downloads that a node has under way at once.
const DOWNLOAD_COUNT: usize = 512;
/// More than both kernels take of a file, bytes.
const FILE_BYTES: usize = 8 * 1024 * 1024;
/// What a stalled client's kernel takes, bytes.
const RECEIVE_BUFFER_BYTES: u32 = 4_096;
/// Messages that a socket does not read for a while.
const MESSAGE_COUNT: u64 = 400;
/// Downloads that an address may have here.
const SHARE_COUNT: u32 = 4;
/// Another address of this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// What a node bears here, milliseconds.
const STALL_MS: u64 = 1_000;

async fn large_file(site: &Site) -> String {
    let bytes = vec![b'a'; FILE_BYTES];
    let kept = Kept {
        company: COMPANY,
        name: "large.txt",
        mime: "text/plain",
        bytes: &bytes,
        small: None,
    };
    let no = site.keep(&kept).await;
    let company = CompanyId::new(COMPANY).expect("valid");
    let link = site.running.file_link(&company, no, false, false).await;
    link.expect("reads").expect("there is such a file")
}

/// A client that has read the head of its answer and stops.
async fn stalled(site: &Site, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let small = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    small.expect("a small buffer");
    let mut stream = socket.connect(site.address).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let written = stream.write_all(request.as_bytes()).await;
    written.expect("the request is short");
    let mut head = [0; 12];
    let read = soon("a head", stream.read_exact(&mut head)).await;
    read.expect("a status");
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// Asks until a download is not refused with this status; its length.
async fn taken_after(site: &Site, path: &str, refusal: u16) -> usize {
    let taken = async {
        loop {
            let answer = site.request("GET", path).send().await;
            let answer = answer.expect("an answer");
            match answer.status().as_u16() {
                200 => return answer.bytes().await.expect("whole"),
                status => assert_eq!(status, refusal),
            }
        }
    };
    soon("a download", taken).await.len()
}

#[test]
fn downloads_that_stand_still_make_room_for_others() {
    run(async {
        let quick = |config: &mut Config| {
            config.limits.response_stall_ms = STALL_MS;
            config.limits.downloads_address = 0;
        };
        let site = Site::with(Bus::Plain, quick).await;
        let path = large_file(&site).await;
        let mut all = Vec::new();
        for _ in 0..DOWNLOAD_COUNT {
            all.push(stalled(&site, &path).await);
        }
        assert_eq!(taken_after(&site, &path, 503).await, FILE_BYTES);
        // What was cut off does not pass for whole.
        let mut came = Vec::new();
        let _ = soon("its end", all[0].read_to_end(&mut came)).await;
        assert!(came.len() < FILE_BYTES, "{}", came.len());
    });
}

#[test]
fn one_address_leaves_downloads_to_the_others() {
    run(async {
        let few = |config: &mut Config| config.limits.downloads_address = SHARE_COUNT;
        let site = Site::with(Bus::Plain, few).await;
        let path = large_file(&site).await;
        let mut held = Vec::new();
        for _ in 0..SHARE_COUNT {
            held.push(stalled(&site, &path).await);
        }
        let request = site.request("GET", &path).send();
        let refused = soon("an answer", request).await.expect("an answer");
        assert_eq!(refused.status().as_u16(), 429, "the share is held");
        let wait = refused.headers()["retry-after"].to_str().expect("text");
        assert!(wait.parse::<u64>().is_ok_and(|wait| wait > 0), "{wait}");
        let elsewhere = reqwest::Client::builder().local_address(IpAddr::V4(ELSEWHERE));
        let elsewhere = elsewhere.build().expect("a client");
        let request = elsewhere.get(format!("http://{}{path}", site.address));
        let answer = soon("an answer", request.send()).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "another address");
        let bytes = soon("a download", answer.bytes()).await.expect("whole");
        assert_eq!(bytes.len(), FILE_BYTES);
        drop(held.pop());
        assert_eq!(taken_after(&site, &path, 429).await, FILE_BYTES);
    });
}

#[test]
fn a_socket_that_says_nothing_is_not_cut_off_as_an_answer_is() {
    run(async {
        let change = |config: &mut Config| {
            config.limits.response_stall_ms = 1;
            config.limits.outbox_hard_bytes = 64 * 1024 * 1024;
            config.limits.outbox_soft_bytes = 32 * 1024 * 1024;
        };
        let site = Site::with(Bus::Plain, change).await;
        let room = site.room(&["ann", "bob"]).await;
        let token = format!("frontdesk.token.{}", token_of("ann"));
        let mut ann = Socket::dial_narrow(site.address, "/v1/ws", &[JSON, &token]).await;
        ann.join(&room.id).await;
        let mut bob = site.join("bob", &room).await;
        // More than the kernels take: the rest waits here, for longer than an answer may.
        for _ in 0..MESSAGE_COUNT {
            bob.post(&room.id, &"x".repeat(9_000)).await;
        }
        ann.events(&room.id, 1, MESSAGE_COUNT).await;
    });
}
