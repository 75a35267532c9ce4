//! An upload's bytes under way: whose turn it is to write, and up to where they are kept.
//!
//! A turn is a number that rises: whoever takes one ends the turn before, so that a door whose
//! client came back elsewhere cannot write behind its back.
//!
//! Invariants:
//! 1. One writer at a time; the one whose turn is over writes nothing more, and once it is sealed
//!    nobody does.
//! 2. The offset that anybody is told is kept, and never goes back.
//!
//! Never: knows who may write, or what becomes of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use frontdesk_protocol::upload::{FileFacts, UploadWish};
use frontdesk_protocol::{CompanyId, PersonId, UploadId};
use frontdesk_storage::{Error as StoreError, Spool};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::disk::{Disk, Waiting};
use super::memory::Memory;
use super::open::Open;
use super::progress::Progress;
use super::writer::Writer;

/// Of an upload whose length nobody said.
const UNSAID: u64 = u64::MAX;

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Somebody else writes now.
    #[error("another request has taken over")]
    Overtaken,
    /// There is no such upload under way any more.
    #[error("the upload is over")]
    Over,
    /// No memory was free in time.
    #[error("no memory is free")]
    Busy,
    /// The disk is full or fails.
    #[error(transparent)]
    Disk(#[from] StoreError),
}

/// See the module's text.
pub(crate) struct Job {
    pub(crate) company: CompanyId,
    pub(crate) upload: UploadId,
    pub(crate) owner: PersonId,
    /// Its bytes are copied from others.
    is_of_parts: bool,
    /// Somebody said what its SHA-256 must be.
    wants_sha256: bool,
    /// How long it will be, bytes; the greatest number while nobody said.
    size: AtomicU64,
    /// What it may become, bytes: counted as used until it is over.
    pub(crate) reserved_bytes: AtomicU64,
    /// When something was written last, milliseconds of the clock that never goes back.
    pub(super) touched_ms: AtomicU64,
    turn: watch::Sender<u64>,
    /// What is in it is being told as what it is.
    is_sealed: AtomicBool,
    /// It is not this node's any more: there may be another one of the same upload.
    is_closed: AtomicBool,
    pub(super) progress: Option<Progress>,
    pub(super) kept: AtomicU64,
    open: Arc<Mutex<Open>>,
    /// Who waits for it.
    wanted: AtomicUsize,
}

/// How a job is found on the disk.
pub(crate) enum Found {
    /// It was begun now.
    New,
    /// It was begun before, by this process or an earlier one.
    Earlier,
}

impl Job {
    pub(crate) fn new(
        (company, upload): (CompanyId, UploadId),
        owner: PersonId,
        (wish, reserved_bytes): (&UploadWish, u64),
        now_ms: u64,
        progress: Option<Progress>,
    ) -> Self {
        Self {
            company,
            upload,
            owner,
            is_of_parts: !wish.parts.is_empty(),
            wants_sha256: wish.sha256.is_some(),
            size: AtomicU64::new(wish.size.unwrap_or(UNSAID)),
            reserved_bytes: AtomicU64::new(reserved_bytes),
            touched_ms: AtomicU64::new(now_ms),
            turn: watch::Sender::new(0),
            is_sealed: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            progress,
            kept: AtomicU64::new(0),
            open: Arc::default(),
            wanted: AtomicUsize::new(0),
        }
    }

    /// Its file, in the order in which it was asked for.
    pub(super) async fn locked(&self) -> OwnedMutexGuard<Open> {
        let _waiting = Waiting::new(&self.wanted);
        Arc::clone(&self.open).lock_owned().await
    }

    /// Whether anybody waits for its file.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Opens its file, once.
    ///
    /// # Errors
    /// When the disk is full or fails, nothing is there, or the job was closed.
    pub(crate) async fn open(
        self: &Arc<Self>,
        spool: &Spool,
        disk: &Disk,
        found: Found,
    ) -> Result<(), WriteError> {
        let mut open = self.locked().await;
        if open.file.is_some() {
            return Ok(());
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(WriteError::Over);
        }
        let (spool, company, upload) = (spool.clone(), self.company.clone(), self.upload);
        let (job, one) = (Arc::clone(self), disk.open.one());
        let opened = disk.run(move || {
            let file = match found {
                Found::New => Some(spool.create(&company, &upload)?),
                Found::Earlier => spool.reopen(&company, &upload)?,
            };
            *open = Open::new(file.ok_or(WriteError::Over)?, one, job.wants_sha256);
            // Here, as whoever asked may be gone by now.
            job.kept.store(open.kept(), Ordering::Release);
            Ok(())
        });
        opened.await
    }

