//! The directory of a [`Store`]: ordered rows of a company, and the list of companies.
//!
//! Never: reads another company's keys.

use std::sync::mpsc;

use bytes::Bytes;
use frontdesk_protocol::CompanyId;

use crate::directory::{Directory, RowsWait};
use crate::journal::{Result, Row};
use crate::keys;
use crate::store::Store;
use crate::store::journal::check_rows;
use crate::writer::Op;

impl Directory for Store {
    fn row(&self, company: &CompanyId, key: &[u8]) -> Result<Option<Bytes>> {
        self.shared.visible_row(company, key)
    }

    fn rows(
        &self,
        company: &CompanyId,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>> {
        let range = keys::rows(company, from, to);
        let rows = self
            .shared
            .visible_rows(company, &range, reverse, count_max)?;
        let shorten =
            |(key, value): (Vec<u8>, Bytes)| (keys::row_key(company, &key).to_vec(), value);
        Ok(rows.into_iter().map(shorten).collect())
    }

    /// # Panics
    /// When a row is longer than the contract allows.
    fn put_rows(&self, company: &CompanyId, rows: Vec<Row>, wait: RowsWait) -> Result<()> {
        check_rows(&rows);
        if wait == RowsWait::Queued && self.shared.failure().is_some() {
            return Err(self.shared.failed_error());
        }
        let (done, answer) = mpsc::sync_channel(1);
        // Above the queue's bound the caller waits for the writer: push-back, not loss.
        let waits = wait != RowsWait::Queued || self.queue_is_full();
        self.send(Op::Rows {
            company: company.clone(),
            rows,
            durable: wait == RowsWait::Durable,
            done: waits.then_some(done),
        });
        if !waits {
            return Ok(());
        }
        answer
            .recv()
            .unwrap_or_else(|_| Err(self.shared.failed_error()))
    }

    fn create_company(&self, company: &CompanyId) -> Result<bool> {
        let (done, answer) = mpsc::sync_channel(1);
        self.send(Op::CreateCompany {
            company: company.clone(),
            done,
        });
        answer
            .recv()
            .unwrap_or_else(|_| Err(self.shared.failed_error()))
    }

    fn has_company(&self, company: &CompanyId) -> Result<bool> {
        let key = keys::company(company);
        let found = self.shared.engine.get(&key)?.is_some();
        Ok(found && !self.shared.hidden().contains_key(&key))
    }

    fn companies(&self) -> Result<Vec<CompanyId>> {
        let mut found = Vec::new();
        self.shared
            .engine
            .scan(&keys::companies(), false, &mut |key, _| {
                found.push(key.to_vec());
                true
            })?;
        let hidden = self.shared.hidden();
        found.retain(|key| !hidden.contains_key(key));
        found.iter().map(|key| keys::listed_company(key)).collect()
    }
}
