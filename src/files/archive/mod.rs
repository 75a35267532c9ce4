//! Files in files: what an archive holds, found by unpacking it into nothing.
//!
//! Owns: the walk over ZIP (documents of offices are ZIP), gzip and tar, down to [`DEPTH_MAX`].
//! Each inner file is judged by its name and its first bytes as a file of its own would be; an
//! inner archive is unpacked into a nameless file to be walked over in turn.
//!
//! Invariants:
//! 1. No size that an archive states is believed: what comes out is counted as it comes.
//! 2. What is walked over is bounded in bytes, in entries, in depth and in memory.
//! 3. An archive that different programs would read differently (entries that overlap, are listed
//!    twice or are not listed, or whose length is said twice) is not let through.
//! 4. 7z and RAR are not looked into, which is a scanner's task.
//!
//! Never: writes an inner file under a name, or keeps one.

mod ahead;
mod budget;
mod names;
mod streams;
#[cfg(test)]
mod tests;
mod zipped;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use frontdesk_protocol::upload::UploadFailure;

use super::policy;
use super::sniff::{self, Nature, Sniffed};
use budget::Budget;

/// An archive in an archive in an archive: people send one in one, bombs forty-two.
const DEPTH_MAX: u32 = 3;
/// An archive that stands in another, unpacked, bytes: it lies on the disk while it is walked over.
const INNER_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The start of an inner file, which tells what it is, bytes.
const HEAD_BYTES: usize = 8 * 1024;
/// Bytes that are unpacked at once.
const STEP_BYTES: usize = 64 * 1024;

/// What is asked of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// That it is no bomb, and that nothing in it runs.
    Harmless,
    /// That it is no bomb.
    NoBomb,
}

/// What was found in an archive that may pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Whether some of it can be read only with a password.
    pub(super) is_encrypted: bool,
}

/// Why an archive may not pass, or was not looked through.
#[derive(Debug)]
pub(super) enum Finding {
    /// It holds more than may be: bytes, entries, archives in archives.
    TooMuch,
    /// It cannot be read as what it says it is, or reads differently to different programs.
    Broken,
    /// It is packed in a way that is not known here.
    Unknown,
    /// A name in it is a path out of the folder that it is unpacked into.
    Leaves,
    /// It holds what runs, or has something run.
    Runs,
    /// Our own disk failed.
    Disk(io::Error),
}

impl Finding {
    /// What the upload comes to; `None` where the fault is ours.
    pub(super) fn failure(&self) -> Option<UploadFailure> {
        match self {
            Finding::TooMuch | Finding::Broken | Finding::Unknown => {
                Some(UploadFailure::Unscannable)
            }
            Finding::Leaves | Finding::Runs => Some(UploadFailure::RefusedType),
            Finding::Disk(_) => None,
        }
    }
}

impl From<io::Error> for Finding {
    /// Errors of the system are the disk's; those that decoders make up are the archive's.
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Finding::Disk(error),
            None if budget::is_spent(&error) => Finding::TooMuch,
            None => Finding::Broken,
        }
    }
}

/// What can be walked over, and what is packed in a way that cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Zip,
    Gzip,
    Tar,
    /// xz, bzip2, zstd, lz4 and compress: one file each, which nobody here can look at.
    Closed,
}

/// What a file is packed as, by its start.
fn form(head: &[u8]) -> Option<Form> {
    let begins = |magics: &[&[u8]]| magics.iter().any(|magic| head.starts_with(magic));
    if begins(&[b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"]) {
        Some(Form::Zip)
    } else if begins(&[b"\x1f\x8b"]) {
        Some(Form::Gzip)
    } else if streams::is_tar(head) {
        Some(Form::Tar)
    } else if begins(&[
        b"\xfd7zXZ\0",
        b"BZh",
        b"\x28\xb5\x2f\xfd",
        b"\x04\x22\x4d\x18",
        b"\x1f\x9d",
        b"LZIP",
    ]) {
        Some(Form::Closed)
    } else {
        None
    }
}

/// Looks into a file if it is an archive, or ends as one. `work` is a path beside which nameless
/// files may be made.
pub(super) fn look(
    file: &Path,
    work: &Path,
    shown: &str,
    sniffed: &Sniffed,
    strictness: Strictness,
) -> Result<Contents, Finding> {
    let mut file = File::open(file)?;
    let head = head_of(&mut file)?;
    let form = match form(&head) {
        Some(form) => form,
        // Behind whatever it begins with there may be an archive: those are read from their end.
        None if zipped::is_end_of_zip(&mut file)? => Form::Zip,
        None => return Ok(Contents::default()),
    };
    let mut walk = Walk {
        work: work.to_owned(),
        budget: Rc::new(Budget::new(file.metadata()?.len())),
        contents: Contents::default(),
        strictness,
    };
    let place = Place {
        depth: 1,
        is_document: sniffed.nature == Nature::Document,
        stem: names::without_extension(shown),
    };
    match walk.look_into(file, form, &place) {
        Err(Finding::Broken | Finding::Unknown | Finding::Leaves | Finding::Runs)
            if strictness == Strictness::NoBomb => {}
        outcome => outcome?,
    }
    Ok(walk.contents)
}

fn head_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(head)
}

