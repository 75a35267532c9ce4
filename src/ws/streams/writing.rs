//! The task that writes one upload of a connection: from the lane to the disk, and from there to
//! its end.
//!
//! Invariants: what it says is kept is kept; whoever takes the turn ends it; what came before the
//! connection went is kept.
//! Never: touches the socket other than by queueing what it has to say.

use std::sync::{Arc, Weak};
use std::time::Duration;

use frontdesk_actors::UploadStage;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::native::{Push, ResetReason, ServerFrame, UploadStatePush};
use frontdesk_protocol::upload::{UploadEnd, UploadFailure};
use frontdesk_protocol::websocket::server_message;
use frontdesk_protocol::{ErrorCode, Rejection, UploadId};
use frontdesk_storage::Error as StoreError;

use super::lane::{Lane, LaneEnd};
use crate::app::App;
use crate::http::upload_state;
use crate::uploads::{Job, WriteError, Writer};
use crate::ws::Shared;

/// How often it looks whether something is due, milliseconds.
pub(super) const LOOK_MS: u64 = 50;
/// Bytes that came are kept at least this often, milliseconds.
const KEEP_MS: u64 = 100;
/// The same by their number: what a client may have to send again.
const KEEP_BYTES: u64 = 1024 * 1024;
/// How long it waits for an upload's end before it looks whether anybody still wants to know.
const WATCH_MS: u64 = 5_000;

/// Whom to tell of an upload.
pub(crate) struct Teller {
    pub(crate) app: Arc<App>,
    pub(crate) shared: Weak<Shared>,
    pub(crate) codec: Codec,
    /// Whose upload it is.
    pub(crate) who: Arc<Principal>,
    pub(crate) upload: UploadId,
}

impl Teller {
    /// Says where the upload stands; false when nobody is there any more.
    fn say(&self, stage: UploadStage) -> bool {
        let Some(shared) = self.shared.upgrade() else {
            return false;
        };
        let push = Push::UploadState(state_of(self.upload, stage));
        shared.push_control(server_message(self.codec, &ServerFrame::Push(push)));
        true
    }

    fn stir(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.stir_streams();
        }
    }

    /// Says what becomes of an upload whose bytes are all kept, to its end.
    pub(crate) async fn watch(&self, told: UploadStage) {
        let mut told = told;
        let limit = Duration::from_millis(WATCH_MS);
        let company = &self.who.company;
        loop {
            let awaited = self.app.uploads.await_end(company, self.upload, limit);
            let Ok(stage) = awaited.await else {
                return; // the log says why; the client may ask
            };
            if upload_state(stage) != upload_state(told) && !self.say(stage) {
                return;
            }
            told = stage;
            let is_over = matches!(stage, UploadStage::Finished { .. } | UploadStage::Ended(_));
            if is_over || self.shared.strong_count() == 0 {
                return;
            }
        }
    }
}

/// Where an upload stands, in the words of clients.
fn state_of(upload: UploadId, stage: UploadStage) -> UploadStatePush {
    let (file, seq) = match stage {
        UploadStage::Finished { file_no, seq } => (Some(file_no), seq),
        _ => (None, None),
    };
    let failure = match stage {
        UploadStage::Ended(UploadEnd::Failed(failure)) => Some(failure),
        _ => None,
    };
    UploadStatePush {
        upload,
        state: upload_state(stage).into(),
        failure: failure.map(|failure| failure.as_str().into()),
        retryable: failure.map(UploadFailure::is_retryable),
        file,
        seq,
    }
}

/// One upload being written.
pub(super) struct Writing {
    pub(super) teller: Teller,
    pub(super) lane: Arc<Lane>,
    pub(super) job: Arc<Job>,
    pub(super) writer: Writer,
    /// Its length is known to its journal.
    pub(super) is_sized: bool,
}

/// Why it stopped before the file was whole.
enum Stop {
    Closed,
    TooLong,
    Refused(WriteError),
}

impl From<WriteError> for Stop {
    fn from(error: WriteError) -> Self {
        Stop::Refused(error)
    }
}

