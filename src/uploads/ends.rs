//! Waiting for what an upload comes to, for doors that answer only then.
//!
//! Never: keeps anything of an upload that nobody waits for.

use std::time::Duration;

use frontdesk_actors::UploadStage;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection, UploadId};
use tokio::sync::watch;

use super::{Key, Uploads, faulty};

impl Uploads {
    /// How an upload ended, or where it stands when the time is over.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn await_end(
        &self,
        company: &CompanyId,
        upload: UploadId,
        limit: Duration,
    ) -> Result<UploadStage, Rejection> {
        let key = (company.clone(), upload);
        // Before it is looked at, so that an end in between is not missed.
        let mut waiting = Waiting::new(self, key);
        let read = || async {
            let view = self.node()?.upload(company, &upload).await;
            let view = view.map_err(|error| faulty(&error))?;
            let unknown = || Rejection::because(ErrorCode::NotFound, "no such upload");
            view.map(|view| view.stage).ok_or_else(unknown)
        };
        let now = read().await;
        match now {
            Ok(stage) if !stage.is_over() => {
                let end = waiting.end.wait_for(Option::is_some);
                let ended = tokio::time::timeout(limit, end).await;
                let told = ended.ok().and_then(Result::ok).and_then(|stage| *stage);
                match told {
                    Some(stage) => Ok(stage),
                    None => read().await,
                }
            }
            other => other,
        }
    }
}

/// Somebody who waits, and may go away at any moment.
struct Waiting<'uploads> {
    uploads: &'uploads Uploads,
    key: Key,
    end: watch::Receiver<Option<UploadStage>>,
}

impl<'uploads> Waiting<'uploads> {
    fn new(uploads: &'uploads Uploads, key: Key) -> Self {
        let sender = uploads.ends.entry(key.clone());
        let sender = sender.or_insert_with(|| watch::Sender::new(None));
        let end = sender.subscribe();
        drop(sender);
        Self { uploads, key, end }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // This one is still counted.
        let nobody_else = |_: &Key, sender: &watch::Sender<_>| sender.receiver_count() <= 1;
        self.uploads.ends.remove_if(&self.key, nobody_else);
    }
}
