//! Uploads whose requests are cut off, overtaken or many and slow.

use std::net::TcpListener;
use std::time::Duration;

use frontdesk::config::{Config, ScanPolicy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::token::{token_of, token_with};
use crate::support::uploads::UPLOADS;
use crate::support::{Bus, Site, run, soon, until};

const TEXT: &[u8] = b"a text of some words\n";
const LENGTH: u64 = TEXT.len() as u64;
/// The head of a request of tus.
fn head(method: &str, path: &str, token: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
         tus-resumable: 1.0.0\r\n{more}\r\n"
    )
}

async fn connected(site: &Site) -> TcpStream {
    let connected = TcpStream::connect(site.address).await;
    connected.expect("connected")
}

async fn sent(site: &Site, bytes: &[u8]) -> TcpStream {
    let mut stream = connected(site).await;
    stream.write_all(bytes).await.expect("written");
    stream
}

async fn status(stream: &mut TcpStream) -> String {
    let mut status = [0; 12];
    let read = soon("an answer", stream.read_exact(&mut status)).await;
    read.expect("an answer");
    String::from_utf8(status.to_vec()).expect("text")
}

#[test]
fn an_upload_whose_client_left_before_it_was_told_of_it_ends() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        // The journals that a request reads are awake by now.
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
        site.until_upload(&ann, &place, "ready").await;
        until("nothing on the disk", || site.spooled().is_empty()).await;
        site.faults().hold_commits();
        let more = "upload-length: 21\r\ncontent-length: 0\r\n";
        let begin = head("POST", UPLOADS, &ann, more);
        let stream = sent(&site, begin.as_bytes()).await;
        until("its file", || !site.spooled().is_empty()).await;
        drop(stream);
        // Behind requests that came after it, the node has seen that the client is gone.
        for _ in 0..10 {
            let (status, _) = site.http_text("GET", "/healthz", None, &Value::Null).await;
            assert_eq!(status, 200);
        }
        site.faults().release();
        until("nothing on the disk", || site.spooled().is_empty()).await;
    });
}

#[test]
fn many_slow_bodies_leave_memory_for_others() {
    const SLOW_COUNT: usize = 40;
    const BATCH_BYTES: usize = 256 * 1024;
    run(async {
        let site = Site::with(Bus::Plain, |config: &mut Config| {
            config.limits.upload_memory_bytes = 2 * BATCH_BYTES;
        })
        .await;
        let ann = token_of("ann");
        let mut slow = Vec::new();
        for _ in 0..SLOW_COUNT {
            let place = site.begin_tus(&ann, 1_000_000, "").await;
            let more = "upload-offset: 0\r\ncontent-length: 1000000\r\n\
                        content-type: application/offset+octet-stream\r\n";
            let mut bytes = head("PATCH", &place, &ann, more).into_bytes();
            bytes.extend_from_slice(TEXT);
            slow.push(sent(&site, &bytes).await);
        }
        until("all of them on the disk", || {
            let spooled = site.spooled().into_iter();
            let begun = spooled.filter(|path| path.metadata().is_ok_and(|file| file.len() > 0));
            begun.count() == SLOW_COUNT
        })
        .await;
        let bob = token_of("bob");
        let file = vec![b'b'; 5 * BATCH_BYTES];
        let place = site.begin_tus(&bob, file.len() as u64, "").await;
        assert_eq!(site.patch_tus(&bob, &place, 0, &file).await.status, 204);
        drop(slow);
    });
}

/// An upload whose length nobody said, and a request for it whose first bytes are on the disk and
/// not yet kept, and whose end does not come.
async fn unended(site: &Site, token: &str) -> (String, TcpStream) {
    let headers = [("upload-defer-length", "1")];
    let place = site.tus(token, ("POST", UPLOADS), &headers, b"").await;
    let place = place.place();
    let first = begun(site, token, &place, 0, TEXT).await;
    spooled(site, LENGTH).await;
    (place, first)
}

