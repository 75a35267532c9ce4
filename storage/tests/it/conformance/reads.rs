//! What comes back: records, seqs, cids, snapshots, marks.

use bytes::Bytes;
use frontdesk_protocol::{Epoch, Pos, Seq};
use frontdesk_storage::{EntityId, Journal, Snapshot};

use crate::support::{
    Bench, Kind, NOW, append, append_of, cid, cid_row, company, fence, fill, ok, person, positions,
    room, room_of, settle_queue, tail,
};

pub(super) fn records_are_paged_both_ways(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 10);
    let after = |pos, count| {
        let page = store.read_after(&room(1), Pos(pos), count, 1 << 20);
        positions(&page.expect("reads"))
    };
    let before = |pos, count| {
        let page = store.read_before(&room(1), Pos(pos), count, 1 << 20);
        positions(&page.expect("reads"))
    };
    assert_eq!(after(0, 3), [1, 2, 3]);
    assert_eq!(after(3, 100), [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(after(10, 100), Vec::<u64>::new());
    assert_eq!(after(u64::MAX, 100), Vec::<u64>::new());
    assert_eq!(before(11, 3), [10, 9, 8]);
    assert_eq!(before(u64::MAX, 2), [10, 9]);
    assert_eq!(before(3, 100), [2, 1]);
    assert_eq!(before(1, 100), Vec::<u64>::new());
    assert_eq!(before(0, 100), Vec::<u64>::new());
    assert_eq!(after(0, 0), Vec::<u64>::new());
    store.release(&room(1), Epoch(1));
    settle_queue(store);
    assert_eq!(after(8, 100), [9, 10]);
    assert_eq!(before(u64::MAX, 2), [10, 9]);
}

pub(super) fn a_page_ends_at_its_bytes_but_holds_a_record(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    for number in 0..6 {
        assert_eq!(
            append(store, append_of(&room(1), 1, number, &[7; 100])),
            ok(number + 1)
        );
    }
    let page = store.read_after(&room(1), Pos(0), 100, 250).expect("reads");
    assert_eq!(positions(&page), [1, 2, 3]);
    let page = store
        .read_before(&room(1), Pos(100), 100, 1)
        .expect("reads");
    assert_eq!(positions(&page), [6]);
}

pub(super) fn records_longer_than_a_value_come_back_whole(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    let lengths = [0, 4_060, 4_090, 4_096, 8_192, 300_000, 1 << 20, 5];
    let payloads: Vec<Bytes> = lengths
        .iter()
        .map(|length| (0..*length).map(|i| (i * 31 + length) as u8).collect())
        .collect();
    for (number, payload) in (0..).zip(&payloads) {
        assert_eq!(
            append(store, append_of(&room(1), 1, number, payload)),
            ok(number + 1)
        );
    }
    let forward = store
        .read_after(&room(1), Pos(0), 100, usize::MAX)
        .expect("reads");
    let mut backward = store
        .read_before(&room(1), Pos(100), 100, usize::MAX)
        .expect("reads");
    backward.reverse();
    assert_eq!(forward, backward);
    let read: Vec<_> = forward.into_iter().map(|record| record.payload).collect();
    assert_eq!(read, payloads);
    store.release(&room(1), Epoch(1));
    settle_queue(store);
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(8, 8));
}

pub(super) fn a_scan_stays_in_its_entity_and_company(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    let entities = [
        EntityId::company(company("A")),
        room_of("A", 0),
        room_of("A", 1),
        room_of("A", 255),
        EntityId::company(company("A_")),
        room_of("AA", 0),
        room_of("AB", 255),
    ];
    for (count, entity) in (1..).zip(&entities) {
        fill(store, entity, count);
    }
    for (count, entity) in (1..).zip(&entities) {
        assert_eq!(store.tail(entity).expect("reads"), tail(count, count));
        store.release(entity, Epoch(1));
        settle_queue(store);
        let page = store
            .read_before(entity, Pos(u64::MAX), 100, 1 << 20)
            .expect("reads");
        assert_eq!(page.len() as u64, count, "{entity}");
        assert_eq!(store.tail(entity).expect("reads"), tail(count, count));
    }
}

