//! Windows, floors and time, without an entity; and any order of them, against what was done.

use proptest::prelude::*;

use super::*;

fn cid(time: u64, tail: u16) -> Cid {
    let mut bits = [0; 16];
    bits[..6].copy_from_slice(&time.to_be_bytes()[2..]);
    bits[6] = 0x70;
    bits[8] = 0x80;
    bits[14..].copy_from_slice(&tail.to_be_bytes());
    Cid::from_bits(bits)
}

/// The latest time that a cid can carry.
const TIME_MAX: u64 = u64::MAX >> 16;

fn done_at(number: u64, at: u64) -> Remembered {
    Remembered {
        number,
        at: Timestamp(at),
        digest: 7,
        by: CidBy::Client,
    }
}

fn by_node(remembered: Remembered) -> Remembered {
    Remembered {
        by: CidBy::Node,
        ..remembered
    }
}

fn named(cid: Cid, by: CidBy) -> Named {
    Named { cid, by }
}

fn remembered(number: u64) -> Remembered {
    done_at(number, 1)
}

fn ann() -> PersonId {
    PersonId::new("ann").expect("valid")
}

#[test]
fn a_remembered_cid_is_found_and_another_persons_is_not() {
    let mut windows = CidWindows::default();
    windows.remember(&ann(), cid(10, 1), remembered(3));
    assert_eq!(
        windows.known(&ann(), cid(10, 1).into()),
        Known::Done(remembered(3))
    );
    let bob = PersonId::new("bob").expect("valid");
    assert_eq!(windows.known(&bob, cid(10, 1).into()), Known::New);
}

#[test]
fn a_cid_that_left_the_window_is_looked_up_and_a_later_one_is_new() {
    let mut windows = CidWindows::default();
    for i in 0..=CID_WINDOW_COUNT as u64 {
        windows.remember(&ann(), cid(100 + i, 1), remembered(i));
    }
    let first = windows.known(&ann(), cid(100, 1).into());
    assert_eq!(first, Known::Done(remembered(0)), "until the batch is over");
    windows.trim(&ann());
    assert_eq!(windows.known(&ann(), cid(100, 1).into()), Known::LookUp);
    assert_eq!(windows.known(&ann(), cid(99, 9).into()), Known::LookUp);
    assert_eq!(windows.known(&ann(), cid(10_000, 1).into()), Known::New);
}

#[test]
fn after_a_snapshot_every_cid_up_to_the_newest_is_looked_up() {
    let mut windows = CidWindows::default();
    windows.remember(&ann(), cid(500, 1), remembered(1));
    windows.remember(&ann(), cid(300, 1), remembered(2));
    let woken = CidWindows::with_floors(windows.floors(Timestamp(1)));
    assert_eq!(woken.known(&ann(), cid(300, 1).into()), Known::LookUp);
    assert_eq!(woken.known(&ann(), cid(500, 1).into()), Known::LookUp);
    assert_eq!(woken.known(&ann(), cid(501, 1).into()), Known::New);
}

#[test]
fn a_floor_is_kept_for_a_day_after_the_command_whatever_time_its_cid_carries() {
    let ahead = cid(TIME_MAX, 1);
    for odd in [cid(1, 1), cid(9_000, 1), ahead, Cid::from_digest([9; 16])] {
        let mut windows = CidWindows::default();
        windows.remember(&ann(), odd, done_at(1, 1_000));
        let last = Timestamp(1_000 + CID_KEPT_MS);
        let woken = CidWindows::with_floors(windows.floors(last));
        assert_eq!(woken.known(&ann(), odd.into()), Known::LookUp);
        assert!(windows.floors(last.next()).is_empty());
    }
}

#[test]
fn forgetting_a_cid_without_a_time_makes_every_later_one_a_look_up() {
    let mut windows = CidWindows::default();
    windows.remember(&ann(), Cid::from_digest([9; 16]), remembered(1));
    let woken = CidWindows::with_floors(windows.floors(Timestamp(1)));
    assert_eq!(
        woken.known(&ann(), cid(u64::from(u32::MAX), 1).into()),
        Known::LookUp
    );
}

