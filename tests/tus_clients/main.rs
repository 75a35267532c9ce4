//! Clients that others wrote, against the uploads over tus: tus-js-client, Uppy, tuspy with
//! checksums, and aiotus.
//!
//! Each uploads a file in chunks. Half way its connection is cut, the next one refused, and the
//! client goes on by itself; then it pauses and its process ends. A new process goes on with the
//! address that was stored, and finishes; with files in a folder, and with files in a bucket.
//! Further tests let clients use what else they can do.
//!
//! Invariants: what was acknowledged is not sent again; what is downloaded is what was sent; the
//! clients are the ones that `scripts/install-test-tools.sh` puts beside the build, and a missing
//! one fails the test.
//!
//! `TUS_URL` and `TUS_HEADERS` name another server, as in docs/TUS_SUITE.md.

#[path = "../../storage/tests/it/support/bucket.rs"]
#[expect(dead_code, reason = "other tests ask more of it")]
mod bucket;
mod programs;
mod proxy;
#[path = "../tus/server.rs"]
mod server;
#[path = "../tus/wire.rs"]
#[expect(dead_code, reason = "the suite beside asks more of it")]
mod wire;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tempfile::TempDir;

use bucket::{ACCESS_KEY, BUCKET, BucketServer, SECRET_KEY};
use programs::Program;
use proxy::Proxy;
use server::Server;
use wire::{Answer, Place, Request};

/// Length of the file, bytes: some chunks, the last of them a short one.
const FILE_BYTES: usize = 5 * 1024 * 1024 + 123_456;
/// Length of a chunk, bytes.
const CHUNK_BYTES: u64 = 512 * 1024;
/// The byte whose connection is cut: within a chunk, half way.
const CUT_AT: u64 = 2_700_000;
/// From here on the client pauses, bytes.
const PAUSE_BYTES: u64 = 4 * 1024 * 1024;
/// Most that headers, and the part of a chunk that a cut threw away, add to the bytes of a file.
const EXTRA_BYTES: u64 = CHUNK_BYTES + 256 * 1024;

/// Longest wait until a file can be downloaded whose last byte was taken.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// Where our server keeps files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Folder,
    Bucket,
}

/// A server, a file for it, and a folder where a client keeps what it knows.
struct Trial {
    server: Option<Server>,
    _bucket: Option<BucketServer>,
    endpoint: Place,
    headers: Vec<(String, String)>,
    folder: TempDir,
    bytes: Vec<u8>,
}

impl Trial {
    /// With the server that is named, or our own, as this person.
    fn new(person: &str, store: Store) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let bytes = text(person, FILE_BYTES);
        std::fs::write(folder.path().join("a.txt"), &bytes).expect("it can be written");
        let asked = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let mut bucket = None;
        let (server, url, headers) = match asked("TUS_URL") {
            Some(url) => (None, url, asked("TUS_HEADERS")),
            None => {
                bucket = (store == Store::Bucket).then(BucketServer::start);
                let server = Server::start(&bucket.as_ref().map_or(Vec::new(), settings_of));
                let header = format!("Authorization: Bearer {}", server.token(person));
                let url = server.uploads_url();
                (Some(server), url, Some(header))
            }
        };
        let headers = headers.iter().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            endpoint: Place::parse(&url).expect("an address"),
            headers: headers.collect(),
            server,
            _bucket: bucket,
            folder,
            bytes,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a client is to do.
    fn wish(&self, endpoint: &Place) -> Value {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        json!({
            "endpoint": endpoint.url(),
            "headers": Value::Object(headers.collect()),
            "path": self.path("a.txt"),
            "state": self.path("addresses"),
            "chunk_bytes": CHUNK_BYTES,
            "pause_bytes": null,
            "must_resume": false,
            "options": {},
        })
    }

    fn ask(&self, method: &str, place: &Place) -> Answer {
        let request = Request::new(method, place)
            .header("Connection", "close")
            .header("Tus-Resumable", "1.0.0");
        let headers = self.headers.iter();
        let request = headers.fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        request.send().expect("an answer")
    }

