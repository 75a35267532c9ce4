//! Uploads while what they need is taken away: the scanner, the bucket, their time, the account of
//! who sends them. And what one company's uploads tell of another's.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use frontdesk::config::{Config, ScanPolicy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::sending::Sending;
#[cfg(feature = "s3")]
use crate::support::sending::text_of;
use crate::support::staff::{ROOT, ROOT_PASSWORD, agent, company, installation, token};
use crate::support::token::{token_of, token_with};
use crate::support::uploads::UPLOADS;
use crate::support::{Bus, OTHER_COMPANY, Site, run, soon, until};

const TEXT: &[u8] = b"a text of some words\n";
const LENGTH: u64 = TEXT.len() as u64;
/// Lifetime of uploads where their end is tested, milliseconds.
const LIFETIME_MS: u64 = 60_000;

#[test]
fn a_scanner_that_hangs_is_given_up_and_holds_up_nobody() {
    run(async {
        let ann = token_of("ann");
        for (policy, state) in [(ScanPolicy::Closed, "failed"), (ScanPolicy::Open, "ready")] {
            // Connections are taken by the system and never by anybody.
            let hanging = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            let address = hanging.local_addr().expect("an address");
            let site = Site::with(Bus::Plain, |config| {
                config.files.clamav = Some(address.to_string());
                config.files.scan_policy = policy;
                config.files.scan_answer_ms = 300;
                config.files.scan_wait_ms = 600;
            })
            .await;
            let room = site.room(&["ann", "bob"]).await;
            let place = site.begin_tus(&ann, LENGTH, "").await;
            assert_eq!(site.patch_tus(&ann, &place, 0, TEXT).await.status, 204);
            let mut talker = site.join("ann", &room).await;
            let said = json!({"type": "post_message", "room": room.id, "text": "still here"});
            talker.ask(said).await.expect("said");
            let said = site.until_upload(&ann, &place, state).await;
            if policy == ScanPolicy::Closed {
                assert_eq!(
                    (&said["failure"], &said["retryable"]),
                    (&json!("scanner_unavailable"), &json!(true))
                );
            }
            until("nothing left on the disk", || site.spooled().is_empty()).await;
        }
    });
}

#[test]
#[cfg(feature = "s3")]
fn a_bucket_that_ends_within_a_file_has_it_once_when_it_is_back() {
    use crate::support::bucket::BucketServer;
    use crate::support::files::in_bucket;

    const FILE_BYTES: usize = 18_000_000;
    run(async {
        let server = BucketServer::start();
        let front = server.killed_after(FILE_BYTES as u64 / 2);
        let site = Site::with(Bus::Plain, |config| in_bucket(config, front.address)).await;
        let room = site.room(&["ann", "bob"]).await;
        let mut bob = site.join("bob", &room).await;
        let ann = token_of("ann");
        let file = text_of(FILE_BYTES);
        let path = format!("{UPLOADS}?room={}", room.number);
        let headers = [("upload-complete", "?1")];
        let begun = site.send(&ann, ("POST", &path), &headers, &file).await;
        let place = begun.place();
        let came = || front.came_bytes.load(std::sync::atomic::Ordering::SeqCst);
        until("the bucket's end", || came() >= FILE_BYTES as u64 / 2).await;
        let said = site.upload_status(&ann, &place).await;
        assert_ne!(said["state"], "ready", "{said}");
        server.start_again();
        let ready = site.until_upload(&ann, &place, "ready").await;
        let event = bob.next_that(|push| push["kind"] == "message").await;
        assert_eq!(
            (&event["seq"], &event["file"]["no"]),
            (&ready["seq"], &ready["file"])
        );
        let path = format!("/v1/files/{}", ready["file"]);
        let (_, shown) = site.http("GET", &path, Some(&ann), &Value::Null).await;
        let url = shown["url"].as_str().expect("a link");
        let path = &url[url.find("/media/").expect("ours")..];
        let answer = site.request("GET", path).send().await.expect("an answer");
        assert!(answer.bytes().await.expect("a body") == file);
        assert_eq!(server.leftovers(), Vec::<String>::new());
    });
}

