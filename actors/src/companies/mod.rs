//! The companies of an installation and their plans. Pure rules; the engine around them is in
//! [`crate::entity`].
//!
//! Invariants:
//! 1. A company's number and id are given once; a closed company keeps both.
//! 2. An id without a given one is three letters of the name and the next number of those letters.
//! 3. A company that was made has its staff founded, whatever crashes in between.
//! 4. Everything that is done stands in the installation's audit log.
//!
//! Never: acts in a company; its staff and rooms are its own.

#[cfg(test)]
mod tests;

mod founding;
mod ids;
mod origins;

use std::sync::Arc;

use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::companies::{
    CompaniesCommand, CompaniesEvent, CompanyAct, CompanyCard, CompanyCardChange, CompanyRecord,
    Plan,
};
use frontdesk_protocol::limits::COMPANY_COUNT_MAX;
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, Rejection, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Row};
use serde::{Deserialize, Serialize};

use crate::bus::{BusMessage, Revoked};
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Effect, Known, Rules, Written};
use crate::staff::{AuditEntry, check_name, check_texts};

/// The companies' state; serialised it is the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompaniesState {
    /// Numbers given to companies.
    company_count: u64,
    /// Numbers given to plans.
    plan_count: u64,
    /// Entries of the audit log.
    audit_count: u64,
    /// What this batch changed.
    #[serde(skip)]
    written: Written,
}

impl Rules for CompaniesState {
    type Event = CompaniesEvent;

    const STATE_VERSION: u32 = 1;

    fn new(_entity: &EntityId) -> Self {
        Self::default()
    }

    fn begin_batch(&mut self) {
        self.written.clear();
    }

