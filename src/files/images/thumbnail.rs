//! Small pictures: JPEG on white, at most [`SIDE_PIXELS`] wide and high.
//!
//! Invariants: decodes nothing beyond its limits; whatever is wrong with a picture, there is only
//! no small one of it.
//! Never: decodes more than the first frame.

use std::io::{BufRead, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
};

/// Width and height at most.
const SIDE_PIXELS: u32 = 320;
/// Pixels that are decoded: what a camera makes, in some 160 MB of memory.
const DECODED_PIXELS_MAX: u64 = 40_000_000;
/// Width or height that is decoded: longer strips are no pictures that anybody looks at.
const DECODED_SIDE_PIXELS_MAX: u32 = 32_768;
/// Memory of a decoder, bytes: four for each pixel and a fifth more.
const DECODER_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// Nobody sees the difference to a better one at this size.
const QUALITY_PERCENT: u8 = 80;
/// A colour profile that a small picture carries along, bytes; phones' have a few hundred.
const PROFILE_BYTES_MAX: usize = 16 * 1024;

/// The small picture, if one can be made. A decoder that panics makes none.
pub(super) fn make<R: BufRead + Seek>(
    source: R,
    format: ImageFormat,
    orientation: Orientation,
) -> Option<Vec<u8>> {
    let decode = AssertUnwindSafe(|| decode(source, format, orientation));
    catch_unwind(decode).ok().flatten()
}

fn decode<R: BufRead + Seek>(
    source: R,
    format: ImageFormat,
    orientation: Orientation,
) -> Option<Vec<u8>> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(DECODED_SIDE_PIXELS_MAX);
    limits.max_image_height = Some(DECODED_SIDE_PIXELS_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if super::pixel_count((width, height)) > DECODED_PIXELS_MAX
        || decoder.total_bytes() > DECODER_BYTES_MAX
    {
        return None;
    }
    let profile = decoder.icc_profile().ok().flatten();
    let whole = DynamicImage::from_decoder(decoder).ok()?;
    let mut small = match width.max(height) > SIDE_PIXELS {
        true => whole.thumbnail(SIDE_PIXELS, SIDE_PIXELS),
        false => whole,
    };
    small.apply_orientation(orientation);
    encode(&on_white(&small), profile)
}

fn encode(small: &RgbImage, profile: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY_PERCENT);
    if let Some(profile) = profile.filter(|profile| is_carried(profile)) {
        // Refused only where the format has no place for it; the colours are then a little off.
        let _ = encoder.set_icc_profile(profile);
    }
    let (width, height) = small.dimensions();
    let colour = image::ExtendedColorType::Rgb8;
    encoder.write_image(small, width, height, colour).ok()?;
    Some(bytes)
}

/// Of red, green and blue: others are of colours that are not there any more.
fn is_carried(profile: &[u8]) -> bool {
    const SPACE_AT: std::ops::Range<usize> = 16..20;
    profile.len() <= PROFILE_BYTES_MAX && profile.get(SPACE_AT) == Some(b"RGB ")
}

/// JPEG has no transparency, and what is drawn on nothing is mostly dark.
fn on_white(small: &DynamicImage) -> RgbImage {
    if !small.color().has_alpha() {
        return small.to_rgb8();
    }
    let seen = small.to_rgba8();
    RgbImage::from_fn(seen.width(), seen.height(), |column, row| {
        let [red, green, blue, alpha] = seen.get_pixel(column, row).0.map(u32::from);
        let mix = |part: u32| {
            let mixed = (part * alpha + 255 * (255 - alpha)) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Rgb([mix(red), mix(green), mix(blue)])
    })
}
