//! Bytes that are nobody's yet, in a file that no folder names: it is gone with its handle, also
//! when the process is killed.
//!
//! Never: outlives whoever holds it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Spool, failed};
use crate::journal::Result;

/// See the module's text.
#[derive(Debug)]
pub struct Nameless(File);

impl Spool {
    /// Makes such a file. Blocks.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn nameless(&self) -> Result<Nameless> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("nameless-{}-{number}", std::process::id());
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(failed("make a file"))?;
        std::fs::remove_file(&path).map_err(failed("take a file's name away"))?;
        Ok(Nameless(file))
    }
}

impl Nameless {
    /// Writes all of these bytes at an offset. Blocks.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> Result<()> {
        let written = self.0.write_all_at(bytes, at);
        written.map_err(failed("write a file without a name"))
    }

    /// Fills a buffer from an offset on. Blocks.
    ///
    /// # Errors
    /// When there is less, or the disk fails.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        let read = self.0.read_exact_at(buffer, at);
        read.map_err(failed("read a file without a name"))
    }
}
