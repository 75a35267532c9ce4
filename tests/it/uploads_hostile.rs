//! Uploads of clients that lie, dawdle, guess and race, and uploads whose surroundings fail.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontdesk::config::{Config, ScanPolicy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::token::{now_s, token_of, token_with};
use crate::support::uploads::UPLOADS;
use crate::support::{Bus, OTHER_COMPANY, Site, run, soon, until};

const TEXT: &[u8] = b"a text of some words\n";
const LENGTH: u64 = TEXT.len() as u64;
/// What every scanner finds, in two halves, so that none finds it here.
const EICAR: (&[u8], &[u8]) = (
    b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-",
    b"ANTIVIRUS-TEST-FILE!$H+H*",
);
/// Answers for an upload whose file was taken away: at first it is known, then forgotten.
const GONE: [u16; 2] = [410, 404];
/// Lifetime of uploads where their end is tested, milliseconds.
const LIFETIME_MS: u64 = 60_000;
/// How long what became of an upload is told, milliseconds.
const TRACE_MS: u64 = 60 * 60 * 1_000;
/// Sent at once before a client dawdles, bytes.
const FIRST_BYTES: usize = 300_000;
/// Of those, what is on the disk before more comes, bytes.
const PIECE_BYTES: u64 = 256 * 1024;
/// Longer than the time over which a body's speed is looked at, milliseconds.
const DAWDLE_MS: u64 = 31_000;

/// A scanner that looks for one thing.
fn scanner() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            // A caller that hangs up is done.
            let _ = scan(caller);
        }
    });
    address
}

fn scan(mut caller: TcpStream) -> std::io::Result<()> {
    let mut greeting = [0; 10];
    caller.read_exact(&mut greeting)?;
    let mut came = Vec::new();
    loop {
        let mut length = [0; 4];
        caller.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            break;
        }
        let start = came.len();
        came.resize(start + length, 0);
        caller.read_exact(&mut came[start..])?;
    }
    let whole = [EICAR.0, EICAR.1].concat();
    let is_found = came.windows(whole.len()).any(|window| window == whole);
    caller.write_all(match is_found {
        true => b"stream: Eicar FOUND\0",
        false => b"stream: OK\0",
    })
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

fn scanned_by(address: SocketAddr, policy: ScanPolicy) -> impl FnOnce(&mut Config) {
    move |config| {
        config.files.clamav = Some(address.to_string());
        config.files.scan_policy = policy;
        config.files.scan_wait_ms = 600;
    }
}

#[test]
fn lengths_that_are_none_are_refused() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        for length in [
            "-1",
            "+5",
            "5,5",
            "9223372036854775808",
            "18446744073709551616",
            "",
        ] {
            let headers = [("upload-length", length)];
            let refused = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
            assert_eq!(refused.status, 400, "{length:?}");
        }
        let twice = [("upload-length", "5"), ("upload-length", "5")];
        assert_eq!(
            site.tus(&ann, ("POST", UPLOADS), &twice, b"").await.status,
            400
        );
        assert_eq!(site.spooled(), Vec::<std::path::PathBuf>::new());
    });
}

#[test]
fn a_body_in_pieces_that_is_too_long_ends_its_upload_and_returns_its_space() {
    run(async {
        let site = Site::with(Bus::Plain, |config| config.limits.company_file_bytes = 15).await;
        let ann = token_of("ann");
        let place = site.begin_tus(&ann, 10, "").await;
        let announced = site.patch_tus(&ann, &place, 0, &TEXT[..11]).await;
        assert_eq!(announced.status, 413);
        let mut peer = tokio::net::TcpStream::connect(site.address)
            .await
            .expect("connected");
        let head = format!(
            "PATCH {place} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ann}\r\n\
             tus-resumable: 1.0.0\r\nupload-offset: 0\r\ntransfer-encoding: chunked\r\n\
             content-type: application/offset+octet-stream\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"
        );
        peer.write_all(head.as_bytes()).await.expect("written");
        let mut answer = vec![0; 12];
        soon("an answer", peer.read_exact(&mut answer))
            .await
            .expect("an answer");
        assert_eq!(answer, b"HTTP/1.1 413");
        let ended = site.until_upload(&ann, &place, "failed").await;
        assert_eq!(ended["failure"], "file_too_large");
        until("nothing left on the disk", || site.spooled().is_empty()).await;
        site.begin_tus(&ann, 15, "").await;
    });
}

