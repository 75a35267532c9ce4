//! The spool: the bytes of uploads that are under way, on this machine's disk.
//!
//! An upload is two files in its company's folder: its bytes, and marks that say up to where they
//! were kept (see [`marks`]). What was written behind the last mark was promised to nobody.
//!
//! Invariants:
//! 1. When `keep` answers, the bytes up to the offset it names outlive what [`Durability`] says,
//!    and `reopen` never answers a smaller offset than any that `keep` named.
//! 2. Bytes up to a kept offset never change.
//! 3. Nothing is believed because a sync succeeded after one of the same bytes had failed: the
//!    system calls such bytes clean, and a later sync of them succeeds and covers nothing. So what
//!    may have met a failed sync, which is the last mark and its bytes, is written again before it
//!    is synced again; until that sync succeeds nobody is told of it, and nothing opens.
//! 4. A name is made of checked ids: no client's text reaches the file system.
//!
//! Blocks: to be called on threads that may. Never: knows whose turn it is to write; two writers of
//! one upload are kept apart above.

mod marks;
mod nameless;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use frontdesk_protocol::{CompanyId, UploadId};

use crate::files;
use crate::journal::{Durability, Error, Result};
pub use marks::Fingerprint;
use marks::{Mark, Marks};
pub use nameless::Nameless;

const BYTES_END: &str = "bytes";
const MARKS_END: &str = "marks";
/// What is made of an upload before it is stored, by whoever inspects it.
const MADE_ENDS: [&str; 3] = ["stripped", "thumbnail", "packed"];
/// All that there can be of an upload.
const ALL_ENDS: [&str; 5] = [
    BYTES_END,
    MARKS_END,
    MADE_ENDS[0],
    MADE_ENDS[1],
    MADE_ENDS[2],
];
/// Read at once while an upload is opened again, bytes.
const READ_BYTES: usize = 256 * 1024;

/// All uploads under way on this machine.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
    durability: Durability,
}

/// What is known of an upload's files without opening them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Whose.
    pub company: CompanyId,
    /// Which.
    pub upload: UploadId,
    /// Bytes written, kept or not.
    pub bytes: u64,
    /// When something was written last.
    pub changed_at: SystemTime,
}

impl Spool {
    /// In a folder, which is made if missing.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, durability: Durability) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(files::failed("make the spool's folder"))?;
        let spool = Self {
            folder: folder.to_owned(),
            durability,
        };
        folder
            .parent()
            .map_or(Ok(()), |above| spool.sync_folder(above))?;
        Ok(spool)
    }

    fn path(&self, company: &CompanyId, upload: &UploadId, end: &str) -> PathBuf {
        let name = format!("{upload}.{end}");
        self.folder.join(company.as_str()).join(name)
    }

    /// Begins an upload; what an earlier attempt left of the same name is gone.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn create(&self, company: &CompanyId, upload: &UploadId) -> Result<SpoolFile> {
        let folder = self.folder.join(company.as_str());
        if !folder.exists() {
            std::fs::create_dir_all(&folder).map_err(failed("make a company's spool"))?;
            self.sync_folder(&self.folder)?;
        }
        let made = |end| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true);
            let path = self.path(company, upload, end);
            options.open(path).map_err(failed("make a spool file"))
        };
        let (bytes, marks) = (made(BYTES_END)?, made(MARKS_END)?);
        self.sync_folder(&folder)?;
        Ok(SpoolFile::new(bytes, Marks::new(marks), self.durability))
    }

    fn sync_folder(&self, folder: &Path) -> Result<()> {
        match self.durability {
            Durability::Fsync => files::sync_folder(folder),
            Durability::Buffered => Ok(()),
        }
    }

    /// Opens an upload again after this process or an earlier one kept some of it: cut to the last
    /// mark whose bytes are all there, each of them read. `None` when there is none.
    ///
    /// # Errors
    /// When the disk fails; it may be tried again, however often.
    pub fn reopen(&self, company: &CompanyId, upload: &UploadId) -> Result<Option<SpoolFile>> {
        let open = |end| {
            let path = self.path(company, upload, end);
            match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => Ok(Some(file)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed("open a spool file")(error)),
            }
        };
        let (Some(bytes), Some(marks)) = (open(BYTES_END)?, open(MARKS_END)?) else {
            return Ok(None);
        };
        let (marks, found) = Marks::read(marks)?;
        let mut file = SpoolFile::new(bytes, marks, self.durability);
        file.recover(&found)?;
        Ok(Some(file))
    }

    /// Where an upload's bytes stand, to be published from there.
    pub fn bytes_path(&self, company: &CompanyId, upload: &UploadId) -> PathBuf {
        self.path(company, upload, BYTES_END)
    }

    /// What files that are made of an upload's bytes are called, without their endings: a dot and
    /// `stripped`, `thumbnail` or `packed`. They go with it.
    pub fn work_path(&self, company: &CompanyId, upload: &UploadId) -> PathBuf {
        self.folder.join(company.as_str()).join(upload.to_string())
    }

    /// Takes away what was made of an upload's bytes: an earlier attempt may have been cut off.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove_made(&self, company: &CompanyId, upload: &UploadId) -> Result<()> {
        self.remove_ends(company, upload, &MADE_ENDS)
    }

    /// Takes an upload's files away, as far as they are there.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn remove(&self, company: &CompanyId, upload: &UploadId) -> Result<()> {
        // The bytes first and the marks last: without bytes they are of no upload, and say that
        // there is more to remove.
        self.remove_ends(company, upload, &[BYTES_END])?;
        self.remove_ends(company, upload, &MADE_ENDS)?;
        self.remove_ends(company, upload, &[MARKS_END])
    }

    fn remove_ends(&self, company: &CompanyId, upload: &UploadId, ends: &[&str]) -> Result<()> {
        for end in ends {
            match std::fs::remove_file(self.path(company, upload, end)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(failed("remove a spool file")(error)),
            }
        }
        Ok(())
    }

    /// Everything in the spool. Files of other names are left out.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn list(&self) -> Result<Vec<Spooled>> {
        let mut found = Vec::new();
        for folder in entries(&self.folder)? {
            let name = folder.file_name();
            let company = name.to_str().and_then(|name| CompanyId::new(name).ok());
            let Some(company) = company.filter(|_| folder.path().is_dir()) else {
                continue;
            };
            for file in entries(&folder.path())? {
                found.extend(spooled(&company, &file)?);
            }
        }
        Ok(found)
    }
}

