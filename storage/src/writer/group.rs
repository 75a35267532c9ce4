//! One group: commands staged into a batch, and the answers they will get.
//!
//! Invariants:
//! 1. A refused command stages nothing.
//! 2. A later command of the same entity sees the earlier ones of its group.
//!
//! Never: commits.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use frontdesk_protocol::{CompanyId, Epoch, Pos};

use crate::engine::{Batch, Lasting};
use crate::journal::{Append, AppendOutcome, EntityId, Error, Result, Row, Snapshot, Tail};
use crate::keys;
use crate::parts;
use crate::store::{Active, Hidden};
use crate::testing::Verdict;
use crate::writer::{Answer, FenceAnswer, GROUP_BYTES_MAX, GROUP_OPS_MAX, Owned, Writer};

enum Reply {
    Append(Answer, AppendOutcome),
    Fence(FenceAnswer, Result<Tail>),
    Rows(SyncSender<Result<()>>),
    Created(SyncSender<Result<bool>>, bool),
}

/// What has been staged since the last commit.
pub(super) struct Group {
    pub(super) batch: Batch,
    pub(super) lasting: Lasting,
    pub(super) hidden: Hidden,
    /// Entities whose ends move when the batch lasts.
    pub(super) touched: Vec<EntityId>,
    replies: Vec<Reply>,
    op_count: usize,
    append_count: usize,
    bytes: usize,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            batch: Batch::default(),
            lasting: Lasting::Later,
            hidden: Hidden::new(),
            touched: Vec::new(),
            replies: Vec::new(),
            op_count: 0,
            append_count: 0,
            bytes: 0,
        }
    }
}

impl Group {
    pub(super) fn count(&mut self, bytes: usize) {
        self.op_count += 1;
        self.bytes += bytes;
    }

    pub(super) fn is_full(&self) -> bool {
        self.op_count >= GROUP_OPS_MAX || self.bytes >= GROUP_BYTES_MAX
    }

    pub(super) fn append_count(&self) -> usize {
        self.append_count
    }

    /// Says to everyone what became of it; the batch lasts.
    pub(super) fn answer(self) {
        for reply in self.replies {
            // Who waited on a channel may have given up.
            match reply {
                Reply::Append(answer, outcome) => answer.give(outcome),
                Reply::Fence(answer, tail) => answer.give(tail),
                Reply::Rows(done) => drop(done.send(Ok(()))),
                Reply::Created(done, new) => drop(done.send(Ok(new))),
            }
        }
    }

    fn needs(&mut self, lasting: Lasting) {
        self.lasting = self.lasting.max(lasting);
    }
}

impl Writer {
    pub(super) fn on_append(&mut self, append: Append, answer: Answer) {
        self.group.append_count += 1;
        let verdict = match &self.shared.faults {
            Some(faults) => faults.verdict(&append),
            None => Verdict::Pass,
        };
        let outcome = match verdict {
            Verdict::Pass | Verdict::WriteAnswerUnknown => self.stage_append(&append),
            Verdict::DropAnswerUnknown => Ok(AppendOutcome::Unknown),
            Verdict::AnswerFenced => Ok(AppendOutcome::Fenced),
        };
        match outcome {
            Ok(_) if verdict == Verdict::WriteAnswerUnknown => {
                self.group
                    .replies
                    .push(Reply::Append(answer, AppendOutcome::Unknown));
            }
            Ok(outcome) => self.group.replies.push(Reply::Append(answer, outcome)),
            // Dropping the answer says `Unknown`.
            Err(error) => self.read_failed(&error),
        }
    }