#[test]
fn a_body_that_dawdles_is_ended_and_what_came_is_kept() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let place = site.begin_tus(&ann, 1_000_000, "").await;
        let stream = tokio::net::TcpStream::connect(site.address)
            .await
            .expect("connected");
        let (mut reader, mut writer) = stream.into_split();
        let head = format!(
            "PATCH {place} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ann}\r\n\
             tus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-length: 1000000\r\n\
             content-type: application/offset+octet-stream\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).await.expect("written");
        let first = vec![b'a'; FIRST_BYTES];
        writer.write_all(&first).await.expect("written");
        let bytes_of = |path: &std::path::PathBuf| path.metadata().map_or(0, |file| file.len());
        until("a piece on the disk", || {
            site.spooled()
                .iter()
                .map(bytes_of)
                .any(|bytes| bytes >= PIECE_BYTES)
        })
        .await;
        let mut status = vec![0; 12];
        let mut answer = Box::pin(reader.read_exact(&mut status));
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        let dawdling = async {
            loop {
                tokio::select! {
                    read = &mut answer => break read.expect("an answer"),
                    _ = ticks.tick() => {
                        // An end meanwhile is seen by the reader.
                        let _ = writer.write_all(b"a").await;
                        site.clock.leap_ms(DAWDLE_MS);
                    }
                }
            }
        };
        soon("an answer", dawdling).await;
        drop(answer);
        assert_eq!(status, b"HTTP/1.1 503");
        let kept = site
            .upload_status(
                &token_with(
                    &json!("ann"),
                    &json!({
                        "exp": now_s() + 10_000_000,
                    }),
                ),
                &place,
            )
            .await;
        assert!(
            kept["offset"]
                .as_u64()
                .is_some_and(|offset| offset >= PIECE_BYTES),
            "{kept}"
        );
        assert_eq!(kept["state"], "receiving");
    });
}

#[test]
fn whoever_begins_too_many_waits_or_ends_one() {
    run(async {
        let site = Site::with(Bus::Plain, |config| {
            config.limits.uploads_per_minute = Some(4);
            config.limits.uploads_open_person = 2;
        })
        .await;
        let ann = token_of("ann");
        let first = site.begin_tus(&ann, 5, "").await;
        site.begin_tus(&ann, 5, "").await;
        let headers = [("upload-length", "5")];
        let open = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
        assert_eq!(
            (open.status, open.json()["code"].as_str()),
            (429, Some("rate_limited"))
        );
        assert_eq!(
            site.tus(&ann, ("DELETE", &first), &[], b"").await.status,
            204
        );
        until("one fewer", || site.spooled().len() <= 2).await;
        site.begin_tus(&ann, 5, "").await;
        let often = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
        assert_eq!(often.status, 429);
        let wait_s: u64 = often.text("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&wait_s), "{wait_s}");
        site.begin_tus(&token_of("bob"), 5, "").await;
    });
}

#[test]
fn an_upload_is_nobody_elses_whoever_guesses_it() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(
            site.patch_tus(&ann, &place, 0, &TEXT[..5]).await.status,
            204
        );
        let foreign = token_with(&json!("ann"), &json!({"company_id": OTHER_COMPANY}));
        for token in [token_of("bob"), foreign] {
            for method in ["HEAD", "DELETE"] {
                let said = site.tus(&token, (method, &place), &[], b"").await;
                assert_eq!(
                    (said.status, said.text("upload-offset")),
                    (404, ""),
                    "{method}"
                );
            }
            let said = site.patch_tus(&token, &place, 5, b"x").await;
            assert_eq!((said.status, said.text("upload-offset")), (404, ""));
        }
        let expired = token_with(&json!("ann"), &json!({"exp": now_s() - 100}));
        assert_eq!(site.patch_tus(&expired, &place, 5, b"x").await.status, 401);
        // With another token of theirs it goes on.
        assert_eq!(
            site.patch_tus(&ann, &place, 5, &TEXT[5..]).await.status,
            204
        );
        site.until_upload(&ann, &place, "ready").await;
    });
}

