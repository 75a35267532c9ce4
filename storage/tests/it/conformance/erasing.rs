//! What a record erases is gone, and nothing else; whoever reads meanwhile notices a gap at most.

use frontdesk_protocol::{Epoch, Pos, Seq};
use frontdesk_storage::{Append, EntityId, Erases, Journal, Record, Snapshot, Store};

use crate::support::{
    Bench, CidRowOf, Kind, PATIENCE, append, append_of, eventually, fence, fill, ok, person,
    positions, queue, room, settle_queue, tail,
};

/// Longer than one value, so that it has parts.
const LONG_BYTES: usize = 9_000;
/// More keys than one slice removes, in records of several parts.
const MANY: u64 = 400;

fn erasing(entity: &EntityId, expected: u64, erases: Erases) -> Append {
    Append {
        erases: Some(erases),
        ..append_of(entity, 1, expected, b"all that is known")
    }
}

fn read_all(store: &Store, entity: &EntityId) -> Vec<Record> {
    let read = store.read_after(entity, Pos(0), usize::MAX, usize::MAX);
    read.expect("reads")
}

fn eventually_left(store: &Store, entity: &EntityId, left: &[u64]) {
    eventually("older records are erased", || {
        positions(&read_all(store, entity)) == left
    });
}

/// Records with a cid each, and a snapshot at the second.
fn furnish(store: &Store, entity: &EntityId, count: u64) {
    fence(store, entity, 1).expect("fenced");
    for number in 0..count {
        let mut record = append_of(entity, 1, number, &[7; LONG_BYTES]);
        record.cids = vec![CidRowOf(1, number + 1).into()];
        assert_eq!(append(store, record), ok(number + 1));
    }
    let snapshot = Snapshot {
        version: 1,
        at: tail(2, 2),
        payload: vec![5; LONG_BYTES].into(),
    };
    store.put_snapshot(entity, snapshot);
    settle_queue(store);
}

fn has_cid(store: &Store, entity: &EntityId, number: u64) -> bool {
    let found = store.cid(entity, &person("5"), &CidRowOf(1, number).cid());
    found.expect("reads").is_some()
}

pub(super) fn what_stands_before_an_erasing_record_goes(kind: Kind) {
    let mut bench = Bench::new(kind);
    let store = bench.store();
    furnish(store, &room(1), 5);
    fill(store, &room(2), 3);
    let erasing = erasing(&room(1), 5, Erases::RecordsAndCids);
    assert_eq!(append(store, erasing), ok(6));
    eventually_left(store, &room(1), &[6]);
    assert!((1..=5).all(|number| !has_cid(store, &room(1), number)));
    assert_eq!(store.snapshot(&room(1)).expect("reads"), None);
    let before = store.read_before(&room(1), Pos(9), 9, usize::MAX);
    assert_eq!(positions(&before.expect("reads")), [6]);
    for seq in 1..=6 {
        let found = store.pos_of_seq(&room(1), Seq(seq)).expect("reads");
        assert_eq!(found, Some(Pos(6)), "{seq}");
    }
    assert_eq!(append(store, append_of(&room(1), 1, 6, b"on")), ok(7));
    assert_eq!(positions(&read_all(store, &room(2))), [1, 2, 3]);
    bench.reopen_unclean();
    let store = bench.store();
    assert_eq!(positions(&read_all(store, &room(1))), [6, 7]);
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(7, 7));
    let found = store.pos_of_seq(&room(1), Seq(7)).expect("reads");
    assert_eq!(found, Some(Pos(7)));
}

pub(super) fn commands_may_be_remembered_without_their_records(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    furnish(store, &room(1), 3);
    assert_eq!(append(store, erasing(&room(1), 3, Erases::Records)), ok(4));
    eventually_left(store, &room(1), &[4]);
    assert!((1..=3).all(|number| has_cid(store, &room(1), number)));
}

pub(super) fn what_is_owed_for_is_erased_once_it_is_settled(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 5);
    let mut record = erasing(&room(1), 5, Erases::Records);
    record.pending = Some(Pos(4));
    assert_eq!(append(store, record), ok(6));
    fill(store, &room(2), 1);
    assert_eq!(append(store, erasing(&room(2), 1, Erases::Records)), ok(2));
    eventually_left(store, &room(1), &[4, 5, 6]);
    eventually_left(store, &room(2), &[2]);
    store.settle(&room(1), Epoch(1), None);
    eventually_left(store, &room(1), &[6]);
}

pub(super) fn what_was_not_erased_yet_is_erased_after_opening(kind: Kind) {
    let mut bench = Bench::new(kind);
    furnish(bench.store(), &room(1), 5);
    let erasing = erasing(&room(1), 5, Erases::RecordsAndCids);
    assert_eq!(append(bench.store(), erasing), ok(6));
    bench.reopen_unclean();
    eventually_left(bench.store(), &room(1), &[6]);
    eventually("its cids are erased", || {
        !has_cid(bench.store(), &room(1), 5)
    });
}

pub(super) fn readers_never_fail_while_records_are_erased(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    let answers: Vec<_> = (0..MANY)
        .map(|number| queue(store, append_of(&room(1), 1, number, &[7; LONG_BYTES])))
        .collect();
    for (answer, number) in answers.iter().zip(1..) {
        let outcome = answer.recv_timeout(PATIENCE).expect("an outcome");
        assert_eq!(outcome, ok(number));
    }
    let erased = queue(store, erasing(&room(1), MANY, Erases::Records));
    eventually("all but the last is erased", || {
        let page = store.read_after(&room(1), Pos(0), 64, usize::MAX);
        let page = positions(&page.expect("reads"));
        let expected: Vec<u64> = (page[0]..).take(page.len()).collect();
        assert_eq!(page, expected, "no gap behind the first");
        let found = store.pos_of_seq(&room(1), Seq(MANY / 2)).expect("reads");
        assert!(found.is_some_and(|pos| pos.0 >= MANY / 2));
        page == [MANY + 1]
    });
    assert_eq!(erased.recv_timeout(PATIENCE), Ok(ok(MANY + 1)));
}
