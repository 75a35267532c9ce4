//! The journal of a [`Store`]: reads on the caller's thread, writes through the writer's queue.
//!
//! Never: commits on the caller's thread.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use frontdesk_protocol::{Cid, Epoch, PersonId, Pos, Seq, Timestamp};

use crate::journal::{
    Append, CidRow, EntityId, Error, Journal, OnOutcome, RECORD_BYTES_MAX, Record, Result,
    Snapshot, Tail,
};
use crate::keys;
use crate::store::read::{self, PageLimit};
use crate::store::{Shared, Store};
use crate::writer::{Answer, FenceAnswer, Op};

/// Longest row key, bytes.
pub(crate) const ROW_KEY_BYTES_MAX: usize = 512;

/// A cid row's value: four numbers.
const CID_VALUE_BYTES: usize = 32;
/// A snapshot's header: version, pos, seq.
const SNAPSHOT_HEADER_BYTES: usize = 20;

pub(crate) fn encode_cid(row: &CidRow, pos: Pos) -> Bytes {
    let mut value = Vec::with_capacity(CID_VALUE_BYTES);
    for number in [pos.0, row.seq.0, row.at.0, row.digest] {
        value.extend_from_slice(&number.to_be_bytes());
    }
    value.into()
}

/// When a stored cid row was written.
pub(crate) fn cid_time(value: &[u8]) -> Option<Timestamp> {
    let at = value.get(16..)?.first_chunk::<8>()?;
    Some(Timestamp(u64::from_be_bytes(*at)))
}

pub(crate) fn snapshot_header(snapshot: &Snapshot) -> [u8; SNAPSHOT_HEADER_BYTES] {
    let mut header = [0; SNAPSHOT_HEADER_BYTES];
    header[..4].copy_from_slice(&snapshot.version.to_be_bytes());
    header[4..12].copy_from_slice(&snapshot.at.pos.0.to_be_bytes());
    header[12..].copy_from_slice(&snapshot.at.seq.0.to_be_bytes());
    header
}

fn decode_snapshot(mut bytes: Bytes) -> Result<Snapshot> {
    if bytes.len() < SNAPSHOT_HEADER_BYTES {
        return Err(Error::Damaged("a snapshot without its header".into()));
    }
    Ok(Snapshot {
        version: bytes.get_u32(),
        at: Tail {
            pos: Pos(bytes.get_u64()),
            seq: Seq(bytes.get_u64()),
        },
        payload: bytes,
    })
}

/// The pos of a snapshot, from the bytes of its first part.
pub(crate) fn snapshot_pos(bytes: &[u8]) -> Option<Pos> {
    let pos = bytes.get(4..)?.first_chunk::<8>()?;
    Some(Pos(u64::from_be_bytes(*pos)))
}

pub(crate) fn decode_pending(value: &[u8]) -> Result<Pos> {
    let pos = <[u8; 8]>::try_from(value);
    let pos = pos.map_err(|_| Error::Damaged("a pending mark is not a position".into()))?;
    Ok(Pos(u64::from_be_bytes(pos)))
}

impl Shared {
    fn durable_tail(&self, entity: &EntityId) -> Result<Tail> {
        if let Some(tail) = self.durable(entity) {
            return Ok(tail);
        }
        let tail = read::engine_tail(self.engine.as_ref(), entity)?;
        Ok(self.durable(entity).unwrap_or(tail))
    }
}

impl Journal for Store {
    fn fence(&self, entity: &EntityId, epoch: Epoch, done: Box<dyn FnOnce(Result<Tail>) + Send>) {
        self.send(Op::Fence {
            entity: entity.clone(),
            epoch,
            answer: FenceAnswer::new(self.shared.clone(), done),
        });
    }

    /// # Panics
    /// When the record or a row's key is longer than the contract allows.
    fn append(&self, append: Append, done: OnOutcome) {
        assert!(
            append.payload.len() <= RECORD_BYTES_MAX,
            "a record is at most a megabyte"
        );
        check_rows(&append.rows);
        let answer = Answer::new(self.shared.clone(), done);
        self.send(Op::Append {
            append: Box::new(append),
            answer,
        });
    }

    fn release(&self, entity: &EntityId, epoch: Epoch) {
        self.send(Op::Release {
            entity: entity.clone(),
            epoch,
        });
    }

    fn put_snapshot(&self, entity: &EntityId, snapshot: Snapshot) {
        if self.queue_is_full() {
            return;
        }
        self.send(Op::Snapshot {
            entity: entity.clone(),
            snapshot,
        });
    }

    fn settle(&self, entity: &EntityId, epoch: Epoch, pending: Option<Pos>) {
        self.send(Op::Settle {
            entity: entity.clone(),
            epoch,
            pending,
        });
    }

