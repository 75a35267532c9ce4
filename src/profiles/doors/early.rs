//! Who sends a form of which it is not known yet what it is for: what came so far may tell.
//!
//! Invariants: whoever brought a proof is found out, and their upload counted, before a byte of the
//! file is kept; who brought none gets one of the few places that are for such, and no more bytes
//! than the door's clients may send.
//! Never: decides what the form is for; that is asked again when all of it is there.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::settings::CompanySettings;

use super::count;
use super::named::Names;
use crate::app::App;
use crate::http::{ApiError, Peer, Sending};
use crate::identity::visitors::VisitorAsked;
use crate::uploads::{Door, Holder};

/// Which doors a form may turn out to have come in by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doors {
    /// That of people with an account or a host's token.
    pub(super) people: Door,
    /// That of visitors.
    pub(super) visitors: Door,
}

/// See the module's text.
pub(super) struct Early {
    counted: Option<(Arc<Principal>, Door)>,
    pub(super) holder: Holder,
    pub(super) bytes_max: u64,
}

impl Early {
    /// Looks at what came so far, and counts the upload of whoever it proves.
    pub(super) async fn of(
        app: &Arc<App>,
        parts: &mut Parts,
        doors: Doors,
        names: &Names,
    ) -> Result<Self, ApiError> {
        let Peer(address) = Peer::from_request_parts(parts, app).await?;
        let mut counted = None;
        if let Some(who) = somebody(app, parts).await? {
            counted = Some((who, doors.people));
        } else if let Some(who) = visitor(app, parts, names).await? {
            counted = Some((who, doors.visitors));
        }
        if let Some((who, door)) = &counted {
            count(app, who, *door)?;
        }
        let who = counted.as_ref().map(|(who, _)| &**who);
        let settings = settings(app, names.company().as_deref(), who).await?;
        let bytes_max = |door| app.uploads.spill_max(&settings, door);
        Ok(Self {
            holder: Holder::of(who, address),
            // A visitor's form is taken by people too.
            bytes_max: match &counted {
                Some((_, door)) if *door == doors.people => {
                    bytes_max(doors.people).max(bytes_max(doors.visitors))
                }
                _ => bytes_max(doors.visitors),
            },
            counted,
        })
    }

    /// Of somebody who is known, and whose upload was counted.
    pub(super) async fn of_counted(
        app: &Arc<App>,
        (who, door): (&Arc<Principal>, Door),
        company: Option<&str>,
    ) -> Result<Self, ApiError> {
        let settings = settings(app, company, Some(who)).await?;
        let (company, person) = (who.company.clone(), who.person.clone());
        Ok(Self {
            counted: Some((Arc::clone(who), door)),
            holder: Holder::Person(company, person),
            bytes_max: app.uploads.spill_max(&settings, door),
        })
    }

    /// Whether this was counted already.
    pub(super) fn has_counted(&self, who: &Principal, door: Door) -> bool {
        self.counted.as_ref().is_some_and(|(early, of)| {
            (&early.company, &early.person, *of) == (&who.company, &who.person, door)
        })
    }
}

/// Whose token stands in the header or in the agent's cookie. One that does not count here leaves
/// the request to what else may prove it.
async fn somebody(app: &Arc<App>, parts: &mut Parts) -> Result<Option<Arc<Principal>>, ApiError> {
    match Sending::from_request_parts(parts, app).await {
        Ok(Sending(known)) => Ok(Some(known.principal)),
        Err(why) => overlooked(why),
    }
}

/// Which visitor it is, if the company is known.
async fn visitor(
    app: &Arc<App>,
    parts: &Parts,
    names: &Names,
) -> Result<Option<Arc<Principal>>, ApiError> {
    let Some(company) = names.company() else {
        return Ok(None);
    };
    let asked = VisitorAsked {
        token: names.session_token.as_deref(),
        signed: names.signed(),
        ..VisitorAsked::of(&company, &parts.headers, parts.uri.query())
    };
    match app.visitor(&asked).await {
        Ok(visiting) => Ok(visiting.proven()),
        Err(why) => overlooked(why),
    }
}

/// What is wrong with a proof is told when all are there; what is wrong here is told at once.
pub(super) fn overlooked<T>(why: ApiError) -> Result<Option<T>, ApiError> {
    match why.code() {
        ErrorCode::Draining
        | ErrorCode::RateLimited
        | ErrorCode::Busy
        | ErrorCode::Unavailable
        | ErrorCode::Internal => Err(why),
        _ => Ok(None),
    }
}

/// Those of the company that is named, or that somebody is of.
async fn settings(
    app: &Arc<App>,
    named: Option<&str>,
    who: Option<&Principal>,
) -> Result<Arc<CompanySettings>, ApiError> {
    let named = match named.map(|named| app.open_company(named)) {
        Some(named) => named
            .await
            .map(|named| Some(named.id))
            .or_else(overlooked)?,
        None => None,
    };
    let Some(company) = named.or_else(|| who.map(|who| who.company.clone())) else {
        return Ok(Arc::default());
    };
    Ok(app.settings(&company).await?)
}
