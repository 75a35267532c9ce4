//! fjall's journal as bytes: batch after batch, each whole or not.
//!
//! Owns: the framing of format 3 as fjall 3.1.13 writes it without compression; all numbers are
//! little-endian:
//!
//! - start: `1`, count of items (u32), seqno (u64);
//! - item: `2`, value type (u8), compression (u8, always 0), keyspace (u64), length of the key
//!   (u16), length of the value (u32) and the same once more as stored, key, value;
//! - clear: `4`, keyspace (u64); counts as an item;
//! - end: `3`, xxh3 of all items' bytes (u64), `FJL` and the format's number.
//!
//! A journal begins with its first batch. What follows the last one is zeros, which fjall allocates
//! ahead, or nothing.
//!
//! Never: panics, or allocates by a length that it read; a journal here may hold any bytes.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::Xxh3;

/// What ends each batch, and what fjall's file `version` holds.
pub(super) const FORMAT_MARK: [u8; 4] = *b"FJL\x03";

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
/// Value, tombstone and weak tombstone; fjall writes no other type into a journal.
const VALUE_TYPE_MAX: u8 = 2;
const NOT_COMPRESSED: u8 = 0;

/// Read at once, bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A batch that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    /// All of it, with start and end.
    pub(super) bytes: u64,
    pub(super) seqno: u64,
    pub(super) item_count: u32,
    pub(super) checksum: u64,
}

/// What a walk over a journal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    /// Where the whole batches at its beginning end.
    pub(super) whole_bytes: u64,
    /// Whether anything but zeros follows.
    pub(super) is_broken: bool,
}

/// Walks over the whole batches at a journal's beginning.
pub(super) fn walk(
    journal: &mut (impl Read + Seek),
    mut visit: impl FnMut(&Whole),
) -> io::Result<Walked> {
    let mut reader = BufReader::with_capacity(CHUNK_BYTES, &mut *journal);
    let mut whole_bytes = 0;
    while let Some(whole) = read_batch(&mut reader)? {
        whole_bytes += whole.bytes;
        visit(&whole);
    }
    journal.seek(SeekFrom::Start(whole_bytes))?;
    Ok(Walked {
        whole_bytes,
        is_broken: !only_zeros(journal)?,
    })
}

/// Where the first whole batch begins.
pub(super) fn find_batch(bytes: &[u8]) -> io::Result<Option<usize>> {
    for (at, tag) in bytes.iter().enumerate() {
        if *tag == START && read_batch(&mut &bytes[at..])?.is_some() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The batch that begins here; `None` when no whole one does.
fn read_batch(reader: &mut impl Read) -> io::Result<Option<Whole>> {
    match (Batch { reader, bytes: 0 }).read() {
        Ok(whole) => Ok(Some(whole)),
        Err(Fault::Broken) => Ok(None),
        Err(Fault::Io(error)) => Err(error),
    }
}

fn only_zeros(reader: &mut impl Read) -> io::Result<bool> {
    static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(count) if chunk[..count] == ZEROS[..count] => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Why a batch could not be read.
enum Fault {
    /// Its bytes are not a batch's.
    Broken,
    /// The system did not give its bytes.
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Broken,
            _ => Fault::Io(error),
        }
    }
}

/// A batch that is being read.
struct Batch<'reader, R> {
    reader: &'reader mut R,
    bytes: u64,
}

impl<R: Read> Batch<'_, R> {
    fn read(mut self) -> Result<Whole, Fault> {
        let [START] = self.take()? else {
            return Err(Fault::Broken);
        };
        let item_count = u32::from_le_bytes(self.take()?);
        let seqno = u64::from_le_bytes(self.take()?);
        if item_count == 0 {
            return Err(Fault::Broken);
        }
        let mut hasher = Xxh3::new();
        for _ in 0..item_count {
            self.read_item(&mut hasher)?;
        }
        let [END] = self.take()? else {
            return Err(Fault::Broken);
        };
        let checksum = u64::from_le_bytes(self.take()?);
        let mark: [u8; 4] = self.take()?;
        if mark != FORMAT_MARK || checksum != hasher.digest() {
            return Err(Fault::Broken);
        }
        Ok(Whole {
            bytes: self.bytes,
            seqno,
            item_count,
            checksum,
        })
    }

    fn read_item(&mut self, hasher: &mut Xxh3) -> Result<(), Fault> {
        match self.take()? {
            [ITEM] => {
                let kind: [u8; 2] = self.take()?;
                if kind[0] > VALUE_TYPE_MAX || kind[1] != NOT_COMPRESSED {
                    return Err(Fault::Broken);
                }
                let keyspace: [u8; 8] = self.take()?;
                let key_length: [u8; 2] = self.take()?;
                let value_length: [u8; 4] = self.take()?;
                let stored_length: [u8; 4] = self.take()?;
                if value_length != stored_length {
                    return Err(Fault::Broken);
                }
                hasher.update(&[ITEM]);
                hasher.update(&kind);
                hasher.update(&keyspace);
                hasher.update(&key_length);
                hasher.update(&value_length);
                hasher.update(&stored_length);
                let key_bytes = u64::from(u16::from_le_bytes(key_length));
                let value_bytes = u64::from(u32::from_le_bytes(value_length));
                self.hash(key_bytes + value_bytes, hasher)
            }
            [CLEAR] => {
                let keyspace: [u8; 8] = self.take()?;
                hasher.update(&[CLEAR]);
                hasher.update(&keyspace);
                Ok(())
            }
            _ => Err(Fault::Broken),
        }
    }

    fn take<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Fault> {
        let mut bytes = [0; COUNT];
        self.reader.read_exact(&mut bytes)?;
        self.bytes += COUNT as u64;
        Ok(bytes)
    }

    fn hash(&mut self, count: u64, hasher: &mut Xxh3) -> Result<(), Fault> {
        let mut chunk = [0; 4096];
        let mut left = count;
        while left > 0 {
            let part = left.min(chunk.len() as u64) as usize;
            self.reader.read_exact(&mut chunk[..part])?;
            hasher.update(&chunk[..part]);
            left -= part as u64;
        }
        self.bytes += count;
        Ok(())
    }
}
