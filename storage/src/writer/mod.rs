//! The one writer: takes what has queued, commits it as one group, answers.
//!
//! It works on a thread of its own. Where a commit is only a hand-over to the operating system, the
//! thread that asks works it off by itself if the writer is free: a change of threads would cost
//! more than the commit. Either way one at a time writes, behind one lock, in the queue's order.
//!
//! Owns: the queue, the epochs and ends of active entities, the sweep, the erasing.
//!
//! Invariants:
//! 1. One batch and at most one sync a group; when idle a single append is a group, at once.
//! 2. Answers leave after the commit lasts, in the order of the queue, each exactly once.
//! 3. After a failed commit or sync everything waiting and everything later is answered `Unknown`.
//!
//! Never: waits for more appends to come.

mod answer;
mod group;
mod line;
mod sweep;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use frontdesk_protocol::{CompanyId, Epoch, Pos};

use crate::engine::{Batch, Lasting};
use crate::erase::{Eraser, Step};
use crate::journal::{Append, EntityId, Error, Result, Row, Snapshot, Tail};
use crate::keys;
use crate::metrics;
use crate::store::{Active, Hidden, Shared, acknowledged};

pub(crate) use answer::{Answer, FenceAnswer};
use group::Group;
pub(crate) use line::Line;
use sweep::Sweep;

/// Commands in one group: a page of latency at most, and a bound for the batch's memory.
const GROUP_OPS_MAX: usize = 256;
/// Bytes in one group; one command more may exceed it.
const GROUP_BYTES_MAX: usize = 1024 * 1024;

/// What the writer is asked to do.
pub(crate) enum Op {
    Append {
        append: Box<Append>,
        answer: Answer,
    },
    Fence {
        entity: EntityId,
        epoch: Epoch,
        answer: FenceAnswer,
    },
    Release {
        entity: EntityId,
        epoch: Epoch,
    },
    Snapshot {
        entity: EntityId,
        snapshot: Snapshot,
    },
    Settle {
        entity: EntityId,
        epoch: Epoch,
        pending: Option<Pos>,
    },
    Rows {
        company: CompanyId,
        rows: Vec<Row>,
        durable: bool,
        done: Option<SyncSender<Result<()>>>,
    },
    CreateCompany {
        company: CompanyId,
        done: SyncSender<Result<bool>>,
    },
    Close {
        done: SyncSender<Result<()>>,
    },
    Stop,
}

impl Op {
    /// About what it takes in the queue.
    pub(crate) fn queue_bytes(&self) -> usize {
        const OVERHEAD_BYTES: usize = 128;
        let rows_bytes = |rows: &[Row]| -> usize {
            let value_bytes = |row: &Row| row.value.as_ref().map_or(0, Bytes::len);
            rows.iter()
                .map(|row| row.key.len() + value_bytes(row))
                .sum()
        };
        OVERHEAD_BYTES
            + match self {
                Op::Append { append, .. } => {
                    append.payload.len() + rows_bytes(&append.rows) + append.cids.len() * 64
                }
                Op::Snapshot { snapshot, .. } => snapshot.payload.len(),
                Op::Rows { rows, .. } => rows_bytes(rows),
                _ => 0,
            }
    }
}

/// An active entity as the writer knows it: ahead of what is durable while a group is being built.
struct Owned {
    epoch: Epoch,
    tail: Tail,
    pending: Option<Pos>,
    active: Arc<Active>,
}

/// The writer's state.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    owned: HashMap<EntityId, Owned>,
    group: Group,
    sweep: Sweep,
    eraser: Eraser,
    /// Marks the parts of one write; never repeats within a store.
    stamp: u64,
    next: Next,
}

