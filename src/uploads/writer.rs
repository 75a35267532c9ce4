//! A turn to write an upload: bytes gather here, go to the spool in batches off the event loop, and
//! are kept when enough came or whoever sends them asks for it.
//!
//! Batches end where digests are cheap to go on from. A request's writer gathers the next batch
//! while one is written and another waits behind it, which the same thread goes on with, so that
//! none is woken for it. While the thread is busy and memory plenty batches are larger. Nor does
//! it wait for what is kept in the middle of a body. A socket's writer waits for each batch, since
//! its credit grows with what was written.
//!
//! Invariants:
//! 1. Whose turn is over writes nothing more.
//! 2. What was written on trial and did not pass leaves no trace.
//! 3. At most a batch is written, one stands behind it and another one is gathered; their lengths
//!    are in the sum of all memory.
//! 4. Whoever stops waiting for a writer loses nothing that it has taken: it is in its memory until
//!    the disk has it.
//!
//! Never: looks at bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinHandle;

use super::batch::Batch;
use super::disk::{self, Disk, Slot};
use super::job::{Job, WriteError};
use super::line::Line;
use super::memory::{Memory, Part, units_of};
use super::open::Open;

/// A batch, bytes: one work for many reads. A power of two, as trees of digests are.
pub(crate) const WRITE_BYTES: usize = 256 * 1024;
/// The same while memory is plenty and the thread is busy, bytes.
const LARGE_WRITE_BYTES: usize = 4 * WRITE_BYTES;
/// Bytes after which what was written is kept, while more comes.
const KEEP_BYTES: u64 = 4 * 1024 * 1024;

/// A batch on its way to the disk.
struct Work {
    blocks: Vec<Bytes>,
    held: Option<Part>,
    /// Whether all that was written is kept then.
    keeps: bool,
}

impl Work {
    /// Answers up to where bytes are kept.
    fn run(self, open: &mut Open, slot: &Slot) -> Result<u64, WriteError> {
        let written = open.write(self.blocks, slot.may_ask_help());
        drop(self.held);
        written?;
        match self.keeps {
            true => open.keep(),
            false => Ok(open.kept()),
        }
    }
}

/// A thread that writes.
struct UnderWay {
    thread: JoinHandle<Result<(), WriteError>>,
    line: Arc<Line<Work>>,
    /// What it was given.
    bytes: u64,
}

/// See the module's text.
pub(crate) struct Writer {
    job: Arc<Job>,
    disk: Arc<Disk>,
    turn: u64,
    turns: watch::Receiver<u64>,
    waiting: Batch,
    unkept_bytes: u64,
    /// Up to where bytes left this memory.
    written: u64,
    under_way: Option<UnderWay>,
    is_trial: bool,
    /// What it takes memory of for what waits; a socket's has it as credit.
    memory: Option<Memory>,
    /// The memory of what waits.
    held: Option<Part>,
}

impl Writer {
    /// A turn; ready when whoever had it before has written their last.
    pub(super) async fn new(
        job: &Arc<Job>,
        disk: &Arc<Disk>,
        (turn, turns): (u64, watch::Receiver<u64>),
        memory: Option<Memory>,
    ) -> Result<Self, WriteError> {
        let open = job.locked().await;
        let mut writer = Self {
            job: Arc::clone(job),
            disk: Arc::clone(disk),
            turn,
            turns,
            waiting: Batch::default(),
            unkept_bytes: 0,
            written: 0,
            under_way: None,
            is_trial: false,
            memory,
            held: None,
        };
        // Somebody is at it, although maybe nothing comes of it yet.
        job.touched_ms.store(disk.now_ms(), Ordering::Relaxed);
        // Overtaken on the way here: what is on trial is of whoever has the turn.
        if writer.has_turn() && open.is_unsettled() {
            writer.on_disk(open, Open::end_turn).await?;
        }
        writer.written = writer.kept();
        Ok(writer)
    }

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

