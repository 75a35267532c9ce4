//! What was packed comes back, and nothing else does, whatever became of the blob.

use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::CompanyId;
use proptest::prelude::*;

use super::table::Table;
use super::*;
use crate::blobs::{BlobReader, Blobs, ObjectBlobs, PutKind};
use crate::journal::{Error, Result};
use crate::keys::BlobKey;

const FRAME: usize = FRAME_BYTES as usize;

fn key() -> BlobKey {
    let company = CompanyId::new("A").expect("valid");
    BlobKey::new(company, "one").expect("a blob's name")
}

/// What a file of these bytes is packed to, if it is.
fn packed(plain: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, plain).expect("written");
    let packed = pack(&from, &to).expect("a disk");
    assert_eq!(std::fs::read(&from).expect("there"), plain, "it stays");
    assert_eq!(to.exists(), packed.is_some(), "nothing is left");
    packed.map(|packed| {
        let bytes = std::fs::read(&to).expect("there");
        assert_eq!(packed.plain_bytes, plain.len() as u64);
        assert_eq!(packed.packed_bytes, bytes.len() as u64);
        bytes
    })
}

/// Words in an order that a seed gives: like a text, and no two parts of it alike.
fn words(length: usize, seed: u64) -> Vec<u8> {
    const WORDS: [&str; 8] = [
        "who ", "asks ", "for ", "a ", "table ", "waits ", "here ", "\n",
    ];
    let mut state = seed | 1;
    let mut text = Vec::with_capacity(length + 8);
    while text.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        text.extend_from_slice(WORDS[(state >> 61) as usize].as_bytes());
    }
    text.truncate(length);
    text
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A range of a packed blob, read to its end; each piece no longer than a frame.
fn read(blob: &[u8], plain_bytes: usize, range: Range<usize>) -> Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().expect("a runtime");
    runtime.block_on(async {
        let blobs = Arc::new(ObjectBlobs::in_memory());
        let bytes = Bytes::copy_from_slice(blob);
        blobs.put(&key(), bytes, PutKind::Create).await?;
        let range = range.start as u64..range.end as u64;
        let mut reader = BlobReader::of_packed(blobs, key(), plain_bytes as u64, range);
        let mut found = Vec::new();
        while let Some(piece) = reader.next().await? {
            assert!((1..=FRAME).contains(&piece.len()));
            found.extend_from_slice(&piece);
        }
        assert_eq!(reader.left_bytes(), 0);
        Ok(found)
    })
}

#[test]
fn what_is_packed_is_read_by_any_reader_of_zstandard() {
    for length in [10_000, FRAME - 1, FRAME, FRAME + 1, 5 * FRAME, 700_001] {
        let plain = words(length, 7);
        let blob = packed(&plain).expect("worth it");
        assert!(blob.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
        let all = zstd::stream::decode_all(Cursor::new(&blob)).expect("unpacks");
        assert!(all == plain, "{length}");
    }
}

#[test]
fn the_table_is_as_the_format_says() {
    let plain = words(FRAME + 9, 3);
    let blob = packed(&plain).expect("worth it");
    let table = &blob[blob.len() - (8 + 2 * 8 + 9)..];
    assert_eq!(table[..8], [0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0, 0]);
    assert_eq!(table[12..16], (FRAME as u32).to_le_bytes());
    assert_eq!(table[20..24], 9_u32.to_le_bytes());
    assert_eq!(table[24..], [2, 0, 0, 0, 0, 0xB1, 0xEA, 0x92, 0x8F]);
    let lengths = [&table[8..12], &table[16..20]].map(|four| {
        let four = four.try_into().expect("four bytes");
        u32::from_le_bytes(four) as usize
    });
    assert_eq!(lengths[0] + lengths[1] + table.len(), blob.len());
    let first = zstd::bulk::decompress(&blob[..lengths[0]], FRAME).expect("unpacks alone");
    assert!(first == plain[..FRAME]);
}

#[test]
fn what_saves_less_than_a_tenth_is_not_packed() {
    assert_eq!(packed(&noise(300_000)), None);
    assert_eq!(packed(b""), None);
    // An eighth of it is words; the rest cannot be packed.
    let mut mixed = noise(7 * FRAME);
    mixed.extend(vec![b' '; FRAME / 2]);
    assert_eq!(packed(&mixed), None);
    mixed.extend(vec![b' '; FRAME]);
    assert!(packed(&mixed).is_some());
}

#[test]
fn what_cannot_be_written_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("from");
    std::fs::write(&from, words(FRAME, 1)).expect("written");
    let nowhere = folder.path().join("none").join("to");
    assert!(matches!(pack(&from, &nowhere), Err(Error::Io { .. })));
    let gone = folder.path().join("gone");
    assert!(matches!(pack(&gone, &from), Err(Error::Io { .. })));
    assert!(from.exists(), "what it did not make is not its to remove");
    // It takes no byte, as a full disk does.
    let full = folder.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &full).expect("linked");
    let packed = pack(&from, &full);
    assert!(matches!(packed, Err(Error::Full)), "{packed:?}");
    assert!(full.symlink_metadata().is_err(), "it is gone");
}

