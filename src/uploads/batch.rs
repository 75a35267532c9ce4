//! Pieces of an upload that wait to be written together.
//!
//! They are copied as they come, into blocks of one length: digests of many small pieces cost twice
//! as much, and so do writes. A reader's buffer is free at once, so that it reads into the same few
//! pages again, which are in the processor's cache.
//!
//! Invariant: what waits takes in memory at most twice its length or a block more than it; nothing
//! shorter than a batch is held as a part of something larger.
//! Never: changes their order.

use bytes::{Bytes, BytesMut};

use super::writer::WRITE_BYTES;

/// A block, bytes. A power of two, as trees of digests are; a batch that begins at an odd place has
/// odd blocks, and is only slower.
const BLOCK_BYTES: usize = 64 * 1024;

/// See the module's text.
#[derive(Default)]
pub(super) struct Batch {
    /// Full ones, and pieces that are a batch by themselves: those are written as they came.
    blocks: Vec<Bytes>,
    last: BytesMut,
    bytes: usize,
}

impl Batch {
    /// How much waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, mut piece: Bytes) {
        self.bytes += piece.len();
        if piece.len() >= WRITE_BYTES {
            self.end_block();
            self.blocks.push(piece);
            return;
        }
        while !piece.is_empty() {
            let more = piece.split_to(piece.len().min(BLOCK_BYTES - self.last.len()));
            if self.last.is_empty() && !self.blocks.is_empty() {
                // Much comes: it will be full.
                self.last.reserve(BLOCK_BYTES);
            }
            self.last.extend_from_slice(&more);
            if self.last.len() == BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    /// All of it, in order; nothing waits then.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.end_block();
        self.bytes = 0;
        std::mem::take(&mut self.blocks)
    }

    fn end_block(&mut self) {
        if !self.last.is_empty() {
            let block = std::mem::take(&mut self.last);
            self.blocks.push(block.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_length_are_kept_in_order() {
        let mut batch = Batch::default();
        for round in 0..200_usize {
            let mut all = Vec::new();
            for length in [WRITE_BYTES, 1, 3, 8_191, 20_000, WRITE_BYTES + 1, 150_000] {
                if !(round + length).is_multiple_of(3) {
                    continue;
                }
                let piece: Vec<u8> = (0..length).map(|at| (at + round) as u8).collect();
                all.extend_from_slice(&piece);
                batch.push(piece.into());
                assert_eq!(batch.bytes(), all.len());
            }
            assert!(batch.take().concat() == all, "round {round}");
            assert_eq!(batch.bytes(), 0);
        }
    }

    #[test]
    fn single_bytes_take_what_they_are() {
        let buffer = Bytes::from(vec![7; 16 * 1024]);
        let mut batch = Batch::default();
        for at in 0..buffer.len() {
            batch.push(buffer.slice(at..=at));
        }
        assert!(buffer.is_unique(), "none of them holds the reader's buffer");
        assert!(batch.last.capacity() <= 2 * buffer.len());
    }

    #[test]
    fn pieces_at_odd_places_make_whole_blocks() {
        let mut batch = Batch::default();
        for _ in 0..3 * WRITE_BYTES / 768 {
            batch.push(vec![7; 768].into());
        }
        let blocks = batch.take();
        assert!(blocks.iter().all(|block| block.len() == BLOCK_BYTES));
        assert_eq!(blocks.len(), 3 * WRITE_BYTES / BLOCK_BYTES);
    }

    #[test]
    fn a_piece_that_is_a_batch_is_not_copied() {
        let piece = Bytes::from(vec![7; WRITE_BYTES]);
        let mut batch = Batch::default();
        batch.push(vec![7].into());
        batch.push(piece.clone());
        let blocks = batch.take();
        assert_eq!((blocks.len(), blocks[1].as_ptr()), (2, piece.as_ptr()));
    }
}
