//! What a place for blobs promises, on a folder, in memory and in a bucket.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_storage::{
    BlobKey, BlobReader, Blobs, Durability, Error, ObjectBlobs, PutKind, pack,
};

use crate::support::company;

/// What is sent at once to a bucket.
const PART_BYTES: usize = 8 * 1024 * 1024;

fn key(company_name: &str, name: &str) -> BlobKey {
    BlobKey::new(company(company_name), name).expect("a blob's name")
}

fn on_every_store<Fut: Future<Output = ()>>(fact: impl Fn(Box<dyn Blobs>) -> Fut) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for durability in [Durability::Fsync, Durability::Buffered] {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = ObjectBlobs::in_folder(&folder.path().join("blobs"), durability);
        runtime.block_on(fact(Box::new(blobs.expect("a store"))));
    }
    runtime.block_on(fact(Box::new(ObjectBlobs::in_memory())));
    #[cfg(feature = "s3")]
    {
        let server = crate::support::bucket::BucketServer::start();
        let place = tempfile::tempdir().expect("a folder");
        let blobs = crate::buckets::blobs(server.endpoint(), place.path());
        runtime.block_on(fact(Box::new(blobs)));
    }
}

#[test]
fn a_packed_blob_comes_back_whole_and_in_ranges() {
    const FRAME_BYTES: u64 = 128 * 1024;
    let place = tempfile::tempdir().expect("a folder");
    let (file, packed) = (place.path().join("plain"), place.path().join("packed"));
    let line = |number: u32| format!("{number}: a line as there are many\n");
    let text: String = (0..60_000).map(line).collect();
    std::fs::write(&file, &text).expect("written");
    let made = pack(&file, &packed).expect("a disk").expect("worth it");
    let length = made.packed_bytes;
    let size = text.len() as u64;
    assert!(length < size / 3, "{length} of {size}");
    on_every_store(|blobs| {
        let (packed, text) = (packed.clone(), text.clone());
        async move {
            let one = key("A", "one");
            assert!(blobs.publish(&one, &packed).await.expect("published"));
            let blobs: Arc<dyn Blobs> = blobs.into();
            for range in [
                0..size,
                0..1,
                FRAME_BYTES - 1..FRAME_BYTES + 1,
                FRAME_BYTES..3 * FRAME_BYTES,
                size - 5..size,
                7..7,
            ] {
                let blobs = Arc::clone(&blobs);
                let mut reader = BlobReader::of_packed(blobs, one.clone(), size, range.clone());
                let mut found = Vec::new();
                while let Some(piece) = reader.next().await.expect("reads") {
                    found.extend_from_slice(&piece);
                }
                let wanted = &text.as_bytes()[range.start as usize..range.end as usize];
                assert!(found == wanted, "{range:?}");
            }
            assert!(blobs.delete(&one).await.expect("deleted"));
            let mut reader = BlobReader::of_packed(blobs, one, size, 0..1);
            assert!(matches!(reader.next().await, Err(Error::Away(_))));
        }
    });
}

#[test]
fn a_blob_comes_back_whole_and_in_ranges() {
    on_every_store(|blobs| async move {
        let one = key("A", "one");
        assert_eq!(blobs.get(&one, None).await.expect("reads"), None);
        assert_eq!(blobs.get(&one, Some(0..1)).await.expect("reads"), None);
        let bytes: Bytes = (0..100_000u32).map(|i| i as u8).collect();
        assert!(
            blobs
                .put(&one, bytes.clone(), PutKind::Create)
                .await
                .expect("stored")
        );
        assert_eq!(
            blobs.get(&one, None).await.expect("reads"),
            Some(bytes.clone())
        );
        for range in [0..1u64, 500..70_000, 99_999..100_000, 99_990..200_000] {
            let cut = range.start as usize..(range.end as usize).min(bytes.len());
            let found = blobs.get(&one, Some(range)).await.expect("reads");
            assert_eq!(found, Some(bytes.slice(cut)));
        }
        for outside in [100_000..100_001u64, 5..5] {
            let found = blobs.get(&one, Some(outside)).await;
            assert!(matches!(found, Err(Error::Refused(_))), "{found:?}");
        }
        let meta = blobs.head(&one).await.expect("reads").expect("is there");
        assert_eq!((meta.key, meta.bytes), (one, 100_000));
    });
}

#[test]
fn creating_never_replaces_and_replacing_does() {
    on_every_store(|blobs| async move {
        let one = key("A", "one");
        let put =
            |text: &'static str, kind| blobs.put(&one, Bytes::from_static(text.as_bytes()), kind);
        assert!(put("first", PutKind::Create).await.expect("stored"));
        assert!(!put("second", PutKind::Create).await.expect("refused"));
        assert_eq!(
            &blobs.get(&one, None).await.expect("reads").expect("there")[..],
            b"first"
        );
        assert!(put("third", PutKind::Replace).await.expect("stored"));
        assert_eq!(
            &blobs.get(&one, None).await.expect("reads").expect("there")[..],
            b"third"
        );
    });
}

