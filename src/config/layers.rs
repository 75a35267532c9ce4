//! The layers that settings come from: file, environment, flags. Each becomes a tree of values
//! whose metadata can tell, for a key, the line, variable or flag that said it.
//!
//! Invariants: a layer holds only keys of [`super::keys`]; text stays text, whatever it looks like.
//! Never: decides which layer wins, or whether a value makes sense.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::error::Problem;
use super::keys::{self, ENV_PREFIX, Key, Kind};

/// One source of settings.
pub(super) struct Layer {
    metadata: Metadata,
    sections: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.sections.clone()))
    }
}

impl Layer {
    fn new(
        name: &'static str,
        origin: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
    ) -> Self {
        let interpolate = move |_: &Profile, path: &[&str]| origin(&path.join("."));
        Self {
            metadata: Metadata::named(name).interpolater(interpolate),
            sections: Dict::new(),
        }
    }

    fn insert(&mut self, key: &Key, value: Value) {
        let (sections, name) = key.path.rsplit_once('.').expect("every path has a section");
        let mut fields = &mut self.sections;
        for section in sections.split('.') {
            let empty = || Value::from(Dict::new());
            let entry = fields.entry(section.to_owned()).or_insert_with(empty);
            let Value::Dict(_, inner) = entry else {
                unreachable!("a layer holds sections only where settings stand below");
            };
            fields = inner;
        }
        fields.insert(name.to_owned(), value);
    }
}

/// What the command line sets; `None` and empty lists set nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`, each time it was given.
    pub listen: Vec<String>,
    /// `--data`.
    pub path: Option<PathBuf>,
    /// `--engine`.
    pub engine: Option<String>,
}

/// The layer of the command line.
pub(super) fn flags(flags: &Flags) -> Layer {
    let mut layer = Layer::new("flags", |path| {
        let flag = match path {
            "storage.path" => "--data",
            "storage.engine" => "--engine",
            _ => "--listen",
        };
        format!("flag {flag}")
    });
    let mut set = |path: &str, value: Value| {
        layer.insert(keys::find(path).expect("flags set known keys"), value);
    };
    if !flags.listen.is_empty() {
        set("server.listen", Value::from(flags.listen.clone()));
    }
    if let Some(path) = &flags.path {
        set(
            "storage.path",
            Value::from(path.to_string_lossy().into_owned()),
        );
    }
    if let Some(engine) = &flags.engine {
        set("storage.engine", Value::from(engine.clone()));
    }
    layer
}

/// The layer of the environment.
pub(super) fn env(variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new("env", |path| {
        let setting = keys::setting_of(path).map_or(path, |key| key.path);
        format!("env {}", keys::env_name(setting))
    });
    for (name, raw) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else {
            continue;
        };
        let mut report = |key: String, why: String| {
            let origin = format!("env {name}");
            problems.push(Problem { key, origin, why });
        };
        match env_key(name) {
            Ok(None) => {}
            Ok(Some(key)) => match raw.to_str().map(|raw| env_value(key, raw)) {
                Some(Ok(value)) => layer.insert(key, value),
                Some(Err(why)) => report(key.path.to_owned(), why),
                None => report(key.path.to_owned(), "value is not utf-8".to_owned()),
            },
            Err((path, why)) => report(path, why),
        }
    }
    layer
}

/// The setting a variable names; `None` for one that is none of ours. Container platforms invent
/// names such as `FRONTDESK_SERVICE_HOST`, so only a double underscore makes a setting, and a
/// single one in the place of a double one is told.
fn env_key(name: &str) -> Result<Option<&'static Key>, (String, String)> {
    let rest = name.strip_prefix(ENV_PREFIX).unwrap_or_default();
    if !rest.contains("__") {
        let meant = keys::KEYS.iter().find(|key| {
            keys::env_name(key.path) == name.to_uppercase()
                || keys::env_name(key.path).replace("__", "_") == name
        });
        return match meant {
            None => Ok(None),
            Some(key) => Err((
                rest.to_lowercase(),
                format!("unknown setting, did you mean {}", keys::env_name(key.path)),
            )),
        };
    }
    let path = rest.to_lowercase().replace("__", ".");
    match keys::find(&path).filter(|key| keys::env_name(key.path) == name) {
        Some(key) => Ok(Some(key)),
        None => {
            let near = keys::nearest(&path).map(|key| keys::env_name(key.path));
            Err((path, unknown_setting(near)))
        }
    }
}

/// Reads a variable as its setting's kind says.
fn env_value(key: &Key, raw: &str) -> Result<Value, String> {
    // A template that had nothing to fill in; nobody calls a company or a secret that.
    if raw.trim() == "null" {
        return Err("null is no value: leave the variable out to set nothing".to_owned());
    }
    match key.kind {
        Kind::Text => Ok(Value::from(raw)),
        Kind::Number => match raw.trim().parse::<u64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(format!("expected a whole number, found {raw:?}")),
        },
        Kind::Switch => match raw {
            "true" | "1" => Ok(Value::from(true)),
            "false" | "0" => Ok(Value::from(false)),
            _ => Err(format!("expected true or false, found {raw:?}")),
        },
        Kind::List if raw.trim().is_empty() => Ok(Value::from(Vec::<String>::new())),
        Kind::List => list(raw).map(Value::from),
        // The reader's own words could repeat a secret.
        Kind::Table => match serde_json::from_str::<BTreeMap<String, String>>(raw) {
            Ok(table) => Ok(Value::from(table)),
            Err(_) => Err("expected a JSON object of texts, like {\"kid\": \"…\"}".to_owned()),
        },
    }
}

