//! Frames as bytes: the native v1 schema in JSON and in MessagePack with named fields.
//!
//! Owns: [`Codec`], the four functions between frames and bytes, and [`FrameError`].
//!
//! Invariants:
//! 1. Both codecs carry the same meaning: what JSON can say, MessagePack says with the same names.
//! 2. A frame from a client is read in one pass into one flat struct; no tree of values is built
//!    except for `rich`, which is any value by definition.
//! 3. What is nested deeper than [`crate::limits::NESTING_DEPTH_MAX`] is refused, and nothing is
//!    allocated because of a length that is only announced.
//! 4. Of a refused frame the `id` is kept where it could be read, so that the error finds its
//!    command.
//!
//! Never: decides whether a command is allowed, or looks at the length of a text.

mod client;
mod client_out;
mod fields;
mod read;
mod server;

use crate::error::{ErrorCode, Rejection};
use crate::native::{self, ClientFrame, FrameRef, ServerFrame};

/// How a socket's frames are written, chosen by subprotocol for its whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Text frames.
    Json,
    /// Binary frames.
    Msgpack,
}

impl Codec {
    /// Both.
    pub const ALL: [Codec; 2] = [Codec::Json, Codec::Msgpack];

    /// The codec that a subprotocol names.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.subprotocol() == name)
    }

    /// The subprotocol that names this codec.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Codec::Json => native::SUBPROTOCOL_JSON,
            Codec::Msgpack => native::SUBPROTOCOL_MSGPACK,
        }
    }

    /// Whether its frames are binary WebSocket messages.
    pub const fn is_binary(self) -> bool {
        matches!(self, Codec::Msgpack)
    }
}

/// A frame that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rejection}")]
pub struct FrameError {
    /// The frame's own name, where it could be read.
    pub id: Option<FrameRef>,
    /// What is wrong with it.
    pub rejection: Rejection,
}

impl FrameError {
    /// The bytes are no frame at all. `why` is for people and cut short: it may repeat input.
    fn bad_frame(id: Option<FrameRef>, codec: Codec, why: &dyn std::fmt::Display) -> Self {
        const WHY_CHARS_MAX: usize = 160;
        let format = match codec {
            Codec::Json => "json",
            Codec::Msgpack => "messagepack",
        };
        let why = why.to_string();
        // What was found the reader calls by names of its own language.
        let why = match why.rfind(", expected ") {
            Some(expected) if why.starts_with("invalid type: ") => &why[expected + 2..],
            _ => &why,
        };
        let why: String = why.chars().take(WHY_CHARS_MAX).collect();
        let message = format!("frame is not a valid {format} object: {why}");
        Self {
            id,
            rejection: Rejection::because(ErrorCode::BadFrame, message),
        }
    }
}

/// Reads one frame of a client.
pub fn decode_client(codec: Codec, bytes: &[u8]) -> Result<ClientFrame, FrameError> {
    client::decode(codec, bytes)
}

/// Writes one frame of a client.
pub fn encode_client(codec: Codec, frame: &ClientFrame) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_BYTES_TYPICAL);
    write(codec, &client_out::WireOut::from(frame), &mut out);
    out
}

/// Writes one frame of a server.
pub fn encode_server(codec: Codec, frame: &ServerFrame) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_BYTES_TYPICAL);
    encode_server_into(codec, frame, &mut out);
    out
}

/// Writes one frame of a server behind what `out` holds already.
pub fn encode_server_into(codec: Codec, frame: &ServerFrame, out: &mut Vec<u8>) {
    write(codec, frame, out);
}

/// Reads one frame of a server.
pub fn decode_server(codec: Codec, bytes: &[u8]) -> Result<ServerFrame, FrameError> {
    server::decode(codec, bytes)
}

/// First capacity of an encoded frame, bytes: a message of two lines with its author.
pub(crate) const FRAME_BYTES_TYPICAL: usize = 384;

fn write<T: serde::Serialize>(codec: Codec, frame: &T, out: &mut Vec<u8>) {
    match codec {
        Codec::Json => serde_json::to_writer(out, frame)
            .expect("a frame has only text keys and a vector takes every byte"),
        Codec::Msgpack => frame
            .serialize(&mut rmp_serde::Serializer::new(out).with_struct_map())
            .expect("a frame is never nested a thousand levels and a vector takes every byte"),
    }
}
