//! Bytes of a file on a socket: one binary message each, which begins with a byte that no frame of
//! the chat begins with, so that both share a socket in either codec.
//!
//! `0xC1 | kind u8 | stream u16 | crc32c u32 | offset u64 | payload`, numbers with their high byte
//! first. MessagePack never uses the first byte, and no JSON text begins with it.
//!
//! Invariant: a frame says where in the file it belongs, so that sending it twice does it once.
//! Never: knows how much may be sent, or what is there already.

use crate::limits::FILE_FRAME_HEADER_BYTES;

/// The first byte of every such message.
pub const FILE_FRAME_MARK: u8 = 0xc1;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFrameKind {
    /// Bytes, and more follow.
    Bytes,
    /// The file ends with this payload, which may be empty.
    End,
    /// The client ends the stream; what is kept stays, and the upload can be gone on with.
    Reset,
}

impl FileFrameKind {
    /// Every kind there is.
    pub const ALL: [FileFrameKind; 3] = [
        FileFrameKind::Bytes,
        FileFrameKind::End,
        FileFrameKind::Reset,
    ];

    const fn bits(self) -> u8 {
        match self {
            FileFrameKind::Bytes => 1,
            FileFrameKind::End => 2,
            FileFrameKind::Reset => 3,
        }
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.bits() == bits)
    }
}

/// A frame as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFrame<'a> {
    /// What it is for.
    pub kind: FileFrameKind,
    /// The number that the server gave the stream.
    pub stream: u16,
    /// CRC-32C of the payload.
    pub crc32c: u32,
    /// Where in the file the payload begins.
    pub offset: u64,
    /// Bytes of the file.
    pub payload: &'a [u8],
}

impl<'a> FileFrame<'a> {
    /// With the checksum that the payload has.
    pub fn new(kind: FileFrameKind, stream: u16, offset: u64, payload: &'a [u8]) -> Self {
        Self {
            kind,
            stream,
            crc32c: crc32c::crc32c(payload),
            offset,
            payload,
        }
    }

    /// Whether a message is one, by its first byte.
    pub fn is_one(message: &[u8]) -> bool {
        message.first() == Some(&FILE_FRAME_MARK)
    }

    /// Reads a message; `None` when it is cut short or its kind is not known.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (header, payload) = message.split_first_chunk::<FILE_FRAME_HEADER_BYTES>()?;
        let [
            mark,
            kind,
            stream @ ..,
            c0,
            c1,
            c2,
            c3,
            o0,
            o1,
            o2,
            o3,
            o4,
            o5,
            o6,
            o7,
        ] = *header;
        if mark != FILE_FRAME_MARK {
            return None;
        }
        Some(Self {
            kind: FileFrameKind::from_bits(kind)?,
            stream: u16::from_be_bytes(stream),
            crc32c: u32::from_be_bytes([c0, c1, c2, c3]),
            offset: u64::from_be_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            payload,
        })
    }

    /// Whether the payload is what its checksum is of.
    pub fn is_whole(&self) -> bool {
        crc32c::crc32c(self.payload) == self.crc32c
    }

    /// Where the payload ends in the file; `None` when no file is that long.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.payload.len() as u64)
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FILE_FRAME_HEADER_BYTES + self.payload.len());
        out.push(FILE_FRAME_MARK);
        out.push(self.kind.bits());
        out.extend(self.stream.to_be_bytes());
        out.extend(self.crc32c.to_be_bytes());
        out.extend(self.offset.to_be_bytes());
        out.extend_from_slice(self.payload);
        out
    }
}
