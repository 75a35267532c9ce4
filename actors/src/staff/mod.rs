//! A company's staff: accounts with a password, their logins, the log of what was done to them.
//! Pure rules; the engine around them is in [`crate::entity`].
//!
//! Accounts are ordered rows written with the records, not state: ten thousand companies cost
//! memory only while somebody works in them.
//!
//! Invariants:
//! 1. An account's number is given once in the installation, and not again when it was taken away.
//! 2. Of a login's refresh tokens one counts; an older one ends the login.
//! 3. No more agents than the company's plan allows.
//! 4. Everything done to an account but its owner's coming and going stands in the audit log.
//! 5. An account's e-mail address is confirmed in the index of names, whatever crashes in between.
//! 6. The chats of an account that serves visitors no more wait for others, whatever crashes.
//!
//! Never: sees a password, or acts for another company.

mod cards;
mod leaving;
mod logins;
mod noted;
mod reads;
mod rules;
#[cfg(test)]
mod tests;

use frontdesk_protocol::staff::Act;
use frontdesk_protocol::{AccountNo, PersonId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::entity::Written;

#[cfg(test)]
pub(crate) use leaving::PAGE_COUNT;

pub use cards::check_card;
pub(crate) use cards::{check_name, check_texts};
pub use reads::installation_secret;

/// The staff's state; serialised it is the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StaffState {
    /// The company's number in the installation; nothing can be done before it is known.
    company_no: Option<u64>,
    /// Agents the plan allows; `None` for any number.
    agent_count_max: Option<u32>,
    /// Agents there are.
    agent_count: u32,
    /// Numbers given to accounts.
    account_count: u64,
    /// Entries of the audit log.
    audit_count: u64,
    /// The last thing that its company had noted there, by the company's own number.
    #[serde(default)]
    noted_act_no: u64,
    /// What this batch changed.
    #[serde(skip)]
    written: Written,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: PersonId,
    /// What, as [`Act::as_str`] and its like name it.
    pub act: String,
    /// To which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountNo>,
    /// To what else: a company's id, a plan's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl AuditEntry {
    fn of(at: Timestamp, by: &PersonId, act: Act, account: AccountNo) -> Self {
        Self {
            at,
            by: by.clone(),
            act: act.as_str().to_owned(),
            account: Some(account),
            subject: None,
        }
    }
}
