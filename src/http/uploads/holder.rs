//! Who may go on with an upload: its owner by their token, or whoever holds its ticket.
//!
//! Invariant: a ticket is looked at on routes of one upload only, and opens that one.
//! Never: says more of somebody else's upload than that it is not there.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::{ErrorCode, UploadId};
use serde::Deserialize;

use crate::app::App;
use crate::http::extract::Sending;
use crate::http::{ApiError, PathOf};
use crate::identity::scope::check_query;

/// What stands before a ticket in `Authorization`.
const SCHEME: &str = "Upload ";

/// See the module's text.
pub(super) struct Holder(pub(super) Arc<Principal>);

impl FromRequestParts<Arc<App>> for Holder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Some(ticket) = ticket(parts) else {
            let Sending(known) = Sending::from_request_parts(parts, app).await?;
            return Ok(Self(known.principal));
        };
        if app.is_draining() {
            return Err(ApiError::new(ErrorCode::Draining));
        }
        let unknown = || ApiError::because(ErrorCode::NotFound, "no such upload");
        let PathOf(upload) = PathOf::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| unknown())?;
        let upload: UploadId = upload.parse().map_err(|_| unknown())?;
        let who = app.ticket_holder(&ticket, upload, None).await?;
        check_query(&who.company, &parts.uri)?;
        Ok(Self(who))
    }
}

/// The ticket that a request brings, in its header or else in its query.
fn ticket(parts: &Parts) -> Option<String> {
    #[derive(Deserialize)]
    struct Brought {
        ticket: Option<String>,
    }
    let header = parts.headers.get(header::AUTHORIZATION);
    if let Some(header) = header {
        let ticket = header.to_str().ok()?.strip_prefix(SCHEME)?;
        return Some(ticket.to_owned());
    }
    let query = Query::<Brought>::try_from_uri(&parts.uri).ok()?;
    query.0.ticket
}
