//! Tickets of uploads: who has one may go on with that upload, whatever became of their token.
//!
//! Invariant: a ticket speaks for its upload's owner, to this upload alone, until it ends.
//! Never: lets anybody in who has something else to show.

use std::sync::Arc;

use frontdesk_protocol::command::Principal;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection, Timestamp, UploadId};
use frontdesk_storage::Error as StoreError;

use crate::app::App;
use crate::auth::AuthError;
use crate::auth::own::UploadGrant;

impl App {
    /// A ticket for somebody's own upload.
    pub(crate) fn ticket(
        &self,
        who: &Principal,
        upload: UploadId,
        expires_at: Timestamp,
    ) -> String {
        let grant = UploadGrant {
            company: who.company.clone(),
            person: who.person.clone(),
            upload,
            expires_at,
        };
        self.identity
            .keys
            .sign_upload(&grant, self.node.clock().now())
    }

    /// Whose upload a ticket is for, as the upload's journal knows them.
    pub(crate) async fn ticket_holder(
        self: &Arc<Self>,
        ticket: &str,
        upload: UploadId,
        company: Option<&CompanyId>,
    ) -> Result<Arc<Principal>, Rejection> {
        let verified = self
            .identity
            .keys
            .verify_upload(ticket, self.node.clock().now());
        let verified = verified.map_err(|why| match why {
            AuthError::Expired => Rejection::because(ErrorCode::TokenExpired, "ticket expired"),
            _ => Rejection::because(ErrorCode::Unauthenticated, "the ticket does not verify"),
        })?;
        let grant = verified.grant();
        let is_of = grant.upload == upload && company.is_none_or(|own| *own == grant.company);
        let unknown = || Rejection::because(ErrorCode::NotFound, "no such upload");
        if !is_of {
            return Err(unknown());
        }
        let view = self.node.upload(&grant.company, &upload).await;
        let view = view.map_err(|error| unreadable(&error))?;
        let view = view.filter(|view| view.owner.id == grant.person);
        let owner = view.ok_or_else(unknown)?.owner;
        let may_act = self.node.may_act(&grant.company, &owner.id).await;
        if !may_act.map_err(|error| unreadable(&error))? {
            let why = "whose ticket it is may do nothing any more";
            return Err(Rejection::because(ErrorCode::Unauthenticated, why));
        }
        Ok(Arc::new(Principal {
            company: grant.company.clone(),
            person: owner.id,
            role: owner.role,
            card: owner.card,
        }))
    }
}

fn unreadable(error: &StoreError) -> Rejection {
    tracing::error!(%error, "an upload cannot be looked up");
    Rejection::new(ErrorCode::Unavailable)
}
