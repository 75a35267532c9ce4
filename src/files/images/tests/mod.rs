//! Crafted pictures: nothing private stays, nothing is lost, and no bomb goes off.

mod hidden;

use image::GenericImageView;
use proptest::prelude::*;

use super::super::samples::{self, SECRET};
use super::*;

struct Outcome {
    treated: Treated,
    bytes: Vec<u8>,
    thumbnail: Option<image::DynamicImage>,
}

fn treated(bytes: &[u8], format: ImageFormat) -> Result<Outcome, UploadFailure> {
    treated_as(Kind::of(format.to_mime_type()).unwrap(), bytes)
}

fn treated_as(kind: Kind, bytes: &[u8]) -> Result<Outcome, UploadFailure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("came");
    std::fs::write(&path, bytes).unwrap();
    match treat(&path, &folder.path().join("made"), kind) {
        Err(Fault::Refused(failure)) => Err(failure),
        Err(Fault::Disk(error)) => unreachable!("the disk is well: {error}"),
        Ok(treated) => {
            let passed_on = treated.rewritten.as_ref().unwrap_or(&path);
            let bytes = std::fs::read(passed_on).unwrap();
            assert_eq!(treated.stored_bytes, bytes.len() as u64);
            let small = treated.thumbnail.as_ref().map(|path| {
                let bytes = std::fs::read(path).unwrap();
                image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).unwrap()
            });
            Ok(Outcome {
                treated,
                bytes,
                thumbnail: small,
            })
        }
    }
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

const SEVERAL: [ImageFormat; 3] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];

fn private(format: ImageFormat, orientation: u8) -> Vec<u8> {
    match format {
        ImageFormat::Jpeg => samples::private_jpeg(orientation),
        ImageFormat::Png => samples::private_png(orientation),
        ImageFormat::WebP => samples::private_webp(orientation),
        _ => samples::private_gif(),
    }
}

#[test]
fn what_is_private_in_a_picture_is_taken_out_and_no_pixel_changes() {
    for format in [&SEVERAL[..], &[ImageFormat::Gif]].concat() {
        let came = private(format, 1);
        assert!(holds(&came, SECRET), "{format:?}");
        let outcome = treated(&came, format).unwrap();
        assert!(!holds(&outcome.bytes, SECRET), "{format:?}");
        assert!(!holds(&outcome.bytes, &SECRET[..8]), "{format:?}");
        let decode = |bytes: &[u8]| image::load_from_memory_with_format(bytes, format).unwrap();
        assert_eq!(decode(&came), decode(&outcome.bytes), "{format:?}");
        assert_eq!(outcome.treated.pixels, Some((400, 200)));
    }
}

#[test]
fn how_a_picture_is_to_be_turned_is_all_that_stays_of_its_tags() {
    for format in SEVERAL {
        let outcome = treated(&private(format, 6), format).unwrap();
        assert!(!holds(&outcome.bytes, SECRET));
        let reader = image::ImageReader::with_format(io::Cursor::new(&outcome.bytes), format);
        let mut decoder = reader.into_decoder().unwrap();
        let kept = image::ImageDecoder::orientation(&mut decoder).unwrap();
        assert_eq!(kept.to_exif(), 6, "{format:?}");
        let tags = image::ImageDecoder::exif_metadata(&mut decoder).unwrap();
        assert_eq!(tags.map(|tags| tags.len()), Some(26), "{format:?}");
        assert_eq!(outcome.treated.pixels, Some((200, 400)), "as it is shown");
        let small = outcome.thumbnail.unwrap();
        assert_eq!(small.dimensions(), (160, 320));
        let [red, _, blue, _] = small.get_pixel(80, 20).0;
        assert!(
            red > 200 && blue < 60,
            "the left side has become the upper one"
        );
    }
}

#[test]
fn a_webp_does_not_announce_what_was_taken_out() {
    const FLAGS_AT: usize = 20;
    let came = samples::private_webp(6);
    assert_eq!(came[FLAGS_AT] & samples::WEBP_XMP, samples::WEBP_XMP);
    let outcome = treated(&came, ImageFormat::WebP).unwrap();
    assert_eq!(outcome.bytes[FLAGS_AT] & samples::WEBP_XMP, 0);
}

#[test]
fn a_picture_without_anything_private_is_passed_on_as_it_came() {
    for format in [&SEVERAL[..], &[ImageFormat::Gif, ImageFormat::Bmp]].concat() {
        let came = samples::encoded(format, 40, 20);
        let outcome = treated(&came, format).unwrap();
        assert_eq!(outcome.treated.rewritten, None, "{format:?}");
        assert_eq!(outcome.bytes, came);
        assert_eq!(outcome.thumbnail.unwrap().dimensions(), (40, 20));
    }
}