    /// Whether nothing of what was written last counts yet.
    pub(super) fn is_trial(&self) -> bool {
        self.is_trial
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
            Ok(open.kept())
        })
        .await
    }

    /// Takes bytes; they are written when enough wait.
    ///
    /// # Errors
    /// When the turn is over, the disk is full or fails, or no memory is free in time.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), WriteError> {
        if let Some(progress) = &self.job.progress {
            let received = self.taken() + bytes.len() as u64;
            progress.came(received, self.now_ms());
        }
        while !bytes.is_empty() {
            if self.is_full() {
                self.flush(false).await?;
            }
            let length = self.room().min(bytes.len());
            self.hold(length).await?;
            self.waiting.push(bytes.split_to(length));
            // A request's last batch is written and kept at once, so that more must have come. A
            // socket may be waiting for its credit.
            if self.is_full() && self.memory.is_none() {
                self.flush(false).await?;
            }
        }
        Ok(())
    }

    /// Writes what waits although more may come: who sends it takes their time.
    ///
    /// # Errors
    /// When the turn is over, or the disk is full or fails.
    pub(super) async fn write_out(&mut self) -> Result<(), WriteError> {
        if self.waiting.bytes() > 0 {
            self.flush(false).await?;
        }
        self.settle().await
    }

    /// Takes memory for so many bytes more.
    async fn hold(&mut self, bytes: usize) -> Result<(), WriteError> {
        let Some(memory) = self.memory.clone() else {
            return Ok(());
        };
        let held = self.held.as_ref().map_or(0, Part::num_permits);
        let wanted = units_of(self.waiting.bytes() + bytes);
        let more = wanted.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX));
        let part = match memory.try_take(more) {
            Some(part) => part,
            None => {
                // Nobody waits with what others wait for.
                self.write_out().await?;
                memory.take(units_of(bytes)).await?
            }
        };
        match &mut self.held {
            Some(held) => held.merge(part),
            None => self.held = Some(part),
        }
        Ok(())
    }

    /// Keeps everything that was taken; answers up to where, although others may be further.
    ///
    /// # Errors
    /// When the turn is over, or the disk is full or fails.
    pub(crate) async fn keep(&mut self) -> Result<u64, WriteError> {
        self.is_trial = false;
        self.flush(true).await?;
        Ok(self.written)
    }

    /// Drops what was taken on trial.
    ///
    /// # Errors
    /// When the turn is over, or the disk fails.
    pub(crate) async fn take_back(&mut self) -> Result<(), WriteError> {
        self.waiting = Batch::default();
        self.held = None;
        if let Err(error @ WriteError::Disk(_)) = self.settle().await {
            return Err(error); // the file is closed, and with it goes what is on trial
        }
        let open = self.own().await?;
        self.on_disk(open, Open::end_turn).await?;
        self.is_trial = false;
        self.written = self.kept();
        Ok(())
    }

    /// Up to where bytes were taken.
    fn taken(&self) -> u64 {
        let under_way = self.under_way.as_ref();
        self.written + under_way.map_or(0, |work| work.bytes) + self.waiting.bytes() as u64
    }

    /// How much fits into the batch that is gathered: it ends where the file divides evenly.
    fn room(&self) -> usize {
        let batch = WRITE_BYTES as u64;
        let room = batch - self.taken() % batch;
        usize::try_from(room).unwrap_or(WRITE_BYTES)
    }

    fn is_full(&self) -> bool {
        let (waiting, taken) = (self.waiting.bytes(), self.taken());
        let enough = match &self.memory {
            Some(memory) if memory.is_plenty() && self.is_busy() => LARGE_WRITE_BYTES,
            _ => WRITE_BYTES,
        };
        // It ends where the file divides evenly, however much was left of the batch before.
        waiting > 0
            && taken.is_multiple_of(WRITE_BYTES as u64)
            && (waiting >= enough || taken.is_multiple_of(enough as u64))
    }

    /// Whether a thread writes what came before.
    fn is_busy(&self) -> bool {
        let under_way = self.under_way.as_ref();
        under_way.is_some_and(|work| !work.thread.is_finished())
    }

    async fn flush(&mut self, keeps: bool) -> Result<(), WriteError> {
        // A failure of what is not waited for is told with the next batch, before any offset.
        let waits = keeps || self.memory.is_none();
        if !self.line_up(keeps).await {
            self.settle().await?;
            let open = self.own().await?;
            let slot = self.disk.slot().await;
            // From here on nothing is awaited until the disk has it.
            let bytes = self.waiting.bytes() as u64;
            let work = self.work(keeps);
            self.under_way = Some(self.write_on(slot, open, work, bytes));
        }
        match waits {
            true => self.settle().await,
            false => Ok(()),
        }
    }

    /// Leaves what waits to the thread that writes; false when none does.
    async fn line_up(&mut self, keeps: bool) -> bool {
        let Some(under_way) = &self.under_way else {
            return false;
        };
        under_way.line.moved_up().await;
        let (line, bytes) = (Arc::clone(&under_way.line), self.waiting.bytes() as u64);
        let is_taken = line.put(|| self.work(keeps));
        if let Some(under_way) = self.under_way.as_mut().filter(|_| is_taken) {
            under_way.bytes += bytes;
        }
        is_taken
    }

    /// What waits, as a work.
    fn work(&mut self, keeps: bool) -> Work {
        let unkept_bytes = self.unkept_bytes + self.waiting.bytes() as u64;
        let keeps = keeps || !self.is_trial && unkept_bytes >= KEEP_BYTES;
        self.unkept_bytes = if keeps { 0 } else { unkept_bytes };
        Work {
            blocks: self.waiting.take(),
            held: self.held.take(),
            keeps,
        }
    }

    /// Waits for what is under way. A panic there goes on from here, and what was given to the
    /// thread stays noted: nothing can be written behind a gap.
    async fn settle(&mut self) -> Result<(), WriteError> {
        let Some(under_way) = &mut self.under_way else {
            return Ok(());
        };
        let outcome = disk::ended(&mut under_way.thread).await;
        self.written += under_way.bytes;
        self.under_way = None;
        outcome
    }

    fn has_turn(&self) -> bool {
        *self.turns.borrow() == self.turn
    }

    /// The file, if the turn is not over.
    async fn own(&self) -> Result<OwnedMutexGuard<Open>, WriteError> {
        let open = self.job.locked().await;
        match self.has_turn() && !self.job.is_sealed() {
            true => Ok(open),
            false => Err(WriteError::Overtaken),
        }
    }

    async fn on_disk(
        &mut self,
        mut open: OwnedMutexGuard<Open>,
        work: impl FnOnce(&mut Open) -> Result<u64, WriteError> + Send + 'static,
    ) -> Result<(), WriteError> {
        let (job, disk) = (Arc::clone(&self.job), Arc::clone(&self.disk));
        let work = move || {
            let worked = work(&mut open);
            note(&job, &disk, &mut open, worked)
        };
        self.disk.run(work).await
    }

    /// Begins to write, and goes on with what is put into the line behind. It goes on when nobody
    /// waits for it any more.
    fn write_on(
        &self,
        slot: Slot,
        mut open: OwnedMutexGuard<Open>,
        first: Work,
        bytes: u64,
    ) -> UnderWay {
        let (job, disk) = (Arc::clone(&self.job), Arc::clone(&self.disk));
        let (turn, turns) = (self.turn, self.turns.clone());
        let (line, front) = Line::new();
        let thread = slot.start(move |slot| {
            let mut next = Some(first);
            while let Some(work) = next {
                let is_over = *turns.borrow() != turn || job.is_sealed();
                let worked = match is_over {
                    true => Err(WriteError::Overtaken),
                    false => work.run(&mut open, slot),
                };
                note(&job, &disk, &mut open, worked)?;
                // Whoever waits for the file or for a place gets it now.
                next = match slot.is_wanted() || job.is_wanted() {
                    true => front.last(),
                    false => front.next(),
                };
            }
            Ok(())
        });
        UnderWay {
            thread,
            line,
            bytes,
        }
    }
}

/// Notes what a work came to, which answers up to where bytes are kept.
fn note(
    job: &Job,
    disk: &Disk,
    open: &mut Open,
    worked: Result<u64, WriteError>,
) -> Result<(), WriteError> {
    match &worked {
        Ok(kept) => {
            job.kept.fetch_max(*kept, Ordering::AcqRel);
            job.reserved_bytes.fetch_max(*kept, Ordering::Relaxed);
            job.touched_ms.store(disk.now_ms(), Ordering::Relaxed);
        }
        // What was kept of it only a look at the disk can say: the next turn begins there.
        Err(WriteError::Disk(error)) => {
            // Maybe nobody waits for this any more.
            tracing::warn!(upload = %job.upload, %error, "an upload cannot be written");
            *open = Open::default();
        }
        Err(_) => {}
    }
    worked.map(drop)
}
