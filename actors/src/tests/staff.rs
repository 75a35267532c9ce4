//! Companies, their staff and login names over the whole engine: what one entity owes another
//! arrives, whatever crashes in between.

use std::sync::{Arc, Mutex};

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::companies::{CompaniesCommand, CompanyCard};
use frontdesk_protocol::limits::NAME_RESERVED_MS;
use frontdesk_protocol::staff::{NameCommand, PasswordHash, StaffCard, StaffCommand};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, PersonId};
use frontdesk_storage::EntityId;
use frontdesk_storage::testing::{Crash, Verdict};
use uuid::Uuid;

use super::{World, both_modes, company_of, eventually, fresh_cid, refusal};
use crate::Revoked;
use crate::entity::{Answer, Command, Outcome};
use crate::names;
use crate::task::lock;

const EMAIL: &str = "Ann@tes.example";

pub(super) fn root(company: CompanyId) -> Arc<Principal> {
    Arc::new(Principal {
        company,
        person: PersonId::new("root").expect("valid"),
        role: Role::Superadmin,
        card: Card::default(),
    })
}

impl World {
    pub(super) async fn tell(&self, to: EntityId, command: Command) -> Outcome {
        let caller = root(to.company.clone());
        self.node.ask(to, caller, command, fresh_cid()).await
    }

    pub(super) async fn company(&self, name: &str) -> CompanyId {
        let create = CompaniesCommand::CreateCompany {
            id: None,
            card: CompanyCard {
                name: name.into(),
                ..CompanyCard::default()
            },
            plan: None,
        };
        let made = self
            .tell(EntityId::companies(), Command::Companies(create))
            .await;
        let Outcome::Done(Answer::Numbered { number, .. }) = made else {
            panic!("not made: {made:?}");
        };
        let record = self.node.company_by_no(number).await.expect("read");
        record.expect("a record").id
    }

    pub(super) async fn reserve(&self, reservation: Uuid) -> Outcome {
        let name = names::normal(EMAIL);
        let to = names::entity_of(&name);
        let reserve = NameCommand::Reserve { name, reservation };
        self.tell(to, Command::Name(reserve)).await
    }

    pub(super) async fn account(&self, company: &CompanyId, reservation: Uuid) -> Outcome {
        let add = StaffCommand::AddAccount {
            role: Role::Agent,
            card: StaffCard {
                name: "Ann".into(),
                email: EMAIL.into(),
                ..StaffCard::default()
            },
            password: PasswordHash::new("$made"),
            is_first_login: true,
            reservation,
        };
        self.tell(EntityId::staff(company.clone()), Command::Staff(add))
            .await
    }
}

pub(super) fn account_no(outcome: &Outcome) -> AccountNo {
    match outcome {
        Outcome::Done(Answer::Numbered { number, .. }) => AccountNo(*number),
        other => panic!("no account: {other:?}"),
    }
}

