//! Admission, order, crashes and time of one slot, without an actor.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::{CompanyId, PersonId};

use super::*;
use crate::entity::{Caller, CidBy};

fn slot() -> Slot {
    let company = CompanyId::new("TES001").expect("valid");
    Slot::new(EntityId::company(company), 1, 0)
}

fn envelope(door: u64, cid: u8) -> Arc<Envelope> {
    let caller = Caller::Person(Arc::new(Principal {
        company: slot().entity.company,
        person: PersonId::new("ann").expect("valid"),
        role: Role::Visitor,
        card: Card::default(),
    }));
    envelope_of(caller, Command::Wake, door, cid)
}

fn envelope_of(caller: Caller, command: Command, door: u64, cid: u8) -> Arc<Envelope> {
    Arc::new(Envelope {
        reply_to: ReplyTo {
            boot: 1,
            door: DoorId(door),
            cseq: u64::from(cid),
        },
        cid: Cid::from_bits([cid; 16]),
        named_by: CidBy::Client,
        caller,
        command,
    })
}

fn is_admitted(slot: &Slot, door: u64, cid: u8, bytes_max: usize) -> bool {
    let admission = slot.admit(&envelope(door, cid), bytes_max, 0);
    matches!(admission, Admission::Admitted)
}

fn restart(after_ms: u64, incarnation: u64) -> AfterCrash {
    AfterCrash::Restart {
        after_ms,
        incarnation,
    }
}

fn cseqs(envelopes: &[Arc<Envelope>]) -> Vec<u64> {
    envelopes.iter().map(|sent| sent.reply_to.cseq).collect()
}

#[test]
fn after_busy_a_door_must_send_the_refused_command_first() {
    let slot = slot();
    let one = envelope(9, 1).weight_bytes();
    assert!(is_admitted(&slot, 9, 1, one));
    assert!(!is_admitted(&slot, 9, 2, one));
    assert!(!is_admitted(&slot, 9, 3, 10 * one), "3 may not overtake 2");
    assert!(is_admitted(&slot, 8, 4, 10 * one), "another door is free");
    assert!(is_admitted(&slot, 9, 2, 10 * one));
    assert!(is_admitted(&slot, 9, 3, 10 * one));
}

#[test]
fn a_crash_puts_the_batch_in_flight_back_in_front() {
    let slot = slot();
    for cid in 1..=3 {
        assert!(is_admitted(&slot, 9, cid, usize::MAX));
    }
    assert_eq!(slot.take_batch(0).len(), 3);
    assert!(is_admitted(&slot, 9, 4, usize::MAX));
    assert_eq!(slot.crashed(0, 0), restart(0, 1));
    assert_eq!(slot.crashed(0, 0), AfterCrash::Old, "it is known");
    assert!(slot.take_batch(0).is_empty(), "an older actor gets nothing");
    assert_eq!(cseqs(&slot.take_batch(1)), [1, 2, 3, 4]);
}

#[test]
fn the_backoff_doubles_and_the_budget_ends() {
    let slot = slot();
    let pauses: Vec<AfterCrash> = (0..=RESTART_COUNT_MAX as u64)
        .map(|at| slot.crashed(at, at))
        .collect();
    assert_eq!(pauses[0], restart(0, 1));
    assert_eq!(pauses[1], restart(RESTART_BACKOFF_MS, 2));
    assert_eq!(pauses[2], restart(2 * RESTART_BACKOFF_MS, 3));
    assert_eq!(pauses.last(), Some(&AfterCrash::GiveUp));
    let refused = slot.admit(&envelope(9, 1), usize::MAX, 10);
    assert!(matches!(refused, Admission::Refused(why) if why.code == ErrorCode::Unavailable));
    let overtakes = slot.admit(&envelope(9, 2), usize::MAX, RESTART_WINDOW_MS);
    assert!(matches!(overtakes, Admission::Refused(why) if why.code == ErrorCode::Busy));
    // Only what is admitted brings the actor back: a refusal must not leave it half started.
    let later = slot.admit(&envelope(9, 1), usize::MAX, RESTART_WINDOW_MS);
    assert!(matches!(later, Admission::AdmittedStart { .. }));
}

