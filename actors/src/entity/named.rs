//! A command's name and who may repeat the command under it, which decides where the name is found
//! again.
//!
//! A client repeats for a day, on any connection and after a restart of the server: its cids are in
//! the journal's index. Where a connection's client sent none, its node made one. Under that one
//! the node repeats what was answered "busy" or "unavailable" while the connection lives, and an
//! entity that starts again decides what its predecessor had not answered. The newest are in memory
//! as all are, and the few that may have left it are found in the records since they were made.
//!
//! Never: reads the index.

use std::collections::{HashMap, HashSet};

use frontdesk_protocol::{Cid, PersonId, Pos, Seq, Timestamp};
use frontdesk_storage::{CidRow, EntityId, Error, Journal, Record, Result};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::recover::{RECORD_VERSION, RecordCid};
use crate::limits::NODE_CLOCKS_APART_MS;

/// Records looked at in one read.
const PAGE_RECORD_COUNT: usize = 64;
/// Bytes read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// Who made a command's cid and may repeat the command under it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CidBy {
    /// The client.
    #[default]
    Client,
    /// The node that its connection is on, while the connection lives.
    Node,
}

impl CidBy {
    /// Whether the name is the client's: what a record leaves unsaid.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks by reference whether to leave a field out"
    )]
    pub(crate) fn is_client(&self) -> bool {
        *self == CidBy::Client
    }
}

/// A command's cid, and who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The cid.
    pub cid: Cid,
    /// Who made it.
    pub by: CidBy,
}

impl Named {
    /// A cid that this node makes. Clients see it with what came of the command; one that sends it
    /// with a command of its own names another command.
    pub fn by_node() -> Self {
        Self {
            cid: crate::clock::fresh_cid(),
            by: CidBy::Node,
        }
    }
}

impl From<Cid> for Named {
    fn from(cid: Cid) -> Self {
        Self {
            cid,
            by: CidBy::Client,
        }
    }
}

/// What a record says of its commands.
#[derive(Deserialize)]
struct CidsOfRecord {
    v: u8,
    at: Timestamp,
    #[expect(dead_code, reason = "named, so that nothing else passes for a record")]
    events: IgnoredAny,
    cids: Vec<RecordCid>,
}

/// Looks for commands that nodes named in the records since the first of their cids was made,
/// newest first. The newest records are looked at in any case: a clock that was set back may have
/// given them an earlier time. Blocks on the disk.
pub(crate) fn find_in_records(
    journal: &dyn Journal,
    entity: &EntityId,
    mut wanted: HashSet<(PersonId, Cid)>,
) -> Result<HashMap<(PersonId, Cid), CidRow>> {
    let made_ms = |(_, cid): &(PersonId, Cid)| cid.time().map_or(0, |time| time.0);
    let first_made_ms = wanted.iter().map(made_ms).min().unwrap_or_default();
    let mut found = HashMap::new();
    let mut before = Pos(u64::MAX);
    while !wanted.is_empty() {
        let records = journal.read_before(entity, before, PAGE_RECORD_COUNT, PAGE_BYTES)?;
        let mut is_early = records.is_empty();
        for record in &records {
            before = record.pos;
            let said = cids_of(record)?;
            is_early |= said.at.0.saturating_add(NODE_CLOCKS_APART_MS) < first_made_ms;
            for cid in said.cids {
                let named = (cid.person.clone(), cid.cid);
                if wanted.remove(&named) {
                    found.insert(named, row_of(cid, said.at));
                }
            }
        }
        if is_early {
            break;
        }
    }
    Ok(found)
}

fn cids_of(record: &Record) -> Result<CidsOfRecord> {
    let damaged = |why: String| Error::Damaged(format!("cids of pos {}: {why}", record.pos));
    let said: CidsOfRecord =
        rmp_serde::from_slice(&record.payload).map_err(|error| damaged(error.to_string()))?;
    match said.v {
        RECORD_VERSION => Ok(said),
        v => Err(damaged(format!("version {v}, expected {RECORD_VERSION}"))),
    }
}

fn row_of(cid: RecordCid, at: Timestamp) -> CidRow {
    CidRow {
        person: cid.person,
        cid: cid.cid,
        seq: Seq(cid.number),
        at,
        digest: cid.digest,
    }
}
