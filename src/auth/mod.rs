//! Who somebody is: tokens of the host application become a [`Principal`].
//!
//! Owns: the keys, the rules of a valid token, and minting tokens for trying the server out.
//!
//! Invariants:
//! 1. A [`Verified`] exists only behind a checked HS256 signature and a checked time; handlers take
//!    the company and the person from it and from nowhere else.
//! 2. The algorithm is ours to choose, never the token's: `none` and public-key algorithms are
//!    refused before any key is looked at.
//! 3. Time comes in as a parameter.
//! 4. No error, log line or `Debug` shows a token or a key.
//!
//! Never: knows which companies exist, whether somebody was revoked, or what a role may do.

mod carry;
mod claims;
mod error;
pub mod passwords;
mod random;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::limits::TOKEN_BYTES_MAX;
use frontdesk_protocol::{CompanyId, PersonId, Timestamp};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;

use crate::config;
use crate::object::Object;
use claims::Claims;

pub use carry::{
    from_authorization, from_query, from_subprotocols, redact_subprotocols, redact_uri,
};
pub use error::AuthError;

/// Proof that a token was checked: nothing but [`Authenticator::verify`] makes one.
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

/// Checks tokens. Keys are prepared once; checking one costs a hash and two small JSON texts.
pub struct Authenticator {
    secret: Option<DecodingKey>,
    keys: BTreeMap<String, DecodingKey>,
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
    /// Prepares the keys of the settings. Without any, every token is refused.
    pub fn new(settings: &config::Auth) -> Self {
        let decoding =
            |secret: &config::Secret| DecodingKey::from_secret(secret.expose().as_bytes());
        let keys = settings.keys.iter();
        Self {
            secret: settings.jwt_secret.as_ref().map(decoding),
            keys: keys
                .map(|(kid, secret)| (kid.clone(), decoding(secret)))
                .collect(),
            signing: signing(settings),
            default_company: settings.default_company.clone(),
            leeway_ms: settings.leeway_s.saturating_mul(1_000),
        }
    }

    /// Whether any token can be believed at all.
    pub fn has_keys(&self) -> bool {
        self.secret.is_some() || !self.keys.is_empty()
    }

    /// Checks a token at a time. Whether its company exists is for the caller to find out.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(unreadable)?;
        if header.alg != Algorithm::HS256 {
            return Err(AuthError::Algorithm);
        }
        // RFC 7515 section 4.1.11: what is marked critical and not understood is refused.
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        let key = self.key(header.kid.as_deref())?;
        let (message, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let signed =
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256);
        match signed {
            Ok(true) => {}
            Ok(false) => return Err(AuthError::Signature),
            Err(_) => return Err(AuthError::Malformed),
        }
        // The library's own checks read the clock and refuse claims that hosts do write.
        let claims = insecure_decode_claims::<Object<Claims>>(token);
        let Object(claims) = claims.map_err(unreadable)?;
        self.believe(&claims, now)
    }

    /// The key a token names in its header; one that names no known key is checked with
    /// `auth.jwt_secret`. Without that, a token without `kid` is checked only if there is no
    /// choice.
    fn key(&self, kid: Option<&str>) -> Result<&DecodingKey, AuthError> {
        let named = kid.and_then(|kid| self.keys.get(kid));
        let only = || match kid {
            None if self.keys.len() == 1 => self.keys.values().next(),
            _ => None,
        };
        let found = named.or(self.secret.as_ref()).or_else(only);
        found.ok_or(AuthError::UnknownKey)
    }

    fn believe(&self, claims: &Claims, now: Timestamp) -> Result<Verified, AuthError> {
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
        let person = claims.person()?;
        let company = claims.company()?.or_else(|| self.default_company.clone());
        let principal = Principal {
            company: company.ok_or(AuthError::NoCompany)?,
            person,
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

fn unreadable(error: jsonwebtoken::errors::Error) -> AuthError {
    match error.kind() {
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => AuthError::Algorithm,
        _ => AuthError::Malformed,
    }
}
