//! What is hidden within the parts that make a picture: behind the fields of its heads, in its end,
//! in the words of its film, and in a profile that unpacks to more than any has.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use img_parts::jpeg::{Jpeg, JpegSegment, markers};
use img_parts::png::{Png, PngChunk};

use super::*;

/// A PNG with these chunks behind its head.
fn png_with(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut png = Png::from_bytes(samples::encoded(ImageFormat::Png, 40, 20).into()).unwrap();
    for (kind, contents) in chunks.iter().rev() {
        let chunk = PngChunk::new(**kind, contents.clone().into());
        png.chunks_mut().insert(1, chunk);
    }
    png.encoder().bytes().to_vec()
}

fn chunks_of(bytes: &[u8], kind: &[u8; 4]) -> Vec<Vec<u8>> {
    let png = Png::from_bytes(Bytes::copy_from_slice(bytes)).unwrap();
    let of_kind = png.chunks_by_type(*kind);
    of_kind.map(|chunk| chunk.contents().to_vec()).collect()
}

fn packed_profile(contents: &[u8]) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(b"icc\0\0".to_vec(), Compression::fast());
    packed.write_all(contents).unwrap();
    packed.finish().unwrap()
}

#[test]
fn the_end_of_a_png_holds_nothing() {
    let came = samples::encoded(ImageFormat::Png, 40, 20);
    let mut png = Png::from_bytes(came.clone().into()).unwrap();
    let archive = samples::zip(&[("x.class", b"\xca\xfe\xba\xbe")]);
    let end = PngChunk::new(*b"IEND", [SECRET, &archive].concat().into());
    *png.chunks_mut().last_mut().unwrap() = end;
    let outcome = treated(&png.encoder().bytes(), ImageFormat::Png).unwrap();
    assert_eq!(outcome.bytes, came);
}

#[test]
fn a_small_picture_is_made_of_what_is_passed_on() {
    // A chunk that says nobody may go on who does not know it: the original cannot be decoded.
    let came = png_with(&[(b"ABCD", SECRET.to_vec())]);
    assert!(image::load_from_memory_with_format(&came, ImageFormat::Png).is_err());
    let outcome = treated(&came, ImageFormat::Png).unwrap();
    assert_eq!(outcome.thumbnail.unwrap().dimensions(), (40, 20));
}

#[test]
fn a_profile_that_unpacks_to_more_than_any_has_is_left_out() {
    let largest = packed_profile(&vec![0; strip::PROFILE_BYTES_MAX]);
    let kept = treated(&png_with(&[(b"iCCP", largest.clone())]), ImageFormat::Png).unwrap();
    assert_eq!(chunks_of(&kept.bytes, b"iCCP"), [largest]);
    let larger = packed_profile(&vec![0; strip::PROFILE_BYTES_MAX + 1]);
    assert!(larger.len() < 64 * 1024, "next to nothing of a file");
    let came = png_with(&[(b"iCCP", larger)]);
    let outcome = treated(&came, ImageFormat::Png).unwrap();
    assert_eq!(
        outcome.bytes,
        samples::encoded(ImageFormat::Png, 40, 20),
        "nothing but the profile is gone"
    );
    assert!(outcome.thumbnail.is_some());
}

#[test]
fn a_profile_stays_without_what_stands_behind_it_and_without_a_second_one() {
    let profile = packed_profile(b"colours of a telephone");
    let as_it_came = png_with(&[(b"iCCP", profile.clone())]);
    let outcome = treated(&as_it_came, ImageFormat::Png).unwrap();
    assert_eq!(outcome.treated.rewritten, None);
    let longer = [&profile[..], SECRET].concat();
    let second = packed_profile(&vec![0; strip::PROFILE_BYTES_MAX + 1]);
    let came = png_with(&[(b"iCCP", longer), (b"iCCP", second)]);
    let outcome = treated(&came, ImageFormat::Png).unwrap();
    assert_eq!(outcome.bytes, as_it_came);
}

#[test]
fn a_profile_that_cannot_be_unpacked_is_left_out() {
    let whole = packed_profile(b"colours of a telephone");
    let cut = whole[..whole.len() - 6].to_vec();
    let in_another_way = [b"icc\0\x01", &whole[5..]].concat();
    for contents in [
        cut,
        in_another_way,
        SECRET.to_vec(),
        b"icc\0".to_vec(),
        vec![],
    ] {
        let outcome = treated(&png_with(&[(b"iCCP", contents)]), ImageFormat::Png).unwrap();
        assert_eq!(chunks_of(&outcome.bytes, b"iCCP").len(), 0);
    }
}

