//! What lasts over an end and a new beginning.

use frontdesk_protocol::Pos;
use frontdesk_storage::{AppendOutcome, Directory, Durability, Journal, RowsWait, Snapshot};

use crate::support::{
    Bench, Kind, NOW, append, append_of, cid, cid_row, company, fence, fill, ok, person, positions,
    room, row, tail,
};

pub(super) fn everything_is_there_after_reopening(kind: Kind) {
    let mut bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 5);
    let mut record = append_of(&room(1), 1, 5, &[9; 30_000]);
    record.cids = vec![cid_row(1, 6, NOW)];
    record.rows = vec![row(b"k", b"v")];
    record.pending = Some(Pos(6));
    assert_eq!(append(store, record), ok(6));
    let snapshot = Snapshot {
        version: 1,
        at: tail(6, 6),
        payload: vec![1; 10_000].into(),
    };
    store.put_snapshot(&room(1), snapshot.clone());
    bench.reopen();
    let store = bench.store();
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(6, 6));
    let records = store
        .read_after(&room(1), Pos(0), 100, 1 << 20)
        .expect("reads");
    assert_eq!(positions(&records), [1, 2, 3, 4, 5, 6]);
    let found = store.cid(&room(1), &person("5"), &cid(1)).expect("reads");
    assert_eq!(found, Some(cid_row(1, 6, NOW)));
    assert!(
        store
            .row(&company("TES001"), b"k")
            .expect("reads")
            .is_some()
    );
    assert_eq!(store.pending().expect("reads"), vec![(room(1), Pos(6))]);
    assert_eq!(store.snapshot(&room(1)).expect("reads"), Some(snapshot));
    assert_eq!(fence(store, &room(1), 1).expect("fenced"), tail(6, 6));
    assert_eq!(append(store, append_of(&room(1), 1, 6, b"on")), ok(7));
}

pub(super) fn an_unclean_end_keeps_what_was_acknowledged(kind: Kind) {
    for durability in [Durability::Fsync, Durability::Buffered] {
        let mut bench = Bench::with_durability(kind, durability);
        fill(bench.store(), &room(1), 30);
        bench.reopen_unclean();
        let records = bench.store().read_after(&room(1), Pos(0), 100, 1 << 20);
        assert_eq!(
            positions(&records.expect("reads")),
            (1..=30).collect::<Vec<_>>()
        );
    }
}

pub(super) fn the_boot_is_counted(kind: Kind) {
    let mut bench = Bench::new(kind);
    let store_id = bench.store().store_id();
    assert_eq!(bench.store().boot_count(), 1);
    bench.reopen();
    assert_eq!(bench.store().boot_count(), 2);
    bench.reopen_unclean();
    assert_eq!(bench.store().boot_count(), 3);
    assert_eq!(bench.store().store_id(), store_id);
}

pub(super) fn the_salt_stays_unless_a_buffered_store_ended_unclean(kind: Kind) {
    for (durability, changes_when_unclean) in
        [(Durability::Fsync, false), (Durability::Buffered, true)]
    {
        let mut bench = Bench::with_durability(kind, durability);
        let salt = bench.store().history_salt();
        bench.reopen();
        assert_eq!(bench.store().history_salt(), salt);
        bench.reopen_unclean();
        let changed = bench.store().history_salt() != salt;
        assert_eq!(changed, changes_when_unclean, "{durability:?}");
    }
}

pub(super) fn a_closed_store_answers_unknown_and_still_reads(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 2);
    store.close().expect("closes");
    let outcome = append(store, append_of(&room(1), 1, 2, b"late"));
    assert_eq!(outcome, AppendOutcome::Unknown);
    assert!(fence(store, &room(1), 2).is_err());
    assert!(
        store
            .put_rows(&company("TES001"), vec![row(b"k", b"v")], RowsWait::Durable)
            .is_err()
    );
    assert!(store.create_company(&company("TES001")).is_err());
    assert!(store.close().is_err());
    store.settle(&room(1), frontdesk_protocol::Epoch(1), None);
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(2, 2));
    assert_eq!(store.queue_depth(), 0);
    assert!(store.failure().is_none());
}
