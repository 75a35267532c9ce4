//! Ordered rows, companies, and the sweep of old cids.

use frontdesk_protocol::{Timestamp, limits};
use frontdesk_storage::{Directory, Journal, Row, RowsWait};

use crate::support::{
    Bench, Kind, NOW, append, append_of, cid, cid_row, company, eventually, fence, ok, person,
    room, room_of, row, settle_queue,
};

pub(super) fn rows_are_read_in_order_and_in_reverse(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    let tes = company("TES001");
    let keys: [&[u8]; 7] = [b"a", b"a\0", b"a\0\0", b"a\x01", b"ab", b"b", b"\xFF\xFF"];
    let rows = keys.iter().rev().map(|key| row(key, key)).collect();
    store
        .put_rows(&tes, rows, RowsWait::Durable)
        .expect("written");
    let read = |from: &[u8], to: &[u8], reverse, count| -> Vec<Vec<u8>> {
        let rows = store.rows(&tes, from, to, reverse, count).expect("reads");
        assert!(rows.iter().all(|(key, value)| key[..] == value[..]));
        rows.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(read(b"", b"\xFF\xFF\xFF", false, 100), keys);
    assert_eq!(read(b"a", b"b", false, 100), keys[..5]);
    assert_eq!(read(b"a", b"b", false, 2), keys[..2]);
    assert_eq!(read(b"a", b"b", true, 2), [keys[4], keys[3]]);
    assert_eq!(read(b"b", b"a", false, 100), Vec::<Vec<u8>>::new());
    assert_eq!(read(b"a", b"b", false, 0), Vec::<Vec<u8>>::new());
}

pub(super) fn rows_of_any_length_are_replaced_and_removed(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    let tes = company("TES001");
    store
        .put_rows(&tes, vec![row(b"kk", b"neighbour")], RowsWait::Durable)
        .expect("written");
    for (i, bytes) in [10, 100_000, 20_000, 0, 9_000, 1 << 20, 1]
        .into_iter()
        .enumerate()
    {
        let value = vec![i as u8; bytes];
        store
            .put_rows(&tes, vec![row(b"k", &value)], RowsWait::Durable)
            .expect("written");
        let found = store.row(&tes, b"k").expect("reads").expect("is there");
        assert_eq!(found, value);
        let rows = store.rows(&tes, b"", b"z", true, 10).expect("reads");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].1, value);
    }
    let removal = Row {
        key: b"k".to_vec(),
        value: None,
    };
    store
        .put_rows(&tes, vec![removal], RowsWait::Durable)
        .expect("written");
    assert_eq!(store.row(&tes, b"k").expect("reads"), None);
    assert_eq!(
        store.rows(&tes, b"", b"z", false, 10).expect("reads").len(),
        1
    );
}

pub(super) fn rows_written_with_a_record_are_there_with_it(kind: Kind) {
    let mut bench = Bench::new(kind);
    let tes = company("TES001");
    fence(bench.store(), &room(1), 1).expect("fenced");
    let mut record = append_of(&room(1), 1, 0, b"x");
    record.rows = vec![row(b"a", b"1"), row(b"b", b"2"), row(b"a", b"3")];
    assert_eq!(append(bench.store(), record), ok(1));
    assert_eq!(
        &bench
            .store()
            .row(&tes, b"a")
            .expect("reads")
            .expect("there")[..],
        b"3"
    );
    bench.reopen_unclean();
    assert_eq!(
        &bench
            .store()
            .row(&tes, b"a")
            .expect("reads")
            .expect("there")[..],
        b"3"
    );
    assert_eq!(
        &bench
            .store()
            .row(&tes, b"b")
            .expect("reads")
            .expect("there")[..],
        b"2"
    );
}

pub(super) fn rows_stay_in_their_company(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    for name in ["A", "AA", "B"] {
        store
            .put_rows(
                &company(name),
                vec![row(b"k", name.as_bytes())],
                RowsWait::Queued,
            )
            .expect("queued");
    }
    settle_queue(store);
    for name in ["A", "AA", "B"] {
        let rows = store
            .rows(&company(name), b"", b"\xFF", false, 10)
            .expect("reads");
        assert_eq!(rows, vec![(b"k".to_vec(), name.as_bytes().to_vec().into())]);
    }
    assert_eq!(store.row(&company("C"), b"k").expect("reads"), None);
}

pub(super) fn companies_are_created_once_and_listed_in_order(kind: Kind) {
    let mut bench = Bench::new(kind);
    for name in ["TES001", "A", "TES00", "_Z"] {
        assert!(
            bench
                .store()
                .create_company(&company(name))
                .expect("created")
        );
        assert!(!bench.store().create_company(&company(name)).expect("known"));
    }
    bench.reopen_unclean();
    let store = bench.store();
    let listed = store.companies().expect("reads");
    assert_eq!(listed, ["A", "TES00", "TES001", "_Z"].map(company));
    assert!(store.has_company(&company("A")).expect("reads"));
    assert!(!store.has_company(&company("B")).expect("reads"));
}

pub(super) fn expired_cids_are_swept_and_young_ones_stay(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    let young = Timestamp(NOW.0 + limits::CID_KEPT_MS);
    for entity in [room_of("A", 1), room_of("A", 2), room_of("B", 1)] {
        fence(store, &entity, 1).expect("fenced");
        let mut record = append_of(&entity, 1, 0, b"x");
        record.cids = vec![cid_row(1, 1, NOW), cid_row(2, 1, young)];
        assert_eq!(append(store, record), ok(1));
    }
    bench
        .clock
        .advance_ms(limits::CID_KEPT_MS + 2 * 60 * 60 * 1_000);
    let found = |entity, number| {
        let row = store.cid(&entity, &person("5"), &cid(number));
        row.expect("reads").is_some()
    };
    eventually("the old cids are gone", || {
        settle_queue(store);
        !found(room_of("A", 1), 1) && !found(room_of("A", 2), 1) && !found(room_of("B", 1), 1)
    });
    assert!(found(room_of("A", 1), 2) && found(room_of("A", 2), 2) && found(room_of("B", 1), 2));
    let records = store.read_after(&room_of("B", 1), frontdesk_protocol::Pos(0), 10, 100);
    assert_eq!(records.expect("reads").len(), 1);
}
