//! Tokens that this installation signs itself, for its accounts and their visitors.
//!
//! Owns: the installation's key and what is derived from it: a key for access tokens, one for
//! refresh tokens, one for visitors, one for the tickets of uploads, one for names, one for links
//! to files.
//!
//! Invariants:
//! 1. [`OwnAccess`], [`OwnRefresh`], [`OwnVisitor`] and [`OwnUpload`] exist only behind a signature
//!    that was checked with the key of their kind, so none is ever taken for another.
//! 2. Nothing that a host signs is one of ours, and nothing of ours is a host's: ours name the key
//!    [`OWN_NAME`] and the issuer [`OWN_NAME`], which hosts may not.
//! 3. Everything in the claims is ours, so whatever is missing or of another shape is refused.
//! 4. Time and ids come in as parameters.
//! 5. No error, log line or `Debug` shows a token or a key.
//!
//! Never: knows whether an account exists, a family was revoked or a token was used before.

mod claims;
mod links;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use frontdesk_protocol::command::Role;
use frontdesk_protocol::{CompanyId, PersonId, Timestamp, UploadId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AuthError, random, signature};
pub(crate) use links::LinkKey;

use claims::{AccessClaims, RefreshClaims, UploadClaims, VisitorClaims};

/// The key id and the issuer in our own tokens; no host's key may be called so.
pub const OWN_NAME: &str = frontdesk_protocol::settings::OWN_KEY_ID;
/// How long an access token is good for, seconds: a working day and the night after it.
pub const ACCESS_TTL_S: u64 = 24 * 60 * 60;
/// How long a refresh token is good for, seconds: a week without logging in.
pub const REFRESH_TTL_S: u64 = 7 * 24 * 60 * 60;
/// Length of the installation's key, bytes: what HS256 can make use of.
pub const OWN_KEY_BYTES: usize = 32;

/// What an account may be, in the words of existing clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AccountRole {
    /// Runs the installation, in no company.
    Superadmin,
    /// Runs a company.
    Admin,
    /// Answers a company's visitors.
    Agent,
}

impl From<AccountRole> for Role {
    fn from(role: AccountRole) -> Self {
        match role {
            AccountRole::Superadmin => Role::Superadmin,
            AccountRole::Admin => Role::Admin,
            AccountRole::Agent => Role::Agent,
        }
    }
}

/// What an access token is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessGrant {
    /// The account's company; `None` for those who run the installation.
    pub company: Option<CompanyId>,
    /// The account.
    pub account: u64,
    /// What it may do: a superadmin without a company; an admin or an agent with one.
    pub role: AccountRole,
    /// To show.
    pub email: Arc<str>,
    /// To show.
    pub name: Arc<str>,
    /// The login that this descends from.
    pub family: Uuid,
    /// The token's own name.
    pub token_id: Uuid,
}

/// What a refresh token is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshGrant {
    /// The account's company; `None` for those who run the installation.
    pub company: Option<CompanyId>,
    /// The account.
    pub account: u64,
    /// The login that this descends from.
    pub family: Uuid,
    /// The token's own name: it is used once.
    pub token_id: Uuid,
}

/// What a visitor's capability is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorGrant {
    /// The company visited.
    pub company: CompanyId,
    /// The chat, as the widget names it.
    pub chat_id: Arc<str>,
    /// Who the visitor is in it.
    pub person: PersonId,
    /// For how long, seconds.
    pub ttl_s: u64,
}

/// What the ticket of an upload is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadGrant {
    /// The company.
    pub company: CompanyId,
    /// Whose upload it is.
    pub person: PersonId,
    /// Which.
    pub upload: UploadId,
    /// When the upload ends, and the ticket with it.
    pub expires_at: Timestamp,
}

/// What was checked of any own token, beside its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    issued_at: Timestamp,
    expires_at: Timestamp,
    accepted_until: Timestamp,
}

