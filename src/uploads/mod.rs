//! Uploads: one job for every door. A door says who sends what; from there on all is alike: the
//! wish is written down, bytes go to the spool in turns, and once all are there the upload's entity
//! has the node inspect and store them and its company make a file of it.
//!
//! Owns: [`Uploads`], the jobs under way on this node and what they may use up; in its files `job`,
//! `writer` and `open` the bytes, `works` what the entity leaves to the node, `terms` what an
//! upload may come to, `pump` a request's body, `pace` how fast one must come, `parts` uploads made
//! of others, `resting` whose files are open, `lease` turns, `memory`, `batch` and `line` what
//! waits in memory, `begun` until an owner knows, `window` what a socket may send, `progress` what
//! its room is shown, `ends` waiting for an end, `whole` a file that comes in one piece, `spill`
//! bytes that are nobody's yet, `space` what a person and a company may use up, `janitor` what was
//! left lying, `sealing` lengths and ends of bytes, `disk` its threads, `beside` what two of them
//! do at once.
//!
//! Invariants:
//! 1. A door is told of kept bytes only.
//! 2. Nobody but its owner finds an upload; to others it is not there.
//! 3. Bytes that wait to be written are within `limits.upload_memory_bytes`; who finds none waits.
//!
//! Never: speaks a client's dialect.

mod batch;
mod begun;
mod beside;
mod disk;
mod ends;
mod janitor;
mod job;
mod lease;
mod line;
pub(crate) mod memory;
mod open;
pub(crate) mod pace;
mod parts;
mod progress;
mod pump;
mod resting;
mod sealing;
mod space;
mod spill;
mod terms;
#[cfg(test)]
mod tests;
mod whole;
pub(crate) mod window;
mod works;
mod writer;

use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use frontdesk_actors::clock::{Clock, fresh_cid};
use frontdesk_actors::{Command, Node, Outcome, UploadStage, UploadView};
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::upload::{UploadCommand, UploadEnd, UploadWish};
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection, Timestamp, UploadId};
use frontdesk_storage::{Blobs, EntityId, Error as StoreError, Spool};
use tokio::sync::watch;

pub(crate) use begun::{Begun, NamedBy};
pub(crate) use disk::Disk;
pub(crate) use job::{Job, WriteError};
pub(crate) use pump::{Checking, PumpError, pump};
pub(crate) use spill::{Holder, Spill};
pub(crate) use terms::Door;
pub(crate) use whole::{Source, Whole};
pub(crate) use works::Works;
pub(crate) use writer::Writer;

use crate::config::Limits;
use crate::files::inspect::Inspector;
use crate::files::names;
use crate::telemetry::UploadMetrics;
use job::Found;
use memory::Memory;
use progress::Progress;
use space::UNKNOWN_BYTES;

type Key = (CompanyId, UploadId);

/// See the module's text.
pub(crate) struct Uploads {
    spool: Spool,
    blobs: Arc<dyn Blobs>,
    disk: Arc<Disk>,
    inspector: Inspector,
    limits: Limits,
    jobs: DashMap<Key, Arc<Job>>,
    /// Doors that wait for an upload's end.
    ends: DashMap<Key, watch::Sender<Option<UploadStage>>>,
    memory: Memory,
    /// Places for bytes of which nobody knows yet whose they are.
    spills: spill::Places,
    /// Uploads that may have open files though nobody is at them.
    open_count_max: usize,
    metrics: UploadMetrics,
    /// Whatever is older was begun by an earlier process.
    started_at: Timestamp,
    node: OnceLock<Weak<Node>>,
}

/// An upload as its owner finds it.
pub(crate) struct Upload {
    /// What its journal tells.
    pub(crate) view: UploadView,
    /// Its bytes, while more may come.
    pub(crate) job: Option<Arc<Job>>,
    /// The file that it became was taken away again.
    pub(crate) is_taken_away: bool,
}

impl Upload {
    /// Up to where bytes are kept.
    pub(crate) fn offset(&self) -> u64 {
        match (&self.job, &self.view.facts) {
            (Some(job), None) => job.kept(),
            (_, Some(facts)) => facts.size,
            (None, None) => 0,
        }
    }

    /// Whether it ended and there is no file of it.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_taken_away || matches!(self.view.stage, UploadStage::Ended(_))
    }
}

