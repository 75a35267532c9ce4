//! Each check sees its own violation and no other.

use super::*;

const RUN: u32 = 7;

/// Two rooms of two members: 0 and 1 in room 0, 2 and 3 in room 1.
fn checker(expects_acks: bool) -> Checker {
    let mut checker = Checker::new(RUN, expects_acks);
    checker.add_room(2);
    checker.add_room(2);
    checker
}

fn delivery(room: u32, number: u64) -> Delivery {
    Delivery {
        marker: Marker {
            run: RUN,
            room,
            number,
            sent_ns: 0,
        },
        seq: None,
    }
}

fn with_seq(number: u64, seq: u64) -> Delivery {
    Delivery {
        seq: Some(seq),
        ..delivery(0, number)
    }
}

fn found(checker: Checker) -> Vec<(Violation, u64)> {
    checker.finish().found().collect()
}

/// Posts to room 0 and delivers to member 1 all of it, so that member 0 is the one under test.
fn posted(checker: &mut Checker, count: u64) {
    for number in 1..=count {
        assert_eq!(checker.post(0), number);
        assert!(checker.delivered(1, &delivery(0, number)));
    }
}

#[test]
fn everything_in_order_is_clean() {
    let mut checker = checker(false);
    posted(&mut checker, 3);
    for number in 1..=3 {
        assert!(checker.delivered(0, &delivery(0, number)));
    }
    assert_eq!(checker.outstanding(), 0);
    assert_eq!(checker.delivered_count(), 6);
    assert!(checker.finish().is_clean());
}

#[test]
fn a_message_that_never_comes_is_missing() {
    let mut checker = checker(false);
    posted(&mut checker, 3);
    checker.delivered(0, &delivery(0, 1));
    checker.delivered(0, &delivery(0, 3));
    assert_eq!(checker.outstanding(), 1);
    assert_eq!(found(checker), [(Violation::Missing, 1)]);
}

#[test]
fn a_tail_that_never_comes_is_missing() {
    let mut checker = checker(false);
    posted(&mut checker, 5);
    checker.delivered(0, &delivery(0, 1));
    assert_eq!(found(checker), [(Violation::Missing, 4)]);
}

#[test]
fn a_repeated_message_is_double() {
    let mut checker = checker(false);
    posted(&mut checker, 2);
    checker.delivered(0, &delivery(0, 1));
    checker.delivered(0, &delivery(0, 2));
    assert!(!checker.delivered(0, &delivery(0, 1)));
    assert_eq!(checker.outstanding(), 0);
    assert_eq!(found(checker), [(Violation::Double, 1)]);
}

#[test]
fn two_swapped_messages_are_out_of_order_and_not_missing() {
    let mut checker = checker(false);
    posted(&mut checker, 4);
    for number in [1, 3, 2, 4] {
        checker.delivered(0, &delivery(0, number));
    }
    assert_eq!(found(checker), [(Violation::OutOfOrder, 1)]);
}

#[test]
fn a_wide_gap_filled_from_its_middle_is_seen_through() {
    let mut checker = checker(false);
    posted(&mut checker, 6);
    for number in [1, 6, 3, 2, 3, 5] {
        checker.delivered(0, &delivery(0, number));
    }
    let expected = [
        (Violation::Missing, 1),
        (Violation::Double, 1),
        (Violation::OutOfOrder, 3),
    ];
    assert_eq!(found(checker), expected);
}

#[test]
fn a_message_of_another_room_is_in_the_wrong_room() {
    let mut checker = checker(false);
    posted(&mut checker, 1);
    checker.delivered(0, &delivery(0, 1));
    assert!(!checker.delivered(2, &delivery(0, 1)));
    assert_eq!(found(checker), [(Violation::WrongRoom, 1)]);
}

