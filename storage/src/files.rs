//! Small work on files that several modules share: errors with words, sizes, synced folders.
//!
//! Never: knows what a file holds.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::journal::{Error, Result};

/// Turns an i/o error into ours, with what was tried.
pub(crate) fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io {
        what: what.to_owned(),
        source,
    }
}

/// Puts a folder's entries on disk.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    let folder = File::open(path).map_err(failed("open a folder to sync it"))?;
    folder.sync_all().map_err(failed("sync a folder"))
}

/// Makes an empty file that is on disk with its name.
pub(crate) fn write_synced(path: &Path) -> Result<()> {
    let file = File::create(path).map_err(failed("make a file"))?;
    file.sync_all().map_err(failed("sync a file"))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Puts all files below a folder on disk, and all names. Files that vanish meanwhile need not be.
pub(crate) fn sync_tree(path: &Path) -> Result<()> {
    for entry in std::fs::read_dir(path).map_err(failed("list a folder"))? {
        let path = entry.map_err(failed("list a folder"))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
            continue;
        }
        match File::open(&path) {
            Ok(file) => file.sync_all().map_err(failed("sync a file"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("open a file to sync it")(error)),
        }
    }
    sync_folder(path)
}

/// Bytes on disk below a folder. Files that vanish meanwhile count as nothing.
pub(crate) fn tree_bytes(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed("list a folder")(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed("list a folder"))?;
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => bytes += tree_bytes(&entry.path())?,
            // Blocks, not length: engines preallocate files with holes.
            Ok(meta) => bytes += meta.blocks() * 512,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at a file")(error)),
        }
    }
    Ok(bytes)
}