    fn lookups(&self, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        let Command::Companies(command) = asked.command else {
            return Vec::new();
        };
        let plan_key = |plan: &Option<u64>| plan.map(tables::plan_key);
        match command {
            CompaniesCommand::CreateCompany { id, card, plan } => {
                let letters = ids::letters(id.as_ref(), &card.name);
                let keys = [
                    letters.map(|letters| tables::prefix_key(&letters)),
                    id.as_ref().map(tables::company_key),
                    plan_key(plan),
                ];
                keys.into_iter().flatten().collect()
            }
            CompaniesCommand::AssignPlan { id, plan } => {
                let company = Some(tables::company_key(id));
                company.into_iter().chain(plan_key(plan)).collect()
            }
            CompaniesCommand::ChangeCompany { id, .. }
            | CompaniesCommand::SetAdmin { id, .. }
            | CompaniesCommand::CloseCompany { id, .. } => vec![tables::company_key(id)],
            CompaniesCommand::CreatePlan { .. } | CompaniesCommand::NoteOrigins { .. } => {
                Vec::new()
            }
        }
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompaniesEvent>, Rejection> {
        let command = match asked.command {
            Command::Companies(command) => command,
            Command::Wake => return Ok(Decided::nothing(Answer::Done)),
            _ => return Err(Rejection::new(ErrorCode::NotSupported)),
        };
        if let CompaniesCommand::NoteOrigins { origins } = command {
            return origins::note(asked.caller, origins);
        }
        let caller = superadmin(asked.caller)?;
        match command {
            CompaniesCommand::NoteOrigins { .. } => Err(Rejection::new(ErrorCode::Internal)),
            CompaniesCommand::CreateCompany { id, card, plan } => {
                self.create(caller, id.as_ref(), card, *plan, known, now)
            }
            CompaniesCommand::CreatePlan { .. } => self.create_plan(caller, command, now),
            CompaniesCommand::ChangeCompany { id, change } => {
                let mut record = self.company(id, known)?;
                if !apply_change(&mut record.card, change) {
                    return Ok(Decided::nothing(Answer::Done));
                }
                check_card(&record.card)?;
                Ok(self.company_set(caller, CompanyAct::Changed, record, None, now))
            }
            CompaniesCommand::AssignPlan { id, plan } => {
                let mut record = self.company(id, known)?;
                let agent_count_max = self.agent_count_max(*plan, known)?;
                record.plan = *plan;
                let act = CompanyAct::PlanAssigned;
                Ok(self.company_set(caller, act, record, agent_count_max, now))
            }
            CompaniesCommand::SetAdmin { id, admin } => {
                self.set_admin(caller, self.company(id, known)?, *admin, now)
            }
            CompaniesCommand::CloseCompany { id, is_closed } => {
                let mut record = self.company(id, known)?;
                if record.is_closed == *is_closed {
                    return Ok(Decided::nothing(Answer::Done));
                }
                record.is_closed = *is_closed;
                let act = match is_closed {
                    true => CompanyAct::Closed,
                    false => CompanyAct::Reopened,
                };
                Ok(self.company_set(caller, act, record, None, now))
            }
        }
    }

    fn repeat(&self, asked: &Asked<'_>, number: u64, _at: Timestamp) -> Answer {
        // Only making a company or a plan is remembered. Which id a company was given is not, and
        // the founding that it waits for has its number.
        let owed_to = match asked.command {
            Command::Companies(CompaniesCommand::CreateCompany { .. }) => Some(asked.entity),
            _ => None,
        };
        let owed_to = owed_to.cloned();
        Answer::Numbered { number, owed_to }
    }

    fn waits_for(&self, _entity: &EntityId, answer: &Answer) -> Option<EntityId> {
        match answer {
            Answer::Numbered { owed_to, .. } => owed_to.clone(),
            _ => None,
        }
    }

    fn is_awaited(&self, other: &EntityId, answer: &Answer, effect: &Effect) -> bool {
        let (Answer::Numbered { number, .. }, EntityKind::Companies) = (answer, other.kind) else {
            return effect.to == *other;
        };
        matches!(
            &effect.command,
            Command::Staff(StaffCommand::Found { company_no, .. }) if company_no == number
        )
    }

    fn apply(&mut self, event: &CompaniesEvent) {
        match event {
            CompaniesEvent::CompanySet { record, audit, .. } => {
                self.company_count = self.company_count.max(record.no);
                self.audit_count = *audit;
            }
            CompaniesEvent::PlanSet { plan, audit, .. } => {
                self.plan_count = self.plan_count.max(plan.no);
                self.audit_count = *audit;
            }
            CompaniesEvent::OriginsNoted { .. } => {}
        }
        self.written.take(rows_of(event));
    }

    fn rows(&self, _entity: &EntityId, event: &CompaniesEvent) -> Vec<Row> {
        rows_of(event)
    }

    fn effects(&self, _entity: &EntityId, event: &CompaniesEvent) -> Vec<Effect> {
        let CompaniesEvent::CompanySet {
            act: CompanyAct::Created | CompanyAct::PlanAssigned,
            record,
            agent_count_max,
            ..
        } = event
        else {
            return Vec::new();
        };
        vec![Effect {
            to: EntityId::staff(record.id.clone()),
            command: Command::Staff(StaffCommand::Found {
                company_no: record.no,
                agent_count_max: *agent_count_max,
            }),
        }]
    }

    fn spread(_entity: &EntityId, event: &CompaniesEvent) -> Option<BusMessage> {
        origins::spread(event)
    }

    fn announce(event: &CompaniesEvent) -> Option<Revoked> {
        match event {
            CompaniesEvent::CompanySet {
                act: CompanyAct::Closed,
                record,
                ..
            } => Some(Revoked::Company(record.id.clone())),
            _ => None,
        }
    }
}

impl CompaniesState {
    fn create_plan(
        &self,
        caller: &Principal,
        command: &CompaniesCommand,
        now: Timestamp,
    ) -> Result<Decided<CompaniesEvent>, Rejection> {
        let CompaniesCommand::CreatePlan {
            name,
            agent_count_max,
            price,
        } = command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        check_texts([("plan_name", name), ("price", price)])?;
        if name.trim().is_empty() {
            let why = "plan_name: is empty";
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        let plan = Plan {
            no: self.plan_count + 1,
            name: Arc::clone(name),
            agent_count_max: *agent_count_max,
            price: Arc::clone(price),
            is_withdrawn: false,
        };
        Ok(self.plan_set(caller, plan, now))
    }

    fn company(&self, id: &CompanyId, known: &Known) -> Result<CompanyRecord, Rejection> {
        let found = self.written.row(known, &tables::company_key(id));
        found.ok_or_else(|| Rejection::because(ErrorCode::NotFound, "no such company"))
    }

    fn agent_count_max(&self, plan: Option<u64>, known: &Known) -> Result<Option<u32>, Rejection> {
        let Some(no) = plan else { return Ok(None) };
        let plan: Option<Plan> = self.written.row(known, &tables::plan_key(no));
        let plan = plan.ok_or_else(|| Rejection::because(ErrorCode::NotFound, "no such plan"))?;
        Ok(Some(plan.agent_count_max))
    }

    fn create(
        &self,
        caller: &Principal,
        id: Option<&CompanyId>,
        card: &CompanyCard,
        plan: Option<u64>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompaniesEvent>, Rejection> {
        check_card(card)?;
        if let Some(id) = id {
            if ids::is_reserved(id) {
                let why = "id: is kept for other uses";
                return Err(Rejection::because(ErrorCode::BadField, why));
            }
            if let Ok(record) = self.company(id, known) {
                return Ok(Decided::nothing(Answer::Numbered {
                    number: record.no,
                    owed_to: Some(EntityId::staff(record.id)),
                }));
            }
        }
        if self.company_count >= COMPANY_COUNT_MAX {
            return Err(Rejection::new(ErrorCode::LimitReached));
        }
        let agent_count_max = self.agent_count_max(plan, known)?;
        let letters = ids::letters(id, &card.name);
        let last = letters.as_ref().and_then(|letters| {
            let key = tables::prefix_key(letters);
            self.written.row::<u64>(known, &key)
        });
        let next = last.unwrap_or_default() + 1;
        let made = || ids::made_of(letters.as_deref()?, next);
        let id = id.cloned().or_else(made);
        let id = id.ok_or_else(|| Rejection::new(ErrorCode::LimitReached))?;
        let letters_last = ids::parts(&id).map(|(_, number)| number.max(next - 1));
        let owed_to = Some(EntityId::staff(id.clone()));
        let record = CompanyRecord {
            id,
            no: self.company_count + 1,
            card: card.clone(),
            plan,
            admin: None,
            created_at: now,
            is_closed: false,
        };
        let number = record.no;
        let act = CompanyAct::Created;
        let mut decided = self.company_set(caller, act, record, agent_count_max, now);
        if let Some(CompaniesEvent::CompanySet {
            letters_last: of, ..
        }) = decided.events.first_mut()
        {
            *of = letters_last;
        }
        Ok(Decided {
            answer: Answer::Numbered { number, owed_to },
            remember: Some(number),
            ..decided
        })
    }

    fn set_admin(
        &self,
        caller: &Principal,
        mut record: CompanyRecord,
        admin: AccountNo,
        now: Timestamp,
    ) -> Result<Decided<CompaniesEvent>, Rejection> {
        if admin.company_no() != record.no {
            let why = "admin: of another company";
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        if record.admin == Some(admin) {
            return Ok(Decided::nothing(Answer::Done));
        }
        record.admin = Some(admin);
        Ok(self.company_set(caller, CompanyAct::AdminSet, record, None, now))
    }

    fn company_set(
        &self,
        caller: &Principal,
        act: CompanyAct,
        record: CompanyRecord,
        agent_count_max: Option<u32>,
        now: Timestamp,
    ) -> Decided<CompaniesEvent> {
        Decided {
            events: vec![CompaniesEvent::CompanySet {
                at: now,
                by: caller.person.clone(),
                act,
                record,
                agent_count_max,
                letters_last: None,
                audit: self.audit_count + 1,
            }],
            answer: Answer::Done,
            remember: None,
        }
    }

    fn plan_set(&self, caller: &Principal, plan: Plan, now: Timestamp) -> Decided<CompaniesEvent> {
        let number = plan.no;
        Decided {
            events: vec![CompaniesEvent::PlanSet {
                at: now,
                by: caller.person.clone(),
                plan,
                audit: self.audit_count + 1,
            }],
            answer: Answer::Numbered {
                number,
                owed_to: None,
            },
            remember: Some(number),
        }
    }
}

fn rows_of(event: &CompaniesEvent) -> Vec<Row> {
    let audit = |at: &Timestamp, by: &_, act: &str, subject: String, number: u64| {
        let entry = AuditEntry {
            at: *at,
            by: frontdesk_protocol::PersonId::clone(by),
            act: act.to_owned(),
            account: None,
            subject: Some(subject),
        };
        tables::set(tables::company_audit_key(number), &entry)
    };
    match event {
        CompaniesEvent::CompanySet {
            at,
            by,
            act,
            record,
            letters_last,
            audit: number,
            ..
        } => {
            let mut rows = vec![
                tables::set(tables::company_key(&record.id), record),
                audit(at, by, act.as_str(), record.id.to_string(), *number),
            ];
            if *act == CompanyAct::Created {
                rows.push(tables::set(
                    tables::company_number_key(record.no),
                    &record.id,
                ));
                if let (Some((letters, _)), Some(last)) = (ids::parts(&record.id), letters_last) {
                    rows.push(tables::set(tables::prefix_key(letters), last));
                }
            }
            rows
        }
        CompaniesEvent::PlanSet {
            at,
            by,
            plan,
            audit: number,
        } => vec![
            tables::set(tables::plan_key(plan.no), plan),
            audit(at, by, "plan_set", plan.no.to_string(), *number),
        ],
        CompaniesEvent::OriginsNoted { company, origins } => {
            vec![origins::row_of(company, origins)]
        }
    }
}

fn superadmin(caller: &Caller) -> Result<&Principal, Rejection> {
    match caller {
        Caller::Person(caller)
            if caller.role == Role::Superadmin && caller.company.is_installation() =>
        {
            Ok(caller)
        }
        _ => Err(Rejection::new(ErrorCode::Forbidden)),
    }
}

/// Whether anything changed.
fn apply_change(card: &mut CompanyCard, change: &CompanyCardChange) -> bool {
    let older = card.clone();
    let take = |field: &mut Arc<str>, new: &Option<Arc<str>>| {
        if let Some(new) = new {
            *field = Arc::clone(new);
        }
    };
    take(&mut card.name, &change.name);
    take(&mut card.email, &change.email);
    take(&mut card.address, &change.address);
    take(&mut card.contact_person, &change.contact_person);
    take(&mut card.contact_number, &change.contact_number);
    take(&mut card.phone_number, &change.phone_number);
    *card != older
}

fn check_card(card: &CompanyCard) -> Result<(), Rejection> {
    check_name(&card.name)?;
    check_texts([
        ("name", &card.name),
        ("email", &card.email),
        ("address", &card.address),
        ("contact_person", &card.contact_person),
        ("contact_number", &card.contact_number),
        ("phone_number", &card.phone_number),
    ])
}