#[test]
fn a_message_of_another_run_or_the_future_was_never_posted() {
    let mut checker = checker(false);
    posted(&mut checker, 1);
    checker.delivered(0, &delivery(0, 1));
    checker.delivered(0, &delivery(0, 2));
    let mut older = delivery(0, 1);
    older.marker.run = RUN - 1;
    checker.delivered(0, &older);
    assert_eq!(found(checker), [(Violation::NeverPosted, 2)]);
}

#[test]
fn a_seq_that_jumps_is_wrong() {
    let mut checker = checker(false);
    checker.joined(0, 10);
    posted(&mut checker, 2);
    checker.delivered(0, &with_seq(1, 11));
    checker.delivered(0, &with_seq(2, 13));
    assert_eq!(found(checker), [(Violation::WrongSeq, 1)]);
}

#[test]
fn members_that_join_at_different_heads_of_a_still_room_are_reported() {
    let mut checker = checker(false);
    checker.joined(0, 10);
    checker.joined(1, 11);
    assert_eq!(found(checker), [(Violation::WrongSeq, 1)]);
}

#[test]
fn an_ack_of_another_seq_disagrees() {
    let mut checker = checker(true);
    checker.joined(0, 0);
    posted(&mut checker, 2);
    for number in 1..=2 {
        checker.delivered(0, &with_seq(number, number));
    }
    checker.acked(0, 1, 1, false);
    checker.acked(0, 2, 3, false);
    assert_eq!(found(checker), [(Violation::AckDisagrees, 1)]);
}

#[test]
fn a_second_ack_and_a_dup_of_a_first_post_disagree() {
    let mut checker = checker(true);
    checker.joined(0, 0);
    posted(&mut checker, 1);
    checker.delivered(0, &with_seq(1, 1));
    checker.acked(0, 1, 1, true);
    checker.acked(0, 1, 1, false);
    assert_eq!(found(checker), [(Violation::AckDisagrees, 2)]);
}

#[test]
fn a_post_without_an_answer_is_unacknowledged() {
    let mut checker = checker(true);
    posted(&mut checker, 1);
    checker.delivered(0, &delivery(0, 1));
    assert_eq!(checker.outstanding(), 1);
    assert_eq!(found(checker), [(Violation::Unacknowledged, 1)]);
}

#[test]
fn a_refused_post_is_due_nowhere_and_takes_no_seq() {
    let mut checker = checker(true);
    checker.joined(0, 0);
    for number in 1..=3 {
        assert_eq!(checker.post(0), number);
    }
    checker.acked(0, 1, 1, false);
    checker.refused(0, 2, "busy");
    checker.acked(0, 3, 2, false);
    for member in 0..2 {
        checker.delivered(member, &with_seq(1, 1));
        checker.delivered(member, &with_seq(3, 2));
    }
    assert_eq!(checker.outstanding(), 0);
    assert_eq!(found(checker), [(Violation::Refused, 1)]);
}

#[test]
fn a_refusal_read_late_still_explains_the_seqs_after_it() {
    let mut checker = checker(true);
    checker.joined(0, 0);
    assert_eq!((checker.post(0), checker.post(0)), (1, 2));
    checker.delivered(0, &with_seq(2, 1));
    checker.delivered(1, &with_seq(2, 1));
    checker.acked(0, 2, 1, false);
    checker.refused(0, 1, "busy");
    assert_eq!(found(checker), [(Violation::Refused, 1)]);
}

#[test]
fn examples_say_what_and_where_and_are_few() {
    let mut checker = checker(false);
    posted(&mut checker, 1);
    checker.delivered(0, &delivery(0, 1));
    for _ in 0..100 {
        checker.delivered(0, &delivery(0, 1));
    }
    let findings = checker.finish();
    assert_eq!(findings.count(Violation::Double), 100);
    assert_eq!(findings.examples().len(), EXAMPLES_MAX);
    assert_eq!(
        findings.examples()[0],
        "double: member 0 of room 0 got message 1 after 1"
    );
}