pub(super) fn a_seq_is_found_at_the_first_record_that_reaches_it(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    assert_eq!(store.pos_of_seq(&room(1), Seq(0)).expect("reads"), None);
    fence(store, &room(1), 1).expect("fenced");
    // Records that show none, one and several events.
    let seqs = [0, 1, 1, 4, 4, 5, 9];
    for (number, seq) in (0..).zip(seqs) {
        let mut record = append_of(&room(1), 1, number, b"x");
        record.seq_after = Seq(seq);
        assert_eq!(append(store, record), ok(number + 1));
    }
    for seq in 0..=9 {
        let expected = seqs.iter().position(|after| *after >= seq).expect("within");
        let found = store.pos_of_seq(&room(1), Seq(seq)).expect("reads");
        assert_eq!(found, Some(Pos(expected as u64 + 1)), "seq {seq}");
    }
    assert_eq!(store.pos_of_seq(&room(1), Seq(10)).expect("reads"), None);
}

pub(super) fn a_cid_is_answered_to_its_person_in_its_entity(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    let mut record = append_of(&room(1), 1, 0, b"x");
    record.cids = vec![cid_row(1, 1, NOW), cid_row(2, 1, NOW)];
    assert_eq!(append(store, record), ok(1));
    let found = |entity: EntityId, who, number| {
        store
            .cid(&entity, &person(who), &cid(number))
            .expect("reads")
    };
    assert_eq!(found(room(1), "5", 1), Some(cid_row(1, 1, NOW)));
    assert_eq!(found(room(1), "5", 2), Some(cid_row(2, 1, NOW)));
    assert_eq!(found(room(1), "5", 3), None);
    assert_eq!(found(room(1), "55", 1), None);
    assert_eq!(found(room(2), "5", 1), None);
    assert_eq!(found(room_of("TES002", 1), "5", 1), None);
}

fn snapshot(pos: u64, bytes: usize) -> Snapshot {
    Snapshot {
        version: 3,
        at: tail(pos, pos),
        payload: vec![pos as u8; bytes].into(),
    }
}

pub(super) fn a_snapshot_replaces_the_one_before_whatever_their_lengths(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 5);
    assert_eq!(store.snapshot(&room(1)).expect("reads"), None);
    for (pos, bytes) in [(1, 10), (2, 100_000), (3, 20_000), (4, 0), (5, 9_000)] {
        store.put_snapshot(&room(1), snapshot(pos, bytes));
        settle_queue(store);
        let found = store.snapshot(&room(1)).expect("reads");
        assert_eq!(found, Some(snapshot(pos, bytes)));
    }
    assert_eq!(store.snapshot(&room(2)).expect("reads"), None);
}

pub(super) fn a_snapshot_beyond_the_tail_is_ignored(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 2);
    store.put_snapshot(&room(1), snapshot(2, 10));
    store.put_snapshot(&room(1), snapshot(3, 10));
    store.put_snapshot(&room(2), snapshot(1, 10));
    settle_queue(store);
    assert_eq!(
        store.snapshot(&room(1)).expect("reads"),
        Some(snapshot(2, 10))
    );
    assert_eq!(store.snapshot(&room(2)).expect("reads"), None);
}

pub(super) fn pending_marks_come_and_go_with_records_and_settling(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    let company_entity = EntityId::company(company("TES001"));
    for entity in [&room(1), &room(2), &company_entity] {
        fence(store, entity, 1).expect("fenced");
    }
    let record = |entity: &EntityId, expected, pending: Option<u64>| {
        let mut record = append_of(entity, 1, expected, b"x");
        record.pending = pending.map(Pos);
        assert_eq!(append(store, record), ok(expected + 1));
    };
    record(&room(2), 0, Some(1));
    record(&room(1), 0, Some(1));
    record(&company_entity, 0, Some(1));
    record(&room(1), 1, Some(1));
    let marks = vec![
        (company_entity.clone(), Pos(1)),
        (room(1), Pos(1)),
        (room(2), Pos(1)),
    ];
    assert_eq!(store.pending().expect("reads"), marks);
    record(&room(2), 1, None);
    store.settle(&room(1), Epoch(1), Some(Pos(2)));
    store.settle(&company_entity, Epoch(2), None);
    settle_queue(store);
    let marks = vec![(company_entity.clone(), Pos(1)), (room(1), Pos(2))];
    assert_eq!(store.pending().expect("reads"), marks);
    store.release(&room(1), Epoch(1));
    fence(store, &room(1), 2).expect("fenced");
    store.settle(&room(1), Epoch(2), None);
    settle_queue(store);
    assert_eq!(
        store.pending().expect("reads"),
        vec![(company_entity, Pos(1))]
    );
}
