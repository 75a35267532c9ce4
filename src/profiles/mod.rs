//! Profiles: clients of earlier systems, unchanged. Each folder parses its clients' frames into
//! native commands and encodes native events into their shapes, and does nothing else; what their
//! sockets share is in [`frame`] and [`chat`], the routes that several share in [`rest`], what is
//! told of files in [`files`], and their doors in [`doors`]. Which profile a socket speaks is
//! chosen in [`choice`].
//!
//! Never: a rule of the chat. The room does not know who listens.

pub(crate) mod chat;
pub(crate) mod choice;
pub(crate) mod crm;
pub(crate) mod direct;
pub(crate) mod doors;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod helpdesk;
pub(crate) mod inbox;
pub(crate) mod rest;
pub(crate) mod union;
pub(crate) mod widget;
pub(crate) mod wire;
