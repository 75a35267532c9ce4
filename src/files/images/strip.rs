//! JPEG, PNG and WebP without what is private: each is split into its parts, and the parts that
//! make the picture are put together again, unchanged but for what stands behind their fields.
//!
//! Invariants: what is kept is listed; an unknown part is left out. What is passed on ends where
//! its format says that a picture ends. A packed profile that is passed on has been unpacked to
//! its end, and is small enough for whoever does so again.
//! Never: decodes or encodes a pixel.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::ZlibDecoder;
use image::metadata::Orientation;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use img_parts::png::{Png, PngChunk};
use img_parts::riff::{RiffChunk, RiffContent};
use img_parts::webp::{self, WebP};
use img_parts::{ImageEXIF, ImageICC};

use super::parts::{self, Parts};
use super::{Fault, NO_PICTURE, Stripped};

/// A colour profile that is kept, bytes as it is used: those of printing presses have up to 3 MB.
/// A thousandth of it is enough to pack zeros.
pub(super) const PROFILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Chunks of a PNG that make the picture: pixels, colours, frames.
const PNG_KEPT: [&[u8; 4]; 21] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
    b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
    b"CgBI",
];

pub(super) fn png(bytes: Bytes) -> Result<Stripped, Fault> {
    parts::of_png(&bytes)?;
    let mut png = Png::from_bytes(bytes).map_err(|_| NO_PICTURE)?;
    let orientation = orientation(png.exif());
    png.chunks_mut()
        .retain(|chunk| PNG_KEPT.contains(&&chunk.kind()));
    bound_profile(&mut png);
    let kind_of = |chunk: Option<&PngChunk>| chunk.map(PngChunk::kind).ok_or(NO_PICTURE);
    let first = kind_of(png.chunks().first())?;
    let last = kind_of(png.chunks().last())?;
    let has_pixels = png.chunk_by_type(*b"IDAT").is_some();
    if (first != *b"IHDR" && first != *b"CgBI") || last != *b"IEND" || !has_pixels {
        return Err(NO_PICTURE);
    }
    // The end holds nothing, whatever was written into it.
    png.chunks_mut().pop();
    png.chunks_mut().push(PngChunk::new(*b"IEND", Bytes::new()));
    let pixels = png.dimensions().ok_or(NO_PICTURE)?;
    let frame_count = png.chunks_by_type(*b"fcTL").count();
    png.set_exif(tag(orientation));
    Ok(Stripped {
        pieces: png.encoder().collect(),
        pixels,
        orientation,
        frame_count,
        scan_count: 0,
    })
}

/// Leaves one profile to a PNG, without what stands behind it, or none if it is too large or cannot
/// be unpacked. A second one, which nobody reads, goes unseen: each costs an unpacking.
fn bound_profile(png: &mut Png) {
    let is_profile = |chunk: &PngChunk| chunk.kind() == *b"iCCP";
    let Some(at) = png.chunks().iter().position(is_profile) else {
        return;
    };
    let contents = png.chunks()[at].contents().clone();
    png.chunks_mut().retain(|chunk| !is_profile(chunk));
    if let Some(end) = profile_end(&contents) {
        let profile = PngChunk::new(*b"iCCP", contents.slice(..end));
        // As many chunks as before stand before it: it was the first of its kind.
        png.chunks_mut().insert(at, profile);
    }
}

/// Where a packed profile ends in its chunk, if it is whole and small enough. It is unpacked into
/// nothing, and no further than [`PROFILE_BYTES_MAX`].
fn profile_end(contents: &[u8]) -> Option<usize> {
    const ZLIB: u8 = 0;
    let name_bytes = contents.iter().position(|byte| *byte == 0)?;
    let packed_at = name_bytes + 2;
    if *contents.get(name_bytes + 1)? != ZLIB {
        return None;
    }
    let mut unpacked = ZlibDecoder::new(&contents[packed_at..]);
    let limit = PROFILE_BYTES_MAX as u64;
    // One more, to see whether there is more.
    let size = io::copy(&mut unpacked.by_ref().take(limit + 1), &mut io::sink()).ok()?;
    let packed_bytes = usize::try_from(unpacked.total_in()).ok()?;
    (size <= limit).then_some(packed_at + packed_bytes)
}