/// A request that brings bytes and whose end does not come.
async fn begun(site: &Site, token: &str, place: &str, offset: u64, bytes: &[u8]) -> TcpStream {
    let more = format!(
        "upload-offset: {offset}\r\ntransfer-encoding: chunked\r\n\
         content-type: application/offset+octet-stream\r\n"
    );
    let mut sending = head("PATCH", place, token, &more).into_bytes();
    sending.extend(format!("{:x}\r\n", bytes.len()).into_bytes());
    sending.extend_from_slice(bytes);
    sending.extend_from_slice(b"\r\n");
    sent(site, &sending).await
}

async fn spooled(site: &Site, length: u64) {
    until("it on the disk", || {
        let mut spooled = site.spooled().into_iter();
        spooled.any(|path| path.metadata().is_ok_and(|file| file.len() == length))
    })
    .await;
}

/// To say a length ends what is being sent, so that the upload stands elsewhere from then on.
#[test]
fn a_body_that_comes_with_a_length_counts_from_its_own_offset() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let tus = [("content-type", "application/offset+octet-stream")];
        let draft = [
            ("content-type", "application/partial-upload"),
            ("upload-draft-interop-version", "8"),
            ("upload-complete", "?0"),
        ];
        let whole = [TEXT, b"x"].concat();
        let length = whole.len().to_string();
        for protocol in [&tus[..], &draft] {
            let (place, _first) = unended(&site, &ann).await;
            let said = |offset| [("upload-offset", offset), ("upload-length", &*length)];
            let late = [protocol, &said("0")].concat();
            let answer = match protocol.len() {
                1 => site.tus(&ann, ("PATCH", &place), &late, b"x").await,
                _ => site.send(&ann, ("PATCH", &place), &late, b"x").await,
            };
            assert_eq!(answer.status, 409, "{answer:?}");
            let stands = LENGTH.to_string();
            let looked = site.tus(&ann, ("HEAD", &place), &[], b"").await;
            assert_eq!(looked.text("upload-offset"), stands);
            let rest = [&tus[..], &said(&stands)].concat();
            let answer = site.tus(&ann, ("PATCH", &place), &rest, b"x").await;
            assert_eq!(answer.status, 204, "{answer:?}");
            let ready = site.until_upload(&ann, &place, "ready").await;
            assert_eq!(ready["size"], LENGTH + 1);
        }
    });
}

/// Whoever says how long an upload is ends what is being sent to it, which may be longer.
#[test]
fn a_length_that_is_said_while_more_comes_is_held_against_what_came() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let (place, mut first) = unended(&site, &ann).await;
        let headers = [
            ("upload-offset", "0"),
            ("upload-length", "5"),
            ("content-type", "application/offset+octet-stream"),
        ];
        let second = site.tus(&ann, ("PATCH", &place), &headers, b"other").await;
        assert_eq!(second.status, 400, "{second:?}");
        assert_eq!(status(&mut first).await, "HTTP/1.1 423");
        let stands = site.tus(&ann, ("HEAD", &place), &[], b"").await;
        assert_eq!(stands.text("upload-offset"), LENGTH.to_string());
        let length = LENGTH.to_string();
        let headers = [
            ("upload-offset", &*length),
            ("upload-length", &length),
            ("content-type", "application/offset+octet-stream"),
        ];
        assert_eq!(
            site.tus(&ann, ("PATCH", &place), &headers, b"")
                .await
                .status,
            204
        );
        let ready = site.until_upload(&ann, &place, "ready").await;
        assert_eq!(ready["size"], LENGTH);
    });
}

