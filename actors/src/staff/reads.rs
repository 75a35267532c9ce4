//! Reads of accounts, companies, plans and the audit log: from rows, without waking anybody.
//!
//! Invariant: whoever calls has proven that it may read of that company.
//! Never: reads on the event loop.

use std::sync::Arc;

use frontdesk_protocol::companies::{CompanyRecord, Plan};
use frontdesk_protocol::staff::{Account, NameHolder};
use frontdesk_protocol::{AccountNo, CompanyId};
use frontdesk_storage::Result;
use serde::de::DeserializeOwned;

use super::AuditEntry;
use crate::company::tables;
use crate::names;
use crate::node::Node;
use crate::task::blocking;

/// Rows of one page at most.
const PAGE_COUNT_MAX: usize = 1_000;

impl Node {
    /// Whose a login name is.
    pub async fn holder_of(self: &Arc<Self>, name: &str) -> Result<Option<(CompanyId, AccountNo)>> {
        let key = tables::name_key(&names::normal(name));
        let holder = self.row(CompanyId::installation(), key).await?;
        Ok(match holder {
            Some(NameHolder::Taken { company, account }) => Some((company, account)),
            Some(NameHolder::Reserved { .. }) | None => None,
        })
    }

    /// An account; `None` also for one that was taken away.
    pub async fn account(
        self: &Arc<Self>,
        company: &CompanyId,
        no: AccountNo,
    ) -> Result<Option<Account>> {
        let found: Option<Account> = self.row(company.clone(), tables::account_key(no)).await?;
        Ok(found.filter(|account| !account.is_removed))
    }

    /// The accounts of a company in the order they were made, from behind one on.
    pub async fn accounts(
        self: &Arc<Self>,
        company: &CompanyId,
        after: Option<AccountNo>,
        count: usize,
    ) -> Result<Vec<Account>> {
        let (from, to) = tables::account_bounds();
        let from = after.map_or(from, |no| tables::account_key(no.next()));
        let all: Vec<Account> = self.page(company.clone(), from, to, false, count).await?;
        Ok(all
            .into_iter()
            .filter(|account| !account.is_removed)
            .collect())
    }

    /// What is known of a company, closed ones among them.
    pub async fn company_record(self: &Arc<Self>, id: &CompanyId) -> Result<Option<CompanyRecord>> {
        self.row(CompanyId::installation(), tables::company_key(id))
            .await
    }

    /// A company by its number.
    pub async fn company_by_no(self: &Arc<Self>, no: u64) -> Result<Option<CompanyRecord>> {
        let key = tables::company_number_key(no);
        let id: Option<CompanyId> = self.row(CompanyId::installation(), key).await?;
        match id {
            Some(id) => self.company_record(&id).await,
            None => Ok(None),
        }
    }

    /// Companies in the order of their numbers, from behind one on.
    pub async fn companies_after(
        self: &Arc<Self>,
        after: u64,
        count: usize,
    ) -> Result<Vec<CompanyRecord>> {
        let node = Arc::clone(self);
        blocking(move || {
            let installation = CompanyId::installation();
            let from = tables::company_number_key(after.saturating_add(1));
            let (_, to) = tables::company_number_bounds();
            let count = count.min(PAGE_COUNT_MAX);
            let ids = node
                .directory
                .rows(&installation, &from, &to, false, count)?;
            let ids = ids
                .iter()
                .filter_map(|(_, id)| tables::read::<CompanyId>(id));
            let mut records = Vec::new();
            for id in ids {
                let row = node
                    .directory
                    .row(&installation, &tables::company_key(&id))?;
                records.extend(row.as_ref().and_then(tables::read));
            }
            Ok(records)
        })
        .await
    }

    /// Every plan, in the order they were made.
    pub async fn plans(self: &Arc<Self>) -> Result<Vec<Plan>> {
        let (from, to) = tables::plan_bounds();
        let installation = CompanyId::installation();
        self.page(installation, from, to, false, PAGE_COUNT_MAX)
            .await
    }

    /// The audit log of a company, or of the installation, the newest first, from before a number
    /// on; each entry with its number.
    pub async fn audit(
        self: &Arc<Self>,
        company: &CompanyId,
        before: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, AuditEntry)>> {
        let (from, to) = tables::audit_bounds();
        let to = before.map_or(to, tables::audit_key);
        let (node, company) = (Arc::clone(self), company.clone());
        blocking(move || {
            let count = count.min(PAGE_COUNT_MAX);
            let rows = node.directory.rows(&company, &from, &to, true, count)?;
            let entry = |(key, value): &(Vec<u8>, bytes::Bytes)| {
                Some((tables::number_of(key)?, tables::read(value)?))
            };
            Ok(rows.iter().filter_map(entry).collect())
        })
        .await
    }

    async fn row<T>(self: &Arc<Self>, company: CompanyId, key: Vec<u8>) -> Result<Option<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let node = Arc::clone(self);
        blocking(move || {
            let value = node.directory.row(&company, &key)?;
            Ok(value.as_ref().and_then(tables::read))
        })
        .await
    }

    async fn page<T>(
        self: &Arc<Self>,
        company: CompanyId,
        from: Vec<u8>,
        to: Vec<u8>,
        reverse: bool,
        count: usize,
    ) -> Result<Vec<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let node = Arc::clone(self);
        blocking(move || {
            let count = count.min(PAGE_COUNT_MAX);
            let rows = node.directory.rows(&company, &from, &to, reverse, count)?;
            Ok(rows
                .iter()
                .filter_map(|(_, value)| tables::read(value))
                .collect())
        })
        .await
    }
}