/// A JSON list of texts, or a single text. What is JSON of another kind was meant as such, so it is
/// not a text that looks like it.
fn list(raw: &str) -> Result<Vec<String>, String> {
    if raw.trim_start().starts_with('[') {
        let why = |error| format!("expected a JSON list like [\"a\", \"b\"]: {error}");
        return serde_json::from_str(raw).map_err(why);
    }
    match serde_json::from_str::<serde_json::Value>(raw) {
        Ok(serde_json::Value::String(text)) => Ok(vec![text]),
        Ok(other) => Err(format!(
            "expected a JSON list of texts like [\"a\", \"b\"], found {other}"
        )),
        Err(_) => Ok(vec![raw.to_owned()]),
    }
}

/// The layer of a file.
pub(super) fn file(path: &Path, problems: &mut Vec<Problem>) -> Layer {
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let why = format!("cannot be read: {error}");
            problems.push(whole_file(&shown, why));
            String::new()
        }
    };
    let lines = key_lines(&text);
    // A member of an inline table stands on its table's line.
    let line = move |path: &str| {
        let table = path.rsplit_once('.').map(|(table, _)| table);
        lines.get(path).or_else(|| lines.get(table?)).copied()
    };
    let origin = move |path: &str| match line(path) {
        Some(line) => format!("file {shown}:{line}"),
        None => format!("file {shown}"),
    };
    let mut layer = Layer::new("file", origin.clone());
    let parsed = Toml::string(&text).data();
    match parsed {
        Ok(mut profiles) => {
            layer.sections = profiles.remove(&Profile::Default).unwrap_or_default();
        }
        Err(error) => {
            let why = format!("is not TOML: {}", toml_error(&error));
            problems.push(whole_file(&path.display().to_string(), why));
        }
    }
    remove_unknown(&mut layer.sections, &origin, problems);
    layer
}

fn whole_file(shown: &str, why: String) -> Problem {
    Problem {
        key: shown.to_owned(),
        origin: "flag --config".to_owned(),
        why,
    }
}

/// The place and reason of a syntax error. The full text quotes the line, which may hold a secret.
fn toml_error(error: &figment::Error) -> String {
    let text = error.to_string();
    let quoted = |line: &&str| line.contains('|') || line.trim().is_empty();
    let kept: Vec<&str> = text.lines().filter(|line| !quoted(line)).collect();
    kept.join(": ")
}

/// Takes out what no setting is called, and says so.
fn remove_unknown(
    sections: &mut Dict,
    origin: &impl Fn(&str) -> String,
    problems: &mut Vec<Problem>,
) {
    let mut report = |path: String, why: String| {
        let origin = origin(&path);
        let key = path;
        problems.push(Problem { key, origin, why });
    };
    sections.retain(|section, value| {
        let known = keys::is_section(section);
        let Value::Dict(_, fields) = value else {
            let near = keys::nearest(section).map(|key| key.path.to_owned());
            let why = match known {
                true => A_SECTION.to_owned(),
                false => unknown_setting(near),
            };
            report(section.clone(), why);
            return false;
        };
        if !known && fields.is_empty() {
            report(section.clone(), "unknown section".to_owned());
        }
        remove_unknown_below(section, fields, &mut report);
        known
    });
}

/// What stands where settings stand below.
const A_SECTION: &str = "is a section: write [section] and its settings below";

/// The same of one section and the sections in it.
fn remove_unknown_below(section: &str, fields: &mut Dict, report: &mut impl FnMut(String, String)) {
    fields.retain(|name, value| {
        let path = format!("{section}.{name}");
        if keys::find(&path).is_some() {
            return true;
        }
        if !keys::is_section(&path) {
            let near = keys::nearest(&path).map(|key| key.path.to_owned());
            report(path, unknown_setting(near));
            return false;
        }
        match value {
            Value::Dict(_, fields) => {
                remove_unknown_below(&path, fields, report);
                true
            }
            _ => {
                report(path, A_SECTION.to_owned());
                false
            }
        }
    });
}

fn unknown_setting(near: Option<String>) -> String {
    match near {
        Some(near) => format!("unknown setting, did you mean {near}"),
        None => "unknown setting".to_owned(),
    }
}

/// On which line each key of a TOML text is set, as far as a reader of lines can tell.
fn key_lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let mut section = String::new();
    for (line_index, line) in text.lines().enumerate() {
        let line = line.trim();
        let line_number = line_index + 1;
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = header.0.trim().to_owned();
            lines.entry(section.clone()).or_insert(line_number);
        } else if let Some((name, _)) = line.split_once('=') {
            let name = name.trim().trim_matches('"');
            let path = match section.as_str() {
                "" => name.to_owned(),
                section => format!("{section}.{name}"),
            };
            lines.entry(path).or_insert(line_number);
        }
    }
    lines
}
