//! Power loss: what an acknowledgement is worth when the machine's power goes.
//!
//! SIGKILL proves little: what a process wrote stays in the kernel's memory. Here a preloaded
//! library (`preload/`) records what each write covered up, and after the kill everything that no
//! fsync covered is taken back (`loss/`).
//!
//! - `library`: the library itself keeps and loses what it should.
//! - `store`: both engines keep every acknowledged record, round after round.
//! - `spool`: an upload keeps every offset that was told, also after a sync that failed.
//!
//! `POWERLOSS_ROUNDS=100` runs more rounds, `POWERLOSS_SEED` chooses others,
//! `POWERLOSS_DIRS=strict` is stricter about names, `POWERLOSS_COUNT_REFUSALS=1` counts stores that
//! do not open instead of failing at the first.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod appender;
mod child;
mod library;
mod loss;
mod scenarios;
mod spool;
mod store;
