//! Rules of a staff: who may do what to whom, the plan's limit, logins whose tokens count once.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::staff::{
    Account, Availability, NameCommand, PasswordHash, StaffCard, StaffCardChange, StaffCommand,
};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, PersonId, Timestamp};
use frontdesk_storage::EntityId;
use proptest::prelude::*;
use uuid::Uuid;

use super::{AuditEntry, StaffState};
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Rules};
use crate::tests::desk::Desk;

const LIMIT: u32 = 3;

fn company() -> CompanyId {
    CompanyId::new("TES001").expect("valid")
}

fn caller(person: PersonId, role: Role) -> Caller {
    Caller::Person(Arc::new(Principal {
        company: company(),
        person,
        role,
        card: Card::default(),
    }))
}

fn superadmin() -> Caller {
    caller(PersonId::new("root").expect("valid"), Role::Superadmin)
}

fn admin() -> Caller {
    caller(PersonId::new("boss").expect("valid"), Role::Admin)
}

fn owner(no: AccountNo) -> Caller {
    caller(PersonId::of_account(no), Role::Agent)
}

fn add(role: Role, email: &str) -> Command {
    Command::Staff(StaffCommand::AddAccount {
        role,
        card: StaffCard {
            name: email.split('@').next().expect("a part").into(),
            email: email.into(),
            ..StaffCard::default()
        },
        password: PasswordHash::new("$made"),
        is_first_login: true,
        reservation: Uuid::from_u128(7),
    })
}

fn founded() -> Desk<StaffState> {
    let mut desk = Desk::new(EntityId::staff(company()));
    let found = Command::Staff(StaffCommand::Found {
        company_no: 5,
        agent_count_max: Some(LIMIT),
    });
    let companies = Caller::Entity(EntityId::companies());
    assert_eq!(desk.one(&companies, found), Ok(Answer::Done));
    desk
}

fn added(desk: &mut Desk<StaffState>, role: Role, email: &str) -> AccountNo {
    match desk.one(&superadmin(), add(role, email)) {
        Ok(Answer::Numbered { number, .. }) => AccountNo(number),
        other => panic!("not added: {other:?}"),
    }
}

fn code(answer: Result<Answer, frontdesk_protocol::Rejection>) -> ErrorCode {
    answer.expect_err("refused").code
}

fn account(desk: &Desk<StaffState>, no: AccountNo) -> Account {
    desk.row(&tables::account_key(no)).expect("an account")
}

fn choose(no: AccountNo) -> Command {
    Command::Staff(StaffCommand::SetPassword {
        account: no,
        password: PasswordHash::new("$chosen"),
        is_first_login: false,
        as_of: None,
    })
}

/// A password that its owner chooses, having told the one before.
fn choose_own(desk: &mut Desk<StaffState>, no: AccountNo) {
    let choose = Command::Staff(StaffCommand::SetPassword {
        account: no,
        password: PasswordHash::new("$chosen"),
        is_first_login: false,
        as_of: Some(account(desk, no).valid_from),
    });
    assert_eq!(desk.one(&owner(no), choose), Ok(Answer::Done));
}

fn log_in(desk: &Desk<StaffState>, no: AccountNo, family: u128, token: u128) -> Command {
    Command::Staff(StaffCommand::OpenFamily {
        as_of: account(desk, no).valid_from,
        account: no,
        family: Uuid::from_u128(family),
        token: Uuid::from_u128(token),
        expires_at: Timestamp(u64::MAX),
    })
}

fn in_by(
    desk: &mut Desk<StaffState>,
    no: AccountNo,
    family: u128,
    token: u128,
) -> Result<Answer, frontdesk_protocol::Rejection> {
    let command = log_in(desk, no, family, token);
    desk.one(&owner(no), command)
}

fn rotate(no: AccountNo, family: u128, token: u128, next: u128) -> Command {
    Command::Staff(StaffCommand::Rotate {
        account: no,
        family: Uuid::from_u128(family),
        token: Uuid::from_u128(token),
        next: Uuid::from_u128(next),
        expires_at: Timestamp(u64::MAX),
    })
}

