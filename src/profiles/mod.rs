//! Profiles: clients of earlier systems, unchanged. Each folder parses its clients' frames into
//! native commands and encodes native events into their shapes, and does nothing else.
//!
//! Never: a rule of the chat. The room does not know who listens.

pub(crate) mod direct;
