//! What a bucket promises beyond what every store does: sendings that break off, links, bounds.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_storage::{
    BlobKey, BlobReader, Blobs, BucketOptions, Error, ObjectBlobs, PutKind, ServedAs,
};

use crate::support::bucket::{ACCESS_KEY, BUCKET, BucketServer, SECRET_KEY};
use crate::support::company;

const MIB: usize = 1024 * 1024;
/// Four parts of 8 MiB and a bit of a fifth.
const SIZE: usize = 33 * MIB;

fn options(endpoint: String, unfinished: &Path) -> BucketOptions {
    BucketOptions {
        endpoint: Some(endpoint),
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        allow_http: true,
        unfinished: unfinished.to_owned(),
    }
}

fn key() -> BlobKey {
    BlobKey::new(company("A"), "one").expect("a blob's name")
}

fn written(folder: &Path) -> (std::path::PathBuf, Vec<u8>) {
    let (file, bytes) = (folder.join("file"), bytes_of(SIZE));
    std::fs::write(&file, &bytes).expect("written");
    (file, bytes)
}

fn bytes_of(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 1_000) as u8).collect()
}

pub(crate) fn blobs(endpoint: String, place: &Path) -> ObjectBlobs {
    ObjectBlobs::in_bucket(&options(endpoint, &place.join("sendings"))).expect("a bucket")
}

#[tokio::test]
async fn a_server_killed_within_a_part_leaves_no_half_object_and_the_rest_is_sent_later() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, bytes) = written(place.path());
    let front = server.killed_after(20 * MIB as u64);
    let cut = blobs(format!("http://{}", front.address), place.path());
    let why = cut
        .publish(&key(), &file)
        .await
        .expect_err("the server is gone");
    assert!(matches!(why, Error::Away(_)), "{why:?}");
    assert!(!why.to_string().contains('/'), "{why}");
    assert_eq!(cut.unfinished().await.expect("lists"), [key()]);

    server.start_again();
    let direct = blobs(server.endpoint(), place.path());
    assert_eq!(direct.head(&key()).await.expect("reads"), None);
    assert_eq!(direct.get(&key(), None).await.expect("reads"), None);
    assert_eq!(direct.list(&company("A")).await.expect("lists"), []);

    let before = front.came_bytes.load(Ordering::SeqCst);
    let again = blobs(format!("http://{}", front.address), place.path());
    assert!(again.publish(&key(), &file).await.expect("published"));
    let sent = front.came_bytes.load(Ordering::SeqCst) - before;
    assert!(sent < 18 * MIB as u64, "two parts were there: {sent}");
    let found = direct.get(&key(), None).await.expect("reads");
    assert!(found.expect("there") == bytes);
    assert_eq!(again.unfinished().await.expect("lists"), []);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_node_that_died_while_sending_is_cleaned_up_after() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, _) = written(place.path());
    let front = server.killed_after(20 * MIB as u64);
    let dead = blobs(format!("http://{}", front.address), place.path());
    assert!(dead.publish(&key(), &file).await.is_err());
    drop(dead);
    let next = blobs(server.endpoint(), place.path());
    // A bucket that is away keeps what is known of it.
    assert!(next.abandon(&key()).await.is_err());
    server.start_again();
    assert_ne!(server.leftovers(), Vec::<String>::new());
    assert_eq!(next.unfinished().await.expect("lists"), [key()]);
    assert!(next.abandon(&key()).await.expect("taken back"));
    assert!(!next.abandon(&key()).await.expect("nothing there"));
    assert_eq!(next.unfinished().await.expect("lists"), []);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_changed_since_is_sent_as_it_is_now() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, mut bytes) = written(place.path());
    let front = server.killed_after(20 * MIB as u64);
    let cut = blobs(format!("http://{}", front.address), place.path());
    assert!(cut.publish(&key(), &file).await.is_err());
    server.start_again();
    bytes[5] ^= 0xFF;
    std::fs::write(&file, &bytes).expect("written");
    let again = blobs(server.endpoint(), place.path());
    assert!(again.publish(&key(), &file).await.expect("published"));
    let found = again.get(&key(), None).await.expect("reads");
    assert!(found.expect("there") == bytes);
}

