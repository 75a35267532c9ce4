//! Who somebody is: tokens of host applications become a [`Principal`]; beside them, what accounts
//! of the installation itself need: passwords ([`passwords`]) and tokens of its own ([`own`]).
//!
//! Owns: the keys, the rules of a valid token, and minting tokens for trying the server out.
//!
//! Invariants:
//! 1. A [`Verified`] exists only behind a checked HS256 signature and a checked time; handlers take
//!    the company and the person from it and from nowhere else.
//! 2. The algorithm is ours to choose, never the token's: `none` and public-key algorithms are
//!    refused before any key is looked at.
//! 3. What a company's own key signed speaks for that company only, and where a company has keys of
//!    its own, nothing else speaks for it.
//! 4. No host's token makes its bearer one of our accounts or visitors, a bot, or one who runs the
//!    installation.
//! 5. Time comes in as a parameter.
//! 6. No error, log line or `Debug` shows a token or a key.
//!
//! Never: knows which companies exist, whether somebody was revoked, or what a role may do.

mod carry;
mod claims;
mod error;
mod host;
pub mod own;
pub mod passwords;
mod random;
mod signature;
#[cfg(test)]
mod tests;
mod visitors;

use std::fmt;
use std::sync::Arc;

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::{CompanyId, PersonId, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::config;
use claims::Claims;
use host::KeyRing;

pub use carry::{
    from_authorization, from_query, from_subprotocols, redact_subprotocols, redact_uri,
};
pub use error::AuthError;
pub use host::{BadHostKey, HostKeys};
pub use visitors::is_signed_id;

/// Proof that a token was checked: nothing but [`Authenticator`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    principal: Arc<Principal>,
    expires_at: Timestamp,
    accepted_until: Timestamp,
    issued_at: Option<Timestamp>,
    token_id: Option<Arc<str>>,
}

impl Verified {
    /// Who speaks, and for which company.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// The token's own end, for the client to refresh before.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The end with the leeway for clocks: from here on the same token is refused.
    pub fn accepted_until(&self) -> Timestamp {
        self.accepted_until
    }

    /// When it was made, if it says so; revocation compares it.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// The token's own name (`jti`), if it has one; revocation compares it.
    pub fn token_id(&self) -> Option<&Arc<str>> {
        self.token_id.as_ref()
    }
}

/// What a host's token says, of which nothing is believed yet but that it can be checked. Its
/// company tells whose keys check it.
pub struct Claimed<'a> {
    token: &'a str,
    kid: Option<String>,
    claims: Claims,
    company: CompanyId,
    is_named: bool,
}

impl Claimed<'_> {
    /// The company it would speak for: only to look up whether that has keys of its own.
    pub fn company(&self) -> &CompanyId {
        &self.company
    }
}

impl fmt::Debug for Claimed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed").finish_non_exhaustive()
    }
}

/// Checks tokens. Keys are prepared once; checking one costs a hash and two small JSON texts.
pub struct Authenticator {
    ring: KeyRing,
    signing: Option<Signing>,
    default_company: Option<CompanyId>,
    leeway_ms: u64,
}

struct Signing {
    kid: Option<String>,
    key: EncodingKey,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("default_company", &self.default_company)
            .field("leeway_ms", &self.leeway_ms)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Prepares the keys of the settings. Without any, every token is refused that no company's
    /// own key checks.
    pub fn new(settings: &config::Auth) -> Self {
        Self {
            ring: KeyRing::new(settings.jwt_secret.as_ref(), &settings.keys),
            signing: signing(settings),
            default_company: settings.default_company.clone(),
            leeway_ms: settings.leeway_s.saturating_mul(1_000),
        }
    }

    /// Whether any token can be believed at all.
    pub fn has_keys(&self) -> bool {
        !self.ring.is_empty()
    }

