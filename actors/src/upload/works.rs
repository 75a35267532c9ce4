//! What an upload and its company leave to the node: looking at bytes, storing them, forgetting
//! them. Owed as effects, so it is done whatever crashes in between, and maybe more than once.
//!
//! Owns: the [`UploadWorks`] trait and the bounded pool of work under way.
//!
//! Invariants: a work is done again until it says that it is done; what it found is a command of
//! the upload to itself, which counts once.
//! Never: runs in an actor's turn.

use std::pin::Pin;
use std::sync::Arc;

use frontdesk_protocol::command::CompanyCommand;
use frontdesk_protocol::upload::{FileKind, UploadCommand, UploadEnd, UploadFailure};
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection, RoomId, UploadId};
use frontdesk_storage::{EntityId, EntityKind};
use tokio::sync::Semaphore;
use tracing::warn;

use super::{UploadStage, UploadView};
use crate::bus::BusMessage;
use crate::entity::{Answer, Caller, CidBy, Command, Envelope, Outcome, ReplyTo};
use crate::node::{ASK_DOOR, Node};
use crate::task::spawn;

/// Inspections and stores under way on a node: more would wait for the same disk.
const WORK_COUNT_MAX: usize = 32;
/// Ends under way beside them: they free space and tell who waits, and never wait for a scanner.
const END_COUNT_MAX: usize = 8;

/// Why a work is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WorkError {
    /// Something that is needed cannot be reached now: do it again.
    #[error("not now")]
    Later,
    /// The file may not be taken.
    #[error("{}", .0.as_str())]
    Refused(UploadFailure),
}

/// A work on its way.
pub type Working<T> = Pin<Box<dyn Future<Output = Result<T, WorkError>> + Send>>;

/// Who does it. Every work may be asked for again after it was done.
pub trait UploadWorks: Send + Sync + 'static {
    /// Looks at a sealed upload's bytes and makes them ready to be stored.
    fn inspect(&self, company: CompanyId, upload: UploadId, view: UploadView) -> Working<FileKind>;

    /// Puts what was inspected into the store.
    fn store(&self, company: CompanyId, upload: UploadId, view: UploadView) -> Working<()>;

    /// Forgets an upload that is over, and tells who waits for its end.
    fn settle(&self, company: CompanyId, upload: UploadId, stage: UploadStage) -> Working<()>;

    /// Takes away what is stored of an upload.
    fn erase(&self, company: CompanyId, upload: UploadId) -> Working<()>;
}

/// The pool.
pub(crate) struct Works {
    by: Option<Arc<dyn UploadWorks>>,
    under_way: Semaphore,
    ends_under_way: Semaphore,
}

impl Works {
    pub(crate) fn new(by: Option<Arc<dyn UploadWorks>>) -> Self {
        Self {
            by,
            under_way: Semaphore::new(WORK_COUNT_MAX),
            ends_under_way: Semaphore::new(END_COUNT_MAX),
        }
    }
}

/// A work that an effect asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Inspect,
    Store,
    Settle,
    Erase(UploadId),
    ForgetFiles(RoomId),
}

impl Work {
    /// Of a command that no entity takes.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Upload(UploadCommand::Inspect) => Some(Work::Inspect),
            Command::Upload(UploadCommand::Store) => Some(Work::Store),
            Command::Upload(UploadCommand::Settle) => Some(Work::Settle),
            Command::Company(CompanyCommand::EraseFile { upload }) => Some(Work::Erase(*upload)),
            Command::Company(CompanyCommand::ForgetFiles { room }) => {
                Some(Work::ForgetFiles(*room))
            }
            _ => None,
        }
    }
}

impl Node {
    /// Has a work done; the outcome goes to whoever asked.
    pub(crate) fn have_done(self: &Arc<Self>, entity: EntityId, work: Work, reply_to: ReplyTo) {
        let node = Arc::clone(self);
        spawn(async move {
            // Neither is closed ever.
            let _permit = match work {
                Work::Inspect | Work::Store => node.works.under_way.acquire().await,
                Work::Settle | Work::Erase(_) | Work::ForgetFiles(_) => {
                    node.works.ends_under_way.acquire().await
                }
            };
            // In a task of its own: a work that panics is not done, and nothing else is harmed.
            let working = Arc::clone(&node);
            let of = entity.clone();
            let done = spawn(async move { working.work(&of, work).await }).await;
            let outcome = match done {
                Ok(Ok(())) => Outcome::Done(Answer::Done),
                Ok(Err(why)) => Outcome::Refused(why),
                Err(error) => {
                    warn!(%entity, ?work, %error, "a work on an upload ended");
                    Outcome::Refused(Rejection::new(ErrorCode::Unavailable))
                }
            };
            node.answer(reply_to, outcome);
        });
    }

