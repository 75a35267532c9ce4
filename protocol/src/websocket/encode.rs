//! Complete frames as bytes. A server's frame is made once and shared by everyone who gets it.

use bytes::Bytes;

use super::header::{self, Opcode, SERVER_HEADER_BYTES_MAX};
use crate::close::CloseCode;
use crate::codec::{self, Codec};
use crate::limits;
use crate::native::ServerFrame;

/// Collects a payload behind room for its header, so that the payload is written once and never
/// moved: `FrameBuilder::new(n)`, write to `payload()`, `finish(opcode)`.
#[derive(Debug)]
pub struct FrameBuilder(Vec<u8>);

impl FrameBuilder {
    /// With room for a payload of this many bytes; more may come.
    pub fn new(payload_bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(SERVER_HEADER_BYTES_MAX + payload_bytes);
        buffer.resize(SERVER_HEADER_BYTES_MAX, 0);
        Self(buffer)
    }

    /// Where the payload is appended. What stands before it must stay.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The frame: the header is put right before the payload.
    pub fn finish(mut self, opcode: Opcode) -> Bytes {
        let payload_bytes = self.0.len() - SERVER_HEADER_BYTES_MAX;
        let mut start = [0; SERVER_HEADER_BYTES_MAX];
        let header_bytes = header::write_server_header(opcode, payload_bytes, &mut start);
        let unused = SERVER_HEADER_BYTES_MAX - header_bytes;
        self.0[unused..SERVER_HEADER_BYTES_MAX].copy_from_slice(&start[..header_bytes]);
        Bytes::from(self.0).slice(unused..)
    }
}

/// One complete server frame around a payload that exists already.
pub fn server_frame(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut start = [0; SERVER_HEADER_BYTES_MAX];
    let header_bytes = header::write_server_header(opcode, payload.len(), &mut start);
    let mut frame = Vec::with_capacity(header_bytes + payload.len());
    frame.extend_from_slice(&start[..header_bytes]);
    frame.extend_from_slice(payload);
    Bytes::from(frame)
}

/// One native frame as a complete WebSocket message, ready to be shared.
pub fn server_message(codec: Codec, frame: &ServerFrame) -> Bytes {
    let mut builder = FrameBuilder::new(codec::FRAME_BYTES_TYPICAL);
    codec::encode_server_into(codec, frame, builder.payload());
    builder.finish(match codec {
        Codec::Json => Opcode::Text,
        Codec::Msgpack => Opcode::Binary,
    })
}

/// A close frame; the reason is cut between characters to what fits.
pub fn close_frame(code: CloseCode, reason: &str) -> Bytes {
    let fits = reason.floor_char_boundary(limits::CLOSE_REASON_BYTES_MAX);
    let mut payload = Vec::with_capacity(2 + fits);
    payload.extend_from_slice(&code.number().to_be_bytes());
    payload.extend_from_slice(&reason.as_bytes()[..fits]);
    server_frame(Opcode::Close, &payload)
}

/// One complete masked frame, as clients must send it. The mask comes from the caller: nothing here
/// is random.
pub fn client_frame(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut start = [0; SERVER_HEADER_BYTES_MAX];
    let header_bytes = header::write_server_header(opcode, payload.len(), &mut start);
    header::set_masked(&mut start);
    let mut frame = Vec::with_capacity(header_bytes + mask.len() + payload.len());
    frame.extend_from_slice(&start[..header_bytes]);
    frame.extend_from_slice(&mask);
    frame.extend_from_slice(payload);
    header::mask_in_place(&mut frame[header_bytes + mask.len()..], mask);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_right_at_every_length_border() {
        for (length, header) in [
            (0, vec![0x82, 0]),
            (125, vec![0x82, 125]),
            (126, vec![0x82, 126, 0, 126]),
            (65_535, vec![0x82, 126, 0xff, 0xff]),
            (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![7; length];
            let frame = server_frame(Opcode::Binary, &payload);
            assert_eq!(frame[..header.len()], header);
            assert_eq!(frame[header.len()..], payload);
            let mut builder = FrameBuilder::new(length);
            builder.payload().extend_from_slice(&payload);
            assert_eq!(builder.finish(Opcode::Binary), frame);
        }
    }

    #[test]
    fn close_reason_is_cut_between_characters() {
        let frame = close_frame(CloseCode::Idle, &"é".repeat(100));
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert_eq!(frame[..4], [0x88, 124, 0x0f, 0xa8]);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }

    #[test]
    fn client_frame_of_the_rfc_example() {
        let frame = client_frame(Opcode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        let expected = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn server_message_is_the_codec_inside_one_frame() {
        let frame = ServerFrame::Push(crate::native::Push::Expired {});
        for (codec, opcode) in [
            (Codec::Json, Opcode::Text),
            (Codec::Msgpack, Opcode::Binary),
        ] {
            let payload = codec::encode_server(codec, &frame);
            assert_eq!(
                server_message(codec, &frame),
                server_frame(opcode, &payload)
            );
        }
    }
}
