//! An upload made of others that are there: their bytes are copied one after another, and a copy
//! that was cut off goes on where it stands.
//!
//! Invariant: parts belong to who puts them together, and are whole.
//! Never: changes a part; the same one may be used again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_actors::task::spawn;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::UploadWish;
use frontdesk_protocol::{ErrorCode, Rejection, UploadId};

use super::job::Job;
use super::terms::Door;
use super::writer::WRITE_BYTES;
use super::{Begun, NamedBy, Upload, Uploads, refused};

/// How long a request waits until its parts are put together, milliseconds; they are, also when
/// nobody waits any more.
const WAIT_MS: u64 = 20_000;

impl Uploads {
    /// Begins an upload of the parts that its wish names.
    ///
    /// # Errors
    /// When a part is not there, not the caller's, or not whole.
    pub(crate) async fn assemble(
        self: &Arc<Self>,
        who: &Arc<Principal>,
        upload: UploadId,
        wish: UploadWish,
    ) -> Result<Begun, Rejection> {
        let mut size = 0_u64;
        let mut parts = Vec::with_capacity(wish.parts.len());
        for part in &wish.parts {
            let part = whole_part(self.find(who, *part).await?)?;
            size = size.saturating_add(part.kept());
            parts.push(part);
        }
        let wish = UploadWish {
            size: Some(size),
            ..wish
        };
        let begun = self.begin(who, Door::Native, (upload, NamedBy::Us), wish);
        let begun = begun.await?;
        let (uploads, copied) = (Arc::clone(self), Arc::clone(begun.job()));
        let copying = spawn(async move { uploads.copy(&copied, &parts).await });
        let limit = Duration::from_millis(WAIT_MS);
        if let Ok(Ok(copied)) = tokio::time::timeout(limit, copying).await {
            copied?;
        }
        Ok(begun)
    }

    /// Goes on with a copy that was cut off.
    ///
    /// # Errors
    /// When a part is gone.
    pub(super) async fn copy_on(
        self: &Arc<Self>,
        who: &Principal,
        job: &Arc<Job>,
        parts: &[UploadId],
    ) -> Result<(), Rejection> {
        let mut jobs = Vec::with_capacity(parts.len());
        for part in parts {
            jobs.push(whole_part(self.find(who, *part).await?)?);
        }
        self.copy(job, &jobs).await
    }

    async fn copy(&self, job: &Arc<Job>, parts: &[Arc<Job>]) -> Result<(), Rejection> {
        let mut writer = self.write(job).await?;
        let mut skip = writer.kept();
        for part in parts {
            let size = part.kept();
            let mut at = skip.min(size);
            skip -= at;
            while at < size {
                let piece = part.read(&self.disk, at, WRITE_BYTES).await;
                let piece: Bytes = piece.map_err(|error| refused(&error))?;
                at += piece.len() as u64;
                let written = writer.write(piece).await;
                written.map_err(|error| refused(&error))?;
            }
        }
        writer.keep().await.map_err(|error| refused(&error))?;
        drop(writer);
        self.seal(job).await
    }
}

fn whole_part(part: Upload) -> Result<Arc<Job>, Rejection> {
    let size = part.view.wish.size;
    let is_part = part.view.wish.is_part;
    let job = part.job.filter(|job| is_part && size == Some(job.kept()));
    job.ok_or_else(|| {
        let why = "upload-concat: a part is not whole, or is no part";
        Rejection::because(ErrorCode::BadField, why)
    })
}
