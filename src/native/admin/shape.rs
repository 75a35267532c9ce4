//! What accounts, companies, plans and the audit log look like in the native API, and its pages.
//!
//! Never: shows a password's hash.

use frontdesk_actors::AuditEntry;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::companies::{CompanyRecord, Plan};
use frontdesk_protocol::staff::Account;
use frontdesk_protocol::{CompanyId, ErrorCode, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::passwords::Password;
use crate::http::ApiError;
use crate::http::fields::{Count, Whole};
use crate::http::schemas::{CountSchema, WholeSchema};

/// Entries of a page unless a client asks for another number: two screens.
const PAGE_COUNT: usize = 50;
/// Entries of a page at most: what is read for one answer.
const PAGE_COUNT_MAX: usize = 100;

/// Which page is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AfterQuery {
    /// `next` of the page before.
    #[param(value_type = Option<WholeSchema>, inline)]
    after: Option<Whole>,
    /// At most so many; 50 unasked, 100 at most.
    #[param(value_type = Option<CountSchema>, inline)]
    limit: Option<Count>,
}

/// Which page is wanted, of what comes the newest first.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BeforeQuery {
    /// `next` of the page before.
    #[param(value_type = Option<WholeSchema>, inline)]
    before: Option<Whole>,
    /// At most so many; 50 unasked, 100 at most.
    #[param(value_type = Option<CountSchema>, inline)]
    limit: Option<Count>,
}

fn limit_of(limit: Option<Count>) -> usize {
    let wanted = limit.map(|Count(count)| usize::try_from(count).unwrap_or(usize::MAX));
    wanted.unwrap_or(PAGE_COUNT).min(PAGE_COUNT_MAX)
}

impl AfterQuery {
    /// The number it begins behind.
    pub(super) fn after(&self) -> u64 {
        self.after.map_or(0, |Whole(after)| after)
    }

    /// How many are read: one more than is shown, which tells whether there are more.
    pub(super) fn read_count(&self) -> usize {
        limit_of(self.limit) + 1
    }

    /// The page of what was read.
    pub(super) fn page<T, U>(
        &self,
        read: &[T],
        number: impl Fn(&T) -> u64,
        show: impl Fn(&T) -> U,
    ) -> (Vec<U>, Option<u64>) {
        page(read, limit_of(self.limit), number, show)
    }
}

impl BeforeQuery {
    /// The number it ends before.
    pub(super) fn before(&self) -> Option<u64> {
        self.before.map(|Whole(before)| before)
    }

    /// How many are read: one more than is shown, which tells whether there are more.
    pub(super) fn read_count(&self) -> usize {
        limit_of(self.limit) + 1
    }

    /// The page of what was read.
    pub(super) fn page(&self, read: &[(u64, AuditEntry)]) -> AuditPage {
        let (entries, next) = page(read, limit_of(self.limit), |(number, _)| *number, shown_act);
        AuditPage { entries, next }
    }
}

fn page<T, U>(
    read: &[T],
    limit: usize,
    number: impl Fn(&T) -> u64,
    show: impl Fn(&T) -> U,
) -> (Vec<U>, Option<u64>) {
    let shown = &read[..read.len().min(limit)];
    let has_more = read.len() > limit;
    let next = shown.last().filter(|_| has_more).map(number);
    (shown.iter().map(show).collect(), next)
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownAccount {
    /// Its number in the installation.
    id: u64,
    /// `agent`, `admin` or `superadmin`.
    role: &'static str,
    name: String,
    email: String,
    phone: String,
    specialization: String,
    /// `AVAILABLE`, `BUSY` or `OFFLINE`.
    availability: &'static str,
    /// The password was made by somebody else and opens nothing but its own change.
    is_first_login: bool,
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    created_at: Timestamp,
    /// When its owner did something last.
    #[schema(value_type = u64)]
    active_at: Timestamp,
}

pub(super) fn shown_account(account: &Account) -> ShownAccount {
    ShownAccount {
        id: account.no.0,
        role: account.role.as_str(),
        name: account.card.name.to_string(),
        email: account.card.email.to_string(),
        phone: account.card.phone.to_string(),
        specialization: account.card.specialization.to_string(),
        availability: account.availability.as_str(),
        is_first_login: account.is_first_login,
        created_at: account.created_at,
        active_at: account.active_at,
    }
}

/// An account that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeAccount {
    account: ShownAccount,
    /// To be changed at the first login. Nobody can read it again.
    password: String,
}

pub(super) fn made_account((account, password): &(Account, Password)) -> MadeAccount {
    MadeAccount {
        account: shown_account(account),
        password: password.expose().to_owned(),
    }
}

/// A role of an account, as clients write it.
pub(super) fn role_of(text: &str) -> Result<Role, ApiError> {
    match Role::parse(text) {
        Some(role @ (Role::Agent | Role::Admin | Role::Superadmin)) => Ok(role),
        _ => {
            let why = "role: expected agent, admin or superadmin";
            Err(ApiError::because(ErrorCode::BadField, why))
        }
    }
}

/// A company.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownCompany {
    id: String,
    /// Its number in the installation, from 1.
    no: u64,
    name: String,
    email: String,
    address: String,
    contact_person: String,
    contact_number: String,
    phone_number: String,
    /// The plan it is on.
    plan: Option<u64>,
    /// The account of its first admin.
    admin: Option<u64>,
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    created_at: Timestamp,
    /// No token speaks for it.
    is_closed: bool,
}

pub(super) fn shown_company(record: &CompanyRecord) -> ShownCompany {
    let card = &record.card;
    ShownCompany {
        id: record.id.to_string(),
        no: record.no,
        name: card.name.to_string(),
        email: card.email.to_string(),
        address: card.address.to_string(),
        contact_person: card.contact_person.to_string(),
        contact_number: card.contact_number.to_string(),
        phone_number: card.phone_number.to_string(),
        plan: record.plan,
        admin: record.admin.map(|admin| admin.0),
        created_at: record.created_at,
        is_closed: record.is_closed,
    }
}

/// The company of an account; none for those who run the installation.
pub(super) fn shown_id(company: &CompanyId) -> Option<String> {
    (!company.is_installation()).then(|| company.to_string())
}

/// A plan.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownPlan {
    /// Its number in the installation, from 1.
    id: u64,
    name: String,
    /// Agents a company on it may have.
    agent_count_max: u32,
    /// As text: `49.00`.
    price: String,
}

pub(super) fn shown_plan(plan: &Plan) -> ShownPlan {
    ShownPlan {
        id: plan.no,
        name: plan.name.to_string(),
        agent_count_max: plan.agent_count_max,
        price: plan.price.to_string(),
    }
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownAct {
    /// Its number in this log, from 1.
    number: u64,
    /// Milliseconds since 1970.
    #[schema(value_type = u64)]
    at: Timestamp,
    /// Who: `agent:` and the number of an account, or the installation itself.
    by: String,
    /// What: `account_added`, `company_closed` and the like.
    act: String,
    /// To which account.
    account: Option<u64>,
    /// To which company or plan.
    subject: Option<String>,
}

fn shown_act((number, entry): &(u64, AuditEntry)) -> ShownAct {
    ShownAct {
        number: *number,
        at: entry.at,
        by: entry.by.to_string(),
        act: entry.act.clone(),
        account: entry.account.map(|account| account.0),
        subject: entry.subject.clone(),
    }
}

/// A part of an audit log, the newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditPage {
    entries: Vec<ShownAct>,
    /// `before` of the next page; null on the last.
    next: Option<u64>,
}
