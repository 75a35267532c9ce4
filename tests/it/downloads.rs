//! Downloads: what a link opens, for how long, and what a browser is told about the bytes.

use frontdesk_protocol::{CompanyId, FileNo};
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::support::files::Kept;
#[cfg(feature = "s3")]
use crate::support::files::in_bucket;
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, run, soon};

/// A picture of one pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn company(name: &str) -> CompanyId {
    CompanyId::new(name).expect("valid")
}

fn picture(name: &'static str) -> Kept<'static> {
    Kept {
        company: COMPANY,
        name,
        mime: "image/png",
        bytes: PNG,
        small: Some(PNG),
    }
}

async fn link_of(site: &Site, no: FileNo, is_small: bool, is_profile: bool) -> String {
    let company = company(COMPANY);
    let link = site.running.file_link(&company, no, is_small, is_profile);
    link.await.expect("reads").expect("there is such a file")
}

pub(crate) async fn link(site: &Site, no: FileNo) -> String {
    link_of(site, no, false, false).await
}

pub(crate) async fn ask(
    site: &Site,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let request = headers
        .iter()
        .fold(site.request(method, path), |request, (name, value)| {
            request.header(*name, *value)
        });
    soon("an answer", request.send()).await.expect("an answer")
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name);
    value.map_or("", |value| value.to_str().expect("ASCII"))
}

pub(crate) async fn body(answer: Response) -> Vec<u8> {
    answer.bytes().await.expect("a body").to_vec()
}

async fn refusal(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["message"], body["error"], "the usual shape");
    let code = body["code"].as_str().expect("a code");
    (status, code.to_owned())
}

#[test]
fn a_picture_is_shown_and_everything_else_is_kept() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let page = b"<script>alert(1)</script>";
        for (name, mime, bytes, shown) in [
            ("photo.png", "image/png", PNG, "inline"),
            ("drawing.svg", "image/svg+xml", page, "attachment"),
            ("page.html", "text/html", page, "attachment"),
            ("both.gif", "image/gif", b"GIF89a=1;alert(1)", "inline"),
            ("paper.pdf", "application/pdf", b"%PDF-1.7", "attachment"),
            ("words.txt", "text/plain", b"hello", "attachment"),
        ] {
            let kept = Kept {
                company: COMPANY,
                name,
                mime,
                bytes,
                small: None,
            };
            let path = link(&site, site.keep(&kept).await).await;
            let answer = ask(&site, "GET", &path, &[]).await;
            assert_eq!(answer.status(), 200, "{name}");
            let headers = answer.headers().clone();
            assert_eq!(text(&headers, "content-type"), mime);
            let disposition = text(&headers, "content-disposition");
            assert_eq!(disposition, format!("{shown}; filename=\"{name}\""));
            for (header, wanted) in [
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "sandbox; default-src 'none'"),
                ("cross-origin-resource-policy", "cross-origin"),
                ("referrer-policy", "no-referrer"),
                ("accept-ranges", "bytes"),
                ("cache-control", "private, max-age=300"),
            ] {
                assert_eq!(text(&headers, header), wanted, "{name}");
            }
            assert_eq!(body(answer).await, bytes, "{name}");
        }
    });
}

#[test]
fn a_name_reaches_its_header_whole_and_breaks_nothing() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let name = "ü \"x\"; 100%.png";
        let path = link(&site, site.keep(&picture(name)).await).await;
        let answer = ask(&site, "GET", &path, &[]).await;
        assert_eq!(
            text(answer.headers(), "content-disposition"),
            "inline; filename=\"_ _x_; 100_.png\"; \
             filename*=UTF-8''%C3%BC%20%22x%22%3B%20100%25.png"
        );
    });
}

#[test]
fn head_says_what_get_would() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let path = link(&site, site.keep(&picture("a.png")).await).await;
        let got = ask(&site, "GET", &path, &[]).await;
        let head = ask(&site, "HEAD", &path, &[("range", "bytes=0-0")]).await;
        assert_eq!(head.status(), 200);
        for name in [
            "content-length",
            "content-type",
            "content-disposition",
            "etag",
            "content-security-policy",
        ] {
            let wanted = text(got.headers(), name);
            assert!(!wanted.is_empty(), "{name}");
            assert_eq!(text(head.headers(), name), wanted);
        }
        assert_eq!(body(head).await, b"");
    });
}

