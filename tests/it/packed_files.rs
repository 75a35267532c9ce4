//! Files that are stored packed: the same to everybody who gets them, and less on the disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use frontdesk::config::Config;
use frontdesk::files::store::object_key;
use frontdesk_protocol::{CompanyId, FileNo, UploadId};
use frontdesk_storage::PutKind;
use reqwest::Response;

use crate::downloads::{ask, body, link, text};
use crate::support::token::token_of;
use crate::support::{Bus, COMPANY, Site, run};

/// Plain bytes of a frame, as stores hold them.
const FRAME_BYTES: usize = 128 * 1024;
/// What Zstandard begins with.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

fn compressed(config: &mut Config) {
    config.files.compress = true;
}

/// Some frames and a part of one.
fn lines() -> Vec<u8> {
    let line = |number: u32| format!("{number}: what was asked, and what was said\n");
    let text: String = (0..10_000).map(line).collect();
    assert!(text.len() > 3 * FRAME_BYTES && !text.len().is_multiple_of(FRAME_BYTES));
    text.into_bytes()
}

/// A text by its first bytes, and nothing that could be packed behind them.
fn dense() -> Vec<u8> {
    let digest = |number: u32| *blake3::hash(&number.to_le_bytes()).as_bytes();
    let noise = (0..10_000).flat_map(digest);
    lines().into_iter().take(10_000).chain(noise).collect()
}

/// A file that came through the door: its number, and what stands in the store.
struct Came {
    no: FileNo,
    upload: UploadId,
}

async fn upload(site: &Site, bytes: &[u8]) -> Came {
    let ann = token_of("ann");
    let place = site.begin_tus(&ann, bytes.len() as u64, "").await;
    let sent = site.patch_tus(&ann, &place, 0, bytes).await;
    assert_eq!(sent.status, 204);
    let ready = site.until_upload(&ann, &place, "ready").await;
    assert_eq!(ready["size"], bytes.len());
    let (_, id) = place.rsplit_once('/').expect("a path");
    Came {
        no: FileNo(ready["file"].as_u64().expect("a number")),
        upload: id.parse().expect("an id"),
    }
}

async fn object(site: &Site, came: &Came) -> Vec<u8> {
    let key = object_key(&CompanyId::new(COMPANY).expect("valid"), &came.upload);
    let found = site.running.blobs().get(&key, None).await;
    found.expect("read").expect("there").to_vec()
}

async fn replace(site: &Site, came: &Came, bytes: Vec<u8>) {
    let key = object_key(&CompanyId::new(COMPANY).expect("valid"), &came.upload);
    let blobs = site.running.blobs();
    let put = blobs.put(&key, Bytes::from(bytes), PutKind::Replace);
    assert!(put.await.expect("stored"));
}

/// All that an answer says but the time and its own number.
async fn said(answer: Response) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers.filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let shown = |value: &reqwest::header::HeaderValue| value.to_str().expect("ASCII").to_owned();
    let headers = headers.map(|(name, value)| (name.to_string(), shown(value)));
    let headers = headers.collect();
    (status, headers, body(answer).await)
}

#[test]
fn a_packed_file_is_answered_as_a_plain_one() {
    run(async {
        let bytes = lines();
        let size = bytes.len();
        let (packed, plain) = (
            Site::with(Bus::Plain, compressed).await,
            Site::start(Bus::Plain).await,
        );
        let (of_packed, of_plain) = (upload(&packed, &bytes).await, upload(&plain, &bytes).await);
        let stored = object(&packed, &of_packed).await;
        assert!(stored.starts_with(&MAGIC) && stored.len() < size / 3);
        assert!(object(&plain, &of_plain).await == bytes);
        let (at, to) = (
            link(&packed, of_packed.no).await,
            link(&plain, of_plain.no).await,
        );
        let whole = ask(&plain, "GET", &to, &[]).await;
        let tag = text(whole.headers(), "etag").to_owned();
        let digest = blake3::hash(&bytes).to_hex();
        assert_eq!(tag, format!("\"{digest}\""));
        assert!(body(whole).await == bytes);
        let across = format!("bytes={}-{}", FRAME_BYTES - 1, 2 * FRAME_BYTES);
        let beyond = format!("bytes={size}-");
        let cases: [(&str, &[(&str, &str)]); 12] = [
            ("GET", &[]),
            ("HEAD", &[]),
            ("HEAD", &[("range", "bytes=5-9")]),
            ("GET", &[("range", "bytes=0-0")]),
            ("GET", &[("range", &across)]),
            ("GET", &[("range", "bytes=-5")]),
            ("GET", &[("range", "bytes=131072-")]),
            ("GET", &[("range", &beyond)]),
            ("GET", &[("range", "bytes=0-1,5-6")]),
            ("GET", &[("range", "bytes=3-8"), ("if-range", &tag)]),
            ("GET", &[("range", "bytes=3-8"), ("if-range", "\"other\"")]),
            ("GET", &[("if-none-match", &tag)]),
        ];
        for (method, headers) in cases {
            let one = said(ask(&packed, method, &at, headers).await).await;
            let other = said(ask(&plain, method, &to, headers).await).await;
            assert_eq!((one.0, &one.1), (other.0, &other.1), "{method} {headers:?}");
            assert!(one.2 == other.2, "{method} {headers:?}");
        }
        let part = ask(&packed, "GET", &at, &[("range", &across)]).await;
        assert!(body(part).await == bytes[FRAME_BYTES - 1..=2 * FRAME_BYTES]);
    });
}

