//! Rules of documents: what clients and operators rely on is written down; links lead somewhere.

use std::collections::BTreeMap;

use crate::rust;
use crate::tree::{Breach, Tree};

const PROTOCOL: &str = "docs/PROTOCOL.md";
const OPERATING: &str = "docs/OPERATING.md";
const CHANGELOG: &str = "CHANGELOG.md";

/// Crates whose literals name metrics.
const MEASURED: &[&str] = &["src/", "actors/src/", "storage/src/"];
/// What a metric's name may end in: a base unit, the thing that is counted, or what 1 stands for.
const UNITS: &[&str] = &[
    "total",
    "seconds",
    "bytes",
    "ratio",
    "count", //
    "appends",
    "commands",
    "connections",
    "edges",
    "entities",
    "events",
    "frames",
    "messages",
    "people",
    "records",
    "rooms", //
    "draining",
    "failed",
    "ready",
];
/// Where every setting is listed once, as a literal.
const SETTINGS: &str = "src/config/keys.rs";
/// Our crates' names look like metrics in filters of the log, and so do those of cookies.
const CRATES: &[&str] = &[
    "frontdesk_protocol",
    "frontdesk_storage",
    "frontdesk_actors",
    "frontdesk_loadtest",
    "frontdesk_agent",
    "frontdesk_visitor_",
];

/// Each error code stands in a table of the protocol document.
pub(crate) fn error_codes(tree: &Tree, codes: &[&str]) -> Vec<Breach> {
    undocumented(tree, codes.iter().map(|code| format!("`{code}`")))
}

/// Each close code stands in a table of the protocol document.
pub(crate) fn close_codes(tree: &Tree, codes: &[u16]) -> Vec<Breach> {
    undocumented(tree, codes.iter().map(u16::to_string))
}

fn undocumented(tree: &Tree, codes: impl Iterator<Item = String>) -> Vec<Breach> {
    let document = tree.texts.get(PROTOCOL).map_or("", String::as_str);
    let rows = document.lines().filter(|line| line.starts_with('|'));
    let cells: Vec<&str> = rows.flat_map(|row| row.split('|').map(str::trim)).collect();
    codes
        .filter(|code| {
            let plain = code.trim_matches('`');
            !cells.iter().any(|cell| cell.trim_matches('`') == plain)
        })
        .map(|code| Breach::new(PROTOCOL, 0, format!("no table has a row for {code}")))
        .collect()
}

fn first_cell(line: &str) -> Option<&str> {
    line.strip_prefix('|')?.split('|').next().map(str::trim)
}

/// Each metric stands in a table of the operating document.
pub(crate) fn metrics(tree: &Tree) -> Vec<Breach> {
    let document = tree.texts.get(OPERATING).map_or("", String::as_str);
    let rows: Vec<&str> = document.lines().filter_map(first_cell).collect();
    metric_names(tree)
        .into_iter()
        .filter(|(name, _)| !rows.contains(&format!("`{name}`").as_str()))
        .map(|(name, (path, line))| {
            let what = format!("{OPERATING} has no row for `{name}`");
            Breach::new(path, line, what)
        })
        .collect()
}

/// Each setting stands in a table of the operating document.
pub(crate) fn settings(tree: &Tree) -> Vec<Breach> {
    let document = tree.texts.get(OPERATING).map_or("", String::as_str);
    let rows: Vec<&str> = document.lines().filter_map(first_cell).collect();
    let keys = tree.texts.get(SETTINGS).map_or("", String::as_str);
    let plain = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '.');
    rust::literals(keys)
        .into_iter()
        .filter(|(_, key)| key.contains('.') && key.len() > 3 && key.chars().all(plain))
        .filter(|(_, key)| !rows.contains(&format!("`{key}`").as_str()))
        .map(|(line, key)| {
            let what = format!("{OPERATING} has no row for `{key}`");
            Breach::new(SETTINGS, line, what)
        })
        .collect()
}

/// Each metric's name ends in its unit.
pub(crate) fn metric_units(tree: &Tree) -> Vec<Breach> {
    let unit = |name: &str| name.rsplit('_').next().map(str::to_owned);
    metric_names(tree)
        .into_iter()
        .filter(|(name, _)| !unit(name).is_some_and(|unit| UNITS.contains(&unit.as_str())))
        .map(|(name, (path, line))| {
            let what = format!("`{name}` ends in none of {UNITS:?}");
            Breach::new(path, line, what)
        })
        .collect()
}

/// Each literal outside tests that is a metric's name, and where it stands first.
fn metric_names(tree: &Tree) -> BTreeMap<&str, (&str, usize)> {
    let mut found = BTreeMap::new();
    for (path, text) in tree.rust_files() {
        if !MEASURED.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let first_test_line = rust::first_test_line(path, &rust::code(text));
        for (line, literal) in rust::literals(text) {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let named = literal.starts_with("frontdesk_") && literal.chars().all(plain);
            if named && line < first_test_line && !CRATES.contains(&literal) {
                found.entry(literal).or_insert((path, line));
            }
        }
    }
    found
}