macro_rules! proof {
    ($(#[$doc:meta])* $name:ident, $grant:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            grant: $grant,
            times: Times,
        }

        impl $name {
            /// What was granted.
            pub fn grant(&self) -> &$grant {
                &self.grant
            }

            /// When it was made; revocation compares it.
            pub fn issued_at(&self) -> Timestamp {
                self.times.issued_at
            }

            /// Its own end.
            pub fn expires_at(&self) -> Timestamp {
                self.times.expires_at
            }

            /// The end with the leeway for clocks: from here on it is refused.
            pub fn accepted_until(&self) -> Timestamp {
                self.times.accepted_until
            }
        }
    };
}

proof! {
    /// Proof that an access token was checked: nothing but [`OwnKeys::verify_access`] makes one.
    OwnAccess, AccessGrant
}
proof! {
    /// Proof that a refresh token was checked: nothing but [`OwnKeys::verify_refresh`] makes one.
    OwnRefresh, RefreshGrant
}
proof! {
    /// Proof that a capability was checked: nothing but [`OwnKeys::verify_visitor`] makes one.
    OwnVisitor, VisitorGrant
}
proof! {
    /// Proof that a ticket was checked: nothing but [`OwnKeys::verify_upload`] makes one.
    OwnUpload, UploadGrant
}

/// Whether a token says that it is one of ours. Nothing is checked: it tells who is to check it.
pub fn is_own(token: &str) -> bool {
    let header = signature::header(token);
    header.is_ok_and(|header| header.kid.as_deref() == Some(OWN_NAME))
}

/// The company and the chat that a capability says it is for, whoever signed it: to find that it
/// contradicts a request, never to believe it.
pub fn claimed_chat(token: &str) -> Option<(CompanyId, Arc<str>)> {
    signature::header(token).ok()?;
    let claims: VisitorClaims = signature::claims(token).ok()?;
    let grant = claims.grant();
    Some((grant.company, grant.chat_id))
}

/// Signs and checks our own tokens.
pub struct OwnKeys {
    access: Pair,
    refresh: Pair,
    visitor: Pair,
    upload: Pair,
    /// For names, not for tokens.
    first: Pair,
    links: LinkKey,
    leeway_ms: u64,
}

impl fmt::Debug for OwnKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnKeys")
            .field("leeway_ms", &self.leeway_ms)
            .finish_non_exhaustive()
    }
}

/// The two forms of one derived key.
struct Pair {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Pair {
    /// HMAC-SHA256 of the label under the installation's key, which HKDF would do just so for one
    /// block. Labels are for ever: another label makes every token of its kind invalid.
    fn derived(master: &EncodingKey, label: &str) -> Self {
        let text = jsonwebtoken::crypto::sign(label.as_bytes(), master, Algorithm::HS256)
            .expect("HS256 takes a key of any length");
        Self {
            encoding: EncodingKey::from_secret(text.as_bytes()),
            decoding: DecodingKey::from_secret(text.as_bytes()),
        }
    }
}

impl OwnKeys {
    /// A new key for an installation, to be kept where its accounts are.
    pub fn generate() -> [u8; OWN_KEY_BYTES] {
        random::bytes()
    }

    /// Prepares the keys of an installation. `leeway_s` is what clocks may differ by.
    pub fn from_bytes(key: &[u8; OWN_KEY_BYTES], leeway_s: u64) -> Self {
        let master = EncodingKey::from_secret(key);
        Self {
            access: Pair::derived(&master, "frontdesk access token 1"),
            refresh: Pair::derived(&master, "frontdesk refresh token 1"),
            visitor: Pair::derived(&master, "frontdesk visitor capability 1"),
            upload: Pair::derived(&master, "frontdesk upload ticket 1"),
            first: Pair::derived(&master, "frontdesk first message 1"),
            links: LinkKey::new(Pair::derived(&master, "frontdesk file link 1")),
            leeway_ms: leeway_s.saturating_mul(1_000),
        }
    }

    /// An access token, good for [`ACCESS_TTL_S`].
    pub fn sign_access(&self, grant: &AccessGrant, now: Timestamp) -> String {
        sign(&self.access, &AccessClaims::new(grant, now))
    }

    /// A refresh token, good for [`REFRESH_TTL_S`].
    pub fn sign_refresh(&self, grant: &RefreshGrant, now: Timestamp) -> String {
        sign(&self.refresh, &RefreshClaims::new(grant, now))
    }

