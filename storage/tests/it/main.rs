//! What a store promises, proven on every engine.
//!
//! `conformance` runs the same facts on the store in memory, on sled and on fjall.

mod blobs;
#[cfg(feature = "s3")]
mod buckets;
mod conformance;
mod crash;
mod faults;
mod metrics;
mod model;
mod opening;
mod support;
mod transfer;
