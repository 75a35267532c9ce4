//! WebSocket framing as in RFC 6455, after the handshake: frames to bytes and bytes to frames.
//!
//! Owns: [`Opcode`], complete frames as shared bytes (`encode`), and the incremental
//! [`FrameReader`] with what it gives out and refuses (`reader`).
//!
//! Invariants:
//! 1. A server frame is unmasked and so the same bytes for every recipient.
//! 2. The pieces in which bytes arrive never change what is read from them.
//! 3. Memory follows what was received, never what was announced, and ends at the message limit.
//! 4. A reader between frames holds no heap at all.
//!
//! Never: reads or writes a socket, negotiates an extension, or answers a ping by itself.

mod encode;
mod header;
mod reader;

pub use encode::{FrameBuilder, client_frame, close_frame, server_frame, server_message};
pub use header::{Opcode, ProtocolError};
pub use reader::{Flow, FrameReader, Incoming};
