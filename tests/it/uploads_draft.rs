//! The resumable-upload draft of the IETF, as a client that creates with care speaks it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::token::token_of;
use crate::support::uploads::{Said, UPLOADS};
use crate::support::{Bus, Site, in_both_buses, run};

in_both_buses!(
    a_file_comes_in_three_pieces_and_is_shown_in_its_room,
    a_file_that_comes_with_its_creation_is_done,
);

const TEXT: &[u8] = b"a text of some words\n";
const MISMATCH: &str = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
const LENGTHS: &str = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";

fn sha256(bytes: &[u8]) -> String {
    let digest = STANDARD.encode(digest(&SHA256, bytes));
    format!("sha-256=:{digest}:")
}

/// Begins an upload as `ann`.
async fn create(site: &Site, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Said {
    let path = format!("{UPLOADS}{query}");
    site.send(&token_of("ann"), ("POST", &path), headers, body)
        .await
}

/// Sends a piece as `ann`, with more fields.
async fn append(
    site: &Site,
    place: &str,
    (offset, complete): (u64, &str),
    more: &[(&str, &str)],
    body: &[u8],
) -> Said {
    let offset = offset.to_string();
    let headers: Vec<_> = [
        ("content-type", "application/partial-upload"),
        ("upload-offset", &*offset),
        ("upload-complete", complete),
    ]
    .iter()
    .chain(more)
    .copied()
    .collect();
    site.send(&token_of("ann"), ("PATCH", place), &headers, body)
        .await
}

/// Asks an upload something that needs no fields.
async fn bare(site: &Site, method: &str, place: &str) -> Said {
    site.send(&token_of("ann"), (method, place), &[], b"").await
}

/// Where an upload stands: its offset, and whether it is complete.
async fn stands(site: &Site, place: &str) -> (String, String) {
    let said = bare(site, "HEAD", place).await;
    assert_eq!(said.status, 204);
    assert_eq!(said.text("cache-control"), "no-store");
    assert!(said.text("upload-limit").starts_with("max-size="));
    let text = |name| said.text(name).to_owned();
    (text("upload-offset"), text("upload-complete"))
}

fn at(offset: u64, complete: &str) -> (String, String) {
    (offset.to_string(), complete.to_owned())
}

fn problem(said: &Said, status: u16, kind: &str) -> Value {
    let body = said.json();
    assert_eq!(said.status, status, "{body}");
    assert_eq!(said.text("content-type"), "application/problem+json");
    assert_eq!(body["type"], kind);
    assert_eq!(body["message"], body["error"], "the keys of every error");
    body
}

async fn a_file_comes_in_three_pieces_and_is_shown_in_its_room(bus: Bus) {
    let site = Site::with(bus, |_| {}).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut bob = site.join("bob", &room).await;
    let query = format!("?room={}&caption=look%20here", room.number);
    let headers = [
        ("upload-complete", "?0"),
        ("content-type", "text/plain"),
        (
            "content-disposition",
            "attachment; filename*=UTF-8''%C3%BC.txt",
        ),
        ("upload-draft-interop-version", "8"),
    ];
    let begun = create(&site, &query, &headers, b"").await;
    let place = begun.place();
    assert_eq!(begun.text("upload-complete"), "?0");
    assert_eq!(begun.text("upload-offset"), "0");
    assert_eq!(begun.text("upload-draft-interop-version"), "8");
    assert_eq!(begun.text("tus-resumable"), "");
    let limit = begun.text("upload-limit");
    assert!(
        limit.starts_with("max-size=") && limit.contains(", max-age=86"),
        "{limit}"
    );

    let piece = append(&site, &place, (0, "?0"), &[], &TEXT[..5]).await;
    assert_eq!((piece.status, piece.text("upload-complete")), (204, "?0"));
    assert_eq!(piece.text("upload-offset"), "5");
    assert_eq!(stands(&site, &place).await, at(5, "?0"));
    let piece = append(&site, &place, (5, "?0"), &[], &TEXT[5..]).await;
    assert_eq!((piece.status, piece.text("upload-complete")), (204, "?0"));
    let last = append(&site, &place, (TEXT.len() as u64, "?1"), &[], b"").await;
    assert_eq!((last.status, last.text("upload-complete")), (200, "?1"));
    let status = last.json();
    assert_eq!(status["state"], "ready", "{status}");
    assert_eq!(stands(&site, &place).await, at(TEXT.len() as u64, "?1"));

    let shown = bob.event(&room.id).await;
    let file = &shown["file"];
    assert_eq!(
        (&file["name"], &file["mime"]),
        (&json!("\u{fc}.txt"), &json!("text/plain"))
    );
    assert_eq!(shown["text"], "look here");
}

async fn a_file_that_comes_with_its_creation_is_done(bus: Bus) {
    let site = Site::with(bus, |_| {}).await;
    let digest = sha256(TEXT);
    let headers = [
        ("upload-complete", "?1"),
        ("content-type", "text/plain"),
        ("repr-digest", &*digest),
        ("content-digest", &*digest),
    ];
    let begun = create(&site, "?filename=a.txt", &headers, TEXT).await;
    let (place, status) = (begun.place(), begun.json());
    assert_eq!(begun.text("upload-complete"), "?1");
    assert_eq!(status["state"], "ready", "{status}");
    assert_eq!(status["size"], TEXT.len());
    assert_eq!(stands(&site, &place).await, at(TEXT.len() as u64, "?1"));
    let again = append(&site, &place, (TEXT.len() as u64, "?1"), &[], b"").await;
    assert_eq!(
        (again.status, again.json()["file"].clone()),
        (200, status["file"].clone())
    );
    let more = append(&site, &place, (TEXT.len() as u64, "?1"), &[], b"more").await;
    let kind = "https://iana.org/assignments/http-problem-types#completed-upload";
    problem(&more, 400, kind);
}

#[test]
fn all_versions_that_are_understood_are_taken_and_no_other() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        for version in ["6", "7", "8"] {
            let marker = ("upload-draft-interop-version", version);
            let begun = create(&site, "", &[("upload-complete", "?0"), marker], b"").await;
            assert_eq!(begun.text("upload-draft-interop-version"), version);
            let last = append(&site, &begun.place(), (0, "?1"), &[marker], TEXT).await;
            assert_eq!(last.status, 200, "{version}");
        }
        for version in ["5", "9", "x"] {
            let marker = ("upload-draft-interop-version", version);
            let refused = create(&site, "", &[("upload-complete", "?0"), marker], b"").await;
            assert_eq!(refused.status, 400, "{version}");
        }
    });
}

