//! The store's scenario, in the child: opens a store, checks all it holds against what any record
//! must be, then appends from several threads until it is killed.
//!
//! Invariants:
//! 1. A record is a function of its room and pos alone, so whoever reads it knows what it must be,
//!    also when its append was never acknowledged.
//! 2. `ack` is said after the outcome and before the room's next append.

use std::env;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use frontdesk_protocol::{Cid, CompanyId, Epoch, PersonId, Pos, RoomId, Seq, Timestamp};
use frontdesk_storage::{
    Append, AppendOutcome, CACHE_BYTES_DEFAULT, CidRow, Directory, Durability, EngineKind,
    EntityId, Journal, OpenOptions, Record, Row, Snapshot, Store, Tail, open,
};

use crate::child::{say, wait_for_the_end};

/// Rooms with an append in flight each.
pub(crate) const ROOM_COUNT: u64 = 6;
/// Threads that append, with as many rooms each.
const THREAD_COUNT: u64 = 3;
/// Records read back at once.
const PAGE_COUNT: usize = 100;
/// Every room's time: nothing expires.
const NOW: Timestamp = Timestamp(1_760_000_000_000);

/// Opens, checks, appends. With `STORE_ONLY_CHECK` it closes after the check.
pub(crate) fn run() {
    say("opening");
    let store = match open(&options()) {
        Ok(store) => store,
        Err(error) => return say(&format!("broken: does not open: {error}")),
    };
    for room in 0..ROOM_COUNT {
        match check_room(&store, room) {
            Ok(tail) => say(&format!("tail {room} {} {}", tail.pos, tail.seq)),
            Err(fault) => return say(&format!("broken: room {room}: {fault}")),
        }
    }
    say("opened");
    if env::var("STORE_ONLY_CHECK").is_ok() {
        drop(store);
        wait_for_the_end();
    }
    std::thread::scope(|scope| {
        for thread in 0..THREAD_COUNT {
            let store = &store;
            scope.spawn(move || append_in_turn(store, thread));
        }
    });
}

fn options() -> OpenOptions {
    let engine = match env::var("STORE_ENGINE").unwrap().as_str() {
        "sled" => EngineKind::Sled,
        "fjall" => EngineKind::Fjall,
        other => panic!("no engine `{other}`"),
    };
    OpenOptions {
        path: PathBuf::from(env::var("POWERLOSS_DIR").unwrap()).join("store"),
        engine,
        durability: match env::var("STORE_DURABILITY").as_deref() {
            Ok("buffered") => Durability::Buffered,
            Ok(other) if other != "fsync" => panic!("no durability `{other}`"),
            _ => Durability::Fsync,
        },
        cache_bytes: CACHE_BYTES_DEFAULT,
        clock: Arc::new(|| NOW),
        fatal: Arc::new(|why| say(&format!("broken: fatal: {why}"))),
    }
}

fn company() -> CompanyId {
    CompanyId::new("TES001").unwrap()
}

fn person() -> PersonId {
    PersonId::new("42").unwrap()
}

fn entity(room: u64) -> EntityId {
    EntityId::room(company(), RoomId::from_bits(u128::from(room).to_be_bytes()))
}

/// Three records in four show an event, so that seq and pos differ.
fn seq_after(pos: Pos) -> Seq {
    Seq(pos.0 - pos.0 / 4)
}

