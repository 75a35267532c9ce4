//! What becomes of appends, fences and releases.

use std::sync::mpsc;

use frontdesk_protocol::{Epoch, Pos};
use frontdesk_storage::{AppendOutcome, Error, Journal};

use crate::support::{
    Bench, Kind, PATIENCE, append, append_of, fence, fill, ok, positions, queue, room, tail,
};

pub(super) fn an_append_is_answered_with_its_pos_and_moves_the_tail(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    assert_eq!(fence(store, &room(1), 5).expect("fenced"), tail(0, 0));
    assert_eq!(append(store, append_of(&room(1), 5, 0, b"one")), ok(1));
    assert_eq!(store.tail(&room(1)).expect("reads"), tail(1, 1));
    let records = store
        .read_after(&room(1), Pos(0), 10, 1_000)
        .expect("reads");
    assert_eq!(records.len(), 1);
    assert_eq!(&records[0].payload[..], b"one");
    assert_eq!(store.queue_depth(), 0);
}

pub(super) fn an_append_without_a_fence_is_refused(kind: Kind) {
    let bench = Bench::new(kind);
    let outcome = append(bench.store(), append_of(&room(1), 5, 0, b"one"));
    assert_eq!(outcome, AppendOutcome::Fenced);
    assert_eq!(bench.store().tail(&room(1)).expect("reads"), tail(0, 0));
}

pub(super) fn an_append_with_an_old_epoch_is_refused(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 5).expect("fenced");
    assert_eq!(append(store, append_of(&room(1), 5, 0, b"one")), ok(1));
    assert_eq!(fence(store, &room(1), 6).expect("fenced"), tail(1, 1));
    assert_eq!(
        append(store, append_of(&room(1), 5, 1, b"two")),
        AppendOutcome::Fenced
    );
    assert_eq!(append(store, append_of(&room(1), 6, 1, b"two")), ok(2));
}

pub(super) fn an_append_with_an_epoch_that_never_fenced_is_refused(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 5).expect("fenced");
    assert_eq!(
        append(store, append_of(&room(1), 6, 0, b"one")),
        AppendOutcome::Fenced
    );
    assert_eq!(append(store, append_of(&room(1), 5, 0, b"one")), ok(1));
}

pub(super) fn an_append_at_a_wrong_pos_is_answered_with_the_tail(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 3);
    for wrong in [0, 2, 4] {
        let outcome = append(store, append_of(&room(1), 1, wrong, b"no"));
        assert_eq!(outcome, AppendOutcome::WrongPos { tail: tail(3, 3) });
    }
    let mut falling = append_of(&room(1), 1, 3, b"no");
    falling.seq_after = frontdesk_protocol::Seq(2);
    let outcome = append(store, falling);
    assert_eq!(outcome, AppendOutcome::WrongPos { tail: tail(3, 3) });
}

pub(super) fn a_refused_append_changes_nothing_and_fails_no_neighbour(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fill(store, &room(1), 1);
    fence(store, &room(2), 1).expect("fenced");
    let mut refused = append_of(&room(1), 1, 7, b"no");
    refused.rows = vec![crate::support::row(b"k", b"refused")];
    refused.cids = vec![crate::support::cid_row(1, 8, crate::support::NOW)];
    refused.pending = Some(Pos(8));
    let outcomes = [
        queue(store, append_of(&room(1), 1, 1, b"two")),
        queue(store, refused),
        queue(store, append_of(&room(1), 1, 2, b"three")),
        queue(store, append_of(&room(2), 1, 0, b"other")),
    ];
    let outcomes = outcomes.map(|answer| answer.recv_timeout(PATIENCE).expect("an outcome"));
    assert_eq!(outcomes[0], ok(2));
    assert!(matches!(outcomes[1], AppendOutcome::WrongPos { .. }));
    assert_eq!(outcomes[2], ok(3));
    assert_eq!(outcomes[3], ok(1));
    let company = &room(1).company;
    let row = frontdesk_storage::Directory::row(store, company, b"k").expect("reads");
    assert_eq!(row, None);
    let person = crate::support::person("5");
    let found = store
        .cid(&room(1), &person, &crate::support::cid(1))
        .expect("reads");
    assert_eq!(found, None);
    assert_eq!(store.pending().expect("reads"), vec![]);
}