#[test]
fn a_file_that_is_completed_twice_at_once_is_one_file_and_one_message() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let room = site.room(&["ann", "bob"]).await;
        let mut bob = site.join("bob", &room).await;
        let ann = token_of("ann");
        let number = STANDARD.encode(room.number.to_string());
        let place = site
            .begin_tus(&ann, LENGTH, &format!("room {number}"))
            .await;
        assert_eq!(
            site.patch_tus(&ann, &place, 0, &TEXT[..5]).await.status,
            204
        );
        let answers = tokio::join!(
            site.patch_tus(&ann, &place, 5, &TEXT[5..]),
            site.patch_tus(&ann, &place, 5, &TEXT[5..]),
            site.patch_tus(&ann, &place, 5, &TEXT[5..]),
        );
        let statuses = [answers.0.status, answers.1.status, answers.2.status];
        let taken = statuses.iter().filter(|status| **status == 204).count();
        assert_eq!(taken, 1, "{statuses:?}");
        assert!(
            statuses
                .iter()
                .all(|status| [204, 409, 423].contains(status)),
            "{statuses:?}"
        );
        let ready = site.until_upload(&ann, &place, "ready").await;
        let event = bob.event(&room.id).await;
        assert_eq!(
            (&event["seq"], &event["file"]["no"]),
            (&ready["seq"], &ready["file"])
        );
        let is_progress = |push: &Value| push["kind"] == "upload_progress";
        let mut more = bob.settled(&room.id).await;
        more.retain(|push| !is_progress(push));
        assert_eq!(more, Vec::<Value>::new());
    });
}

#[test]
fn a_companys_space_is_reserved_and_returned() {
    run(async {
        let site = Site::with(Bus::Plain, |config| config.limits.company_file_bytes = 50).await;
        let ann = token_of("ann");
        let headers = [("upload-length", "51")];
        let full = site.tus(&ann, ("POST", UPLOADS), &headers, b"").await;
        assert_eq!(
            (full.status, full.json()["code"].as_str()),
            (507, Some("storage_full"))
        );
        let first = site.begin_tus(&ann, 40, "").await;
        let headers = [("upload-length", "11")];
        assert_eq!(
            site.tus(&ann, ("POST", UPLOADS), &headers, b"")
                .await
                .status,
            507
        );
        assert_eq!(
            site.tus(&ann, ("DELETE", &first), &[], b"").await.status,
            204
        );
        until("space again", || site.spooled().is_empty()).await;
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
        site.until_upload(&ann, &place, "ready").await;
        let headers = [("upload-length", "30")];
        assert_eq!(
            site.tus(&ann, ("POST", UPLOADS), &headers, b"")
                .await
                .status,
            507
        );
        // What waits to be sent can be taken back.
        let delete = ("DELETE", &*place);
        assert_eq!(site.tus(&ann, delete, &[], b"").await.status, 204);
        for method in ["HEAD", "DELETE"] {
            let said = site.tus(&ann, (method, &place), &[], b"").await;
            assert!(GONE.contains(&said.status), "{method}: {}", said.status);
        }
        until("space again", || site.spooled().is_empty()).await;
        site.begin_tus(&ann, 50, "").await;
    });
}

#[test]
fn a_file_in_a_room_is_not_taken_back() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let room = site.room(&["ann", "bob"]).await;
        let ann = token_of("ann");
        let path = format!("{UPLOADS}?room={}", room.number);
        let headers = [("upload-complete", "?1")];
        let begun = site.send(&ann, ("POST", &path), &headers, TEXT).await;
        let place = begun.place();
        site.until_upload(&ann, &place, "ready").await;
        assert_eq!(
            site.tus(&ann, ("DELETE", &place), &[], b"").await.status,
            409
        );
        assert_eq!(site.upload_status(&ann, &place).await["state"], "ready");
    });
}

