//! What an upload's entity leaves to the node: inspecting, storing, settling, erasing.
//!
//! Invariants: what was inspected is what is stored; whose upload ended without a file leaves
//! nothing in the store.
//! Never: decides where an upload stands.

use std::path::Path;
use std::sync::Arc;

use frontdesk_actors::{UploadStage, UploadView, UploadWorks, WorkError, Working};
use frontdesk_protocol::upload::{FileKind, Kinds, UploadFailure};
use frontdesk_protocol::{CompanyId, UploadId};
use frontdesk_storage::EntityId;

use super::Uploads;
use crate::files::inspect::{Asked, Verdict, Whose};
use crate::files::policy::Taken;
use crate::files::store::{object_key, thumbnail_key};

/// See the module's text.
pub(crate) struct Works(pub(crate) Arc<Uploads>);

impl UploadWorks for Works {
    fn inspect(&self, company: CompanyId, upload: UploadId, view: UploadView) -> Working<FileKind> {
        let uploads = Arc::clone(&self.0);
        Box::pin(async move { uploads.inspect(&company, upload, &view).await })
    }

    fn store(&self, company: CompanyId, upload: UploadId, view: UploadView) -> Working<()> {
        let uploads = Arc::clone(&self.0);
        Box::pin(async move { uploads.store(&company, upload, &view).await })
    }

    fn settle(&self, company: CompanyId, upload: UploadId, stage: UploadStage) -> Working<()> {
        let uploads = Arc::clone(&self.0);
        Box::pin(async move { uploads.settle(&company, upload, stage).await })
    }

    fn erase(&self, company: CompanyId, upload: UploadId) -> Working<()> {
        let uploads = Arc::clone(&self.0);
        Box::pin(async move { uploads.erase(&company, &upload).await })
    }
}

impl Uploads {
    async fn inspect(
        &self,
        company: &CompanyId,
        upload: UploadId,
        view: &UploadView,
    ) -> Result<FileKind, WorkError> {
        self.check_again(company, view).await?;
        let taken = match &view.terms.kinds {
            Kinds::Harmless => Taken::Harmless,
            Kinds::Everything => Taken::Everything,
            Kinds::Only(types) => Taken::Only(types.clone()),
        };
        self.remove_made(company, upload).await?;
        let file = self.spool.bytes_path(company, &upload);
        if !self.is_there(&file).await? {
            tracing::error!(%upload, "the bytes of an upload are gone");
            return Err(WorkError::Refused(UploadFailure::Lost));
        }
        let work = self.spool.work_path(company, &upload);
        let wish = &view.wish;
        let whose = Whose {
            company: company.clone(),
            person: view.owner.id.clone(),
        };
        let asked = Asked {
            whose: &whose,
            file: &file,
            work: &work,
            shown_name: &wish.name,
            declared_mime: &wish.mime,
            taken: &taken,
        };
        match self.inspector.inspect(&asked).await {
            Ok(inspection) => Ok(inspection.kind),
            Err(Verdict::Refused(failure)) => Err(WorkError::Refused(failure)),
            Err(Verdict::TryLater) => Err(WorkError::Later),
        }
    }

    /// A disk that cannot say is asked again later.
    async fn is_there(&self, path: &Path) -> Result<bool, WorkError> {
        let path = path.to_owned();
        let looked = self.disk.run(move || path.try_exists()).await;
        looked.map_err(|error| later(&error))
    }

    /// What an inspection that was cut off left behind is of no use, and may be half a file.
    async fn remove_made(&self, company: &CompanyId, upload: UploadId) -> Result<(), WorkError> {
        let (spool, company) = (self.spool.clone(), company.clone());
        let removing = move || spool.remove_made(&company, &upload);
        let removed = self.disk.run(removing).await;
        removed.map_err(|error| later(&error))
    }

    /// What held when it was begun may not hold any more: its owner's account, its room, and its
    /// company's space.
    async fn check_again(&self, company: &CompanyId, view: &UploadView) -> Result<(), WorkError> {
        let node = self.node().map_err(|_| WorkError::Later)?;
        let may_act = node.may_act(company, &view.owner.id).await;
        if !may_act.map_err(|error| later(&error))? {
            return Err(WorkError::Refused(UploadFailure::NotAllowed));
        }
        if let Some(room) = view.wish.room {
            let room = EntityId::room(company.clone(), room);
            let facts = node.room_for(&room, &view.owner.id).await;
            if facts.map_err(|error| later(&error))?.is_none() {
                return Err(WorkError::Refused(UploadFailure::NotAllowed));
            }
        }
        let limit = self.limits.company_file_bytes;
        if limit > 0 {
            let kept = node.file_bytes(company).await;
            let kept = kept.map_err(|error| later(&error))?;
            let size = view.facts.as_ref().map_or(0, |facts| facts.size);
            if kept.saturating_add(size) > limit {
                return Err(WorkError::Refused(UploadFailure::QuotaExceeded));
            }
        }
        Ok(())
    }

    async fn store(
        &self,
        company: &CompanyId,
        upload: UploadId,
        view: &UploadView,
    ) -> Result<(), WorkError> {
        if !matches!(view.stage, UploadStage::Passed) {
            return Ok(()); // it was cancelled meanwhile, or stored before
        }
        let Some(kind) = &view.kind else {
            return Ok(());
        };
        let work = self.spool.work_path(company, &upload);
        // Only what was passed on may be seen: without the copy the upload is lost.
        let from = match (kind.is_packed, kind.is_rewritten) {
            (true, _) => work.with_extension("packed"),
            (false, true) => work.with_extension("stripped"),
            (false, false) => self.spool.bytes_path(company, &upload),
        };
        if !self.is_there(&from).await? {
            tracing::error!(%upload, "what is to be stored of an upload is gone");
            return Err(WorkError::Refused(UploadFailure::Lost));
        }
        let key = object_key(company, &upload);
        let stored = self.blobs.publish(&key, &from).await;
        stored.map_err(|error| later(&error))?;
        let thumbnail = work.with_extension("thumbnail");
        if kind.has_thumbnail {
            let key = thumbnail_key(company, &upload);
            let stored = self.blobs.publish(&key, &thumbnail).await;
            stored.map_err(|error| later(&error))?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        company: &CompanyId,
        upload: UploadId,
        stage: UploadStage,
    ) -> Result<(), WorkError> {
        if matches!(stage, UploadStage::Ended(_) | UploadStage::Forgotten) {
            // It may have ended while it was being stored, and be forgotten before this was done.
            self.erase(company, &upload).await?;
        }
        let key = (company.clone(), upload);
        self.forget(&key).await;
        if let Some(end) = self.ends.get(&key) {
            end.send_replace(Some(stage));
        }
        Ok(())
    }

    async fn erase(&self, company: &CompanyId, upload: &UploadId) -> Result<(), WorkError> {
        for key in [object_key(company, upload), thumbnail_key(company, upload)] {
            let removed = self.blobs.delete(&key).await;
            removed.map_err(|error| later(&error))?;
        }
        Ok(())
    }
}

fn later(error: &dyn std::error::Error) -> WorkError {
    tracing::warn!(%error, "a work on an upload is done later");
    WorkError::Later
}
