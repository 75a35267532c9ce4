//! Behaviour: the entities of frontdesk as supervised actors, the edges that bring their events to
//! connections, and the bus between them.
//!
//! Where to look: [`node`] composes everything and is the door for the server; [`entity`] is the
//! one engine of everything that lasts (decide, append, apply, effects); [`room`] and [`company`]
//! are the rules; [`registry`] finds, wakes and retires actors; [`edge`] fans out and replays;
//! [`feed`] and [`online`] tell a person's connections of all their rooms and partners.
//!
//! Invariants:
//! 1. Nothing is published or answered before the journal says that it is durable.
//! 2. At most one actor of an entity appends; the journal's fence decides, not this crate's maps.
//! 3. A command that was admitted is answered exactly once, whatever restarts in between.
//! 4. Every queue is bounded in bytes.
//!
//! Never: knows HTTP, tokens, WebSocket frames, or an engine by name.

pub mod bot;
pub mod bus;
pub mod clock;
mod companies;
pub mod company;
pub mod door;
pub mod edge;
pub mod entity;
pub mod feed;
pub mod form;
pub mod index;
pub mod limits;
mod metrics;
mod names;
pub mod node;
pub mod online;
mod pages;
mod reads;
pub mod registry;
mod retention;
pub mod room;
mod sending;
mod staff;
mod supervisor;
pub mod task;
#[cfg(test)]
mod tests;
mod ticks;
mod upload;
mod waking;

pub use bot::{Answering, Bot, BotAnswer, BotError, Turn};
pub use bus::Revoked;
pub use company::VisitorProfile;
pub use company::tables::PersonRow;
pub use door::{Door, DoorId};
pub use edge::{
    ChatContext, Dialect, DialectId, Edge, Joined, Joining, LeftAt, Listener, RoomContext, Start,
};
pub use entity::{Answer, Caller, CidBy, Command, Envelope, Named, Outcome, ReplyTo};
pub use feed::{Feed, HandoffNotice};
pub use index::{Bucket, Conversation, ConversationPage, ListCursor, ListFrom, Totals};
pub use limits::Limits;
pub use names::login_name;
pub use node::{Node, NodeOptions};
pub use online::Arrival;
pub use pages::{MessagePage, MessagesFrom};
pub use reads::{Acquaintance, ChatFacts, HistoryPage, RoomFacts};
pub use room::{LastFile, LastMessage, SeatSummary, Summary};
pub use staff::{AuditEntry, check_card, installation_secret};
pub use upload::{UploadStage, UploadView, UploadWorks, WorkError, Working};
