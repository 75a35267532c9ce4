//! The server: wiring of settings, authentication, HTTP, sockets and telemetry around the actors.
//! No rule of the chat lives here.
//!
//! The map: [`node`] composes everything and says in which order it starts and drains; `listen`
//! accepts, `rates` says how much may be asked, `http` answers requests, `ws` serves sockets;
//! `native` and `profiles` turn what clients say into commands; [`auth`] says who speaks,
//! `identity` who has an account and what they may administer;
//! `uploads` takes in files, [`files`] says what they are;
//! [`config`] and [`cli`] say how. The actors, the wire and the store are crates of their own.

mod app;
pub mod auth;
mod bots;
pub mod cli;
pub mod config;
mod demo;
pub mod files;
pub mod http;
mod identity;
mod linger;
mod listen;
mod native;
pub mod node;
mod object;
mod profiles;
mod rates;
mod shares;
pub mod telemetry;
pub mod transfer;
mod uploads;
pub mod web;
mod ws;
