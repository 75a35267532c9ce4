//! What is spoken on the sockets: how a dialect asks, and what it reads out of an answer.
//!
//! Never: keeps state. The same bytes always read as the same thing, which lets a room's frame be
//! read once for all of its members.

mod crm;
mod direct;
mod native;

use frontdesk_protocol::codec::Codec;

use crate::check::Delivery;

/// A room as the server named it when it was made.
#[derive(Debug, Clone)]
pub struct RoomTarget {
    /// Its id.
    pub id: String,
    /// Its number within the company.
    pub conversation: u64,
}

/// Which of the server's protocols a run speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Dialect {
    /// `/v1/ws`, text frames.
    NativeJson,
    /// `/v1/ws`, binary frames.
    NativeMsgpack,
    /// `/ws/chat/{conversation}/`, the existing two-party clients.
    Direct,
    /// The same address, clients of conversations with people and bots.
    Crm,
}

/// What a frame of the server says, as far as a run cares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Received {
    /// The connection is accepted and knows who speaks.
    Welcome,
    /// The room is joined; its last event.
    Joined { head: u64 },
    /// A message.
    Delivery(Delivery),
    /// A bot's answer to a message.
    Answer(Delivery),
    /// A post of this connection was kept, in dialects that do not say which.
    Kept,
    /// A post was accepted.
    Acked { number: u64, seq: u64, dup: bool },
    /// A post, or with no number anything else, was refused.
    Refused { number: Option<u64>, why: String },
    /// The server has fallen back to replaying for this connection.
    Lag,
    /// Nothing that a run waits for.
    Other,
}

impl Dialect {
    /// The name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::NativeJson => "native-json",
            Dialect::NativeMsgpack => "native-msgpack",
            Dialect::Direct => "direct",
            Dialect::Crm => "crm",
        }
    }

    /// Whether a post is answered, and events carry the room's seq.
    pub(crate) fn is_native(self) -> bool {
        self.codec().is_some()
    }

    /// Whether data frames are binary.
    pub(crate) fn is_binary(self) -> bool {
        self == Dialect::NativeMsgpack
    }

    /// The subprotocol to ask for.
    pub(crate) fn subprotocol(self) -> Option<&'static str> {
        self.codec().map(Codec::subprotocol)
    }

    /// Path and query of the upgrade request.
    pub(crate) fn path(self, room: &RoomTarget, token: &str) -> String {
        let number = room.conversation;
        match self {
            Dialect::Direct => format!("/ws/chat/{number}/?token={token}&dialect=direct"),
            Dialect::Crm => format!("/ws/chat/{number}/?token={token}&dialect=crm"),
            Dialect::NativeJson | Dialect::NativeMsgpack => "/v1/ws".to_owned(),
        }
    }

    /// The first frame, where the handshake did not prove who speaks.
    pub(crate) fn connect(self, token: &str) -> Option<Vec<u8>> {
        self.codec().map(|codec| native::connect(codec, token))
    }

    /// The frame that joins a room, where connecting did not.
    pub(crate) fn join(self, room: &RoomTarget) -> Option<Vec<u8>> {
        self.codec().map(|codec| native::join(codec, room))
    }

    /// The frame that posts a message.
    pub(crate) fn post(
        self,
        room: &RoomTarget,
        number: u64,
        cid: [u8; 16],
        text: String,
    ) -> Vec<u8> {
        match self.codec() {
            Some(codec) => native::post(codec, room, number, cid, text),
            None if self == Dialect::Crm => crm::post(&text),
            None => direct::post(&text),
        }
    }

    /// Reads one data frame of the server.
    pub(crate) fn read(self, payload: &[u8]) -> Result<Received, String> {
        match self.codec() {
            Some(codec) => native::read(codec, payload),
            None if self == Dialect::Crm => crm::read(payload),
            None => direct::read(payload),
        }
    }

    fn codec(self) -> Option<Codec> {
        match self {
            Dialect::NativeJson => Some(Codec::Json),
            Dialect::NativeMsgpack => Some(Codec::Msgpack),
            Dialect::Direct | Dialect::Crm => None,
        }
    }
}
