//! Rules of naming: one word for one thing, and none that could mean anything.

use crate::rust;
use crate::tree::{Breach, Tree};

/// A word that may not name a file or an item, why, and where it may all the same.
struct Banned {
    words: &'static [&'static str],
    instead: &'static str,
    allowed_below: &'static [&'static str],
}

/// Existing clients' documents speak of sessions and users; only their translation does.
const PROFILES: &[&str] = &["src/profiles/"];

const BANNED: &[Banned] = &[
    Banned {
        words: &[
            "manager", "util", "utils", "helper", "helpers", "common", "misc",
        ],
        instead: "say what it does",
        allowed_below: &[],
    },
    Banned {
        words: &["data", "info"],
        instead: "say what it holds",
        // Traits of the settings' crate and of HTTP bodies ask for items of that name.
        allowed_below: &[
            "src/config/",
            "src/http/files/body.rs",
            "src/http/multipart.rs",
            "src/linger.rs",
        ],
    },
    Banned {
        words: &["session", "sessions"],
        instead: "say room or connection",
        allowed_below: PROFILES,
    },
    Banned {
        words: &["user", "users"],
        instead: "say person, participant, visitor or agent",
        allowed_below: PROFILES,
    },
    Banned {
        words: &["tenant", "tenants"],
        instead: "say company",
        allowed_below: PROFILES,
    },
];

/// A name this long is a test's sentence, which may quote the words of others.
const SENTENCE_WORD_COUNT_MIN: usize = 5;

/// Keywords whose next word names an item.
const ITEMS: &[&str] = &["struct", "enum", "trait", "fn", "mod", "type", "union"];

/// `room.rs` does not stand beside `room/`: a folder's module is its `mod.rs`.
pub(crate) fn module_files(tree: &Tree) -> Vec<Breach> {
    let folder_of = |path: &str| path.strip_suffix(".rs").map(str::to_owned);
    tree.rust_files()
        .filter_map(|(path, _)| Some((path, folder_of(path)?)))
        .filter(|(_, folder)| {
            let below = format!("{folder}/");
            tree.rust_files().any(|(path, _)| path.starts_with(&below))
        })
        .map(|(path, folder)| Breach::new(path, 0, format!("move it to {folder}/mod.rs")))
        .collect()
}

/// Files and items bear no banned word.
pub(crate) fn banned_words(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for path in &tree.paths {
        let file = path.rsplit('/').next().unwrap_or(path);
        breaches.extend(judge(path, 0, file.split('.').next().unwrap_or(file)));
    }
    for (path, text) in tree.rust_files() {
        let code = rust::code(text);
        for pair in rust::words(&code).windows(2) {
            let [(_, at, keyword), (line, name_at, name)] = pair else {
                continue;
            };
            let adjacent = code[at + keyword.len()..*name_at].trim().is_empty();
            if ITEMS.contains(keyword) && adjacent {
                breaches.extend(judge(path, *line, name));
            }
        }
    }
    breaches
}

fn judge(path: &str, line: usize, name: &str) -> Option<Breach> {
    let words = split(name);
    if words.len() >= SENTENCE_WORD_COUNT_MIN {
        return None;
    }
    let banned = BANNED.iter().find(|banned| {
        let allowed = banned
            .allowed_below
            .iter()
            .any(|folder| path.starts_with(folder));
        !allowed
            && words
                .iter()
                .any(|word| banned.words.contains(&word.as_str()))
    })?;
    Some(Breach::new(
        path,
        line,
        format!("`{name}`: {}", banned.instead),
    ))
}

/// The words of a `snake_case`, `kebab-case` or `CamelCase` name, in lower case.
fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        let new = c.is_uppercase() || matches!(c, '_' | '-');
        if new && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (Some(word), false) = (words.last_mut(), matches!(c, '_' | '-')) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_in_two_places_is_found() {
        let tree = Tree::of(&[("src/room.rs", ""), ("src/room/state.rs", "")]);
        assert_eq!(module_files(&tree).len(), 1);
        let good = Tree::of(&[("src/room/mod.rs", ""), ("src/room/state.rs", "")]);
        assert!(module_files(&good).is_empty());
    }

    #[test]
    fn a_banned_item_is_found() {
        let source = "struct RoomManager;\nfn\nparse_data() {}\nmod session {}\n";
        let tree = Tree::of(&[("src/a.rs", source), ("src/utils.rs", "")]);
        let lines: Vec<_> = banned_words(&tree).iter().map(|b| b.line).collect();
        assert_eq!(lines, [0, 1, 3, 4]);
    }

    #[test]
    fn profiles_speak_their_clients_words() {
        let tree = Tree::of(&[("src/profiles/widget/frames.rs", "struct SessionId;")]);
        assert!(banned_words(&tree).is_empty());
        let source = "// a manager\nstruct Database; fn inform() {}\nfn a_user_id_is_a_number() {}";
        let good = Tree::of(&[("src/a.rs", source)]);
        assert!(banned_words(&good).is_empty());
    }

    #[test]
    fn names_split_into_words() {
        assert_eq!(split("RoomIdMap"), ["room", "id", "map"]);
        assert_eq!(split("on_post-message"), ["on", "post", "message"]);
    }
}