/// Chunks of a WebP that make the picture.
const WEBP_KEPT: [[u8; 4]; 7] = [
    webp::CHUNK_VP8X,
    webp::CHUNK_VP8,
    webp::CHUNK_VP8L,
    webp::CHUNK_ALPH,
    webp::CHUNK_ANIM,
    webp::CHUNK_ANMF,
    webp::CHUNK_ICCP,
];

pub(super) fn webp(bytes: Bytes) -> Result<Stripped, Fault> {
    parts::of_webp(&bytes)?;
    let mut webp = WebP::from_bytes(bytes).map_err(|_| NO_PICTURE)?;
    let orientation = orientation(webp.exif());
    webp.chunks_mut()
        .retain(|chunk| WEBP_KEPT.contains(&chunk.id()));
    if webp
        .icc_profile()
        .is_some_and(|icc| icc.len() > PROFILE_BYTES_MAX)
    {
        webp.set_icc_profile(None);
    }
    let frame_count = webp.chunks_by_id(webp::CHUNK_ANMF).count();
    let kinds = [webp::CHUNK_VP8, webp::CHUNK_VP8L];
    if frame_count == 0 && !kinds.into_iter().any(|kind| webp.has_chunk(kind)) {
        return Err(NO_PICTURE);
    }
    let pixels = webp.dimensions().ok_or(NO_PICTURE)?;
    webp.set_exif(tag(orientation));
    say_no_xmp(&mut webp);
    Ok(Stripped {
        pieces: webp.encoder().collect(),
        pixels,
        orientation,
        frame_count,
        scan_count: 0,
    })
}

/// The head of a WebP lists what follows; what was taken out must not be announced.
fn say_no_xmp(webp: &mut WebP) {
    const XMP: u8 = 0b0000_0100;
    let is_head = |chunk: &&mut RiffChunk| chunk.id() == webp::CHUNK_VP8X;
    let head = webp.chunks_mut().iter_mut().find(is_head);
    if let Some(RiffContent::Data(flags)) = head.map(RiffChunk::content_mut)
        && flags.first().is_some_and(|first| first & XMP != 0)
    {
        let mut cleared = flags.to_vec();
        cleared[0] &= !XMP;
        *flags = cleared.into();
    }
}

pub(super) fn jpeg(bytes: Bytes) -> Result<Stripped, Fault> {
    let mut parts = parts::of_jpeg(&bytes)?;
    let mut jpeg = Jpeg::from_bytes(bytes).map_err(|_| NO_PICTURE)?;
    let orientation = orientation(jpeg.exif());
    let pixels = jpeg.dimensions().ok_or(NO_PICTURE)?;
    let pixels = (u32::from(pixels.0), u32::from(pixels.1));
    if jpeg
        .icc_profile()
        .is_some_and(|icc| icc.len() > PROFILE_BYTES_MAX)
    {
        jpeg.set_icc_profile(None);
    }
    let last = jpeg.segments_mut().pop().ok_or(NO_PICTURE)?;
    if last.marker() != markers::SOS || !last.has_entropy() {
        return Err(NO_PICTURE);
    }
    let before = std::mem::take(jpeg.segments_mut());
    *jpeg.segments_mut() = before.into_iter().filter_map(kept).collect();
    // What the library holds to be pixels is all of the rest.
    let rest = last.clone().encoder().last().ok_or(NO_PICTURE)?;
    let scans = scans(&rest, &mut parts)?;
    let contents = last.contents().clone();
    let segment = JpegSegment::new_with_entropy(markers::SOS, contents, scans.pixels);
    jpeg.segments_mut().push(segment);
    jpeg.set_exif(tag(orientation));
    Ok(Stripped {
        pieces: jpeg.encoder().collect(),
        pixels,
        orientation,
        frame_count: 1,
        scan_count: scans.count,
    })
}

