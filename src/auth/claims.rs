//! What host applications write into their tokens, in all the shapes they use.
//!
//! Invariants: whatever decides who somebody is (`user_id`, `sub`, `company_id`, `exp`, `nbf`) is
//! strict; whatever is only shown (name, picture) is dropped when it has the wrong shape. A role
//! that is not understood is the least one.
//! Never: looks at a signature or a clock.

use std::sync::Arc;

use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::limits::CARD_FIELD_BYTES_MAX;
use frontdesk_protocol::{CompanyId, PersonId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::error::AuthError;
use super::own::OWN_NAME;

/// How ids of our own accounts and visitors begin. No host's token makes its bearer one of them.
const OWN_PREFIXES: [&str; 2] = ["agent:", "visitor:"];

/// 9999-12-31T23:59:59Z. "Never" is written as any large number; clients read times as doubles.
const TIME_MS_MAX: u64 = 253_402_300_799_000;

/// A token's claims as they stand in it; unknown ones are passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Claims {
    iss: Option<Value>,
    user_id: Option<Value>,
    sub: Option<Value>,
    company_id: Option<Value>,
    role: Option<Value>,
    email: Option<Value>,
    full_name: Option<Value>,
    name: Option<Value>,
    user_type: Option<Value>,
    profile_picture_url: Option<Value>,
    token_type: Option<Value>,
    jti: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
}

impl Claims {
    /// Who it speaks for: `user_id`, or `sub` where that is missing. `5` and `"5"` are one person.
    pub(super) fn person(&self) -> Result<PersonId, AuthError> {
        let (claim, value) = match &self.user_id {
            Some(value) => ("user_id", value),
            None => ("sub", self.sub.as_ref().ok_or(AuthError::Claim("user_id"))?),
        };
        let text = id_text(value).ok_or(AuthError::Claim(claim))?;
        let person = PersonId::new(&text).map_err(|_| AuthError::Claim(claim))?;
        let is_own = |prefix: &&str| person.as_str().starts_with(prefix);
        // Nobody's token makes them a bot.
        match person.is_bot() || OWN_PREFIXES.iter().any(is_own) {
            true => Err(AuthError::Claim(claim)),
            false => Ok(person),
        }
    }

    /// Its company; `None` when it names none.
    pub(super) fn company(&self) -> Result<Option<CompanyId>, AuthError> {
        let Some(value) = &self.company_id else {
            return Ok(None);
        };
        match id_text(value).ok_or(AuthError::Claim("company_id"))? {
            text if text.is_empty() => Ok(None),
            text => CompanyId::new(&text)
                .map(Some)
                .map_err(|_| AuthError::Claim("company_id")),
        }
    }

    /// What it may do at most. Nobody's token makes them a bot: such a role is not understood. Who
    /// runs the installation is not for a host to say: theirs run their company.
    pub(super) fn role(&self) -> Role {
        let named = self.role.as_ref().and_then(Value::as_str);
        match named.and_then(Role::parse) {
            Some(Role::Superadmin | Role::Admin) => Role::Admin,
            Some(Role::Agent) => Role::Agent,
            Some(Role::Visitor | Role::Bot) | None => Role::Visitor,
        }
    }

    /// Whether it says to be signed by this server, which no host does.
    pub(super) fn is_own(&self) -> bool {
        self.iss.as_ref().and_then(Value::as_str) == Some(OWN_NAME)
    }

    pub(super) fn card(&self) -> Card {
        Card {
            name: card_text(&self.full_name).or_else(|| card_text(&self.name)),
            email: card_text(&self.email),
            user_type: card_text(&self.user_type),
            picture_url: card_text(&self.profile_picture_url),
        }
    }

    /// Whether it may only be exchanged for an access token.
    pub(super) fn is_refresh(&self) -> bool {
        self.token_type.as_ref().and_then(Value::as_str) == Some("refresh")
    }

    pub(super) fn token_id(&self) -> Option<Arc<str>> {
        card_text(&self.jti)
    }

    pub(super) fn expires_at(&self) -> Result<Timestamp, AuthError> {
        time(&self.exp, "exp")?.ok_or(AuthError::Claim("exp"))
    }

    pub(super) fn valid_from(&self) -> Result<Option<Timestamp>, AuthError> {
        time(&self.nbf, "nbf")
    }

    pub(super) fn issued_at(&self) -> Result<Option<Timestamp>, AuthError> {
        time(&self.iat, "iat")
    }
}

/// An id written as whole number or text.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Text to show; empty, overlong or of another type is unknown.
fn card_text(value: &Option<Value>) -> Option<Arc<str>> {
    let text = value.as_ref().and_then(Value::as_str)?;
    let fits = !text.is_empty() && text.len() <= CARD_FIELD_BYTES_MAX;
    fits.then(|| Arc::from(text))
}

/// A NumericDate: seconds since 1970, with or without a fraction.
fn time(value: &Option<Value>, claim: &'static str) -> Result<Option<Timestamp>, AuthError> {
    let Some(value) = value else {
        return Ok(None);
    };
    let whole = value.as_u64().map(|seconds| seconds.saturating_mul(1_000));
    // The cast saturates, and a negative time has no meaning here.
    let parts = || {
        let seconds = value.as_f64().filter(|seconds| *seconds >= 0.0);
        seconds.map(|seconds| (seconds * 1_000.0) as u64)
    };
    let millis = whole.or_else(parts).ok_or(AuthError::Claim(claim))?;
    Ok(Some(Timestamp(millis.min(TIME_MS_MAX))))
}
