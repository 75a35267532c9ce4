//! Moving a store: all of it as one stream that either engine can be filled from.
//!
//! The stream is `FRONTDSK`, a version, and frames: a length, then MessagePack. The first frame
//! says whose store it is, the last how many rows there were and the fingerprint of all bytes
//! before it.
//!
//! Invariants:
//! 1. Rows pass unchanged: the same seqs, cids, marks and names of logs on the other side.
//! 2. A store in use is not read, a folder that holds anything is not filled.
//! 3. An import becomes a store by one rename at its end: a torn or altered stream leaves none, and
//!    the folder as it was found.
//!
//! Never: understands a row.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::{Batch, Lasting};
use crate::erase::Eraser;
use crate::files;
use crate::journal::{Error, Result};
use crate::keys::{self, KeyRange};
use crate::open::{self, EngineKind, FolderLock, INCOMING, random_bits};
use crate::schema::BootRecord;

const MAGIC: [u8; 8] = *b"FRONTDSK";
/// Version of the stream's own form.
const FORMAT_VERSION: u32 = 1;
/// Rows of one frame, bytes; one row more may exceed it.
const FRAME_ROWS_BYTES: usize = 256 * 1024;
/// Longest frame that is believed, bytes: rows, one row more, and what MessagePack adds.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// The engine's cache while a store is moved, bytes: every row is met once.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Rows of the engine; records, indexes and marks alike.
    pub row_count: u64,
    /// The engine that was read, or filled.
    pub engine: EngineKind,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Frame {
    Store(BootRecord),
    Rows(Vec<(Bytes, Bytes)>),
    End { row_count: u64, fingerprint: u64 },
}

/// FNV-1a, 64 bits: notices accidents, proves nothing against malice.
#[derive(Clone, Copy)]
struct Fingerprint(u64);

impl Fingerprint {
    const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

/// Writes the store in a folder to a stream, once what is to be erased is. The caller syncs what
/// it writes to.
pub fn export(path: &Path, out: &mut dyn Write) -> Result<Moved> {
    let missing = || Error::Refused(format!("there is no store in {}", path.display()));
    if !path.exists() {
        return Err(missing());
    }
    let _lock = open::lock_folder(path)?;
    let kind = open::engine_of(path)?.ok_or_else(missing)?;
    let engine = open::open_engine(path, kind, CACHE_BYTES)?;
    let boot = open::read_boot(engine.as_ref())?.ok_or_else(missing)?;
    Eraser::finish(engine.as_ref())?;
    let mut exporter = Exporter::new(out);
    exporter.open(boot)?;
    let mut fault = None;
    engine.scan(&KeyRange::all(), false, &mut |key, value| {
        let taken = exporter.row(key, value);
        fault = taken.err();
        fault.is_none()
    })?;
    if let Some(fault) = fault {
        return Err(fault);
    }
    exporter.finish()?;
    Ok(Moved {
        row_count: exporter.row_count,
        engine: kind,
    })
}

struct Exporter<'out> {
    out: &'out mut dyn Write,
    fingerprint: Fingerprint,
    rows: Vec<(Bytes, Bytes)>,
    rows_bytes: usize,
    row_count: u64,
}

impl<'out> Exporter<'out> {
    fn new(out: &'out mut dyn Write) -> Self {
        Self {
            out,
            fingerprint: Fingerprint::new(),
            rows: Vec::new(),
            rows_bytes: 0,
            row_count: 0,
        }
    }

    /// Says whose the stream is.
    fn open(&mut self, boot: BootRecord) -> Result<()> {
        self.bytes(&MAGIC)?;
        self.bytes(&FORMAT_VERSION.to_be_bytes())?;
        self.frame(&Frame::Store(boot))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.fingerprint.add(bytes);
        self.out
            .write_all(bytes)
            .map_err(files::failed("write the export"))
    }