#[test]
fn a_small_picture_fits_its_frame_and_is_drawn_on_white() {
    let outcome = treated(
        &samples::encoded(ImageFormat::Png, 1000, 3),
        ImageFormat::Png,
    );
    assert_eq!(outcome.unwrap().thumbnail.unwrap().dimensions(), (320, 1));
    let clear = image::DynamicImage::new_rgba8(500, 500);
    let mut bytes = io::Cursor::new(Vec::new());
    clear.write_to(&mut bytes, ImageFormat::Png).unwrap();
    let small = treated(&bytes.into_inner(), ImageFormat::Png)
        .unwrap()
        .thumbnail
        .unwrap();
    assert!(small.get_pixel(5, 5).0[..3].iter().all(|part| *part > 250));
}

#[test]
fn what_hides_behind_a_picture_is_cut_away() {
    let archive = samples::zip(&[("x.class", b"\xca\xfe\xba\xbe")]);
    for format in [&SEVERAL[..], &[ImageFormat::Gif]].concat() {
        let came = samples::encoded(format, 40, 20);
        let both = [&came[..], &archive].concat();
        let outcome = treated(&both, format).unwrap();
        assert_eq!(outcome.bytes, came, "{format:?}");
    }
}

#[test]
fn a_script_that_begins_like_a_picture_is_none() {
    for (bytes, format) in [
        (&b"GIF89a=1;alert(1)"[..], ImageFormat::Gif),
        (b"GIF89a/*\0\x01\0\0\0\0*/=1;alert(1)", ImageFormat::Gif),
        (b"\x89PNG\r\n\x1a\n<script>", ImageFormat::Png),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0<script>", ImageFormat::Jpeg),
        (b"RIFF\x10\0\0\0WEBPVP8 <script>", ImageFormat::WebP),
        (b"BM<script>alert(1)</script>", ImageFormat::Bmp),
        (b"", ImageFormat::Gif),
    ] {
        let refused = treated(bytes, format).err();
        assert_eq!(refused, Some(UploadFailure::Mismatched), "{bytes:?}");
    }
}

#[test]
fn no_picture_is_decoded_that_claims_too_many_pixels() {
    for (width, height) in [(30_000, 30_000), (65_000, 65_000), (u32::MAX >> 1, 2)] {
        let bytes = samples::png_that_claims(width, height);
        let refused = treated(&bytes, ImageFormat::Png).err();
        assert_eq!(refused, Some(UploadFailure::Unscannable), "{width}");
    }
    // A camera's 108 megapixels may pass; a small one of it is not made.
    let large = treated(&samples::png_that_claims(12_000, 9_000), ImageFormat::Png).unwrap();
    assert_eq!(large.treated.pixels, Some((12_000, 9_000)));
    assert!(large.thumbnail.is_none());
}

#[test]
fn frames_and_scans_without_end_are_refused() {
    let gif = samples::encoded(ImageFormat::Gif, 1, 1);
    let frame_at = gif.windows(2).position(|two| two == b"!\xf9").unwrap();
    let (head, frame) = (&gif[..frame_at], &gif[frame_at..gif.len() - 1]);
    let many = [head, &frame.repeat(FRAME_COUNT_MAX + 1), b";"].concat();
    assert_eq!(
        treated(&many, ImageFormat::Gif).err(),
        Some(UploadFailure::Unscannable)
    );
    let jpeg = samples::encoded(ImageFormat::Jpeg, 8, 8);
    let scan_at = jpeg.windows(2).position(|two| two == b"\xff\xda").unwrap();
    let (head, scan) = (&jpeg[..scan_at], &jpeg[scan_at..jpeg.len() - 2]);
    let many = [head, &scan.repeat(SCAN_COUNT_MAX + 1), b"\xff\xd9"].concat();
    assert_eq!(
        treated(&many, ImageFormat::Jpeg).err(),
        Some(UploadFailure::Unscannable)
    );
}

/// A picture with so many empty parts that none needs, and where its last part begins.
fn of_parts(format: ImageFormat, count: usize) -> Vec<u8> {
    let came = samples::encoded(format, 8, 8);
    let (at, part): (usize, &[u8]) = match format {
        ImageFormat::Jpeg => (2, b"\xff\xdb\0\x02"),
        ImageFormat::Png => (33, b"\0\0\0\0tEXt\x96\x42\xc5\x85"),
        ImageFormat::WebP => (came.len(), b"ANMF\0\0\0\0"),
        _ => (came.len() - 1, b"!\xfe\0"),
    };
    let mut bytes = [&came[..at], &part.repeat(count), &came[at..]].concat();
    if format == ImageFormat::WebP {
        let rest = u32::try_from(bytes.len() - 8).unwrap().to_le_bytes();
        bytes[4..8].copy_from_slice(&rest);
    }
    bytes
}

