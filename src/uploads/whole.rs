//! Files that come in one piece: from a body, or from a spill, to a file that is ready.
//!
//! Invariants: whoever waits is told of a file that was inspected and stored, or why there is none;
//! what came to nothing leaves no upload behind.
//! Never: says who may send, or where a file goes.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use frontdesk_actors::UploadStage;
use frontdesk_actors::clock::fresh_upload_id;
use frontdesk_actors::task::spawn;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::upload::{UploadEnd, UploadFailure, UploadWish};
use frontdesk_protocol::{CompanyId, ErrorCode, FileNo, Rejection};

use super::{Door, Job, NamedBy, PumpError, Spill, Uploads, faulty, pump, refused};

/// How long a client is kept waiting for a file to be inspected and stored, milliseconds: what
/// browsers bear, and far more than inspecting takes.
const READY_WAIT_MS: u64 = 120_000;

/// What a client says of a file that it sends.
pub(crate) struct Whole {
    /// What it is called.
    pub(crate) name: String,
    /// Its MIME type; empty if nobody said.
    pub(crate) mime: String,
}

/// Where the bytes of a file come from.
pub(crate) enum Source {
    /// A client sends them.
    Body(Body),
    /// They are here.
    Spill(Spill),
}

impl Uploads {
    /// Takes a file in; answers when it waits to be sent. Goes on although nobody waits any more.
    ///
    /// # Errors
    /// Why it is not taken, in words for its sender.
    pub(crate) async fn take_whole(
        self: &Arc<Self>,
        who: &Arc<Principal>,
        door: Door,
        whole: Whole,
        source: Source,
    ) -> Result<StoredFile, Rejection> {
        let (uploads, who) = (Arc::clone(self), Arc::clone(who));
        let taking = spawn(async move { uploads.take_here(&who, door, whole, source).await });
        taking.await.unwrap_or_else(|error| {
            tracing::error!(%error, "taking in a file ended");
            Err(Rejection::new(ErrorCode::Internal))
        })
    }

    async fn take_here(
        self: Arc<Self>,
        who: &Arc<Principal>,
        door: Door,
        whole: Whole,
        source: Source,
    ) -> Result<StoredFile, Rejection> {
        let size = match &source {
            Source::Body(_) => None,
            Source::Spill(spill) => Some(spill.bytes()),
        };
        let wish = UploadWish {
            name: whole.name.into(),
            mime: whole.mime.into(),
            size,
            ..UploadWish::default()
        };
        let id = (fresh_upload_id(), NamedBy::Us);
        let limit = self.size_max(who, door).await?;
        // From here on it ends with this.
        let job = self.begin(who, door, id, wish).await?.told();
        let filled = match source {
            Source::Body(body) => self.fill(&job, body, limit).await,
            Source::Spill(spill) => self.pour(&job, spill).await,
        };
        let sealed = match (filled, size) {
            (Err((end, why)), _) => {
                self.fail(&job, end).await;
                return Err(why);
            }
            (Ok(()), None) => self.seal_at(who, &job).await,
            (Ok(()), Some(_)) => self.seal(&job).await,
        };
        if let Err(why) = sealed {
            self.fail(&job, UploadEnd::Failed(UploadFailure::Lost))
                .await;
            return Err(why);
        }
        self.ready(&who.company, &job, limit).await
    }

    /// The largest file that is taken at a door, as far as the settings are known: for those who
    /// cannot wait.
    pub(crate) fn size_max_at_hand(&self, who: &Principal, door: Door) -> u64 {
        let settings = self.node().map(|node| node.settings_at_hand(&who.company));
        let settings = settings.unwrap_or_default();
        super::terms::bytes_max(&self.limits, &settings, door)
    }

    async fn size_max(&self, who: &Principal, door: Door) -> Result<u64, Rejection> {
        let settings = self.node()?.settings(&who.company).await;
        let settings = settings.map_err(|error| faulty(&error))?;
        Ok(super::terms::bytes_max(&self.limits, &settings, door))
    }

    async fn seal_at(&self, who: &Arc<Principal>, job: &Arc<Job>) -> Result<(), Rejection> {
        self.declare(who, job, job.kept()).await?;
        self.seal(job).await
    }

