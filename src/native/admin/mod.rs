//! The native HTTP API of accounts, companies and plans, under `/v1`.
//!
//! Owns: in its files `logins` the way in and out, `companies` companies, plans and what was done
//! to them, `accounts` a company's accounts, `shape` what all of these look like.
//!
//! Invariants: a company comes from a proof of `identity` and from nowhere else; a page reads what
//! it shows.
//! Never: a rule of accounts or companies; their entities have those.

mod accounts;
mod companies;
mod logins;
mod shape;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every route.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .merge(logins::routes())
        .merge(companies::routes())
        .merge(accounts::routes())
}
