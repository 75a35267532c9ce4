//! The settings of a node, and where each came from.
//!
//! Owns: [`Config`], the one tree of settings, and how it is put together:
//! defaults < TOML file (`--config`) < environment (`FRONTDESK_SECTION__KEY`) < flags.
//!
//! Invariants:
//! 1. A key that no setting has is an error wherever it stands; it is never ignored.
//! 2. Every error names the key and the line, variable or flag it came from.
//! 3. Text that looks like a number stays text: secrets, company ids and key ids keep their zeros.
//! 4. A secret is never printed, neither by `Debug`, nor by an error, nor by `frontdesk config`.
//!
//! Never: changes after the start of the node, or reads the clock or the network.

mod error;
mod files;
mod keys;
mod layers;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::Value;
use figment::{Figment, Profile};

pub use error::{Error, Problem};
pub use files::{FileStore, Files, S3, ScanPolicy};
pub use layers::Flags;
pub use secret::{MASK, Secret};
pub use settings::{
    Auth, Bus, ChatSocket, Config, ENGINE_DEFAULT, Limits, LogFormat, Profiles, Provision,
    RestStyle, Server, Storage, Superadmin, Telemetry,
};

/// Where settings are looked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file; must exist when it is named.
    pub file: Option<PathBuf>,
    /// Variables; those that are not settings are passed over.
    pub variables: Vec<(OsString, OsString)>,
    /// What the command line sets.
    pub flags: Flags,
}

impl Sources {
    /// A file, the environment of this program, and flags.
    pub fn of_program(file: Option<PathBuf>, flags: Flags) -> Self {
        Self {
            file,
            variables: std::env::vars_os().collect(),
            flags,
        }
    }
}

/// One setting as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// `section.name`; members of a table as `section.name."member"`.
    pub key: String,
    /// As TOML writes it; `***` for a secret; `None` when it is not set.
    pub value: Option<String>,
    /// `default`, `file F:LINE`, `env NAME` or `flag --NAME`.
    pub origin: String,
}

/// Settings that passed every check, with their origins.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Each with its origin, in the order of the documentation.
    pub effective: Vec<Effective>,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Effective { key, value, origin } in &self.effective {
            match value {
                Some(value) => writeln!(f, "{key} = {value}  # {origin}")?,
                None => writeln!(f, "# {key} is not set  # {origin}")?,
            }
        }
        Ok(())
    }
}

/// Puts the layers together and checks the outcome.
pub fn load(sources: &Sources) -> Result<Loaded, Error> {
    let mut problems = Vec::new();
    let defaults = Serialized::defaults(Config::default());
    let mut figment = Figment::from(defaults);
    if let Some(path) = &sources.file {
        figment = figment.merge(layers::file(path, &mut problems));
    }
    figment = figment
        .merge(layers::env(&sources.variables, &mut problems))
        .merge(layers::flags(&sources.flags));
    let config = match figment.extract::<Config>() {
        Ok(config) => Some(config),
        Err(errors) => {
            problems.extend(errors.into_iter().map(unreadable));
            None
        }
    };
    let findings = config.as_ref().map(validate::check).unwrap_or_default();
    problems.extend(findings.into_iter().map(|(key, why)| Problem {
        key: key.to_owned(),
        origin: origin(&figment, key),
        why,
    }));
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded {
            config,
            effective: effective(&figment),
        }),
        _ => Err(Error { problems }),
    }
}

/// A value that its setting cannot hold.
fn unreadable(error: figment::Error) -> Problem {
    let path = error.path.join(".");
    let setting = keys::setting_of(&path);
    let secret = setting.is_some_and(|key| key.secret);
    let setting = setting.map_or(&*path, |key| key.path);
    let origin = match &error.metadata {
        Some(metadata) => metadata.interpolate(&Profile::Default, &setting_path(setting)),
        None => "an unknown place".to_owned(),
    };
    let why = match secret {
        // The reader's own words would repeat the value.
        true => "expected text".to_owned(),
        false => wrong_value(&error.kind),
    };
    Problem {
        key: path,
        origin,
        why,
    }
}

fn wrong_value(kind: &Kind) -> String {
    match kind {
        Kind::UnknownVariant(found, known) => {
            format!("expected {}, found {found:?}", known.join(" or "))
        }
        Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
            format!("expected {expected}, found {found}")
        }
        other => other.to_string(),
    }
}

fn setting_path(setting: &str) -> Vec<&str> {
    setting.split('.').collect()
}

/// Who said what a key is now.
fn origin(figment: &Figment, key: &str) -> String {
    match figment.find_value(key) {
        Ok(value) => value_origin(figment, key, &value),
        Err(_) => "default".to_owned(),
    }
}

fn value_origin(figment: &Figment, key: &str, value: &Value) -> String {
    match figment.get_metadata(value.tag()) {
        Some(metadata) if ["file", "env", "flags"].contains(&&*metadata.name) => {
            metadata.interpolate(&Profile::Default, &setting_path(key))
        }
        _ => "default".to_owned(),
    }
}

fn effective(figment: &Figment) -> Vec<Effective> {
    let mut rows = Vec::new();
    for key in keys::KEYS {
        let value = figment
            .find_value(key.path)
            .unwrap_or_else(|_| Value::from(""));
        match &value {
            Value::Dict(_, members) if !members.is_empty() => {
                rows.extend(members.iter().map(|(name, member)| Effective {
                    key: format!("{}.{}", key.path, quoted(name)),
                    value: Some(shown(member, key.secret)),
                    origin: value_origin(figment, &format!("{}.{name}", key.path), member),
                }));
            }
            Value::Dict(..) | Value::Empty(..) => rows.push(Effective {
                key: key.path.to_owned(),
                value: None,
                origin: value_origin(figment, key.path, &value),
            }),
            _ => rows.push(Effective {
                key: key.path.to_owned(),
                value: Some(shown(&value, key.secret)),
                origin: value_origin(figment, key.path, &value),
            }),
        }
    }
    rows
}

fn shown(value: &Value, secret: bool) -> String {
    match secret {
        true => quoted(MASK),
        false => serde_json::to_string(value).unwrap_or_default(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
