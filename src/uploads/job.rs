//! An upload's bytes under way: whose turn it is to write, and up to where they are kept.
//!
//! A turn is a number that rises: whoever takes one ends the turn before, so that a door whose
//! client came back elsewhere cannot write behind its back. Bytes go through a buffer to the spool,
//! off the event loop; digests of the whole file are made on the way, and made again from the
//! spool only after a restart.
//!
//! Invariants:
//! 1. One writer at a time; the one whose turn is over writes nothing more.
//! 2. The offset that anybody is told is kept, and never goes back.
//! 3. What was written on trial and did not pass leaves no trace.
//!
//! Never: knows who may write, or what becomes of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use bytes::Bytes;
use frontdesk_protocol::upload::FileFacts;
use frontdesk_protocol::{CompanyId, PersonId, UploadId};
use frontdesk_storage::{Error as StoreError, Spool, SpoolFile};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, watch};

use super::disk::Disk;
use super::progress::Progress;

/// Bytes of a writer that wait to be written: one write for many reads of a socket.
pub(crate) const WRITE_BYTES: usize = 256 * 1024;
/// Bytes after which what was written is kept, while more comes.
const KEEP_BYTES: u64 = 4 * 1024 * 1024;
/// Read at once from the spool, bytes.
const READ_BYTES: usize = 256 * 1024;

/// Why bytes were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Somebody else writes now.
    #[error("another request has taken over")]
    Overtaken,
    /// There is no such upload under way any more.
    #[error("the upload is over")]
    Over,
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
    /// What it may become, bytes: counted as used until it is over.
    pub(crate) reserved_bytes: AtomicU64,
    /// When something was written last, milliseconds of the clock that never goes back.
    touched_ms: AtomicU64,
    turn: watch::Sender<u64>,
    progress: Option<Progress>,
    kept: AtomicU64,
    open: Arc<Mutex<Open>>,
}

/// The open spool file.
#[derive(Default)]
struct Open {
    file: Option<SpoolFile>,
    /// Of everything up to the file's end; `None` when the file has more than went through here.
    digests: Option<Digests>,
    /// The same up to where bytes are kept, while something is on trial.
    before_trial: Option<Option<Digests>>,
}

#[derive(Clone)]
struct Digests {
    blake3: blake3::Hasher,
    sha256: digest::Context,
}

impl Digests {
    fn new() -> Self {
        Self {
            blake3: blake3::Hasher::new(),
            sha256: digest::Context::new(&digest::SHA256),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    fn facts(self, size: u64) -> FileFacts {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.sha256.finish().as_ref());
        FileFacts {
            size,
            blake3: *self.blake3.finalize().as_bytes(),
            sha256,
        }
    }
}

impl Open {
    fn new(file: SpoolFile) -> Self {
        let digests = (file.end() == 0).then(Digests::new);
        Self {
            file: Some(file),
            digests,
            before_trial: None,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.file.as_mut().ok_or(WriteError::Over)?.write(bytes)?;
        if let Some(digests) = &mut self.digests {
            digests.update(bytes);
        }
        Ok(())
    }

    /// Keeps what was written.
    fn keep(&mut self) -> Result<u64, WriteError> {
        self.before_trial = None;
        Ok(self.file.as_mut().ok_or(WriteError::Over)?.keep()?)
    }

    /// What is written from now on may be taken back.
    fn try_out(&mut self) {
        self.before_trial = Some(self.digests.clone());
    }

    /// Takes back what is on trial, and keeps whatever else was written.
    fn end_turn(&mut self) -> Result<u64, WriteError> {
        match self.before_trial.take() {
            None => self.keep(),
            Some(digests) => {
                self.digests = digests;
                let file = self.file.as_mut().ok_or(WriteError::Over)?;
                file.cut()?;
                Ok(file.kept())
            }
        }
    }

    fn facts(&mut self) -> Result<FileFacts, WriteError> {
        let file = self.file.as_ref().ok_or(WriteError::Over)?;
        let size = file.kept();
        if let Some(digests) = &self.digests {
            return Ok(digests.clone().facts(size));
        }
        let mut digests = Digests::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut at = 0;
        while at < size {
            let read = file.read_at(&mut buffer, at)?;
            digests.update(&buffer[..read]);
            at += read as u64;
        }
        self.digests = Some(digests.clone());
        Ok(digests.facts(size))
    }
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
        (reserved_bytes, is_of_parts): (u64, bool),
        now_ms: u64,
        progress: Option<Progress>,
    ) -> Self {
        Self {
            company,
            upload,
            owner,
            is_of_parts,
            reserved_bytes: AtomicU64::new(reserved_bytes),
            touched_ms: AtomicU64::new(now_ms),
            turn: watch::Sender::new(0),
            progress,
            kept: AtomicU64::new(0),
            open: Arc::default(),
        }
    }

