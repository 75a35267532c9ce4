//! Opening a store in a folder: who may, which engine, and what one opening changes.
//!
//! A store's folder holds `lock`, and one folder named after its engine with the engine's files.
//!
//! Invariants:
//! 1. One process at a time: the lock is taken before an engine's file is touched.
//! 2. The boot is counted and everything found is synced before the store serves.
//! 3. A folder keeps its engine; another one is refused, never started beside it.
//!
//! Never: converts, or takes away what was acknowledged. An engine may cut off its journal's torn
//! end.

use std::fs::{File, OpenOptions as FileOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::engine::fjall::FjallEngine;
use crate::engine::sled::SledEngine;
use crate::engine::{Batch, Engine, Lasting};
use crate::files;
use crate::journal::{Durability, Error, Result};
use crate::keys;
use crate::schema::BootRecord;
use crate::store::{Clock, Fatal, Setup, Store};

/// An embedded engine; each build has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// One log-structured tree in one file.
    Sled,
    /// A log-structured merge tree in a folder of tables.
    Fjall,
}

impl EngineKind {
    /// Every engine.
    pub const ALL: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Fjall];

    /// Its name in settings, messages and folders.
    pub const fn as_str(self) -> &'static str {
        match self {
            EngineKind::Sled => "sled",
            EngineKind::Fjall => "fjall",
        }
    }
}

/// Memory that an engine keeps rows in to read them again, bytes, when nothing else is configured.
pub const CACHE_BYTES_DEFAULT: u64 = 128 * 1024 * 1024;

/// Where an import builds a store before it becomes one.
pub(crate) const INCOMING: &str = "incoming";

/// How to open a store.
#[derive(Clone)]
pub struct OpenOptions {
    /// Its folder; made if missing.
    pub path: PathBuf,
    /// Its engine; a folder that has another one is refused.
    pub engine: EngineKind,
    /// What an acknowledgement means.
    pub durability: Durability,
    /// The engine's cache, bytes.
    pub cache_bytes: u64,
    /// The time, for what expires.
    pub clock: Clock,
    /// Told once when the store has failed; the server ends its process there.
    pub fatal: Fatal,
}

/// Opens the store in a folder, making it if the folder has none. Blocks on the disk.
pub fn open(options: &OpenOptions) -> Result<Arc<Store>> {
    let lock = lock_folder(&options.path)?;
    check_engine(&options.path, options.engine)?;
    let engine = open_engine(&options.path, options.engine, options.cache_bytes)?;
    files::sync_folder(&options.path)?;
    if let Some(parent) = options.path.parent().filter(|parent| parent.is_dir()) {
        files::sync_folder(parent)?;
    }
    Store::start(Setup {
        engine,
        durability: options.durability,
        clock: options.clock.clone(),
        fatal: options.fatal.clone(),
        random: Box::new(random_bits),
        faults: None,
        lock: Some(lock),
    })
}

/// Opens the engine's files in the store's folder.
///
/// Neither engine survives a crash while it makes its files: fjall refuses to go on from half of
/// them (a plain kill is enough), sled never syncs its `conf`. So a mark stands beside the folder
/// until all of it is on disk, and a folder that still has the mark, which never served, is made
/// anew.
pub(crate) fn open_engine(
    path: &Path,
    kind: EngineKind,
    cache_bytes: u64,
) -> Result<Arc<dyn Engine>> {
    let folder = path.join(kind.as_str());
    let mark = path.join(format!("{}.making", kind.as_str()));
    let making = mark.exists() || !folder.exists();
    if making {
        files::write_synced(&mark)?;
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(files::failed("remove half an engine"))?;
        }
    }
    let engine: Arc<dyn Engine> = match kind {
        EngineKind::Sled => Arc::new(SledEngine::open(&folder, cache_bytes)?),
        EngineKind::Fjall => Arc::new(FjallEngine::open(&folder, cache_bytes)?),
    };
    files::sync_folder(&folder)?;
    if making {
        files::sync_tree(&folder)?;
        files::sync_folder(path)?;
        std::fs::remove_file(&mark).map_err(files::failed("remove the mark of making"))?;
        files::sync_folder(path)?;
    }
    Ok(engine)
}

