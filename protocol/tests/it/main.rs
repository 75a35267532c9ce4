//! Tests of the wire as other crates and other languages see it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod codec_properties;
mod documented;
mod invalid;
mod samples;
mod strategies;
mod vectors;
mod websocket;
mod websocket_properties;
