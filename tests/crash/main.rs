//! The whole server as a process: what its promises are worth when it is killed, loses its power,
//! cannot sync, is told to stop, or is moved to another folder.
//!
//! Each test starts real servers on folders and ports of their own, talks to them as clients do,
//! and compares what was acknowledged and delivered with what the history holds afterwards.
//!
//! - `sigkill`: killed under load, round after round.
//! - `power_loss`: the same with everything lost that no sync covered.
//! - `sync_failure`: syncs that fail or hang.
//! - `lists`: lists and unread counts after kills and losses.
//! - `uploads`: files on their way through kills and losses, and what is left of them.
//! - `drain`: told to stop under load.
//! - `transfer`: export and import between engines.
//! - `cli`: what the program prints and exits with.
//!
//! `CRASH_ROUNDS=100` runs more rounds, `CRASH_SEED` chooses others, `FRONTDESK_BIN` names another
//! program to test, such as a release build.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod cli;
mod drain;
mod lists;
#[path = "../powerloss/loss/mod.rs"]
mod loss;
mod power_loss;
mod sigkill;
mod support;
mod sync_failure;
mod transfer;
mod uploads;