/// Whether the writer goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let stamp = u64::from(shared.boot.boot_count) << 40;
        Self {
            shared,
            owned: HashMap::new(),
            group: Group::default(),
            sweep: Sweep::default(),
            eraser: Eraser::default(),
            stamp,
            next: Next::Go,
        }
    }

    /// Works off what has queued, a group at a time. False when it was the last time.
    fn work(&mut self, line: &Line) -> bool {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            while self.goes_on() {
                let Some(first) = line.next() else { return };
                self.next = self.take(first);
                while self.goes_on() && !self.group.is_full() {
                    let Some(op) = line.next() else { break };
                    self.next = self.take(op);
                }
                self.commit_group();
            }
        }));
        if worked.is_err() {
            self.shared.fail("the journal's writer panicked");
        }
        if self.goes_on() {
            return true;
        }
        // Dropping a command answers it: first the group that broke, then the queue.
        self.group = Group::default();
        for op in line.close() {
            self.shared.leave_queue(&op);
        }
        false
    }

    fn goes_on(&self) -> bool {
        self.next == Next::Go && self.shared.failure().is_none()
    }

    fn take(&mut self, op: Op) -> Next {
        self.shared.leave_queue(&op);
        self.group.count(op.queue_bytes());
        match op {
            Op::Append { append, answer } => self.on_append(*append, answer),
            Op::Fence {
                entity,
                epoch,
                answer,
            } => self.on_fence(entity, epoch, answer),
            Op::Release { entity, epoch } => self.on_release(&entity, epoch),
            Op::Snapshot { entity, snapshot } => self.on_snapshot(&entity, &snapshot),
            Op::Settle {
                entity,
                epoch,
                pending,
            } => self.on_settle(&entity, epoch, pending),
            Op::Rows {
                company,
                rows,
                durable,
                done,
            } => {
                self.on_rows(&company, rows, durable, done);
            }
            Op::CreateCompany { company, done } => self.on_create_company(&company, done),
            Op::Close { done } => {
                self.on_close(&done);
                return Next::Stop;
            }
            Op::Stop => return Next::Stop,
        }
        Next::Go
    }

    fn on_close(&mut self, done: &SyncSender<Result<()>>) {
        self.commit_group();
        if self.shared.failure().is_none() {
            let mut batch = Batch::default();
            batch.put(keys::boot(), self.shared.boot.closed().encode().into());
            let engine = &self.shared.engine;
            let closed = engine
                .commit(&batch, Lasting::Synced)
                .and_then(|()| engine.sync());
            if let Err(error) = closed {
                self.shared.fail(&error.to_string());
            }
        }
        let answer = match self.shared.failure() {
            Some(_) => Err(self.shared.failed_error()),
            None => Ok(()),
        };
        // The closer may have given up waiting.
        let _ = done.send(answer);
    }

    /// Commits what has been staged, moves the durable ends, answers.
    fn commit_group(&mut self) {
        let mut group = std::mem::take(&mut self.group);
        if self.shared.failure().is_some() {
            return;
        }
        if group.append_count() > 0 {
            self.shared
                .metrics
                .group_appends
                .record(group.append_count() as f64);
        }
        if !group.batch.is_empty() {
            let watch = metrics::stopwatch();
            if let Err(error) = self.commit_batch(&mut group) {
                self.shared.fail(&error.to_string());
                // Dropping the group answers each of its commands.
                return;
            }
            if group.lasting > Lasting::Later {
                self.shared
                    .metrics
                    .commit_seconds
                    .record(watch.elapsed().as_secs_f64());
            }
        }
        for entity in &group.touched {
            if let Some(owned) = self.owned.get(entity) {
                owned.active.advance(owned.tail);
            }
        }
        group.answer();
    }

    fn commit_batch(&self, group: &mut Group) -> Result<()> {
        let veils = !group.hidden.is_empty();
        if veils {
            self.shared.set_hidden(std::mem::take(&mut group.hidden));
        }
        self.shared.engine.commit(&group.batch, group.lasting)?;
        if veils {
            self.shared.set_hidden(Hidden::new());
        }
        Ok(())
    }

    /// Erases a slice of what is marked; true when there is more to erase at once.
    fn erase_a_slice(&mut self) -> bool {
        if self.shared.failure().is_some() {
            return false;
        }
        match self.eraser.slice(self.shared.engine.as_ref()) {
            Ok(step) => step == Step::More,
            Err(error) => {
                self.shared.fail(&format!("erasing failed: {error}"));
                false
            }
        }
    }

    fn lasting(&self) -> Lasting {
        acknowledged(&self.shared)
    }

    fn next_stamp(&mut self) -> u64 {
        self.stamp += 1;
        self.stamp
    }

    /// Fails the store because a read for a write failed: what stands there is not known.
    fn read_failed(&self, error: &Error) {
        self.shared
            .fail(&format!("a read before a write failed: {error}"));
    }
}
