//! What is seen, answered and kept when commits wait, fail, or lose their answers.

use std::sync::Arc;
use std::sync::Mutex;

use frontdesk_protocol::{Epoch, Pos, Seq};
use frontdesk_storage::testing::{Crash, MemoryOptions, MemoryStore, Verdict};
use frontdesk_storage::{
    Append, AppendOutcome, Directory, Durability, EntityId, Journal, RowsWait, Snapshot, Store,
};

use crate::support::{
    NOW, PATIENCE, append, append_of, cid, cid_row, company, fence, fill, ok, person, positions,
    queue, room, room_of, row, tail,
};

fn memory() -> MemoryStore {
    MemoryStore::new(MemoryOptions::default()).expect("opens")
}

/// A record with everything a record can carry.
fn rich(entity: &EntityId, expected: u64) -> Append {
    let mut record = append_of(entity, 1, expected, b"rich");
    record.cids = vec![cid_row(1, expected + 1, NOW)];
    record.rows = vec![row(b"b", b"new"), row(b"c", b"new")];
    record.pending = Some(Pos(expected + 1));
    record
}

fn row_keys(store: &Store, reverse: bool, count_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = store.rows(&company("TES001"), b"", b"\xFF", reverse, count_max);
    let rows = rows.expect("reads").into_iter();
    rows.map(|(key, value)| (key, value.to_vec())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    pairs
        .iter()
        .map(|(key, value)| (bytes(key), bytes(value)))
        .collect()
}

#[test]
fn nothing_of_a_group_is_seen_before_it_lasts() {
    let memory = memory();
    let store = memory.store();
    let tes = company("TES001");
    fill(&store, &room(1), 2);
    let old_rows = vec![row(b"a", b"old"), row(b"b", b"old"), row(b"d", b"old")];
    store
        .put_rows(&tes, old_rows, RowsWait::Durable)
        .expect("written");
    memory.faults().hold_syncs();
    let answer = queue(&store, rich(&room(1), 2));
    assert!(memory.faults().wait_until_held(PATIENCE));

    assert!(answer.try_recv().is_err(), "answered before it lasts");
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(2, 2));
    let page = store
        .read_after(&room(1), Pos(0), 100, 1 << 20)
        .expect("reads");
    assert_eq!(positions(&page), [1, 2]);
    let page = store
        .read_before(&room(1), Pos(u64::MAX), 1, 1 << 20)
        .expect("reads");
    assert_eq!(positions(&page), [2]);
    assert_eq!(store.pos_of_seq(&room(1), Seq(3)).expect("reads"), None);
    assert_eq!(
        store.cid(&room(1), &person("5"), &cid(1)).expect("reads"),
        None
    );
    assert_eq!(store.pending().expect("reads"), vec![]);
    assert_eq!(
        &store.row(&tes, b"b").expect("reads").expect("old")[..],
        b"old"
    );
    assert_eq!(store.row(&tes, b"c").expect("reads"), None);
    let old = [("a", "old"), ("b", "old"), ("d", "old")];
    assert_eq!(row_keys(&store, false, 3), pairs(&old));
    assert_eq!(row_keys(&store, false, 2), pairs(&old[..2]));
    assert_eq!(
        row_keys(&store, true, 2),
        pairs(&[("d", "old"), ("b", "old")])
    );

    memory.faults().release();
    assert_eq!(answer.recv_timeout(PATIENCE).expect("an outcome"), ok(3));
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(3, 3));
    let new = [("a", "old"), ("b", "new"), ("c", "new"), ("d", "old")];
    assert_eq!(row_keys(&store, false, 10), pairs(&new));
    assert!(
        store
            .cid(&room(1), &person("5"), &cid(1))
            .expect("reads")
            .is_some()
    );
    assert_eq!(store.pending().expect("reads"), vec![(room(1), Pos(3))]);
}

