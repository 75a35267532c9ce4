//! What nobody came back for: uploads whose time is over, bytes without an upload, files that were
//! never sent. Looked for at start and from time to time.
//!
//! Invariant: what is removed is in no state in which it could still become somebody's file.
//! Never: judges by the clock of the disk alone what an upload's journal says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_actors::limits::DECIDED_MS;
use frontdesk_actors::{Node, UploadStage, UploadView};
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::UploadEnd;
use frontdesk_protocol::{CompanyId, Timestamp};
use frontdesk_storage::Spooled;

use super::{Job, Key, Upload, Uploads, later_than};
use crate::files::store::THUMBNAIL_END;

/// Pause between looks, milliseconds.
const LOOK_MS: u64 = 60_000;
/// How long bytes without an upload stay, milliseconds: many times what beginning one takes.
const ORPHAN_MS: u64 = 10 * 60 * 1_000;
/// How long a file that was dropped while it waited may still turn out to be in a message,
/// milliseconds. A process that ended has none on its way.
const DROPPED_MS: u64 = DECIDED_MS;
/// Without a byte for so long nobody writes, milliseconds.
const QUIET_MS: u64 = 5_000;

impl Uploads {
    /// Looks for as long as the node runs.
    pub(crate) async fn tidy_up(self: Arc<Self>) {
        self.inspector.canary().await;
        let longest = self.limits.file_bytes_max;
        self.inspector.scans_files_of(longest).await;
        let mut look = tokio::time::interval(Duration::from_millis(LOOK_MS));
        loop {
            look.tick().await;
            let Ok(node) = self.node() else {
                return;
            };
            self.look(&node).await;
            self.abandon_sendings(&node).await;
            match node.companies().await {
                Ok(companies) => {
                    for company in companies {
                        self.drop_unsent(&node, &company).await;
                        self.clear_traces(&node, &company).await;
                    }
                }
                Err(error) => tracing::error!(%error, "companies cannot be listed"),
            }
        }
    }

    /// One look at everything in the spool.
    pub(crate) async fn look(self: &Arc<Self>, node: &Arc<Node>) {
        let spool = self.spool.clone();
        let spooled = match self.disk.run(move || spool.list()).await {
            Ok(spooled) => spooled,
            Err(error) => {
                tracing::warn!(%error, "the spool cannot be listed");
                return;
            }
        };
        for one in &spooled {
            self.look_at(node, one).await;
        }
        self.forget_without_bytes(node, &spooled).await;
    }

    /// Jobs of which nothing is on the disk: whoever began one went away before its file was made,
    /// or looked at it while it ended.
    async fn forget_without_bytes(&self, node: &Arc<Node>, spooled: &[Spooled]) {
        let on_disk: HashSet<_> = spooled
            .iter()
            .map(|one| (&one.company, one.upload))
            .collect();
        let now_ms = self.disk.now_ms();
        let jobs = self.jobs.iter().filter(|job| {
            job.is_quiet_for(now_ms, ORPHAN_MS) && !on_disk.contains(&(&job.company, job.upload))
        });
        let keys: Vec<Key> = jobs.map(|job| job.key().clone()).collect();
        for key in keys {
            let is_over = match node.upload(&key.0, &key.1).await {
                Ok(Some(view)) => view.stage.is_over(),
                Ok(None) => true,
                Err(_) => false,
            };
            if is_over {
                self.forget(&key).await;
            }
        }
    }

    async fn look_at(self: &Arc<Self>, node: &Arc<Node>, spooled: &Spooled) {
        let key = (spooled.company.clone(), spooled.upload);
        let view = match node.upload(&key.0, &key.1).await {
            Ok(view) => view,
            Err(error) => {
                tracing::warn!(upload = %key.1, %error, "an upload cannot be looked at");
                return;
            }
        };
        let now = node.clock().now();
        let Some(view) = view else {
            // An earlier process begins nothing any more.
            let is_of_earlier = later_than(self.started_at, spooled.changed_at, 0);
            let is_old = is_of_earlier || later_than(now, spooled.changed_at, ORPHAN_MS);
            let now_ms = self.disk.now_ms();
            let is_quiet = |job: &Job| job.is_quiet_for(now_ms, ORPHAN_MS);
            let is_nobodys = self.jobs.get(&key).is_none_or(|job| is_quiet(&job));
            if is_old && is_nobodys {
                self.forget(&key).await;
            }
            return;
        };
        match view.stage {
            UploadStage::Receiving if view.terms.expires_at <= now => {
                self.end(&key.0, key.1, UploadEnd::Expired).await;
            }
            UploadStage::Receiving if self.is_unfinished(&key, &view) => self.rest_if_quiet(&key),
            UploadStage::Receiving => {
                let Ok(job) = self.job(&key.0, key.1, &view).await else {
                    return;
                };
                if self.is_left(&job, &view) {
                    self.go_on(&job, view).await;
                }
            }
            // Its settling is owed and done with the rest; this is for what came back after it.
            UploadStage::Finished { .. } | UploadStage::Ended(_) | UploadStage::Forgotten => {
                self.forget(&key).await;
            }
            UploadStage::Unknown
            | UploadStage::Sealed
            | UploadStage::Passed
            | UploadStage::Published => {}
        }
    }

