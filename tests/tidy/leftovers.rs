//! Rules against what is left lying about: unfinished code, sleeps, places on one machine, emoji.

use crate::rust;
use crate::tree::{Breach, Tree};

/// Marks of unfinished work in code.
const UNFINISHED_CODE: &[&str] = &[
    "#[ignore",
    "#[should_panic",
    "todo!",
    "unimplemented!",
    "dbg!",
];
/// Marks of unfinished work in comments and documents; written in two parts, since this file is
/// read by its own rule.
const UNFINISHED_WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// Places that exist on one machine, and registries that builds must not name.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp", "/exp"),
    concat!("/tmp", "/wt"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("proxy.golang", ".org"),
];
/// Written by tools, with the addresses of what they locked.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json"];

/// Tests that may sleep, with the reason. A wait for a condition polls it with a deadline, in one
/// place a crate; everything else uses that, or a clock that is handed in.
const SLEEPS_ALLOWED: &[(&str, &str)] = &[];

/// Texts that may hold emoji, with the reason.
const EMOJI_ALLOWED: &[(&str, &str)] = &[
    (
        "protocol/tests/",
        "any text must survive the codecs, and is read best as it is",
    ),
    (
        "actors/src/form/",
        "visitors choose countries by their flags, as existing clients show them",
    ),
];

/// No ignored test, no expected panic, no code or comment that says "later".
pub(crate) fn unfinished(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.rust_files() {
        breaches.extend(find(path, &rust::code(text), UNFINISHED_CODE));
    }
    for (path, text) in &tree.texts {
        if !is_lock_file(path) {
            breaches.extend(find(path, text, UNFINISHED_WORDS));
        }
    }
    breaches
}

fn find(path: &str, text: &str, marks: &[&str]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for mark in marks.iter().filter(|mark| line.contains(**mark)) {
            breaches.push(Breach::new(path, index + 1, format!("holds `{mark}`")));
        }
    }
    breaches
}

/// No test sleeps: it waits for a condition, or moves a clock.
pub(crate) fn sleeps(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.rust_files() {
        if is_allowed(SLEEPS_ALLOWED, path) {
            continue;
        }
        let code = rust::code(text);
        let first_line = rust::first_test_line(path, &code);
        for (line, at, word) in rust::words(&code) {
            let called = code[at + word.len()..].trim_start().starts_with('(');
            let sleeping = matches!(word, "sleep" | "sleep_until" | "sleep_ms");
            if line >= first_line && called && sleeping {
                breaches.push(Breach::new(
                    path,
                    line,
                    "wait for a condition, do not sleep",
                ));
            }
        }
    }
    breaches
}

/// No path of a machine, no address of a registry.
pub(crate) fn places(tree: &Tree) -> Vec<Breach> {
    let texts = tree.texts.iter().filter(|(path, _)| !is_lock_file(path));
    texts
        .flat_map(|(path, text)| find(path, text, PLACES))
        .collect()
}

/// No emoji: a word says it to every reader and screen.
pub(crate) fn emoji(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in &tree.texts {
        if is_allowed(EMOJI_ALLOWED, path) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = line.chars().find(|c| is_emoji(*c)) {
                let what = format!("holds U+{:04X}: say it in words", u32::from(found));
                breaches.push(Breach::new(path, index + 1, what));
            }
        }
    }
    breaches
}

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27BF | 0x2B50 | 0xFE0F | 0x1F000..=0x1FAFF)
}

fn is_allowed(allowed: &[(&str, &str)], path: &str) -> bool {
    allowed.iter().any(|(start, _)| path.starts_with(start))
}

fn is_lock_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    LOCK_FILES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found() {
        let code = "#[test]\n#[ignore]\nfn a() { todo!() }\n";
        let comment = concat!("// TO", "DO: later\n");
        let bad = Tree::of(&[("src/a.rs", code), ("docs/a.md", comment)]);
        let mut lines: Vec<_> = unfinished(&bad).iter().map(|b| b.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 3]);
        let good = Tree::of(&[("src/a.rs", "// no todo! here\nfn a() { say(\"dbg!\") }\n")]);
        assert!(unfinished(&good).is_empty());
    }

    #[test]
    fn a_sleeping_test_is_found() {
        let work = "fn pause() { sleep(1); }\n";
        let inline = format!("{work}#[cfg(test)]\nmod tests {{ fn a() {{ sleep(1) }} }}\n");
        let bad = Tree::of(&[("tests/it/a.rs", work), ("src/a.rs", &inline)]);
        let lines: Vec<_> = sleeps(&bad).iter().map(|b| b.line).collect();
        assert_eq!(lines, [3, 1]);
        let good = Tree::of(&[
            ("src/a.rs", work),
            ("tests/it/a.rs", "fn no_sleep() { /* sleep(1) */ }"),
        ]);
        assert!(sleeps(&good).is_empty());
    }

    #[test]
    fn a_place_on_a_machine_is_found() {
        let text = concat!("see /ro", "ot/notes\nget static.crates", ".io\n");
        let bad = Tree::of(&[("docs/a.md", text)]);
        assert_eq!(places(&bad).len(), 2);
        let good = Tree::of(&[("Cargo.lock", text), ("README.md", "see docs/\n")]);
        assert!(places(&good).is_empty());
    }

    #[test]
    fn an_emoji_is_found() {
        let bad = Tree::of(&[("README.md", "fast \u{1F680}\n")]);
        assert_eq!(emoji(&bad).len(), 1);
        let good = Tree::of(&[
            ("README.md", "a → b ≤ c\n"),
            ("protocol/tests/vectors/a.json", "\"\u{1F44B}\"\n"),
        ]);
        assert!(emoji(&good).is_empty());
    }
}
