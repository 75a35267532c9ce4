//! The wire and the vocabulary of frontdesk: ids, commands, events, ephemerals, errors, close
//! codes, limits, the native v1 schema in JSON and MessagePack, and WebSocket framing.
//!
//! Owns: every name a client or another node can see, and the bytes that carry it.
//!
//! Invariants:
//! 1. `decode(encode(x)) == x` for every frame and both codecs (property tests).
//! 2. No input panics a decoder or makes it allocate more than a limit in [`limits`] allows.
//! 3. A server frame is the same bytes for every recipient, its WebSocket header included.
//!
//! Never: I/O, a clock, randomness, an async runtime, or a rule of the chat.

pub mod chat;
pub mod close;
pub mod codec;
pub mod command;
pub mod companies;
pub mod ephemeral;
pub mod error;
pub mod event;
pub mod file;
pub mod file_frame;
pub mod ids;
pub mod limits;
pub mod native;

pub mod settings;
pub mod staff;
pub mod upload;
pub mod visible;
pub mod websocket;

pub use close::CloseCode;
pub use error::{ErrorCode, Rejection, Retry};
pub use ids::{
    AccountNo, ChatId, Cid, CompanyId, ConversationNo, Epoch, FileNo, HistoryId, MessageNo,
    PersonId, Pos, RoomId, Seq, Timestamp, UploadId,
};
