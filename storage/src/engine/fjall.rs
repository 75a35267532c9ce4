//! fjall behind [`Engine`]: one keyspace, with its memory bounded.
//!
//! A commit is written to fjall's journal and, if asked, synced before its rows become readable, so
//! nothing needs to be hidden meanwhile.
//!
//! Never: leaves a commit that was to be handed over in fjall's own buffer.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engine::{Batch, Engine, Lasting, Visitor};
use crate::files;
use crate::journal::{Error, Result};
use crate::keys::KeyRange;

/// Rows held in memory before they become a table, bytes. Writes wait at four sealed ones, so the
/// write side stays below some 80 MiB; fjall's default of 64 MiB each holds 200 MB under load, and
/// with 8 MiB writes were seen to wait 100 ms for the tables to be written.
const MEMTABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// All of fjall's journals, bytes: the smallest it accepts plus one that is being sealed.
const JOURNALS_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Threads that write out and compact.
const WORKER_COUNT: usize = 2;

pub(crate) struct FjallEngine {
    db: Database,
    rows: Keyspace,
    path: PathBuf,
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        Error::Engine(format!("fjall: {error}"))
    }
}

impl FjallEngine {
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Self> {
        let db = Database::builder(path)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNALS_BYTES_MAX)
            .worker_threads(WORKER_COUNT)
            .open()?;
        let rows = db.keyspace("rows", || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES_MAX)
        })?;
        Ok(Self {
            db,
            rows,
            path: path.to_owned(),
        })
    }
}

impl Engine for FjallEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let value = self.rows.get(key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, range: &KeyRange, reverse: bool, visit: &mut Visitor<'_>) -> Result<()> {
        if range.from >= range.to {
            return Ok(());
        }
        let mut rows = self.rows.range(&range.from[..]..&range.to[..]);
        loop {
            let row = if reverse {
                rows.next_back()
            } else {
                rows.next()
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.into_inner()?;
            if !visit(&key, &value) {
                return Ok(());
            }
        }
    }

    fn commit(&self, batch: &Batch, lasting: Lasting) -> Result<()> {
        let persist = match lasting {
            Lasting::Later => None,
            Lasting::Handed => Some(PersistMode::Buffer),
            Lasting::Synced => Some(PersistMode::SyncData),
        };
        let mut writes = self.db.batch().durability(persist);
        for (key, value) in batch.writes() {
            match value {
                Some(value) => writes.insert(&self.rows, &key[..], &value[..]),
                None => writes.remove(&self.rows, &key[..]),
            }
        }
        Ok(writes.commit()?)
    }

    fn sync(&self) -> Result<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    fn shows_before_lasting(&self) -> bool {
        false
    }

    fn hands_over_quickly(&self) -> bool {
        true
    }

    fn disk_bytes(&self) -> Result<u64> {
        files::tree_bytes(&self.path)
    }
}