impl Uploads {
    pub(crate) fn new(
        spool: Spool,
        blobs: Arc<dyn Blobs>,
        inspector: Inspector,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            started_at: clock.now(),
            spool,
            blobs,
            disk: Arc::new(Disk::new(clock)),
            inspector,
            limits: limits.clone(),
            jobs: DashMap::new(),
            ends: DashMap::new(),
            memory: Memory::new(limits),
            spills: spill::Places::new(limits),
            open_count_max: resting::open_count_max(),
            metrics: UploadMetrics::new(),
            node: OnceLock::new(),
        }
    }

    /// Tells it the node it works for; only the first counts.
    pub(crate) fn serve(&self, node: &Arc<Node>) {
        let _ = self.node.set(Arc::downgrade(node));
    }

    fn node(&self) -> Result<Arc<Node>, Rejection> {
        let node = self.node.get().and_then(Weak::upgrade);
        node.ok_or_else(|| Rejection::new(ErrorCode::Unavailable))
    }

    /// The store that files stand in.
    pub(crate) fn blobs(&self) -> &Arc<dyn Blobs> {
        &self.blobs
    }

    async fn begin_here(
        &self,
        who: &Arc<Principal>,
        door: Door,
        upload: UploadId,
        wish: UploadWish,
    ) -> Result<Arc<Job>, Rejection> {
        let node = self.node()?;
        let wish = UploadWish {
            name: names::shown(&wish.name).into(),
            ..wish
        };
        if let Some(room) = wish.room {
            let room = EntityId::room(who.company.clone(), room);
            let facts = node.room_for(&room, &who.person).await;
            let facts = facts.map_err(|error| faulty(&error))?;
            facts.ok_or_else(|| Rejection::new(ErrorCode::UnknownRoom))?;
        }
        let earlier = node.upload(&who.company, &upload).await;
        if let Some(view) = earlier.map_err(|error| faulty(&error))? {
            let is_same = view.owner.id == who.person && view.wish.is_same_file(&wish);
            return match is_same && view.stage == UploadStage::Receiving {
                true => self.job(&who.company, upload, &view).await,
                false => Err(Rejection::new(ErrorCode::CidReused)),
            };
        }
        let settings = node.settings(&who.company).await;
        let settings = settings.map_err(|error| faulty(&error))?;
        let terms = terms::terms(&self.limits, &settings, door, node.clock().now());
        if let Some(size) = wish.size.filter(|size| *size > terms.size_max) {
            return Err(terms::too_large(size, terms.size_max));
        }
        let wanted_bytes = wish.size.unwrap_or(UNKNOWN_BYTES);
        let key = (who.company.clone(), upload);
        let now_ms = node.clock().monotonic_ms();
        let job = Arc::new(Job::new(
            key.clone(),
            who.person.clone(),
            (&wish, wanted_bytes),
            now_ms,
            Progress::of(&node, &key, &who.person, &wish),
        ));
        match self.jobs.entry(key.clone()) {
            Entry::Vacant(free) => drop(free.insert(Arc::clone(&job))),
            // Sent twice at once; the other is being written down.
            Entry::Occupied(_) => return Err(Rejection::new(ErrorCode::Busy)),
        }
        // It counts already, so that of many at once no more pass than may.
        let begun = match self.check_counted(&node, who).await {
            Ok(()) => self.write_down(&node, who, &job, wish, terms).await,
            Err(why) => Err(why),
        };
        match &begun {
            Ok(Outcome::Done(_)) => {}
            // It may be written down for all that, and whoever begins it again finds its file.
            Ok(Outcome::Unknown) => self.let_go(&key).await,
            Ok(Outcome::Refused(_)) | Err(_) => self.forget(&key).await,
        }
        begun.and_then(done).map(|()| job)
    }

    async fn write_down(
        &self,
        node: &Arc<Node>,
        who: &Arc<Principal>,
        job: &Arc<Job>,
        wish: UploadWish,
        terms: frontdesk_protocol::upload::UploadTerms,
    ) -> Result<Outcome, Rejection> {
        // The file first: what was written down without one would promise what is not there.
        let opened = job.open(&self.spool, &self.disk, Found::New).await;
        opened.map_err(|error| refused(&error))?;
        self.rest_some();
        let entity = EntityId::upload(who.company.clone(), job.upload);
        let reserve = Command::Upload(UploadCommand::Reserve { wish, terms });
        let cid = fresh_cid();
        Ok(node.ask(entity, Arc::clone(who), reserve, cid).await)
    }

    /// An upload of this person's.
    ///
    /// # Errors
    /// `not_found` for everybody else's and for none.
    pub(crate) async fn find(
        &self,
        who: &Principal,
        upload: UploadId,
    ) -> Result<Upload, Rejection> {
        let node = self.node()?;
        let view = node.upload(&who.company, &upload).await;
        let view = view.map_err(|error| faulty(&error))?;
        let view = view.filter(|view| view.owner.id == who.person);
        let unknown = || Rejection::because(ErrorCode::NotFound, "no such upload");
        let mut view = view.ok_or_else(unknown)?;
        if view.stage == UploadStage::Receiving && view.terms.expires_at <= node.clock().now() {
            // The janitor writes it down at its next look.
            view.stage = UploadStage::Ended(UploadEnd::Expired);
        }
        let job = match view.stage {
            UploadStage::Receiving => Some(self.job(&who.company, upload, &view).await?),
            _ => None,
        };
        let is_taken_away = match view.stage {
            UploadStage::Finished { file_no, .. } => {
                let file = node.file(&who.company, file_no).await;
                file.map_err(|error| faulty(&error))?.is_none()
            }
            _ => false,
        };
        Ok(Upload {
            view,
            job,
            is_taken_away,
        })
    }

    /// The job of an upload whose bytes come, opened again if an earlier process began it.
    async fn job(
        &self,
        company: &CompanyId,
        upload: UploadId,
        view: &UploadView,
    ) -> Result<Arc<Job>, Rejection> {
        let key = (company.clone(), upload);
        let wanted_bytes = view.wish.size.unwrap_or(UNKNOWN_BYTES);
        let now_ms = self.disk.now_ms();
        let fresh = || {
            let owner = view.owner.id.clone();
            let reserved = (&view.wish, wanted_bytes);
            let node = self.node.get().and_then(Weak::upgrade);
            let progress = node.and_then(|node| Progress::of(&node, &key, &owner, &view.wish));
            Arc::new(Job::new(key.clone(), owner, reserved, now_ms, progress))
        };
        let job = Arc::clone(&self.jobs.entry(key.clone()).or_insert_with(fresh));
        match job.open(&self.spool, &self.disk, Found::Earlier).await {
            Ok(()) => {
                self.rest_some();
                Ok(job)
            }
            Err(error) => {
                if matches!(error, WriteError::Over) {
                    // Nothing is there. Whoever has it yet finds nothing either.
                    self.jobs
                        .remove_if(&key, |_, found| Arc::ptr_eq(found, &job));
                    job.close().await;
                }
                Err(refused(&error))
            }
        }
    }

    /// Bytes were taken in.
    pub(crate) fn took(&self, bytes: u64) {
        self.metrics.bytes.increment(bytes);
    }

    /// Ends an upload at its owner's wish, or takes away the file that it became if that waits to
    /// be sent.
    ///
    /// # Errors
    /// When others see the file already.
    pub(crate) async fn cancel(
        &self,
        who: &Arc<Principal>,
        upload: UploadId,
    ) -> Result<(), Rejection> {
        let entity = EntityId::upload(who.company.clone(), upload);
        let end = UploadEnd::Cancelled;
        let command = Command::Upload(UploadCommand::End { end });
        let node = self.node()?;
        let found = self.find(who, upload).await?;
        if let UploadStage::Finished { file_no, .. } = found.view.stage {
            // Whether it was sent meanwhile only its company knows.
            done(node.drop_waiting_file(&who.company, file_no).await)?;
            let file = node.file(&who.company, file_no).await;
            return match file.map_err(|error| faulty(&error))? {
                None => Ok(()),
                Some(_) => Err(Rejection::because(
                    ErrorCode::WrongStage,
                    "the file is in a room",
                )),
            };
        }
        done(
            node.ask(entity, Arc::clone(who), command, fresh_cid())
                .await,
        )
    }

    /// Ends an upload that came to nothing.
    pub(crate) async fn fail(&self, job: &Job, end: UploadEnd) {
        self.end(&job.company, job.upload, end).await;
    }

    async fn end(&self, company: &CompanyId, upload: UploadId, end: UploadEnd) {
        let entity = EntityId::upload(company.clone(), upload);
        if let Ok(node) = self.node() {
            let outcome = node.tell_upload(&entity, UploadCommand::End { end }).await;
            if let Err(why) = done(outcome) {
                tracing::debug!(%entity, %why, "an upload cannot be ended");
            }
        }
    }

    /// Has nothing of an upload open any more; its bytes stay.
    async fn let_go(&self, key: &Key) {
        if let Some((_, job)) = self.jobs.remove(key) {
            job.close().await;
        }
    }

    /// Takes away what this node has of an upload.
    async fn forget(&self, key: &Key) {
        self.let_go(key).await;
        let (spool, (company, upload)) = (self.spool.clone(), key.clone());
        let removed = self.disk.run(move || spool.remove(&company, &upload)).await;
        if let Err(error) = removed {
            tracing::warn!(upload = %key.1, %error, "an upload's bytes stay until the next look");
        }
    }
}