/// A picture that says where it was taken.
#[cfg(feature = "s3")]
fn private_picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::DynamicImage::new_rgb8(8, 8);
    let written = picture.write_to(&mut bytes, image::ImageFormat::Jpeg);
    written.expect("a picture");
    let mut bytes = bytes.into_inner();
    let place: &[u8] = b"\xff\xe1\0\x1aExif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0PLACE";
    bytes.splice(2..2, place[..28].iter().copied());
    bytes
}

/// The copy without what is private was made, and is gone before it was stored.
#[test]
#[cfg(feature = "s3")]
fn a_picture_whose_cleaned_copy_is_gone_is_not_stored_as_it_came() {
    use crate::support::bucket::BucketServer;
    use crate::support::files::in_bucket;

    run(async {
        let server = BucketServer::start();
        let site = Site::with(Bus::Plain, |config| in_bucket(config, server.address)).await;
        server.kill();
        let ann = token_of("ann");
        let picture = private_picture();
        let length = picture.len().to_string();
        let headers = [
            ("upload-length", &*length),
            (
                "upload-metadata",
                "filename YS5qcGc=,filetype aW1hZ2UvanBlZw==",
            ),
        ];
        let place = site
            .tus(&ann, ("POST", UPLOADS), &headers, b"")
            .await
            .place();
        assert_eq!(site.patch_tus(&ann, &place, 0, &picture).await.status, 204);
        site.until_upload(&ann, &place, "publishing").await;
        let copies = site.spooled().into_iter();
        let mut copies =
            copies.filter(|path| path.extension().is_some_and(|end| end == "stripped"));
        let copy = copies.next().expect("a copy");
        assert!(std::fs::read(&copy).expect("a copy").len() < picture.len());
        std::fs::remove_file(copy).expect("removed");
        server.start_again();
        let said = site.until_upload(&ann, &place, "failed").await;
        assert_eq!(said["failure"], "upload_lost");
        until("nothing left on the disk", || site.spooled().is_empty()).await;
        assert_eq!(server.leftovers(), Vec::<String>::new());
    });
}

#[test]
fn an_upload_takes_nothing_once_its_time_is_over() {
    run(async {
        let shortly = |config: &mut Config| config.limits.upload_lifetime_ms = LIFETIME_MS;
        let site = Site::with(Bus::Plain, shortly).await;
        let ann = token_of("ann");
        let place = site.begin_tus(&ann, LENGTH, "").await;
        assert_eq!(
            site.patch_tus(&ann, &place, 0, &TEXT[..5]).await.status,
            204
        );
        site.clock.leap_ms(LIFETIME_MS + 1);
        // Nobody has looked for it yet: its time alone ends it.
        let late = site.patch_tus(&ann, &place, 5, &TEXT[5..]).await;
        assert_eq!(late.status, 410);
        assert_eq!(site.tus(&ann, ("HEAD", &place), &[], b"").await.status, 410);
        assert_eq!(site.upload_status(&ann, &place).await["state"], "expired");
    });
}

