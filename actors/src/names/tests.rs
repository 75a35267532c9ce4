//! Rules of login names: one holder each, reservations that end, confirmations that come late.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::limits::NAME_RESERVED_MS;
use frontdesk_protocol::staff::{NameCommand, NameHolder, StaffCommand};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, PersonId};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use super::{NamesState, entity_of, normal};
use crate::company::tables;
use crate::entity::{Answer, Caller, Command};
use crate::tests::desk::Desk;

const NAME: &str = "ann@tes.example";

fn company(name: &str) -> CompanyId {
    CompanyId::new(name).expect("valid")
}

fn somebody() -> Caller {
    Caller::Person(Arc::new(Principal {
        company: CompanyId::installation(),
        person: PersonId::new("anybody").expect("valid"),
        role: Role::Admin,
        card: Card::default(),
    }))
}

fn staff(name: &str) -> Caller {
    Caller::Entity(EntityId::staff(company(name)))
}

fn reserve(reservation: u128) -> Command {
    Command::Name(NameCommand::Reserve {
        name: NAME.into(),
        reservation: Uuid::from_u128(reservation),
    })
}

fn confirm(reservation: u128, account: u64) -> Command {
    Command::Name(NameCommand::Confirm {
        name: NAME.into(),
        reservation: Uuid::from_u128(reservation),
        account: AccountNo(account),
    })
}

fn desk() -> Desk<NamesState> {
    Desk::new(entity_of(NAME))
}

fn code(answer: Result<Answer, frontdesk_protocol::Rejection>) -> ErrorCode {
    answer.expect_err("refused").code
}

#[test]
fn a_name_has_one_holder() {
    let mut desk = desk();
    assert_eq!(desk.one(&somebody(), reserve(1)), Ok(Answer::Done));
    assert_eq!(desk.one(&somebody(), reserve(1)), Ok(Answer::Done));
    assert_eq!(
        code(desk.one(&somebody(), reserve(2))),
        ErrorCode::NameTaken
    );
    for _ in 0..2 {
        desk.one(&staff("TES001"), confirm(1, 7)).expect("taken");
    }
    assert_eq!(
        code(desk.one(&somebody(), reserve(2))),
        ErrorCode::NameTaken
    );
    desk.one(&staff("SPA001"), confirm(1, 7)).expect("told");
    assert_eq!(desk.effects.len(), 1, "it takes the account away");
    let holder: NameHolder = desk.row(&tables::name_key(NAME)).expect("held");
    let (company, account) = (company("TES001"), AccountNo(7));
    assert_eq!(holder, NameHolder::Taken { company, account });
}

#[test]
fn a_reservation_ends_and_a_late_confirmation_counts_where_nobody_came_between() {
    let mut desk = desk();
    desk.one(&somebody(), reserve(1)).expect("kept");
    desk.now.0 += NAME_RESERVED_MS;
    desk.one(&staff("TES001"), confirm(1, 7)).expect("taken");
    assert_eq!(desk.effects, []);

    let mut desk = self::desk();
    desk.one(&somebody(), reserve(1)).expect("kept");
    desk.now.0 += NAME_RESERVED_MS;
    assert_eq!(desk.one(&somebody(), reserve(2)), Ok(Answer::Done));
    for _ in 0..2 {
        desk.one(&staff("TES001"), confirm(1, 7)).expect("told");
        let owed = desk.effects.pop().expect("its staff is owed something");
        assert_eq!(owed.to, EntityId::staff(company("TES001")));
        let account = AccountNo(7);
        assert_eq!(
            owed.command,
            Command::Staff(StaffCommand::Disown { account })
        );
    }
    // The reservation that came between is as it was.
    assert_eq!(
        desk.one(&staff("SPA001"), confirm(2, 9)).map(|_| ()),
        Ok(())
    );
    assert_eq!(desk.effects, []);
    desk.assert_replays();
}

fn cancel(reservation: u128) -> Command {
    Command::Name(NameCommand::Cancel {
        name: NAME.into(),
        reservation: Uuid::from_u128(reservation),
    })
}

#[test]
fn a_reservation_that_is_given_back_leaves_nothing_and_no_other_is() {
    let mut desk = desk();
    desk.one(&somebody(), reserve(1)).expect("kept");
    assert_eq!(desk.one(&somebody(), cancel(2)), Ok(Answer::Done));
    assert_eq!(
        code(desk.one(&somebody(), reserve(2))),
        ErrorCode::NameTaken
    );
    assert_eq!(desk.one(&somebody(), cancel(1)), Ok(Answer::Done));
    assert_eq!(desk.rows.len(), 0);
    desk.one(&somebody(), reserve(2)).expect("kept");
    desk.one(&staff("TES001"), confirm(2, 7)).expect("taken");
    assert_eq!(desk.one(&somebody(), cancel(2)), Ok(Answer::Done));
    let holder: Option<NameHolder> = desk.row(&tables::name_key(NAME));
    assert!(matches!(holder, Some(NameHolder::Taken { .. })));
    desk.assert_replays();
}

#[test]
fn reservations_that_ended_leave_with_what_is_asked_next() {
    let mut desk = desk();
    desk.one(&somebody(), reserve(1)).expect("kept");
    desk.now.0 += NAME_RESERVED_MS;
    let other = Command::Name(NameCommand::Reserve {
        name: "bob@tes.example".into(),
        reservation: Uuid::from_u128(2),
    });
    desk.one(&somebody(), other).expect("kept");
    assert_eq!(desk.row::<NameHolder>(&tables::name_key(NAME)), None);
    assert_eq!(desk.rows.len(), 1);
    desk.assert_replays();
}

#[test]
fn only_the_holder_gives_a_name_back() {
    let mut desk = desk();
    let release = |account| {
        Command::Name(NameCommand::Release {
            name: NAME.into(),
            account: AccountNo(account),
        })
    };
    desk.one(&somebody(), reserve(1)).expect("kept");
    desk.one(&staff("TES001"), confirm(1, 7)).expect("taken");
    desk.one(&staff("SPA001"), release(7)).expect("nothing");
    desk.one(&staff("TES001"), release(8)).expect("nothing");
    assert_eq!(
        code(desk.one(&somebody(), reserve(2))),
        ErrorCode::NameTaken
    );
    desk.one(&staff("TES001"), release(7)).expect("given back");
    assert_eq!(desk.one(&somebody(), reserve(2)), Ok(Answer::Done));
    for command in [confirm(2, 9), release(9)] {
        assert_eq!(code(desk.one(&somebody(), command)), ErrorCode::Forbidden);
    }
}

#[test]
fn names_are_compared_without_case_and_stay_in_their_part() {
    assert_eq!(&*normal("  Ann@TES.Example "), NAME);
    // Never changed: a name would be looked for elsewhere.
    let parts = ["ann@tes.example", "bob@spa.example", "ä@ö.example"].map(entity_of);
    assert_eq!(parts, [4, 10, 7].map(EntityId::names));
}

#[test]
fn letters_that_can_be_typed_in_several_ways_are_one() {
    let composed = normal("\u{e4}nn@x.example");
    for typed in [
        "a\u{308}nn@x.example",
        " \u{c4}NN@X.example ",
        "\u{e4}nn@\u{ff58}.example",
    ] {
        assert_eq!(normal(typed), composed, "{typed:?}");
    }
    assert_eq!(normal(&composed), composed);
    assert_ne!(normal("ann@x.example"), composed);
}
