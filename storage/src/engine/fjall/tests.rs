//! Journals that fjall wrote, torn by hand.

use std::ops::Range;

use proptest::prelude::*;
use tempfile::TempDir;

use super::framing::{self, Whole};
use super::*;

const CACHE_BYTES: u64 = 1024 * 1024;
/// Batches in a store that is torn.
const BATCH_COUNT: u32 = 6;

/// A closed store and where its batches stand in its only journal.
struct Closed {
    folder: TempDir,
    journal: PathBuf,
    bytes: Vec<u8>,
    batches: Vec<Range<usize>>,
}

fn engine(path: &Path) -> FjallEngine {
    FjallEngine::open(path, CACHE_BYTES).unwrap()
}

/// The batch of that number: a row of its own over several sectors, and one that each overwrites.
fn batch(number: u32) -> Batch {
    let mut batch = Batch::default();
    let value = vec![number as u8 + 1; 700 + 180 * number as usize];
    batch.put(vec![0, number as u8], value.into());
    batch.put(
        b"last".to_vec(),
        Bytes::copy_from_slice(&number.to_be_bytes()),
    );
    batch.remove(b"missing".to_vec());
    batch
}

/// Writes the batches and closes. The journal ends where they end, as it does in every life of a
/// store but the first.
fn closed(lasting: Lasting) -> Closed {
    let folder = TempDir::new().unwrap();
    drop(engine(folder.path()));
    let open = engine(folder.path());
    for number in 0..BATCH_COUNT {
        open.commit(&batch(number), lasting).unwrap();
    }
    drop(open);
    let journal = folder.path().join("0.jnl");
    let bytes = std::fs::read(&journal).unwrap();
    let batches = ranges(&walk_all(&journal));
    assert_eq!(batches.len(), BATCH_COUNT as usize);
    assert_eq!(batches.last().unwrap().end, bytes.len());
    Closed {
        folder,
        journal,
        bytes,
        batches,
    }
}

fn walk_all(journal: &Path) -> Vec<Whole> {
    let mut batches = Vec::new();
    let mut file = std::fs::File::open(journal).unwrap();
    let walked = framing::walk(&mut file, |whole| batches.push(*whole)).unwrap();
    assert!(!walked.is_broken);
    assert_eq!(
        walked.whole_bytes,
        batches.iter().map(|whole| whole.bytes).sum::<u64>()
    );
    batches
}

fn ranges(batches: &[Whole]) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut range = |whole: &Whole| {
        let start = at;
        at += whole.bytes as usize;
        start..at
    };
    batches.iter().map(&mut range).collect()
}

impl Closed {
    fn last(&self) -> Range<usize> {
        self.batches.last().unwrap().clone()
    }

    /// Opens the store with these bytes as its journal: how many batches it then holds, each with
    /// all its rows and none after a missing one.
    fn batches_after(&self, journal: &[u8]) -> Result<u32> {
        std::fs::write(&self.journal, journal).unwrap();
        let open = FjallEngine::open(self.folder.path(), CACHE_BYTES)?;
        let mut rows = Batch::default();
        open.scan(&KeyRange::all(), false, &mut |key, value| {
            rows.put(key.to_vec(), Bytes::copy_from_slice(value));
            true
        })?;
        let last = rows.staged(b"last").flatten();
        let count = last.map_or(0, |last| {
            u32::from_be_bytes(last[..].try_into().unwrap()) + 1
        });
        let mut expected = Batch::default();
        for number in 0..count {
            for (key, value) in batch(number).writes() {
                if let Some(value) = value {
                    expected.put(key.clone(), value.clone());
                }
            }
        }
        assert!(rows.writes().eq(expected.writes()), "{count} batches");
        // And goes on.
        open.commit(&batch(count), Lasting::Synced)?;
        Ok(count)
    }

    fn torn(&self, tear: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        tear(&mut bytes);
        assert!(bytes != self.bytes);
        bytes
    }

    fn refusal(&self, journal: &[u8]) -> String {
        std::fs::write(&self.journal, journal).unwrap();
        let error = repair::repair(self.folder.path()).unwrap_err();
        let after = std::fs::read(&self.journal).unwrap();
        assert_eq!(after, journal, "a refused journal is as it was");
        match error {
            Error::Damaged(why) => why,
            other => panic!("{other}"),
        }
    }
}