#[test]
fn a_range_is_answered_and_several_are_the_whole() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        // Several pieces of the store, and a bit.
        let bytes: Vec<u8> = (0..1_500_007_u32).map(|at| (at / 7) as u8).collect();
        let kept = Kept {
            company: COMPANY,
            name: "long.bin",
            mime: "application/octet-stream",
            bytes: &bytes,
            small: None,
        };
        let path = link(&site, site.keep(&kept).await).await;
        let whole = ask(&site, "GET", &path, &[]).await;
        let tag = text(whole.headers(), "etag").to_owned();
        assert!(body(whole).await == bytes);
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=100-1400000", 100..1_400_001),
            ("bytes=1500000-", 1_500_000..1_500_007),
            ("bytes=-7", 1_500_000..1_500_007),
        ] {
            let same = [("range", range), ("if-range", &*tag)];
            for headers in [&same[..1], &same] {
                let answer = ask(&site, "GET", &path, headers).await;
                assert_eq!(answer.status(), 206, "{range}");
                let shown = text(answer.headers(), "content-range");
                let last = part.end - 1;
                assert_eq!(shown, format!("bytes {}-{last}/1500007", part.start));
                assert!(body(answer).await == bytes[part.clone()], "{range}");
            }
        }
        let many: Vec<String> = (0..1_000).map(|i| format!("{i}-{i}")).collect();
        let many = format!("bytes={}", many.join(","));
        for headers in [
            &[("range", &*many)][..],
            &[("range", "bytes=-9e99")],
            &[("range", "bytes=0-0"), ("if-range", "\"other\"")],
        ] {
            let answer = ask(&site, "GET", &path, headers).await;
            assert_eq!(answer.status(), 200);
            assert!(body(answer).await == bytes);
        }
        for range in ["bytes=1500007-", "bytes=-0"] {
            let answer = ask(&site, "GET", &path, &[("range", range)]).await;
            assert_eq!(answer.status(), 416, "{range}");
            assert_eq!(text(answer.headers(), "content-range"), "bytes */1500007");
            assert_eq!(body(answer).await, b"");
        }
    });
}

#[test]
fn who_has_the_bytes_is_spared_them() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let path = link(&site, site.keep(&picture("a.png")).await).await;
        let tag = ask(&site, "GET", &path, &[]).await;
        let tag = text(tag.headers(), "etag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), "*".to_owned()] {
            let headers = [("if-none-match", &*known), ("range", "bytes=0-0")];
            let answer = ask(&site, "GET", &path, &headers).await;
            assert_eq!(answer.status(), 304, "{known}");
            assert_eq!(text(answer.headers(), "etag"), tag);
            assert_eq!(body(answer).await, b"");
        }
        let other = [("if-none-match", "\"other\"")];
        assert_eq!(ask(&site, "GET", &path, &other).await.status(), 200);
    });
}

#[test]
fn a_small_picture_has_a_link_of_its_own() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let small = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";
        let no = site
            .keep(&Kept {
                small: Some(small),
                ..picture("a.png")
            })
            .await;
        let of_small = link_of(&site, no, true, false).await;
        let answer = ask(&site, "GET", &of_small, &[]).await;
        assert_eq!(text(answer.headers(), "content-type"), "image/jpeg");
        let disposition = text(answer.headers(), "content-disposition");
        assert!(disposition.starts_with("inline"), "{disposition}");
        let tag = text(answer.headers(), "etag").to_owned();
        assert_eq!(body(answer).await, small);
        // The bytes of a part do not show what the whole is.
        let part = ask(&site, "GET", &of_small, &[("range", "bytes=4-8")]).await;
        assert_eq!(part.status(), 206);
        assert_eq!(text(part.headers(), "content-type"), "image/jpeg");
        let disposition = text(part.headers(), "content-disposition");
        assert!(disposition.starts_with("inline"), "{disposition}");
        assert_eq!(body(part).await, small[4..9]);
        let whole = ask(&site, "GET", &link(&site, no).await, &[]).await;
        assert_ne!(text(whole.headers(), "etag"), tag);
        let none = site
            .keep(&Kept {
                small: None,
                ..picture("b.png")
            })
            .await;
        let none = link_of(&site, none, true, false).await;
        let answer = ask(&site, "GET", &none, &[]).await;
        assert_eq!(refusal(answer).await, (404, "not_found".to_owned()));
    });
}