/// A folder's lock, held until it is dropped.
pub(crate) struct FolderLock {
    file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Takes the lock's file out of a folder that is no store.
    pub(crate) fn remove_file(&self) {
        // If it stays, it is in nobody's way.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Whether the file still has its name: its last holder may have removed it after we opened it.
    fn is_named(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for FolderLock {
    /// Unlocks by hand: closing alone leaves the lock to a child process that is just being started
    /// and has not yet let go of our files.
    fn drop(&mut self) {
        // If this fails, closing the file is all that is left to do, and happens next.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// The file that carries a folder's lock.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    path.join("lock")
}

/// Takes a folder's lock.
pub(crate) fn lock_folder(path: &Path) -> Result<FolderLock> {
    loop {
        std::fs::create_dir_all(path).map_err(files::failed("make the store's folder"))?;
        let lock = FolderLock {
            file: FileOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(lock_path(path))
                .map_err(files::failed("open the store's lock"))?,
            path: lock_path(path),
        };
        match rustix::fs::flock(&lock.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::Refused(format!(
                    "the store in {} is in use by another process",
                    path.display()
                )));
            }
            Err(error) => return Err(files::failed("lock the store's folder")(error.into())),
        }
        // Each further round means that an import failed in between.
        if lock
            .is_named()
            .map_err(files::failed("look at the store's lock"))?
        {
            return Ok(lock);
        }
    }
}

/// The engine whose files a folder holds.
pub(crate) fn engine_of(path: &Path) -> Result<Option<EngineKind>> {
    let found: Vec<_> = EngineKind::ALL
        .into_iter()
        .filter(|kind| path.join(kind.as_str()).exists())
        .collect();
    match found[..] {
        [] => Ok(None),
        [kind] => Ok(Some(kind)),
        _ => Err(Error::Refused(format!(
            "{} holds two engines' files; keep one",
            path.display()
        ))),
    }
}

fn check_engine(path: &Path, wanted: EngineKind) -> Result<()> {
    match engine_of(path)? {
        Some(found) if found != wanted => Err(Error::Refused(format!(
            "the store in {} was made with {}, the settings say {}: move it with `export` and \
             `import`, or set the engine back",
            path.display(),
            found.as_str(),
            wanted.as_str()
        ))),
        None if path.join(INCOMING).exists() => Err(Error::Refused(format!(
            "an import into {} was cut off: run it again",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// The boot record as stored.
pub(crate) fn read_boot(engine: &dyn Engine) -> Result<Option<BootRecord>> {
    let stored = engine.get(&keys::boot())?;
    stored.map(|bytes| BootRecord::decode(&bytes)).transpose()
}

/// Counts one more opening, and puts it and everything found on disk.
pub(crate) fn count_boot(
    engine: &dyn Engine,
    durability: Durability,
    random: &mut dyn FnMut() -> u64,
) -> Result<BootRecord> {
    let last = match read_boot(engine)? {
        Some(record) => record,
        None => {
            check_no_rows(engine)?;
            BootRecord::fresh(random)
        }
    };
    let boot = last.opened(durability, random);
    let mut batch = Batch::default();
    batch.put(keys::boot(), boot.encode().into());
    engine.commit(&batch, Lasting::Synced)?;
    engine.sync()?;
    Ok(boot)
}

/// Rows without a boot record are the remains of a store, not a new one.
fn check_no_rows(engine: &dyn Engine) -> Result<()> {
    let mut found = false;
    engine.scan(&keys::KeyRange::all(), false, &mut |_, _| {
        found = true;
        false
    })?;
    match found {
        true => Err(Error::Damaged("rows without a boot record".into())),
        false => Ok(()),
    }
}

/// 64 random bits: the standard library's randomly keyed hash of a fresh UUID.
pub(crate) fn random_bits() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write(uuid::Uuid::now_v7().as_bytes());
    hasher.finish()
}