    fn frame(&mut self, frame: &Frame) -> Result<()> {
        let bytes = rmp_serde::to_vec_named(frame);
        let bytes = bytes.map_err(|error| Error::Engine(format!("encode a frame: {error}")))?;
        let length = u32::try_from(bytes.len()).expect("a frame is a megabyte at most");
        self.bytes(&length.to_be_bytes())?;
        self.bytes(&bytes)
    }

    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if key == keys::boot() {
            return Ok(());
        }
        self.row_count += 1;
        self.rows_bytes += key.len() + value.len();
        self.rows
            .push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        if self.rows_bytes < FRAME_ROWS_BYTES {
            return Ok(());
        }
        self.flush_rows()
    }

    fn flush_rows(&mut self) -> Result<()> {
        self.rows_bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        self.frame(&Frame::Rows(rows))
    }

    fn finish(&mut self) -> Result<()> {
        self.flush_rows()?;
        let end = Frame::End {
            row_count: self.row_count,
            fingerprint: self.fingerprint.0,
        };
        self.frame(&end)?;
        self.out.flush().map_err(files::failed("write the export"))
    }
}

/// Fills an empty folder from a stream. With `as_restore` logs get new names, because the store
/// that the stream came from may have gone on since.
pub fn import(
    path: &Path,
    kind: EngineKind,
    input: &mut dyn Read,
    as_restore: bool,
) -> Result<Moved> {
    let found = Found::look(path);
    let lock = open::lock_folder(path).inspect_err(|_| found.remove_made_folders())?;
    let moved = import_locked(path, kind, input, as_restore);
    if moved.is_err() {
        found.restore(lock);
    }
    moved
}

fn import_locked(
    path: &Path,
    kind: EngineKind,
    input: &mut dyn Read,
    as_restore: bool,
) -> Result<Moved> {
    check_empty(path)?;
    let incoming = path.join(INCOMING);
    remove_folder(&incoming)?;
    let row_count = fill(&incoming, kind, input, as_restore).inspect_err(|_| {
        // What stays after all is known as unfinished, and the first error says more.
        let _ = remove_folder(&incoming);
    })?;
    fs::rename(incoming.join(kind.as_str()), path.join(kind.as_str()))
        .map_err(files::failed("move the imported store into place"))?;
    files::sync_folder(path)?;
    remove_folder(&incoming)?;
    Ok(Moved {
        row_count,
        engine: kind,
    })
}

/// What of a store's folder was there before it was touched.
struct Found {
    had_lock: bool,
    /// The folder and those it is in, as far as they were missing; the deepest first.
    missing: Vec<PathBuf>,
}

impl Found {
    fn look(path: &Path) -> Self {
        let named = path.ancestors().filter(|part| !part.as_os_str().is_empty());
        Self {
            had_lock: open::lock_path(path).exists(),
            missing: named
                .take_while(|part| !part.exists())
                .map(Path::to_owned)
                .collect(),
        }
    }

    /// Takes away what was made, and nothing else. The lock's file goes while it is still held:
    /// later it could be somebody else's.
    fn restore(self, lock: FolderLock) {
        if !self.had_lock {
            lock.remove_file();
        }
        self.remove_made_folders();
        drop(lock);
    }

    /// A folder that is not empty stays: it is in use, or was filled after all.
    fn remove_made_folders(&self) {
        for folder in &self.missing {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}

fn fill(incoming: &Path, kind: EngineKind, input: &mut dyn Read, as_restore: bool) -> Result<u64> {
    fs::create_dir_all(incoming).map_err(files::failed("make a folder for the import"))?;
    let engine = open::open_engine(incoming, kind, CACHE_BYTES)?;
    let (boot, mut importer) = Importer::open(input)?;
    engine.fill(&mut || importer.next_row())?;
    let boot = match as_restore {
        true => BootRecord {
            store_id: random_bits(),
            history_salt: random_bits(),
            ..boot
        },
        false => boot,
    };
    let mut batch = Batch::default();
    batch.put(keys::boot(), boot.encode().into());
    engine.commit(&batch, Lasting::Synced)?;
    engine.sync()?;
    Ok(importer.row_count)
}

struct Importer<'input> {
    input: &'input mut dyn Read,
    fingerprint: Fingerprint,
    /// Rows of the frame that is being given out.
    rows: std::vec::IntoIter<(Bytes, Bytes)>,
    row_count: u64,
    last_key: Option<Vec<u8>>,
}

impl<'input> Importer<'input> {
    /// Reads whose the stream is.
    fn open(input: &'input mut dyn Read) -> Result<(BootRecord, Self)> {
        let mut importer = Self {
            input,
            fingerprint: Fingerprint::new(),
            rows: Vec::new().into_iter(),
            row_count: 0,
            last_key: None,
        };
        if importer.bytes(MAGIC.len())? != MAGIC {
            return Err(refused("is not an export"));
        }
        let version = importer.number()?;
        if version != FORMAT_VERSION {
            return Err(refused(&format!("has the unknown version {version}")));
        }
        let Frame::Store(boot) = importer.frame()? else {
            return Err(refused("does not say whose it is"));
        };
        // Refuses what a newer schema wrote.
        let boot = BootRecord::decode(&boot.encode())?;
        Ok((boot, importer))
    }

