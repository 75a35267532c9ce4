//! The server: wiring of settings, authentication, HTTP, sockets and telemetry around the actors.
//! No rule of the chat lives here.

pub mod auth;
pub mod config;
pub mod http;
pub mod telemetry;
pub mod web;
