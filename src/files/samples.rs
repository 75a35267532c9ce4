//! Files for tests: small, made here, and as odd as people's and attackers' are.

use std::io::{Cursor, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use img_parts::ImageEXIF;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use img_parts::png::{Png, PngChunk};
use img_parts::riff::{RiffChunk, RiffContent};
use img_parts::webp::{self, WebP};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What must not be found in anything that is passed on.
pub(super) const SECRET: &[u8] = b"52.5200N 13.4050E Ann's telephone";

/// Red on the left, blue on the right.
pub(super) fn picture(width: u32, height: u32) -> DynamicImage {
    let pixel = |column, _| match column < width / 2 {
        true => Rgb([255, 0, 0]),
        false => Rgb([0, 0, 255]),
    };
    RgbImage::from_fn(width, height, pixel).into()
}

pub(super) fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Exif with a way to turn the picture, and the place where it was taken.
pub(super) fn exif(orientation: u8) -> Bytes {
    let mut exif = Vec::from(*b"MM\0*\0\0\0\x08\0\x02");
    exif.extend_from_slice(&[0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    exif.extend_from_slice(&[0x01, 0x0E, 0, 2, 0, 0, 0, 33, 0, 0, 0, 38]);
    exif.extend_from_slice(&[0, 0, 0, 0]);
    exif.extend_from_slice(SECRET);
    exif.into()
}

fn xmp() -> Bytes {
    [b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>", SECRET]
        .concat()
        .into()
}

/// As a telephone makes it: Exif, XMP, a comment, a maker's note, and a second picture behind.
pub(super) fn private_jpeg(orientation: u8) -> Vec<u8> {
    let mut jpeg = Jpeg::from_bytes(encoded(ImageFormat::Jpeg, 400, 200).into()).unwrap();
    jpeg.set_exif(Some(exif(orientation)));
    let secret = Bytes::from_static(SECRET);
    let named = |name: &[u8]| Bytes::from([name, SECRET].concat());
    for (marker, contents) in [
        (markers::APP1, xmp()),
        (markers::APP2, named(b"MPF\0")),
        (markers::APP13, named(b"Photoshop 3.0\0")),
        (markers::APP15, secret.clone()),
        (markers::COM, secret),
    ] {
        let segment = JpegSegment::new_with_contents(marker, contents);
        jpeg.segments_mut().insert(1, segment);
    }
    let mut bytes = jpeg.encoder().bytes().to_vec();
    bytes.extend_from_slice(b"\xff\xd8\xff");
    bytes.extend_from_slice(SECRET);
    bytes
}

pub(super) fn private_png(orientation: u8) -> Vec<u8> {
    let mut png = Png::from_bytes(encoded(ImageFormat::Png, 400, 200).into()).unwrap();
    png.set_exif(Some(exif(orientation)));
    for kind in [*b"tEXt", *b"iTXt", *b"zTXt", *b"prVt", *b"tIME"] {
        let chunk = PngChunk::new(kind, Bytes::from_static(SECRET));
        png.chunks_mut().insert(1, chunk);
    }
    let mut bytes = png.encoder().bytes().to_vec();
    bytes.extend_from_slice(SECRET);
    bytes
}

/// The flag by which a WebP says that XMP follows.
pub(super) const WEBP_XMP: u8 = 0b0000_0100;

pub(super) fn private_webp(orientation: u8) -> Vec<u8> {
    let mut webp = WebP::from_bytes(encoded(ImageFormat::WebP, 400, 200).into()).unwrap();
    webp.set_exif(Some(exif(orientation)));
    for kind in [webp::CHUNK_XMP, *b"prVt"] {
        let content = RiffContent::Data(Bytes::from_static(SECRET));
        webp.chunks_mut().push(RiffChunk::new(kind, content));
    }
    let head = &mut webp.chunks_mut()[0];
    assert_eq!(head.id(), webp::CHUNK_VP8X);
    if let RiffContent::Data(flags) = head.content_mut() {
        let mut announced = flags.to_vec();
        announced[0] |= WEBP_XMP;
        *flags = announced.into();
    }
    let mut bytes = webp.encoder().bytes().to_vec();
    bytes.extend_from_slice(SECRET);
    bytes
}

pub(super) fn private_gif() -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Gif, 400, 200);
    assert_eq!(bytes.pop(), Some(0x3B), "the trailer");
    for head in [&b"!\xfe"[..], b"!\xff\x0bXMP DataXMP"] {
        bytes.extend_from_slice(head);
        bytes.push(u8::try_from(SECRET.len()).unwrap());
        bytes.extend_from_slice(SECRET);
        bytes.push(0);
    }
    bytes.push(0x3B);
    bytes.extend_from_slice(SECRET);
    bytes
}

/// A PNG that says how large it is and holds next to nothing.
pub(super) fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut png = Png::from_bytes(encoded(ImageFormat::Png, 1, 1).into()).unwrap();
    let mut head = png.chunks()[0].contents().to_vec();
    head[..4].copy_from_slice(&width.to_be_bytes());
    head[4..8].copy_from_slice(&height.to_be_bytes());
    png.chunks_mut()[0] = PngChunk::new(*b"IHDR", head.into());
    png.encoder().bytes().to_vec()
}

/// A ZIP of these entries, deflated.
pub(super) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(CompressionMethod::Deflated, entries)
}

pub(super) fn zip_with(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, contents) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(contents).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(super) fn gzip(contents: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(contents).unwrap();
    writer.finish().unwrap()
}

pub(super) fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, contents) in entries {
        let mut header = tar::Header::new_ustar();
        // Written by hand: the library refuses to write what it ought to.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(contents.len() as u64);
        header.set_cksum();
        builder.append(&header, *contents).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A document of an office, as small as programs know it by.
pub(super) fn docx(more: &[(&str, &[u8])]) -> Vec<u8> {
    let types: &[u8] = b"<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/\
                         package/2006/content-types\"></Types>";
    let mut entries: Vec<(&str, &[u8])> = vec![
        ("[Content_Types].xml", types),
        ("_rels/.rels", b"<?xml version=\"1.0\"?><Relationships/>"),
        ("word/document.xml", b"<?xml version=\"1.0\"?><w:document/>"),
    ];
    entries.extend_from_slice(more);
    zip(&entries)
}

/// A ZIP with one entry that says it is behind a password.
pub(super) fn locked_zip() -> Vec<u8> {
    let mut bytes = zip(&[("a.txt", b"words")]);
    for (magic, flags_at) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let found = bytes.windows(4).position(|window| window == magic);
        bytes[found.unwrap() + flags_at] |= 1;
    }
    bytes
}