#[test]
fn a_table_that_lies_is_refused_before_anything_is_made_of_it() {
    let plain_bytes = 3 * FRAME_BYTES + 5;
    let packed = vec![100_u32, 200, 300, 40];
    let frames_bytes = 640;
    let table = || Table::new(packed.clone(), plain_bytes);
    let good = table().to_bytes();
    let length = good.len() as u64;
    assert_eq!(Table::bytes_of(plain_bytes).expect("packable"), length);
    let read = Table::read(&good, plain_bytes, frames_bytes + length);
    assert_eq!(read.expect("as it was written"), table());
    let lie = |at: usize, number: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        Table::read(&bytes, plain_bytes, frames_bytes + length)
    };
    let foot = good.len() - 9;
    for (at, number) in [
        (0, 0x184D_2A50),
        (4, u32::MAX),
        (8, 0),
        (8, 101),
        (8, u32::MAX),
        (12, u32::MAX),
        (12, FRAME as u32 - 1),
        (foot, 5),
        (foot, u32::MAX),
        (foot + 4, 0x80),
        (foot + 5, 0),
    ] {
        let read = lie(at, number);
        assert!(matches!(read, Err(Error::Damaged(_))), "{at}: {read:?}");
    }
    for lengths in [
        (plain_bytes + FRAME_BYTES, 640),
        (plain_bytes, 639),
        (0, 640),
    ] {
        let read = Table::read(&good, lengths.0, lengths.1 + length);
        assert!(matches!(read, Err(Error::Damaged(_))), "{lengths:?}");
    }
    let too_long = Table::bytes_of(PACKED_BYTES_MAX + 1);
    assert!(matches!(too_long, Err(Error::Damaged(_))));
    assert_eq!(
        Table::bytes_of(PACKED_BYTES_MAX).expect("fits"),
        17 + 8 * 32_768
    );
}

#[test]
fn a_frame_that_unpacks_to_more_than_it_may_is_refused() {
    let bomb = zstd::bulk::compress(&vec![0; 64 * 1024 * 1024], 3).expect("packs");
    let table = Table::new(vec![bomb.len() as u32], 1_000);
    let blob = [bomb, table.to_bytes()].concat();
    let read = read(&blob, 1_000, 0..1_000);
    assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
}

#[test]
fn what_is_beyond_the_end_or_no_packed_blob_is_an_error() {
    let plain = words(2 * FRAME, 5);
    let blob = packed(&plain).expect("worth it");
    for range in [0..2 * FRAME + 1, 3 * FRAME..3 * FRAME + 1] {
        assert!(read(&blob, plain.len(), range).is_err());
    }
    for other in [&plain[..], &blob[..20], b""] {
        let read = read(other, plain.len(), 0..10);
        assert!(matches!(read, Err(Error::Damaged(_))), "{read:?}");
    }
}

#[tokio::test]
async fn a_reader_that_failed_gives_no_bytes_of_another_place() {
    let plain = words(3 * FRAME, 11);
    let mut blob = packed(&plain).expect("worth it");
    blob[40] ^= 1;
    let blobs = Arc::new(ObjectBlobs::in_memory());
    let one = key();
    let put = blobs.put(&one, blob.into(), PutKind::Create);
    assert!(put.await.expect("stored"));
    let length = plain.len() as u64;
    let mut reader = BlobReader::of_packed(blobs, one, length, 0..length);
    for _ in 0..3 {
        let piece = reader.next().await;
        assert!(matches!(piece, Err(Error::Damaged(_))), "{piece:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_of_any_text_comes_back(
        length in 1_usize..6 * FRAME,
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        count in any::<prop::sample::Index>(),
    ) {
        let plain = words(length, seed);
        // The shortest are not worth it.
        if let Some(blob) = packed(&plain) {
            let start = at.index(length);
            let end = start + 1 + count.index(length - start);
            prop_assert!(read(&blob, length, start..end).expect("reads") == plain[start..end]);
            prop_assert!(read(&blob, length, 0..length).expect("reads") == plain);
        } else {
            prop_assert!(length < 1_000);
        }
    }

    #[test]
    fn a_damaged_blob_gives_what_was_packed_or_an_error(
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        cut in any::<Option<prop::sample::Index>>(),
        is_in_table in any::<bool>(),
    ) {
        let plain = words(2 * FRAME + 77, seed);
        let mut blob = packed(&plain).expect("worth it");
        let table_at = blob.len() - (8 + 3 * 8 + 9);
        let at = match is_in_table {
            true => table_at + at.index(blob.len() - table_at),
            false => at.index(blob.len()),
        };
        blob[at] ^= flip;
        if let Some(cut) = cut {
            blob.truncate(cut.index(blob.len()));
        }
        if let Ok(found) = read(&blob, plain.len(), 5..plain.len()) {
            prop_assert!(found == plain[5..]);
        }
    }
}
