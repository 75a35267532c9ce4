//! What a company may set for itself: how its visitors are received, who may ask on their behalf,
//! what it accepts.
//!
//! Invariants: a setting that is absent has the default of the installation, so a row of an older
//! build reads as what that build did.
//! Never: holds a password; the keys in it are the company's host's, and are shown to nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A secret that a company shares with its host. Its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SharedSecret(Arc<str>);

impl SharedSecret {
    /// A secret of this text.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The secret, for checking a signature and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret")
    }
}

/// What a visitor is asked before anyone talks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormChoice {
    /// The built-in form: name, country code, phone, e-mail, address.
    #[default]
    Profile,
    /// Nothing.
    Off,
    /// A form of the company's own, as checked JSON text.
    Own(Arc<str>),
}

/// The settings of a company.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompanySettings {
    /// Language of a visitor who names none, as a lower-case tag; empty is `en`.
    pub language: Arc<str>,
    /// What a visitor is asked first.
    pub form: FormChoice,
    /// No bot answers visitors: what they say waits for a person.
    pub is_without_bot: bool,
    /// Pages of these origins may use cookies and read answers; empty is any page with a token.
    pub origins: Vec<Arc<str>>,
    /// Visitors of old clients are who they say they are: their chat's id is enough.
    pub legacy_anonymous: bool,
    /// Visitors may talk on a socket only while a person has the chat.
    pub is_socket_strict: bool,
    /// MIME types of files that are accepted; empty is the client's documented list.
    pub file_types: Vec<Arc<str>>,
    /// The largest file, bytes; `None` is the client's documented limit.
    pub file_bytes_max: Option<u64>,
    /// Links to files never expire.
    pub are_links_permanent: bool,
    /// Days after which a resolved chat is forgotten; `None` is never.
    pub retention_days: Option<u32>,
    /// The host's keys by their id. Where there are any, no other key counts for the company.
    pub host_keys: BTreeMap<String, SharedSecret>,
    /// What the host signs visitors' ids with; without it no visitor has an identity from a host.
    pub visitor_secret: Option<SharedSecret>,
}
