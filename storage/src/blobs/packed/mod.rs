//! Packed blobs: a blob whose bytes take less room than the plain ones that it is asked for.
//!
//! It is in the seekable format of Zstandard: frames of [`FRAME_BYTES`] plain bytes each, only the
//! last shorter, and behind them a table of their lengths in a frame that other readers skip. So a
//! range costs the frames it touches, and `zstd -d` reads the whole.
//!
//! Invariants:
//! 1. What is read is what was packed, or an error: each frame carries a checksum of its bytes.
//! 2. However long a blob is, packing holds one frame in memory, and reading one frame and one
//!    piece of packed bytes beside the table; what a table says is believed within those bounds
//!    only.
//!
//! Never: decides what is packed; knows what the bytes are.

mod frames;
mod pack;
mod table;
#[cfg(test)]
mod tests;

pub(super) use frames::Frames;
pub use pack::{Packed, pack};

/// Plain bytes in a frame. Stores hold blobs of such frames, so it never changes. A small range
/// costs a third of a millisecond; frames of 2 MiB would save another fortieth of a text.
pub(super) const FRAME_BYTES: u64 = 128 * 1024;

/// The longest file that is packed, plain bytes: what is longer stays as it came, so that the table
/// of one that is read takes no more than 128 KiB.
pub const PACKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// How many frames so many plain bytes are; none of what is never packed.
fn frame_count(plain_bytes: u64) -> Option<usize> {
    let is_packable = (1..=PACKED_BYTES_MAX).contains(&plain_bytes);
    is_packable.then(|| plain_bytes.div_ceil(FRAME_BYTES) as usize)
}

/// How long a frame may be, bytes: what cannot be packed grows a little.
fn frame_packed_bytes_max() -> usize {
    zstd::compress_bound(FRAME_BYTES as usize)
}
