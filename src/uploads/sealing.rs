//! How long an upload is, and the end of its bytes: what came whole is sealed, and what is longer
//! than was said of it fails.
//!
//! Invariant: an upload that goes beyond the length that is written down of it comes to nothing.
//! Never: looks at bytes.

use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Command, Outcome};
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::{UploadCommand, UploadEnd, UploadFailure};
use frontdesk_protocol::{ErrorCode, Rejection};
use frontdesk_storage::EntityId;

use super::job::Job;
use super::space::Reserved;
use super::{Upload, Uploads, done, refused, terms};

impl Uploads {
    /// Says how long an upload is. Whoever writes to it writes no more: it may have grown beyond.
    ///
    /// # Errors
    /// When it was said otherwise before, is too long, or more is there already; the upload fails
    /// if more came while it was written down.
    pub(crate) async fn declare(
        &self,
        who: &Arc<Principal>,
        job: &Arc<Job>,
        size: u64,
    ) -> Result<(), Rejection> {
        let kept = self.lease(job).await?.kept();
        if kept > size {
            let why = format!("size: {kept} bytes are there, {size} is less");
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        let entity = EntityId::upload(job.company.clone(), job.upload);
        let command = Command::Upload(UploadCommand::DeclareSize { size });
        let node = self.node()?;
        let reserved = Reserved::of(job, size);
        self.check_space(&node, &job.company).await?;
        done(
            node.ask(entity, Arc::clone(who), command, fresh_cid())
                .await,
        )?;
        reserved.stays();
        job.sized(size);
        // Somebody may have begun to write who did not know. Whoever does so from here on will.
        let kept = self.lease(job).await?.kept();
        match kept > size {
            true => Err(self.outgrown(job, size).await),
            false => Ok(()),
        }
    }

    /// Seals an upload whose bytes are all kept. Whoever writes to it writes no more.
    ///
    /// # Errors
    /// When they cannot be read, or the upload is over.
    pub(crate) async fn seal(&self, job: &Arc<Job>) -> Result<(), Rejection> {
        let node = self.node()?;
        let _turn = self.lease(job).await?;
        let facts = job.seal(&self.disk).await;
        let facts = facts.map_err(|error| refused(&error))?;
        let entity = EntityId::upload(job.company.clone(), job.upload);
        let seal = UploadCommand::Seal { facts };
        let sealed = node.tell_upload(&entity, seal).await;
        if let Outcome::Refused(_) = &sealed {
            job.unseal();
        }
        done(sealed)
    }

    /// Seals an upload if all its bytes are kept. A part stays as it is, and what is longer than
    /// was said fails.
    ///
    /// # Errors
    /// As [`Uploads::seal`].
    pub(crate) async fn seal_if_whole(&self, found: &Upload) -> Result<(), Rejection> {
        let Some(job) = &found.job else {
            return Ok(());
        };
        // It may have been said after it was looked at.
        match found.view.wish.size.or(job.size()) {
            Some(size) if job.kept() > size => Err(self.outgrown(job, size).await),
            Some(size) if job.kept() == size && !found.view.wish.is_part => self.seal(job).await,
            _ => Ok(()),
        }
    }

    /// Ends an upload that is longer than was said of it; what to say to that.
    async fn outgrown(&self, job: &Job, size: u64) -> Rejection {
        let failure = UploadFailure::TooLarge;
        self.fail(job, UploadEnd::Failed(failure)).await;
        terms::too_large(job.kept(), size)
    }
}
