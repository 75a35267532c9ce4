//! Turns to write one upload, as doors that race for it take them.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_actors::clock::{SystemClock, fresh_upload_id};
use frontdesk_protocol::upload::UploadWish;
use frontdesk_storage::{Durability, Spool};
use tempfile::TempDir;

use super::Disk;
use super::job::{Found, Job, WriteError};
use super::memory::Memory;
use super::writer::{WRITE_BYTES, Writer};
use crate::config::Limits;

struct Bench {
    job: Arc<Job>,
    disk: Arc<Disk>,
    spool: Spool,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Durability::Buffered).unwrap();
        let disk = Arc::new(Disk::new(Arc::new(SystemClock::default())));
        let wish = UploadWish {
            name: "a.txt".into(),
            ..UploadWish::default()
        };
        let key = ("TES001".parse().unwrap(), fresh_upload_id());
        let owner = "ann".parse().unwrap();
        let job = Arc::new(Job::new(key, owner, (&wish, 1), disk.now_ms(), None));
        job.open(&spool, &disk, Found::New).await.unwrap();
        Self {
            job,
            disk,
            spool,
            _folder: folder,
        }
    }

    async fn turn(&self) -> Writer {
        self.job.take_turn(&self.disk, None).await.unwrap()
    }

    /// A turn as a request takes it: batches are written while the next is gathered.
    async fn request(&self) -> Writer {
        let memory = Memory::new(&Limits::default());
        self.job.take_turn(&self.disk, Some(memory)).await.unwrap()
    }

    /// What is kept.
    async fn content(&self) -> Vec<u8> {
        let read = self.job.read(&self.disk, 0, 4 * WRITE_BYTES).await;
        let mut content = read.unwrap().to_vec();
        content.truncate(usize::try_from(self.job.kept()).unwrap());
        content
    }
}

/// Bytes in pieces of all lengths up to more than a batch.
fn pieces(seed: usize, count: usize) -> Vec<Bytes> {
    let length = |at: usize| match at % 5 {
        0 => 1 + at % 700,
        1 => 16 * 1024,
        2 => WRITE_BYTES + at,
        3 => 64 * 1024 - 300,
        _ => 100_000 + at * 31,
    };
    let byte = |at: usize| (at / 7 + seed) as u8;
    let piece = |at: usize| (0..length(at)).map(|of| byte(at + of)).collect::<Vec<_>>();
    (0..count).map(|at| piece(at).into()).collect()
}

fn piece(byte: u8) -> Bytes {
    vec![byte; WRITE_BYTES].into()
}

#[tokio::test]
async fn a_turn_that_was_overtaken_on_its_way_takes_back_nothing_of_the_newer_one() {
    let bench = Bench::new().await;
    let late = bench.job.number_turn();
    let mut newer = bench.turn().await;
    newer.try_out().await.unwrap();
    newer.write(piece(1)).await.unwrap();
    let mut late = Writer::new(&bench.job, &bench.disk, late, None)
        .await
        .unwrap();
    newer.write(piece(2)).await.unwrap();
    assert_eq!(newer.keep().await.unwrap(), 2 * WRITE_BYTES as u64);
    assert!(bench.content().await == [piece(1), piece(2)].concat());
    late.write(Bytes::from_static(b"late")).await.unwrap();
    assert!(matches!(late.keep().await, Err(WriteError::Overtaken)));
}

#[tokio::test]
async fn a_newer_turn_goes_on_right_behind_what_was_written() {
    let bench = Bench::new().await;
    let mut whole = Vec::new();
    for turn in 1..20 {
        let (mut older, begins_at) = (bench.request().await, whole.len());
        for piece in pieces(turn, 5 * turn) {
            whole.extend_from_slice(&piece);
            older.write(piece).await.unwrap();
        }
        // Some is being written now, some stands behind it, some was not given to the disk yet.
        let mut newer = bench.request().await;
        let stands = usize::try_from(newer.kept()).unwrap();
        assert!((begins_at..=whole.len()).contains(&stands));
        whole.truncate(stands);
        let outcome = older.keep().await;
        assert!(matches!(outcome, Err(WriteError::Overtaken)), "{outcome:?}");
        newer.write(Bytes::from_static(b"newer")).await.unwrap();
        whole.extend_from_slice(b"newer");
        assert_eq!(newer.keep().await.unwrap(), whole.len() as u64);
    }
    let facts = bench.job.seal(&bench.disk).await.unwrap();
    assert_eq!(facts.size, whole.len() as u64);
    assert_eq!(facts.blake3, *blake3::hash(&whole).as_bytes());
}