#[test]
fn what_clients_name_has_no_node_look_up_its_own_cids_nor_the_other_way() {
    let mut windows = CidWindows::default();
    windows.remember(&ann(), cid(TIME_MAX, 1), remembered(1));
    windows.remember(&ann(), Cid::from_digest([9; 16]), remembered(2));
    windows.remember(&ann(), cid(500, 1), by_node(remembered(3)));
    let woken = CidWindows::with_floors(windows.floors(Timestamp(1)));
    let known = |cid, by| woken.known(&ann(), named(cid, by));
    assert_eq!(known(cid(501, 1), CidBy::Node), Known::New);
    assert_eq!(known(cid(500, 1), CidBy::Node), Known::LookUp);
    let mut windows = CidWindows::default();
    windows.remember(&ann(), cid(500, 1), by_node(remembered(3)));
    let woken = CidWindows::with_floors(windows.floors(Timestamp(1)));
    assert_eq!(woken.known(&ann(), cid(1, 1).into()), Known::New);
}

#[test]
fn a_floor_from_before_nodes_cids_were_kept_apart_counts_for_clients() {
    #[derive(serde::Serialize)]
    struct Before {
        time: Timestamp,
        at: Timestamp,
    }
    let (time, at) = (Timestamp(500), Timestamp(600));
    let bytes = rmp_serde::to_vec_named(&Before { time, at }).expect("encodes");
    let floor: Floor = rmp_serde::from_slice(&bytes).expect("decodes");
    let woken = CidWindows::default().above(floor);
    assert_eq!(woken.known(&ann(), cid(500, 1).into()), Known::LookUp);
    let known = woken.known(&ann(), named(cid(1, 1), CidBy::Node));
    assert_eq!(known, Known::New);
}

#[test]
fn windows_that_never_sleep_forget_what_is_over() {
    let mut windows = CidWindows::default();
    let start = 1_000 * CID_KEPT_MS;
    for hour in 0..100 {
        let now = start + hour * CID_SWEEP_MS;
        for i in 0..10 {
            let person = PersonId::new(&format!("p{hour}-{i}")).expect("valid");
            for tail in 0..=CID_WINDOW_COUNT as u16 {
                windows.remember(&person, cid(now, tail), done_at(1, now));
            }
            let key = Cid::from_digest([tail_of(hour, i); 16]);
            windows.remember(&person, key, done_at(1, now));
            windows.trim(&person);
        }
        windows.sweep(Timestamp(now));
        let (people, cids) = windows.counts();
        let hours_max = CID_KEPT_MS / CID_SWEEP_MS + 1;
        assert!(people <= 10 * hours_max as usize, "{people} people");
        assert!(cids <= people * CID_WINDOW_COUNT, "{cids} cids");
    }
    windows.sweep(Timestamp(start + 200 * CID_SWEEP_MS));
    assert_eq!(windows.counts(), (0, 0));
}

fn tail_of(hour: u64, i: u64) -> u8 {
    u8::try_from((hour * 10 + i) % 256).expect("a byte")
}

#[test]
fn a_sweep_leaves_what_is_younger_where_it_was() {
    let mut windows = CidWindows::default();
    let start = 1_000 * CID_KEPT_MS;
    windows.remember(&ann(), cid(start, 1), done_at(1, start));
    windows.remember(&ann(), cid(start, 2), done_at(2, start + 1));
    let last = Timestamp(start + 1 + CID_KEPT_MS);
    windows.sweep(last);
    assert_eq!(windows.known(&ann(), cid(start, 1).into()), Known::New);
    let younger = windows.known(&ann(), cid(start, 2).into());
    assert_eq!(younger, Known::Done(done_at(2, start + 1)));
    windows.sweep(last.next());
    assert_eq!(windows.counts(), (1, 1), "walked a moment ago");
}