#[test]
fn the_framing_is_what_fjall_writes() {
    let folder = TempDir::new().unwrap();
    let open = engine(folder.path());
    let mut item_counts = Vec::new();
    for number in 0..18 {
        let mut written = batch(number);
        if number % 4 == 0 {
            let long = vec![number as u8; crate::engine::VALUE_BYTES_MAX];
            written.put(vec![7; 300], long.into());
        }
        item_counts.push(written.writes().count() as u32);
        open.commit(&written, Lasting::Synced).unwrap();
    }
    // Not written by this engine, but part of the format.
    open.rows.clear().unwrap();
    item_counts.push(1);
    drop(open);
    let journal = folder.path().join("0.jnl");
    let batches = walk_all(&journal);
    let found: Vec<u32> = batches.iter().map(|whole| whole.item_count).collect();
    assert_eq!(found, item_counts);
    assert!(batches.is_sorted_by(|before, after| before.seqno < after.seqno));
    // Once without our reader: the items stand between a start of 13 bytes and an end of 13.
    let bytes = std::fs::read(&journal).unwrap();
    for (whole, range) in batches.iter().zip(ranges(&batches)) {
        let items = &bytes[range.start + 13..range.end - 13];
        let end = &bytes[range.end - 13..range.end];
        assert_eq!(whole.checksum, xxhash_rust::xxh3::xxh3_64(items));
        assert_eq!(end[1..9], whole.checksum.to_le_bytes());
        assert_eq!(end[9..], framing::FORMAT_MARK);
    }
}

#[test]
fn a_whole_journal_is_left_as_it_is() {
    for lasting in [Lasting::Synced, Lasting::Handed, Lasting::Later] {
        let closed = closed(lasting);
        let ahead = [&closed.bytes[..], &[0; 100_000]].concat();
        for journal in [&closed.bytes, &ahead] {
            std::fs::write(&closed.journal, journal).unwrap();
            repair::repair(closed.folder.path()).unwrap();
            assert!(std::fs::read(&closed.journal).unwrap() == *journal);
        }
    }
}

#[test]
fn a_batch_torn_in_its_middle_with_its_end_kept_is_cut() {
    let closed = closed(Lasting::Synced);
    let last = closed.last();
    let torn = closed.torn(|bytes| bytes[last.start + 300..last.end - 200].fill(0));
    assert_eq!(closed.batches_after(&torn).unwrap(), BATCH_COUNT - 1);
}

#[test]
fn a_batch_with_a_torn_header_is_cut() {
    let closed = closed(Lasting::Synced);
    let last = closed.last();
    for kept in 0..13 {
        let torn = closed.torn(|bytes| bytes[last.start + kept..][..40].fill(0));
        assert_eq!(closed.batches_after(&torn).unwrap(), BATCH_COUNT - 1);
    }
}

#[test]
fn a_batch_that_is_zeros_from_somewhere_is_cut() {
    let closed = closed(Lasting::Synced);
    let last = closed.last();
    for from in [last.start, last.start + 1, last.start + 500, last.end - 1] {
        let torn = closed.torn(|bytes| bytes[from..].fill(0));
        assert_eq!(closed.batches_after(&torn).unwrap(), BATCH_COUNT - 1);
    }
}

#[test]
fn garbage_behind_the_last_batch_is_cut() {
    let closed = closed(Lasting::Synced);
    for garbage in [&[1; 5000][..], &[3; 20], &[2, 0, 0, 255], b"\0\0\0\x01"] {
        let torn = closed.torn(|bytes| bytes.extend_from_slice(garbage));
        assert_eq!(closed.batches_after(&torn).unwrap(), BATCH_COUNT);
    }
}

#[test]
fn a_broken_batch_before_a_whole_one_is_refused() {
    let closed = closed(Lasting::Synced);
    for (number, range) in closed.batches[..BATCH_COUNT as usize - 1]
        .iter()
        .enumerate()
    {
        for at in [range.start, range.start + 400, range.end - 1] {
            let damaged = closed.torn(|bytes| bytes[at] ^= 0x40);
            let why = closed.refusal(&damaged);
            let next = closed.batches[number + 1].start;
            assert!(why.contains("0.jnl at byte "), "{why}");
            assert!(why.contains(&format!("at byte {}:", range.start)), "{why}");
            assert!(why.ends_with(&format!("follows at byte {next}")), "{why}");
        }
    }
    // Rows that may wait for a later commit are synced too, as long as none is only handed over.
    let swept = self::closed(Lasting::Later);
    let damaged = swept.torn(|bytes| bytes[swept.batches[2].start] = 0);
    swept.refusal(&damaged);
}

#[test]
fn unsynced_batches_are_cut_from_the_first_broken_one() {
    let closed = closed(Lasting::Handed);
    assert!(closed.folder.path().join(UNSYNCED).exists());
    let broken = closed.batches[3].clone();
    let torn = closed.torn(|bytes| bytes[broken.start + 50..broken.end - 50].fill(0));
    assert_eq!(closed.batches_after(&torn).unwrap(), 3);
    // Opening has synced the rest, so from here on a broken batch before a whole one is damage.
    assert!(!closed.folder.path().join(UNSYNCED).exists());
    closed.refusal(&torn);
}

