//! What readers see while others write: whole values, gapless journals, never an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use frontdesk_protocol::{Epoch, Pos};
use frontdesk_storage::{Directory, Journal, Store};

use crate::support::{
    Bench, Kind, append, append_of, company, fence, ok, positions, room, row, settle_queue,
};

const ROUND_COUNT: u64 = 40;

/// Reads until told to stop; returns how often it did.
fn reader(
    store: Arc<Store>,
    stop: Arc<AtomicBool>,
    read: fn(&Store),
) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut read_count = 0;
        while !stop.load(Ordering::SeqCst) || read_count == 0 {
            read(&store);
            read_count += 1;
        }
        read_count
    })
}

fn forward(store: &Store) {
    let tail_before = store.tail(&room(1)).expect("reads");
    let page = store
        .read_after(&room(1), Pos(0), 1_000, usize::MAX)
        .expect("reads");
    let found = positions(&page);
    assert_eq!(
        found,
        (1..=found.len() as u64).collect::<Vec<_>>(),
        "gapless"
    );
    assert!(
        found.len() as u64 >= tail_before.pos.0,
        "an end never moves back"
    );
    for record in page {
        let expected = vec![record.pos.0 as u8; 20_000];
        assert_eq!(record.payload, expected, "whole");
    }
}

fn backward(store: &Store) {
    let page = store
        .read_before(&room(1), Pos(u64::MAX), 3, usize::MAX)
        .expect("reads");
    let found = positions(&page);
    assert!(
        found.windows(2).all(|pair| pair[0] == pair[1] + 1),
        "gapless: {found:?}"
    );
    let tail = store.tail(&room(1)).expect("reads");
    assert!(found.first().is_none_or(|last| *last <= tail.pos.0));
    for record in page {
        assert_eq!(record.payload, vec![record.pos.0 as u8; 20_000], "whole");
    }
}

fn rows(store: &Store) {
    let rows = store
        .rows(&company("TES001"), b"", b"\xFF", false, 10)
        .expect("reads");
    for (_, value) in rows {
        assert!(value.iter().all(|byte| *byte == value[0]), "of one write");
    }
    if let Some(value) = store.row(&company("TES001"), b"a").expect("reads") {
        assert!(value.iter().all(|byte| *byte == value[0]), "of one write");
    }
}

pub(super) fn readers_see_whole_writes_only(kind: Kind) {
    let bench = Bench::new(kind);
    let stop = Arc::new(AtomicBool::new(false));
    let readers = [forward, backward, rows].map(|read| reader(bench.shared(), stop.clone(), read));
    let store = bench.store();
    // Each record under its own epoch, fenced and released: readers meet the entity in every state.
    for number in 0..ROUND_COUNT {
        let pos = number + 1;
        fence(store, &room(1), pos).expect("fenced");
        let mut record = append_of(&room(1), pos, number, &[pos as u8; 20_000]);
        let length = 5_000 + (number as usize % 3) * 15_000;
        record.rows = vec![
            row(b"a", &vec![pos as u8; length]),
            row(b"b", &vec![pos as u8; 25_000 - length / 2]),
        ];
        assert_eq!(append(store, record), ok(pos));
        store.release(&room(1), Epoch(pos));
    }
    settle_queue(store);
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.join().expect("the reader saw nothing wrong") > 0);
    }
}
