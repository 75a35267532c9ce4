//! Texts that are given out as they come, in frames of any size and number.
//!
//! Never: keeps a byte of them, or looks whether they are UTF-8.

use super::super::header::{Header, Opcode, mask_in_place};
use super::{Flow, Fragments, FrameReader, Incoming, Receiver};

/// The frame whose payload is given out.
#[derive(Debug)]
pub(super) struct Streamed {
    left_bytes: u64,
    /// As it stands for the next byte.
    mask: [u8; 4],
    is_last: bool,
}

impl FrameReader {
    /// Whether a frame beyond the limit is of a text that is given out in pieces.
    pub(super) fn is_streamed(&self, header: &Header, announced_bytes: u64) -> bool {
        let is_text = match self.fragments() {
            Some(fragments) => fragments.text && !fragments.oversize,
            None => header.opcode == Opcode::Text,
        };
        is_text && announced_bytes <= u64::from(self.streamed_bytes_max)
    }

    /// Begins with a frame's payload; what was joined before it goes first.
    pub(super) fn start_stream(&mut self, header: &Header, on: Receiver<'_>) -> Flow {
        let partial = self.partial.get_or_insert_default();
        let known = partial.fragments.take();
        let (count, before, joined) = known.map_or_else(Default::default, |known| {
            (known.count, known.streamed_bytes, known.joined)
        });
        if !header.fin {
            partial.fragments = Some(Fragments {
                text: true,
                oversize: false,
                count: count + 1,
                // More than none: the text is under way.
                streamed_bytes: (before + joined.len() as u64 + header.payload_bytes).max(1),
                joined: Vec::new(),
            });
        }
        let is_over = header.payload_bytes == 0;
        if !is_over {
            partial.streamed = Some(Streamed {
                left_bytes: header.payload_bytes,
                mask: header.mask,
                is_last: header.fin,
            });
        }
        match joined.is_empty() && !is_over {
            true => Flow::Go,
            false => on(Incoming::Piece {
                payload: &joined,
                is_last: is_over && header.fin,
            }),
        }
    }

    /// Gives out what of a streamed frame is there; `None` while no such frame is under way.
    pub(super) fn stream(&mut self, bytes: &mut [u8], on: Receiver<'_>) -> Option<(usize, Flow)> {
        let partial = self.partial.as_mut()?;
        let streamed = partial.streamed.as_mut()?;
        if bytes.is_empty() {
            return Some((0, Flow::Go));
        }
        let left = usize::try_from(streamed.left_bytes).unwrap_or(usize::MAX);
        let count = left.min(bytes.len());
        let payload = &mut bytes[..count];
        if self.masked {
            mask_in_place(payload, streamed.mask);
            streamed.mask.rotate_left(count % 4);
        }
        streamed.left_bytes -= count as u64;
        let is_over = streamed.left_bytes == 0;
        let is_last = is_over && streamed.is_last;
        if is_over {
            partial.streamed = None;
        }
        Some((count, on(Incoming::Piece { payload, is_last })))
    }
}
