//! Reading an entity back: a snapshot if there is a usable one, then the records after it.
//!
//! Owns: the stored form of records and snapshots (MessagePack with named fields and a version).
//! Invariants: only durable records are read, since the journal shows no others; a snapshot of an
//! unknown version or beyond the tail is ignored; records may be missing before one that erases,
//! which says all there is to know, and nowhere else.
//! Never: writes. Blocks on the disk: called off the event loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::{Cid, PersonId, Pos, Timestamp};
use frontdesk_storage::{EntityId, Error, Journal, Record, Result, Snapshot, Tail};
use serde::{Deserialize, Serialize};

use super::cids::{CidWindows, Floor, Remembered};
use super::{CidBy, Effect, Rules};
use crate::bus::Revoked;

/// Records read at once while recovering.
const PAGE_RECORD_COUNT: usize = 512;
/// Bytes read at once while recovering.
const PAGE_BYTES: usize = 1024 * 1024;
/// Version of [`RecordBody`].
pub(super) const RECORD_VERSION: u8 = 1;

/// One journal record: what one batch of commands came to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "E: Serialize + serde::de::DeserializeOwned")]
pub(crate) struct RecordBody<E> {
    /// Always [`RECORD_VERSION`].
    v: u8,
    /// When the batch was decided.
    pub(crate) at: Timestamp,
    /// What happened.
    pub(crate) events: Vec<E>,
    /// Commands to remember.
    pub(crate) cids: Vec<RecordCid>,
    /// Where records before this one go: what must be looked up among the cids that stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cid_floor: Option<Floor>,
}

/// A command to remember.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordCid {
    /// Whose.
    pub(crate) person: PersonId,
    /// Which.
    pub(crate) cid: Cid,
    /// What it came to.
    pub(crate) number: u64,
    /// Fingerprint of the command.
    pub(crate) digest: u64,
    /// Who may repeat it.
    #[serde(default, skip_serializing_if = "CidBy::is_client")]
    pub(crate) by: CidBy,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "R: Serialize + serde::de::DeserializeOwned")]
struct SnapshotBody<R> {
    rules: R,
    cid_floors: BTreeMap<PersonId, Floor>,
    #[serde(default)]
    cid_floor: Floor,
}

/// An entity read back.
pub(crate) struct Recovered<R> {
    /// Its state at `tail`.
    pub(crate) rules: R,
    /// Which commands it did.
    pub(crate) cids: CidWindows,
    /// The end of its journal.
    pub(crate) tail: Tail,
    /// Effects that may not have been delivered, in order.
    pub(crate) effects: Vec<(Pos, Effect)>,
    /// Where the snapshot stands that it started from.
    pub(crate) snapshot_at: Tail,
    /// The first record that something may still be owed for: effects or its place in lists.
    pub(crate) pending: Option<Pos>,
    /// What the last record revokes, unless a snapshot stands behind it: that is made of records
    /// which were announced.
    pub(crate) revoked: Vec<Revoked>,
    /// Records were missing, and the one that erased them was not met yet.
    is_adrift: bool,
}

/// Encodes a record.
pub(crate) fn encode_record<E>(
    at: Timestamp,
    events: &[E],
    cids: &[RecordCid],
    cid_floor: Option<Floor>,
) -> Bytes
where
    E: Serialize,
{
    #[derive(Serialize)]
    struct Borrowed<'a, E> {
        v: u8,
        at: Timestamp,
        events: &'a [E],
        cids: &'a [RecordCid],
        #[serde(skip_serializing_if = "Option::is_none")]
        cid_floor: Option<Floor>,
    }
    let body = Borrowed {
        v: RECORD_VERSION,
        at,
        events,
        cids,
        cid_floor,
    };
    Bytes::from(rmp_serde::to_vec_named(&body).expect("a record always encodes"))
}

/// Decodes a record.
pub(crate) fn decode_record<E>(record: &Record) -> Result<RecordBody<E>>
where
    E: Serialize + serde::de::DeserializeOwned,
{
    let damaged = |why: String| Error::Damaged(format!("record at pos {}: {why}", record.pos));
    let body: RecordBody<E> =
        rmp_serde::from_slice(&record.payload).map_err(|error| damaged(error.to_string()))?;
    if body.v != RECORD_VERSION {
        return Err(damaged(format!(
            "version {}, expected {RECORD_VERSION}",
            body.v
        )));
    }
    Ok(body)
}

