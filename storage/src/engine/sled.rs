//! sled behind [`Engine`]: one tree, so that one batch is atomic without a transaction.
//!
//! sled's `flush` hands its log to the kernel and starts writing it out, but does not wait for the
//! disk. So a synced commit flushes and then syncs sled's file through a handle of our own, which
//! stays open. Values are small enough that sled never uses its `blobs` folder, which nothing
//! syncs; that it stays empty is checked at open and close.
//!
//! Never: uses a second tree, a transaction, or sled's background flusher.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use crate::engine::{Batch, Engine, Lasting, Visitor};
use crate::files;
use crate::journal::{Error, Result};
use crate::keys::KeyRange;

/// How long sled's file may stay locked after its last owner let go of the store: half a second.
const LOCK_TRY_COUNT_MAX: u32 = 50;
const LOCK_WAIT: Duration = Duration::from_millis(10);

pub(crate) struct SledEngine {
    db: sled::Db,
    /// Our own handle of sled's log and heap, for the sync that sled leaves out.
    file: File,
    path: PathBuf,
}

impl From<sled::Error> for Error {
    fn from(error: sled::Error) -> Self {
        Error::Engine(format!("sled: {error}"))
    }
}

impl SledEngine {
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Self> {
        let db = open_when_unlocked(path, cache_bytes)?;
        let file_path = path.join("db");
        let file = File::open(&file_path).map_err(files::failed("open sled's file"))?;
        let engine = Self {
            db,
            file,
            path: path.to_owned(),
        };
        engine.check_no_unsynced_files()?;
        Ok(engine)
    }

    fn check_no_unsynced_files(&self) -> Result<()> {
        let blobs = self.path.join("blobs");
        let mut entries = match std::fs::read_dir(&blobs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(files::failed("list sled's blobs")(error)),
        };
        match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::Damaged(format!(
                "sled keeps values in {}, which it never syncs",
                blobs.display()
            ))),
        }
    }
}

/// The store's own lock is held, so whoever has sled's is only about to let go of it: a child
/// process that is being started, or sled's own threads after a close.
fn open_when_unlocked(path: &Path, cache_bytes: u64) -> Result<sled::Db> {
    let mut tries_left = LOCK_TRY_COUNT_MAX;
    loop {
        let opened = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput)
            .open();
        match opened {
            Err(sled::Error::Io(error))
                if tries_left > 0 && error.to_string().contains("could not acquire lock") =>
            {
                tries_left -= 1;
                wait_for_lock();
            }
            opened => return Ok(opened?),
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "only while opening, before anything is served"
)]
fn wait_for_lock() {
    std::thread::sleep(LOCK_WAIT);
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let value = self.db.get(key)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, range: &KeyRange, reverse: bool, visit: &mut Visitor<'_>) -> Result<()> {
        if range.from >= range.to {
            return Ok(());
        }
        let mut rows = self.db.range(&range.from[..]..&range.to[..]);
        loop {
            let row = if reverse {
                rows.next_back()
            } else {
                rows.next()
            };
            match row {
                None => return Ok(()),
                Some(row) => {
                    let (key, value) = row?;
                    if !visit(&key, &value) {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn commit(&self, batch: &Batch, lasting: Lasting) -> Result<()> {
        let mut writes = sled::Batch::default();
        for (key, value) in batch.writes() {
            match value {
                Some(value) => writes.insert(&key[..], &value[..]),
                None => writes.remove(&key[..]),
            }
        }
        self.db.apply_batch(writes)?;
        match lasting {
            Lasting::Later => Ok(()),
            Lasting::Handed => self.db.flush().map(drop).map_err(Error::from),
            Lasting::Synced => self.sync(),
        }
    }

    fn sync(&self) -> Result<()> {
        self.db.flush()?;
        self.file.sync_data().map_err(files::failed("sync sled"))
    }

    fn shows_before_lasting(&self) -> bool {
        true
    }

    fn disk_bytes(&self) -> Result<u64> {
        self.check_no_unsynced_files()?;
        files::tree_bytes(&self.path)
    }
}
