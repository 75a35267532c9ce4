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
        let mut end = {
            let sender = self.ends.entry(key.clone());
            sender
                .or_insert_with(|| watch::Sender::new(None))
                .subscribe()
        };
        let read = || async {
            let view = self.node()?.upload(company, &upload).await;
            let view = view.map_err(|error| faulty(&error))?;
            let unknown = || Rejection::because(ErrorCode::NotFound, "no such upload");
            view.map(|view| view.stage).ok_or_else(unknown)
        };
        let now = read().await;
        let stage = match now {
            Ok(stage) if !stage.is_over() => {
                let ended = tokio::time::timeout(limit, end.wait_for(Option::is_some)).await;
                let told = ended.ok().and_then(Result::ok).and_then(|stage| *stage);
                match told {
                    Some(stage) => Ok(stage),
                    None => read().await,
                }
            }
            other => other,
        };
        drop(end);
        let nobody_waits = |_: &Key, sender: &watch::Sender<_>| sender.receiver_count() == 0;
        self.ends.remove_if(&key, nobody_waits);
        stage
    }
}
