//! Which chat a form or a query names, and with which proof; and a form's file beside it.
//!
//! Invariants: a chat is found by its proofs as on every other route of it; `uploader` says at most
//! which of two proofs is meant; what stands behind the file counts like what stands before it,
//! where that is not enough; a file whose chat is not found before it is kept only as `early`
//! allows.
//! Never: sends or keeps a file.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::command::Principal;
use serde::Deserialize;
use utoipa::IntoParams;

use super::early::{Doors, Early, overlooked};
use super::{Arriving, count};
use crate::app::App;
use crate::auth::own::claimed_chat;
use crate::http::ApiError;
use crate::http::multipart::Form;
use crate::identity::chats::{ChatScope, DeskScope, MaybeLoggedIn, company_of};
use crate::identity::cookies::has_agent_cookie;
use crate::identity::scope::LoggedIn;
use crate::identity::visitors::{SignedId, VisitorAsked};
use crate::rates::TooSoon;
use crate::uploads::Door;

/// Which chat, and with which proof; in a form's fields, or in the query.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Names {
    /// The widget's name for it.
    #[param(min_length = 1, max_length = 100)]
    pub(super) session_id: Option<String>,
    /// May be left out when the session's name begins with it, or the caller has a company.
    #[param(min_length = 1, max_length = 64)]
    pub(super) company_id: Option<String>,
    /// The proof that came with the chat; a cookie holds the same.
    pub(super) session_token: Option<String>,
    /// Who the company's own application says it is.
    #[param(max_length = 128)]
    pub(super) user_id: Option<String>,
    /// What it signed that with: HMAC-SHA256, hexadecimal.
    pub(super) user_hash: Option<String>,
    /// `agent` where an agent's cookie is meant and not a visitor's.
    pub(super) uploader: Option<String>,
}

impl Names {
    /// With what a form has said so far.
    pub(super) fn with(&self, form: &Form) -> Self {
        let pick = |name: &str, own: &Option<String>| {
            let said = form.field(name).map(str::to_owned);
            said.or_else(|| own.clone()).filter(|text| !text.is_empty())
        };
        Self {
            session_id: pick("session_id", &self.session_id),
            company_id: pick("company_id", &self.company_id),
            session_token: pick("session_token", &self.session_token),
            user_id: pick("user_id", &self.user_id),
            user_hash: pick("user_hash", &self.user_hash),
            uploader: pick("uploader", &self.uploader),
        }
    }

    /// The company, as a field, the chat's name or the proof of a chat says it.
    pub(super) fn company(&self) -> Option<String> {
        let claimed = || Some(claimed_chat(self.session_token.as_deref()?)?.0.to_string());
        let named = company_of(self.company_id.as_deref(), self.session_id.as_deref());
        named.ok().map(str::to_owned).or_else(claimed)
    }

    /// Whether a proof of a visitor is among them.
    fn is_visitors(&self) -> bool {
        self.session_token.is_some() || self.user_hash.is_some()
    }

    /// Whether no field is left that could prove more: the first of a name counts.
    fn are_all(&self) -> bool {
        let proofs = [
            &self.company_id,
            &self.session_token,
            &self.user_id,
            &self.user_hash,
            &self.uploader,
        ];
        proofs.into_iter().all(Option::is_some)
    }

    /// Who the company's own application says it is.
    pub(super) fn signed(&self) -> SignedId<'_> {
        SignedId {
            user_id: self.user_id.as_deref(),
            user_hash: self.user_hash.as_deref(),
        }
    }
}

/// The chat that is named, for its visitor or for somebody of the company.
pub(super) async fn chat_of(
    app: &Arc<App>,
    parts: &mut Parts,
    names: &Names,
) -> Result<ChatScope, ApiError> {
    let Some(session) = names.session_id.as_deref() else {
        let why = "session_id is required";
        return Err(ApiError::because(ErrorCode::BadField, why).of_field("session_id"));
    };
    let company = names.company_id.as_deref();
    let staff = match names.uploader.as_deref() {
        _ if names.is_visitors() => None,
        // A cookie of somebody who is logged in counts where they say that it is them.
        Some("agent") => LoggedIn::from_request_parts(parts, app).await.ok(),
        _ => MaybeLoggedIn::from_request_parts(parts, app).await?.0,
    };
    if let Some(who) = staff {
        let desk = DeskScope::resolve(app, who, company).await?;
        return desk.chat(app, session).await;
    }
    let asked = VisitorAsked {
        chat_id: Some(session),
        token: names.session_token.as_deref(),
        signed: names.signed(),
        ..VisitorAsked::of(
            company_of(company, Some(session))?,
            &parts.headers,
            parts.uri.query(),
        )
    };
    app.visitors_chat(&asked).await
}

/// The chat that is named so far, unless what comes behind the file may say otherwise: complete
/// what is missing, or say that the agent's cookie is meant.
async fn settled_chat(
    app: &Arc<App>,
    parts: &mut Parts,
    names: &Names,
) -> Result<Option<ChatScope>, ApiError> {
    let is_unsaid = names.uploader.is_none() && !names.is_visitors();
    let is_either = is_unsaid && has_agent_cookie(app, &parts.headers);
    if names.session_id.is_none() || is_either {
        return Ok(None);
    }
    match chat_of(app, parts, names).await {
        Ok(chat) => Ok(Some(chat)),
        Err(why) if names.are_all() => Err(why),
        Err(why) => overlooked(why),
    }
}

/// The file of a form, and its chat if it names one.
pub(super) struct Arrived {
    pub(super) arriving: Arriving,
    pub(super) chat: Option<ChatScope>,
    early: Option<Early>,
}

impl Arrived {
    /// Counts the upload, unless that was done before it was spilled.
    pub(super) fn count(&self, app: &App, who: &Principal, door: Door) -> Result<(), TooSoon> {
        let is_counted = |early: &Early| early.has_counted(who, door);
        match self.early.as_ref().is_some_and(is_counted) {
            true => Ok(()),
            false => count(app, who, door),
        }
    }
}

/// The file of a form for a chat, and the chat: that is looked for before the file is taken, and
/// once more when the form has ended where it was not found.
pub(super) async fn arrive(
    app: &Arc<App>,
    parts: &mut Parts,
    form: &mut Form,
    (query, doors): (&Names, Doors),
) -> Result<Arrived, ApiError> {
    let part = form.file().await?;
    let names = query.with(form);
    let settled = settled_chat(app, parts, &names).await?;
    if let Some(chat) = settled {
        return Ok(Arrived {
            arriving: Arriving::straight(part),
            chat: Some(chat),
            early: None,
        });
    }
    let early = Early::of(app, parts, doors, &names).await?;
    let arriving = Arriving::spilled(app, part, form, &early).await?;
    let names = query.with(form);
    let chat = match names.session_id {
        Some(_) => Some(chat_of(app, parts, &names).await?),
        None => None,
    };
    Ok(Arrived {
        arriving,
        chat,
        early: Some(early),
    })
}
