//! Rules of direction: which crate may use which, and who owns what comes from outside.
//!
//! Invariants: both tables are closed; a crate that stands in neither may not be used.

use crate::rust;
use crate::tree::{Breach, Package, Tree};

const PROTOCOL: &str = "frontdesk-protocol";
const STORAGE: &str = "frontdesk-storage";
const ACTORS: &str = "frontdesk-actors";
const SERVER: &str = "frontdesk";
const LOADTEST: &str = "frontdesk-loadtest";

/// Our crates and which of ours each may use.
const OURS: &[(&str, &[&str])] = &[
    (PROTOCOL, &[]),
    (STORAGE, &[PROTOCOL]),
    (ACTORS, &[PROTOCOL, STORAGE]),
    (SERVER, &[PROTOCOL, STORAGE, ACTORS]),
    (LOADTEST, &[PROTOCOL]),
];

/// What only tests of our crates may use: the server's tests use loadtest's client.
const OURS_IN_TESTS: &[(&str, &str)] = &[(SERVER, LOADTEST)];

/// Outside crates with owners: nobody else may use them, in tests neither.
const OWNED: &[(&str, &[&str])] = &[
    ("sled", &[STORAGE]),
    ("fjall", &[STORAGE]),
    ("twox-hash", &[STORAGE]),
    ("xxhash-rust", &[STORAGE]),
    ("object_store", &[STORAGE]),
    ("zstd", &[STORAGE]),
    ("ractor", &[ACTORS]),
    ("argon2", &[SERVER]),
    ("aws-lc-rs", &[SERVER]),
    ("base64", &[SERVER]),
    ("blake3", &[SERVER]),
    ("crc32c", &[PROTOCOL, SERVER]),
    ("httpdate", &[SERVER]),
    ("rlibphonenumber", &[ACTORS]),
    ("axum", &[SERVER]),
    ("fastwebsockets", &[SERVER]),
    ("governor", &[SERVER]),
    ("figment", &[SERVER]),
    ("file-format", &[SERVER]),
    ("infer", &[SERVER]),
    ("flate2", &[SERVER]),
    ("image", &[SERVER]),
    ("img-parts", &[SERVER]),
    ("tar", &[SERVER]),
    ("zip", &[SERVER]),
    ("http-body-util", &[SERVER, LOADTEST]),
    ("hyper", &[SERVER, LOADTEST]),
    ("hyper-util", &[SERVER, LOADTEST]),
    ("metrics-exporter-prometheus", &[SERVER]),
    ("multer", &[SERVER]),
    ("mimalloc", &[SERVER]),
    ("tower", &[SERVER]),
    ("tower-http", &[SERVER]),
    ("tracing-subscriber", &[SERVER]),
    ("utoipa", &[SERVER]),
    ("utoipa-axum", &[SERVER]),
    ("utoipa-swagger-ui-vendored", &[SERVER]),
    ("clap", &[SERVER, LOADTEST]),
    ("jsonwebtoken", &[SERVER, LOADTEST]),
    ("hdrhistogram", &[LOADTEST]),
    ("humantime", &[SERVER]),
];

/// Outside crates that are shared, and by whom.
const SHARED: &[(&str, &[&str])] = &[
    ("bytes", &[PROTOCOL, STORAGE, ACTORS, SERVER, LOADTEST]),
    ("dashmap", &[STORAGE, ACTORS, SERVER]),
    ("metrics", &[STORAGE, ACTORS, SERVER]),
    ("rmp-serde", &[PROTOCOL, STORAGE, ACTORS]),
    ("rustix", &[STORAGE, SERVER, LOADTEST]),
    ("serde", &[PROTOCOL, STORAGE, ACTORS, SERVER, LOADTEST]),
    ("serde_json", &[PROTOCOL, ACTORS, SERVER, LOADTEST]),
    ("simdutf8", &[PROTOCOL, SERVER]),
    ("thiserror", &[PROTOCOL, STORAGE, ACTORS, SERVER]),
    ("tokio", &[STORAGE, ACTORS, SERVER, LOADTEST]),
    ("tracing", &[STORAGE, ACTORS, SERVER]),
    ("unicode-normalization", &[ACTORS, SERVER]),
    ("uuid", &[PROTOCOL, STORAGE, ACTORS, SERVER]),
];