#[test]
fn a_piece_for_elsewhere_is_told_where_it_stands() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let begun = create(&site, "", &[("upload-complete", "?0")], &TEXT[..7]).await;
        let place = begun.place();
        assert_eq!(begun.text("upload-offset"), "7");
        for offset in [0, 6, 8] {
            let refused = append(&site, &place, (offset, "?0"), &[], b"xyz").await;
            let body = problem(&refused, 409, MISMATCH);
            assert_eq!(
                (&body["expected-offset"], &body["provided-offset"]),
                (&json!(7), &json!(offset))
            );
            assert_eq!(refused.text("upload-offset"), "7");
            assert_eq!(refused.text("upload-complete"), "?0");
        }
        assert_eq!(stands(&site, &place).await, at(7, "?0"));
    });
}

#[test]
fn lengths_that_differ_are_refused() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let headers = [("upload-complete", "?1"), ("upload-length", "22")];
        problem(&create(&site, "", &headers, TEXT).await, 400, LENGTHS);
        let headers = [("upload-complete", "?0"), ("upload-length", "20")];
        problem(&create(&site, "", &headers, TEXT).await, 400, LENGTHS);
        let headers = [("upload-complete", "?0"), ("upload-length", "21")];
        let place = create(&site, "", &headers, b"").await.place();
        let short = append(&site, &place, (0, "?1"), &[], &TEXT[..5]).await;
        problem(&short, 400, LENGTHS);
        let other = append(&site, &place, (0, "?0"), &[("upload-length", "30")], b"").await;
        problem(&other, 400, LENGTHS);
        assert_eq!(stands(&site, &place).await, at(0, "?0"));
        let last = append(&site, &place, (0, "?1"), &[("upload-length", "21")], TEXT).await;
        assert_eq!(last.status, 200);
    });
}

#[test]
fn bytes_past_the_length_end_the_upload() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let headers = [("upload-complete", "?0"), ("upload-length", "10")];
        let place = create(&site, "", &headers, &TEXT[..5]).await.place();
        let long = append(&site, &place, (5, "?0"), &[], &TEXT[5..11]).await;
        problem(&long, 400, LENGTHS);
        assert_eq!(bare(&site, "HEAD", &place).await.status, 410);
        let status = site.upload_status(&token_of("ann"), &place).await;
        assert_eq!(status["failure"], "file_too_large", "{status}");
    });
}

#[test]
fn a_body_that_is_not_what_its_digest_is_of_is_not_kept() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let place = create(&site, "", &[("upload-complete", "?0")], b"")
            .await
            .place();
        let digest = sha256(b"something else");
        let wrong = append(
            &site,
            &place,
            (0, "?0"),
            &[("content-digest", &digest)],
            TEXT,
        )
        .await;
        assert_eq!(wrong.status, 400);
        assert_eq!(stands(&site, &place).await, at(0, "?0"));
        let unknown = [("content-digest", "md5=:AA==:")];
        let taken = append(&site, &place, (0, "?0"), &unknown, TEXT).await;
        assert_eq!(taken.status, 204);
        let unreadable = [("content-digest", "sha-256=:AA==:")];
        let refused = append(&site, &place, (21, "?0"), &unreadable, b"x").await;
        assert_eq!(refused.status, 400);
    });
}

