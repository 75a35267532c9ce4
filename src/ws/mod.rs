//! WebSocket connections: from the upgrade to the close frame.
//!
//! Owns: the connection's task ([`connection`]), what waits to be written ([`outbox`]), what others
//! may touch ([`shared`]), its rooms and commands ([`desk`], [`feed`]), time ([`clockwork`],
//! [`timers`]) and the upgrade itself ([`upgrade`], [`chats`]). Which words are spoken is a
//! [`speaker`]'s.
//!
//! Never: knows a rule of the chat or the shape of a frame's fields.

mod chats;
mod clockwork;
mod connection;
pub(crate) mod desk;
mod feed;
mod outbox;
mod shared;
pub(crate) mod speaker;
pub(crate) mod streams;
mod timers;
pub(crate) mod upgrade;

pub(crate) use outbox::Bounds;
pub(crate) use shared::Shared;
pub(crate) use timers::Wheel;
