//! The directory's trait: ordered rows of a company and the list of companies, read without an
//! actor. Rows are written with a journal record ([`crate::Append::rows`]) or by an index writer.
//!
//! Never: reaches across companies; every call names one.

use bytes::Bytes;
use frontdesk_protocol::CompanyId;

use crate::journal::{Result, Row};

/// What [`Directory::put_rows`] answers after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsWait {
    /// Queued: written with some later commit.
    Queued,
    /// Readable; lasts with some later commit.
    Applied,
    /// As durable as an acknowledged append.
    Durable,
}

/// Ordered rows. Reads may block on a disk.
pub trait Directory: Send + Sync + 'static {
    /// One row's value.
    fn row(&self, company: &CompanyId, key: &[u8]) -> Result<Option<Bytes>>;

    /// Rows with `from <= key < to` in key order, or in reverse; at most `count_max`.
    fn rows(
        &self,
        company: &CompanyId,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        count_max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>>;

    /// Writes rows outside any record (unjournaled lists), all or nothing, in the order of calls
    /// and appends. Blocks unless nothing is waited for.
    fn put_rows(&self, company: &CompanyId, rows: Vec<Row>, wait: RowsWait) -> Result<()>;

    /// Makes a company known; true when it was new. Durable when it answers. Blocks.
    fn create_company(&self, company: &CompanyId) -> Result<bool>;

    /// Whether a company is known.
    fn has_company(&self, company: &CompanyId) -> Result<bool>;

    /// Every known company, in order.
    fn companies(&self) -> Result<Vec<CompanyId>>;
}