/// Of the segments before the pixels, those that make the picture: tables and frames, the file's
/// own head, colour profiles, and how colours are mixed; of those for applications, no other. What
/// is written behind their fields is left out, and so is the small picture in the head, which may
/// show what was cut away.
fn kept(segment: JpegSegment) -> Option<JpegSegment> {
    /// Name, version, units, densities, and the width and height of a small picture.
    const JFIF_BYTES: usize = 14;
    const JFIF_SMALL_AT: usize = 12;
    /// Name, version, two fields of flags, and how colours are mixed.
    const ADOBE_BYTES: usize = 12;
    let (marker, contents) = (segment.marker(), segment.contents());
    let fields = match marker {
        markers::APP0 if contents.starts_with(b"JFIF\0") => {
            let mut fields = contents.get(..JFIF_BYTES)?.to_vec();
            fields[JFIF_SMALL_AT..].fill(0);
            fields
        }
        markers::APP14 if contents.starts_with(b"Adobe") => contents.get(..ADOBE_BYTES)?.to_vec(),
        markers::APP2 if contents.starts_with(b"ICC_PROFILE\0") => return Some(segment),
        _ => return (!is_aside(marker)).then_some(segment),
    };
    Some(JpegSegment::new_with_contents(marker, fields.into()))
}

/// Segments of applications, of later formats, and comments. Behind the first pixels no picture
/// needs any of them.
fn is_aside(marker: u8) -> bool {
    const COMMENT: u8 = 0xFE;
    matches!(marker, 0xE0..=0xFD | COMMENT)
}

struct Scans {
    /// From the first pixel to the end of the picture.
    pixels: Bytes,
    count: usize,
}

/// Walks over the scans to the end of the picture, leaving out what no picture needs; it is none if
/// another one begins before that.
fn scans(rest: &Bytes, parts: &mut Parts) -> Result<Scans, Fault> {
    const MARK: u8 = 0xFF;
    let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
    let mut count = 1;
    let (mut start, mut at) = (0, 0);
    while let Some(found) = rest[at..].iter().position(|byte| *byte == MARK) {
        at += found;
        let Some(&marker) = rest.get(at + 1) else {
            break;
        };
        match marker {
            // A byte of pixels, a restart, or one that stands for nothing.
            0x00 | 0x01 | 0xD0..=0xD7 => at += 2,
            MARK => at += 1,
            markers::SOI => return Err(NO_PICTURE),
            markers::EOI => break,
            _ => {
                parts.meet()?;
                let Some(two) = rest.get(at + 2..at + 4) else {
                    break;
                };
                let length = usize::from(u16::from_be_bytes([two[0], two[1]]));
                let end = at + 2 + length;
                rest.get(at + 4..end).ok_or(NO_PICTURE)?;
                if is_aside(marker) {
                    kept.push(start..at);
                    start = end;
                }
                count += usize::from(marker == markers::SOS);
                at = end;
            }
        }
    }
    // Without an end it was cut off on its way; what there is of it is shown all the same.
    let is_whole = rest.get(at..at + 2) == Some(&[MARK, markers::EOI]);
    if is_whole && kept.is_empty() {
        let pixels = rest.slice(..at + 2);
        return Ok(Scans { pixels, count });
    }
    kept.push(start..if is_whole { at } else { rest.len() });
    let mut pixels = Vec::with_capacity(rest.len() + 2);
    for range in kept {
        pixels.extend_from_slice(&rest[range]);
    }
    pixels.extend_from_slice(&[MARK, markers::EOI]);
    Ok(Scans {
        pixels: pixels.into(),
        count,
    })
}

fn orientation(exif: Option<Bytes>) -> Orientation {
    exif.and_then(|exif| Orientation::from_exif_chunk(&exif))
        .unwrap_or(Orientation::NoTransforms)
}

/// Exif with nothing in it but how the picture is to be turned; none for one that stands upright.
fn tag(orientation: Orientation) -> Option<Bytes> {
    if orientation == Orientation::NoTransforms {
        return None;
    }
    let mut tag = Vec::from(*b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0");
    tag.extend_from_slice(&[orientation.to_exif(), 0, 0, 0, 0, 0, 0, 0]);
    Some(tag.into())
}
