//! fjall behind [`Engine`]: one keyspace, with its memory bounded.
//!
//! A commit is written to fjall's journal and, if asked, synced before its rows become readable, so
//! nothing needs to be hidden meanwhile.
//!
//! Invariant: each batch is synced before the next is written, unless the mark that batches pile up
//! unsynced is on disk. What a power loss may do to the journal follows from it: see [`repair`].
//!
//! Never: leaves a commit that was to be handed over in fjall's own buffer.

mod framing;
mod repair;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::engine::fjall::repair::UNSYNCED;
use crate::engine::{Batch, Engine, Lasting, Source, Visitor};
use crate::files;
use crate::journal::{Error, Result};
use crate::keys::KeyRange;

/// Rows held in memory before they become a table, bytes. Writes wait at four sealed ones, so the
/// write side stays below some 80 MiB; fjall's default of 64 MiB each holds 200 MB under load, and
/// with 8 MiB writes were seen to wait 100 ms for the tables to be written.
const MEMTABLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// All of fjall's journals, bytes: the smallest it accepts plus one that is being sealed.
const JOURNALS_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Threads that write out and compact. fjall 3.1 keeps the first free for writing out: a compaction
/// that it meets goes back into the queue at once. With two it spins beside every compaction, 9 %
/// of a loaded server's CPU; with three the others take what is queued. With one nothing is written
/// out while it compacts: the journal grew to 290 MB, and opening after a kill took 3.6 s.
const WORKER_COUNT: usize = 3;

pub(crate) struct FjallEngine {
    db: Database,
    rows: Keyspace,
    path: PathBuf,
    /// The mark that batches pile up unsynced stands.
    piles_up: AtomicBool,
}

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        Error::Engine(format!("fjall: {error}"))
    }
}

impl FjallEngine {
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Self> {
        repair::repair(path)?;
        let db = Database::builder(path)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNALS_BYTES_MAX)
            .worker_threads(WORKER_COUNT)
            .open()?;
        let rows = db.keyspace("rows", || {
            KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES_MAX)
        })?;
        let engine = Self {
            db,
            rows,
            path: path.to_owned(),
            piles_up: AtomicBool::new(false),
        };
        engine.end_the_pile()?;
        Ok(engine)
    }

    /// Marks that from now on batches pile up unsynced, before the first does.
    fn pile_up(&self) -> Result<()> {
        if !self.piles_up.load(Ordering::Acquire) {
            files::write_synced(&self.path.join(UNSYNCED))?;
            self.piles_up.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Takes the mark away once everything found is on disk.
    fn end_the_pile(&self) -> Result<()> {
        let mark = self.path.join(UNSYNCED);
        if !mark.exists() {
            return Ok(());
        }
        self.sync()?;
        std::fs::remove_file(mark).map_err(files::failed("remove the mark of unsynced batches"))?;
        files::sync_folder(&self.path)
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
            Lasting::Later if self.piles_up.load(Ordering::Acquire) => None,
            Lasting::Handed => {
                self.pile_up()?;
                Some(PersistMode::Buffer)
            }
            Lasting::Later | Lasting::Synced => Some(PersistMode::SyncData),
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

    /// Straight into tables: what is in the journal is read again at each opening until more than
    /// 64 MiB follow, 0.3 s for the 44 MiB of 10,000 companies.
    fn fill(&self, next: &mut Source<'_>) -> Result<()> {
        let mut tables = self.rows.start_ingestion()?;
        while let Some((key, value)) = next()? {
            tables.write(&key[..], &value[..])?;
        }
        Ok(tables.finish()?)
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