/// Outside crates for tests and benches only.
const TEST_ONLY: &[&str] = &[
    "criterion",
    "futures-util",
    "proptest",
    "reqwest",
    "tempfile",
    "tokio-tungstenite",
];

/// Words that sources of a folder may not hold at all: an engine's name in the rules of rooms, say.
const UNKNOWN_TO: &[(&str, &[&str])] = &[
    (
        "protocol/",
        &["tokio", "ractor", "sled", "fjall", "axum", "hyper"],
    ),
    ("storage/", &["ractor", "axum", "hyper", "fastwebsockets"]),
    (
        "actors/",
        &[
            "axum",
            "hyper",
            "fastwebsockets",
            "jsonwebtoken",
            "sled",
            "fjall",
        ],
    ),
    ("src/", &["ractor", "object_store"]),
    ("loadtest/", &["ractor", "axum", "sled", "fjall"]),
];

const RECORD: &str = "docs/adr/0001-dependencies.md";

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|(ours, _)| *ours == name)
}

fn manifest(package: &str) -> String {
    match package.strip_prefix("frontdesk-") {
        Some(folder) => format!("{folder}/Cargo.toml"),
        None => "Cargo.toml".to_owned(),
    }
}

fn is_listed(table: &[(&str, &[&str])], name: &str, package: &str) -> Option<bool> {
    let (_, allowed) = table.iter().find(|(listed, _)| *listed == name)?;
    Some(allowed.contains(&package))
}

/// Our crates use each other as the table says.
pub(crate) fn directions(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in &tree.packages {
        let path = manifest(&package.name);
        let Some((_, allowed)) = OURS.iter().find(|(name, _)| *name == package.name) else {
            let what = format!("`{}` is in no table of this rule", package.name);
            breaches.push(Breach::new(&path, 0, what));
            continue;
        };
        for used in package.dependencies.iter().filter(|d| is_ours(&d.name)) {
            let pair = (package.name.as_str(), used.name.as_str());
            let in_tests = used.dev && OURS_IN_TESTS.contains(&pair);
            if !in_tests && !allowed.contains(&used.name.as_str()) {
                let what = format!("{} may not use {}", package.name, used.name);
                breaches.push(Breach::new(&path, 0, what));
            }
        }
    }
    breaches
}

/// Outside crates are used by those who own or share them.
pub(crate) fn owners(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in &tree.packages {
        for used in package.dependencies.iter().filter(|d| !is_ours(&d.name)) {
            let owned = is_listed(OWNED, &used.name, &package.name);
            let shared = is_listed(SHARED, &used.name, &package.name);
            let fine = match (owned, shared) {
                (Some(by_this_one), _) => by_this_one,
                (None, Some(with_this_one)) => with_this_one || used.dev,
                (None, None) => used.dev && TEST_ONLY.contains(&used.name.as_str()),
            };
            if !fine {
                let what = format!("{} may not use {}", package.name, used.name);
                breaches.push(Breach::new(&manifest(&package.name), 0, what));
            }
        }
    }
    breaches
}

/// Sources do not name what their crate must not know.
pub(crate) fn named_in_sources(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.rust_files() {
        let folder = UNKNOWN_TO
            .iter()
            .find(|(folder, _)| path.starts_with(folder));
        let Some((_, unknown)) = folder else {
            continue;
        };
        for (line, _, word) in rust::words(&rust::code(text)) {
            if unknown.contains(&word) {
                let what = format!("`{word}` belongs to another crate");
                breaches.push(Breach::new(path, line, what));
            }
        }
    }
    breaches
}

