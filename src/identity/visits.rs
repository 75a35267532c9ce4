//! A visitor who comes to a company on a socket, and names no chat: theirs is the one that their
//! proof is for, else a new one.
//!
//! Invariants: as for the first message over HTTP, through the same functions: the same proofs, the
//! same limits, the same answers to what is not theirs.
//! Never: lets anybody in who has an account.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{CompanyId, Rejection};

use super::chats::ChatScope;
use super::sockets::{Brought, of_query};
use super::visitors::VisitorAsked;
use crate::app::{App, Known};
use crate::auth;
use crate::http::ApiError;

/// A visitor's language, bytes: the longest registered tags fit.
const LANGUAGE_BYTES_MAX: usize = 35;

/// Somebody who came, and what they keep.
pub(crate) struct Visit {
    /// As sockets know them.
    pub(crate) known: Known,
    /// Their chat.
    pub(crate) chat: ChatScope,
    /// Proves that it is theirs; not for one whose id alone was enough.
    pub(crate) token: Option<String>,
}

impl App {
    /// Whether a segment of a path is a company that visitors may come to, and names no
    /// conversation.
    pub(crate) async fn is_visited(self: &Arc<Self>, segment: &str) -> bool {
        let is_name = segment.parse::<RoomName>().is_err() && CompanyId::new(segment).is_ok();
        is_name && self.open_company(segment).await.is_ok()
    }

    /// The chat of somebody who comes to a company.
    ///
    /// # Errors
    /// As for a first message over HTTP.
    pub(crate) async fn visit(
        self: &Arc<Self>,
        company: &str,
        brought: &Brought,
        address: IpAddr,
    ) -> Result<Visit, Rejection> {
        let refused = |why: ApiError| Rejection::because(why.code(), why.to_string());
        let revocation_count = self.identity.revocations.count();
        let offered = brought.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
        let offered = offered.and_then(|value| value.to_str().ok());
        let signed = brought.signed.as_ref();
        let asked = VisitorAsked {
            chat_id: of_query(&brought.query, "session_id"),
            token: offered.and_then(auth::from_subprotocols),
            signed: signed.map(|signed| signed.as_brought()).unwrap_or_default(),
            ..VisitorAsked::of(company, &brought.headers, Some(&brought.query))
        };
        let visiting = self.visitor(&asked).await.map_err(refused)?;
        let kept = visiting.kept_chat();
        let asked = VisitorAsked {
            chat_id: asked.chat_id.or(kept),
            ..asked
        };
        let entered = self.enter_chat(&asked, language(&brought.headers), address);
        let (chat, keepsake) = entered.await.map_err(refused)?;
        let principal = Principal::clone(chat.principal());
        let now = self.node.clock().now();
        Ok(Visit {
            known: Known::visitor(principal, now, revocation_count),
            chat,
            token: keepsake.token,
        })
    }
}

/// The first language that a browser asks for, if it is written as one.
pub(crate) fn language(headers: &HeaderMap) -> &str {
    let wanted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let first = wanted.split([',', ';']).next().unwrap_or_default().trim();
    let is_tag = first.len() <= LANGUAGE_BYTES_MAX
        && first
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_tag { first } else { "" }
}