    fn stage_append(&mut self, append: &Append) -> Result<AppendOutcome> {
        let Some(owned) = self.owned.get_mut(&append.entity) else {
            return Ok(AppendOutcome::Fenced);
        };
        // A higher epoch than the fenced one never fenced: it has not read the tail either.
        if append.epoch != owned.epoch {
            return Ok(AppendOutcome::Fenced);
        }
        // A seq that falls would break the search by seq: the appender knows another journal.
        if append.expected != owned.tail.pos || append.seq_after < owned.tail.seq {
            return Ok(AppendOutcome::WrongPos { tail: owned.tail });
        }
        let pos = append.expected.next();
        let had_pending = owned.pending;
        owned.tail = Tail {
            pos,
            seq: append.seq_after,
        };
        owned.pending = append.pending;
        let batch = &mut self.group.batch;
        stage_pending(batch, &append.entity, had_pending, append.pending);
        let values = parts::split(0, &append.seq_after.0.to_be_bytes(), &append.payload);
        for (part, value) in (0..).zip(values) {
            batch.put(keys::record(&append.entity, pos, part), value);
        }
        if let Some(erases) = append.erases {
            let mark = crate::erase::encode_mark(pos, erases);
            batch.put(keys::erasure(&append.entity), mark);
            self.eraser.owe();
        }
        for row in &append.cids {
            let key = keys::cid(&append.entity, &row.cid, &row.person);
            batch.put(key, crate::store::encode_cid(row, pos));
        }
        self.group.touched.push(append.entity.clone());
        let lasting = self.lasting();
        self.group.needs(lasting);
        for row in &append.rows {
            self.stage_row(&append.entity.company, row, true)?;
        }
        Ok(AppendOutcome::Ok { pos })
    }

    /// Stages a row, and removes what an older value leaves behind.
    fn stage_row(&mut self, company: &CompanyId, row: &Row, durable: bool) -> Result<()> {
        let key = |part| keys::row(company, &row.key, part);
        let old = self.staged_or_stored(&key(0))?;
        let old_part_count = match &old {
            Some(old) => parts::first(old)?.part_count,
            None => 0,
        };
        self.hide(&key, old.as_ref(), durable)?;
        let stamp = self.next_stamp();
        let values = match &row.value {
            Some(value) => parts::split(stamp, &[], value),
            None => Vec::new(),
        };
        for part in values.len()..usize::from(old_part_count) {
            self.group.batch.remove(key(part as u16));
        }
        for (part, value) in (0..).zip(values) {
            self.group.batch.put(key(part), value);
        }
        Ok(())
    }

    /// Keeps the value that readers see until the group lasts.
    fn hide(
        &mut self,
        key: &dyn Fn(u16) -> Vec<u8>,
        old: Option<&Bytes>,
        durable: bool,
    ) -> Result<()> {
        let shown = self.shared.engine.shows_before_lasting();
        if !shown || !durable || self.group.batch.staged(&key(0)).is_some() {
            return Ok(());
        }
        let engine = &self.shared.engine;
        let old = match old {
            Some(first) => parts::join(first, |part| engine.get(&key(part)))?,
            None => None,
        };
        self.group.hidden.insert(key(0), old);
        Ok(())
    }

    fn staged_or_stored(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.group.batch.staged(key) {
            Some(staged) => Ok(staged.cloned()),
            None => self.shared.engine.get(key),
        }
    }

    pub(super) fn on_fence(&mut self, entity: EntityId, epoch: Epoch, answer: FenceAnswer) {
        let reply = self.fence(entity, epoch);
        self.group.replies.push(Reply::Fence(answer, reply));
    }

    fn fence(&mut self, entity: EntityId, epoch: Epoch) -> Result<Tail> {
        match self.owned.entry(entity) {
            Entry::Occupied(mut entry) => {
                let owned = entry.get_mut();
                if epoch < owned.epoch {
                    return Err(Error::Refused(format!(
                        "epoch {epoch} is fenced off by {}",
                        owned.epoch
                    )));
                }
                owned.epoch = epoch;
                Ok(owned.tail)
            }
            Entry::Vacant(entry) => {
                let entity = entry.key().clone();
                let engine = self.shared.engine.as_ref();
                let tail = crate::store::engine_tail(engine, &entity)?;
                let pending = engine.get(&keys::pending(&entity))?;
                let active = Arc::new(Active::default());
                active.advance(tail);
                self.shared.active.insert(entity, active.clone());
                entry.insert(Owned {
                    epoch,
                    tail,
                    pending: pending
                        .map(|value| crate::store::decode_pending(&value))
                        .transpose()?,
                    active,
                });
                Ok(tail)
            }
        }
    }