/// Until a length is written down nobody knows of it, and somebody may write beyond it.
#[test]
fn a_length_is_held_against_what_came_while_it_was_written_down() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let bytes = ("content-type", "application/offset+octet-stream");
        for is_ended in [true, false] {
            let (place, mut first) = unended(&site, &ann).await;
            site.faults().hold_commits();
            let said = (LENGTH + 4).to_string();
            let headers = [("upload-offset", "0"), ("upload-length", &said), bytes];
            let saying = site.tus(&ann, ("PATCH", &place), &headers, b"");
            let meanwhile = async {
                assert_eq!(status(&mut first).await, "HTTP/1.1 423");
                until("it is being written down", || {
                    site.faults().wait_until_held(Duration::ZERO)
                })
                .await;
                let mut longer = begun(&site, &ann, &place, LENGTH, b"too much").await;
                match is_ended {
                    true => {
                        longer.write_all(b"0\r\n\r\n").await.expect("written");
                        assert_eq!(status(&mut longer).await, "HTTP/1.1 204");
                    }
                    false => spooled(&site, LENGTH + 8).await,
                }
                site.faults().release();
                longer
            };
            let (said, mut longer) = tokio::join!(saying, meanwhile);
            assert_eq!(said.status, 413, "{said:?}");
            if !is_ended {
                assert_eq!(status(&mut longer).await, "HTTP/1.1 423");
            }
            let failed = site.until_upload(&ann, &place, "failed").await;
            assert_eq!(failed["failure"], "file_too_large");
            until("nothing on the disk", || site.spooled().is_empty()).await;
        }
    });
}

#[test]
fn an_upload_whose_bytes_are_gone_fails_and_does_not_wait_for_ever() {
    run(async {
        // Connections are taken by the system and never by anybody.
        let hanging = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = hanging.local_addr().expect("an address");
        let site = Site::with(Bus::Plain, |config| {
            config.files.clamav = Some(address.to_string());
            config.files.scan_policy = ScanPolicy::Closed;
        })
        .await;
        // The site that comes after it is an hour later, and tokens must hold.
        let ann = token_with(&"ann".into(), &json!({}));
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
        site.until_upload(&ann, &place, "verifying").await;
        for path in site.spooled() {
            std::fs::remove_file(path).expect("removed");
        }
        let site = site.reborn(Bus::Plain, |_| {}).await;
        let said = site.until_upload(&ann, &place, "failed").await;
        assert_eq!(said["failure"], "upload_lost");
    });
}

/// An upload whose length nobody said takes the space of what came, and not of what might.
#[test]
fn an_unknown_length_leaves_a_companys_space_to_others() {
    run(async {
        let site = Site::with(Bus::Plain, |config| config.limits.company_file_bytes = 50).await;
        let ann = token_of("ann");
        let headers = [("upload-defer-length", "1")];
        let mut places = Vec::new();
        for _ in 0..3 {
            let begun = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
            places.push(begun.place());
        }
        let taken = site.patch_tus(&ann, &places[0], 0, TEXT).await;
        assert_eq!(taken.status, 204);
        let headers = [("upload-length", "30")];
        let full = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
        assert_eq!(full.status, 507, "{LENGTH} bytes and 30 are more than 50");
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
        site.until_upload(&ann, &place, "ready").await;
    });
}

#[test]
fn a_file_is_sent_in_one_of_two_rooms_at_once() {
    const FILE_COUNT: u64 = 12;
    run(async {
        let site = Site::with(Bus::Plain, |config| {
            config.limits.uploads_per_minute = Some(0);
        })
        .await;
        let ann = token_of("ann");
        let (first, second) = (
            site.room(&["ann", "bob"]).await,
            site.room(&["ann", "eve"]).await,
        );
        let mut sockets = (
            site.join("ann", &first).await,
            site.join("ann", &second).await,
        );
        for _ in 0..FILE_COUNT {
            let place = site.begin_tus(&ann, LENGTH, "").await;
            assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
            let file = site.until_upload(&ann, &place, "ready").await["file"].clone();
            let said = |room: &str| {
                json!({
                    "type": "post_message", "room": room, "text": "", "files": [file],
                })
            };
            let told = tokio::join!(
                sockets.0.ask(said(&first.id)),
                sockets.1.ask(said(&second.id))
            );
            let why = match told {
                (Ok(_), Err(why)) | (Err(why), Ok(_)) => why,
                both => panic!("both, or none: {both:?}"),
            };
            assert!(why["code"] == "busy" || why["code"] == "bad_field", "{why}");
        }
    });
}