#[test]
fn a_broken_journal_before_the_last_is_refused() {
    let closed = closed(Lasting::Synced);
    std::fs::write(closed.folder.path().join("1.jnl"), []).unwrap();
    std::fs::write(closed.folder.path().join(UNSYNCED), []).unwrap();
    let last = closed.last();
    let damaged = closed.torn(|bytes| bytes[last.start + 20] ^= 1);
    let why = closed.refusal(&damaged);
    assert!(why.contains("0.jnl") && why.contains("sealed"), "{why}");
    std::fs::write(&closed.journal, &closed.bytes).unwrap();
    repair::repair(closed.folder.path()).unwrap();
}

#[test]
fn an_unknown_format_is_left_to_fjall() {
    let closed = closed(Lasting::Synced);
    let torn = closed.torn(|bytes| bytes.truncate(bytes.len() - 5));
    std::fs::write(&closed.journal, &torn).unwrap();
    std::fs::write(closed.folder.path().join("version"), b"FJL\x04").unwrap();
    repair::repair(closed.folder.path()).unwrap();
    assert!(std::fs::read(&closed.journal).unwrap() == torn);
    assert!(FjallEngine::open(closed.folder.path(), CACHE_BYTES).is_err());
}

/// What a power loss or worse does to a part of a journal; places are fractions of the part.
#[derive(Debug, Clone)]
enum Tear {
    Zeros(f64, f64),
    Other(f64, Vec<u8>),
    CutOff(f64),
    Behind(Vec<u8>),
}

impl Tear {
    fn apply(&self, bytes: &mut Vec<u8>, part: Range<usize>) {
        let end = part.end.min(bytes.len());
        let at = |place: f64| (part.start + (part.len() as f64 * place) as usize).min(end);
        match self {
            Tear::Zeros(one, other) => bytes[at(one.min(*other))..at(one.max(*other))].fill(0),
            Tear::Other(place, other) => {
                let start = at(*place);
                let count = other.len().min(end - start);
                bytes[start..start + count].copy_from_slice(&other[..count]);
            }
            Tear::CutOff(place) => bytes.truncate(at(*place)),
            Tear::Behind(other) => bytes.extend_from_slice(other),
        }
    }
}

fn any_tear() -> impl Strategy<Value = Tear> {
    let place = || 0.0..1.0_f64;
    // Mostly the bytes that mean something in the framing.
    let byte = prop_oneof![Just(0), Just(1), Just(2), Just(3), any::<u8>()];
    let bytes = || prop::collection::vec(byte.clone(), 1..600);
    prop_oneof![
        (place(), place()).prop_map(|(one, other)| Tear::Zeros(one, other)),
        (place(), bytes()).prop_map(|(place, bytes)| Tear::Other(place, bytes)),
        place().prop_map(Tear::CutOff),
        bytes().prop_map(Tear::Behind),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_journal_torn_in_its_last_batch_opens_with_all_before(
        tears in prop::collection::vec(any_tear(), 1..4),
    ) {
        let closed = closed(Lasting::Synced);
        let mut torn = closed.bytes.clone();
        tears.iter().for_each(|tear| tear.apply(&mut torn, closed.last()));
        let count = closed.batches_after(&torn).unwrap();
        prop_assert!(count == BATCH_COUNT || count == BATCH_COUNT - 1);
    }

    #[test]
    fn unsynced_batches_torn_anywhere_open_with_all_before(
        tears in prop::collection::vec(any_tear(), 1..4),
        first in 0..BATCH_COUNT,
    ) {
        let closed = closed(Lasting::Handed);
        let mut torn = closed.bytes.clone();
        let part = closed.batches[first as usize].start..closed.bytes.len();
        tears.iter().for_each(|tear| tear.apply(&mut torn, part.clone()));
        prop_assert!(closed.batches_after(&torn).unwrap() >= first);
    }

    #[test]
    fn a_journal_torn_anywhere_is_cut_to_whole_batches_or_refused_unchanged(
        tears in prop::collection::vec(any_tear(), 1..4),
    ) {
        let closed = closed(Lasting::Synced);
        let mut torn = closed.bytes.clone();
        tears.iter().for_each(|tear| tear.apply(&mut torn, 0..closed.bytes.len()));
        std::fs::write(&closed.journal, &torn).unwrap();
        match repair::repair(closed.folder.path()) {
            Ok(()) => {
                walk_all(&closed.journal);
                closed.batches_after(&std::fs::read(&closed.journal).unwrap()).unwrap();
            }
            Err(_) => drop(closed.refusal(&torn)),
        }
    }
}