    fn tail(&self, entity: &EntityId) -> Result<Tail> {
        self.shared.durable_tail(entity)
    }

    fn snapshot(&self, entity: &EntityId) -> Result<Option<Snapshot>> {
        let key = |part| keys::snapshot(entity, part);
        let engine = self.shared.engine.as_ref();
        let Some(value) = read::engine_value(engine, "a snapshot", key)? else {
            return Ok(None);
        };
        let snapshot = decode_snapshot(value)?;
        let tail = self.shared.durable_tail(entity)?;
        Ok((snapshot.at.pos <= tail.pos).then_some(snapshot))
    }

    fn read_after(
        &self,
        entity: &EntityId,
        after: Pos,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>> {
        let Some(from) = after.0.checked_add(1) else {
            return Ok(Vec::new());
        };
        let limit = PageLimit {
            count_max,
            bytes_max,
        };
        self.shared
            .page(entity, (Pos(from), Pos(u64::MAX)), false, limit)
    }

    fn read_before(
        &self,
        entity: &EntityId,
        before: Pos,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Record>> {
        let limit = PageLimit {
            count_max,
            bytes_max,
        };
        self.shared.page(entity, (Pos(0), before), true, limit)
    }

    fn pos_of_seq(&self, entity: &EntityId, seq: Seq) -> Result<Option<Pos>> {
        let tail = self.shared.durable_tail(entity)?;
        if tail.pos == Pos(0) || seq > tail.seq {
            return Ok(None);
        }
        // Records have no gap from the first that is left, and seq never falls between them.
        let (mut low, mut high) = (1, tail.pos.0);
        while low < high {
            let middle = low + (high - low) / 2;
            let engine = self.shared.engine.as_ref();
            let Some(found) = read::engine_seq(engine, entity, Pos(middle))? else {
                let first = read::engine_first(engine, entity)?;
                let erased = first.filter(|first| first.0 > middle);
                let missing = || Error::Damaged(format!("{entity}: record {middle} is missing"));
                low = erased.ok_or_else(missing)?.0;
                continue;
            };
            if found >= seq {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(Some(Pos(low)))
    }

    fn cid(&self, entity: &EntityId, person: &PersonId, cid: &Cid) -> Result<Option<CidRow>> {
        let Some(value) = self.shared.engine.get(&keys::cid(entity, cid, person))? else {
            return Ok(None);
        };
        if value.len() != CID_VALUE_BYTES {
            return Err(Error::Damaged("a cid row of another length".into()));
        }
        let mut value = value;
        let pos = Pos(value.get_u64());
        if self
            .shared
            .durable(entity)
            .is_some_and(|tail| pos > tail.pos)
        {
            return Ok(None);
        }
        Ok(Some(CidRow {
            person: person.clone(),
            cid: *cid,
            seq: Seq(value.get_u64()),
            at: Timestamp(value.get_u64()),
            digest: value.get_u64(),
        }))
    }

    fn pending(&self) -> Result<Vec<(EntityId, Pos)>> {
        let mut found = Vec::new();
        self.shared
            .engine
            .scan(&keys::pendings(), false, &mut |key, value| {
                found.push((key.to_vec(), decode_pending(value)));
                true
            })?;
        let mut marks = Vec::with_capacity(found.len());
        for (key, pos) in found {
            let entity = keys::marked_entity(&key)?;
            let pos = pos?;
            if self
                .shared
                .durable(&entity)
                .is_none_or(|tail| pos <= tail.pos)
            {
                marks.push((entity, pos));
            }
        }
        Ok(marks)
    }

    fn pending_of(&self, entity: &EntityId) -> Result<Option<Pos>> {
        let Some(value) = self.shared.engine.get(&keys::pending(entity))? else {
            return Ok(None);
        };
        let pos = decode_pending(&value)?;
        let is_durable = self
            .shared
            .durable(entity)
            .is_none_or(|tail| pos <= tail.pos);
        Ok(is_durable.then_some(pos))
    }

    fn history_salt(&self) -> u64 {
        self.shared.boot.history_salt
    }

    fn boot_count(&self) -> u32 {
        self.shared.boot.boot_count
    }

    fn failure(&self) -> Option<Arc<str>> {
        self.shared.failure()
    }
}

/// # Panics
/// When a row is longer than the contract allows.
pub(crate) fn check_rows(rows: &[crate::journal::Row]) {
    for row in rows {
        assert!(
            row.key.len() <= ROW_KEY_BYTES_MAX,
            "a row's key is at most 512 bytes"
        );
        let value_bytes = row.value.as_ref().map_or(0, Bytes::len);
        assert!(
            value_bytes <= RECORD_BYTES_MAX,
            "a row is at most a megabyte"
        );
    }
}