    /// The upload of this address, on the server itself.
    fn upload(&self, url: &str) -> Place {
        self.endpoint
            .at(&Place::parse(url).expect("an address").path)
    }

    fn offset(&self, upload: &Place) -> u64 {
        let answer = self.ask("HEAD", upload);
        let offset = answer.number("Upload-Offset");
        offset.unwrap_or_else(|| panic!("{} is answered {}", upload.url(), answer.status))
    }

    /// Demands that all of the file is there, byte for byte where it can be read.
    fn expect_whole(self, url: &str) {
        let upload = self.upload(url);
        assert_eq!(self.offset(&upload), self.bytes.len() as u64);
        let stored = match &self.server {
            Some(_) => Some(self.downloaded(&upload)),
            None => self.stored(&upload),
        };
        if let Some(stored) = stored {
            assert_eq!(stored, digest(&SHA256, &self.bytes).as_ref());
        }
        if let Some(server) = self.server {
            server.stop();
        }
    }

    /// SHA-256 of what a finished upload became: many servers answer GET of its address with its
    /// bytes. `None` where that is not so.
    fn stored(&self, upload: &Place) -> Option<Vec<u8>> {
        let answer = self.ask("GET", upload);
        let is_bytes = answer.header("Content-Type")?.starts_with("text/plain");
        let is_there = answer.status == 200 && is_bytes;
        is_there.then(|| digest(&SHA256, &answer.body).as_ref().to_vec())
    }

    /// The same of our own server, whose files have addresses of their own.
    fn downloaded(&self, upload: &Place) -> Vec<u8> {
        let ask = |path: &str| {
            let answer = self.ask("GET", &self.endpoint.at(path));
            assert_eq!(answer.status, 200, "{path}");
            answer.body
        };
        let status = format!("{}/status", upload.path);
        let looks = READY_LIMIT.as_millis() / LOOK.as_millis();
        let file = (0..looks).find_map(|_| {
            let status: Value = serde_json::from_slice(&ask(&status)).expect("JSON");
            assert_ne!(status["state"], "failed", "{status}");
            let file = (status["state"] == "ready").then(|| status["file"].clone());
            if file.is_none() {
                thread::park_timeout(LOOK);
            }
            file
        });
        let file = file.expect("it is ready in time");
        let shown: Value =
            serde_json::from_slice(&ask(&format!("/v1/files/{file}"))).expect("JSON");
        let link = shown["url"].as_str().expect("a link");
        let link = self.endpoint.resolve(link).expect("an address");
        digest(&SHA256, &ask(&link.path)).as_ref().to_vec()
    }
}

/// What tells our server to keep its files in a bucket.
fn settings_of(bucket: &BucketServer) -> Vec<(&'static str, String)> {
    vec![
        ("FRONTDESK_FILES__STORE", "s3".to_owned()),
        ("FRONTDESK_FILES__S3__ENDPOINT", bucket.endpoint()),
        ("FRONTDESK_FILES__S3__BUCKET", BUCKET.to_owned()),
        ("FRONTDESK_FILES__S3__ACCESS_KEY", ACCESS_KEY.to_owned()),
        ("FRONTDESK_FILES__S3__SECRET_KEY", SECRET_KEY.to_owned()),
        ("FRONTDESK_FILES__S3__ALLOW_HTTP", "true".to_owned()),
    ]
}

/// Lines of plain text: what a server that looks at files lets pass.
fn text(word: &str, byte_count: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|number| format!("line {number} of {word}\n").into_bytes());
    lines.take(byte_count).collect()
}