/// Where an archive stands.
struct Place {
    /// 1 for the file itself.
    depth: u32,
    /// Whether it is a document of an office or a book, which hold pages and drawings.
    is_document: bool,
    /// Its name without its last extension, which is what packers of one file call that file.
    stem: String,
}

/// One walk over a file and all archives in it.
struct Walk {
    work: PathBuf,
    budget: Rc<Budget>,
    contents: Contents,
    strictness: Strictness,
}

impl Walk {
    fn look_into(&mut self, file: File, form: Form, place: &Place) -> Result<(), Finding> {
        if place.depth > DEPTH_MAX {
            return Err(Finding::TooMuch);
        }
        match form {
            Form::Zip => self.look_into_zip(file, place),
            Form::Gzip => self.look_into_gzip(file, place),
            Form::Tar => self.look_into_tar(io::BufReader::new(file), place),
            Form::Closed => Err(Finding::Unknown),
        }
    }

    /// Judges a name in an archive.
    fn check_name(&self, name: &str, place: &Place) -> Result<(), Finding> {
        if self.strictness == Strictness::NoBomb {
            return Ok(());
        }
        if names::leaves_folder(name) {
            return Err(Finding::Leaves);
        }
        let extension = names::extension(name);
        let runs = policy::is_refused_extension(&extension);
        let is_page = place.is_document && policy::is_page_extension(&extension);
        match runs && !is_page || names::is_macro(name, place.is_document) {
            true => Err(Finding::Runs),
            false => Ok(()),
        }
    }

    /// Judges what an inner file begins with, and unpacks all of it, if it is packed.
    fn look_at(
        &mut self,
        name: &str,
        packing: Packing,
        source: &mut dyn Read,
        place: &Place,
    ) -> Result<(), Finding> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        source.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        self.check_start(sniff::sniff(io::Cursor::new(&head))?, place)?;
        let Some(form) = form(&head) else {
            return packing.drain(source);
        };
        if place.depth >= DEPTH_MAX {
            return Err(Finding::TooMuch);
        }
        if form == Form::Closed {
            return match self.strictness {
                Strictness::Harmless => Err(Finding::Unknown),
                Strictness::NoBomb => packing.drain(source),
            };
        }
        let mut inner = self.unpack(&head, source)?;
        let sniffed = sniff::sniff(&mut inner)?;
        self.check_start(sniffed.clone(), place)?;
        inner.seek(SeekFrom::Start(0))?;
        let inner_place = Place {
            depth: place.depth + 1,
            is_document: sniffed.nature == Nature::Document,
            stem: names::without_extension(name),
        };
        self.look_into(inner, form, &inner_place)
    }

    fn check_start(&self, sniffed: Sniffed, place: &Place) -> Result<(), Finding> {
        let runs = match sniffed.nature {
            Nature::Executable => true,
            Nature::Active => !place.is_document,
            _ => false,
        };
        match runs && self.strictness == Strictness::Harmless {
            true => Err(Finding::Runs),
            false => Ok(()),
        }
    }

    /// Unpacks an inner archive into a file that has no name any more.
    fn unpack(&self, head: &[u8], rest: &mut dyn Read) -> Result<File, Finding> {
        let mut path = std::ffi::OsString::from(&self.work);
        path.push(".inner");
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        file.write_all(head)?;
        let left = INNER_BYTES_MAX - head.len() as u64;
        // One more than may be, so that reaching the end and being cut off differ.
        let written = io::copy(&mut rest.take(left + 1), &mut file)?;
        if written > left {
            return Err(Finding::TooMuch);
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// Whether an inner file is longer than what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Packed,
    /// Nothing comes out that did not go in.
    AsIs,
}

impl Packing {
    /// Unpacks to the end, into nothing; whoever counts does so while it is read.
    fn drain(self, source: &mut dyn Read) -> Result<(), Finding> {
        if self == Packing::AsIs {
            return Ok(());
        }
        let mut step = vec![0; STEP_BYTES];
        while source.read(&mut step)? > 0 {}
        Ok(())
    }
}
