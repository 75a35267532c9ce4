//! Marks: how far an upload's bytes are kept, and a fingerprint of those since the mark before.
//!
//! A mark is written beside its bytes and both are synced before anybody is told; so after a power
//! loss a mark without its bytes, or half of one, was told to nobody and is cut off. A mark counts
//! when its own fingerprint fits, and the bytes of all marks up to it do.
//!
//! Never: moves backwards; an upload that shrinks is another upload.

use std::fs::File;
use std::hash::Hasher;
use std::os::unix::fs::FileExt;

use twox_hash::XxHash3_64;

use super::failed;
use crate::journal::Result;

/// On disk: the offset, the fingerprint of the bytes since the last mark, and that of both; each
/// eight bytes, big-endian.
const MARK_BYTES: usize = 24;

/// XXH3 of a group of bytes as they come.
#[derive(Clone, Default)]
pub struct Fingerprint(XxHash3_64);

impl Fingerprint {
    /// Takes more of them.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    pub(super) fn number(&self) -> u64 {
        self.0.finish()
    }
}

/// The end of a group of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Bytes up to here are kept.
    pub(super) end: u64,
    /// XXH3 of those since the mark before.
    pub(super) group: u64,
}

impl Mark {
    pub(super) fn encode(&self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..8].copy_from_slice(&self.end.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.group.to_be_bytes());
        let own = XxHash3_64::oneshot(&bytes[..16]);
        bytes[16..].copy_from_slice(&own.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let eight = bytes.get(at..at + 8)?;
            Some(u64::from_be_bytes(eight.try_into().ok()?))
        };
        let (end, group, own) = (number(0)?, number(8)?, number(16)?);
        (own == XxHash3_64::oneshot(&bytes[..16])).then_some(Self { end, group })
    }
}

/// The file of marks.
#[derive(Debug)]
pub(super) struct Marks {
    file: File,
    count: u64,
}

impl Marks {
    /// An empty file.
    pub(super) fn new(file: File) -> Self {
        Self { file, count: 0 }
    }

    /// The marks of a file up to the first that is broken.
    pub(super) fn read(mut file: File) -> Result<(Self, Vec<Mark>)> {
        let bytes = super::read_all(&mut file)?;
        let found: Vec<Mark> = bytes.chunks(MARK_BYTES).map_while(Mark::decode).collect();
        let count = found.len() as u64;
        Ok((Self { file, count }, found))
    }

    /// Writes one more; lasts with the next `sync`.
    pub(super) fn append(&mut self, mark: &Mark) -> Result<()> {
        self.write(mark, self.count)?;
        self.count += 1;
        Ok(())
    }

    /// Writes the last one where it is, so that the next `sync` is of it.
    pub(super) fn write_last_again(&self, mark: &Mark) -> Result<()> {
        self.write(mark, self.count.saturating_sub(1))
    }

    fn write(&self, mark: &Mark, index: u64) -> Result<()> {
        let at = index * MARK_BYTES as u64;
        let written = self.file.write_all_at(&mark.encode(), at);
        written.map_err(failed("write a mark"))
    }

    /// Where the next one is written.
    #[cfg(test)]
    pub(super) fn count_bytes(&self) -> u64 {
        self.count * MARK_BYTES as u64
    }

    /// Forgets all but the first ones.
    pub(super) fn cut(&mut self, count: u64) -> Result<()> {
        let cut = self.file.set_len(count * MARK_BYTES as u64);
        cut.map_err(failed("cut the marks"))?;
        self.count = count;
        Ok(())
    }

    /// Puts them on disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(failed("sync the marks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies on disks was written by other builds.
    #[test]
    fn a_mark_is_what_it_always_was() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let mut fingerprint = Fingerprint::default();
        bytes.chunks(777).for_each(|some| fingerprint.update(some));
        let mark = Mark {
            end: bytes.len() as u64,
            group: fingerprint.number(),
        };
        let encoded = mark.encode();
        let numbers: Vec<u64> = encoded
            .chunks(8)
            .map(|eight| u64::from_be_bytes(eight.try_into().unwrap()))
            .collect();
        assert_eq!(
            numbers,
            [100_000, 0x17a7_0107_5a95_b432, 0xd626_3a50_7c5e_4629]
        );
        assert_eq!(Mark::decode(&encoded), Some(mark));
    }

    /// Its algorithm goes different ways by length.
    #[test]
    fn a_fingerprint_of_any_length_is_what_others_make_of_it() {
        let bytes: Vec<u8> = (0..2_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        for length in 0..bytes.len() {
            let mut fingerprint = Fingerprint::default();
            bytes[..length]
                .chunks(97)
                .for_each(|some| fingerprint.update(some));
            let others = xxhash_rust::xxh3::xxh3_64(&bytes[..length]);
            assert_eq!(fingerprint.number(), others, "{length} bytes");
        }
    }
}
