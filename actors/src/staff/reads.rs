//! Reads of accounts, companies, plans and the audit log: from rows, without waking anybody.
//!
//! Invariant: whoever calls has proven that it may read of that company.
//! Never: reads on the event loop.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::companies::{CompanyRecord, Plan};
use frontdesk_protocol::limits::EMAIL_BYTES_MAX;
use frontdesk_protocol::staff::{Account, Family, NameHolder};
use frontdesk_protocol::{AccountNo, CompanyId, PersonId};
use frontdesk_storage::{Directory, Result, Row, RowsWait};
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
        let name = names::normal(name);
        if name.len() > EMAIL_BYTES_MAX {
            return Ok(None); // no account has one, and a store's keys end somewhere
        }
        let key = tables::name_key(&name);
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

    /// An account and its logins, for whoever checks a token of one.
    pub async fn account_and_logins(
        self: &Arc<Self>,
        company: &CompanyId,
        no: AccountNo,
    ) -> Result<Option<(Account, Vec<Family>)>> {
        let (node, company) = (Arc::clone(self), company.clone());
        blocking(move || {
            if node.is_closed(&company)? {
                return Ok(None);
            }
            let account = node.directory.row(&company, &tables::account_key(no))?;
            let account: Option<Account> = account.as_ref().and_then(tables::read);
            let Some(account) = account.filter(|account| !account.is_removed) else {
                return Ok(None);
            };
            let families = node.directory.row(&company, &tables::families_key(no))?;
            let families = families.as_ref().and_then(tables::read);
            Ok(Some((account, families.unwrap_or_default())))
        })
        .await
    }

    /// Whether somebody may still act for a company: it is not closed, and their account, where
    /// they have one, was not taken away. Of people of a host only their tokens know more.
    pub async fn may_act(self: &Arc<Self>, company: &CompanyId, who: &PersonId) -> Result<bool> {
        let (node, company, account) = (Arc::clone(self), company.clone(), who.account());
        blocking(move || {
            if node.is_closed(&company)? {
                return Ok(false);
            }
            let Some(no) = account else {
                return Ok(true);
            };
            let account = node.directory.row(&company, &tables::account_key(no))?;
            let account: Option<Account> = account.as_ref().and_then(tables::read);
            Ok(account.is_some_and(|account| !account.is_removed))
        })
        .await
    }

    /// Whether no token speaks for a company. Reads the store: called off the event loop.
    pub(crate) fn is_closed(&self, company: &CompanyId) -> Result<bool> {
        let key = tables::company_key(company);
        let row = self.directory.row(&CompanyId::installation(), &key)?;
        let record: Option<CompanyRecord> = row.as_ref().and_then(tables::read);
        Ok(record.is_some_and(|record| record.is_closed))
    }

    /// The accounts of a company that are there, in the order they were made.
    pub async fn accounts(self: &Arc<Self>, company: &CompanyId) -> Result<Vec<Account>> {
        self.accounts_after(company, AccountNo(0), usize::MAX).await
    }

    /// The same from behind one on, this many at most.
    pub async fn accounts_after(
        self: &Arc<Self>,
        company: &CompanyId,
        after: AccountNo,
        count: usize,
    ) -> Result<Vec<Account>> {
        let mut from = tables::account_key(after.next());
        let (_, to) = tables::account_bounds();
        let page_count = count.min(PAGE_COUNT_MAX);
        let mut all: Vec<Account> = Vec::new();
        loop {
            let (company, to) = (company.clone(), to.clone());
            let page: Vec<Account> = self.page(company, from, to, false, page_count).await?;
            let last = page.last().map(|account| account.no);
            let is_full = page.len() == page_count;
            all.extend(page.into_iter().filter(|account| !account.is_removed));
            match last.filter(|_| is_full && all.len() < count) {
                Some(no) => from = tables::account_key(no.next()),
                None => break,
            }
        }
        all.truncate(count);
        Ok(all)
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

    /// Companies there are, closed ones among them: their numbers have no gap.
    pub async fn company_count(self: &Arc<Self>) -> Result<u64> {
        let node = Arc::clone(self);
        blocking(move || {
            let (from, to) = tables::company_number_bounds();
            let installation = CompanyId::installation();
            let last = node.directory.rows(&installation, &from, &to, true, 1)?;
            let number = last.first().and_then(|(key, _)| tables::number_of(key));
            Ok(number.unwrap_or_default())
        })
        .await
    }

    /// A plan.
    pub async fn plan(self: &Arc<Self>, no: u64) -> Result<Option<Plan>> {
        self.row(CompanyId::installation(), tables::plan_key(no))
            .await
    }

    /// The first thousand plans, in the order they were made.
    pub async fn plans(self: &Arc<Self>) -> Result<Vec<Plan>> {
        let (from, to) = tables::plan_bounds();
        let installation = CompanyId::installation();
        self.page(installation, from, to, false, PAGE_COUNT_MAX)
            .await
    }

    /// What was done to a company's accounts, the newest first, from before a number on; each entry
    /// with its number.
    pub async fn audit(
        self: &Arc<Self>,
        company: &CompanyId,
        before: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, AuditEntry)>> {
        let (from, to) = tables::audit_bounds();
        let to = before.map_or(to, tables::audit_key);
        self.entries(company.clone(), from, to, count).await
    }

    /// The same of companies and plans.
    pub async fn company_audit(
        self: &Arc<Self>,
        before: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, AuditEntry)>> {
        let (from, to) = tables::company_audit_bounds();
        let to = before.map_or(to, tables::company_audit_key);
        let installation = CompanyId::installation();
        self.entries(installation, from, to, count).await
    }

    async fn entries(
        self: &Arc<Self>,
        company: CompanyId,
        from: Vec<u8>,
        to: Vec<u8>,
        count: usize,
    ) -> Result<Vec<(u64, AuditEntry)>> {
        let node = Arc::clone(self);
        blocking(move || {
            let count = count.min(PAGE_COUNT_MAX);
            let rows = node.directory.rows(&company, &from, &to, true, count)?;
            let entry = |(key, value): &(Vec<u8>, Bytes)| {
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

/// The secret that an installation signs its own tokens with: the one it has, or from now on this
/// one. Blocks on the disk.
pub fn installation_secret(directory: &dyn Directory, fresh: [u8; 32]) -> Result<[u8; 32]> {
    let installation = CompanyId::installation();
    let key = tables::secret_key();
    if let Some(value) = directory.row(&installation, &key)?
        && let Ok(secret) = <[u8; 32]>::try_from(&value[..])
    {
        return Ok(secret);
    }
    let row = Row {
        key,
        value: Some(Bytes::copy_from_slice(&fresh)),
    };
    directory.put_rows(&installation, vec![row], RowsWait::Durable)?;
    Ok(fresh)
}
