//! What uploads under way use up: of a person's number of them, of a company's space.
//!
//! Never: counts what is kept; the company does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use frontdesk_actors::Node;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};

use super::{Uploads, faulty};

/// What an upload whose length nobody said takes of its company's space at first, bytes; then it
/// takes what came.
pub(super) const UNKNOWN_BYTES: u64 = 1;

impl Uploads {
    /// Whether a person may begin one more.
    pub(super) fn check_open_count(&self, who: &Principal) -> Result<(), Rejection> {
        let limit = self.limits.uploads_open_person;
        let own = self
            .jobs
            .iter()
            .filter(|job| job.company == who.company && job.owner == who.person);
        match limit > 0 && own.count() >= limit as usize {
            true => {
                let why = format!("{limit} uploads are under way, finish or cancel one");
                Err(Rejection::because(ErrorCode::RateLimited, why))
            }
            false => Ok(()),
        }
    }

    /// Whether a company has room for so many more bytes beside what it keeps and what is under
    /// way.
    pub(super) async fn check_space(
        &self,
        node: &Arc<Node>,
        company: &CompanyId,
        wanted_bytes: u64,
    ) -> Result<(), Rejection> {
        let limit = self.limits.company_file_bytes;
        if limit == 0 {
            return Ok(());
        }
        let kept = node.file_bytes(company).await;
        let kept = kept.map_err(|error| faulty(&error))?;
        let own = self.jobs.iter().filter(|job| job.company == *company);
        let reserved = own.map(|job| job.reserved_bytes.load(Ordering::Relaxed));
        let used: u64 = reserved.fold(kept, u64::saturating_add);
        match used.saturating_add(wanted_bytes) > limit {
            true => {
                let why = format!("the company's space is used up, limit {limit} bytes");
                Err(Rejection::because(ErrorCode::StorageFull, why))
            }
            false => Ok(()),
        }
    }
}
