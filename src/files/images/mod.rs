//! Pictures: their size, what is private in them, and a small picture of each.
//!
//! Owns: what is taken out of a picture before anybody else gets it (`strip`, `gif`, `boxed`), how
//! many parts it may have (`parts`), and the small one (`thumbnail`). JPEG, PNG, WebP and GIF are
//! written anew from the parts that make the picture: where it was taken, with what, by whom, what
//! somebody wrote into it and whatever stands behind its end is left out. Pixels are not encoded
//! again, so nothing is lost, and how it is to be turned is kept as the only tag. In HEIC and AVIF
//! the same is blanked where it stands.
//!
//! Invariants:
//! 1. Nothing is taken apart before its parts are counted and few enough, and nothing is decoded
//!    before its width and height are known and small enough.
//! 2. A picture that cannot be taken apart is not one; it is refused, and never passed on as a
//!    picture. Whoever keeps every kind of file gets its bytes, with what is private in them.
//! 3. What is decoded is what is passed on: what was left out of it costs nobody anything.
//! 4. A small picture that cannot be made fails nothing.
//!
//! Never: holds more than one whole file of [`FILE_BYTES_MAX`], its parts and its pixels for one
//! caller.

mod boxed;
mod gif;
mod parts;
mod strip;
#[cfg(test)]
mod tests;
mod thumbnail;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use frontdesk_protocol::upload::UploadFailure;
use image::ImageFormat;

/// A picture that is taken apart stands in memory, bytes: 200 megapixels of a camera are 50 MB.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Pixels of a picture that is passed on: what shows it must hold four bytes of each, a gibibyte.
/// The largest cameras of phones make 200 million; bombs declare billions.
const PIXELS_MAX: u64 = 1 << 28;
/// What is written at once, bytes: pieces of a picture have twelve and more.
const WRITE_BYTES: usize = 64 * 1024;
/// Frames of a picture that moves: ten minutes at 16 a second.
const FRAME_COUNT_MAX: usize = 10_000;
/// Passes over the pixels of a progressive JPEG: encoders make about ten, and each costs whoever
/// shows it a walk over all of them.
const SCAN_COUNT_MAX: usize = 256;

/// What became of a picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Treated {
    /// Width and height as it is shown, pixels; not known of what is not decoded here.
    pub(super) pixels: Option<(u32, u32)>,
    /// The file without what is private, if that is another one; it is on disk.
    pub(super) rewritten: Option<PathBuf>,
    /// The small picture, a JPEG, if one could be made.
    pub(super) thumbnail: Option<PathBuf>,
    /// Length of the file that is passed on, bytes.
    pub(super) stored_bytes: u64,
}

/// Why nothing became of it.
#[derive(Debug)]
pub(super) enum Fault {
    /// The picture's.
    Refused(UploadFailure),
    /// Ours.
    Disk(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Disk(error)
    }
}

/// No picture, whatever its first bytes say.
const NO_PICTURE: Fault = Fault::Refused(UploadFailure::Mismatched);
/// More than anybody should have to show.
const TOO_MUCH: Fault = Fault::Refused(UploadFailure::Unscannable);

/// What is done with a kind of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is taken apart and written anew, and a small one is made.
    Parted(ImageFormat),
    /// It has nothing private in it; a small one is made.
    Plain(ImageFormat),
    /// What is private is blanked; nobody here decodes it.
    Boxed,
}

impl Kind {
    /// Of a sniffed type, if it is one of pictures.
    pub(super) fn of(mime: &str) -> Option<Self> {
        match mime {
            "image/jpeg" => Some(Kind::Parted(ImageFormat::Jpeg)),
            "image/png" | "image/apng" => Some(Kind::Parted(ImageFormat::Png)),
            "image/gif" => Some(Kind::Parted(ImageFormat::Gif)),
            "image/webp" => Some(Kind::Parted(ImageFormat::WebP)),
            "image/bmp" => Some(Kind::Plain(ImageFormat::Bmp)),
            "image/heic" | "image/heif" | "image/avif" => Some(Kind::Boxed),
            // Several pictures, or one with its motion, in the same boxes.
            "image/heic-sequence" | "image/heif-sequence" | "image/avif-sequence" => {
                Some(Kind::Boxed)
            }
            _ => None,
        }
    }

    /// Whether what stands behind the end of such a picture is cut away.
    pub(super) fn is_cut(self) -> bool {
        matches!(self, Kind::Parted(_))
    }
}

/// What a picture is made of, and what was found out on the way.
struct Stripped {
    /// The file as it is passed on.
    pieces: Vec<Bytes>,
    /// Width and height as they are stored.
    pixels: (u32, u32),
    orientation: image::metadata::Orientation,
    frame_count: usize,
    scan_count: usize,
}