/// Each relative link leads to a file or folder.
pub(crate) fn links(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.with_extension("md") {
        for (line, target) in link_targets(text) {
            let file = target.split('#').next().unwrap_or(target);
            if file.contains("://") || file.starts_with("mailto:") || file.is_empty() {
                continue;
            }
            let wanted = resolve(path, file);
            if !wanted.is_some_and(|wanted| tree.paths.contains(&wanted)) {
                breaches.push(Breach::new(path, line, format!("{target} leads nowhere")));
            }
        }
    }
    breaches
}

/// Targets of `[text](target)` outside code blocks.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (at, open) in line.match_indices("](") {
            let rest = &line[at + open.len()..];
            if let Some(end) = rest.find(')') {
                found.push((index + 1, &rest[..end]));
            }
        }
    }
    found
}

/// A link's path from the root; `None` when it leaves the repository or names the root itself.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The changelog has a section for what is not released yet.
pub(crate) fn changelog(tree: &Tree) -> Vec<Breach> {
    let text = tree.texts.get(CHANGELOG).map_or("", String::as_str);
    let has = text.lines().any(|line| line == "## Unreleased");
    let breach = || Breach::new(CHANGELOG, 0, "wants a section `## Unreleased`");
    (!has).then(breach).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undocumented_code_is_found() {
        let text = "`busy` and 4001 in prose\n| `busy` | later |\n| 4001 | no |\n";
        let tree = Tree::of(&[(PROTOCOL, text)]);
        assert_eq!(error_codes(&tree, &["busy", "bad_frame"]).len(), 1);
        assert_eq!(close_codes(&tree, &[4001, 4404]).len(), 1);
        assert!(error_codes(&tree, &["busy"]).is_empty());
        assert!(close_codes(&tree, &[4001]).is_empty());
        assert_eq!(error_codes(&Tree::default(), &["busy"]).len(), 1);
    }

    #[test]
    fn an_undocumented_metric_is_found() {
        let source = "count(\"frontdesk_messages_total\");\nlevel(\"frontdesk_storage\");\n\
                      #[cfg(test)]\nmod tests { \"frontdesk_made_up_total\" }\n";
        let bad = Tree::of(&[
            ("src/a.rs", source),
            (OPERATING, "frontdesk_messages_total"),
        ]);
        let breaches = metrics(&bad);
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].line, 1);
        let table = "| `frontdesk_messages_total` | accepted messages |\n";
        let good = Tree::of(&[("src/a.rs", source), (OPERATING, table)]);
        assert!(metrics(&good).is_empty());
    }

    #[test]
    fn an_undocumented_setting_is_found() {
        let keys = "key(\"server.listen\", Kind::List),\nsplit(\".\"),\n";
        let bad = Tree::of(&[(SETTINGS, keys), (OPERATING, "set server.listen\n")]);
        let breaches = settings(&bad);
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].line, 1);
        let table = "| `server.listen` | loopback | addresses |\n";
        assert!(settings(&Tree::of(&[(SETTINGS, keys), (OPERATING, table)])).is_empty());
    }

    #[test]
    fn a_metric_without_a_unit_is_found() {
        let bad = Tree::of(&[("actors/src/a.rs", "\"frontdesk_load\"")]);
        assert_eq!(metric_units(&bad).len(), 1);
        let good = Tree::of(&[
            ("actors/src/a.rs", "\"frontdesk_rooms_count\""),
            ("loadtest/src/a.rs", "\"frontdesk_load\""),
        ]);
        assert!(metric_units(&good).is_empty());
    }

    #[test]
    fn a_dead_link_is_found() {
        let text = "[a](../README.md) [b](gone.md) [c](../../above.md)\n```\n[d](gone.md)\n```\n";
        let bad = Tree::of(&[("docs/A.md", text), ("README.md", "")]);
        assert_eq!(links(&bad).len(), 2);
        let text = "[a](docs/A.md#part) [b](#here) [c](https://example.org/x) [d](docs/)\n";
        let good = Tree::of(&[("README.md", text), ("docs/A.md", "")]);
        assert!(links(&good).is_empty());
    }

    #[test]
    fn a_changelog_without_unreleased_is_found() {
        let bad = Tree::of(&[(CHANGELOG, "## 1.0.0\n")]);
        assert_eq!(changelog(&bad).len(), 1);
        let good = Tree::of(&[(CHANGELOG, "# Changes\n\n## Unreleased\n")]);
        assert!(changelog(&good).is_empty());
    }
}