pub(super) fn a_fence_with_an_old_epoch_is_refused(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 5).expect("fenced");
    let refused = fence(store, &room(1), 4);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(append(store, append_of(&room(1), 5, 0, b"one")), ok(1));
}

pub(super) fn a_fence_answers_behind_older_appends(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    let first = queue(store, append_of(&room(1), 1, 0, b"one"));
    let second = queue(store, append_of(&room(1), 1, 1, b"two"));
    assert_eq!(fence(store, &room(1), 2).expect("fenced"), tail(2, 2));
    assert_eq!(first.try_recv().expect("answered before the fence"), ok(1));
    assert_eq!(second.try_recv().expect("answered before the fence"), ok(2));
}

pub(super) fn of_racing_epochs_only_the_highest_appends_on(kind: Kind) {
    let bench = Bench::new(kind);
    let contenders: Vec<_> = (1..=4)
        .map(|epoch| {
            let store = bench.shared();
            std::thread::spawn(move || {
                let mut won = 0;
                let Ok(mut at) = fence(&store, &room(1), epoch) else {
                    return (epoch, won);
                };
                for _ in 0..20 {
                    let payload = [epoch as u8];
                    match append(&store, append_of(&room(1), epoch, at.pos.0, &payload)) {
                        AppendOutcome::Ok { pos } => {
                            at.pos = pos;
                            won += 1;
                        }
                        AppendOutcome::Fenced => break,
                        other => panic!("epoch {epoch} was answered {other:?}"),
                    }
                }
                (epoch, won)
            })
        })
        .collect();
    let won: Vec<_> = contenders
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect();
    let records = bench
        .store()
        .read_after(&room(1), Pos(0), 1_000, 1 << 20)
        .expect("reads");
    let writers: Vec<u8> = records.iter().map(|record| record.payload[0]).collect();
    assert!(
        writers.is_sorted(),
        "an older epoch wrote after a newer: {writers:?}"
    );
    for (epoch, won) in won {
        let written = writers
            .iter()
            .filter(|writer| u64::from(**writer) == epoch)
            .count();
        assert_eq!(written, won, "epoch {epoch} was told the truth");
    }
    assert_eq!(writers.iter().filter(|writer| **writer == 4).count(), 20);
}

pub(super) fn a_release_by_an_old_epoch_does_nothing(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    fence(store, &room(1), 2).expect("fenced");
    store.release(&room(1), Epoch(1));
    assert_eq!(append(store, append_of(&room(1), 2, 0, b"one")), ok(1));
    store.release(&room(1), Epoch(2));
    assert_eq!(
        append(store, append_of(&room(1), 2, 1, b"two")),
        AppendOutcome::Fenced
    );
}

pub(super) fn a_released_entity_can_be_fenced_again_at_its_tail(kind: Kind) {
    let bench = Bench::new(kind);
    let store = bench.store();
    fence(store, &room(1), 1).expect("fenced");
    let (sender, receiver) = mpsc::channel();
    // All in the queue at once: they may share a group.
    let first = queue(store, append_of(&room(1), 1, 0, b"one"));
    store.release(&room(1), Epoch(1));
    store.fence(
        &room(1),
        Epoch(2),
        Box::new(move |tail| sender.send(tail).expect("listens")),
    );
    let second = queue(store, append_of(&room(1), 2, 1, b"two"));
    assert_eq!(first.recv_timeout(PATIENCE).expect("an outcome"), ok(1));
    let fenced = receiver.recv_timeout(PATIENCE).expect("an answer");
    assert_eq!(fenced.expect("fenced"), tail(1, 1));
    assert_eq!(second.recv_timeout(PATIENCE).expect("an outcome"), ok(2));
    let records = store
        .read_after(&room(1), Pos(0), 10, 1_000)
        .expect("reads");
    assert_eq!(positions(&records), [1, 2]);
}

pub(super) fn many_entities_append_at_once(kind: Kind) {
    let bench = Bench::new(kind);
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let store = bench.shared();
            std::thread::spawn(move || fill(&store, &room(number), 25))
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    for number in 0..8 {
        let records = bench
            .store()
            .read_after(&room(number), Pos(0), 100, 1 << 20);
        let records = records.expect("reads");
        assert_eq!(positions(&records), (1..=25).collect::<Vec<_>>());
    }
}
