//! The process dies at any moment: what was acknowledged is there, once and in order, and the store
//! opens again.
//!
//! SIGKILL proves the `buffered` promise only, because the operating system keeps what it was
//! handed; a loss of power is played elsewhere. The child is this test again, told by its
//! environment to append and to print each acknowledged position.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use frontdesk_protocol::Pos;
use frontdesk_storage::testing::ManualClock;
use frontdesk_storage::{AppendOutcome, Durability, EngineKind, Journal, Store, open};

use crate::support::{NOW, PATIENCE, append_of, fence, options, person, queue, room};

const CHILD_FOLDER: &str = "FRONTDESK_CRASH_CHILD_FOLDER";
/// More rounds than the normal run does.
const ROUNDS: &str = "FRONTDESK_CRASH_ROUNDS";
const ROUND_COUNT_DEFAULT: u64 = 10;
const ROOM_COUNT: u8 = 4;

fn open_in(folder: &Path, engine: EngineKind) -> std::sync::Arc<Store> {
    let clock = ManualClock::at(NOW);
    open(&options(folder, engine, Durability::Buffered, &clock)).expect("opens")
}

/// The payload of a record: its position, and a length that is often more than one value.
fn payload(room: u8, pos: u64) -> Vec<u8> {
    let length = match pos % 7 {
        0 => 30_000,
        1 => 9_000,
        _ => 200,
    };
    let mut bytes = vec![room ^ pos as u8; length];
    bytes[..8].copy_from_slice(&pos.to_be_bytes());
    bytes
}

/// The child's part.
fn append_until_killed(folder: &Path, engine: EngineKind) {
    let store = open_in(folder, engine);
    // The harness has begun a line that would swallow the first acknowledgement.
    println!();
    let mut ends = Vec::new();
    for number in 0..ROOM_COUNT {
        ends.push(
            fence(&store, &room(number), u64::from(store.boot_count()))
                .expect("fenced")
                .pos
                .0,
        );
    }
    loop {
        let mut answers = Vec::new();
        for (number, end) in (0..ROOM_COUNT).zip(&ends) {
            let bytes = payload(number, end + 1);
            let epoch = u64::from(store.boot_count());
            let mut record = append_of(&room(number), epoch, *end, &bytes);
            record.cids = vec![crate::support::CidRowOf(number, end + 1).into()];
            answers.push(queue(&store, record));
        }
        for (number, answer) in answers.into_iter().enumerate() {
            let outcome = answer.recv_timeout(PATIENCE).expect("an outcome");
            let AppendOutcome::Ok { pos } = outcome else {
                panic!("answered {outcome:?}");
            };
            ends[number] = pos.0;
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {number} {}", pos.0).expect("the parent reads");
            out.flush().expect("the parent reads");
        }
    }
}

fn spawn_child(folder: &Path, test_name: &str) -> Child {
    let this = std::env::current_exe().expect("this binary has a path");
    Command::new(this)
        .args([test_name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts")
}

/// Reads acknowledgements until there were `kill_after`, kills, and reads what was still on its
/// way.
fn kill_after(child: &mut Child, kill_after: u64, acknowledged: &mut [u64]) {
    let out = BufReader::new(child.stdout.take().expect("is piped"));
    let mut seen_count = 0;
    for line in out.lines() {
        let Ok(line) = line else { break };
        let mut words = line.split(' ');
        // The harness prints lines of its own, and the last line may be cut.
        if words.next() != Some("acknowledged") {
            continue;
        }
        let number = words.next().and_then(|word| word.parse::<usize>().ok());
        let pos = words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(number), Some(pos)) = (number, pos) else {
            continue;
        };
        acknowledged[number] = acknowledged[number].max(pos);
        seen_count += 1;
        if seen_count == kill_after {
            child.kill().expect("the child can be killed");
        }
    }
    child.wait().expect("the child ends");
    assert!(
        seen_count >= kill_after,
        "the child ended by itself after {seen_count}"
    );
}

fn check(store: &Store, acknowledged: &[u64]) {
    for (number, acknowledged) in (0..ROOM_COUNT).zip(acknowledged) {
        let tail = store.tail(&room(number)).expect("reads");
        assert!(tail.pos.0 >= *acknowledged, "room {number} lost its end");
        // The child has one append in flight a room.
        assert!(
            tail.pos.0 <= acknowledged + 1,
            "room {number} holds what was never sent"
        );
        let mut at = Pos(0);
        loop {
            let page = store
                .read_after(&room(number), at, 100, 1 << 20)
                .expect("reads");
            let Some(last) = page.last() else { break };
            for record in &page {
                at = at.next();
                assert_eq!(record.pos, at);
                assert_eq!(
                    record.payload,
                    payload(number, at.0),
                    "room {number} at {at}"
                );
            }
            assert_eq!(last.pos, at);
        }
        assert_eq!(at, tail.pos);
        for pos in 1..=tail.pos.0 {
            let cid = crate::support::CidRowOf(number, pos).cid();
            let row = store.cid(&room(number), &person("5"), &cid).expect("reads");
            assert_eq!(
                row.map(|row| row.seq.0),
                Some(pos),
                "room {number} at {pos}"
            );
        }
    }
}

fn rounds(engine: EngineKind, test_name: &str) {
    if let Ok(folder) = std::env::var(CHILD_FOLDER) {
        return append_until_killed(Path::new(&folder), engine);
    }
    let rounds = std::env::var(ROUNDS)
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged = [0; ROOM_COUNT as usize];
    for round in 0..rounds.unwrap_or(ROUND_COUNT_DEFAULT) {
        let mut child = spawn_child(folder.path(), test_name);
        // Spread over the first hundred acknowledgements, the same in every run.
        kill_after(&mut child, 1 + round * 37 % 101, &mut acknowledged);
        let store = open_in(folder.path(), engine);
        check(&store, &acknowledged);
        // The next child goes on from what is there, acknowledged or not.
        for (number, end) in (0..ROOM_COUNT).zip(&mut acknowledged) {
            *end = store.tail(&room(number)).expect("reads").pos.0;
        }
    }
}

#[test]
fn sled_keeps_what_was_acknowledged_when_the_process_is_killed() {
    let name = "crash::sled_keeps_what_was_acknowledged_when_the_process_is_killed";
    rounds(EngineKind::Sled, name);
}

#[test]
fn fjall_keeps_what_was_acknowledged_when_the_process_is_killed() {
    let name = "crash::fjall_keeps_what_was_acknowledged_when_the_process_is_killed";
    rounds(EngineKind::Fjall, name);
}
