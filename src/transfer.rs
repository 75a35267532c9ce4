//! `frontdesk export` and `frontdesk import`: the files around the stream that storage reads and
//! writes.
//!
//! Invariants: an export is complete and on disk before it has its name, and takes nobody's place.
//! Never: looks into the stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use frontdesk_storage::{EngineKind, Moved};

/// Why a store was not moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The named file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Storage refused, or failed.
    #[error("{0}")]
    Storage(#[from] frontdesk_storage::Error),
}

impl Error {
    /// Whether the caller should ask for something else; everything else is our side's fault.
    pub fn is_refusal(&self) -> bool {
        match self {
            Error::File { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
            ),
            Error::Storage(error) => matches!(error, frontdesk_storage::Error::Refused(_)),
        }
    }
}

/// Writes the store in `folder` to the new file `out`.
pub fn export(folder: &Path, out: &Path) -> Result<Moved, Error> {
    if out.exists() {
        let source = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(at(out)(source));
    }
    let partial = partial_name(out);
    let written = write_partial(folder, &partial);
    let named = written.and_then(|moved| {
        fs::rename(&partial, out).map_err(at(out))?;
        sync_parent(out).map_err(at(out))?;
        Ok(moved)
    });
    if named.is_err() {
        // Half a file helps nobody; if it stays after all, its name says what it is.
        let _ = fs::remove_file(&partial);
    }
    named
}

fn write_partial(folder: &Path, partial: &Path) -> Result<Moved, Error> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(partial);
    let mut out = BufWriter::new(file.map_err(at(partial))?);
    let moved = frontdesk_storage::export(folder, &mut out)?;
    out.flush().map_err(at(partial))?;
    out.get_ref().sync_all().map_err(at(partial))?;
    Ok(moved)
}

/// Fills the empty or missing `folder` from the file `input`.
pub fn import(
    input: &Path,
    folder: &Path,
    engine: EngineKind,
    as_restore: bool,
) -> Result<Moved, Error> {
    let mut stream = BufReader::new(File::open(input).map_err(at(input))?);
    Ok(frontdesk_storage::import(
        folder,
        engine,
        &mut stream,
        as_restore,
    )?)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::File { path, source }
}

fn partial_name(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use frontdesk_protocol::Timestamp;
    use frontdesk_storage::{Durability, OpenOptions as StoreOptions};

    use super::*;

    fn store(path: &Path, engine: EngineKind) -> StoreOptions {
        StoreOptions {
            path: path.to_owned(),
            engine,
            durability: Durability::Buffered,
            cache_bytes: 1024 * 1024,
            clock: Arc::new(|| Timestamp(1)),
            fatal: Arc::new(|why| panic!("{why}")),
        }
    }

    #[test]
    fn an_export_fills_a_store_of_the_other_engine() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let out = folder.path().join("export");
        drop(frontdesk_storage::open(&store(&first, EngineKind::Fjall)).unwrap());
        let exported = export(&first, &out).unwrap();
        let imported = import(&out, &second, EngineKind::Sled, false).unwrap();
        assert_eq!(imported.row_count, exported.row_count);
        assert_eq!(imported.engine, EngineKind::Sled);
        drop(frontdesk_storage::open(&store(&second, EngineKind::Sled)).unwrap());
        assert!(!partial_name(&out).exists());
    }

    #[test]
    fn nothing_that_is_there_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (folder.path().join("store"), folder.path().join("export"));
        drop(frontdesk_storage::open(&store(&path, EngineKind::Fjall)).unwrap());
        fs::write(&out, "mine").unwrap();
        assert!(export(&path, &out).unwrap_err().is_refusal());
        assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
        fs::remove_file(&out).unwrap();
        export(&path, &out).unwrap();
        let occupied = import(&out, &path, EngineKind::Fjall, false).unwrap_err();
        assert!(occupied.is_refusal(), "{occupied}");
    }

    #[test]
    fn a_store_in_use_and_a_missing_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, out) = (folder.path().join("store"), folder.path().join("export"));
        let missing = export(&path, &out).unwrap_err();
        assert!(missing.is_refusal(), "{missing}");
        let open = frontdesk_storage::open(&store(&path, EngineKind::Fjall)).unwrap();
        let in_use = export(&path, &out).unwrap_err();
        assert!(in_use.is_refusal(), "{in_use}");
        drop(open);
        assert!(!out.exists() && !partial_name(&out).exists());
        let nothing = import(&out, &path, EngineKind::Fjall, false).unwrap_err();
        assert!(nothing.is_refusal(), "{nothing}");
    }
}