both_modes! {
    async fn whoever_is_answered_finds_the_company_and_may_log_in(serialize: bool) {
        let world = World::new(serialize).await;
        let company = world.company("Spacely").await;
        assert_eq!(company.as_str(), "SPA001");
        let reservation = Uuid::from_u128(1);
        assert_eq!(world.reserve(reservation).await, Outcome::Done(Answer::Done));
        let no = account_no(&world.account(&company, reservation).await);
        let holder = world.node.holder_of("ANN@tes.example").await.expect("read");
        assert_eq!(holder, Some((company.clone(), no)));
        let account = world.node.account(&company, no).await.expect("read");
        assert_eq!(&*account.expect("an account").card.email, EMAIL);
        let elsewhere = world.node.account(&company_of("TES001"), no).await;
        assert_eq!(elsewhere.expect("read"), None);
        assert_eq!(refusal(&world.reserve(Uuid::from_u128(2)).await), ErrorCode::NameTaken);
        world.writer_is_idle().await;
        world.all_asleep().await;
    }

    async fn a_name_is_confirmed_after_a_node_died_in_between(serialize: bool) {
        let world = World::new(serialize).await;
        let company = world.company("Spacely").await;
        let reservation = Uuid::from_u128(1);
        world.reserve(reservation).await;
        world.writer_is_idle().await;
        // The account is written; its name's part is not, and tries again for a while.
        world.memory.faults().next_append(Verdict::Pass);
        for _ in 0..6 {
            world.memory.faults().next_append(Verdict::DropAnswerUnknown);
        }
        let staff = EntityId::staff(company.clone());
        let owes = |world: &World| {
            let pending = world.journal().pending().expect("read");
            pending.iter().any(|(entity, _)| *entity == staff)
        };
        let asking = world.account(&company, reservation);
        let written = eventually("the account is written", || owes(&world));
        tokio::select! {
            answer = asking => panic!("answered before its name is confirmed: {answer:?}"),
            () = written => {}
        }
        let reborn = world.reborn(Crash::PowerLoss).await;
        eventually("nothing is owed", || !owes(&reborn)).await;
        let holder = reborn.node.holder_of(EMAIL).await.expect("read");
        let no = AccountNo::of(1, 1).expect("in range");
        assert_eq!(holder, Some((company, no)));
    }

    async fn whoever_is_taken_away_is_announced_and_gives_the_name_back(serialize: bool) {
        let world = World::new(serialize).await;
        let heard: Arc<Mutex<Vec<Revoked>>> = Arc::default();
        let ear = Arc::clone(&heard);
        world.node.heed_revoked(move |revoked| lock(&ear).push(revoked.clone()));
        let company = world.company("Spacely").await;
        let reservation = Uuid::from_u128(1);
        world.reserve(reservation).await;
        let no = account_no(&world.account(&company, reservation).await);
        assert_eq!(*lock(&heard), []);
        let staff = EntityId::staff(company.clone());
        let remove = Command::Staff(StaffCommand::RemoveAccount { account: no });
        assert_eq!(world.tell(staff, remove).await, Outcome::Done(Answer::Done));
        let is_told = |revoked: &Revoked| {
            matches!(revoked, Revoked::Account { account, .. } if *account == no)
        };
        assert!(lock(&heard).iter().any(is_told));
        assert_eq!(world.node.account(&company, no).await.expect("read"), None);
        world.writer_is_idle().await;
        assert_eq!(world.node.holder_of(EMAIL).await.expect("read"), None);
        let close = CompaniesCommand::CloseCompany { id: company.clone(), is_closed: true };
        world.tell(EntityId::companies(), Command::Companies(close)).await;
        assert!(lock(&heard).contains(&Revoked::Company(company)));
    }

    async fn what_a_staff_did_not_live_to_announce_its_successor_does(serialize: bool) {
        let world = World::new(serialize).await;
        let heard: Arc<Mutex<Vec<Revoked>>> = Arc::default();
        let ear = Arc::clone(&heard);
        world.node.heed_revoked(move |revoked| lock(&ear).push(revoked.clone()));
        let company = world.company("Spacely").await;
        let reservation = Uuid::from_u128(1);
        world.reserve(reservation).await;
        let no = account_no(&world.account(&company, reservation).await);
        let staff = EntityId::staff(company.clone());
        world.writer_is_idle().await;
        // The account is taken away, and its staff dies before it hears that this is durable.
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        let remove = Command::Staff(StaffCommand::RemoveAccount { account: no });
        let again = world.tell(staff, remove).await;
        assert_eq!(refusal(&again), ErrorCode::NotFound, "it is gone");
        let is_told = |revoked: &Revoked| {
            matches!(revoked, Revoked::Account { account, .. } if *account == no)
        };
        assert!(lock(&heard).iter().any(is_told));
        let close = CompaniesCommand::CloseCompany { id: company.clone(), is_closed: true };
        world.memory.faults().next_append(Verdict::WriteAnswerUnknown);
        let done = world.tell(EntityId::companies(), Command::Companies(close)).await;
        assert_eq!(done, Outcome::Done(Answer::Done));
        assert!(lock(&heard).contains(&Revoked::Company(company)));
    }

    async fn who_makes_a_company_waits_for_its_staff_although_the_companies_crash(serialize: bool) {
        let world = World::new(serialize).await;
        let companies = EntityId::companies();
        let faults = world.memory.faults();
        faults.next_append(Verdict::Pass);
        for _ in 0..3 {
            faults.next_append(Verdict::DropAnswerUnknown);
        }
        let durable = |entity: &EntityId| world.journal().tail(entity).expect("a tail").pos.0;
        let create = CompaniesCommand::CreateCompany {
            id: None,
            card: CompanyCard { name: "Spacely".into(), ..CompanyCard::default() },
            plan: None,
        };
        let staff = EntityId::staff(company_of("SPA001"));
        let making = async {
            let made = world.tell(companies.clone(), Command::Companies(create)).await;
            assert!(matches!(made, Outcome::Done(_)), "{made:?}");
            assert!(durable(&staff) > 0, "its staff is founded");
        };
        let crashing = async {
            eventually("the company has its record", || durable(&companies) == 1).await;
            world.node.registry.crash(&companies);
        };
        tokio::join!(making, crashing);
        world.all_asleep().await;
    }

    async fn an_account_whose_name_went_to_somebody_else_is_taken_away_again(serialize: bool) {
        let world = World::new(serialize).await;
        let company = world.company("Spacely").await;
        let (late, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        world.reserve(late).await;
        world.clock.advance_ms(NAME_RESERVED_MS);
        world.reserve(other).await;
        let no = account_no(&world.account(&company, late).await);
        // Whoever is answered finds it gone, and what was done in the log.
        assert_eq!(world.node.account(&company, no).await.expect("read"), None);
        let log = world.node.audit(&company, None, 10).await.expect("read");
        let acts: Vec<&str> = log.iter().map(|(_, entry)| entry.act.as_str()).collect();
        assert_eq!(acts, ["account_removed", "account_added"]);
        let next = account_no(&world.account(&company, other).await);
        let holder = world.node.holder_of(EMAIL).await.expect("read");
        assert_eq!(holder, Some((company, next)));
        world.all_asleep().await;
    }
}