#[tokio::test]
async fn a_sending_that_the_bucket_forgot_begins_anew() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, bytes) = written(place.path());
    let front = server.killed_after(20 * MIB as u64);
    let cut = blobs(format!("http://{}", front.address), place.path());
    assert!(cut.publish(&key(), &file).await.is_err());
    server.forget_parts();
    server.start_again();
    let again = blobs(server.endpoint(), place.path());
    // The first attempt may find out only at its end.
    if again.publish(&key(), &file).await.is_err() {
        assert!(again.publish(&key(), &file).await.expect("published"));
    }
    let found = again.get(&key(), None).await.expect("reads");
    assert!(found.expect("there") == bytes);
}

#[tokio::test]
async fn a_signed_link_is_for_one_file_and_a_while() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let blobs = blobs(server.endpoint(), place.path());
    let bytes = Bytes::from_static(b"hello");
    let other = BlobKey::new(company("A"), "other").expect("a blob's name");
    for key in [&key(), &other] {
        let put = blobs.put(key, bytes.clone(), PutKind::Create).await;
        assert!(put.expect("stored"));
    }
    let served = ServedAs {
        content_type: "image/png",
        disposition: "attachment; filename=\"a b.png\"",
    };
    let one = key();
    let signed = |expires_in| blobs.sign(&one, expires_in, &served);
    let link = signed(Duration::from_secs(60)).await.expect("signs");
    let link = link.expect("buckets sign");
    assert_eq!(fetch(&link), (200, Some("hello".to_owned())));
    let elsewhere = link.replace("/one?", "/other?");
    assert_ne!(elsewhere, link);
    assert_eq!(fetch(&elsewhere).0, 403);
    let renamed = link.replace("image%2Fpng", "text%2Fhtml");
    assert_ne!(renamed, link);
    assert_eq!(fetch(&renamed).0, 403);
    let expired = signed(Duration::ZERO).await.expect("signs").expect("signs");
    assert_eq!(fetch(&expired).0, 403);
    let none = ObjectBlobs::in_memory();
    let none = none.sign(&one, Duration::from_secs(60), &served).await;
    assert_eq!(none.expect("answers"), None);
}

#[tokio::test]
async fn a_wrong_key_is_told_without_an_address() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let wrong = BucketOptions {
        secret_key: "another".to_owned(),
        ..options(server.endpoint(), &place.path().join("sendings"))
    };
    let blobs = ObjectBlobs::in_bucket(&wrong).expect("nothing was sent yet");
    let one = key();
    let put = blobs.put(&one, Bytes::from_static(b"x"), PutKind::Create);
    let why = put.await.expect_err("refused").to_string();
    assert_eq!(why, "the store of files: refuses this node's access");
}

#[tokio::test]
async fn a_reader_takes_a_large_blob_in_pieces() {
    let (server, place) = (
        BucketServer::start(),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, bytes) = written(place.path());
    let blobs = std::sync::Arc::new(blobs(server.endpoint(), place.path()));
    assert!(blobs.publish(&key(), &file).await.expect("published"));
    let range = 5..(20 * MIB + 1) as u64;
    let mut reader = BlobReader::new(blobs.clone(), key(), range.clone());
    let mut found = Vec::new();
    while let Some(piece) = reader.next().await.expect("reads") {
        assert!(piece.len() <= MIB, "{}", piece.len());
        found.extend_from_slice(&piece);
        assert_eq!(
            reader.left_bytes(),
            range.end - range.start - found.len() as u64
        );
    }
    assert!(found == bytes[5..20 * MIB + 1]);
    let beyond = (SIZE - 3) as u64..(SIZE + 3) as u64;
    let mut reader = BlobReader::new(blobs, key(), beyond);
    assert!(reader.next().await.is_err(), "the blob is shorter");
}

/// A plain request, as a client of a link makes it: the status and the body of a 200.
fn fetch(link: &str) -> (u16, Option<String>) {
    use std::io::{Read, Write};
    let rest = link.strip_prefix("http://").expect("plain");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = std::net::TcpStream::connect(host).expect("connects");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let status = answer[9..12].parse().expect("a status");
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    (status, body.filter(|_| status == 200))
}
