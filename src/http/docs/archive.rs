//! Takes single files out of a ZIP archive while this crate is compiled. Both ZIP and gzip hold a
//! DEFLATE stream, so a file becomes a gzip one without being unpacked.
//!
//! Invariants: a file that is missing, or packed in another way, fails the build.
//! Never: runs in the server.

/// Sizes of the headers, bytes (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16).
const LOCAL_HEADER_BYTES: usize = 30;
const CENTRAL_HEADER_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// Before each header of the central directory.
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
/// At the end of the archive.
const END_SIGNATURE: u32 = 0x0605_4b50;
/// The one method that gzip knows as well.
const DEFLATE: u16 = 8;

/// RFC 1952: magic, DEFLATE, no flags, no time, no hints, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// CRC-32 and length of what was packed.
const GZIP_TRAILER_BYTES: usize = 8;

/// Where a packed file lies.
pub(super) struct Entry {
    start: usize,
    packed_bytes: usize,
    plain_bytes: u32,
    crc: u32,
}

/// The file whose path ends like this.
pub(super) const fn find(zip: &[u8], path_end: &str) -> Entry {
    let mut end = zip.len() - END_BYTES;
    // A comment of any length may follow.
    while u32_at(zip, end) != END_SIGNATURE {
        end -= 1;
    }
    let mut left_count = u16_at(zip, end + 10);
    let mut at = u32_at(zip, end + 16) as usize;
    while left_count > 0 {
        assert!(u32_at(zip, at) == CENTRAL_SIGNATURE, "a broken directory");
        let name_bytes = u16_at(zip, at + 28) as usize;
        if ends_with(
            zip,
            at + CENTRAL_HEADER_BYTES,
            name_bytes,
            path_end.as_bytes(),
        ) {
            assert!(u16_at(zip, at + 10) == DEFLATE, "packed in another way");
            let local = u32_at(zip, at + 42) as usize;
            let local_rest = u16_at(zip, local + 26) as usize + u16_at(zip, local + 28) as usize;
            return Entry {
                start: local + LOCAL_HEADER_BYTES + local_rest,
                packed_bytes: u32_at(zip, at + 20) as usize,
                plain_bytes: u32_at(zip, at + 24),
                crc: u32_at(zip, at + 16),
            };
        }
        let rest_bytes = u16_at(zip, at + 30) as usize + u16_at(zip, at + 32) as usize;
        at += CENTRAL_HEADER_BYTES + name_bytes + rest_bytes;
        left_count -= 1;
    }
    panic!("no such file in the archive")
}

impl Entry {
    /// Length of the gzip form.
    pub(super) const fn gzip_bytes(&self) -> usize {
        GZIP_HEADER.len() + self.packed_bytes + GZIP_TRAILER_BYTES
    }

    /// The gzip form; `N` is its length.
    pub(super) const fn gzip<const N: usize>(&self, zip: &[u8]) -> [u8; N] {
        let mut gzip = [0; N];
        let (header, rest) = gzip.split_at_mut(GZIP_HEADER.len());
        header.copy_from_slice(&GZIP_HEADER);
        let (packed, trailer) = rest.split_at_mut(self.packed_bytes);
        let (_, from_start) = zip.split_at(self.start);
        let (stream, _) = from_start.split_at(self.packed_bytes);
        packed.copy_from_slice(stream);
        let (crc, plain_bytes) = trailer.split_at_mut(4);
        crc.copy_from_slice(&self.crc.to_le_bytes());
        plain_bytes.copy_from_slice(&self.plain_bytes.to_le_bytes());
        gzip
    }
}

const fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

const fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

const fn ends_with(bytes: &[u8], start: usize, length: usize, end: &[u8]) -> bool {
    if length < end.len() {
        return false;
    }
    let from = start + length - end.len();
    let mut index = 0;
    while index < end.len() {
        if bytes[from + index] != end[index] {
            return false;
        }
        index += 1;
    }
    true
}
