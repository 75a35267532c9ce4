//! ZIP: the directory at its end is read, and everything is held against it.
//!
//! Invariants: a directory is read only within [`DIRECTORY_BYTES_MAX`]; what a directory leaves
//! out, lists twice or lays over each other makes the whole archive broken.
//! Never: believes a size of it.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use flate2::read::DeflateDecoder;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::budget::{self, Budget, Counted};
use super::{Finding, Packing, Place, Strictness, Walk};

/// A directory, bytes: 10,000 entries with names of 200 letters, twice over.
const DIRECTORY_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Where the end of the directory may stand, bytes from the end: behind it is a comment at most,
/// before it the end of the larger form and what finds that.
const END_BYTES: u64 = 64 * 1024 + 22 + 20 + 56;
const END: &[u8] = b"PK\x05\x06";
const END_OF_LARGE: &[u8] = b"PK\x06\x06";

impl From<ZipError> for Finding {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => error.into(),
            ZipError::UnsupportedArchive(_) => Finding::Unknown,
            _ => Finding::Broken,
        }
    }
}

impl Walk {
    pub(super) fn look_into_zip(&mut self, mut file: File, place: &Place) -> Result<(), Finding> {
        let end = end_of(&mut file)?;
        if stated_entries(&end).any(Budget::is_above_entries) {
            return Err(Finding::TooMuch);
        }
        let left = Rc::new(Cell::new(Some(DIRECTORY_BYTES_MAX)));
        let metered = Metered {
            file,
            left: Rc::clone(&left),
        };
        let mut archive = ZipArchive::new(BufReader::new(metered))?;
        left.set(None);
        self.budget.take_entries(archive.len() as u64)?;
        if archive.has_overlapping_files()? {
            return Err(Finding::TooMuch);
        }
        if self.strictness == Strictness::Harmless {
            archive.validate_header_consistency()?;
        }
        for index in 0..archive.len() {
            self.look_at_entry(&mut archive, index, place)?;
        }
        Ok(())
    }

    fn look_at_entry<R: Read + Seek>(
        &mut self,
        archive: &mut ZipArchive<R>,
        index: usize,
        place: &Place,
    ) -> Result<(), Finding> {
        let entry = archive.by_index_raw(index)?;
        let name = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        self.check_name(&name, place)?;
        if entry.is_symlink() && self.strictness == Strictness::Harmless {
            return Err(Finding::Leaves);
        }
        let packed_bytes = entry.compressed_size();
        if entry.encrypted() {
            self.contents.is_encrypted = true;
            return Ok(());
        }
        let budget = Rc::clone(&self.budget);
        match entry.compression() {
            CompressionMethod::Stored => {
                let mut entry = entry;
                self.look_at(&name, Packing::AsIs, &mut entry, place)
            }
            CompressionMethod::Deflated => {
                let inflated = DeflateDecoder::new(entry);
                let mut source = Counted::new(inflated, packed_bytes, budget);
                self.look_at(&name, Packing::Packed, &mut source, place)
            }
            _ if self.strictness == Strictness::NoBomb => Ok(()),
            _ => Err(Finding::Unknown),
        }
    }
}

/// Whether a file ends with the end of a directory, as programs in archives do.
pub(super) fn is_end_of_zip(file: &mut File) -> io::Result<bool> {
    const COMMENT_LENGTH_AT: usize = 20;
    const HEAD_BYTES: usize = 22;
    let end = end_of(file)?;
    Ok(positions(&end, END).any(|at| {
        let rest = &end[at..];
        let length = rest.get(COMMENT_LENGTH_AT..HEAD_BYTES);
        length.is_some_and(|length| {
            let comment_bytes = usize::from(u16::from_le_bytes([length[0], length[1]]));
            rest.len() == HEAD_BYTES + comment_bytes
        })
    }))
}

fn end_of(file: &mut File) -> io::Result<Vec<u8>> {
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(END_BYTES)))?;
    let mut end = Vec::new();
    file.by_ref().take(END_BYTES).read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(end)
}

fn positions<'a>(text: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let is_here = move |at: &usize| text[*at..].starts_with(word);
    (0..text.len()).filter(is_here)
}

/// How many entries each end in sight states; a directory is given room by it before it is read.
fn stated_entries(end: &[u8]) -> impl Iterator<Item = u64> + '_ {
    const COUNT_AT: usize = 10;
    const LARGE_COUNT_AT: usize = 32;
    const IN_LARGE_FORM: u64 = 0xFFFF;
    let small = positions(end, END).filter_map(|at| {
        let count = end.get(at + COUNT_AT..at + COUNT_AT + 2)?;
        Some(u64::from(u16::from_le_bytes([count[0], count[1]])))
    });
    let large = positions(end, END_OF_LARGE).filter_map(|at| {
        let count = end.get(at + LARGE_COUNT_AT..at + LARGE_COUNT_AT + 8)?;
        Some(u64::from_le_bytes(count.try_into().ok()?))
    });
    let small = small.filter(|count| *count != IN_LARGE_FORM);
    small.chain(large)
}

/// A file of which only so much is read while there is a limit.
struct Metered {
    file: File,
    left: Rc<Cell<Option<u64>>>,
}

impl Read for Metered {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        if let Some(left) = self.left.get() {
            let left = left.checked_sub(read as u64).ok_or_else(budget::spent)?;
            self.left.set(Some(left));
        }
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