/// Whether a time of the disk's clock is so long ago.
fn later_than(now: Timestamp, then: SystemTime, by_ms: u64) -> bool {
    let since = then.duration_since(UNIX_EPOCH).unwrap_or_default();
    let then_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    now.0.saturating_sub(then_ms) >= by_ms
}

/// An outcome that says nothing but whether.
fn done(outcome: Outcome) -> Result<(), Rejection> {
    match outcome {
        Outcome::Done(_) => Ok(()),
        Outcome::Refused(why) => Err(why),
        Outcome::Unknown => Err(Rejection::new(ErrorCode::Unavailable)),
    }
}

/// Something of ours broke; the log knows more.
fn faulty(error: &StoreError) -> Rejection {
    tracing::error!(%error, "an upload cannot be looked up");
    Rejection::new(ErrorCode::Unavailable)
}

/// What a door says when bytes are not taken.
pub(crate) fn refused(error: &WriteError) -> Rejection {
    match error {
        WriteError::Overtaken => {
            let why = "another request has taken over this upload";
            Rejection::because(ErrorCode::WrongStage, why)
        }
        WriteError::Over => Rejection::because(ErrorCode::NotFound, "no such upload"),
        WriteError::Busy => Rejection::new(ErrorCode::Busy),
        WriteError::Disk(StoreError::Full) => Rejection::new(ErrorCode::StorageFull),
        WriteError::Disk(error) => {
            tracing::error!(%error, "bytes of an upload cannot be kept");
            Rejection::new(ErrorCode::Unavailable)
        }
    }
}