/// The objects of a company.
fn objects_of(site: &Site, company: &str) -> Vec<PathBuf> {
    let folder = site.folder().join("files").join(company);
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn what_a_removed_agent_was_sending_becomes_no_file() {
    run(async {
        let site = installation(Bus::Plain).await;
        let root = token(&site, ROOT, ROOT_PASSWORD).await;
        let (tesla, admin) = company(&site, &root, "Tesla").await;
        let (no, ann) = agent(&site, &admin, "ann@tesla.example").await;
        let place = site.begin_tus(&ann, LENGTH, "").await;
        let mut socket = site.connect_with(&ann).await;
        let wanted = json!({"name": "b.txt", "size": 5_000});
        let other = Sending::open(&mut socket, wanted).await;
        // The body of a request that was let in while the account was there.
        let mut stream = tokio::net::TcpStream::connect(site.address)
            .await
            .expect("connected");
        let head = format!(
            "PATCH {place} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ann}\r\n\
             tus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-length: {LENGTH}\r\n\
             content-type: application/offset+octet-stream\r\nexpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut go_on = [0; 25];
        let awaited = stream.read_exact(&mut go_on);
        soon("a wish for the body", awaited)
            .await
            .expect("an answer");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(&TEXT[..5]).await.expect("written");

        let path = format!("/api/admin-dashboard/delete-agent/{no}/");
        let (status, _) = site.http("DELETE", &path, Some(&admin), &Value::Null).await;
        assert_eq!(status, 200);
        stream.write_all(&TEXT[5..]).await.expect("written");
        let mut status = [0; 12];
        let answer = stream.read_exact(&mut status);
        soon("an answer", answer).await.expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 204");

        let path = format!("{UPLOADS}/{}", other.upload);
        let ticket = format!("Upload {}", other.ticket);
        for method in ["PATCH", "HEAD", "DELETE"] {
            let request = site
                .request(method, &path)
                .header("tus-resumable", "1.0.0")
                .header("authorization", &ticket)
                .header("upload-offset", "0")
                .header("content-type", "application/offset+octet-stream");
            let answer = soon("an answer", request.send()).await.expect("an answer");
            assert_eq!(answer.status(), 401, "{method}");
        }
        let spool = site.folder().join("spool").join(&tesla);
        let sent = place.rsplit('/').next().expect("an id").to_owned();
        let is_spooled = || {
            let entries = std::fs::read_dir(&spool).into_iter().flatten();
            let names = entries.map(|entry| entry.expect("an entry").file_name());
            names
                .map(|name| name.to_string_lossy().into_owned())
                .any(|name| name.starts_with(&sent))
        };
        until("the end of what was sent", || !is_spooled()).await;
        assert_eq!(objects_of(&site, &tesla), Vec::<PathBuf>::new());
    });
}

/// Who knows the digest of a file has not got the file: all of its bytes are asked for, and nobody
/// learns from an answer whether anybody has it.
#[test]
fn bytes_that_are_there_already_are_asked_for_again() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, TEXT);
        let sha256: String = sha256
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let foreign = token_with(&json!("eve"), &json!({"company_id": OTHER_COMPANY}));
        let mut opened = Vec::new();
        for token in [token_of("ann"), token_of("bob"), foreign] {
            let mut socket = site.connect_with(&token).await;
            let wanted = json!({"name": "a.txt", "size": LENGTH, "sha256": sha256,
                "type": "upload_open"});
            let begun = socket.ask(wanted).await.expect("begun");
            let sending = Sending::of(&begun);
            assert_eq!(sending.offset, 0);
            let known = ["offset", "chunk_max", "credit", "size_max"];
            opened.push(known.map(|name| begun[name].clone()));
            sending.frame(&mut socket, 2, 0, TEXT).await;
            let is_ready =
                |push: &Value| push["type"] == "upload_state" && push["state"] == "ready";
            socket.next_that(is_ready).await;
            socket.close().await;
        }
        assert!(
            opened.windows(2).all(|pair| pair[0] == pair[1]),
            "{opened:?}"
        );
        assert_eq!(objects_of(&site, "TES001").len(), 2);
        assert_eq!(objects_of(&site, OTHER_COMPANY).len(), 1);
    });
}

/// The journal stands still for longer than the answer is waited for.
#[test]
fn what_was_begun_although_nobody_heard_so_is_begun_again_with_the_same_id() {
    const WAITED: Duration = Duration::from_secs(8);
    run(async {
        let site = Site::start(Bus::Plain).await;
        let mut ann = site.connect("ann").await;
        Sending::open(&mut ann, json!({"name": "b.txt", "size": 5})).await;
        site.faults().hold_commits();
        let mut wanted = json!({"name": "a.txt", "size": LENGTH, "cid": Uuid::now_v7()});
        wanted["type"] = json!("upload_open");
        let id = ann.start(&mut wanted).await;
        let early = timeout(WAITED, ann.next_that(|frame| frame["id"] == id)).await;
        assert!(early.is_err(), "it is waited for: {early:?}");
        let unheard = ann.reply(id).await.expect_err("nobody knows");
        assert_eq!(unheard["code"], "unavailable");
        site.faults().release();
        let mut sending = Sending::open(&mut ann, wanted).await;
        sending.send(&mut ann, TEXT, LENGTH).await;
        assert_eq!(sending.ended(&mut ann).await["state"], "ready");
    });
}