/// A number that any two records differ in.
fn mixed(room: u64, pos: Pos) -> u64 {
    let number = (room << 40 | pos.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ (number >> 31)
}

/// Mostly a message's size, sometimes a batch that a store must split.
fn payload(room: u64, pos: Pos) -> Bytes {
    let number = mixed(room, pos);
    let length = match number % 50 {
        0 => 40_000 + number % 60_000,
        1..10 => number % 9_000,
        _ => 60 + number % 600,
    };
    let byte = |at: u64| (number.rotate_left((at % 64) as u32) ^ (at / 64)) as u8;
    (0..length).map(byte).collect()
}

fn cid_row(room: u64, pos: Pos) -> CidRow {
    let bits = u128::from(NOW.0) << 80 | 7 << 76 | 2 << 62 | u128::from(room) << 48;
    CidRow {
        person: person(),
        cid: Cid::from_bits((bits | u128::from(pos.0)).to_be_bytes()),
        seq: seq_after(pos),
        at: NOW,
        digest: mixed(room, pos),
    }
}

fn row_key(room: u64) -> Vec<u8> {
    vec![9, room as u8]
}

/// Every third record leaves effects open.
fn pending(pos: Pos) -> Option<Pos> {
    pos.0.is_multiple_of(3).then_some(pos)
}

/// Reads a whole room; anything that is not as it must be is a fault in words.
fn check_room(store: &Store, room: u64) -> Result<Tail, String> {
    let words = |error: frontdesk_storage::Error| error.to_string();
    let entity = entity(room);
    let tail = store.tail(&entity).map_err(words)?;
    let mut pos = Pos(0);
    loop {
        let page = store
            .read_after(&entity, pos, PAGE_COUNT, 1 << 20)
            .map_err(words)?;
        if page.is_empty() {
            break;
        }
        for record in page {
            pos = pos.next();
            let expected = Record {
                pos,
                seq_after: seq_after(pos),
                payload: payload(room, pos),
            };
            if record != expected {
                return Err(format!(
                    "record {} is not what was appended at {pos}",
                    record.pos
                ));
            }
            let row = cid_row(room, pos);
            if store.cid(&entity, &row.person, &row.cid).map_err(words)? != Some(row) {
                return Err(format!("the cid of record {pos} is missing"));
            }
        }
    }
    if pos != tail.pos || (pos.0 > 0 && tail.seq != seq_after(pos)) {
        return Err(format!(
            "records end at {pos}, the tail says {} {}",
            tail.pos, tail.seq
        ));
    }
    check_beside(store, room, tail).map(|()| tail)
}

/// What was written with the last record, and nothing of one after it.
fn check_beside(store: &Store, room: u64, tail: Tail) -> Result<(), String> {
    let words = |error: frontdesk_storage::Error| error.to_string();
    let entity = entity(room);
    let beyond = cid_row(room, tail.pos.next());
    if store
        .cid(&entity, &beyond.person, &beyond.cid)
        .map_err(words)?
        .is_some()
    {
        return Err(format!("there is a cid beyond the tail {}", tail.pos));
    }
    let row = store.row(&company(), &row_key(room)).map_err(words)?;
    let expected = (tail.pos.0 > 0).then(|| Bytes::copy_from_slice(&tail.pos.0.to_be_bytes()));
    if row != expected {
        return Err(format!("the index row is {row:?}, the tail {}", tail.pos));
    }
    let open = store.pending().map_err(words)?;
    let open = open
        .iter()
        .find(|(found, _)| *found == entity)
        .map(|(_, pos)| *pos);
    let expected = if tail.pos.0 == 0 {
        None
    } else {
        pending(tail.pos)
    };
    if open != expected {
        return Err(format!("pending is {open:?}, the tail {}", tail.pos));
    }
    match store.snapshot(&entity).map_err(words)? {
        Some(found) if found.at.pos > tail.pos || found.payload != payload(room, found.at.pos) => {
            Err(format!(
                "the snapshot at {} is wrong, the tail {}",
                found.at.pos, tail.pos
            ))
        }
        _ => Ok(()),
    }
}

/// Appends to its rooms in turn, all of them in flight at once, until the process is killed.
fn append_in_turn(store: &Arc<Store>, thread: u64) {
    let epoch = Epoch(u64::from(store.boot_count()) << 32);
    let (outcomes, arrived) = mpsc::channel::<(u64, AppendOutcome)>();
    for room in (0..ROOM_COUNT).filter(|room| room % THREAD_COUNT == thread) {
        let (fenced, tail) = mpsc::channel();
        store.fence(
            &entity(room),
            epoch,
            Box::new(move |tail| drop(fenced.send(tail))),
        );
        let tail = tail.recv().unwrap().unwrap();
        append(store, room, epoch, tail.pos, &outcomes);
    }
    while let Ok((room, outcome)) = arrived.recv() {
        let next = match outcome {
            AppendOutcome::Ok { pos } => acknowledge(store, room, pos),
            other => {
                say(&format!(
                    "broken: room {room}: an append was answered {other:?}"
                ));
                ControlFlow::Break(())
            }
        };
        let ControlFlow::Continue(pos) = next else {
            return;
        };
        append(store, room, epoch, pos, &outcomes);
    }
}

fn acknowledge(store: &Arc<Store>, room: u64, pos: Pos) -> ControlFlow<(), Pos> {
    say(&format!("ack {room} {} {}", pos, seq_after(pos)));
    if pos.0.is_multiple_of(10) {
        let at = Tail {
            pos,
            seq: seq_after(pos),
        };
        let snapshot = Snapshot {
            version: 1,
            at,
            payload: payload(room, pos),
        };
        store.put_snapshot(&entity(room), snapshot);
    }
    ControlFlow::Continue(pos)
}

fn append(
    store: &Arc<Store>,
    room: u64,
    epoch: Epoch,
    expected: Pos,
    outcomes: &mpsc::Sender<(u64, AppendOutcome)>,
) {
    let pos = expected.next();
    let outcomes = outcomes.clone();
    let value = Bytes::copy_from_slice(&pos.0.to_be_bytes());
    let append = Append {
        entity: entity(room),
        epoch,
        expected,
        seq_after: seq_after(pos),
        payload: payload(room, pos),
        cids: vec![cid_row(room, pos)],
        rows: vec![Row {
            key: row_key(room),
            value: Some(value),
        }],
        pending: pending(pos),
        erases: None,
    };
    store.append(
        append,
        Box::new(move |outcome| drop(outcomes.send((room, outcome)))),
    );
}