#[test]
fn a_picture_of_more_parts_than_any_has_is_refused_before_it_is_taken_apart() {
    let unscannable = Some(UploadFailure::Unscannable);
    for format in [&SEVERAL[..], &[ImageFormat::Gif]].concat() {
        let many = of_parts(format, parts::PART_COUNT_MAX + 20);
        assert_eq!(treated(&many, format).err(), unscannable, "{format:?}");
        // What cannot be taken apart: as many parts, and an end that is not there.
        let cut = &many[..many.len() - 30];
        assert_eq!(treated(cut, format).err(), unscannable, "{format:?}");
        let honest = of_parts(format, 9_000);
        assert!(treated(&honest, format).is_ok(), "{format:?}");
    }
    let behind = samples::encoded(ImageFormat::Jpeg, 8, 8);
    let notes = b"\xff\xe1\0\x02".repeat(parts::PART_COUNT_MAX);
    let many = [&behind[..behind.len() - 2], &notes, b"\xff\xd9"].concat();
    assert_eq!(treated(&many, ImageFormat::Jpeg).err(), unscannable);
}

#[test]
fn a_webp_of_lists_in_lists_is_counted_by_what_could_stand_in_them() {
    let came = samples::encoded(ImageFormat::WebP, 8, 8);
    let lists = b"ANMF\0\0\0\0".repeat(parts::PART_COUNT_MAX);
    let length = u32::try_from(lists.len()).unwrap().to_le_bytes();
    let mut many = [&came[..], b"seqt", &length, &lists].concat();
    let rest = u32::try_from(many.len() - 8).unwrap().to_le_bytes();
    many[4..8].copy_from_slice(&rest);
    let refused = treated(&many, ImageFormat::WebP).err();
    assert_eq!(refused, Some(UploadFailure::Unscannable));
}

#[test]
fn what_follows_the_end_of_a_picture_is_none_of_its_parts() {
    for format in [&SEVERAL[..], &[ImageFormat::Gif]].concat() {
        let came = samples::encoded(format, 8, 8);
        let padded = [&came[..], &vec![0; 12 * parts::PART_COUNT_MAX + 12]].concat();
        assert_eq!(treated(&padded, format).unwrap().bytes, came, "{format:?}");
    }
}

#[test]
fn a_segment_between_two_scans_is_taken_out_too() {
    let jpeg = samples::encoded(ImageFormat::Jpeg, 8, 8);
    let scan_at = jpeg.windows(2).position(|two| two == b"\xff\xda").unwrap();
    let (head, scan) = (&jpeg[..scan_at], &jpeg[scan_at..jpeg.len() - 2]);
    let length = u16::try_from(SECRET.len() + 2).unwrap().to_be_bytes();
    let note = [b"\xff\xe1", &length[..], SECRET].concat();
    let came = [head, scan, &note, scan, b"\xff\xd9"].concat();
    let outcome = treated(&came, ImageFormat::Jpeg).unwrap();
    assert_eq!(outcome.bytes, [head, scan, scan, b"\xff\xd9"].concat());
}

#[test]
fn a_picture_whose_pixels_are_damaged_is_passed_on_without_a_small_one() {
    let mut png = samples::png_that_claims(50, 50);
    png.extend_from_slice(b"tail");
    let outcome = treated(&png, ImageFormat::Png).unwrap();
    assert!(outcome.thumbnail.is_none());
    assert!(outcome.treated.rewritten.is_some());
}

/// A box with its length before it.
fn boxed(kind: &[u8; 4], contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let size = u32::try_from(contents.len() + 8).unwrap().to_be_bytes();
    [&size[..], kind, &contents].concat()
}

/// An entry that names an item and says of which kind it is.
fn item(id: u8, kind: &[u8; 4]) -> Vec<u8> {
    boxed(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind])
}

/// A picture of boxes: pixels, tags in the file, and words in the box itself.
fn heic() -> Vec<u8> {
    heic_with(&[item(1, b"hvc1"), item(2, b"Exif"), item(3, b"mime")].concat())
}

fn heic_with(names: &[u8]) -> Vec<u8> {
    let names = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 3], names]);
    let secret_bytes = u8::try_from(SECRET.len()).unwrap();
    let place = |id: u8, method: u8, offset: u16, length: u8| {
        let [high, low] = offset.to_be_bytes();
        [
            0, id, 0, method, 0, 0, 0, 1, 0, 0, high, low, 0, 0, 0, length,
        ]
    };
    let meta = |tags_at: u16| {
        let places = [
            place(1, 0, tags_at - 6, 6),
            place(2, 0, tags_at, secret_bytes),
            place(3, 1, 0, secret_bytes),
        ];
        let places = boxed(b"iloc", &[&[1, 0, 0, 0, 0x44, 0, 0, 3], &places.concat()]);
        boxed(
            b"meta",
            &[&[0; 4], &names, &places, &boxed(b"idat", &[SECRET])],
        )
    };
    let kind = boxed(b"ftyp", &[b"heic\0\0\0\0mif1heic"]);
    let tags_at = u16::try_from(kind.len() + meta(6).len() + 8 + 6).unwrap();
    let pixels = boxed(b"mdat", &[b"pixels", SECRET, b"more"]);
    let beside = [b"uuid", b"free", b"skip", b"mpvd"].map(|kind| boxed(kind, &[SECRET]));
    [kind, meta(tags_at), pixels, beside.concat()].concat()
}

