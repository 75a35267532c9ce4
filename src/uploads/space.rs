//! What uploads under way use up: of a person's number of them, of a company's space.
//!
//! Invariant: what is asked for counts before it is asked whether there is room, so that of many at
//! once no more pass than there is room for.
//! Never: counts what is kept; the company does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use frontdesk_actors::Node;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};

use super::{Job, Uploads, faulty};

/// What an upload whose length nobody said takes of its company's space at first, bytes; then it
/// takes what came.
pub(super) const UNKNOWN_BYTES: u64 = 1;

/// Space that an upload asks for: given back with this unless it stays.
pub(super) struct Reserved<'job> {
    job: &'job Job,
    /// What it had before.
    before: Option<u64>,
}

impl<'job> Reserved<'job> {
    /// Counts an upload as so long.
    pub(super) fn of(job: &'job Job, size: u64) -> Self {
        let before = job.reserved_bytes.swap(size, Ordering::Relaxed);
        Self {
            job,
            before: Some(before),
        }
    }

    /// It is that long.
    pub(super) fn stays(mut self) {
        self.before = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            self.job.reserved_bytes.store(before, Ordering::Relaxed);
        }
    }
}

impl Uploads {
    /// Whether what is counted as begun is not more than its owner and their company may have.
    pub(super) async fn check_counted(
        &self,
        node: &Arc<Node>,
        who: &Principal,
    ) -> Result<(), Rejection> {
        let limit = self.limits.uploads_open_person;
        let own = self
            .jobs
            .iter()
            .filter(|job| job.company == who.company && job.owner == who.person);
        if limit > 0 && own.count() > limit as usize {
            let why = format!("{limit} uploads are under way, finish or cancel one");
            return Err(Rejection::because(ErrorCode::RateLimited, why));
        }
        self.check_space(node, &who.company).await
    }

    /// Whether a company has room for all that is under way beside what it keeps.
    pub(super) async fn check_space(
        &self,
        node: &Arc<Node>,
        company: &CompanyId,
    ) -> Result<(), Rejection> {
        let limit = self.limits.company_file_bytes;
        match limit > 0 && self.used(node, company).await? > limit {
            true => Err(self.no_space()),
            false => Ok(()),
        }
    }

    /// How long an upload may become in what its company has left.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) async fn space_for(&self, job: &Job) -> Result<u64, Rejection> {
        let limit = self.limits.company_file_bytes;
        if limit == 0 {
            return Ok(u64::MAX);
        }
        let used = self.used(&self.node()?, &job.company).await?;
        let own = job.reserved_bytes.load(Ordering::Relaxed);
        Ok(limit.saturating_sub(used.saturating_sub(own)))
    }

    /// What is said where there is none.
    pub(crate) fn no_space(&self) -> Rejection {
        let limit = self.limits.company_file_bytes;
        let why = format!("the company's space is used up, limit {limit} bytes");
        Rejection::because(ErrorCode::StorageFull, why)
    }

    /// What a company keeps and what is under way, bytes.
    async fn used(&self, node: &Arc<Node>, company: &CompanyId) -> Result<u64, Rejection> {
        let kept = node.file_bytes(company).await;
        let kept = kept.map_err(|error| faulty(&error))?;
        let own = self.jobs.iter().filter(|job| job.company == *company);
        let reserved = own.map(|job| job.reserved_bytes.load(Ordering::Relaxed));
        Ok(reserved.fold(kept, u64::saturating_add))
    }
}