/// A JPEG with exactly these segments before its tables.
fn jpeg_with(segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut jpeg = Jpeg::from_bytes(samples::encoded(ImageFormat::Jpeg, 40, 20).into()).unwrap();
    jpeg.remove_segments_by_marker(markers::APP0);
    for (marker, contents) in segments.iter().rev() {
        let segment = JpegSegment::new_with_contents(*marker, contents.clone().into());
        jpeg.segments_mut().insert(0, segment);
    }
    jpeg.encoder().bytes().to_vec()
}

const JFIF: &[u8] = b"JFIF\0\x01\x02\x01\0\x48\0\x48\0\0";
const ADOBE: &[u8] = b"Adobe\0\x64\0\0\0\0\x01";

#[test]
fn heads_of_a_jpeg_have_no_small_picture_and_nothing_behind_their_fields() {
    let small = [&JFIF[..12], b"\x03\x01", &[0xEE; 9], SECRET].concat();
    let came = jpeg_with(&[
        (markers::APP0, small),
        (markers::APP0, [b"JFXX\0\x13", SECRET].concat()),
        (markers::APP14, [ADOBE, SECRET].concat()),
        (markers::APP0, b"JFIF\0\x01".to_vec()),
        (markers::APP14, b"Adobe\0".to_vec()),
    ]);
    let outcome = treated(&came, ImageFormat::Jpeg).unwrap();
    let plain = jpeg_with(&[
        (markers::APP0, JFIF.to_vec()),
        (markers::APP14, ADOBE.to_vec()),
    ]);
    assert_eq!(outcome.bytes, plain);
    let again = treated(&plain, ImageFormat::Jpeg).unwrap();
    assert_eq!(again.treated.rewritten, None);
}

#[test]
fn no_head_of_a_jpeg_stands_between_its_scans() {
    let jpeg = samples::encoded(ImageFormat::Jpeg, 8, 8);
    let scan_at = jpeg.windows(2).position(|two| two == b"\xff\xda").unwrap();
    let (head, scan) = (&jpeg[..scan_at], &jpeg[scan_at..jpeg.len() - 2]);
    for (marker, name) in [
        (markers::APP0, JFIF),
        (markers::APP2, b"ICC_PROFILE\0\x01\x01"),
        (markers::APP14, ADOBE),
    ] {
        let length = u16::try_from(name.len() + SECRET.len() + 2).unwrap();
        let note = [&[0xFF, marker], &length.to_be_bytes()[..], name, SECRET].concat();
        let came = [head, scan, &note, scan, b"\xff\xd9"].concat();
        let outcome = treated(&came, ImageFormat::Jpeg).unwrap();
        assert_eq!(outcome.bytes, [head, scan, scan, b"\xff\xd9"].concat());
    }
}

/// A sequence of pictures, with what it is played by and what others wrote into it.
fn sequence(words: [&[u8; 4]; 2], secret: &[u8]) -> Vec<u8> {
    let written = words.map(|kind| boxed(kind, &[secret])).concat();
    let track = [boxed(b"tkhd", &[b"track"]), boxed(b"mdia", &[b"media"])].concat();
    let film = [
        boxed(b"mvhd", &[b"film"]),
        written.clone(),
        boxed(b"trak", &[&track, &written]),
    ];
    [
        boxed(b"ftyp", &[b"hevc\0\0\0\0msf1hevc"]),
        boxed(b"moov", &[&film.concat()]),
        boxed(b"mdat", &[b"pixels"]),
        boxed(words[0], &[secret]),
    ]
    .concat()
}

#[test]
fn words_of_a_sequence_are_blanked_and_what_it_is_played_by_stays() {
    let mut blank = b"\0\0\0\0II*\0\x08".to_vec();
    blank.resize(SECRET.len(), 0);
    let outcome = treated_as(Kind::Boxed, &sequence([b"udta", b"meta"], SECRET)).unwrap();
    assert!(!holds(&outcome.bytes, &SECRET[..8]));
    assert_eq!(outcome.bytes, sequence([b"free", b"free"], &blank));
    let again = treated_as(Kind::Boxed, &outcome.bytes).unwrap();
    assert_eq!(again.treated.rewritten, None);
}

#[test]
fn boxes_of_a_film_count_as_parts_of_its_picture() {
    let many = boxed(b"free", &[]).repeat(parts::PART_COUNT_MAX / 2 + 1);
    let film = boxed(b"moov", &[&boxed(b"trak", &[&many]), &many]);
    let refused = treated_as(Kind::Boxed, &film).err();
    assert_eq!(refused, Some(UploadFailure::Unscannable));
}