fn entries(folder: &Path) -> Result<Vec<std::fs::DirEntry>> {
    let listed = std::fs::read_dir(folder).map_err(failed("list the spool"))?;
    listed
        .map(|entry| entry.map_err(failed("list the spool")))
        .collect()
}

/// One upload, by the first of its files that is there: without bytes they are left of one whose
/// removal was cut off.
fn spooled(company: &CompanyId, file: &std::fs::DirEntry) -> Result<Option<Spooled>> {
    let path = file.path();
    let end = path.extension().and_then(|end| end.to_str());
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let upload = stem.and_then(|stem| stem.parse().ok());
    let place = ALL_ENDS.iter().position(|known| end == Some(*known));
    let is_first = place.is_some_and(|place| {
        let mut before = ALL_ENDS[..place].iter();
        !before.any(|other| path.with_extension(other).exists())
    });
    let (Some(upload), true) = (upload, is_first) else {
        return Ok(None);
    };
    let meta = match file.metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("look at a spool file")(error)),
    };
    Ok(Some(Spooled {
        company: company.clone(),
        upload,
        bytes: if end == Some(BYTES_END) {
            meta.len()
        } else {
            0
        },
        changed_at: meta.modified().map_err(failed("look at a spool file"))?,
    }))
}

/// The one open writer of an upload.
pub struct SpoolFile {
    bytes: File,
    marks: Marks,
    durability: Durability,
    /// Written up to here.
    end: u64,
    /// Kept up to here.
    kept: u64,
    /// Of what was written since.
    group: Fingerprint,
    /// A mark may be there that was not synced: one behind it would not be told apart.
    is_spent: bool,
}

impl fmt::Debug for SpoolFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpoolFile({} of {} kept)", self.kept, self.end)
    }
}

impl SpoolFile {
    fn new(bytes: File, marks: Marks, durability: Durability) -> Self {
        Self {
            bytes,
            marks,
            durability,
            end: 0,
            kept: 0,
            group: Fingerprint::default(),
            is_spent: false,
        }
    }