#[test]
fn a_deleted_blob_is_gone() {
    on_every_store(|blobs| async move {
        let one = key("A", "one");
        assert!(!blobs.delete(&one).await.expect("nothing there"));
        blobs
            .put(&one, Bytes::new(), PutKind::Create)
            .await
            .expect("stored");
        assert!(blobs.delete(&one).await.expect("deleted"));
        assert_eq!(blobs.head(&one).await.expect("reads"), None);
        assert!(
            blobs
                .put(&one, Bytes::new(), PutKind::Create)
                .await
                .expect("stored again")
        );
    });
}

#[test]
fn a_list_names_one_companys_blobs_in_order() {
    on_every_store(|blobs| async move {
        for (owner, name) in [("A", "b"), ("A", "a.png"), ("AA", "c"), ("B", "d")] {
            let bytes = Bytes::from_static(b"xyz");
            blobs
                .put(&key(owner, name), bytes, PutKind::Create)
                .await
                .expect("stored");
        }
        let listed = blobs.list(&company("A")).await.expect("lists");
        let names: Vec<_> = listed.iter().map(|meta| meta.key.name()).collect();
        assert_eq!(names, ["a.png", "b"]);
        assert!(listed.iter().all(|meta| meta.bytes == 3));
        assert_eq!(blobs.list(&company("C")).await.expect("lists"), vec![]);
    });
}

#[test]
fn a_file_becomes_a_blob_once() {
    on_every_store(|blobs| async move {
        let place = tempfile::tempdir().expect("a folder");
        // Less than a part, exactly one, and two with a rest.
        for (name, length) in [
            ("small", 5),
            ("one", PART_BYTES),
            ("more", 2 * PART_BYTES + 7),
        ] {
            let file = place.path().join(name);
            let bytes: Vec<u8> = (0..length).map(|at| (at / 1_000) as u8).collect();
            std::fs::write(&file, &bytes).expect("written");
            let key = key("A", name);
            assert!(blobs.publish(&key, &file).await.expect("published"));
            let found = blobs.get(&key, None).await.expect("reads").expect("there");
            assert!(found == bytes, "{name}");
            assert!(!blobs.publish(&key, &file).await.expect("is there"));
            std::fs::remove_file(&file).expect("its owner takes it away");
            let meta = blobs.head(&key).await.expect("reads").expect("is there");
            assert_eq!(meta.bytes, length as u64);
        }
        let (none, nowhere) = (key("A", "none"), place.path().join("none"));
        assert!(blobs.publish(&none, &nowhere).await.is_err());
        assert_eq!(blobs.head(&none).await.expect("reads"), None);
    });
}

#[test]
fn a_file_never_takes_the_place_of_a_blob() {
    on_every_store(|blobs| async move {
        let place = tempfile::tempdir().expect("a folder");
        let (file, key) = (place.path().join("file"), key("A", "one"));
        std::fs::write(&file, b"second").expect("written");
        let first = Bytes::from_static(b"first");
        let stored = blobs.put(&key, first.clone(), PutKind::Create).await;
        assert!(stored.expect("stored"));
        assert!(!blobs.publish(&key, &file).await.expect("is there"));
        assert_eq!(blobs.get(&key, None).await.expect("reads"), Some(first));
    });
}

#[test]
fn nothing_is_left_of_what_ended_and_nothing_of_it_is_taken_back() {
    on_every_store(|blobs| async move {
        let place = tempfile::tempdir().expect("a folder");
        let (file, one) = (place.path().join("file"), key("A", "one"));
        std::fs::write(&file, vec![7; PART_BYTES + 1]).expect("written");
        assert!(!blobs.abandon(&one).await.expect("nothing there"));
        assert!(blobs.publish(&one, &file).await.expect("published"));
        assert_eq!(blobs.unfinished().await.expect("lists"), []);
        assert!(!blobs.abandon(&one).await.expect("nothing there"));
        let meta = blobs.head(&one).await.expect("reads").expect("is there");
        assert_eq!(meta.bytes, PART_BYTES as u64 + 1);
    });
}

#[test]
fn half_a_file_in_a_folder_is_found_and_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = ObjectBlobs::in_folder(folder.path(), Durability::Buffered).expect("a store");
    let one = key("A", "one");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let put = blobs.put(&one, Bytes::from_static(b"x"), PutKind::Create);
        assert!(put.await.expect("stored"));
        for name in ["one#1", "two#12"] {
            std::fs::write(folder.path().join("A").join(name), b"half").expect("written");
        }
        let two = key("A", "two");
        let found = blobs.unfinished().await.expect("lists");
        assert_eq!(found, [one.clone(), two.clone()]);
        assert!(blobs.abandon(&one).await.expect("taken back"));
        assert_eq!(blobs.unfinished().await.expect("lists"), [two]);
        assert_eq!(
            &blobs.get(&one, None).await.expect("reads").expect("there")[..],
            b"x"
        );
    });
}
