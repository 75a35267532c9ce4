//! An upload that was begun, until its owner learns where it is.
//!
//! Invariant: what nobody was told of ends: nobody could go on with it, and until its time is over
//! it would count among its owner's.
//! Never: ends what its owner has a name for.

use std::sync::Arc;

use frontdesk_actors::task::spawn;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::UploadWish;
use frontdesk_protocol::{ErrorCode, Rejection, UploadId};
use tokio::sync::oneshot;

use super::terms::Door;
use super::{Job, Uploads};

/// Who gave an upload its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// This node: whoever is not told of it never finds it.
    Us,
    /// Its owner, who asks for it again.
    Owner,
}

/// See the module's text.
pub(crate) struct Begun {
    uploads: Arc<Uploads>,
    who: Arc<Principal>,
    job: Arc<Job>,
    is_told: bool,
}

impl Begun {
    /// The upload.
    pub(crate) fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// Its owner learns where it is.
    pub(crate) fn told(mut self) -> Arc<Job> {
        self.is_told = true;
        Arc::clone(&self.job)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.is_told {
            return;
        }
        let (uploads, who) = (Arc::clone(&self.uploads), Arc::clone(&self.who));
        let upload = self.job.upload;
        // Also when the request is dropped because its client is gone.
        spawn(async move {
            if let Err(why) = uploads.cancel(&who, upload).await {
                tracing::debug!(%upload, %why, "an upload that nobody knows of stays");
            }
        });
    }
}

impl Uploads {
    /// Begins an upload, to the end although nobody waits any more. The same id with the same wish
    /// finds the one that was begun with it.
    ///
    /// # Errors
    /// Why it is not taken, in words for its sender.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        who: &Arc<Principal>,
        door: Door,
        (upload, named_by): (UploadId, NamedBy),
        wish: UploadWish,
    ) -> Result<Begun, Rejection> {
        let (tell, told) = oneshot::channel();
        let (uploads, who) = (Arc::clone(self), Arc::clone(who));
        spawn(async move {
            let begun = uploads.begin_here(&who, door, upload, wish).await;
            if let (Err(why), NamedBy::Us) = (&begun, named_by)
                && why.code == ErrorCode::Unavailable
            {
                // It may be written down for all that.
                let _ = uploads.cancel(&who, upload).await;
            }
            let begun = begun.map(|job| Begun {
                uploads,
                who,
                job,
                is_told: named_by == NamedBy::Owner,
            });
            // Without anybody to hear of it, it ends with this.
            drop(tell.send(begun));
        });
        let lost = |_| Err(Rejection::new(ErrorCode::Internal));
        told.await.unwrap_or_else(lost)
    }
}
