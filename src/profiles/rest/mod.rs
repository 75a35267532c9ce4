//! The HTTP routes that clients of `inbox`, `crm` and `direct` were written against, on the same
//! rooms as every socket.
//!
//! Invariants: whoever asks is known by their token; every error has `detail`, `error`, `code` and
//! `request_id`, and names a wrong field where its clients look for that.
//! Never: a rule of the chat.

mod bot;
mod conversations;
mod messages;
mod opening;
pub(in crate::profiles) mod place;
mod presence;
pub(crate) mod shape;

pub(in crate::profiles) use bot::answer_to;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .merge(conversations::routes())
        .merge(messages::routes())
        .merge(presence::routes())
        .merge(bot::routes())
}