#[test]
fn a_file_that_is_not_what_its_digest_is_of_fails() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let digest = sha256(b"something else");
        let headers = [("upload-complete", "?0"), ("repr-digest", &*digest)];
        let place = create(&site, "", &headers, &TEXT[..5]).await.place();
        let last = append(&site, &place, (5, "?1"), &[], &TEXT[5..]).await;
        assert_eq!((last.status, last.text("upload-complete")), (400, "?1"));
        assert_eq!(last.json()["failure"], "wrong_digest");
        assert_eq!(bare(&site, "HEAD", &place).await.status, 410);
    });
}

#[test]
fn a_file_that_is_refused_is_complete_and_no_file() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let headers = [("upload-complete", "?1"), ("content-type", "image/png")];
        let refused = create(&site, "?filename=a.png", &headers, b"\x7fELF\x02\x01\x01").await;
        assert_eq!(
            (refused.status, refused.text("upload-complete")),
            (422, "?1")
        );
        assert_eq!(refused.json()["state"], "failed");
        let empty = create(&site, "", &[("upload-complete", "?1")], b"").await;
        assert_eq!(
            (empty.status, empty.json()["failure"].as_str()),
            (422, Some("file_empty"))
        );
    });
}

#[test]
fn an_upload_can_be_given_up() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let place = create(&site, "", &[("upload-complete", "?0")], b"abc")
            .await
            .place();
        assert_eq!(bare(&site, "DELETE", &place).await.status, 204);
        assert_eq!(bare(&site, "HEAD", &place).await.status, 410);
        let late = append(&site, &place, (3, "?1"), &[], b"def").await;
        assert_eq!((late.status, late.text("upload-offset")), (410, ""));
    });
}

#[test]
fn what_can_be_sent_is_told_beforehand() {
    run(async {
        let site = Site::with(Bus::Plain, |config| config.limits.file_bytes_max = 1_000).await;
        let options = bare(&site, "OPTIONS", UPLOADS).await;
        assert_eq!(
            (options.status, options.text("upload-limit")),
            (204, "max-size=1000")
        );
        let headers = [("upload-complete", "?0"), ("upload-length", "1001")];
        assert_eq!(create(&site, "", &headers, b"").await.status, 413);
        let place = create(&site, "", &[("upload-complete", "?0")], b"")
            .await
            .place();
        let long = append(&site, &place, (0, "?0"), &[], &[b'a'; 1_001]).await;
        assert_eq!(long.status, 413);
    });
}

#[test]
fn fields_that_do_not_fit_are_refused() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        for headers in [
            &[("upload-draft-interop-version", "8")] as &[_],
            &[("upload-complete", "1")],
            &[("upload-complete", "?0"), ("upload-complete", "?1")],
            &[("upload-complete", "?0"), ("upload-length", "-1")],
        ] {
            assert_eq!(
                create(&site, "", headers, b"").await.status,
                400,
                "{headers:?}"
            );
        }
        let place = create(&site, "", &[("upload-complete", "?0")], b"")
            .await
            .place();
        let typed = [
            ("upload-offset", "0"),
            ("upload-complete", "?0"),
            ("content-type", "a/b"),
        ];
        let token = token_of("ann");
        let refused = site.send(&token, ("PATCH", &place), &typed, b"x").await;
        assert_eq!(refused.status, 415);
        let room = create(&site, "?room=77", &[("upload-complete", "?0")], b"").await;
        assert_eq!(room.status, 404);
    });
}

#[test]
fn somebody_else_finds_no_upload() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let place = create(&site, "", &[("upload-complete", "?0")], b"abc")
            .await
            .place();
        let bob = token_of("bob");
        for method in ["HEAD", "DELETE"] {
            let said = site.send(&bob, (method, &place), &[], b"").await;
            assert_eq!(
                (said.status, said.text("upload-offset")),
                (404, ""),
                "{method}"
            );
        }
        assert_eq!(stands(&site, &place).await, at(3, "?0"));
    });
}

#[test]
fn an_upload_goes_on_in_the_other_protocol() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let ann = token_of("ann");
        let headers = [("upload-complete", "?0"), ("upload-length", "21")];
        let place = create(&site, "?filename=a.txt", &headers, &TEXT[..5])
            .await
            .place();
        let head = site.tus(&ann, ("HEAD", &place), &[], b"").await;
        assert_eq!((head.status, head.text("upload-offset")), (200, "5"));
        let last = site.patch_tus(&ann, &place, 5, &TEXT[5..]).await;
        assert_eq!(last.status, 204);
        assert_eq!(stands(&site, &place).await, at(21, "?1"));
        site.until_upload(&ann, &place, "ready").await;

        let place = site.begin_tus(&ann, 21, "").await;
        assert_eq!(
            site.patch_tus(&ann, &place, 0, &TEXT[..5]).await.status,
            204
        );
        assert_eq!(stands(&site, &place).await, at(5, "?0"));
        let last = append(&site, &place, (5, "?1"), &[], &TEXT[5..]).await;
        assert_eq!(last.json()["state"], "ready");
    });
}