#[test]
fn a_given_up_slot_closes_when_its_time_is_served() {
    let slot = slot();
    for at in 0..=RESTART_COUNT_MAX as u64 {
        assert!(!slot.close_if_given_up(RESTART_WINDOW_MS, true));
        slot.crashed(at, 0);
    }
    assert!(!slot.close_if_given_up(1, false));
    assert!(slot.close_if_given_up(RESTART_WINDOW_MS, false));
    let gone = slot.admit(&envelope(9, 1), usize::MAX, RESTART_WINDOW_MS);
    assert!(matches!(gone, Admission::Gone));
}

#[test]
fn what_is_held_comes_again_after_a_crash_and_only_once_otherwise() {
    let slot = slot();
    for cid in 1..=3 {
        assert!(is_admitted(&slot, 9, cid, usize::MAX));
    }
    let taken = slot.take_batch(0);
    assert!(slot.finish(0, &[taken[0].reply_to, taken[1].reply_to]));
    assert!(slot.finish_held(0, taken[0].reply_to));
    assert!(is_admitted(&slot, 9, 4, usize::MAX));
    assert_eq!(slot.crashed(0, 0), restart(0, 1));
    assert!(!slot.finish(0, &[]), "an older actor answers nobody");
    assert_eq!(cseqs(&slot.take_batch(1)), [2, 4]);
}

#[test]
fn behind_what_was_in_flight_the_overdue_are_found() {
    let slot = slot();
    assert!(is_admitted(&slot, 9, 1, usize::MAX));
    slot.take_batch(0);
    slot.crashed(0, 0);
    assert!(is_admitted(&slot, 9, 2, usize::MAX));
    assert_eq!(cseqs(&slot.take_overdue(5_000, 5_001)), [2]);
    assert_eq!(
        cseqs(&slot.take_batch(1)),
        [1],
        "only the journal knows what became of it"
    );
}

#[test]
fn of_too_many_refused_doors_the_oldest_are_forgotten() {
    let slot = slot();
    let last = 2 + REFUSED_DOOR_COUNT_MAX as u64;
    for door in 2..=last {
        assert!(!is_admitted(&slot, door, 1, 0));
    }
    assert!(is_admitted(&slot, 2, 2, usize::MAX));
    assert!(!is_admitted(&slot, last, 2, usize::MAX));
}

#[test]
fn overdue_commands_are_taken_out_together_and_keep_their_order() {
    let slot = slot();
    assert!(is_admitted(&slot, 9, 1, usize::MAX));
    assert!(is_admitted(&slot, 9, 2, usize::MAX));
    assert!(slot.take_overdue(5_000, 5_000).is_empty());
    assert_eq!(slot.take_overdue(5_000, 5_001).len(), 2);
    assert!(!is_admitted(&slot, 9, 2, usize::MAX), "1 must come first");
    assert!(is_admitted(&slot, 9, 1, usize::MAX));
}

#[test]
fn an_effect_that_was_refused_may_come_again_under_another_cid() {
    let slot = slot();
    let effect = |cid| {
        let caller = Caller::Entity(self::slot().entity);
        envelope_of(caller, Command::Wake, 9, cid)
    };
    assert!(matches!(
        slot.admit(&effect(1), 0, 0),
        Admission::Refused(_)
    ));
    let again = slot.admit(&effect(2), usize::MAX, 0);
    assert!(matches!(again, Admission::Admitted));
}

#[test]
fn a_refused_mark_holds_nothing_back_and_is_not_held_back() {
    let slot = slot();
    let mark = |cid| {
        let seq = frontdesk_protocol::Seq(1);
        let command = Command::Room(RoomCommand::MarkRead { seq });
        envelope_of(envelope(9, 1).caller.clone(), command, 9, cid)
    };
    assert!(matches!(slot.admit(&mark(1), 0, 0), Admission::Refused(_)));
    assert!(
        is_admitted(&slot, 9, 2, usize::MAX),
        "no mark must come first"
    );
    assert!(!is_admitted(&slot, 9, 3, 0));
    let passing = slot.admit(&mark(4), usize::MAX, 0);
    assert!(matches!(passing, Admission::Admitted), "a mark passes 3");
    assert!(
        !is_admitted(&slot, 9, 5, usize::MAX),
        "3 must still come first"
    );
}
