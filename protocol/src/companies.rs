//! The companies of an installation and the plans they are on: what may be asked of whoever keeps
//! them, and what happens to them.
//!
//! Never: says what a company's people or rooms do.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountNo, CompanyId, PersonId, Timestamp};

/// What is known of a company; absent fields are empty texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyCard {
    /// What it is called.
    pub name: Arc<str>,
    /// Where it is written to.
    #[serde(default)]
    pub email: Arc<str>,
    /// Where it is.
    #[serde(default)]
    pub address: Arc<str>,
    /// Whom to ask for.
    #[serde(default)]
    pub contact_person: Arc<str>,
    /// Where to call that person.
    #[serde(default)]
    pub contact_number: Arc<str>,
    /// Where to call the company.
    #[serde(default)]
    pub phone_number: Arc<str>,
}

/// Changes of a [`CompanyCard`]; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyCardChange {
    /// A new name.
    pub name: Option<Arc<str>>,
    /// A new e-mail address.
    pub email: Option<Arc<str>>,
    /// A new address.
    pub address: Option<Arc<str>>,
    /// Somebody else to ask for.
    pub contact_person: Option<Arc<str>>,
    /// Another number of theirs.
    pub contact_number: Option<Arc<str>>,
    /// Another number of the company.
    pub phone_number: Option<Arc<str>>,
}

/// What a company pays for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The installation's number for it, counted from 1.
    pub no: u64,
    /// What it is called.
    pub name: Arc<str>,
    /// Agents a company on it may have.
    pub agent_count_max: u32,
    /// What it costs, as text: `"49.00"`.
    pub price: Arc<str>,
    /// It is offered no more; companies on it stay.
    #[serde(default)]
    pub is_withdrawn: bool,
}

/// A company as it stands after an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanyRecord {
    /// Its id.
    pub id: CompanyId,
    /// Its number in the installation, counted from 1.
    pub no: u64,
    /// What is known of it.
    pub card: CompanyCard,
    /// The plan it is on.
    #[serde(default)]
    pub plan: Option<u64>,
    /// The account of its first admin, once it has one.
    #[serde(default)]
    pub admin: Option<AccountNo>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It is closed: no token speaks for it.
    #[serde(default)]
    pub is_closed: bool,
}

/// What may be asked about companies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompaniesCommand {
    /// Makes a company. Without an id it gets three letters of its name and a number.
    CreateCompany {
        /// The id, where somebody else has given it one; a company that has it already is answered
        /// as it is.
        id: Option<CompanyId>,
        /// What is known of it.
        card: CompanyCard,
        /// The plan it is on.
        plan: Option<u64>,
    },
    /// Changes what is known of a company.
    ChangeCompany {
        /// Which.
        id: CompanyId,
        /// What changes.
        change: CompanyCardChange,
    },
    /// Puts a company on a plan, or on none.
    AssignPlan {
        /// Which company.
        id: CompanyId,
        /// Which plan.
        plan: Option<u64>,
    },
    /// Says which account is its admin's.
    SetAdmin {
        /// Of which company.
        id: CompanyId,
        /// Whose.
        admin: AccountNo,
    },
    /// Closes a company, or opens it again.
    CloseCompany {
        /// Which.
        id: CompanyId,
        /// Whether it is closed.
        is_closed: bool,
    },
    /// Makes a plan.
    CreatePlan {
        /// What it is called.
        name: Arc<str>,
        /// Agents a company on it may have.
        agent_count_max: u32,
        /// What it costs.
        price: Arc<str>,
    },
    /// Keeps which origins a company named in its settings. Only that company sends this.
    NoteOrigins {
        /// All there are now.
        origins: Vec<Arc<str>>,
    },
}

/// What was done to a company.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompanyAct {
    /// It was made.
    Created,
    /// What is known of it changed.
    Changed,
    /// It was put on another plan.
    PlanAssigned,
    /// It got an admin.
    AdminSet,
    /// It was closed.
    Closed,
    /// It was opened again.
    Reopened,
}

impl CompanyAct {
    /// The name on the wire and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            CompanyAct::Created => "company_created",
            CompanyAct::Changed => "company_changed",
            CompanyAct::PlanAssigned => "plan_assigned",
            CompanyAct::AdminSet => "admin_set",
            CompanyAct::Closed => "company_closed",
            CompanyAct::Reopened => "company_reopened",
        }
    }
}

/// What happened to companies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompaniesEvent {
    /// Something was done to a company, which now is this.
    CompanySet {
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// What.
        act: CompanyAct,
        /// The company as it stands.
        record: CompanyRecord,
        /// Agents its plan allows.
        agent_count_max: Option<u32>,
        /// The highest number given to ids of its letters, when it is new.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        letters_last: Option<u64>,
        /// Its number in the audit log.
        audit: u64,
    },
    /// A plan was made or changed.
    PlanSet {
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// The plan as it stands.
        plan: Plan,
        /// Its number in the audit log.
        audit: u64,
    },
    /// A company named other origins in its settings.
    OriginsNoted {
        /// Which.
        company: CompanyId,
        /// All there are now.
        origins: Vec<Arc<str>>,
    },
}
