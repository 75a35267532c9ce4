//! Durability: the only crate that touches a disk, a bucket or an engine.
//!
//! Owns: the traits [`Journal`], [`Directory`] and [`Blobs`], two embedded engines behind them, the
//! writer thread that commits in groups, the [`Spool`] of uploads, and the layout of keys.
//!
//! Invariants:
//! 1. An append that was answered `Ok` is on disk as far as [`Durability`] says.
//! 2. Nothing is readable before it is durable: every read stops at `durable_pos`.
//! 3. At most one epoch of an entity can append.
//! 4. Every key starts with its company, so no scan crosses companies.
//!
//! Never: knows what a record means, decides a command, or runs an actor.

mod blobs;
pub mod directory;
mod engine;
mod erase;
mod files;
pub mod journal;
mod keys;
mod metrics;
mod open;
mod parts;
mod schema;
mod spool;
mod store;
pub mod testing;
mod transfer;
mod writer;

#[cfg(feature = "s3")]
pub use blobs::BucketOptions;
pub use blobs::{
    BlobFuture, BlobMeta, BlobReader, Blobs, ObjectBlobs, PACKED_BYTES_MAX, Packed, PutKind,
    ServedAs, pack,
};
pub use directory::{Directory, RowsWait};
pub use journal::{
    Append, AppendOutcome, CidRow, Durability, EntityId, EntityKind, Erases, Error, Journal,
    Record, Result, Row, Snapshot, Tail,
};
pub use keys::{BLOB_NAME_BYTES_MAX, BlobKey};
pub use open::{CACHE_BYTES_DEFAULT, EngineKind, OpenOptions, open};
pub use schema::SCHEMA_VERSION;
pub use spool::{Fingerprint, Nameless, Spool, SpoolFile, Spooled};
pub use store::{Clock, Fatal, QUEUE_BYTES_MAX, Store};
pub use transfer::{Moved, export, import};
