//! A command's name and who may repeat the command under it, which decides where the name is found
//! again.
//!
//! A client repeats for a day, on any connection and after a restart of the server: its cids are in
//! the journal's index. A node that made the cid itself, since its client sent none, repeats only
//! what was answered "unavailable" while that client's connection lives: the newest are in memory
//! as all are, and the few that may have left it are found in the records since they were made.
//!
//! Never: reads the index.

use frontdesk_protocol::{Cid, PersonId, Pos, Seq, Timestamp};
use frontdesk_storage::{CidRow, EntityId, Error, Journal, Result};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::recover::RecordCid;
use crate::limits::NODE_CLOCKS_APART_MS;

/// Records looked at in one read.
const PAGE_RECORD_COUNT: usize = 64;
/// Bytes read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// Who made a command's cid and may repeat the command under it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamedBy {
    /// The client.
    #[default]
    Client,
    /// The node that its connection is on, while the connection lives.
    Node,
}

impl NamedBy {
    /// Whether the name is the client's: what a record leaves unsaid.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks by reference whether to leave a field out"
    )]
    pub(crate) fn is_client(&self) -> bool {
        *self == NamedBy::Client
    }
}

/// A command's cid, and who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The cid.
    pub cid: Cid,
    /// Who made it.
    pub by: NamedBy,
}

impl Named {
    /// A cid that this node made and never tells as the command's to anyone who would repeat it.
    pub fn by_node() -> Self {
        Self {
            cid: crate::clock::fresh_cid(),
            by: NamedBy::Node,
        }
    }
}

impl From<Cid> for Named {
    fn from(cid: Cid) -> Self {
        Self {
            cid,
            by: NamedBy::Client,
        }
    }
}

/// What a record says of its commands.
#[derive(Deserialize)]
struct CidsOfRecord {
    at: Timestamp,
    #[expect(dead_code, reason = "named, so that nothing else passes for a record")]
    events: IgnoredAny,
    cids: Vec<RecordCid>,
}

/// Looks for a command that a node named in the records since its cid was made, newest first.
/// Blocks on the disk.
pub(crate) fn find_in_records(
    journal: &dyn Journal,
    entity: &EntityId,
    person: &PersonId,
    cid: &Cid,
) -> Result<Option<CidRow>> {
    let made_ms = cid.time().map_or(0, |time| time.0);
    let mut before = Pos(u64::MAX);
    loop {
        let records = journal.read_before(entity, before, PAGE_RECORD_COUNT, PAGE_BYTES)?;
        for record in &records {
            before = record.pos;
            let said: CidsOfRecord = rmp_serde::from_slice(&record.payload).map_err(|error| {
                Error::Damaged(format!("cids of the record at pos {}: {error}", record.pos))
            })?;
            if said.at.0.saturating_add(NODE_CLOCKS_APART_MS) < made_ms {
                return Ok(None);
            }
            let is_it = |found: &&RecordCid| found.cid == *cid && found.person == *person;
            if let Some(found) = said.cids.iter().find(is_it) {
                return Ok(Some(CidRow {
                    person: found.person.clone(),
                    cid: found.cid,
                    seq: Seq(found.number),
                    at: said.at,
                    digest: found.digest,
                }));
            }
        }
        if records.is_empty() {
            return Ok(None);
        }
    }
}