#[test]
fn what_is_short_or_dense_stays_as_it_came() {
    run(async {
        let site = Site::with(Bus::Plain, compressed).await;
        for bytes in [vec![b'a'; 4_095], dense()] {
            let came = upload(&site, &bytes).await;
            assert!(object(&site, &came).await == bytes);
            let answer = ask(&site, "GET", &link(&site, came.no).await, &[]).await;
            assert!(body(answer).await == bytes);
        }
        let came = upload(&site, &[b'a'; 4_096]).await;
        assert!(object(&site, &came).await.len() < 100);
    });
}

#[test]
fn both_kinds_are_read_whatever_the_setting_is_now() {
    run(async {
        let bytes = lines();
        let site = Site::start(Bus::Plain).await;
        let plain = upload(&site, &bytes).await;
        let site = site.reborn(Bus::Plain, compressed).await;
        let packed = upload(&site, &bytes).await;
        let later = site.reborn(Bus::Plain, |_| {}).await;
        let last = upload(&later, &bytes).await;
        for (came, is_packed) in [(&plain, false), (&packed, true), (&last, false)] {
            let stored = object(&later, came).await;
            assert_eq!(stored.starts_with(&MAGIC), is_packed);
            let answer = ask(&later, "GET", &link(&later, came.no).await, &[]).await;
            assert!(body(answer).await == bytes);
        }
    });
}

#[test]
fn a_damaged_object_is_told_or_broken_off_and_never_given_out() {
    run(async {
        let bytes = lines();
        let site = Site::with(Bus::Plain, compressed).await;
        let came = upload(&site, &bytes).await;
        let at = link(&site, came.no).await;
        let good = object(&site, &came).await;
        let table_at = good.len() - (8 + 4 * 8 + 9);
        let flipped = |place: usize| {
            let mut bad = good.clone();
            bad[place] ^= 0x40;
            bad
        };
        for bad in [
            flipped(40),
            flipped(table_at + 9),
            flipped(good.len() - 9),
            good[..good.len() - 1].to_vec(),
            good[..10].to_vec(),
            bytes.clone(),
        ] {
            replace(&site, &came, bad).await;
            assert_eq!(ask(&site, "GET", &at, &[]).await.status(), 503);
        }
        // Only its end is damaged, which is found when the head is out already.
        replace(&site, &came, flipped(table_at - 9)).await;
        let answer = ask(&site, "GET", &at, &[]).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.is_err(), "it breaks off");
        let first = ask(&site, "GET", &at, &[("range", "bytes=0-9")]).await;
        assert!(
            body(first).await == bytes[..10],
            "what is whole is given out"
        );
    });
}

#[test]
#[cfg(feature = "s3")]
fn a_packed_file_in_a_bucket_comes_through_the_node() {
    run(async {
        let server = crate::support::bucket::BucketServer::start();
        let address = server.address;
        let site = Site::with(Bus::Plain, move |config| {
            crate::support::files::in_bucket(config, address);
            config.files.s3.redirect = true;
            compressed(config);
        })
        .await;
        let bytes = lines();
        let packed = upload(&site, &bytes).await;
        assert!(object(&site, &packed).await.starts_with(&MAGIC));
        let plain = upload(&site, &dense()).await;
        for (came, from, wanted) in [
            (packed, site.address, bytes),
            (plain, server.address, dense()),
        ] {
            let answer = ask(&site, "GET", &link(&site, came.no).await, &[]).await;
            // The client has followed where it was sent.
            assert_eq!(answer.url().port(), Some(from.port()));
            assert_eq!(answer.status(), 200);
            assert!(body(answer).await == wanted);
        }
    });
}