/// Uploads through a cut, a refusal, a pause and the end of a process.
fn survives_a_cut_a_refusal_and_a_pause(program: Program, store: Store) {
    let trial = Trial::new("ann", store);
    let proxy = Proxy::start(&trial.endpoint.authority, CUT_AT);
    let through = Place {
        authority: proxy.address().to_string(),
        path: trial.endpoint.path.clone(),
    };
    let mut wish = trial.wish(&through);

    wish["pause_bytes"] = PAUSE_BYTES.into();
    let begun = program.run(&wish);
    assert_eq!(
        proxy.fault_counts(),
        (1, 1),
        "it was not cut and refused once each"
    );
    let upload = trial.upload(begun["url"].as_str().expect("an address"));
    let offset = trial.offset(&upload);
    let length = trial.bytes.len() as u64;
    assert!(
        (PAUSE_BYTES..length).contains(&offset),
        "it paused at {offset}"
    );
    let sent_bytes = proxy.sent_bytes();
    let limit = offset + EXTRA_BYTES;
    assert!(
        sent_bytes < limit,
        "{sent_bytes} bytes were sent for {offset}"
    );

    wish["pause_bytes"] = Value::Null;
    wish["must_resume"] = true.into();
    let ended = program.run(&wish);
    assert_eq!(ended["url"], begun["url"], "it began again");
    let (sent_bytes, rest) = (proxy.sent_bytes() - sent_bytes, length - offset);
    assert!(
        sent_bytes < rest + EXTRA_BYTES,
        "{sent_bytes} bytes were sent for {rest}"
    );
    trial.expect_whole(ended["url"].as_str().expect("an address"));
}

/// Uploads at once, with what a client's options say.
fn uploads_with(program: Program, options: Value) {
    let trial = Trial::new("bea", Store::Folder);
    let mut wish = trial.wish(&trial.endpoint);
    wish["options"] = options;
    let ended = program.run(&wish);
    trial.expect_whole(ended["url"].as_str().expect("an address"));
}

#[test]
fn tus_js_client_survives_a_cut_a_refusal_and_a_pause() {
    survives_a_cut_a_refusal_and_a_pause(Program::node("tus_js.mjs"), Store::Folder);
}

#[test]
fn uppy_survives_a_cut_a_refusal_and_a_pause() {
    survives_a_cut_a_refusal_and_a_pause(Program::node("uppy.mjs"), Store::Folder);
}

#[test]
fn tuspy_with_checksums_survives_a_cut_a_refusal_and_a_pause() {
    survives_a_cut_a_refusal_and_a_pause(Program::python("tuspy_uploads.py"), Store::Folder);
}

#[test]
fn aiotus_survives_a_cut_a_refusal_and_a_pause() {
    survives_a_cut_a_refusal_and_a_pause(Program::python("aiotus_uploads.py"), Store::Folder);
}

#[test]
fn tus_js_client_does_so_with_files_in_a_bucket() {
    survives_a_cut_a_refusal_and_a_pause(Program::node("tus_js.mjs"), Store::Bucket);
}

#[test]
fn uppy_does_so_with_files_in_a_bucket() {
    survives_a_cut_a_refusal_and_a_pause(Program::node("uppy.mjs"), Store::Bucket);
}

#[test]
fn tuspy_with_checksums_does_so_with_files_in_a_bucket() {
    survives_a_cut_a_refusal_and_a_pause(Program::python("tuspy_uploads.py"), Store::Bucket);
}

#[test]
fn aiotus_does_so_with_files_in_a_bucket() {
    survives_a_cut_a_refusal_and_a_pause(Program::python("aiotus_uploads.py"), Store::Bucket);
}

#[test]
fn tus_js_client_sends_bytes_with_the_creation() {
    let options = json!({"uploadDataDuringCreation": true});
    uploads_with(Program::node("tus_js.mjs"), options);
}

#[test]
fn tus_js_client_says_the_length_at_the_end() {
    let options = json!({"uploadLengthDeferred": true});
    uploads_with(Program::node("tus_js.mjs"), options);
}

#[test]
fn tus_js_client_sends_its_patches_as_posts() {
    let options = json!({"overridePatchMethod": true});
    uploads_with(Program::node("tus_js.mjs"), options);
}

#[test]
fn tus_js_client_sends_three_parts_at_once() {
    let options = json!({"parallelUploads": 3});
    uploads_with(Program::node("tus_js.mjs"), options);
}

#[test]
fn aiotus_sends_two_parts_at_once() {
    uploads_with(Program::python("aiotus_uploads.py"), json!({"parts": true}));
}
