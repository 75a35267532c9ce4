//! The first 2 to 14 bytes of a frame, and what is wrong with frames.

use crate::close::CloseCode;
use crate::limits;

/// Longest header a server sends: it masks nothing.
pub(super) const SERVER_HEADER_BYTES_MAX: usize = 10;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a message in fragments.
    Continuation,
    /// A message in UTF-8, or its first fragment.
    Text,
    /// A message of bytes, or its first fragment.
    Binary,
    /// The last frame of this direction.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping, or nothing.
    Pong,
}

impl Opcode {
    const ALL: [Opcode; 6] = [
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ];

    /// The four bits on the wire.
    pub const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0x0,
            Opcode::Text => 0x1,
            Opcode::Binary => 0x2,
            Opcode::Close => 0x8,
            Opcode::Ping => 0x9,
            Opcode::Pong => 0xA,
        }
    }

    /// Whether it may come between the fragments of a message.
    pub const fn is_control(self) -> bool {
        self.bits() >= 0x8
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| opcode.bits() == bits)
    }
}

/// A peer that does not speak WebSocket as agreed. The connection is closed with
/// [`ProtocolError::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A client's frame without mask, or a server's with one.
    #[error("frame masked against the rules")]
    Mask,
    /// A bit of an extension that was not agreed on.
    #[error("reserved bits set")]
    ReservedBits,
    /// An opcode that means nothing.
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A control frame in fragments.
    #[error("control frame in fragments")]
    ControlFragmented,
    /// A control frame with more than 125 bytes.
    #[error("control frame too long")]
    ControlTooLong,
    /// A continuation of nothing.
    #[error("continuation without a message")]
    ContinuationAlone,
    /// A new message before the last one ended.
    #[error("new message inside a fragmented one")]
    MessageInsideMessage,
    /// A length written with more bytes than it needs, or with its top bit set.
    #[error("length is not in its shortest form")]
    Length,
    /// A close frame whose payload is one byte or names a code that no one may send.
    #[error("bad close frame")]
    BadClose,
    /// A text, or a close reason, that is not UTF-8.
    #[error("text is not utf-8")]
    InvalidUtf8,
    /// A message in more than [`limits::CLIENT_FRAGMENT_COUNT_MAX`] fragments.
    #[error("message in too many fragments")]
    TooManyFragments,
}

impl ProtocolError {
    /// How the connection is closed.
    pub const fn close_code(self) -> CloseCode {
        match self {
            ProtocolError::InvalidUtf8 => CloseCode::InvalidUtf8,
            ProtocolError::TooManyFragments => CloseCode::TooBig,
            ProtocolError::Mask
            | ProtocolError::ReservedBits
            | ProtocolError::ReservedOpcode
            | ProtocolError::ControlFragmented
            | ProtocolError::ControlTooLong
            | ProtocolError::ContinuationAlone
            | ProtocolError::MessageInsideMessage
            | ProtocolError::Length
            | ProtocolError::BadClose => CloseCode::ProtocolError,
        }
    }
}

/// A frame's header, complete and lawful by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    /// All zero where nothing is masked.
    pub(super) mask: [u8; 4],
    pub(super) header_bytes: usize,
    pub(super) payload_bytes: u64,
}

impl Header {
    /// Reads a header; `None` when more bytes are needed. Whatever can be refused early is.
    pub(super) fn parse(bytes: &[u8], masked: bool) -> Result<Option<Self>, ProtocolError> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = check_start(*first, *second, masked)?;
        let short = second & !MASKED;
        let (length, rest) = match short {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            _ => (u64::from(short), rest),
        };
        let least = match short {
            126 => 126,
            127 => 1 << 16,
            _ => 0,
        };
        if length < least || length >> 63 != 0 {
            return Err(ProtocolError::Length);
        }
        let (mask, rest) = match rest.split_first_chunk::<4>() {
            _ if !masked => ([0; 4], rest),
            Some((mask, rest)) => (*mask, rest),
            None => return Ok(None),
        };
        Ok(Some(Self {
            fin: first & FIN != 0,
            opcode,
            mask,
            header_bytes: bytes.len() - rest.len(),
            payload_bytes: length,
        }))
    }
}

fn check_start(first: u8, second: u8, masked: bool) -> Result<Opcode, ProtocolError> {
    if first & RESERVED != 0 {
        return Err(ProtocolError::ReservedBits);
    }
    let opcode = Opcode::from_bits(first & 0x0f).ok_or(ProtocolError::ReservedOpcode)?;
    if (second & MASKED != 0) != masked {
        return Err(ProtocolError::Mask);
    }
    if opcode.is_control() {
        if first & FIN == 0 {
            return Err(ProtocolError::ControlFragmented);
        }
        if usize::from(second & !MASKED) > limits::CONTROL_PAYLOAD_BYTES_MAX {
            return Err(ProtocolError::ControlTooLong);
        }
    }
    Ok(opcode)
}

/// Writes the header of a whole, unmasked frame; returns its length.
pub(super) fn write_server_header(
    opcode: Opcode,
    payload_bytes: usize,
    out: &mut [u8; SERVER_HEADER_BYTES_MAX],
) -> usize {
    out[0] = FIN | opcode.bits();
    if payload_bytes < 126 {
        out[1] = payload_bytes as u8;
        2
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        out[1] = 126;
        out[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        out[1] = 127;
        out[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        10
    }
}

/// Marks a header as that of a masked frame.
pub(super) fn set_masked(header: &mut [u8]) {
    header[1] |= MASKED;
}

/// Masks or unmasks: both are the same. Eight bytes at a time, which compilers widen further.
pub(super) fn mask_in_place(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_is_the_same_as_byte_by_byte() {
        let mask = [0x12, 0x34, 0x56, 0x78];
        for length in 0..40_usize {
            let plain: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let expected: Vec<u8> = (0..length)
                .map(|index| plain[index] ^ mask[index % 4])
                .collect();
            let mut masked = plain;
            mask_in_place(&mut masked, mask);
            assert_eq!(masked, expected);
        }
    }
}