/// Each outside crate has its reason in the decision record.
pub(crate) fn recorded(tree: &Tree) -> Vec<Breach> {
    let record = tree.texts.get(RECORD).map_or("", String::as_str);
    let named = |package: &Package| -> Vec<String> {
        let names = package.dependencies.iter().map(|d| d.name.clone());
        names.filter(|name| !is_ours(name)).collect()
    };
    let mut names: Vec<String> = tree.packages.iter().flat_map(named).collect();
    names.sort();
    names.dedup();
    names.retain(|name| {
        let start = format!("| `{name}` |");
        !record.lines().any(|line| line.starts_with(&start))
    });
    let say = |name: &String| Breach::new(RECORD, 0, format!("no row starts with | `{name}` |"));
    names.iter().map(say).collect()
}

/// Each manifest takes the workspace's lints and keeps its library out of `cargo bench`.
pub(crate) fn manifests(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in &tree.packages {
        let path = manifest(&package.name);
        let text = tree.texts.get(&path).map_or("", String::as_str);
        for (section, line) in [("[lints]", "workspace = true"), ("[lib]", "bench = false")] {
            let has = text
                .lines()
                .skip_while(|found| *found != section)
                .skip(1)
                .take_while(|found| !found.starts_with('['))
                .any(|found| found == line);
            if !has {
                let what = format!("{section} wants `{line}`");
                breaches.push(Breach::new(&path, 0, what));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Tree {
        Tree::default()
            .with_package(PROTOCOL, &["bytes", "dev:proptest"])
            .with_package(STORAGE, &[PROTOCOL, "sled", "dev:serde_json"])
            .with_package(SERVER, &[ACTORS, "axum", "dev:frontdesk-loadtest"])
    }

    #[test]
    fn a_wrong_direction_is_found() {
        let tree = Tree::default()
            .with_package(PROTOCOL, &["dev:frontdesk-storage"])
            .with_package(LOADTEST, &[ACTORS])
            .with_package(SERVER, &[LOADTEST])
            .with_package("frontdesk-new", &[]);
        assert_eq!(directions(&tree).len(), 4);
        assert!(directions(&good()).is_empty());
    }

    #[test]
    fn a_crate_in_foreign_hands_is_found() {
        let tree = Tree::default()
            .with_package(SERVER, &["ractor", "leftpad"])
            .with_package(ACTORS, &["dev:sled", "proptest"])
            .with_package(PROTOCOL, &["tokio"]);
        assert_eq!(owners(&tree).len(), 5);
        assert!(owners(&good()).is_empty());
    }

    #[test]
    fn a_foreign_name_in_a_source_is_found() {
        let source = "//! Not through axum.\nuse axum::Router;\n";
        let tree = Tree::of(&[("actors/src/lib.rs", source)]);
        let breaches = named_in_sources(&tree);
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].line, 2);
        assert!(named_in_sources(&Tree::of(&[("src/lib.rs", source)])).is_empty());
    }

    #[test]
    fn an_unrecorded_crate_is_found() {
        let tree = Tree::of(&[(RECORD, "| `bytes` | shared buffers |\n")])
            .with_package(PROTOCOL, &["bytes", "serde"]);
        assert_eq!(recorded(&tree).len(), 1);
        let good = Tree::of(&[(RECORD, "| `bytes` | shared buffers |\n")])
            .with_package(PROTOCOL, &["bytes"])
            .with_package(STORAGE, &[PROTOCOL]);
        assert!(recorded(&good).is_empty());
    }

    #[test]
    fn a_manifest_without_lints_is_found() {
        let lints = "[lints]\nworkspace = true\n";
        let lib = "[lib]\nbench = false\n";
        let bad = Tree::of(&[
            ("protocol/Cargo.toml", lints),
            ("storage/Cargo.toml", &format!("[lints]\n{lib}")),
        ]);
        let bad = bad.with_package(PROTOCOL, &[]).with_package(STORAGE, &[]);
        assert_eq!(manifests(&bad).len(), 2);
        let good = Tree::of(&[("Cargo.toml", &format!("{lib}\n{lints}"))]);
        assert!(manifests(&good.with_package(SERVER, &[])).is_empty());
    }
}