#[test]
fn a_company_is_unknown_until_it_lasts() {
    let memory = memory();
    let store = memory.store();
    memory.faults().hold_syncs();
    let creator = {
        let store = store.clone();
        std::thread::spawn(move || store.create_company(&company("NEW")))
    };
    assert!(memory.faults().wait_until_held(PATIENCE));
    assert!(!store.has_company(&company("NEW")).expect("reads"));
    assert_eq!(store.companies().expect("reads"), vec![]);
    memory.faults().release();
    assert!(creator.join().expect("no panic").expect("created"));
    assert!(store.has_company(&company("NEW")).expect("reads"));
}

#[test]
fn what_queues_behind_a_commit_becomes_one_group() {
    let memory = memory();
    let store = memory.store();
    for number in 0..20 {
        fence(&store, &room(number), 1).expect("fenced");
    }
    let commits_before = memory.faults().commit_count();
    memory.faults().hold_commits();
    let first = queue(&store, append_of(&room(0), 1, 0, b"x"));
    assert!(memory.faults().wait_until_held(PATIENCE));
    let rest: Vec<_> = (1..20)
        .map(|number| queue(&store, append_of(&room(number), 1, 0, b"x")))
        .collect();
    assert_eq!(store.queue_depth(), 19);
    memory.faults().release();
    assert_eq!(first.recv_timeout(PATIENCE).expect("an outcome"), ok(1));
    for answer in rest {
        assert_eq!(answer.recv_timeout(PATIENCE).expect("an outcome"), ok(1));
    }
    assert_eq!(store.queue_depth(), 0);
    assert_eq!(memory.faults().commit_count() - commits_before, 2);
}

fn failing(fault: impl FnOnce(&MemoryStore)) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let memory = MemoryStore::new(MemoryOptions {
        fatal: Arc::new(move |why| listener.lock().expect("not poisoned").push(why.to_owned())),
        ..MemoryOptions::default()
    });
    let memory = memory.expect("opens");
    let store = memory.store();
    fill(&store, &room(1), 2);
    fence(&store, &room(2), 1).expect("fenced");
    fault(&memory);
    let answers = [
        queue(&store, rich(&room(1), 2)),
        queue(&store, append_of(&room(2), 1, 0, b"x")),
    ];
    for answer in answers {
        let outcome = answer.recv_timeout(PATIENCE).expect("an outcome");
        assert_eq!(outcome, AppendOutcome::Unknown);
    }
    let failure = store.failure().expect("is set");
    assert_eq!(*told.lock().expect("not poisoned"), [failure.to_string()]);
    assert_eq!(
        append(&store, append_of(&room(1), 1, 2, b"x")),
        AppendOutcome::Unknown
    );
    assert!(fence(&store, &room(1), 2).is_err());
    let tes = company("TES001");
    assert!(
        store
            .put_rows(&tes, vec![row(b"k", b"v")], RowsWait::Durable)
            .is_err()
    );
    assert!(
        store
            .put_rows(&tes, vec![row(b"k", b"v")], RowsWait::Queued)
            .is_err()
    );
    assert!(store.create_company(&tes).is_err());
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(2, 2));
    assert_eq!(row_keys(&store, false, 10), pairs(&[]));
    assert!(store.close().is_err());
    assert_eq!(told.lock().expect("not poisoned").len(), 1);
}

#[test]
fn a_failed_commit_is_final() {
    failing(|memory| memory.faults().fail_next_commit());
}

#[test]
fn a_failed_sync_is_final() {
    failing(|memory| memory.faults().fail_next_sync());
}

#[test]
fn a_lost_answer_is_found_by_fencing_and_reading() {
    let memory = memory();
    let store = memory.store();
    fill(&store, &room(1), 1);
    memory.faults().next_append(Verdict::WriteAnswerUnknown);
    memory.faults().next_append(Verdict::DropAnswerUnknown);
    memory.faults().next_append(Verdict::AnswerFenced);
    let try_append = |expected| append(&store, append_of(&room(1), 1, expected, b"x"));
    assert_eq!(try_append(1), AppendOutcome::Unknown);
    assert_eq!(fence(&store, &room(1), 1).expect("fenced"), tail(2, 2));
    assert_eq!(try_append(2), AppendOutcome::Unknown);
    assert_eq!(fence(&store, &room(1), 1).expect("fenced"), tail(2, 2));
    assert_eq!(try_append(2), AppendOutcome::Fenced);
    assert_eq!(try_append(2), ok(3));
}

