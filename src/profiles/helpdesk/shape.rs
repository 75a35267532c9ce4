//! What accounts, companies and plans look like to clients of `helpdesk`.
//!
//! Never: shows a password's hash.

use frontdesk_protocol::CompanyId;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::companies::{CompanyRecord, Plan};
use frontdesk_protocol::staff::Account;
use serde::Serialize;
use utoipa::ToSchema;

use crate::identity::companies::admin_no;
use crate::profiles::frame::utc;

/// Somebody who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct UserBody {
    id: u64,
    email: String,
    name: String,
    role: String,
    /// Null for those who run the installation.
    company_id: Option<String>,
}

/// The role as these clients read it.
fn role(role: Role) -> String {
    role.as_str().to_uppercase()
}

fn company_of(company: &CompanyId) -> Option<String> {
    (!company.is_installation()).then(|| company.to_string())
}

pub(super) fn user(company: &CompanyId, account: &Account) -> UserBody {
    UserBody {
        id: account.no.0,
        email: account.card.email.to_string(),
        name: account.card.name.to_string(),
        role: role(account.role),
        company_id: company_of(company),
    }
}

/// An agent beside a login.
#[derive(Serialize, ToSchema)]
pub(super) struct AgentOfLogin {
    id: u64,
    name: String,
    email: String,
    status: String,
    is_first_login: bool,
    company_id: String,
}

pub(super) fn agent_of_login(company: &CompanyId, account: &Account) -> AgentOfLogin {
    AgentOfLogin {
        id: account.no.0,
        name: account.card.name.to_string(),
        email: account.card.email.to_string(),
        status: account.availability.as_str().to_owned(),
        is_first_login: account.is_first_login,
        company_id: company.to_string(),
    }
}

/// An agent as it was made or changed.
#[derive(Serialize, ToSchema)]
pub(super) struct AgentBody {
    id: u64,
    name: String,
    email: String,
    phone: String,
    specialization: String,
    company_id: String,
    status: String,
}

pub(super) fn agent(company: &CompanyId, account: &Account) -> AgentBody {
    AgentBody {
        id: account.no.0,
        name: account.card.name.to_string(),
        email: account.card.email.to_string(),
        phone: account.card.phone.to_string(),
        specialization: account.card.specialization.to_string(),
        company_id: company.to_string(),
        status: account.availability.as_str().to_owned(),
    }
}

/// An agent in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct ListedAgent {
    id: u64,
    /// Its place in the list, from 1.
    sn: usize,
    name: String,
    email: String,
    phone: String,
    specialization: String,
    company_id: String,
    status: String,
    formatted_last_active: String,
    is_active: bool,
    is_first_login: bool,
}

pub(super) fn listed_agent(sn: usize, company: &CompanyId, account: &Account) -> ListedAgent {
    let AgentBody {
        id,
        name,
        email,
        phone,
        specialization,
        company_id,
        status,
    } = agent(company, account);
    ListedAgent {
        id,
        sn,
        name,
        email,
        phone,
        specialization,
        company_id,
        status,
        formatted_last_active: utc(account.active_at),
        is_active: true,
        is_first_login: account.is_first_login,
    }
}

/// A plan.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct PlanBody {
    id: u64,
    name: String,
    max_agents: u32,
    price: String,
}

pub(super) fn plan(plan: &Plan) -> PlanBody {
    PlanBody {
        id: plan.no,
        name: plan.name.to_string(),
        max_agents: plan.agent_count_max,
        price: plan.price.to_string(),
    }
}

/// A company and its first admin, which these clients name as one.
#[derive(Serialize, ToSchema)]
pub(super) struct AdminBody {
    id: u64,
    name: String,
    email: String,
    address: String,
    contact_person: String,
    contact_number: String,
    phone_number: String,
    company_id: String,
    plan: Option<PlanBody>,
    is_active: bool,
    created_at: String,
    /// Of an admin that was just made: nobody can read it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
}

pub(super) fn admin(record: &CompanyRecord, plans: &[Plan]) -> AdminBody {
    let of_company = |plan: &&Plan| record.plan == Some(plan.no);
    AdminBody {
        id: admin_no(record).0,
        name: record.card.name.to_string(),
        email: record.card.email.to_string(),
        address: record.card.address.to_string(),
        contact_person: record.card.contact_person.to_string(),
        contact_number: record.card.contact_number.to_string(),
        phone_number: record.card.phone_number.to_string(),
        company_id: record.id.to_string(),
        plan: plans.iter().find(of_company).map(plan),
        is_active: !record.is_closed,
        created_at: utc(record.created_at),
        password: None,
    }
}