#[tokio::test]
async fn whoever_writes_without_a_pause_lets_others_in_between() {
    const PIECE_COUNT_MAX: usize = 400;
    let bench = Bench::new().await;
    let mut writer = bench.request().await;
    let writing = async {
        for _ in 0..PIECE_COUNT_MAX {
            writer.write(piece(1)).await.unwrap();
        }
        panic!("nobody was let in");
    };
    tokio::select! {
        biased;
        () = writing => {}
        opened = bench.job.open(&bench.spool, &bench.disk, Found::Earlier) => opened.unwrap(),
    }
}

#[tokio::test]
async fn nobody_writes_to_what_was_sealed() {
    let bench = Bench::new().await;
    let mut writer = bench.turn().await;
    writer.write(piece(1)).await.unwrap();
    writer.keep().await.unwrap();
    let facts = bench.job.seal(&bench.disk).await.unwrap();
    assert_eq!(facts.size, WRITE_BYTES as u64);
    let mut next = bench.turn().await;
    next.write(Bytes::from_static(b"more")).await.unwrap();
    assert!(matches!(next.keep().await, Err(WriteError::Overtaken)));
    assert_eq!(bench.job.seal(&bench.disk).await.unwrap(), facts);
    // It was refused: more may come.
    bench.job.unseal();
    let mut next = bench.turn().await;
    next.write(Bytes::from_static(b"more")).await.unwrap();
    assert_eq!(next.keep().await.unwrap(), facts.size + 4);
}

#[tokio::test]
async fn a_job_that_was_closed_is_not_opened_beside_its_successor() {
    let bench = Bench::new().await;
    bench.job.close().await;
    let again = bench.job.open(&bench.spool, &bench.disk, Found::Earlier);
    assert!(matches!(again.await, Err(WriteError::Over)));
}

#[tokio::test]
async fn a_file_that_rested_goes_on_where_it_stood() {
    let bench = Bench::new().await;
    let mut writer = bench.turn().await;
    writer.write(piece(1)).await.unwrap();
    writer.keep().await.unwrap();
    drop(writer);
    bench.job.rest();
    let closed = bench.job.read(&bench.disk, 0, 1).await;
    assert!(matches!(closed, Err(WriteError::Over)), "it is closed");
    assert_eq!(bench.job.kept(), WRITE_BYTES as u64);
    let opened = bench.job.open(&bench.spool, &bench.disk, Found::Earlier);
    opened.await.unwrap();
    let mut writer = bench.turn().await;
    writer.write(piece(2)).await.unwrap();
    writer.keep().await.unwrap();
    assert!(bench.content().await == [piece(1), piece(2)].concat());
    let facts = bench.job.seal(&bench.disk).await.unwrap();
    let whole = [piece(1), piece(2)].concat();
    assert_eq!(facts.blake3, *blake3::hash(&whole).as_bytes());
}

#[tokio::test]
async fn all_of_a_request_is_kept_and_summed_whatever_its_pieces() {
    let bench = Bench::new().await;
    let (mut all, mut end) = (Vec::new(), 0);
    // Some of it is kept on the way, the later turns begin at odd places.
    for (turn, count) in [(1, 130), (2, 1), (3, 60)] {
        let mut writer = bench.request().await;
        for piece in pieces(turn, count) {
            all.extend_from_slice(&piece);
            writer.write(piece).await.unwrap();
        }
        end = writer.keep().await.unwrap();
        assert_eq!(end, all.len() as u64);
    }
    let reopened = bench.spool.reopen(&bench.job.company, &bench.job.upload);
    assert_eq!(reopened.unwrap().unwrap().kept(), end, "its marks fit");
    let facts = bench.job.seal(&bench.disk).await.unwrap();
    assert_eq!(facts.size, end);
    assert_eq!(facts.blake3, *blake3::hash(&all).as_bytes());
}

#[tokio::test]
async fn what_a_request_takes_back_is_in_no_sum() {
    let bench = Bench::new().await;
    let mut all = Vec::new();
    let mut writer = bench.request().await;
    for (turn, is_kept) in [(1, true), (2, false), (3, true), (4, false)] {
        writer.try_out().await.unwrap();
        for piece in pieces(turn, 40) {
            if is_kept {
                all.extend_from_slice(&piece);
            }
            writer.write(piece).await.unwrap();
        }
        match is_kept {
            true => drop(writer.keep().await.unwrap()),
            false => writer.take_back().await.unwrap(),
        }
        assert_eq!(writer.kept(), all.len() as u64);
    }
    let reopened = bench.spool.reopen(&bench.job.company, &bench.job.upload);
    assert_eq!(reopened.unwrap().unwrap().kept(), all.len() as u64);
    let facts = bench.job.seal(&bench.disk).await.unwrap();
    assert_eq!(facts.blake3, *blake3::hash(&all).as_bytes());
}