    /// The offset that the next bytes are written at.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The offset up to which bytes are kept.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Writes at the end; kept with the next [`SpoolFile::keep`].
    ///
    /// # Errors
    /// When the disk is full or fails; nothing was written then that counts.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut group = self.group.clone();
        self.write_all(&[bytes], || {
            group.update(bytes);
            group
        })
    }

    /// The same of pieces that follow each other, and whose fingerprint is made meanwhile: it goes
    /// on from [`SpoolFile::fingerprint`], and is asked for once they are written.
    ///
    /// # Errors
    /// When the disk is full or fails; nothing of any piece was written then that counts.
    pub fn write_all<Piece: AsRef<[u8]>>(
        &mut self,
        pieces: &[Piece],
        made: impl FnOnce() -> Fingerprint,
    ) -> Result<()> {
        let mut end = self.end;
        for piece in pieces.iter().map(AsRef::as_ref) {
            let written = self.bytes.write_all_at(piece, end);
            written.map_err(failed("write to the spool"))?;
            end += piece.len() as u64;
        }
        (self.end, self.group) = (end, made());
        Ok(())
    }

    /// Of what was written since the last mark.
    pub fn fingerprint(&self) -> Fingerprint {
        self.group.clone()
    }

    /// Keeps everything written so far; answers up to where.
    ///
    /// # Errors
    /// When the disk fails. Whether the bytes since the last mark are kept is not known then: this
    /// writer keeps nothing more, and only `reopen` can tell, which writes them again and tells of
    /// them if the sync after that succeeds.
    pub fn keep(&mut self) -> Result<u64> {
        if self.end == self.kept {
            return Ok(self.kept);
        }
        if std::mem::replace(&mut self.is_spent, true) {
            let why = "a sync of the spool failed, and it was not opened again";
            return Err(Error::Failed(why.to_owned()));
        }
        let mark = Mark {
            end: self.end,
            group: self.group.number(),
        };
        self.marks.append(&mark)?;
        if self.durability == Durability::Fsync {
            self.bytes.sync_data().map_err(failed("sync the spool"))?;
            self.marks.sync()?;
        }
        self.is_spent = false;
        self.kept = self.end;
        self.group = Fingerprint::default();
        Ok(self.kept)
    }

    /// Drops what was written since the last mark.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn cut(&mut self) -> Result<()> {
        let cut = self.bytes.set_len(self.kept);
        cut.map_err(failed("cut a spool file"))?;
        self.end = self.kept;
        self.group = Fingerprint::default();
        Ok(())
    }

    /// Reads kept bytes from an offset on; less than the buffer holds only at the end.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let there = usize::try_from(self.kept.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(there);
        let read = self.bytes.read_exact_at(&mut buffer[..wanted], offset);
        read.map_err(failed("read the spool"))?;
        Ok(wanted)
    }

    /// Reads every group, and cuts both files behind the last whole one. What a process wrote and
    /// did not sync, or failed to, may be what was just read: it is written again and synced.
    fn recover(&mut self, found: &[Mark]) -> Result<()> {
        let mut reader = GroupReader {
            file: &self.bytes,
            buffer: vec![0; READ_BYTES],
        };
        // All before the last one were synced before it was written.
        let mut last = None;
        let mut whole = 0;
        for mark in found {
            if !reader.is_whole(self.kept, mark)? {
                break;
            }
            last = Some((self.kept, mark));
            self.kept = mark.end;
            whole += 1;
        }
        if let (Durability::Fsync, Some((from, mark))) = (self.durability, last) {
            reader.write_again(from, mark)?;
        }
        self.marks.cut(whole)?;
        self.cut()?;
        if self.durability == Durability::Fsync {
            if let Some((_, mark)) = last {
                self.marks.write_last_again(mark)?;
            }
            self.bytes.sync_data().map_err(failed("sync the spool"))?;
            self.marks.sync()?;
        }
        Ok(())
    }
}

struct GroupReader<'file> {
    file: &'file File,
    buffer: Vec<u8>,
}

impl GroupReader<'_> {
    /// Whether the bytes up to a mark are those it was made of.
    fn is_whole(&mut self, from: u64, mark: &Mark) -> Result<bool> {
        self.read(from, mark, |_, _| Ok(()))
    }

    /// Writes the bytes up to a mark where they are, so that the next sync is of them.
    fn write_again(&mut self, from: u64, mark: &Mark) -> Result<()> {
        let file = self.file;
        let is_whole = self.read(from, mark, |bytes, at| {
            let written = file.write_all_at(bytes, at);
            written.map_err(failed("write to the spool again"))
        })?;
        match is_whole {
            true => Ok(()),
            false => Err(Error::Damaged("the spool changed while it was read".into())),
        }
    }

    /// Whether the bytes up to a mark are those it was made of; each is handed on.
    fn read(
        &mut self,
        from: u64,
        mark: &Mark,
        mut each: impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<bool> {
        let mut group = Fingerprint::default();
        let mut at = from;
        while at < mark.end {
            let left = usize::try_from(mark.end - at).unwrap_or(usize::MAX);
            let wanted = left.min(self.buffer.len());
            let bytes = &mut self.buffer[..wanted];
            match self.file.read_exact_at(bytes, at) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(failed("read the spool")(error)),
            }
            group.update(bytes);
            each(bytes, at)?;
            at += wanted as u64;
        }
        Ok(mark.end > from && group.number() == mark.group)
    }
}

/// A full disk is told apart: it is the one fault that who uploads can be told of.
fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Error::Full,
        _ => files::failed(what)(error),
    }
}

fn read_all(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(failed("read the spool's marks"))?;
    Ok(bytes)
}
