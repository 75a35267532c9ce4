//! The load generator: many cheap WebSocket clients that check every delivery.
//!
//! Owns: scenarios ([`steady`], [`lists`], [`crm`], [`logins`], [`companies`], [`upload`]), the
//! checks ([`check`]), and a server of its own to load ([`server`]). The binary parses options and
//! prints a [`report::Summary`].
//!
//! Invariants:
//! 1. Every message carries a marker ([`marker`]), and every member's deliveries are compared with
//!    what was posted: a run with one violation fails.
//! 2. In an open loop latency counts from the time a message was due, not from when it was sent.
//! 3. One thread, one read buffer: the load costs little beside the server that it measures.
//!
//! Never: shares code with the server beyond the wire vocabulary of `frontdesk-protocol`.

pub mod check;
pub mod clock;
pub mod companies;
mod connection;
pub mod crm;
pub mod dialect;
mod http;
pub mod lists;
mod load;
pub mod logins;
pub mod marker;
mod memo;
pub mod options;
pub mod report;
pub mod server;
pub mod steady;
pub mod token;
mod upgrade;
pub mod upload;
pub mod usage;