    /// Up to where bytes are kept.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Acquire)
    }

    /// How long it will be, bytes, once that was said. Whoever took the turn afterwards must not
    /// go on from an earlier answer.
    pub(crate) fn size(&self) -> Option<u64> {
        let size = self.size.load(Ordering::Acquire);
        (size != UNSAID).then_some(size)
    }

    /// How long it is has become known.
    pub(super) fn sized(&self, size: u64) {
        self.size.store(size, Ordering::Release);
        if let Some(progress) = &self.progress {
            progress.sized(size);
        }
    }

    /// Whether its bytes are copied from others.
    pub(crate) fn is_of_parts(&self) -> bool {
        self.is_of_parts
    }

    /// Nobody here has written to it yet: an earlier process did.
    pub(crate) fn is_untouched(&self) -> bool {
        *self.turn.borrow() == 0
    }

    /// Whether nothing was written for so long.
    pub(crate) fn is_quiet_for(&self, now_ms: u64, quiet_ms: u64) -> bool {
        let touched_ms = self.touched_ms.load(Ordering::Relaxed);
        now_ms.saturating_sub(touched_ms) >= quiet_ms
    }

    /// Takes the turn from whoever has it; answers when they have written their last.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(super) async fn take_turn(
        self: &Arc<Self>,
        disk: &Arc<Disk>,
        memory: Option<Memory>,
    ) -> Result<Writer, WriteError> {
        Writer::new(self, disk, self.number_turn(), memory).await
    }

    /// The next turn, and how it is heard that it is over.
    pub(super) fn number_turn(&self) -> (u64, watch::Receiver<u64>) {
        let mut turn = 0;
        self.turn.send_modify(|current| {
            *current += 1;
            turn = *current;
        });
        (turn, self.turn.subscribe())
    }

    /// Length and digests of everything that is kept; from then on nothing more is written.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(super) async fn seal(&self, disk: &Disk) -> Result<FileFacts, WriteError> {
        let mut open = self.locked().await;
        // Under the lock that whoever writes takes.
        self.is_sealed.store(true, Ordering::Release);
        disk.run(move || open.facts()).await
    }

    /// It was not sealed after all.
    pub(super) fn unseal(&self) {
        self.is_sealed.store(false, Ordering::Release);
    }

    /// Whether nothing more may be written.
    pub(super) fn is_sealed(&self) -> bool {
        self.is_sealed.load(Ordering::Acquire)
    }

    /// Kept bytes from an offset on, at most so many; none at the end.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(crate) async fn read(
        &self,
        disk: &Disk,
        at: u64,
        bytes_max: usize,
    ) -> Result<Bytes, WriteError> {
        let open = self.locked().await;
        disk.run(move || {
            let mut buffer = vec![0; bytes_max];
            let file = open.file.as_ref().ok_or(WriteError::Over)?;
            let read = file.read_at(&mut buffer, at)?;
            buffer.truncate(read);
            Ok(Bytes::from(buffer))
        })
        .await
    }

    /// Nobody writes from now on; its file is closed, and not opened again.
    pub(crate) async fn close(&self) {
        self.turn.send_modify(|current| *current += 1);
        let mut open = self.locked().await;
        self.is_closed.store(true, Ordering::Release);
        *open = Open::default();
    }

    /// Whether its file is open, as far as can be said at once.
    pub(super) fn is_open(&self) -> bool {
        self.open.try_lock().is_ok_and(|open| open.file.is_some())
    }

    /// Closes its file until somebody writes again, if nobody is at it.
    pub(super) fn rest(&self) {
        if let Ok(mut open) = self.open.try_lock() {
            *open = Open::default();
        }
    }
}