#[test]
fn a_link_that_is_changed_expired_or_anothers_opens_nothing() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let no = site.keep(&picture("a.png")).await;
        let other = Kept {
            company: OTHER_COMPANY,
            ..picture("b.png")
        };
        assert_eq!(
            site.keep(&other).await,
            no,
            "numbers are counted by company"
        );
        let good = link(&site, no).await;
        let forbidden = (403, "forbidden".to_owned());
        for (part, changed) in [
            (COMPANY, OTHER_COMPANY),
            ("/1/", "/2/"),
            ("/1/", "/%31/"),
            ("/1/", "/x/"),
            ("as=inline", "as=attachment"),
            ("as=inline", "as=inline&of=thumbnail"),
            ("expires=", "expires=9"),
            ("key=1", "key=2"),
            ("signature=", "signature=A"),
            ("?", "?signature=x&"),
            ("signature", "signed"),
        ] {
            let path = good.replacen(part, changed, 1);
            assert_ne!(path, good, "{part}");
            let answer = ask(&site, "GET", &path, &[]).await;
            assert_eq!(refusal(answer).await, forbidden, "{path}");
        }
        let bare = good.split_once('?').expect("a query").0;
        assert_eq!(refusal(ask(&site, "GET", bare, &[]).await).await, forbidden);
        // Not there and not allowed are answered alike.
        let nowhere = bare.replace("/1/", "/999/");
        assert_eq!(
            refusal(ask(&site, "GET", &nowhere, &[]).await).await,
            forbidden
        );
        let nobody = bare.replace(COMPANY, "NOBODY1");
        assert_eq!(
            refusal(ask(&site, "GET", &nobody, &[]).await).await,
            forbidden
        );

        let renamed = good.replace("a.png", "..%2f..%2fetc%2fpasswd");
        assert_eq!(ask(&site, "GET", &renamed, &[]).await.status(), 200);
        site.clock.leap_ms(601_000);
        let answer = ask(&site, "GET", &good, &[]).await;
        assert_eq!(refusal(answer).await, forbidden);
        assert_eq!(ask(&site, "HEAD", &good, &[]).await.status(), 403);
    });
}

#[test]
fn a_companys_links_never_end_while_it_wants_that() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let no = site.keep(&picture("a.png")).await;
        let profile = async || link_of(&site, no, false, true).await;
        let ending = profile().await;
        assert!(!ending.contains("expires=0&"), "{ending}");
        set_permanent(&site, true).await;
        let lasting = profile().await;
        assert!(lasting.contains("expires=0&"), "{lasting}");
        site.clock.leap_ms(100 * 24 * 60 * 60 * 1_000);
        assert_eq!(ask(&site, "GET", &lasting, &[]).await.status(), 200);
        assert_eq!(ask(&site, "GET", &ending, &[]).await.status(), 403);
        set_permanent(&site, false).await;
        let answer = ask(&site, "GET", &lasting, &[]).await;
        assert_eq!(refusal(answer).await, (403, "forbidden".to_owned()));
    });
}

async fn set_permanent(site: &Site, permanent: bool) {
    use frontdesk_actors::clock::fresh_cid;
    use frontdesk_actors::{Command, Outcome};
    use frontdesk_protocol::PersonId;
    use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role};
    use frontdesk_protocol::settings::SettingsChange;
    use frontdesk_storage::EntityId;

    let change = Box::new(SettingsChange {
        are_links_permanent: Some(permanent),
        ..SettingsChange::default()
    });
    let by = Principal {
        company: company(COMPANY),
        person: PersonId::new("boss").expect("valid"),
        role: Role::Admin,
        card: Card::default(),
    };
    let command = Command::Company(CompanyCommand::ChangeSettings { change });
    let entity = EntityId::company(company(COMPANY));
    let node = site.running.node();
    let outcome = node.ask(entity, by.into(), command, fresh_cid()).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