    /// Checks a token at a time, where no company has keys of its own. Whether its company exists
    /// is for the caller to find out.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, AuthError> {
        let claimed = self.claimed(token)?;
        self.verify_claimed(&claimed, None, now)
    }

    /// Reads a token of a host, so that the keys of its company can be looked up.
    pub fn claimed<'a>(&self, token: &'a str) -> Result<Claimed<'a>, AuthError> {
        let header = signature::header(token)?;
        if header.kid.as_deref() == Some(own::OWN_NAME) {
            return Err(AuthError::OwnToken);
        }
        let claims: Claims = signature::claims(token)?;
        if claims.is_own() {
            return Err(AuthError::OwnToken);
        }
        let named = claims.company()?;
        let is_named = named.is_some();
        let company = named.or_else(|| self.default_company.clone());
        Ok(Claimed {
            token,
            kid: header.kid,
            claims,
            company: company.ok_or(AuthError::NoCompany)?,
            is_named,
        })
    }

    /// Checks what was claimed: with the keys of its company, if that has any, and then with no
    /// others; else with those of the installation. Keys of another company check nothing.
    pub fn verify_claimed(
        &self,
        claimed: &Claimed<'_>,
        own_keys: Option<&HostKeys>,
        now: Timestamp,
    ) -> Result<Verified, AuthError> {
        let ring = match own_keys {
            None => &self.ring,
            Some(keys) if *keys.company() != claimed.company => return Err(AuthError::UnknownKey),
            // The default is the installation's to give, not a company's.
            Some(_) if !claimed.is_named => return Err(AuthError::NoCompany),
            Some(keys) => keys.ring(),
        };
        let key = ring.find(claimed.kid.as_deref())?;
        signature::check(claimed.token, key)?;
        self.believe(claimed, now)
    }

    fn believe(&self, claimed: &Claimed<'_>, now: Timestamp) -> Result<Verified, AuthError> {
        let claims = &claimed.claims;
        if claims.is_refresh() {
            return Err(AuthError::RefreshToken);
        }
        let expires_at = claims.expires_at()?;
        let accepted_until = Timestamp(expires_at.0.saturating_add(self.leeway_ms));
        if now >= accepted_until {
            return Err(AuthError::Expired);
        }
        let valid_from = claims.valid_from()?.unwrap_or_default();
        if now.0.saturating_add(self.leeway_ms) < valid_from.0 {
            return Err(AuthError::NotYetValid);
        }
        let principal = Principal {
            company: claimed.company.clone(),
            person: claims.person()?,
            role: claims.role(),
            card: claims.card(),
        };
        Ok(Verified {
            principal: Arc::new(principal),
            expires_at,
            accepted_until,
            issued_at: claims.issued_at()?,
            token_id: claims.token_id(),
        })
    }

    /// Makes a token as a host application would, for trying the server out.
    pub fn mint(&self, grant: &Grant, now: Timestamp) -> Result<String, AuthError> {
        let signing = self.signing.as_ref().ok_or(AuthError::UnknownKey)?;
        let header = Header {
            kid: signing.kid.clone(),
            ..Header::new(Algorithm::HS256)
        };
        let issued_s = now.0 / 1_000;
        let claims = MintedClaims {
            user_id: grant.person.as_str(),
            company_id: grant.company.as_str(),
            role: grant.role.as_str(),
            email: grant.card.email.as_deref(),
            full_name: grant.card.name.as_deref(),
            user_type: grant.card.user_type.as_deref(),
            profile_picture_url: grant.card.picture_url.as_deref(),
            iat: issued_s,
            exp: issued_s.saturating_add(grant.ttl_s),
        };
        jsonwebtoken::encode(&header, &claims, &signing.key).map_err(|_| AuthError::Malformed)
    }
}

/// What a minted token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// For which company.
    pub company: CompanyId,
    /// For whom.
    pub person: PersonId,
    /// As what.
    pub role: Role,
    /// What is known of them.
    pub card: Card,
    /// For how long, seconds.
    pub ttl_s: u64,
}

#[derive(Serialize)]
struct MintedClaims<'a> {
    user_id: &'a str,
    company_id: &'a str,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_picture_url: Option<&'a str>,
    iat: u64,
    exp: u64,
}

/// `auth.jwt_secret`, or the last of `auth.keys`: key ids that carry a date sort the newest there.
fn signing(settings: &config::Auth) -> Option<Signing> {
    let encoding = |secret: &config::Secret| EncodingKey::from_secret(secret.expose().as_bytes());
    let plain = settings.jwt_secret.as_ref().map(|secret| Signing {
        kid: None,
        key: encoding(secret),
    });
    let newest = || {
        let (kid, secret) = settings.keys.last_key_value()?;
        Some(Signing {
            kid: Some(kid.clone()),
            key: encoding(secret),
        })
    };
    plain.or_else(newest)
}