    /// Opens its file, once.
    ///
    /// # Errors
    /// When the disk is full or fails, or nothing is there.
    pub(crate) async fn open(
        &self,
        spool: &Spool,
        disk: &Disk,
        found: Found,
    ) -> Result<(), WriteError> {
        let mut open = Arc::clone(&self.open).lock_owned().await;
        if open.file.is_some() {
            return Ok(());
        }
        let (spool, company, upload) = (spool.clone(), self.company.clone(), self.upload);
        let opened = disk.run(move || {
            let file = match found {
                Found::New => Some(spool.create(&company, &upload)?),
                Found::Earlier => spool.reopen(&company, &upload)?,
            };
            *open = Open::new(file.ok_or(WriteError::Over)?);
            Ok::<u64, WriteError>(open.file.as_ref().map_or(0, SpoolFile::kept))
        });
        self.kept.store(opened.await?, Ordering::Release);
        Ok(())
    }

    /// Up to where bytes are kept.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Acquire)
    }

    /// How long it is has become known.
    pub(crate) fn sized(&self, size: u64) {
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
    pub(crate) async fn take_turn(
        self: &Arc<Self>,
        disk: &Arc<Disk>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Writer, WriteError> {
        let mut turn = 0;
        self.turn.send_modify(|current| {
            *current += 1;
            turn = *current;
        });
        let open = Arc::clone(&self.open).lock_owned().await;
        let mut writer = Writer {
            job: Arc::clone(self),
            disk: Arc::clone(disk),
            turn,
            turns: self.turn.subscribe(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            unkept_bytes: 0,
            written: 0,
            is_trial: false,
            _permit: permit,
        };
        writer.on_disk(open, Open::end_turn).await?;
        writer.written = self.kept();
        Ok(writer)
    }

    /// Length and digests of everything that is kept.
    ///
    /// # Errors
    /// When the upload is over, or the disk fails.
    pub(crate) async fn facts(&self, disk: &Disk) -> Result<FileFacts, WriteError> {
        let mut open = Arc::clone(&self.open).lock_owned().await;
        disk.run(move || open.facts()).await
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
        let open = Arc::clone(&self.open).lock_owned().await;
        disk.run(move || {
            let mut buffer = vec![0; bytes_max];
            let file = open.file.as_ref().ok_or(WriteError::Over)?;
            let read = file.read_at(&mut buffer, at)?;
            buffer.truncate(read);
            Ok(Bytes::from(buffer))
        })
        .await
    }

    /// Nobody writes from now on; its file is closed.
    pub(crate) async fn close(&self) {
        self.turn.send_modify(|current| *current += 1);
        let mut open = Arc::clone(&self.open).lock_owned().await;
        *open = Open::default();
    }
}

/// A turn.
pub(crate) struct Writer {
    job: Arc<Job>,
    disk: Arc<Disk>,
    turn: u64,
    turns: watch::Receiver<u64>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    unkept_bytes: u64,
    /// Up to where bytes left this memory.
    written: u64,
    is_trial: bool,
    /// Of the memory that all writers share; a socket's is its credit's.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// Up to where bytes are kept.
    pub(crate) fn kept(&self) -> u64 {
        self.job.kept()
    }

    /// Up to where bytes left this memory for the disk.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Ends when somebody else takes the turn.
    pub(crate) fn turn_over(&self) -> impl Future<Output = ()> + Send + use<> {
        let (turn, mut turns) = (self.turn, self.turns.clone());
        async move {
            // The sender lives as long as the job, which the writer holds.
            let _ = turns.wait_for(|current| *current != turn).await;
        }
    }

    /// Milliseconds of the clock that never goes back.
    pub(crate) fn now_ms(&self) -> u64 {
        self.disk.now_ms()
    }

    /// What is written from now on counts only once it is kept; nothing is kept in between.
    ///
    /// # Errors
    /// When the turn is over, or the disk fails.
    pub(crate) async fn try_out(&mut self) -> Result<(), WriteError> {
        self.is_trial = true;
        let open = self.own().await?;
        self.on_disk(open, |open| {
            open.try_out();
            Ok(open.file.as_ref().map_or(0, SpoolFile::kept))
        })
        .await
    }

    /// Takes bytes; they are written when enough wait.
    ///
    /// # Errors
    /// When the turn is over, or the disk is full or fails.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        self.waiting_bytes += bytes.len();
        self.waiting.push(bytes);
        if let Some(progress) = &self.job.progress {
            progress.came(self.written + self.waiting_bytes as u64, self.now_ms());
        }
        if self.waiting_bytes < WRITE_BYTES {
            return Ok(());
        }
        let keeps = !self.is_trial && self.unkept_bytes + self.waiting_bytes as u64 >= KEEP_BYTES;
        self.flush(keeps).await
    }

    /// Keeps everything that was taken; answers up to where.
    ///
    /// # Errors
    /// When the turn is over, or the disk is full or fails.
    pub(crate) async fn keep(&mut self) -> Result<u64, WriteError> {
        self.is_trial = false;
        self.flush(true).await?;
        Ok(self.kept())
    }

    /// Drops what was taken on trial.
    ///
    /// # Errors
    /// When the turn is over, or the disk fails.
    pub(crate) async fn take_back(&mut self) -> Result<(), WriteError> {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.is_trial = false;
        let open = self.own().await?;
        self.on_disk(open, Open::end_turn).await?;
        self.written = self.kept();
        Ok(())
    }

    async fn flush(&mut self, keeps: bool) -> Result<(), WriteError> {
        let open = self.own().await?;
        let waiting = std::mem::take(&mut self.waiting);
        let bytes = std::mem::take(&mut self.waiting_bytes) as u64;
        self.unkept_bytes = match keeps {
            true => 0,
            false => self.unkept_bytes + bytes,
        };
        self.on_disk(open, move |open| {
            for bytes in &waiting {
                open.write(bytes)?;
            }
            match keeps {
                true => open.keep(),
                false => Ok(open.file.as_ref().map_or(0, SpoolFile::kept)),
            }
        })
        .await?;
        self.written += bytes;
        Ok(())
    }

    /// The file, if the turn is not over.
    async fn own(&self) -> Result<OwnedMutexGuard<Open>, WriteError> {
        let open = Arc::clone(&self.job.open).lock_owned().await;
        match *self.turns.borrow() == self.turn {
            true => Ok(open),
            false => Err(WriteError::Overtaken),
        }
    }

    /// Work that answers up to where bytes are kept. It goes on when nobody waits for it any more.
    async fn on_disk(
        &mut self,
        mut open: OwnedMutexGuard<Open>,
        work: impl FnOnce(&mut Open) -> Result<u64, WriteError> + Send + 'static,
    ) -> Result<(), WriteError> {
        let job = Arc::clone(&self.job);
        let now_ms = self.disk.now_ms();
        let done = self.disk.run(move || {
            let worked = work(&mut open);
            match &worked {
                Ok(kept) => {
                    job.kept.fetch_max(*kept, Ordering::AcqRel);
                    job.touched_ms.store(now_ms, Ordering::Relaxed);
                }
                // What was kept of it only a look at the disk can say: the next turn begins there.
                Err(WriteError::Disk(_)) => *open = Open::default(),
                Err(_) => {}
            }
            worked.map(|_| ())
        });
        done.await
    }
}