    /// Whether it is known here how far it came, and that more must come from its owner.
    fn is_unfinished(&self, key: &Key, view: &UploadView) -> bool {
        // One that is longer than was said of it has an end to come, too.
        let is_whole = |job: &Job| view.wish.size.is_some_and(|size| job.kept() >= size);
        let known = self.jobs.get(key);
        known.is_some_and(|job| !job.is_of_parts() && !is_whole(&job))
    }

    /// Whether nobody here is at it: an earlier process was, or somebody was and stopped.
    fn is_left(&self, job: &Job, view: &UploadView) -> bool {
        let is_of_earlier = view.at < self.started_at && job.is_untouched();
        is_of_earlier || job.is_quiet_for(self.disk.now_ms(), QUIET_MS)
    }

    /// All came, and the node ended before it said so; or it ended while it put parts together.
    async fn go_on(self: &Arc<Self>, job: &Arc<Job>, view: UploadView) {
        let parts = view.wish.parts.clone();
        let gone_on = match parts.is_empty() {
            true => {
                let found = Upload {
                    view,
                    job: Some(Arc::clone(job)),
                    is_taken_away: false,
                };
                self.seal_if_whole(&found).await
            }
            false => {
                let who = Principal {
                    company: job.company.clone(),
                    person: view.owner.id,
                    role: view.owner.role,
                    card: view.owner.card,
                };
                self.copy_on(&who, job, &parts).await
            }
        };
        if let Err(why) = gone_on {
            tracing::warn!(upload = %job.upload, %why, "an upload cannot go on");
        }
    }

    /// Sendings to a bucket that were begun for uploads which are over.
    async fn abandon_sendings(&self, node: &Arc<Node>) {
        let unfinished = match self.blobs.unfinished().await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                tracing::warn!(%error, "unfinished sendings cannot be listed");
                return;
            }
        };
        for key in unfinished {
            let id = key.name().trim_end_matches(THUMBNAIL_END);
            let Ok(upload) = id.parse() else {
                continue;
            };
            let view = node.upload(key.company(), &upload).await;
            let is_over = match view {
                Ok(Some(view)) => view.stage.is_over(),
                Ok(None) => true,
                Err(_) => false,
            };
            if is_over && let Err(error) = self.blobs.abandon(&key).await {
                tracing::warn!(%upload, %error, "an unfinished sending stays");
            }
        }
    }

    /// Takes away files that waited too long to be sent.
    pub(crate) async fn drop_unsent(&self, node: &Arc<Node>, company: &CompanyId) {
        let now = node.clock().now().0;
        let since = Timestamp(now.saturating_sub(self.limits.upload_lifetime_ms));
        if let Err(error) = node.drop_unsent_files(company, since).await {
            tracing::warn!(%company, %error, "files that were not sent cannot be looked at");
        }
    }

    /// Takes away what is left of files that were dropped and of uploads that came to none.
    async fn clear_traces(&self, node: &Arc<Node>, company: &CompanyId) {
        let now = node.clock().now().0;
        let trace_ms = self.limits.upload_trace_ms;
        let long_ago = Timestamp(now.saturating_sub(DROPPED_MS));
        let dropped_until = long_ago.max(Timestamp(self.started_at.0.saturating_sub(1)));
        let ended_until = Timestamp(now.saturating_sub(trace_ms));
        let cleared = node.clear_dropped_files(company, dropped_until).await;
        let forgotten = node.forget_ended_uploads(company, ended_until).await;
        if let Err(error) = cleared.and(forgotten) {
            tracing::warn!(%company, %error, "what is left of uploads cannot be looked at");
        }
    }
}
