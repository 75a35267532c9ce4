//! What is uploaded: files that follow from a number, and how each is sent.
//!
//! Never: the same bytes twice; what is stored says which plan it is of.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::support::mixed;

/// Digits of texts: taken for text by whoever looks at them.
const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Bytes of a line of text with its end.
const LINE_BYTES: usize = 17;
/// Most files are about so long, bytes.
const SMALL_BYTES_MAX: u64 = 48 * 1024;
/// One in so many is longer than what is kept at once.
const LARGE_SHARE: u64 = 32;
const LARGE_BYTES: u64 = 5 * 1024 * 1024;
/// Sides of pictures, pixels.
const SIDE_MIN: u64 = 16;
const SIDE_MAX: u64 = 96;
/// Pieces of a file at most: each is a sync.
const PIECE_COUNT_MAX: u64 = 100;
/// Where the first part of a picture ends.
const PICTURE_HEAD_BYTES: usize = 33;

/// One file and its way.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) number: u64,
    /// It is for the room.
    pub(super) has_room: bool,
    /// Each piece comes with its checksum.
    pub(super) has_checksums: bool,
    /// Its length is said with the last piece only.
    pub(super) defers_length: bool,
    /// The first piece comes with the wish.
    pub(super) begins_with_bytes: bool,
    /// It is put together of so many, or sent as one.
    pub(super) part_count: usize,
    /// It is cancelled once so many bytes were sent.
    pub(super) cancel_at: Option<u64>,
    pub(super) piece_bytes: usize,
    is_picture: bool,
}

impl Plan {
    pub(super) fn new(number: u64) -> Self {
        let chance = |salt: u64, of: u64| mixed(number ^ (salt << 40)).is_multiple_of(of);
        let mut plan = Self {
            number,
            has_room: chance(1, 2),
            has_checksums: chance(2, 3),
            defers_length: chance(3, 6),
            begins_with_bytes: chance(4, 4),
            part_count: 0,
            cancel_at: None,
            piece_bytes: 1 + (mixed(number ^ (5 << 40)) % 24_000) as usize,
            is_picture: chance(6, 4),
        };
        if chance(7, 5) {
            plan.part_count = 1 + (mixed(number ^ (8 << 40)) % 3) as usize;
            (plan.defers_length, plan.begins_with_bytes) = (false, false);
        }
        let size = plan.content().len() as u64;
        if size >= LARGE_BYTES {
            plan.piece_bytes = LARGE_BYTES as usize;
        }
        plan.piece_bytes = plan.piece_bytes.max((size / PIECE_COUNT_MAX) as usize + 1);
        if chance(9, 5) && plan.part_count == 0 {
            // Half of them when all is sent and the file may be one already.
            let at = mixed(number ^ (10 << 40)) % (2 * size);
            plan.cancel_at = Some(at.min(size));
        }
        plan
    }

    /// Nobody else's.
    pub(super) fn name(&self) -> String {
        let end = if self.is_picture { "png" } else { "txt" };
        format!("file-{}.{end}", self.number)
    }

    /// What is sent.
    pub(super) fn content(&self) -> Vec<u8> {
        match self.is_picture {
            true => self.picture_with_text(),
            false => self.text(),
        }
    }

    /// What is kept: of a picture, without what somebody wrote into it.
    pub(super) fn stored(&self) -> Vec<u8> {
        match self.is_picture {
            true => self.picture(),
            false => self.text(),
        }
    }

    fn text(&self) -> Vec<u8> {
        let chance = mixed(self.number ^ (11 << 40));
        let size = match chance.is_multiple_of(LARGE_SHARE) {
            true => LARGE_BYTES + chance % 1_000,
            false => 1 + chance % SMALL_BYTES_MAX,
        };
        let size = usize::try_from(size).unwrap();
        let mut text = Vec::with_capacity(size + LINE_BYTES);
        let mut line = self.number << 20;
        while text.len() < size {
            let bits = mixed(line);
            let digits = (0..16).map(|i| DIGITS[(bits >> (4 * i)) as usize & 15]);
            text.extend(digits);
            text.push(b'\n');
            line += 1;
        }
        text.truncate(size);
        text
    }

    fn picture(&self) -> Vec<u8> {
        let bits = mixed(self.number ^ (12 << 40));
        let side = SIDE_MIN + bits % (SIDE_MAX - SIDE_MIN);
        let pixels: Vec<u8> = (0..side * side * 3)
            .map(|i| mixed(bits ^ i).to_le_bytes()[0])
            .collect();
        let mut bytes = Vec::new();
        let side = u32::try_from(side).unwrap();
        let encoder = PngEncoder::new(&mut bytes);
        encoder
            .write_image(&pixels, side, side, ExtendedColorType::Rgb8)
            .unwrap();
        bytes
    }

    fn picture_with_text(&self) -> Vec<u8> {
        let picture = self.picture();
        let said = format!("tEXtComment\0taken at home, {}", self.number);
        let mut sum = flate2::Crc::new();
        sum.update(said.as_bytes());
        let (head, rest) = picture.split_at(PICTURE_HEAD_BYTES);
        let length = u32::try_from(said.len() - 4).unwrap();
        [
            head,
            &length.to_be_bytes(),
            said.as_bytes(),
            &sum.sum().to_be_bytes(),
            rest,
        ]
        .concat()
    }
}