    /// A visitor's capability, good for what was granted.
    pub fn sign_visitor(&self, grant: &VisitorGrant, now: Timestamp) -> String {
        sign(&self.visitor, &VisitorClaims::new(grant, now))
    }

    /// The ticket of an upload, good for as long as that.
    pub fn sign_upload(&self, grant: &UploadGrant, now: Timestamp) -> String {
        sign(&self.upload, &UploadClaims::new(grant, now))
    }

    /// Checks an access token at a time.
    pub fn verify_access(&self, token: &str, now: Timestamp) -> Result<OwnAccess, AuthError> {
        let claims: AccessClaims = match believed(&self.access, token) {
            // Said plainly, because clients do mix the two up.
            Err(AuthError::Signature)
                if signature::check(token, &self.refresh.decoding).is_ok() =>
            {
                return Err(AuthError::RefreshToken);
            }
            other => other?,
        };
        let times = self.times(claims.iat, claims.exp, now)?;
        let grant = claims.grant()?;
        Ok(OwnAccess { grant, times })
    }

    /// Checks a refresh token at a time. Whether it was used before is for its family to know.
    pub fn verify_refresh(&self, token: &str, now: Timestamp) -> Result<OwnRefresh, AuthError> {
        let claims: RefreshClaims = believed(&self.refresh, token)?;
        let times = self.times(claims.iat, claims.exp, now)?;
        let grant = claims.grant();
        Ok(OwnRefresh { grant, times })
    }

    /// Checks a visitor's capability at a time.
    pub fn verify_visitor(&self, token: &str, now: Timestamp) -> Result<OwnVisitor, AuthError> {
        let claims: VisitorClaims = believed(&self.visitor, token)?;
        let times = self.times(claims.iat, claims.exp, now)?;
        let grant = claims.grant();
        Ok(OwnVisitor { grant, times })
    }

    /// Checks the ticket of an upload at a time.
    pub fn verify_upload(&self, token: &str, now: Timestamp) -> Result<OwnUpload, AuthError> {
        let claims: UploadClaims = believed(&self.upload, token)?;
        let times = self.times(claims.iat, claims.exp, now)?;
        let grant = claims.grant();
        Ok(OwnUpload { grant, times })
    }

    /// A name that nobody without the installation's key finds, the same for the same text: what a
    /// visitor's first request is called that has nothing but a key of its own.
    pub fn name_of(&self, text: &[u8]) -> Uuid {
        let mac = jsonwebtoken::crypto::sign(text, &self.first.encoding, Algorithm::HS256)
            .expect("HS256 takes a text of any length");
        Uuid::new_v5(&Uuid::NAMESPACE_OID, mac.as_bytes())
    }

    /// What links to files are signed with.
    pub(crate) fn links(&self) -> LinkKey {
        self.links.clone()
    }

    fn times(&self, iat: u64, exp: u64, now: Timestamp) -> Result<Times, AuthError> {
        let expires_at = Timestamp(exp.saturating_mul(1_000));
        let accepted_until = Timestamp(expires_at.0.saturating_add(self.leeway_ms));
        match now < accepted_until {
            true => Ok(Times {
                issued_at: Timestamp(iat.saturating_mul(1_000)),
                expires_at,
                accepted_until,
            }),
            false => Err(AuthError::Expired),
        }
    }
}

fn sign<C: Serialize>(pair: &Pair, claims: &C) -> String {
    let header = Header {
        kid: Some(OWN_NAME.to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    jsonwebtoken::encode(&header, claims, &pair.encoding)
        .expect("claims of texts and numbers can be signed with HS256")
}

/// The claims behind a signature of the kind's key.
fn believed<C: DeserializeOwned>(pair: &Pair, token: &str) -> Result<C, AuthError> {
    let header = signature::header(token)?;
    if header.kid.as_deref() != Some(OWN_NAME) {
        return Err(AuthError::UnknownKey);
    }
    signature::check(token, &pair.decoding)?;
    signature::claims(token)
}
