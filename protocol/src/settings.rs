//! What a company may set for itself: how its visitors are received, who may ask on their behalf,
//! what it accepts.
//!
//! Invariants: a setting that is absent has the default of the installation, so a row of an older
//! build reads as what that build did.
//! Never: holds a password; the keys in it are the company's host's, and are shown to nobody.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// The key id in tokens of this server itself; no host's key may be called so.
pub const OWN_KEY_ID: &str = "frontdesk";

/// The language of a company that names none.
pub const LANGUAGE_DEFAULT: &str = "en";

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
    /// Days after which a chat that nobody has or waits for, and in which nothing happened, is
    /// forgotten; `None` is never.
    pub retention_days: Option<u32>,
    /// The host's keys by their id. Where there are any, no other key counts for the company.
    pub host_keys: BTreeMap<String, SharedSecret>,
    /// What the host signs visitors' ids with; without it no visitor has an identity from a host.
    pub visitor_secret: Option<SharedSecret>,
}

impl CompanySettings {
    /// The language of a visitor who names none.
    pub fn language_or_default(&self) -> &str {
        match &*self.language {
            "" => LANGUAGE_DEFAULT,
            language => language,
        }
    }
}

/// What changes in the settings of a company. What is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsChange {
    /// Another language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Arc<str>>,
    /// Another form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<FormChoice>,
    /// Whether no bot answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_without_bot: Option<bool>,
    /// All origins there are from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origins: Option<Vec<Arc<str>>>,
    /// Whether a chat's id is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legacy_anonymous: Option<bool>,
    /// Whether visitors may talk on a socket only while a person has the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_socket_strict: Option<bool>,
    /// All types of files there are from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_types: Option<Vec<Arc<str>>>,
    /// Another limit, or none.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub file_bytes_max: Option<Option<u64>>,
    /// Whether links to files never expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub are_links_permanent: Option<bool>,
    /// Another number of days, or none.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<Option<u32>>,
    /// Keys by their id that are set, or taken away; the others stay.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub host_keys: BTreeMap<String, Option<SharedSecret>>,
    /// Another secret, or none.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub visitor_secret: Option<Option<SharedSecret>>,
}

/// A field that is there and holds nothing takes something away; only an absent one says nothing.
fn said<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl SettingsChange {
    /// The settings with this changed.
    #[must_use]
    pub fn applied_to(&self, older: &CompanySettings) -> CompanySettings {
        fn or<T: Clone>(new: &Option<T>, old: &T) -> T {
            new.as_ref().unwrap_or(old).clone()
        }
        let mut host_keys = older.host_keys.clone();
        for (kid, secret) in &self.host_keys {
            match secret {
                Some(secret) => host_keys.insert(kid.clone(), secret.clone()),
                None => host_keys.remove(kid),
            };
        }
        CompanySettings {
            language: or(&self.language, &older.language),
            form: or(&self.form, &older.form),
            is_without_bot: or(&self.is_without_bot, &older.is_without_bot),
            origins: or(&self.origins, &older.origins),
            legacy_anonymous: or(&self.legacy_anonymous, &older.legacy_anonymous),
            is_socket_strict: or(&self.is_socket_strict, &older.is_socket_strict),
            file_types: or(&self.file_types, &older.file_types),
            file_bytes_max: or(&self.file_bytes_max, &older.file_bytes_max),
            are_links_permanent: or(&self.are_links_permanent, &older.are_links_permanent),
            retention_days: or(&self.retention_days, &older.retention_days),
            host_keys,
            visitor_secret: or(&self.visitor_secret, &older.visitor_secret),
        }
    }
}

impl CompanySettings {
    /// The names of the fields in which two differ: what a log may say of a change.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let fields = [
            ("language", self.language != other.language),
            ("form", self.form != other.form),
            (
                "is_without_bot",
                self.is_without_bot != other.is_without_bot,
            ),
            ("origins", self.origins != other.origins),
            (
                "legacy_anonymous",
                self.legacy_anonymous != other.legacy_anonymous,
            ),
            (
                "is_socket_strict",
                self.is_socket_strict != other.is_socket_strict,
            ),
            ("file_types", self.file_types != other.file_types),
            (
                "file_bytes_max",
                self.file_bytes_max != other.file_bytes_max,
            ),
            (
                "are_links_permanent",
                self.are_links_permanent != other.are_links_permanent,
            ),
            (
                "retention_days",
                self.retention_days != other.retention_days,
            ),
            ("host_keys", self.host_keys != other.host_keys),
            (
                "visitor_secret",
                self.visitor_secret != other.visitor_secret,
            ),
        ];
        let differing = fields.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> CompanySettings {
        CompanySettings {
            language: "ne".into(),
            file_bytes_max: Some(5),
            visitor_secret: Some(SharedSecret::new("hush")),
            host_keys: BTreeMap::from([("a".to_owned(), SharedSecret::new("hush"))]),
            ..CompanySettings::default()
        }
    }

    #[test]
    fn what_is_absent_stays_and_what_holds_nothing_is_taken_away() {
        let nothing: SettingsChange = serde_json::from_str("{}").expect("a change");
        assert_eq!(nothing.applied_to(&settings()), settings());
        let text = r#"{"file_bytes_max":null,"visitor_secret":null,"host_keys":{"a":null}}"#;
        let change: SettingsChange = serde_json::from_str(text).expect("a change");
        let changed = change.applied_to(&settings());
        let differing = changed.differing(&settings());
        assert_eq!(differing, ["file_bytes_max", "host_keys", "visitor_secret"]);
        let bytes = rmp_serde::to_vec_named(&change).expect("encodes");
        let read: SettingsChange = rmp_serde::from_slice(&bytes).expect("decodes");
        assert_eq!(read, change);
    }

    #[test]
    fn nothing_shows_a_secret_while_debugging() {
        let change = SettingsChange {
            visitor_secret: Some(Some(SharedSecret::new("hush"))),
            ..SettingsChange::default()
        };
        assert!(!format!("{:?} {change:?}", settings()).contains("hush"));
    }
}
