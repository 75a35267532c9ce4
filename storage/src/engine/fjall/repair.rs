//! Cuts the torn end off fjall's journal before fjall reads it.
//!
//! A batch that a power loss caught between its write and its sync may stand in the journal in
//! part: some sectors new, some still zero or not there at all. fjall forgets such a batch if its
//! end is missing, but does not open if its end is there and its middle is not. So the journal is
//! read here first, and cut where its last whole batch ends.
//!
//! What is cut was never acknowledged as synced:
//!
//! - As a rule each batch is synced before the next is written, so only the last one can be torn.
//!   If a whole batch follows a broken one, that one had been synced: it was damaged later, and may
//!   have been acknowledged. Then nothing is cut and the store does not open.
//! - While the mark `unsynced` stands in the folder, batches pile up without a sync; a power loss
//!   may break any of them and leave later ones whole. None of them was promised to outlive it. The
//!   batches behind the first broken one rest on it, so all are cut.
//! - Journals before the last were synced when they were sealed: one that is broken is damaged.
//!   fjall itself would forget the rest of such a journal without a word.
//!
//! A last batch that was synced and damaged later cannot be told from a torn one.
//!
//! Never: changes a journal that is whole, or one of a format other than 3.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::engine::fjall::framing::{self, FORMAT_MARK, Walked};
use crate::files;
use crate::journal::{Error, Result};

/// Stands in fjall's folder while batches pile up without a sync; made before the first of them.
pub(super) const UNSYNCED: &str = "unsynced";

/// Makes fjall's journals such that fjall opens them, or says why they must not be opened.
pub(super) fn repair(folder: &Path) -> Result<()> {
    if !is_known_format(folder)? {
        return Ok(());
    }
    let mut journals = journals(folder)?;
    let Some(last) = journals.pop() else {
        return Ok(());
    };
    for sealed in journals {
        let walked = walk(&mut open(&sealed)?)?;
        if walked.is_broken {
            return Err(damaged(&sealed, walked, "it was synced when it was sealed"));
        }
    }
    repair_last(&last, folder.join(UNSYNCED).exists())
}

fn repair_last(path: &Path, piled_up: bool) -> Result<()> {
    let mut journal = open(path)?;
    let walked = walk(&mut journal)?;
    if !walked.is_broken {
        return Ok(());
    }
    if !piled_up && let Some(at) = whole_behind(&mut journal, walked)? {
        let why = format!("a whole batch follows at byte {at}");
        return Err(damaged(path, walked, &why));
    }
    let journal_bytes = journal.metadata().map_err(unread)?.len();
    tracing::warn!(
        journal = %path.display(),
        at = walked.whole_bytes,
        cut_bytes = journal_bytes - walked.whole_bytes,
        "cut what was not synced off the journal's end"
    );
    let cut = journal.set_len(walked.whole_bytes);
    cut.and_then(|()| journal.sync_all())
        .map_err(files::failed("cut the torn end off fjall's journal"))
}

/// Where a whole batch begins behind the first broken one. Holds what it searches, at most a
/// journal, in memory.
fn whole_behind(journal: &mut File, walked: Walked) -> Result<Option<u64>> {
    let behind = walked.whole_bytes + 1;
    let mut bytes = Vec::new();
    journal.seek(SeekFrom::Start(behind)).map_err(unread)?;
    journal.read_to_end(&mut bytes).map_err(unread)?;
    let found = framing::find_batch(&bytes).map_err(unread)?;
    Ok(found.map(|at| behind + at as u64))
}

/// Whether it is fjall's folder and of the format known here; fjall judges any other.
fn is_known_format(folder: &Path) -> Result<bool> {
    match std::fs::read(folder.join("version")) {
        Ok(bytes) => Ok(bytes.starts_with(&FORMAT_MARK)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(files::failed("read fjall's version")(error)),
    }
}

/// The journals in the order they were written. Names that fjall refuses are left to it.
fn journals(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".jnl"));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn unread(error: std::io::Error) -> Error {
    files::failed("read fjall's journal")(error)
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(unread)
}

fn walk(journal: &mut File) -> Result<Walked> {
    framing::walk(journal, |_| {}).map_err(unread)
}

fn damaged(path: &Path, walked: Walked, why: &str) -> Error {
    let (path, at) = (path.display(), walked.whole_bytes);
    Error::Damaged(format!("fjall's journal {path} at byte {at}: {why}"))
}