impl Writing {
    pub(super) async fn run(mut self) {
        let (end, told) = match self.write().await {
            Ok(end) => self.complete(end).await,
            Err(stop) => (self.stopped(stop).await, UploadStage::Receiving),
        };
        self.lane.finish(end);
        self.teller.stir();
        if end == LaneEnd::Done {
            let Self { teller, writer, .. } = self;
            drop(writer);
            teller.watch(told).await;
        }
    }

    /// Writes until the file is whole; answers where it ends.
    async fn write(&mut self) -> Result<u64, Stop> {
        let over = self.writer.turn_over();
        tokio::pin!(over);
        let mut look = tokio::time::interval(Duration::from_millis(LOOK_MS));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut kept_ms, before) = (self.writer.now_ms(), self.writer.kept());
        let mut came = before;
        loop {
            tokio::select! {
                biased;
                () = &mut over => return Err(WriteError::Overtaken.into()),
                () = self.lane.ready() => {}
                _ = look.tick() => {}
            }
            let taken = self.lane.take();
            for piece in taken.pieces {
                came += piece.len() as u64;
                self.writer.write(piece).await?;
                self.lane.wrote(self.writer.written(), self.writer.kept());
            }
            let now_ms = self.writer.now_ms();
            let unkept = came - self.writer.kept().min(came);
            let is_due = now_ms.saturating_sub(kept_ms) >= KEEP_MS || unkept >= KEEP_BYTES;
            let is_last = taken.end.is_some() || taken.is_closed || taken.is_too_long;
            if unkept > 0 && (is_due || is_last) {
                self.writer.keep().await?;
                kept_ms = self.writer.now_ms();
                self.lane.wrote(self.writer.written(), self.writer.kept());
            }
            if taken.is_too_long {
                return Err(Stop::TooLong);
            }
            if let Some(end) = taken.end {
                self.teller.app.uploads.took(end.saturating_sub(before));
                return Ok(end);
            }
            if taken.is_closed {
                self.teller.app.uploads.took(came - before);
                return Err(Stop::Closed);
            }
            self.teller.stir();
        }
    }

    /// Everything is kept. What was said of it last.
    async fn complete(&mut self, end: u64) -> (LaneEnd, UploadStage) {
        let (uploads, who) = (&self.teller.app.uploads, &self.teller.who);
        let sized = match self.is_sized {
            true => Ok(()),
            false => uploads.declare(who, &self.job, end).await,
        };
        let sealed = match sized {
            Ok(()) => uploads.seal(&self.job).await,
            Err(why) => Err(why),
        };
        match sealed {
            Ok(()) => {
                self.teller.say(UploadStage::Sealed);
                (LaneEnd::Done, UploadStage::Sealed)
            }
            Err(why) => (self.refused(&why).await, UploadStage::Receiving),
        }
    }

    async fn stopped(&mut self, stop: Stop) -> LaneEnd {
        match stop {
            Stop::Closed => LaneEnd::Closed,
            Stop::TooLong => {
                let end = UploadEnd::Failed(UploadFailure::TooLarge);
                self.teller.app.uploads.fail(&self.job, end).await;
                LaneEnd::Done
            }
            Stop::Refused(WriteError::Disk(StoreError::Full)) => {
                LaneEnd::Reset(ResetReason::StorageFull)
            }
            Stop::Refused(WriteError::Busy) => LaneEnd::Reset(ResetReason::Unavailable),
            Stop::Refused(WriteError::Disk(error)) => {
                tracing::error!(%error, "bytes of an upload cannot be kept");
                LaneEnd::Reset(ResetReason::Unavailable)
            }
            Stop::Refused(WriteError::Overtaken | WriteError::Over) => self.lost().await,
        }
    }

    async fn refused(&self, why: &Rejection) -> LaneEnd {
        match why.code {
            ErrorCode::Unavailable | ErrorCode::Busy => LaneEnd::Reset(ResetReason::Unavailable),
            ErrorCode::StorageFull => LaneEnd::Reset(ResetReason::StorageFull),
            _ => self.lost().await,
        }
    }

    /// Somebody else has the turn: to write, or because the upload is over.
    async fn lost(&self) -> LaneEnd {
        let (uploads, who) = (&self.teller.app.uploads, &self.teller.who);
        match uploads.find(who, self.teller.upload).await {
            Ok(found) if found.job.is_none() => LaneEnd::Done,
            _ => LaneEnd::Reset(ResetReason::Overtaken),
        }
    }
}
