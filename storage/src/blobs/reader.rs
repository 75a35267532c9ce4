//! Reading a blob piece by piece, for those who pass it on.
//!
//! Each piece is a request of its own, so that a slow client holds neither a connection to the
//! bucket nor one of the requests that the node may have under way.
//!
//! Invariants: at most one piece is in memory, of a packed blob one frame and the packed bytes of
//! the next few; a piece is asked for when the one before was taken.
//!
//! Never: reads ahead, or beyond the range it was given.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::Blobs;
use super::packed::Frames;
use crate::journal::{Error, Result};
use crate::keys::BlobKey;

/// A piece, bytes: large enough that a bucket's delay for each counts little, small enough that
/// hundreds of slow downloads fit into memory.
const PIECE_BYTES: u64 = 512 * 1024;

/// A range of a blob on its way to someone.
pub struct BlobReader {
    blobs: Arc<dyn Blobs>,
    key: BlobKey,
    left: Range<u64>,
    frames: Option<Frames>,
}

impl BlobReader {
    /// Will read a range, which is the caller's to cut at the blob's end.
    pub fn new(blobs: Arc<dyn Blobs>, key: BlobKey, range: Range<u64>) -> Self {
        Self {
            blobs,
            key,
            left: range,
            frames: None,
        }
    }

    /// Will read a range of the plain bytes of a packed blob, which holds so many of them. The
    /// range is the caller's to cut at their end.
    pub fn of_packed(
        blobs: Arc<dyn Blobs>,
        key: BlobKey,
        plain_bytes: u64,
        range: Range<u64>,
    ) -> Self {
        Self {
            frames: Some(Frames::of(plain_bytes)),
            ..Self::new(blobs, key, range)
        }
    }

    /// Bytes that were not read yet.
    pub fn left_bytes(&self) -> u64 {
        self.left.end.saturating_sub(self.left.start)
    }

    /// The next piece; `None` at the end of the range.
    ///
    /// # Errors
    /// When the store fails, or the blob is gone, damaged or shorter than the range.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let piece = match &mut self.frames {
            None => self.plain_piece().await?,
            Some(frames) => {
                let from = (&*self.blobs, &self.key);
                let piece = frames.next(from, &self.left, PIECE_BYTES).await;
                piece.inspect_err(|error| {
                    tracing::error!(%error, blob = self.key.name(), "a packed blob");
                })?
            }
        };
        self.left.start += piece.len() as u64;
        Ok(Some(piece))
    }

    async fn plain_piece(&self) -> Result<Bytes> {
        let end = self.left.end.min(self.left.start + PIECE_BYTES);
        let asked = self.left.start..end;
        let piece = self.blobs.get(&self.key, Some(asked.clone())).await?;
        let piece = piece.ok_or(Error::Away("what was there is gone"))?;
        if piece.len() as u64 != asked.end - asked.start {
            return Err(Error::Away("what is there is shorter than it was"));
        }
        Ok(piece)
    }
}