/// Takes a picture apart, writes it anew beside `work` if that changes it, and makes a small one.
pub(super) fn treat(file: &Path, work: &Path, kind: Kind) -> Result<Treated, Fault> {
    match kind {
        Kind::Parted(format) => treat_parted(file, work, format),
        Kind::Plain(format) => treat_plain(file, work, format),
        Kind::Boxed => treat_boxed(file, work),
    }
}

fn treat_parted(file: &Path, work: &Path, format: ImageFormat) -> Result<Treated, Fault> {
    let bytes = read(file)?;
    let stripped = match format {
        ImageFormat::Gif => gif::strip(&bytes),
        ImageFormat::Png => strip::png(bytes.clone()),
        ImageFormat::WebP => strip::webp(bytes.clone()),
        _ => strip::jpeg(bytes.clone()),
    }?;
    let many = stripped.frame_count > FRAME_COUNT_MAX || stripped.scan_count > SCAN_COUNT_MAX;
    if many || pixel_count(stripped.pixels) > PIXELS_MAX {
        return Err(TOO_MUCH);
    }
    let rewritten = write_if_other(&stripped.pieces, &bytes, work)?;
    let small = match &rewritten {
        None => thumbnail::make(io::Cursor::new(&bytes), format, stripped.orientation),
        Some(path) => File::open(path).ok().and_then(|file| {
            thumbnail::make(io::BufReader::new(file), format, stripped.orientation)
        }),
    };
    Ok(Treated {
        pixels: Some(turned(stripped.pixels, stripped.orientation)),
        rewritten,
        thumbnail: keep(small, work),
        stored_bytes: stripped.pieces.iter().map(|piece| piece.len() as u64).sum(),
    })
}

fn treat_boxed(file: &Path, work: &Path) -> Result<Treated, Fault> {
    let bytes = read(file)?;
    let pieces = boxed::strip(&bytes)?;
    Ok(Treated {
        pixels: None,
        rewritten: write_if_other(&pieces, &bytes, work)?,
        thumbnail: None,
        stored_bytes: bytes.len() as u64,
    })
}

fn write_if_other(pieces: &[Bytes], whole: &[u8], work: &Path) -> io::Result<Option<PathBuf>> {
    match is_same(pieces, whole) {
        true => Ok(None),
        false => write(&beside(work, ".stripped"), pieces).map(Some),
    }
}

fn treat_plain(file: &Path, work: &Path, format: ImageFormat) -> Result<Treated, Fault> {
    let open = || File::open(file).map(io::BufReader::new);
    let reader = image::ImageReader::with_format(open()?, format);
    let pixels = reader.into_dimensions().map_err(|_| NO_PICTURE)?;
    if pixel_count(pixels) > PIXELS_MAX {
        return Err(TOO_MUCH);
    }
    let upright = image::metadata::Orientation::NoTransforms;
    let small = thumbnail::make(open()?, format, upright);
    Ok(Treated {
        pixels: Some(pixels),
        rewritten: None,
        thumbnail: keep(small, work),
        stored_bytes: std::fs::metadata(file)?.len(),
    })
}

fn pixel_count((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

/// As it is shown: four of eight ways to turn a picture lay it on its side.
fn turned((width, height): (u32, u32), orientation: image::metadata::Orientation) -> (u32, u32) {
    match orientation.to_exif() {
        5..=8 => (height, width),
        _ => (width, height),
    }
}

fn read(file: &Path) -> Result<Bytes, Fault> {
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    if size > FILE_BYTES_MAX {
        return Err(TOO_MUCH);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn is_same(pieces: &[Bytes], whole: &[u8]) -> bool {
    let mut rest = whole;
    for piece in pieces {
        match rest.strip_prefix(&piece[..]) {
            Some(left) => rest = left,
            None => return false,
        }
    }
    rest.is_empty()
}

fn beside(work: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(work);
    path.push(end);
    path.into()
}

/// On disk with its name when this returns: what it is made of is given up afterwards.
fn write(path: &Path, pieces: &[Bytes]) -> io::Result<PathBuf> {
    let written = File::create(path).and_then(|file| {
        let mut gathered = io::BufWriter::with_capacity(WRITE_BYTES, file);
        for piece in pieces {
            gathered.write_all(piece)?;
        }
        gathered.into_inner()?.sync_all()?;
        let folder = path.parent();
        folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    });
    if written.is_err() {
        // What was begun is of no use; there may be nothing.
        let _ = std::fs::remove_file(path);
    }
    written.map(|()| path.to_owned())
}

/// A small picture is a convenience: without room for it there is none.
fn keep(small: Option<Vec<u8>>, work: &Path) -> Option<PathBuf> {
    let written = write(&beside(work, ".thumbnail"), &[small?.into()]);
    if let Err(error) = &written {
        tracing::warn!(%error, "a small picture could not be written");
    }
    written.ok()
}