    /// The next row; nothing once the stream is at its end and whole.
    fn next_row(&mut self) -> Result<Option<(Vec<u8>, Bytes)>> {
        loop {
            if let Some((key, value)) = self.rows.next() {
                return self.checked(key.into(), value).map(Some);
            }
            let before_frame = self.fingerprint;
            match self.frame()? {
                Frame::Rows(rows) => {
                    self.row_count += rows.len() as u64;
                    self.rows = rows.into_iter();
                }
                Frame::End {
                    row_count,
                    fingerprint,
                } => {
                    if row_count != self.row_count || fingerprint != before_frame.0 {
                        return Err(refused("is altered"));
                    }
                    return self.check_end().map(|()| None);
                }
                Frame::Store(_) => return Err(refused("names two stores")),
            }
        }
    }

    fn checked(&mut self, key: Vec<u8>, value: Bytes) -> Result<(Vec<u8>, Bytes)> {
        if value.len() > crate::engine::VALUE_BYTES_MAX {
            return Err(refused("holds a value that is too long"));
        }
        if self.last_key.as_ref().is_some_and(|last| *last >= key) {
            return Err(refused("holds rows out of order"));
        }
        self.last_key = Some(key.clone());
        Ok((key, value))
    }

    fn frame(&mut self) -> Result<Frame> {
        let length = self.number()? as usize;
        if length > FRAME_BYTES_MAX {
            return Err(refused("holds a frame that is too long"));
        }
        let bytes = self.bytes(length)?;
        rmp_serde::from_slice(&bytes).map_err(|_| refused("holds a frame that cannot be read"))
    }

    fn number(&mut self) -> Result<u32> {
        let bytes = self.bytes(4)?;
        Ok(u32::from_be_bytes(
            bytes.try_into().expect("four bytes were read"),
        ))
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => {
                self.fingerprint.add(&bytes);
                Ok(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(refused("ends too early"))
            }
            Err(error) => Err(files::failed("read the export")(error)),
        }
    }

    fn check_end(&mut self) -> Result<()> {
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(refused("goes on after its end")),
            Err(error) => Err(files::failed("read the export")(error)),
        }
    }
}

fn refused(why: &str) -> Error {
    Error::Refused(format!("the export {why}; nothing was imported"))
}

fn check_empty(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(files::failed("list the folder"))? {
        let name = entry.map_err(files::failed("list the folder"))?.file_name();
        // An import that was cut off leaves its folder; it is not a store.
        if name != "lock" && name != INCOMING {
            return Err(Error::Refused(format!(
                "{} is not empty: import into a new folder",
                path.display()
            )));
        }
    }
    Ok(())
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(files::failed("remove an unfinished import")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_out_of_order_or_twice_are_refused() {
        for second in [&b"a"[..], b"b"] {
            let mut stream = Vec::new();
            let mut exporter = Exporter::new(&mut stream);
            exporter.open(BootRecord::fresh(&mut || 7)).expect("writes");
            exporter.row(b"b", b"1").expect("writes");
            exporter.row(second, b"2").expect("writes");
            exporter.finish().expect("writes");
            let folder = tempfile::tempdir().expect("a folder");
            let tried = import(folder.path(), EngineKind::Fjall, &mut &stream[..], false);
            assert!(
                matches!(&tried, Err(Error::Refused(why)) if why.contains("out of order")),
                "{tried:?}"
            );
        }
    }
}