    async fn work(self: &Arc<Self>, entity: &EntityId, work: Work) -> Result<(), Rejection> {
        let later = || Rejection::new(ErrorCode::Unavailable);
        if let Work::ForgetFiles(room) = work {
            return self.forget_files(&entity.company, &room).await;
        }
        let by = self.works.by.as_ref().ok_or_else(later)?;
        let company = entity.company.clone();
        if let Work::Erase(upload) = work {
            return by.erase(company, upload).await.map_err(|_| later());
        }
        let EntityKind::Upload(upload) = entity.kind else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        let view = self.upload(&company, &upload).await.map_err(|error| {
            warn!(%entity, %error, "an upload cannot be read");
            later()
        })?;
        let found = match (work, view) {
            // It ended while it waited for this.
            (Work::Inspect, Some(view)) if view.stage != UploadStage::Sealed => Ok(None),
            (Work::Inspect, Some(view)) => {
                let inspected = by.inspect(company, upload, view).await;
                inspected.map(|kind| Some(UploadCommand::Pass { kind }))
            }
            (Work::Store, Some(view)) => {
                let stored = by.store(company, upload, view).await;
                stored.map(|()| Some(UploadCommand::Publish))
            }
            (Work::Settle, view) => {
                let stage = view.map_or(UploadStage::Forgotten, |view| view.stage);
                by.settle(company, upload, stage).await.map(|()| None)
            }
            _ => Ok(None),
        };
        match found {
            Ok(None) => Ok(()),
            Ok(Some(command)) => self.say_of(entity, command).await,
            Err(WorkError::Refused(why)) => {
                let end = UploadEnd::Failed(why);
                self.say_of(entity, UploadCommand::End { end }).await
            }
            Err(WorkError::Later) => Err(later()),
        }
    }

    /// Drops every file that a room showed, and the rows that say so.
    async fn forget_files(
        self: &Arc<Self>,
        company: &CompanyId,
        room: &RoomId,
    ) -> Result<(), Rejection> {
        let later = |error: frontdesk_storage::Error| {
            warn!(%company, %error, "files of a forgotten chat are still there");
            Rejection::new(ErrorCode::Unavailable)
        };
        loop {
            let shown = self.shown_files(company, room).await.map_err(later)?;
            if shown.is_empty() {
                return Ok(());
            }
            for no in &shown {
                match self.drop_file(company, *no, Some(*room)).await {
                    Outcome::Done(_) => {}
                    Outcome::Refused(why) => return Err(why),
                    Outcome::Unknown => return Err(Rejection::new(ErrorCode::Unavailable)),
                }
            }
            let gone = self.show_no_more(company, room, shown).await;
            gone.map_err(later)?;
        }
    }

    /// A command of an upload to itself. What it refuses was overtaken and is no fault.
    async fn say_of(
        self: &Arc<Self>,
        entity: &EntityId,
        command: UploadCommand,
    ) -> Result<(), Rejection> {
        match self.tell_upload(entity, command).await {
            Outcome::Done(_) => Ok(()),
            Outcome::Refused(why) if why.code == ErrorCode::WrongStage => Ok(()),
            Outcome::Refused(why) => Err(why),
            Outcome::Unknown => Err(Rejection::new(ErrorCode::Unavailable)),
        }
    }

    /// A command in an upload's own name: what only the node that has its bytes may say.
    pub async fn tell_upload(
        self: &Arc<Self>,
        entity: &EntityId,
        command: UploadCommand,
    ) -> Outcome {
        self.ask_as(entity.clone(), entity.clone(), Command::Upload(command))
            .await
    }

    /// A command of one entity to another, awaited.
    pub(crate) async fn ask_as(
        self: &Arc<Self>,
        from: EntityId,
        to: EntityId,
        command: Command,
    ) -> Outcome {
        let (cseq, outcome) = self.ask.expect();
        let envelope = Envelope {
            reply_to: ReplyTo {
                boot: self.boot(),
                door: ASK_DOOR,
                cseq,
            },
            cid: crate::clock::fresh_cid(),
            named_by: CidBy::Node,
            caller: Caller::Entity(from),
            command,
        };
        self.send(BusMessage::Request(to, Arc::new(envelope)));
        self.outcome(cseq, outcome).await
    }
}
