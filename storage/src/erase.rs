//! Erasing what stands before a record that said so: older records, the snapshot that was made of
//! them, and the cid rows if they are to go too.
//!
//! The append that carries such a record marks its entity in the same batch. The mark is worked
//! off a slice at a time while the writer has nothing to do, and goes with the last slice; after a
//! crash it is found again, and what was erased already is not missed.
//!
//! Invariants:
//! 1. A record is erased whole, the oldest first, so what is left has no gap.
//! 2. What something is owed for stays until it is settled, and all behind it.
//!
//! Never: erases the record that said so, or anything behind it.

use bytes::Bytes;
use frontdesk_protocol::Pos;

use crate::engine::{Batch, Engine, Lasting};
use crate::journal::{EntityId, Erases, Error, Result};
use crate::keys::{self, KeyRange};
use crate::parts;
use crate::store::{decode_pending, snapshot_pos};

/// Keys removed in one slice, and the rest of the last record: some milliseconds of a commit.
const SLICE_KEYS_MAX: usize = 512;

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is more to do now.
    More,
    /// What is left waits for something to be settled.
    Later,
    /// Nothing is marked.
    Done,
}

/// Where the work stands.
#[derive(Debug, Default)]
pub(crate) struct Eraser {
    /// Marks before this key were looked at in this round.
    mark_from: Vec<u8>,
    /// The next key of the entity to look at; empty at its beginning.
    cursor: Vec<u8>,
    /// A mark of this round stays.
    has_left: bool,
    /// Nothing is marked.
    is_done: bool,
}

/// The value of an entity's mark.
pub(crate) fn encode_mark(before: Pos, erases: Erases) -> Bytes {
    let mut value = before.0.to_be_bytes().to_vec();
    value.push(u8::from(erases == Erases::RecordsAndCids));
    value.into()
}

fn decode_mark(value: &[u8]) -> Result<(Pos, Erases)> {
    let damaged = || Error::Damaged("a mark of what is to be erased cannot be read".into());
    match value.split_first_chunk::<8>() {
        Some((pos, [0])) => Ok((Pos(u64::from_be_bytes(*pos)), Erases::Records)),
        Some((pos, [1])) => Ok((Pos(u64::from_be_bytes(*pos)), Erases::RecordsAndCids)),
        _ => Err(damaged()),
    }
}

impl Eraser {
    /// Something was marked.
    pub(crate) fn owe(&mut self) {
        self.is_done = false;
    }

    /// Removes a slice of what is marked.
    pub(crate) fn slice(&mut self, engine: &dyn Engine) -> Result<Step> {
        if self.is_done {
            return Ok(Step::Done);
        }
        let Some((mark_key, mark)) = self.next_mark(engine)? else {
            self.is_done = !self.has_left;
            let step = if self.is_done {
                Step::Done
            } else {
                Step::Later
            };
            (self.mark_from, self.has_left) = (Vec::new(), false);
            return Ok(step);
        };
        let entity = keys::marked_entity(&mark_key)?;
        let (before, erases) = decode_mark(&mark)?;
        let owed = engine.get(&keys::pending(&entity))?;
        let owed = owed.map(|value| decode_pending(&value)).transpose()?;
        let limit = owed.map_or(before, |owed| owed.min(before));
        let mut batch = Batch::default();
        if self.erase_some(engine, &entity, (limit, erases), &mut batch)? {
            // A snapshot may have been written since the last slice.
            erase_snapshot(engine, &entity, limit, &mut batch)?;
            self.cursor.clear();
            match limit == before {
                true => batch.remove(mark_key.clone()),
                false => self.has_left = true,
            }
            self.mark_from = mark_key;
            self.mark_from.push(0);
        }
        if !batch.is_empty() {
            engine.commit(&batch, Lasting::Later)?;
        }
        Ok(Step::More)
    }

    /// Removes everything that is marked, as far as it may go.
    pub(crate) fn finish(engine: &dyn Engine) -> Result<()> {
        let mut eraser = Self::default();
        let mut has_erased = false;
        while eraser.slice(engine)? == Step::More {
            has_erased = true;
        }
        match has_erased {
            true => engine.sync(),
            false => Ok(()),
        }
    }

    fn next_mark(&self, engine: &dyn Engine) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let mut range = keys::erasures();
        range.from = range.from.max(self.mark_from.clone());
        let mut found = None;
        engine.scan(&range, false, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            false
        })?;
        Ok(found)
    }

    /// Stages the removal of some rows of an entity; true when none are left.
    fn erase_some(
        &mut self,
        engine: &dyn Engine,
        entity: &EntityId,
        (limit, erases): (Pos, Erases),
        batch: &mut Batch,
    ) -> Result<bool> {
        let cids = keys::cids_of_entity(entity);
        let mut left = SLICE_KEYS_MAX;
        if erases == Erases::RecordsAndCids && self.cursor < cids.to {
            let range = KeyRange {
                from: self.cursor.clone().max(cids.from),
                to: cids.to.clone(),
            };
            let mut stopped_at = None;
            engine.scan(&range, false, &mut |key, value| {
                if left == 0 {
                    stopped_at = Some(key.to_vec());
                    return false;
                }
                left -= 1;
                if cid_pos(value).is_some_and(|pos| pos < limit) {
                    batch.remove(key.to_vec());
                }
                true
            })?;
            self.cursor = stopped_at.unwrap_or(cids.to);
            if left == 0 {
                return Ok(false);
            }
        }
        let mut range = keys::records(entity, Pos(0), limit);
        range.from = range.from.max(self.cursor.clone());
        if range.from >= range.to {
            return Ok(true);
        }
        let mut last = None;
        let mut fault = None;
        let mut stopped_at = None;
        engine.scan(&range, false, &mut |key, _| {
            let pos = match keys::record_place(key) {
                Ok((pos, _)) => pos,
                Err(error) => {
                    fault = Some(error);
                    return false;
                }
            };
            if left == 0 && last != Some(pos) {
                stopped_at = Some(key.to_vec());
                return false;
            }
            left = left.saturating_sub(1);
            last = Some(pos);
            batch.remove(key.to_vec());
            true
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let ended = stopped_at.is_none();
        self.cursor = stopped_at.unwrap_or_default();
        Ok(ended)
    }
}

fn cid_pos(value: &[u8]) -> Option<Pos> {
    let pos = value.first_chunk::<8>()?;
    Some(Pos(u64::from_be_bytes(*pos)))
}

fn erase_snapshot(
    engine: &dyn Engine,
    entity: &EntityId,
    limit: Pos,
    batch: &mut Batch,
) -> Result<()> {
    let Some(value) = engine.get(&keys::snapshot(entity, 0))? else {
        return Ok(());
    };
    let first = parts::first(&value)?;
    if snapshot_pos(first.bytes).is_some_and(|pos| pos < limit) {
        for part in 0..first.part_count {
            batch.remove(keys::snapshot(entity, part));
        }
    }
    Ok(())
}