#[test]
fn nothing_is_done_in_a_staff_that_was_not_founded() {
    let mut desk: Desk<StaffState> = Desk::new(EntityId::staff(company()));
    let refused = desk.one(&superadmin(), add(Role::Agent, "ann@tes.example"));
    assert_eq!(code(refused), ErrorCode::Unavailable);
    for stranger in [superadmin(), Caller::Entity(EntityId::staff(company()))] {
        let found = Command::Staff(StaffCommand::Found {
            company_no: 1,
            agent_count_max: None,
        });
        assert_eq!(code(desk.one(&stranger, found)), ErrorCode::Forbidden);
    }
}

#[test]
fn accounts_are_numbered_in_the_companys_range_and_owe_their_name() {
    let mut desk = founded();
    let first = added(&mut desk, Role::Admin, "Boss@TES.example");
    let second = added(&mut desk, Role::Agent, "ann@tes.example");
    assert_eq!([first.0, second.0], [5 << 20 | 1, 5 << 20 | 2]);
    assert_eq!((second.company_no(), second.number()), (5, 2));
    let confirmed = desk.effects.iter().map(|effect| effect.command.clone());
    let names: Vec<_> = confirmed
        .map(|command| match command {
            Command::Name(NameCommand::Confirm { name, account, .. }) => (name, account),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names[0], ("boss@tes.example".into(), first));
    assert_eq!(names[1], ("ann@tes.example".into(), second));
    desk.assert_replays();
}

#[test]
fn the_plan_says_how_many_agents_there_are_and_who_goes_makes_room() {
    let mut desk = founded();
    added(&mut desk, Role::Admin, "boss@tes.example");
    let first = added(&mut desk, Role::Agent, "a1@tes.example");
    for number in 2..=LIMIT {
        added(&mut desk, Role::Agent, &format!("a{number}@tes.example"));
    }
    let fourth = || add(Role::Agent, "a4@tes.example");
    let full = desk.one(&admin(), fourth());
    assert_eq!(code(full), ErrorCode::LimitReached);
    let gone = Command::Staff(StaffCommand::RemoveAccount { account: first });
    assert_eq!(desk.one(&admin(), gone.clone()), Ok(Answer::Done));
    assert_eq!(code(desk.one(&admin(), gone)), ErrorCode::NotFound);
    assert!(desk.one(&admin(), fourth()).is_ok());
    desk.assert_replays();
}

#[test]
fn an_admin_governs_agents_and_an_agent_nobody() {
    let mut desk = founded();
    let boss = added(&mut desk, Role::Admin, "boss@tes.example");
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    let bob = added(&mut desk, Role::Agent, "bob@tes.example");
    let rename = |account| {
        Command::Staff(StaffCommand::ChangeAccount {
            account,
            change: StaffCardChange {
                name: Some("Other".into()),
                ..StaffCardChange::default()
            },
        })
    };
    let promote = |account, role| Command::Staff(StaffCommand::SetRole { account, role });
    let free = |account| {
        Command::Staff(StaffCommand::SetAvailability {
            account,
            availability: Availability::Available,
        })
    };
    let forbidden = [
        (admin(), add(Role::Admin, "x@tes.example")),
        (admin(), rename(boss)),
        (admin(), promote(ann, Role::Admin)),
        (admin(), choose(boss)),
        (admin(), free(ann)),
        (owner(ann), add(Role::Agent, "x@tes.example")),
        (owner(ann), rename(bob)),
        (owner(ann), rename(ann)),
        (owner(ann), choose(bob)),
        (owner(ann), free(bob)),
        (owner(ann), log_in(&desk, bob, 1, 1)),
        (superadmin(), promote(ann, Role::Superadmin)),
        (superadmin(), promote(ann, Role::Visitor)),
        (superadmin(), log_in(&desk, ann, 1, 1)),
    ];
    for (who, what) in forbidden {
        let refused = desk.one(&who, what.clone());
        assert_eq!(code(refused), ErrorCode::Forbidden, "{who:?} {what:?}");
    }
    let allowed = [
        (admin(), rename(ann)),
        (admin(), choose(ann)),
        (superadmin(), promote(ann, Role::Admin)),
        (superadmin(), promote(ann, Role::Agent)),
        (owner(bob), free(bob)),
    ];
    for (who, what) in allowed {
        assert_eq!(desk.one(&who, what.clone()), Ok(Answer::Done), "{what:?}");
    }
    assert_eq!(account(&desk, bob).availability, Availability::Available);
    desk.assert_replays();
}

#[test]
fn every_administrative_act_is_in_the_log_and_nothing_leaves_it() {
    let mut desk = founded();
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    desk.one(&admin(), choose(ann)).expect("reset");
    choose_own(&mut desk, ann);
    desk.one(
        &superadmin(),
        Command::Staff(StaffCommand::RemoveAccount { account: ann }),
    )
    .expect("removed");
    let (from, to) = tables::audit_bounds();
    let log: Vec<(String, String)> = desk
        .rows
        .range(from..to)
        .map(|(_, value)| tables::read::<AuditEntry>(value).expect("an entry"))
        .map(|entry| (entry.act, entry.by.to_string()))
        .collect();
    let own = PersonId::of_account(ann).to_string();
    let said = [
        ("account_added", "root"),
        ("password_reset", "boss"),
        ("password_chosen", &own),
        ("account_removed", "root"),
    ];
    assert_eq!(log, said.map(|(act, by)| (act.to_owned(), by.to_owned())));
}

#[test]
fn a_made_password_opens_nothing_but_its_own_change() {
    let mut desk = founded();
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    let refused = in_by(&mut desk, ann, 1, 1);
    assert_eq!(code(refused), ErrorCode::FirstLogin);
    choose_own(&mut desk, ann);
    assert_eq!(in_by(&mut desk, ann, 1, 1), Ok(Answer::Done));
}

#[test]
fn a_refresh_token_that_comes_twice_ends_its_login_and_no_other() {
    let mut desk = founded();
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    choose_own(&mut desk, ann);
    for family in [1, 2] {
        in_by(&mut desk, ann, family, 10 * family).expect("in");
    }
    let went_on = Ok(Answer::Rotated { is_reuse: false });
    assert_eq!(desk.one(&owner(ann), rotate(ann, 1, 10, 11)), went_on);
    let reused = Ok(Answer::Rotated { is_reuse: true });
    assert_eq!(desk.one(&owner(ann), rotate(ann, 1, 10, 12)), reused);
    let over = desk.one(&owner(ann), rotate(ann, 1, 11, 13));
    assert_eq!(code(over), ErrorCode::Unauthenticated);
    assert_eq!(desk.one(&owner(ann), rotate(ann, 2, 20, 21)), went_on);
}

#[test]
fn a_new_password_ends_every_login_from_before() {
    let mut desk = founded();
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    choose_own(&mut desk, ann);
    in_by(&mut desk, ann, 1, 10).expect("in");
    // In the same moment: what ends a login is no clock.
    desk.one(&admin(), choose(ann)).expect("reset");
    let over = desk.one(&owner(ann), rotate(ann, 1, 10, 11));
    assert_eq!(code(over), ErrorCode::Unauthenticated);
}

#[test]
fn what_was_decided_before_a_crash_is_decided_again_alike() {
    let mut desk = founded();
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    choose_own(&mut desk, ann);
    for _ in 0..2 {
        assert_eq!(in_by(&mut desk, ann, 1, 10), Ok(Answer::Done));
    }
    let went_on = Ok(Answer::Rotated { is_reuse: false });
    for _ in 0..2 {
        assert_eq!(desk.one(&owner(ann), rotate(ann, 1, 10, 11)), went_on);
    }
    assert_eq!(desk.one(&owner(ann), rotate(ann, 1, 11, 12)), went_on);
    let repeat = desk.state.repeat(
        &Asked {
            entity: &desk.entity,
            caller: &superadmin(),
            cid: frontdesk_protocol::Cid::from_digest([1; 16]),
            command: &add(Role::Agent, "ann@tes.example"),
        },
        ann.0,
        desk.now,
    );
    let Answer::Numbered { owed_to, .. } = repeat else {
        panic!("{repeat:?}");
    };
    assert_eq!(owed_to, Some(crate::names::entity_of("ann@tes.example")));
}

#[test]
fn a_password_that_was_checked_before_a_change_opens_nothing_after_it() {
    let mut desk = founded();
    let ann = added(&mut desk, Role::Agent, "ann@tes.example");
    choose_own(&mut desk, ann);
    let late = log_in(&desk, ann, 1, 10);
    let late_choice = Command::Staff(StaffCommand::SetPassword {
        account: ann,
        password: PasswordHash::new("$stolen"),
        is_first_login: false,
        as_of: Some(account(&desk, ann).valid_from),
    });
    desk.one(&admin(), choose(ann)).expect("reset");
    for command in [late, late_choice] {
        let refused = desk.one(&owner(ann), command);
        assert_eq!(code(refused), ErrorCode::Unauthenticated);
    }
}

proptest! {
    /// Tokens of one login, the one that counts or an older one, in one batch or in many: only an
    /// unbroken chain goes on, and after the first that came too late nothing does.
    #[test]
    fn of_a_logins_tokens_one_counts(
        brought in prop::collection::vec(prop::bool::weighted(0.8), 1..12),
        batched: bool,
    ) {
        let mut desk = founded();
        let ann = added(&mut desk, Role::Agent, "ann@tes.example");
        choose_own(&mut desk, ann);
        in_by(&mut desk, ann, 1, 100).expect("in");
        let (mut counts, mut used, mut is_over) = (100, 99, false);
        let mut commands = Vec::new();
        let mut expected = Vec::new();
        for (at, is_right) in brought.iter().enumerate() {
            let (token, next) = (if *is_right { counts } else { used }, 101 + at as u128);
            commands.push((owner(ann), rotate(ann, 1, token, next)));
            expected.push(match (is_over, is_right) {
                (true, _) => Err(ErrorCode::Unauthenticated),
                (false, true) => {
                    (used, counts) = (counts, next);
                    Ok(Answer::Rotated { is_reuse: false })
                }
                (false, false) => {
                    is_over = true;
                    Ok(Answer::Rotated { is_reuse: true })
                }
            });
        }
        let answers = match batched {
            true => desk.batch(&commands),
            false => commands
                .iter()
                .map(|(who, what)| desk.one(who, what.clone()))
                .collect(),
        };
        let answers: Vec<_> = answers
            .into_iter()
            .map(|answer| answer.map_err(|why| why.code))
            .collect();
        prop_assert_eq!(answers, expected);
    }

    /// Whatever is done by whom, the count of agents is that of the rows, and never above the plan.
    #[test]
    fn the_count_of_agents_is_that_of_the_accounts(
        steps in prop::collection::vec((0_u8..5, 0_u64..6), 1..40),
    ) {
        let mut desk = founded();
        let mut roles: BTreeMap<AccountNo, Role> = BTreeMap::new();
        for (step, which) in steps {
            let account = AccountNo::of(5, which + 1).expect("in range");
            let command = match step {
                0 => add(Role::Agent, "a@tes.example"),
                1 => add(Role::Admin, "b@tes.example"),
                2 => Command::Staff(StaffCommand::RemoveAccount { account }),
                3 => Command::Staff(StaffCommand::SetRole { account, role: Role::Agent }),
                _ => Command::Staff(StaffCommand::SetRole { account, role: Role::Admin }),
            };
            let answer = desk.one(&superadmin(), command);
            match (step, answer) {
                (0, Ok(Answer::Numbered { number, .. })) => {
                    roles.insert(AccountNo(number), Role::Agent);
                }
                (1, Ok(Answer::Numbered { number, .. })) => {
                    roles.insert(AccountNo(number), Role::Admin);
                }
                (2, Ok(_)) => drop(roles.remove(&account)),
                (3, Ok(_)) => drop(roles.insert(account, Role::Agent)),
                (4, Ok(_)) => drop(roles.insert(account, Role::Admin)),
                _ => {}
            }
            let agents = roles.values().filter(|role| **role == Role::Agent).count();
            prop_assert!(agents <= LIMIT as usize);
            prop_assert_eq!(desk.state.agent_count as usize, agents);
        }
        desk.assert_replays();
    }
}