#[test]
fn what_the_store_lost_is_told_without_a_path() {
    run(async {
        let site = Site::start(Bus::Plain).await;
        let no = site.keep(&picture("a.png")).await;
        let path = link(&site, no).await;
        let blobs = site.running.blobs();
        for blob in blobs.list(&company(COMPANY)).await.expect("lists") {
            assert!(blobs.delete(&blob.key).await.expect("deleted"));
        }
        let answer = ask(&site, "GET", &path, &[]).await;
        assert_eq!(answer.status(), 503);
        let told = answer.text().await.expect("a body");
        let folder = std::env::temp_dir();
        assert!(!told.contains(&*folder.to_string_lossy()), "{told}");
        assert!(!told.contains("u_"), "{told}");
    });
}

/// A node whose files are in a bucket.
#[cfg(feature = "s3")]
async fn site_of(server: &crate::support::bucket::BucketServer, redirect: bool) -> Site {
    let address = server.address;
    Site::with(Bus::Plain, move |config| {
        in_bucket(config, address);
        config.files.s3.redirect = redirect;
    })
    .await
}

#[test]
#[cfg(feature = "s3")]
fn files_in_a_bucket_come_through_the_node_or_from_the_bucket() {
    run(async {
        let server = crate::support::bucket::BucketServer::start();
        let bytes: Vec<u8> = (0..1_500_007_u32).map(|at| (at / 7) as u8).collect();
        let kept = Kept {
            bytes: &bytes,
            ..picture("a.png")
        };
        let unfollowed = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let unfollowed = unfollowed.build().expect("a client");
        for redirect in [false, true] {
            let site = site_of(&server, redirect).await;
            let kept = Kept {
                name: if redirect { "b.png" } else { "a.png" },
                ..kept
            };
            let path = link(&site, site.keep(&kept).await).await;
            let answer = ask(&site, "GET", &path, &[]).await;
            let from = match redirect {
                true => server.address,
                false => site.address,
            };
            let sent = unfollowed.get(format!("http://{}{path}", site.address));
            let sent = soon("an answer", sent.send()).await.expect("an answer");
            let (status, kept) = match redirect {
                // The bucket's link ends before a client would look here again.
                true => (307, "no-store"),
                false => (200, "private, max-age=300"),
            };
            assert_eq!(sent.status(), status);
            assert_eq!(text(sent.headers(), "cache-control"), kept);
            // The client has followed where it was sent.
            assert_eq!(answer.url().port(), Some(from.port()));
            assert_eq!(answer.status(), 200);
            assert_eq!(text(answer.headers(), "content-type"), "image/png");
            assert!(body(answer).await == bytes);
            let headers = [("range", "bytes=600000-600001")];
            let part = ask(&site, "GET", &path, &headers).await;
            assert_eq!(part.status(), 206);
            assert!(body(part).await == bytes[600_000..600_002]);
            let head = ask(&site, "HEAD", &path, &[]).await;
            assert_eq!(head.url().port(), Some(site.address.port()));
            assert_eq!(text(head.headers(), "content-length"), "1500007");
            let small = link_of(&site, FileNo(1), true, false).await;
            let small = ask(&site, "GET", &small, &[]).await;
            assert_eq!(small.url().port(), Some(site.address.port()));
            assert_eq!(body(small).await, PNG);
        }
    });
}

#[test]
#[cfg(feature = "s3")]
fn a_bucket_that_is_away_is_told_without_an_address() {
    run(async {
        let server = crate::support::bucket::BucketServer::start();
        let site = site_of(&server, false).await;
        let path = link(&site, site.keep(&picture("a.png")).await).await;
        server.kill();
        let answer = ask(&site, "GET", &path, &[]).await;
        assert_eq!(answer.status(), 503);
        let told = answer.text().await.expect("a body");
        assert!(!told.contains(&server.address.port().to_string()), "{told}");
        assert!(!told.contains(crate::support::bucket::BUCKET), "{told}");
    });
}