#[test]
fn without_its_scanner_a_server_takes_nothing_unless_it_is_told_to() {
    run(async {
        let ann = token_of("ann");
        for (policy, state) in [(ScanPolicy::Closed, "failed"), (ScanPolicy::Open, "ready")] {
            let site = Site::with(Bus::Plain, scanned_by(nobody(), policy)).await;
            let place = site.begin_tus(&ann, LENGTH, "").await;
            assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
            let said = site.until_upload(&ann, &place, state).await;
            if policy == ScanPolicy::Closed {
                assert_eq!(
                    (&said["failure"], &said["retryable"]),
                    (&json!("scanner_unavailable"), &json!(true))
                );
                until("nothing left on the disk", || site.spooled().is_empty()).await;
            }
        }
    });
}

#[test]
fn what_a_scanner_finds_is_found_across_pieces() {
    run(async {
        let site = Site::with(Bus::Plain, scanned_by(scanner(), ScanPolicy::Closed)).await;
        let ann = token_of("ann");
        let (first, second) = EICAR;
        let length = (first.len() + second.len()) as u64;
        let place = site.begin_tus(&ann, length, "").await;
        assert_eq!(site.patch_tus(&ann, &place, 0, first).await.status, 204);
        let last = site
            .patch_tus(&ann, &place, first.len() as u64, second)
            .await;
        assert_eq!(last.status, 204);
        let said = site.until_upload(&ann, &place, "failed").await;
        assert_eq!(said["failure"], "file_infected");
        assert_eq!(site.tus(&ann, ("HEAD", &place), &[], b"").await.status, 410);
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
        site.until_upload(&ann, &place, "ready").await;
    });
}

#[test]
fn what_nobody_comes_back_for_ends_with_its_time() {
    run(async {
        let shortly = |config: &mut Config| config.limits.upload_lifetime_ms = LIFETIME_MS;
        let site = Site::with(Bus::Plain, shortly).await;
        let ann = token_of("ann");
        let staged = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &staged, 0, TEXT).await.status, 204);
        site.until_upload(&ann, &staged, "ready").await;
        let half = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(site.patch_tus(&ann, &half, 0, &TEXT[..5]).await.status, 204);
        assert!(!site.spooled().is_empty());
        site.clock.leap_ms(LIFETIME_MS + 1);
        // A node looks when it starts.
        let site = site.reborn(Bus::Plain, shortly).await;
        site.until_upload(&ann, &half, "expired").await;
        assert_eq!(site.tus(&ann, ("HEAD", &half), &[], b"").await.status, 410);
        let late = site.patch_tus(&ann, &half, 5, &TEXT[5..]).await;
        assert_eq!(late.status, 410);
        let dropped = async {
            let mut looks = tokio::time::interval(std::time::Duration::from_millis(10));
            while !GONE.contains(&site.tus(&ann, ("HEAD", &staged), &[], b"").await.status) {
                looks.tick().await;
            }
        };
        soon("the end of a file that nobody sent", dropped).await;
        until("nothing left on the disk", || site.spooled().is_empty()).await;
    });
}

#[test]
fn what_became_of_an_upload_is_told_for_an_hour() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let place = site.begin_tus(&ann, LENGTH, "caption bG9vaw==").await;
        let delete = ("DELETE", &*place);
        assert_eq!(site.tus(&ann, delete, &[], b"").await.status, 204);
        site.clock.leap_ms(TRACE_MS / 2);
        let site = site.reborn(Bus::Plain, |_| {}).await;
        let said = site.upload_status(&ann, &place).await;
        assert_eq!(said["state"], "cancelled");
        site.clock.leap_ms(TRACE_MS / 2 + 1);
        let site = site.reborn(Bus::Plain, |_| {}).await;
        let forgotten = async {
            let mut looks = tokio::time::interval(std::time::Duration::from_millis(10));
            let status = format!("{place}/status");
            while site.send(&ann, ("GET", &status), &[], b"").await.status != 404 {
                looks.tick().await;
            }
        };
        soon("nothing is told of it", forgotten).await;
        let again = site.tus(&ann, ("HEAD", &place), &[], b"").await;
        assert_eq!((again.status, again.text("upload-metadata")), (404, ""));
    });
}