#[test]
fn a_crash_leaves_what_durability_promises() {
    for (durability, crash, kept) in [
        (Durability::Fsync, Crash::PowerLoss, 3),
        (Durability::Fsync, Crash::Killed, 3),
        (Durability::Buffered, Crash::PowerLoss, 0),
        (Durability::Buffered, Crash::Killed, 3),
    ] {
        let memory = MemoryStore::new(MemoryOptions {
            durability,
            ..MemoryOptions::default()
        });
        let memory = memory.expect("opens");
        fill(&memory.store(), &room(1), 3);
        let after = memory.crash(crash).expect("opens");
        let found = after.store().tail(&room(1)).expect("reads");
        assert_eq!(found, tail(kept, kept), "{durability:?} {crash:?}");
        assert_eq!(after.store().boot_count(), 2);
    }
}

#[test]
fn a_held_group_is_lost_with_the_power_and_was_not_acknowledged() {
    let memory = memory();
    fill(&memory.store(), &room(1), 1);
    memory.faults().hold_syncs();
    let answer = queue(&memory.store(), rich(&room(1), 1));
    assert!(memory.faults().wait_until_held(PATIENCE));
    let after = memory.crash(Crash::PowerLoss).expect("opens");
    assert!(answer.try_recv().is_err());
    let store = after.store();
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(1, 1));
    assert_eq!(
        store.cid(&room(1), &person("5"), &cid(1)).expect("reads"),
        None
    );
    assert_eq!(store.pending().expect("reads"), vec![]);
    assert_eq!(store.row(&company("TES001"), b"b").expect("reads"), None);
}

#[test]
fn a_snapshot_of_an_undurable_position_is_not_written() {
    let memory = memory();
    let store = memory.store();
    fill(&store, &room(1), 1);
    memory.faults().hold_commits();
    let blocker = queue(&store, append_of(&room(1), 1, 1, b"x"));
    assert!(memory.faults().wait_until_held(PATIENCE));
    // Both wait in the queue; the snapshot is taken with the append that it stands for.
    let later = queue(&store, append_of(&room(1), 1, 2, b"x"));
    let snapshot = Snapshot {
        version: 1,
        at: tail(3, 3),
        payload: b"state".to_vec().into(),
    };
    store.put_snapshot(&room(1), snapshot);
    memory.faults().release();
    assert_eq!(blocker.recv_timeout(PATIENCE).expect("an outcome"), ok(2));
    assert_eq!(later.recv_timeout(PATIENCE).expect("an outcome"), ok(3));
    crate::support::settle_queue(&store);
    assert_eq!(store.snapshot(&room(1)).expect("reads"), None);
}

#[test]
fn a_fence_during_a_held_commit_waits_for_it() {
    let memory = memory();
    let store = memory.store();
    fence(&store, &room_of("A", 1), 1).expect("fenced");
    memory.faults().hold_syncs();
    let first = queue(&store, append_of(&room_of("A", 1), 1, 0, b"x"));
    assert!(memory.faults().wait_until_held(PATIENCE));
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = Box::new(move |answer| sender.send(answer).expect("listens"));
    store.fence(&room_of("A", 1), Epoch(2), done);
    assert!(receiver.try_recv().is_err());
    memory.faults().release();
    let fenced = receiver.recv_timeout(PATIENCE).expect("an answer");
    assert_eq!(fenced.expect("fenced"), tail(1, 1));
    assert_eq!(first.try_recv().expect("answered before"), ok(1));
}
