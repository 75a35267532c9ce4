//! Viruses: a file is read to a ClamAV daemon, which says what it finds.
//!
//! Invariants:
//! 1. A file is read to the scanner whole and in one piece, never a chunk of an upload alone.
//! 2. Only the word that nothing was found makes a file clean; silence, an error and a limit of the
//!    scanner's do not.
//! 3. At most `thread_count` files are scanned at once; a scanner that hangs holds one of the
//!    threads for a bounded time.
//!
//! Never: decides what becomes of a file that nobody scanned; that is the settings'.

mod clamd;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use super::pool::{Pool, Whose};

use clamd::Patience;
pub use clamd::{Address, BadAddress};

/// What a scanner says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanVerdict {
    /// It found nothing.
    Clean,
    /// What it found, by its own name.
    Infected(String),
    /// It could not look through the file: too large, encrypted, nested too deep.
    Unscannable,
    /// It did not answer.
    Unavailable,
}

impl ScanVerdict {
    /// The word of the metric.
    const fn as_str(&self) -> &'static str {
        match self {
            ScanVerdict::Clean => "clean",
            ScanVerdict::Infected(_) => "infected",
            ScanVerdict::Unscannable => "unscannable",
            ScanVerdict::Unavailable => "unavailable",
        }
    }
}

/// What the scanner made of a file that every scanner must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// It found it.
    Finds,
    /// It answers, and let it pass: it has no signatures.
    Blind,
    /// It did not answer.
    Silent,
}

/// A scanner, and the threads that read files to it.
#[derive(Debug)]
pub struct Scanner {
    address: Address,
    patience: Patience,
    threads: Pool,
}

impl Scanner {
    /// Starts the threads; the scanner is asked for nothing yet. It is given up when it takes
    /// longer over a file.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(address: Address, thread_count: usize, answer_limit: Duration) -> io::Result<Self> {
        let threads = Pool::new("scan", thread_count)?;
        Ok(Self {
            address,
            patience: Patience::of(answer_limit),
            threads,
        })
    }

    /// Has a file scanned.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn scan(&self, whose: &Whose, file: &Path) -> io::Result<ScanVerdict> {
        let file = file.to_owned();
        let work = self.reading(move || File::open(file));
        let verdict = scanned(self.threads.run(whose, work).await)?;
        metrics::counter!("frontdesk_file_scans_total", "verdict" => verdict.as_str()).increment(1);
        Ok(verdict)
    }

    /// Has the scanner look at what it must find.
    pub async fn canary(&self) -> Canary {
        match self.read_out(|| Ok(io::Cursor::new(canary()))).await {
            Ok(ScanVerdict::Infected(_)) => Canary::Finds,
            Ok(ScanVerdict::Clean | ScanVerdict::Unscannable) => Canary::Blind,
            Ok(ScanVerdict::Unavailable) | Err(_) => Canary::Silent,
        }
    }

    /// Whether the scanner takes files of this length: it is read so many zeros.
    pub async fn takes(&self, size_bytes: u64) -> bool {
        let zeros = move || Ok(io::repeat(0).take(size_bytes));
        matches!(self.read_out(zeros).await, Ok(ScanVerdict::Clean))
    }

    /// Has what the node itself asks read to the scanner.
    async fn read_out<R, F>(&self, open: F) -> io::Result<ScanVerdict>
    where
        R: Read,
        F: FnOnce() -> io::Result<R> + Send + 'static,
    {
        scanned(self.threads.run_own(self.reading(open)).await)
    }

    /// Opens a source and reads it to the scanner, to be done on one of the threads.
    fn reading<R: Read>(
        &self,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> impl FnOnce() -> io::Result<ScanVerdict> + Send + 'static {
        let (address, patience) = (self.address.clone(), self.patience);
        move || clamd::scan(&address, patience, &mut open()?)
    }
}

/// Of a work that panicked nobody knows.
fn scanned(worked: Option<io::Result<ScanVerdict>>) -> io::Result<ScanVerdict> {
    worked.unwrap_or(Ok(ScanVerdict::Unavailable))
}

/// The test file of EICAR, which every scanner finds. Put together here, so that no scanner finds
/// it in this program.
fn canary() -> Vec<u8> {
    const FIRST: &[u8] = br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR";
    const SECOND: &[u8] = b"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
    [FIRST, SECOND].concat()
}

#[cfg(test)]
pub(super) mod tests;
