//! Rules of the installation's companies: ids and numbers given once, plans, who may.

use std::collections::BTreeSet;
use std::sync::Arc;

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::companies::{CompaniesCommand, CompanyCard, CompanyRecord};
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_protocol::{CompanyId, ErrorCode, PersonId};
use frontdesk_storage::EntityId;
use proptest::prelude::*;

use super::{CompaniesState, ids};
use crate::company::tables;
use crate::entity::{Answer, Caller, Command};
use crate::tests::desk::Desk;

fn caller(company: CompanyId, role: Role) -> Caller {
    Caller::Person(Arc::new(Principal {
        company,
        person: PersonId::new("root").expect("valid"),
        role,
        card: Card::default(),
    }))
}

fn superadmin() -> Caller {
    caller(CompanyId::installation(), Role::Superadmin)
}

fn create(id: Option<&str>, name: &str, plan: Option<u64>) -> Command {
    Command::Companies(CompaniesCommand::CreateCompany {
        id: id.map(|id| CompanyId::new(id).expect("valid")),
        card: CompanyCard {
            name: name.into(),
            ..CompanyCard::default()
        },
        plan,
    })
}

fn desk() -> Desk<CompaniesState> {
    Desk::new(EntityId::companies())
}

fn number(answer: Result<Answer, frontdesk_protocol::Rejection>) -> u64 {
    match answer {
        Ok(Answer::Numbered { number, .. }) => number,
        other => panic!("no number: {other:?}"),
    }
}

fn id_of(desk: &Desk<CompaniesState>, number: u64) -> CompanyId {
    desk.row(&tables::company_number_key(number))
        .expect("an id")
}

#[test]
fn ids_are_three_letters_and_the_next_number_of_those() {
    let mut desk = desk();
    let names = ["Tesla", "SpaceX", "Tesco", "4 You", "Ö", "tes"];
    let commands = names.map(|name| (superadmin(), create(None, name, None)));
    let numbers: Vec<u64> = desk.batch(&commands).into_iter().map(number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let ids = numbers
        .iter()
        .map(|number| id_of(&desk, *number).to_string());
    let ids: Vec<_> = ids.collect();
    assert_eq!(
        ids,
        ["TES001", "SPA001", "TES002", "YOU001", "XXX001", "TES003"]
    );
    desk.assert_replays();
}

#[test]
fn a_given_id_is_kept_and_the_next_made_one_goes_round_it() {
    let mut desk = desk();
    let first = number(desk.one(&superadmin(), create(Some("TES041"), "Tesla", None)));
    let again = number(desk.one(&superadmin(), create(Some("TES041"), "Tesla", None)));
    assert_eq!((first, again), (1, 1));
    let made = number(desk.one(&superadmin(), create(None, "Tesla", None)));
    assert_eq!(id_of(&desk, made).as_str(), "TES042");
    let installation = CompanyId::installation();
    for kept in [installation.as_str(), "__FRONTDESK", "me", "ME"] {
        let refused = desk.one(&superadmin(), create(Some(kept), "x", None));
        let code = refused.expect_err("refused").code;
        assert_eq!(code, ErrorCode::BadField, "{kept}");
    }
}

#[test]
fn a_company_owes_its_staff_the_number_and_the_plans_limit() {
    let mut desk = desk();
    let plan = Command::Companies(CompaniesCommand::CreatePlan {
        name: "Basic".into(),
        agent_count_max: 4,
        price: "49.00".into(),
    });
    let plan = number(desk.one(&superadmin(), plan));
    let no_plan = desk.one(&superadmin(), create(None, "Tesla", Some(plan + 1)));
    assert_eq!(no_plan.expect_err("refused").code, ErrorCode::NotFound);
    number(desk.one(&superadmin(), create(None, "Tesla", Some(plan))));
    let owed = desk.effects.last().expect("owed");
    assert_eq!(
        owed.to,
        EntityId::staff(CompanyId::new("TES001").expect("valid"))
    );
    let found = Command::Staff(StaffCommand::Found {
        company_no: 1,
        agent_count_max: Some(4),
    });
    assert_eq!(owed.command, found);
}

#[test]
fn only_a_superadmin_of_the_installation_may() {
    let mut desk = desk();
    let elsewhere = CompanyId::new("TES001").expect("valid");
    let strangers = [
        caller(CompanyId::installation(), Role::Admin),
        caller(elsewhere, Role::Superadmin),
        Caller::Entity(EntityId::companies()),
    ];
    for stranger in strangers {
        let refused = desk.one(&stranger, create(None, "Tesla", None));
        assert_eq!(refused.expect_err("refused").code, ErrorCode::Forbidden);
    }
}

#[test]
fn a_closed_company_keeps_its_id_and_can_be_opened_again() {
    let mut desk = desk();
    number(desk.one(&superadmin(), create(None, "Tesla", None)));
    let id = CompanyId::new("TES001").expect("valid");
    for is_closed in [true, true, false] {
        let id = id.clone();
        let close = Command::Companies(CompaniesCommand::CloseCompany { id, is_closed });
        assert_eq!(desk.one(&superadmin(), close), Ok(Answer::Done));
        let key = tables::company_key(&CompanyId::new("TES001").expect("valid"));
        let record: CompanyRecord = desk.row(&key).expect("a record");
        assert_eq!(record.is_closed, is_closed);
    }
    // Closing twice is closing once.
    assert_eq!(desk.history.len(), 3);
    desk.assert_replays();
}

proptest! {
    #[test]
    fn no_two_companies_have_one_id(
        names in prop::collection::vec("[A-Ca-c]{1,4}", 1..30),
        given in prop::collection::vec(prop::option::of("[AB]{3}00[1-4]"), 30),
    ) {
        let mut desk = desk();
        let commands: Vec<_> = names
            .iter()
            .zip(&given)
            .map(|(name, id)| (superadmin(), create(id.as_deref(), name, None)))
            .collect();
        let (first, second) = commands.split_at(commands.len() / 2);
        let mut numbers = BTreeSet::new();
        for batch in [first, second] {
            numbers.extend(desk.batch(batch).into_iter().map(number));
        }
        let found: BTreeSet<CompanyId> = numbers.iter().map(|no| id_of(&desk, *no)).collect();
        prop_assert_eq!(found.len(), numbers.len());
        desk.assert_replays();
    }

    #[test]
    fn ids_come_apart_as_they_were_made(letters in "[A-Z]{3}", number in 1_u64..100_000) {
        let id = ids::made_of(&letters, number).expect("valid");
        prop_assert_eq!(ids::parts(&id), Some((letters.as_str(), number)));
    }
}
