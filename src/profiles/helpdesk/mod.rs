//! The HTTP routes that clients of `helpdesk` were written against: who runs the installation makes
//! companies, their admins make agents, everybody logs in. The sockets of agents are in
//! [`sockets`].
//!
//! Invariants: a company comes from a proof of `identity` and from nowhere else; errors have
//! `error`, `detail`, `code` and `request_id`.
//! Never: a rule of accounts or companies; their entities have those.

mod admins;
mod agents;
mod chats;
mod config;
mod listing;
mod logins;
mod shape;
pub(crate) mod sockets;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .merge(logins::routes())
        .merge(admins::routes())
        .merge(agents::routes())
        .merge(config::routes())
        .merge(chats::routes())
}
