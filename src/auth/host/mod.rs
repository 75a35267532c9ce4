//! Keys of host applications: those of the installation, and those of one company.
//!
//! Invariants: a company's keys know whose they are; no key bears the name of our own tokens.
//! Never: shows a key in `Debug`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use frontdesk_protocol::CompanyId;
use jsonwebtoken::DecodingKey;

use crate::auth::error::AuthError;
use crate::auth::own::OWN_NAME;
use crate::config::Secret;

/// Keys by their id, and perhaps one for tokens that name no known one.
#[derive(Default)]
pub(in crate::auth) struct KeyRing {
    secret: Option<DecodingKey>,
    keys: BTreeMap<String, DecodingKey>,
}

impl KeyRing {
    pub(in crate::auth) fn new<'a>(
        secret: Option<&Secret>,
        keys: impl IntoIterator<Item = (&'a String, &'a Secret)>,
    ) -> Self {
        let decoding = |secret: &Secret| DecodingKey::from_secret(secret.expose().as_bytes());
        let keys = keys.into_iter();
        Self {
            secret: secret.map(decoding),
            keys: keys
                .map(|(kid, secret)| (kid.clone(), decoding(secret)))
                .collect(),
        }
    }

    pub(in crate::auth) fn is_empty(&self) -> bool {
        self.secret.is_none() && self.keys.is_empty()
    }

    /// The key a token names in its header; one that names no known key is checked with the
    /// secret. Without that, a token without `kid` is checked only if there is no choice.
    pub(in crate::auth) fn find(&self, kid: Option<&str>) -> Result<&DecodingKey, AuthError> {
        let named = kid.and_then(|kid| self.keys.get(kid));
        let only = || match kid {
            None if self.keys.len() == 1 => self.keys.values().next(),
            _ => None,
        };
        let found = named.or(self.secret.as_ref()).or_else(only);
        found.ok_or(AuthError::UnknownKey)
    }
}

/// Why a company cannot have a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHostKey {
    /// There are no keys at all, or one has no id or no secret.
    #[error("key id or secret is empty")]
    Empty,
    /// Our own tokens name it.
    #[error("key id {OWN_NAME} is this server's own")]
    Reserved,
}

/// The keys that one company's host signs with. Where they exist, no other key counts for it.
pub struct HostKeys {
    company: CompanyId,
    ring: KeyRing,
}

impl HostKeys {
    /// Prepares the keys of a company, each with its id.
    pub fn new(company: CompanyId, keys: &BTreeMap<String, Secret>) -> Result<Self, BadHostKey> {
        let empty =
            |(kid, secret): (&String, &Secret)| kid.is_empty() || secret.expose().is_empty();
        if keys.is_empty() || keys.iter().any(empty) {
            return Err(BadHostKey::Empty);
        }
        if keys.contains_key(OWN_NAME) {
            return Err(BadHostKey::Reserved);
        }
        Ok(Self {
            company,
            ring: KeyRing::new(None, keys),
        })
    }

    /// Whose they are.
    pub fn company(&self) -> &CompanyId {
        &self.company
    }

    pub(in crate::auth) fn ring(&self) -> &KeyRing {
        &self.ring
    }
}

impl fmt::Debug for HostKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostKeys")
            .field("company", &self.company)
            .finish_non_exhaustive()
    }
}
