//! What one walk over an archive may unpack.
//!
//! Invariants: every byte that comes out of a decoder is counted before anybody looks at it.
//! Never: reads a size that an archive states.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes unpacked altogether: some ten seconds of one thread.
const INFLATED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Files that are larger themselves may unpack to so many times their length: the work stays in
/// proportion to what was sent.
const INFLATED_TIMES_MAX: u64 = 4;
/// How many bytes may come of one: text reaches 20, tables of zeros in honest documents 50.
const RATIO_MAX: u64 = 100;
/// What comes out before the ratio counts, bytes: small things hurt nobody.
const RATIO_FLOOR_BYTES: u64 = 8 * 1024 * 1024;
/// Entries altogether, those of inner archives among them.
const ENTRY_COUNT_MAX: u64 = 10_000;

/// A mark that goes through decoders as an error.
#[derive(Debug, thiserror::Error)]
#[error("more comes out than may")]
struct Spent;

/// Whether an error is this budget's.
pub(super) fn is_spent(error: &io::Error) -> bool {
    let mut inner = error.get_ref();
    // Decoders wrap the errors of what they read from.
    while let Some(found) = inner {
        if found.is::<Spent>() {
            return true;
        }
        inner = found
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
    }
    false
}

pub(super) fn spent() -> io::Error {
    io::Error::other(Spent)
}

/// What is left of it.
pub(super) struct Budget {
    /// Length of the file itself.
    file_bytes: u64,
    inflated_bytes: Cell<u64>,
    entry_count: Cell<u64>,
}

impl Budget {
    pub(super) fn new(file_bytes: u64) -> Self {
        Self {
            file_bytes,
            inflated_bytes: Cell::new(0),
            entry_count: Cell::new(0),
        }
    }

    /// Whether so many may be in one archive at all.
    pub(super) fn is_above_entries(entry_count: u64) -> bool {
        entry_count > ENTRY_COUNT_MAX
    }

    pub(super) fn take_entries(&self, entry_count: u64) -> io::Result<()> {
        let taken = self.entry_count.get().saturating_add(entry_count);
        self.entry_count.set(taken);
        match Self::is_above_entries(taken) {
            true => Err(spent()),
            false => Ok(()),
        }
    }

    fn take_bytes(&self, bytes: u64) -> io::Result<()> {
        let taken = self.inflated_bytes.get().saturating_add(bytes);
        self.inflated_bytes.set(taken);
        // Through all levels: each may stay below the ratio while together they do not.
        let inflated_bytes_max =
            INFLATED_BYTES_MAX.max(self.file_bytes.saturating_mul(INFLATED_TIMES_MAX));
        match taken > inflated_bytes_max || is_above_ratio(taken, self.file_bytes) {
            true => Err(spent()),
            false => Ok(()),
        }
    }
}

fn is_above_ratio(inflated: u64, packed: u64) -> bool {
    inflated > RATIO_FLOOR_BYTES && inflated / RATIO_MAX >= packed.max(1)
}

/// What comes out of a decoder.
pub(super) struct Counted<R> {
    source: R,
    /// Bytes that it is unpacked from.
    packed_bytes: u64,
    inflated_bytes: u64,
    budget: Rc<Budget>,
}

impl<R> Counted<R> {
    pub(super) fn new(source: R, packed_bytes: u64, budget: Rc<Budget>) -> Self {
        Self {
            source,
            packed_bytes,
            inflated_bytes: 0,
            budget,
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        self.inflated_bytes += read as u64;
        self.budget.take_bytes(read as u64)?;
        match is_above_ratio(self.inflated_bytes, self.packed_bytes) {
            true => Err(spent()),
            false => Ok(read),
        }
    }
}
