//! Profiles: clients of earlier systems, unchanged. Each folder parses its clients' frames into
//! native commands and encodes native events into their shapes, and does nothing else; what they
//! share is in [`frame`] and [`chat`]. Which profile a socket speaks is chosen in [`choice`].
//!
//! Never: a rule of the chat. The room does not know who listens.

pub(crate) mod chat;
pub(crate) mod choice;
pub(crate) mod crm;
pub(crate) mod direct;
pub(crate) mod frame;
pub(crate) mod inbox;
pub(crate) mod union;