#[test]
fn a_cid_expires_after_its_day() {
    assert!(!expired(&cid(1_000, 1), Timestamp(1_000 + CID_KEPT_MS)));
    assert!(expired(&cid(1_000, 1), Timestamp(1_001 + CID_KEPT_MS)));
    assert!(!expired(&Cid::from_digest([1; 16]), Timestamp(u64::MAX)));
}

/// What may happen to windows.
#[derive(Debug, Clone)]
enum Turn {
    /// So many commands of one person; their cids carry times this far off, or none.
    Done(u8, u16, Option<i64>),
    /// So many whose cids a node made.
    DoneUnnamed(u8, u16),
    /// Time passes, or the clock is set back.
    Pass(i64),
    /// Asleep behind a snapshot, and awake again.
    Sleep,
    /// The same without a snapshot, where the records were erased.
    Erase,
}

fn turn() -> impl Strategy<Value = Turn> {
    let day = CID_KEPT_MS as i64;
    let count = prop_oneof![4 => 1..4_u16, 1 => 200..600_u16];
    let unnamed_count = prop_oneof![4 => 1..4_u16, 1 => 200..600_u16];
    let offset = prop_oneof![3 => Just(0), 1 => -day..day, 1 => Just(1_000 * day)];
    prop_oneof![
        4 => (0..3_u8, count, proptest::option::weighted(0.8, offset))
            .prop_map(|(person, count, offset)| Turn::Done(person, count, offset)),
        2 => (0..3_u8, unnamed_count)
            .prop_map(|(person, count)| Turn::DoneUnnamed(person, count)),
        3 => (-day / 8..day).prop_map(Turn::Pass),
        1 => Just(Turn::Sleep),
        1 => Just(Turn::Erase),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_done_within_the_time_is_never_new(turns in prop::collection::vec(turn(), 1..24)) {
        let mut windows = CidWindows::default();
        let mut done = HashMap::new();
        let mut now = 1_000 * CID_KEPT_MS;
        let mut number = 0;
        for turn in turns {
            match turn {
                Turn::Done(person, count, offset) => {
                    let person = PersonId::new(&format!("p{person}")).expect("valid");
                    for _ in 0..count {
                        number += 1;
                        let cid = match offset {
                            Some(offset) => cid(now.saturating_add_signed(offset), number),
                            None => Cid::from_digest(u128::from(number).to_be_bytes()),
                        };
                        let remembered = done_at(u64::from(number), now);
                        windows.remember(&person, cid, remembered);
                        done.insert((person.clone(), cid), remembered);
                    }
                    windows.trim(&person);
                }
                Turn::DoneUnnamed(person, count) => {
                    let person = PersonId::new(&format!("p{person}")).expect("valid");
                    for _ in 0..count {
                        number += 1;
                        let (cid, done_now) = (cid(now, number), done_at(number.into(), now));
                        windows.remember(&person, cid, by_node(done_now));
                        done.insert((person.clone(), cid), by_node(done_now));
                    }
                    windows.trim(&person);
                }
                Turn::Pass(by_ms) => now = now.saturating_add_signed(by_ms),
                Turn::Sleep => {
                    let everyone = windows.everyone(Timestamp(now));
                    let floors = windows.floors(Timestamp(now));
                    windows = CidWindows::with_floors(floors).above(everyone);
                }
                Turn::Erase => {
                    let floor = windows.floor_of_all(Timestamp(now));
                    windows = CidWindows::default().above(floor);
                }
            }
            windows.sweep(Timestamp(now));
            // Once over it may be forgotten, and stays so if the clock is set back.
            done.retain(|_, remembered| !is_over(remembered.at, Timestamp(now)));
            for ((person, cid), remembered) in &done {
                match windows.known(person, named(*cid, remembered.by)) {
                    Known::Done(found) => prop_assert_eq!(found, *remembered),
                    Known::LookUp => {}
                    Known::New => prop_assert!(false, "{cid} of {person} is forgotten"),
                }
            }
        }
        windows.sweep(Timestamp(now + 100 * CID_KEPT_MS));
        prop_assert_eq!(windows.counts(), (0, 0));
    }
}