/// Makes a snapshot of a state at a durable position.
pub(crate) fn encode_snapshot<R: Rules>(
    rules: &R,
    cids: &CidWindows,
    at: Tail,
    now: Timestamp,
) -> Snapshot {
    #[derive(Serialize)]
    struct Borrowed<'a, R> {
        rules: &'a R,
        cid_floors: BTreeMap<PersonId, Floor>,
        cid_floor: Floor,
    }
    let body = Borrowed {
        rules,
        cid_floors: cids.floors(now),
        cid_floor: cids.everyone(now),
    };
    let payload = rmp_serde::to_vec_named(&body).expect("a state always encodes");
    Snapshot {
        version: R::STATE_VERSION,
        at,
        payload: Bytes::from(payload),
    }
}

/// Reads an entity back.
pub(crate) fn recover<R: Rules>(
    journal: &Arc<dyn Journal>,
    entity: &EntityId,
) -> Result<Recovered<R>> {
    let (mut recovered, effects_from) = start::<R>(journal, entity)?;
    let mut after = effects_from.map_or(recovered.tail.pos, |pos| {
        recovered.tail.pos.min(Pos(pos.0.saturating_sub(1)))
    });
    loop {
        let records = journal.read_after(entity, after, PAGE_RECORD_COUNT, PAGE_BYTES)?;
        let Some(last) = records.last() else { break };
        after = last.pos;
        for record in &records {
            replay(&mut recovered, entity, record, effects_from)?;
        }
    }
    if recovered.is_adrift {
        return Err(missing(entity, recovered.tail.pos));
    }
    let rules = &recovered.rules;
    recovered
        .effects
        .retain(|(_, effect)| rules.is_owed(effect));
    Ok(recovered)
}

/// The snapshot or nothing, and from which pos on effects are owed.
fn start<R: Rules>(
    journal: &Arc<dyn Journal>,
    entity: &EntityId,
) -> Result<(Recovered<R>, Option<Pos>)> {
    let effects_from = journal.pending_of(entity)?;
    let usable = journal
        .snapshot(entity)?
        .filter(|found| found.version == R::STATE_VERSION);
    let decoded = usable.and_then(|found| {
        rmp_serde::from_slice::<SnapshotBody<R>>(&found.payload)
            .ok()
            .map(|body| (found.at, body))
    });
    let recovered = match decoded {
        Some((at, body)) => Recovered {
            rules: body.rules,
            cids: CidWindows::with_floors(body.cid_floors).above(body.cid_floor),
            tail: at,
            effects: Vec::new(),
            snapshot_at: at,
            pending: effects_from,
            revoked: Vec::new(),
            is_adrift: false,
        },
        None => Recovered {
            rules: R::new(entity),
            cids: CidWindows::default(),
            tail: Tail::default(),
            effects: Vec::new(),
            snapshot_at: Tail::default(),
            pending: effects_from,
            revoked: Vec::new(),
            is_adrift: false,
        },
    };
    Ok((recovered, effects_from))
}

fn missing(entity: &EntityId, before: Pos) -> Error {
    Error::Damaged(format!("records before {before} are missing in {entity}"))
}

fn replay<R: Rules>(
    recovered: &mut Recovered<R>,
    entity: &EntityId,
    record: &Record,
    effects_from: Option<Pos>,
) -> Result<()> {
    let body = decode_record::<R::Event>(record)?;
    let is_new = record.pos > recovered.tail.pos;
    recovered.is_adrift |= is_new && record.pos != recovered.tail.pos.next();
    let mut skipped = 0;
    let erasing = body
        .events
        .iter()
        .rposition(|event| R::erases(event).is_some());
    if let Some(index) = erasing.filter(|_| is_new && recovered.is_adrift) {
        recovered.rules = R::new(entity);
        recovered.is_adrift = false;
        skipped = index;
    }
    if let Some(floor) = body.cid_floor.filter(|_| is_new) {
        recovered.cids = CidWindows::default().above(floor);
    }
    recovered.revoked = body.events.iter().filter_map(R::announce).collect();
    recovered.rules.begin_batch();
    for (index, event) in body.events.iter().enumerate() {
        if is_new && !recovered.is_adrift && index >= skipped {
            recovered.rules.apply(event);
        }
        if effects_from.is_some_and(|from| record.pos >= from) {
            let owed = recovered.rules.effects(entity, event).into_iter();
            recovered
                .effects
                .extend(owed.map(|effect| (record.pos, effect)));
        }
    }
    if is_new {
        for cid in &body.cids {
            let remembered = Remembered {
                number: cid.number,
                at: body.at,
                digest: cid.digest,
                by: cid.by,
            };
            recovered.cids.remember(&cid.person, cid.cid, remembered);
            recovered.cids.trim(&cid.person);
        }
        recovered.tail = Tail {
            pos: record.pos,
            seq: record.seq_after,
        };
    }
    Ok(())
}
