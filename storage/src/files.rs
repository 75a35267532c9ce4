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
