//! Whether a file that passed is stored packed: only what its bytes show to be of a type that is
//! known to pack well, and only if it then does.
//!
//! Never: changes what anybody is told of a file; its length and digests are those of the plain
//! bytes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use frontdesk_protocol::upload::FileKind;
use frontdesk_storage::{PACKED_BYTES_MAX, Result};

/// The shortest file that is packed, bytes: a disk gives out no less than this at a time.
const PACKED_BYTES_MIN: u64 = 4 * 1024;

/// Types whose bytes are plain words, numbers, points or samples.
const PLAIN_TYPES: [&str; 17] = [
    "application/json",
    "application/rtf",
    "application/x-ndjson",
    "application/x-tar",
    "application/xml",
    "audio/basic",
    "audio/vnd.wave",
    "audio/x-aiff",
    "audio/x-wav",
    "image/bmp",
    "image/tiff",
    "image/vnd.adobe.photoshop",
    "image/x-portable-arbitrarymap",
    "image/x-portable-bitmap",
    "image/x-portable-graymap",
    "image/x-portable-pixmap",
    "image/x-win-bitmap",
];
/// Named like XML, and ZIP.
const ZIPPED_TYPES: [&str; 3] = [
    "application/vnd.circuitdiagram.document.main+xml",
    "application/vnd.ms-package.3dmanufacturing-3dmodel+xml",
    "application/vnd.ms-visio.drawing.main+xml",
];

/// Whether files of a sniffed type are worth a try.
fn packs_well(mime: &str) -> bool {
    let is_written = mime.starts_with("text/") || mime.ends_with("+xml") || mime.ends_with("+json");
    PLAIN_TYPES.contains(&mime) || is_written && !ZIPPED_TYPES.contains(&mime)
}

/// Whether what passed is long enough, and of a type that packs well.
pub(super) fn is_worth_a_try(kind: &FileKind) -> bool {
    (PACKED_BYTES_MIN..=PACKED_BYTES_MAX).contains(&kind.stored_size) && packs_well(&kind.mime)
}

/// Packs a file beside `work`, if that saves enough. Blocks for as long as it takes.
///
/// # Errors
/// When the disk is full or fails.
pub(super) fn pack(from: &Path, work: &Path) -> Result<Option<PathBuf>> {
    let mut to = OsString::from(work);
    to.push(".packed");
    let to = PathBuf::from(to);
    let packed = frontdesk_storage::pack(from, &to)?;
    Ok(packed.map(|packed| {
        let saved_bytes = packed.plain_bytes.saturating_sub(packed.packed_bytes);
        metrics::counter!("frontdesk_files_packed_saved_bytes_total").increment(saved_bytes);
        to
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::samples;
    use crate::files::sniff::sniff;

    #[test]
    fn words_points_and_samples_are_packed_and_what_is_packed_already_is_not() {
        let sniffed = |bytes: &[u8]| sniff(std::io::Cursor::new(bytes)).unwrap().mime;
        let wave = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0";
        for plain in [
            &b"a,b\n1,2\n"[..],
            b"{\"a\": [1, 2]}",
            b"<?xml version=\"1.0\"?><a/>",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"{\\rtf1\\ansi words}",
            b"P6 2 2 255\n",
            wave,
        ] {
            let mime = sniffed(plain);
            assert!(packs_well(&mime), "{mime}");
        }
        for dense in [
            samples::zip(&[("a.txt", b"words")]),
            samples::docx(&[]),
            samples::private_jpeg(1),
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(),
            b"%PDF-1.7".to_vec(),
            b"\0\x01\x02".to_vec(),
        ] {
            let mime = sniffed(&dense);
            assert!(!packs_well(&mime), "{mime}");
        }
        for zipped in ZIPPED_TYPES {
            assert!(!packs_well(zipped), "{zipped}");
        }
    }
}
