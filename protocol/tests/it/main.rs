//! Tests of the wire as other crates and other languages see it.

mod codec_properties;
mod strategies;
