//! The server: wiring of settings, authentication, HTTP, sockets and telemetry around the actors.
//! No rule of the chat lives here.

pub mod auth;
pub mod cli;
pub mod config;
pub mod http;
pub mod node;
pub mod telemetry;
pub mod transfer;
pub mod web;
