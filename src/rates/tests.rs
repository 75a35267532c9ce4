//! What is admitted, how long others wait, and what is forgotten.

use frontdesk_actors::clock::ManualClock;
use frontdesk_protocol::Timestamp;
use frontdesk_protocol::command::{Card, Role};
use proptest::prelude::*;

use super::*;

fn rates(per_second: u32) -> (Rates, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000_000)));
    let limits = Limits {
        requests_per_second_address: per_second,
        requests_per_second_person: per_second,
        commands_per_second_connection: per_second,
        ..Limits::default()
    };
    (
        Rates::new(&limits, Arc::clone(&clock) as Arc<dyn Clock>),
        clock,
    )
}

fn person(company: &str, person: &str) -> Principal {
    Principal {
        company: CompanyId::new(company).unwrap(),
        person: PersonId::new(person).unwrap(),
        role: Role::Visitor,
        card: Card::default(),
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn admitted(mut take: impl FnMut() -> Result<(), TooSoon>) -> u32 {
    let mut count = 0;
    while take().is_ok() {
        count += 1;
        assert!(count < 1_000_000, "no limit");
    }
    count
}

#[test]
fn a_burst_passes_and_then_the_rate() {
    let (rates, clock) = rates(10);
    let take = || rates.take_address(address("10.0.0.1"));
    assert_eq!(admitted(take), 50);
    assert_eq!(take(), Err(TooSoon { wait_ms: 100 }));
    clock.advance_ms(99);
    assert_eq!(take(), Err(TooSoon { wait_ms: 1 }));
    clock.advance_ms(1);
    assert_eq!(admitted(take), 1);
    clock.advance_ms(1_000);
    assert_eq!(admitted(take), 10);
}

#[test]
fn everyone_has_a_bucket_of_their_own() {
    let (rates, _) = rates(1);
    for who in [person("A", "ann"), person("A", "bob"), person("B", "ann")] {
        assert_eq!(admitted(|| rates.take_person(&who)), 10);
    }
    for from in ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8:0:1::1"] {
        assert_eq!(admitted(|| rates.take_address(address(from))), 5, "{from}");
    }
    // The same subscriber, and the same address written in the sixth version.
    for from in ["2001:db8::2", "::ffff:10.0.0.1"] {
        assert_eq!(admitted(|| rates.take_address(address(from))), 0, "{from}");
    }
    let (one, other) = (Pace::default(), Pace::default());
    assert_eq!(admitted(|| rates.take_command(&one)), 1);
    assert_eq!(admitted(|| rates.take_command(&other)), 1);
}

#[test]
fn a_rate_of_0_is_no_limit() {
    let (rates, _) = rates(0);
    for _ in 0..10_000 {
        assert_eq!(rates.take_address(address("10.0.0.1")), Ok(()));
        assert_eq!(rates.take_person(&person("A", "ann")), Ok(()));
        assert_eq!(rates.take_command(&Pace::default()), Ok(()));
    }
}

#[test]
fn full_allowances_are_forgotten_and_others_are_not() {
    let (rates, clock) = rates(10);
    for host in 0..200 {
        let from = address(&format!("10.0.0.{host}"));
        rates.take_address(from).unwrap();
    }
    let busy = address("10.0.1.1");
    assert_eq!(admitted(|| rates.take_address(busy)), 50);
    clock.advance_ms(1_000);
    rates.tidy();
    let addresses = rates.addresses.as_ref().unwrap();
    assert_eq!(addresses.len(), 1);
    assert_eq!(admitted(|| rates.take_address(busy)), 10);
    clock.advance_ms(10_000);
    rates.tidy();
    assert!(addresses.is_empty());
}

#[test]
fn newcomers_share_one_bucket_when_there_are_too_many() {
    let (rates, _) = rates(1);
    let network = |number: usize| IpAddr::from((number as u32).to_be_bytes());
    for number in 0..ALLOWANCE_COUNT_MAX {
        rates.take_address(network(number)).unwrap();
    }
    let newcomers = ALLOWANCE_COUNT_MAX..ALLOWANCE_COUNT_MAX + 10;
    let passed = newcomers.filter(|number| rates.take_address(network(*number)).is_ok());
    assert_eq!(passed.count(), 5);
    assert_eq!(rates.take_address(network(0)), Ok(()));
    assert_eq!(rates.addresses.as_ref().unwrap().len(), ALLOWANCE_COUNT_MAX);
}

#[test]
fn seconds_to_wait_are_whole_and_never_0() {
    for (wait_ms, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (60_000, 60)] {
        assert_eq!(TooSoon { wait_ms }.retry_after_s(), seconds);
    }
}

proptest! {
    /// Whoever waits as long as they were told is admitted, and in no stretch of time is more
    /// admitted than the burst and the rate.
    #[test]
    fn the_wait_is_enough_and_the_rate_holds(
        per_second in 1_u32..20_000,
        pauses_ms in proptest::collection::vec(0_u64..300, 1..200),
    ) {
        let (rates, clock) = rates(per_second);
        let pace = Pace::default();
        let (mut passed, mut elapsed_ms) = (0_u64, 0_u64);
        for pause_ms in pauses_ms {
            clock.advance_ms(pause_ms);
            elapsed_ms += pause_ms;
            if let Err(refused) = rates.take_command(&pace) {
                clock.advance_ms(refused.wait_ms);
                elapsed_ms += refused.wait_ms;
                prop_assert_eq!(rates.take_command(&pace), Ok(()));
            }
            passed += 1;
            let most = u64::from(per_second) + u64::from(per_second) * elapsed_ms / 1_000;
            prop_assert!(passed <= most, "{} of {}", passed, most);
        }
    }
}
