//! Packing a file, frame by frame.
//!
//! Invariants: what is not worth it leaves nothing behind, nor does what fails; what is kept is on
//! disk, with its name, when this returns.
//!
//! Never: changes or removes the file that is packed.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use zstd::bulk::Compressor;

use super::table::Table;
use super::{FRAME_BYTES, frame_count, frame_packed_bytes_max};
use crate::files;
use crate::journal::{Error, Result};

/// How hard it is tried: Zstandard's own default, some 200 MiB/s. At 6 it is 60, for another
/// fiftieth of a text.
const LEVEL: i32 = 3;
/// Of ten packed bytes for ten plain ones, so many at most are worth the work of unpacking.
const TENTHS_MAX: u64 = 9;

/// A file that was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// How long it was, bytes.
    pub plain_bytes: u64,
    /// How long it is now.
    pub packed_bytes: u64,
}

/// Packs a file into another if that saves at least a tenth. Blocks for as long as it takes.
///
/// # Errors
/// When the disk is full or fails, or the file is shorter than it was at first.
pub fn pack(from: &Path, to: &Path) -> Result<Option<Packed>> {
    let from = File::open(from).map_err(failed("open a file to pack it"))?;
    let meta = from.metadata();
    let plain_bytes = meta.map_err(failed("look at a file to pack it"))?.len();
    let Some(count) = frame_count(plain_bytes) else {
        return Ok(None);
    };
    let file = File::create(to).map_err(failed("make a packed file"))?;
    let packed = write(from, file, plain_bytes, count);
    if let Ok(Some(_)) = packed {
        to.parent().map_or(Ok(()), files::sync_folder)?;
    } else if let Err(error) = std::fs::remove_file(to) {
        // Whoever owns the folder looks for leftovers.
        tracing::warn!(%error, "a file half packed stays");
    }
    packed
}

fn write(from: File, mut to: File, plain_bytes: u64, count: usize) -> Result<Option<Packed>> {
    let bytes_max = plain_bytes / 10 * TENTHS_MAX;
    let mut frames = Frames::of(from).map_err(failed("begin to pack a file"))?;
    let mut packed = Vec::with_capacity(count);
    let mut packed_bytes = Table::bytes_of(plain_bytes)?;
    for frame in 0..count {
        let start = frame as u64 * FRAME_BYTES;
        let wanted = FRAME_BYTES.min(plain_bytes - start);
        let frame = frames.next(wanted).map_err(failed("pack a file"))?;
        packed_bytes += frame.len() as u64;
        if packed_bytes > bytes_max {
            return Ok(None);
        }
        packed.push(frame.len() as u32);
        let put = to.write_all(frame);
        put.map_err(failed("write a packed file"))?;
    }
    let table = Table::new(packed, plain_bytes).to_bytes();
    let put = to.write_all(&table).and_then(|()| to.sync_all());
    put.map_err(failed("write a packed file"))?;
    Ok(Some(Packed {
        plain_bytes,
        packed_bytes,
    }))
}

/// The frames of a file, one after the other.
struct Frames {
    from: File,
    compressor: Compressor<'static>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Frames {
    fn of(from: File) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self {
            from,
            compressor,
            plain: vec![0; FRAME_BYTES as usize],
            packed: Vec::with_capacity(frame_packed_bytes_max()),
        })
    }

    /// The next frame, of so many plain bytes.
    fn next(&mut self, plain_bytes: u64) -> io::Result<&[u8]> {
        let plain = &mut self.plain[..plain_bytes as usize];
        self.from.read_exact(plain)?;
        self.packed.clear();
        let compressor = &mut self.compressor;
        compressor.compress_to_buffer(plain, &mut self.packed)?;
        Ok(&self.packed)
    }
}

/// A full disk is told apart, as everywhere.
fn failed(what: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Error::Full,
        _ => files::failed(what)(error),
    }
}
