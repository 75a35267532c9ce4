//! Visitors' chats as clients of `helpdesk` and `widget` know them over HTTP: talking to the bot,
//! wanting a person, being served by one, what visitors answered.
//!
//! Invariants: every chat and company comes from a proof of `identity`; which step a chat may take
//! the room decides.
//! Never: knows how a socket speaks.

mod boards;
mod desks;
mod handoff;
mod profiles;
mod shape;
mod status;
mod talk;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .merge(talk::routes())
        .merge(status::routes())
        .merge(handoff::routes())
        .merge(desks::routes())
        .merge(boards::routes())
        .merge(profiles::routes())
}