    pub(super) fn on_release(&mut self, entity: &EntityId, epoch: Epoch) {
        if self
            .owned
            .get(entity)
            .is_none_or(|owned| epoch < owned.epoch)
        {
            return;
        }
        // What is staged must last before the entity counts as wholly durable.
        if self.group.touched.contains(entity) {
            self.commit_group();
        }
        if self.shared.failure().is_none() {
            self.owned.remove(entity);
            self.shared.active.remove(entity);
        }
    }

    pub(super) fn on_snapshot(&mut self, entity: &EntityId, snapshot: &Snapshot) {
        if let Err(error) = self.stage_snapshot(entity, snapshot) {
            self.read_failed(&error);
        }
    }

    fn stage_snapshot(&mut self, entity: &EntityId, snapshot: &Snapshot) -> Result<()> {
        let engine = self.shared.engine.as_ref();
        let tail = match self.shared.durable(entity) {
            Some(tail) => tail,
            None => crate::store::engine_tail(engine, entity)?,
        };
        if snapshot.at.pos > tail.pos {
            return Ok(());
        }
        let key = |part| keys::snapshot(entity, part);
        let old_part_count = match self.staged_or_stored(&key(0))? {
            Some(old) => parts::first(&old)?.part_count,
            None => 0,
        };
        let stamp = self.next_stamp();
        let header = crate::store::snapshot_header(snapshot);
        let values = parts::split(stamp, &header, &snapshot.payload);
        for part in values.len()..usize::from(old_part_count) {
            self.group.batch.remove(key(part as u16));
        }
        for (part, value) in (0..).zip(values) {
            self.group.batch.put(key(part), value);
        }
        Ok(())
    }

    pub(super) fn on_settle(&mut self, entity: &EntityId, epoch: Epoch, pending: Option<Pos>) {
        let Some(owned) = self.owned.get_mut(entity) else {
            return;
        };
        if owned.epoch != epoch {
            return;
        }
        let had_pending = std::mem::replace(&mut owned.pending, pending);
        stage_pending(&mut self.group.batch, entity, had_pending, pending);
    }

    pub(super) fn on_rows(
        &mut self,
        company: &CompanyId,
        rows: Vec<Row>,
        durable: bool,
        done: Option<SyncSender<Result<()>>>,
    ) {
        if durable {
            let lasting = self.lasting();
            self.group.needs(lasting);
        }
        for row in &rows {
            if let Err(error) = self.stage_row(company, row, durable) {
                self.read_failed(&error);
                return;
            }
        }
        self.group.replies.extend(done.map(Reply::Rows));
    }

    pub(super) fn on_create_company(
        &mut self,
        company: &CompanyId,
        done: SyncSender<Result<bool>>,
    ) {
        let key = keys::company(company);
        match self.staged_or_stored(&key) {
            Ok(Some(_)) => self.group.replies.push(Reply::Created(done, false)),
            Ok(None) => {
                if self.shared.engine.shows_before_lasting() {
                    self.group.hidden.insert(key.clone(), None);
                }
                self.group.batch.put(key, Bytes::new());
                let lasting = self.lasting();
                self.group.needs(lasting);
                self.group.replies.push(Reply::Created(done, true));
            }
            Err(error) => self.read_failed(&error),
        }
    }
}

fn stage_pending(batch: &mut Batch, entity: &EntityId, had: Option<Pos>, now: Option<Pos>) {
    if had == now {
        return;
    }
    match now {
        Some(pos) => {
            let value = Bytes::copy_from_slice(&pos.0.to_be_bytes());
            batch.put(keys::pending(entity), value);
        }
        None => batch.remove(keys::pending(entity)),
    }
}