    async fn fill(
        &self,
        job: &Arc<Job>,
        body: Body,
        limit: u64,
    ) -> Result<(), (UploadEnd, Rejection)> {
        // Whoever sent it may not be there to say so.
        let lost = |why| (UploadEnd::Failed(UploadFailure::Lost), why);
        let writer = self.write(job).await.map_err(lost)?;
        let pumped = pump(writer, body, limit, None).await;
        self.took(pumped.kept);
        match pumped.outcome {
            Ok(()) => Ok(()),
            Err(PumpError::TooLong) => {
                let failure = UploadFailure::TooLarge;
                Err((UploadEnd::Failed(failure), rejection(failure, limit)))
            }
            Err(PumpError::Write(error)) => Err(lost(refused(&error))),
            Err(error) => {
                let why = error.to_string();
                Err(lost(Rejection::because(ErrorCode::BadFrame, why)))
            }
        }
    }

    async fn pour(&self, job: &Arc<Job>, spill: Spill) -> Result<(), (UploadEnd, Rejection)> {
        let lost = |why| (UploadEnd::Failed(UploadFailure::Lost), why);
        let mut writer = self.write(job).await.map_err(lost)?;
        let mut at = 0;
        while at < spill.bytes() {
            let piece = spill.read(&self.disk, at).await.map_err(lost)?;
            at += piece.len() as u64;
            let written = writer.write(piece).await;
            written.map_err(|error| lost(refused(&error)))?;
        }
        let kept = writer.keep().await;
        self.took(kept.map_err(|error| lost(refused(&error)))?);
        Ok(())
    }

    async fn ready(
        &self,
        company: &CompanyId,
        job: &Job,
        limit: u64,
    ) -> Result<StoredFile, Rejection> {
        let wait = Duration::from_millis(READY_WAIT_MS);
        let stage = self.await_end(company, job.upload, wait).await?;
        match stage {
            UploadStage::Finished { file_no, .. } => self.kept(company, file_no).await,
            UploadStage::Ended(UploadEnd::Failed(failure)) => Err(rejection(failure, limit)),
            UploadStage::Ended(_) => Err(rejection(UploadFailure::Lost, limit)),
            _ => Err(Rejection::new(ErrorCode::Unavailable)),
        }
    }

    async fn kept(&self, company: &CompanyId, no: FileNo) -> Result<StoredFile, Rejection> {
        let file = self.node()?.file(company, no).await;
        let file = file.map_err(|error| faulty(&error))?;
        file.ok_or_else(|| Rejection::because(ErrorCode::NotFound, "the file is gone"))
    }

    /// Takes a file away again that waits to be sent.
    pub(crate) async fn drop_waiting(&self, company: &CompanyId, no: FileNo) {
        if let Ok(node) = self.node() {
            // What stays is taken away in a day.
            let _ = node.drop_waiting_file(company, no).await;
        }
    }
}

/// Why there is no file, in words for its sender.
pub(crate) fn rejection(failure: UploadFailure, limit: u64) -> Rejection {
    let (code, why) = match failure {
        UploadFailure::TooLarge => {
            let why = format!("file too large, limit {limit} bytes");
            return Rejection::because(ErrorCode::FileTooLarge, why);
        }
        UploadFailure::Empty => (ErrorCode::BadField, "the submitted file is empty"),
        UploadFailure::WrongDigest => (ErrorCode::BadField, "the file does not fit its digest"),
        UploadFailure::RefusedType => (ErrorCode::BadField, "file type not allowed"),
        UploadFailure::Mismatched => {
            let why = "file type not allowed: name, type and content do not fit each other";
            (ErrorCode::BadField, why)
        }
        UploadFailure::Infected => (ErrorCode::BadField, "the file is infected"),
        UploadFailure::Unscannable => (ErrorCode::BadField, "the file cannot be scanned"),
        UploadFailure::ScannerUnavailable | UploadFailure::Lost => {
            return Rejection::new(ErrorCode::Unavailable);
        }
        UploadFailure::NotAllowed => (ErrorCode::Forbidden, "not allowed"),
        UploadFailure::QuotaExceeded => (ErrorCode::StorageFull, "the company's space is used up"),
    };
    Rejection::because(code, why)
}
