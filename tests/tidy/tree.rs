//! What the rules look at: the texts of the repository and the packages cargo sees in it.
//!
//! Never: follows links, or reads what `.gitignore` keeps out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::Command;

/// Largest text that is read, bytes: sources and documents are far below; fixtures may be above.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) path: String,
    /// Counted from 1; 0 means the file as a whole.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Breach {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A crate of the workspace and what its manifest names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Used by tests and benches only.
    pub(crate) dev: bool,
}

/// The repository, or a made-up one.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Path with `/`, relative to the root, and content; only what is UTF-8.
    pub(crate) texts: BTreeMap<String, String>,
    /// Every file and folder, whatever it holds.
    pub(crate) paths: BTreeSet<String>,
    pub(crate) packages: Vec<Package>,
}

impl Tree {
    /// A made-up tree of texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add_path(path);
            tree.texts.insert((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    /// Adds a made-up package; a dependency that starts with `dev:` is for tests only.
    pub(crate) fn with_package(mut self, name: &str, dependencies: &[&str]) -> Self {
        let parse = |text: &&str| Dependency {
            name: text.trim_start_matches("dev:").to_owned(),
            dev: text.starts_with("dev:"),
        };
        self.packages.push(Package {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(parse).collect(),
        });
        self
    }

    /// The repository on disk.
    pub(crate) fn of_repository(root: &str) -> Result<Self, String> {
        let root = Path::new(root);
        let ignore = std::fs::read_to_string(root.join(".gitignore"))
            .map_err(|error| format!(".gitignore: {error}"))?;
        let mut tree = Self {
            packages: packages(root)?,
            ..Self::default()
        };
        tree.read_folder(root, "", &ignored_names(&ignore))?;
        Ok(tree)
    }

    /// Every Rust source with its text.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_extension("rs")
    }

    /// Every text whose name ends in `.extension`.
    pub(crate) fn with_extension<'tree>(
        &'tree self,
        extension: &'tree str,
    ) -> impl Iterator<Item = (&'tree str, &'tree str)> {
        let wanted = move |path: &str| {
            path.rsplit_once('.')
                .is_some_and(|(_, last)| last == extension)
        };
        self.texts
            .iter()
            .filter(move |(path, _)| wanted(path))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn add_path(&mut self, path: &str) {
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            self.paths.insert(path[..end].to_owned());
        }
    }

    fn read_folder(&mut self, root: &Path, below: &str, ignored: &[&str]) -> Result<(), String> {
        let say = |error: std::io::Error| format!("{below}: {error}");
        for entry in std::fs::read_dir(root.join(below)).map_err(say)? {
            let entry = entry.map_err(say)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = match below {
                "" => name.clone(),
                _ => format!("{below}/{name}"),
            };
            if name == ".git" || ignored.contains(&name.as_str()) {
                continue;
            }
            let kind = entry.file_type().map_err(say)?;
            if kind.is_dir() {
                self.read_folder(root, &path, ignored)?;
            } else if kind.is_file() {
                self.read_file(&entry, &path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, entry: &std::fs::DirEntry, path: &str) -> Result<(), String> {
        let say = |error: std::io::Error| format!("{path}: {error}");
        self.add_path(path);
        if entry.metadata().map_err(say)?.len() > TEXT_BYTES_MAX {
            return Ok(());
        }
        let bytes = std::fs::read(entry.path()).map_err(say)?;
        if let Ok(text) = String::from_utf8(bytes) {
            self.texts.insert(path.to_owned(), text);
        }
        Ok(())
    }
}

/// Plain names in a `.gitignore`; patterns with a star name no folder worth skipping.
fn ignored_names(gitignore: &str) -> Vec<&str> {
    gitignore
        .lines()
        .map(|line| line.trim().trim_matches('/'))
        .filter(|name| !name.is_empty() && !name.starts_with('#') && !name.contains('*'))
        .collect()
}

fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let list = metadata["packages"].as_array().ok_or("no packages")?;
    Ok(list.iter().map(package).collect())
}

fn package(value: &serde_json::Value) -> Package {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let dependency = |value: &serde_json::Value| Dependency {
        name: text(&value["name"]),
        dev: value["kind"] == "dev",
    };
    let listed = value["dependencies"].as_array();
    Package {
        name: text(&value["name"]),
        dependencies: listed.into_iter().flatten().map(dependency).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_file_are_paths_too() {
        let tree = Tree::of(&[("docs/adr/0001-x.md", "text")]);
        let paths: Vec<&str> = tree.paths.iter().map(String::as_str).collect();
        assert_eq!(paths, ["docs", "docs/adr", "docs/adr/0001-x.md"]);
    }

    #[test]
    fn ignored_names_leave_out_patterns_and_comments() {
        let names = ignored_names("/target\n# note\n*.profraw\nnode_modules\n\n");
        assert_eq!(names, ["target", "node_modules"]);
    }

    #[test]
    fn a_package_is_read_from_what_cargo_says() {
        let value = serde_json::json!({
            "name": "x",
            "dependencies": [{"name": "a", "kind": null}, {"name": "b", "kind": "dev"}],
        });
        let read = package(&value);
        let found: Vec<_> = read
            .dependencies
            .iter()
            .map(|d| (&*d.name, d.dev))
            .collect();
        assert_eq!(found, [("a", false), ("b", true)]);
    }
}
