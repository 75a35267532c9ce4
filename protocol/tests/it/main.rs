//! Tests of the wire as other crates and other languages see it.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

mod codec_properties;
mod documented;
mod file_frames;
mod invalid;
mod samples;
mod samples_of_uploads;
mod strategies;
mod vectors;
mod websocket;
mod websocket_properties;