#[test]
fn pictures_of_boxes_are_known_by_every_brand() {
    for brand in [
        b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis",
    ] {
        let mut bytes = heic();
        bytes[8..12].copy_from_slice(brand);
        let sniffed = crate::files::sniff::sniff(io::Cursor::new(&bytes)).unwrap();
        assert_eq!(Kind::of(&sniffed.mime), Some(Kind::Boxed), "{sniffed:?}");
    }
}

#[test]
fn what_is_private_in_a_picture_of_boxes_is_blanked_where_it_stands() {
    let came = heic();
    let outcome = treated_as(Kind::Boxed, &came).unwrap();
    assert!(!holds(&outcome.bytes, &SECRET[..8]));
    assert!(holds(&outcome.bytes, b"pixels") && holds(&outcome.bytes, b"more"));
    assert_eq!(outcome.bytes.len(), came.len(), "nothing has moved");
    let again = treated_as(Kind::Boxed, &outcome.bytes).unwrap();
    assert_eq!(again.bytes.len(), came.len());
    let outside = came.len() - SECRET.len() - 4;
    let cut = &came[..outside];
    assert_eq!(
        treated_as(Kind::Boxed, cut).err(),
        Some(UploadFailure::Mismatched)
    );
}

#[test]
fn items_that_are_named_in_any_order_and_more_than_once_are_blanked() {
    let [pixels, tags, words] =
        [(1, b"hvc1"), (2, b"Exif"), (3, b"mime")].map(|(id, kind)| item(id, kind));
    let names = [&words[..], &tags, &words, &pixels, &tags.repeat(900)].concat();
    let outcome = treated_as(Kind::Boxed, &heic_with(&names)).unwrap();
    assert!(!holds(&outcome.bytes, &SECRET[..8]));
    assert!(holds(&outcome.bytes, b"pixels") && holds(&outcome.bytes, b"more"));
}

#[test]
fn a_picture_of_boxes_that_lists_more_places_than_any_has_is_refused() {
    const PLACES: u16 = 60_000;
    for length_bytes in [0, 1] {
        let names = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 1], &item(1, b"Exif")]);
        // Of each place of a private item only a length of one byte is told, of others nothing.
        let one = [
            &[0, length_bytes as u8, 0, 0, 0, 0][..],
            &PLACES.to_be_bytes(),
        ]
        .concat();
        let one = [one, vec![1; usize::from(length_bytes * PLACES)]].concat();
        let head = [1, 0, 0, 0, length_bytes as u8, 0, 0, 2];
        let places = boxed(b"iloc", &[&head, &one, &one]);
        let kind = boxed(b"ftyp", &[b"heic\0\0\0\0mif1heic"]);
        let many = [kind, boxed(b"meta", &[&[0; 4], &names, &places])].concat();
        let refused = treated_as(Kind::Boxed, &many).err();
        assert_eq!(refused, Some(UploadFailure::Unscannable));
    }
    let boxes = boxed(b"free", &[]).repeat(parts::PART_COUNT_MAX + 1);
    let refused = treated_as(Kind::Boxed, &boxes).err();
    assert_eq!(refused, Some(UploadFailure::Unscannable));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_damage_to_a_picture_panics(
        which in 0..5_usize,
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let formats = [&SEVERAL[..], &[ImageFormat::Gif]].concat();
        let format = formats.get(which);
        let mut bytes = format.map_or_else(heic, |format| private(*format, 6));
        for (at, value) in wounds {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len() / 4));
        let bytes = Bytes::from(bytes);
        let pieces = match format {
            None => boxed::strip(&bytes),
            Some(ImageFormat::Gif) => gif::strip(&bytes).map(|stripped| stripped.pieces),
            Some(ImageFormat::Png) => strip::png(bytes).map(|stripped| stripped.pieces),
            Some(ImageFormat::WebP) => strip::webp(bytes).map(|stripped| stripped.pieces),
            Some(_) => strip::jpeg(bytes).map(|stripped| stripped.pieces),
        };
        let pieces = pieces.ok();
        // Which damage hides a word in a table of the picture is chance; that it ends is not.
        prop_assert!(pieces.is_none_or(|pieces| !pieces.is_empty()));
    }
}
