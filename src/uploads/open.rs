//! The open spool file of an upload, and the digests of what is in it.
//!
//! Digests of the whole file are made as bytes come, and made again from the spool only after a
//! restart. SHA-256 costs as much as everything else together, so it is made only where somebody
//! said beforehand what it must be. While the disk is little used, sums are made on another thread
//! as bytes are written: one connection is then as fast as the slower of the two.
//!
//! Blocks: called on threads that may. Never: knows whose turn it is.

use aws_lc_rs::digest;
use bytes::Bytes;
use frontdesk_protocol::upload::FileFacts;
use frontdesk_storage::{Fingerprint, SpoolFile};

use super::beside::Beside;
use super::job::WriteError;
use super::resting::OpenOne;

/// Read at once from the spool, bytes.
const READ_BYTES: usize = 256 * 1024;

/// From here on sums are made on another thread, bytes: less is not worth waking it.
const BESIDE_BYTES: usize = 128 * 1024;

/// See the module's text.
#[derive(Default)]
pub(super) struct Open {
    pub(super) file: Option<SpoolFile>,
    _one: Option<OpenOne>,
    /// Whether SHA-256 is made as well.
    wants_sha256: bool,
    /// Of everything up to the file's end; `None` when the file has more than went through here.
    digests: Option<Digests>,
    /// The same up to where bytes are kept, while something is on trial.
    before_trial: Option<Option<Digests>>,
}

#[derive(Clone)]
struct Digests {
    blake3: blake3::Hasher,
    sha256: Option<digest::Context>,
}

impl Digests {
    fn new(wants_sha256: bool) -> Self {
        Self {
            blake3: blake3::Hasher::new(),
            sha256: wants_sha256.then(|| digest::Context::new(&digest::SHA256)),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    fn facts(self, size: u64) -> FileFacts {
        let sha256 = self.sha256.map(|sha256| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(sha256.finish().as_ref());
            bytes
        });
        FileFacts {
            size,
            blake3: *self.blake3.finalize().as_bytes(),
            sha256,
        }
    }
}

/// All that is made of bytes as they are written.
#[derive(Clone)]
struct Sums {
    fingerprint: Fingerprint,
    digests: Option<Digests>,
}

impl Sums {
    /// Of what they were of and these after it.
    fn and(mut self, blocks: &[Bytes]) -> Self {
        for block in blocks {
            self.fingerprint.update(block);
            if let Some(digests) = &mut self.digests {
                digests.update(block);
            }
        }
        self
    }
}

impl Open {
    pub(super) fn new(file: SpoolFile, one: OpenOne, wants_sha256: bool) -> Self {
        let digests = (file.end() == 0).then(|| Digests::new(wants_sha256));
        Self {
            file: Some(file),
            _one: Some(one),
            wants_sha256,
            digests,
            before_trial: None,
        }
    }

    /// Up to where bytes are kept.
    pub(super) fn kept(&self) -> u64 {
        self.file.as_ref().map_or(0, SpoolFile::kept)
    }

    /// Whether an earlier turn left something to end, or nothing can be said since it is closed.
    pub(super) fn is_unsettled(&self) -> bool {
        let is_all_kept = |file: &SpoolFile| file.end() == file.kept();
        self.before_trial.is_some() || !self.file.as_ref().is_some_and(is_all_kept)
    }

    /// Writes blocks at the end; when that fails, nothing of them counts. `has_help`:
    /// another thread may make the sums.
    pub(super) fn write(&mut self, blocks: Vec<Bytes>, has_help: bool) -> Result<(), WriteError> {
        let file = self.file.as_mut().ok_or(WriteError::Over)?;
        let bytes: usize = blocks.iter().map(Bytes::len).sum();
        let sums = Sums {
            fingerprint: file.fingerprint(),
            digests: self.digests.clone(),
        };
        let helps = has_help && bytes >= BESIDE_BYTES;
        let beside = helps.then(|| {
            let (sums, blocks) = (sums.clone(), blocks.clone());
            Beside::begin(move || sums.and(&blocks))
        });
        let mut digests = None;
        file.write_all(&blocks, || {
            let made = beside.and_then(Beside::end);
            let made = made.unwrap_or_else(|| sums.and(&blocks));
            digests = made.digests;
            made.fingerprint
        })?;
        self.digests = digests;
        Ok(())
    }

    /// Keeps what was written.
    pub(super) fn keep(&mut self) -> Result<u64, WriteError> {
        self.before_trial = None;
        Ok(self.file.as_mut().ok_or(WriteError::Over)?.keep()?)
    }

    /// What is written from now on may be taken back.
    pub(super) fn try_out(&mut self) {
        self.before_trial = Some(self.digests.clone());
    }

    /// Takes back what is on trial, and keeps whatever else was written.
    pub(super) fn end_turn(&mut self) -> Result<u64, WriteError> {
        match self.before_trial.take() {
            None => self.keep(),
            Some(digests) => {
                self.digests = digests;
                let file = self.file.as_mut().ok_or(WriteError::Over)?;
                file.cut()?;
                Ok(file.kept())
            }
        }
    }

    pub(super) fn facts(&mut self) -> Result<FileFacts, WriteError> {
        let file = self.file.as_ref().ok_or(WriteError::Over)?;
        let size = file.kept();
        if let Some(digests) = &self.digests {
            return Ok(digests.clone().facts(size));
        }
        let mut digests = Digests::new(self.wants_sha256);
        let mut buffer = vec![0; READ_BYTES];
        let mut at = 0;
        while at < size {
            let read = file.read_at(&mut buffer, at)?;
            digests.update(&buffer[..read]);
            at += read as u64;
        }
        self.digests = Some(digests.clone());
        Ok(digests.facts(size))
    }
}
