//! Pieces of an upload that wait to be written together.
//!
//! Invariant: what pieces take in memory is not many times their length: a small one is copied, as
//! it may be a byte of a large buffer.
//! Never: changes their order.

use bytes::{Bytes, BytesMut};

/// A piece shorter than this is copied, bytes. A reader's buffer of 16 KiB then holds two that are
/// not.
const SMALL_BYTES: usize = 8 * 1024;

/// See the module's text.
#[derive(Default)]
pub(super) struct Batch {
    pieces: Vec<Bytes>,
    /// Small ones, behind the pieces.
    tail: BytesMut,
    bytes: usize,
}

impl Batch {
    /// How much waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        if piece.len() < SMALL_BYTES {
            self.tail.extend_from_slice(&piece);
            return;
        }
        self.end_tail();
        self.pieces.push(piece);
    }

    /// All of it, in order.
    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        self.end_tail();
        self.pieces
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_are_kept_in_order_and_few() {
        let mut batch = Batch::default();
        let mut all = Vec::new();
        for round in 0..1_000_usize {
            for length in [1, 3, SMALL_BYTES - 1, SMALL_BYTES, 20_000] {
                if (round + length) % 97 < 90 && length > 3 {
                    continue;
                }
                let piece: Vec<u8> = (0..length).map(|at| (at + round) as u8).collect();
                all.extend_from_slice(&piece);
                batch.push(piece.into());
            }
        }
        assert_eq!(batch.bytes(), all.len());
        let pieces = batch.into_pieces();
        assert!(
            pieces.len() <= 2 * all.len() / SMALL_BYTES + 1,
            "{}",
            pieces.len()
        );
        assert_eq!(pieces.concat(), all);
    }

    #[test]
    fn single_bytes_take_what_they_are() {
        let buffer = Bytes::from(vec![7; 16 * 1024]);
        let mut batch = Batch::default();
        for at in 0..buffer.len() {
            batch.push(buffer.slice(at..=at));
        }
        assert!(buffer.is_unique(), "none of them holds the reader's buffer");
        assert_eq!(batch.into_pieces().len(), 1);
    }
}
