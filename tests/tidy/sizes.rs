//! Rules of size: what fits a screen and a head can be proofread.

use crate::rust;
use crate::tree::{Breach, Tree};

/// Lines of a file: about ten screens.
const FILE_LINES_MAX: usize = 500;
/// Lines of the README: it is read in one sitting.
const README_LINES_MAX: usize = 150;
/// Columns of a line of Rust: two files side by side.
const LINE_COLUMNS_MAX: usize = 100;
/// Lines of code of a function's body, as clippy counts them: one screen.
const FUNCTION_LINES_MAX: usize = 70;
/// A word this wide (a link) cannot be broken, so its line may be wider, columns.
const UNBREAKABLE_COLUMNS_MIN: usize = 80;
/// What people write by hand.
const WRITTEN: &[&str] = &[
    "rs", "ts", "tsx", "js", "mjs", "css", "html", "sh", "md", "c",
];

/// Every Rust file opens with `//!`.
pub(crate) fn module_docs(tree: &Tree) -> Vec<Breach> {
    let undocumented = |text: &str| {
        let first = text.lines().find(|line| !line.trim().is_empty());
        !first.is_some_and(|line| line.starts_with("//! ") && line.len() > 8)
    };
    tree.rust_files()
        .filter(|(_, text)| undocumented(text))
        .map(|(path, _)| Breach::new(path, 1, "open with `//!`: what the module owns"))
        .collect()
}

/// Files are short; a changelog grows for ever.
pub(crate) fn file_lines(tree: &Tree) -> Vec<Breach> {
    let limit = |path: &str| match path {
        "README.md" => README_LINES_MAX,
        _ => FILE_LINES_MAX,
    };
    WRITTEN
        .iter()
        .flat_map(|extension| tree.with_extension(extension))
        .filter(|(path, _)| *path != "CHANGELOG.md")
        .map(|(path, text)| (path, text.lines().count(), limit(path)))
        .filter(|(_, count, max)| count > max)
        .map(|(path, count, max)| Breach::new(path, 0, format!("{count} lines, limit {max}")))
        .collect()
}

/// Lines of Rust are narrow, unless one word alone is wide.
pub(crate) fn line_columns(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.rust_files() {
        for (index, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            let widest = line.split(' ').map(|word| word.chars().count()).max();
            if columns > LINE_COLUMNS_MAX && widest < Some(UNBREAKABLE_COLUMNS_MIN) {
                let what = format!("{columns} columns, limit {LINE_COLUMNS_MAX}");
                breaches.push(Breach::new(path, index + 1, what));
            }
        }
    }
    breaches
}

/// Functions are short, those of tests too.
pub(crate) fn function_lines(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.rust_files() {
        for function in functions(&rust::code(text)) {
            if function.lines > FUNCTION_LINES_MAX {
                let lines = function.lines;
                let what = format!("`{}` has {lines} lines, limit 70", function.name);
                breaches.push(Breach::new(path, function.line, what));
            }
        }
    }
    breaches
}

struct Function {
    name: String,
    line: usize,
    /// Lines of the body that hold code.
    lines: usize,
}

fn functions(code: &str) -> Vec<Function> {
    let words = rust::words(code);
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let [(line, at, keyword), (_, name_at, name)] = pair else {
            continue;
        };
        let adjacent = code[at + keyword.len()..*name_at].trim().is_empty();
        if *keyword != "fn" || !adjacent {
            continue;
        }
        if let Some(body) = body(&code[name_at + name.len()..]) {
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            found.push(Function {
                name: (*name).to_owned(),
                line: *line,
                lines,
            });
        }
    }
    found
}

/// The text between a function's braces, given what follows its name; `None` for a declaration.
fn body(rest: &str) -> Option<&str> {
    let mut nesting = 0_i32;
    let mut from = None;
    for (at, c) in rest.char_indices() {
        match c {
            ';' if nesting == 0 && from.is_none() => return None,
            '{' if nesting == 0 && from.is_none() => from = Some(at + 1),
            '(' | '[' | '{' => nesting += 1,
            '}' if nesting == 0 => return from.map(|start| &rest[start..at]),
            ')' | ']' | '}' => nesting -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_function(lines: usize) -> String {
        let body = "    // why\n\n    step(\"}\");\n".repeat(lines);
        format!("//! Owns steps.\nfn long() {{\n{body}}}\nfn short() {{}}\n")
    }

    #[test]
    fn a_module_without_a_doc_is_found() {
        let tree = Tree::of(&[("src/a.rs", "fn a() {}\n"), ("src/b.rs", "//! b\n")]);
        assert_eq!(module_docs(&tree).len(), 2);
        let good = Tree::of(&[("src/a.rs", "//! What a owns.\n")]);
        assert!(module_docs(&good).is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        let tree = Tree::of(&[
            ("src/a.rs", &"//\n".repeat(501)),
            ("README.md", &"x\n".repeat(151)),
        ]);
        assert_eq!(file_lines(&tree).len(), 2);
        let good = Tree::of(&[
            ("src/a.rs", &"//\n".repeat(500)),
            ("README.md", &"x\n".repeat(150)),
            ("CHANGELOG.md", &"x\n".repeat(900)),
        ]);
        assert!(file_lines(&good).is_empty());
    }

    #[test]
    fn a_wide_line_is_found() {
        let wide = format!("// {}", "ab ".repeat(40));
        let tree = Tree::of(&[("src/a.rs", &wide)]);
        assert_eq!(line_columns(&tree).len(), 1);
        let link = format!("// see https://example.org/{}", "x".repeat(90));
        let good = Tree::of(&[("src/a.rs", &link), ("src/b.rs", &"x".repeat(100))]);
        assert!(line_columns(&good).is_empty());
    }

    #[test]
    fn a_long_function_is_found() {
        let tree = Tree::of(&[("tests/a.rs", &long_function(71))]);
        let breaches = function_lines(&tree);
        assert_eq!(breaches.len(), 1);
        assert_eq!(breaches[0].line, 2);
        let good = Tree::of(&[("tests/a.rs", &long_function(70))]);
        assert!(function_lines(&good).is_empty());
    }

    #[test]
    fn declarations_and_function_types_have_no_body() {
        let code = "trait A { fn a(&self) -> [u8; 4]; } type F = fn(u8); fn b(x: [u8; 2]) {}";
        let names: Vec<_> = functions(code).into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["b"]);
    }
}
