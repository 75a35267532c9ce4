//! Just enough of Rust's lexical grammar to tell code from comments and literals.
//!
//! Invariants: every answer keeps the line numbers of its source.
//!
//! Never: parses; a rule that needs a syntax tree belongs to clippy.

/// A stretch of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    /// A string, byte string or character, its quotes included.
    Literal,
}

/// The source with comments blanked and the inside of literals overwritten by `_`.
pub(crate) fn code(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for (kind, piece) in pieces(source) {
        match kind {
            Kind::Code => out.push_str(piece),
            Kind::Comment => out.extend(piece.chars().map(|c| if c == '\n' { c } else { ' ' })),
            Kind::Literal => out.extend(piece.chars().map(|c| match c {
                '\n' | '"' => c,
                _ => '_',
            })),
        }
    }
    out
}

/// Every literal's inside with the number of the line it starts on.
pub(crate) fn literals(source: &str) -> Vec<(usize, &str)> {
    let mut line = 1;
    let mut found = Vec::new();
    for (kind, piece) in pieces(source) {
        if kind == Kind::Literal {
            let inside = piece.trim_start_matches(['b', 'c', 'r']);
            let inside = inside.trim_matches('#');
            found.push((line, inside.trim_matches(['"', '\''])));
        }
        line += piece.matches('\n').count();
    }
    found
}

/// Every identifier and keyword of blanked code with its line and byte offset.
pub(crate) fn words(code: &str) -> Vec<(usize, usize, &str)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut start = None;
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        let inside = c.is_alphanumeric() || c == '_';
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                found.push((line, from, &code[from..at]));
                start = None;
            }
            _ => {}
        }
        line += usize::from(c == '\n');
    }
    found
}

/// The line from which on blanked code is for tests only; beyond the end if none is.
pub(crate) fn first_test_line(path: &str, code: &str) -> usize {
    if path
        .split('/')
        .any(|part| matches!(part, "tests" | "tests.rs"))
    {
        return 1;
    }
    code.lines()
        .position(|line| line.trim_start().starts_with("#[cfg(test)]"))
        .map_or(usize::MAX, |index| index + 1)
}

fn pieces(source: &str) -> Vec<(Kind, &str)> {
    let mut found = Vec::new();
    let mut code_from = 0;
    let mut at = 0;
    while at < source.len() {
        let before = source[..at].chars().next_back();
        let Some((kind, length)) = piece_at(&source[at..], before) else {
            at += source[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        if code_from < at {
            found.push((Kind::Code, &source[code_from..at]));
        }
        found.push((kind, &source[at..at + length]));
        at += length;
        code_from = at;
    }
    if code_from < source.len() {
        found.push((Kind::Code, &source[code_from..]));
    }
    found
}

/// The comment or literal that starts here, if one does, and its length in bytes.
fn piece_at(rest: &str, before: Option<char>) -> Option<(Kind, usize)> {
    if rest.starts_with("//") {
        return Some((Kind::Comment, rest.find('\n').unwrap_or(rest.len())));
    }
    if rest.starts_with("/*") {
        return Some((Kind::Comment, block_comment_length(rest)));
    }
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return quoted(rest).map(|length| (Kind::Literal, length));
    }
    let length = quoted(rest)
        .or_else(|| character_length(rest))
        .or_else(|| prefixed_length(rest))?;
    Some((Kind::Literal, length))
}

fn quoted(rest: &str) -> Option<usize> {
    rest.starts_with('"').then(|| string_length(rest))
}

fn block_comment_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of a string with escapes that starts at its quote.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of a character literal; a lifetime is none.
fn character_length(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        let end = inside.char_indices().skip(2).find(|(_, c)| *c == '\'')?.0;
        return Some(1 + end + 1);
    }
    let after = &inside[first.len_utf8()..];
    after.starts_with('\'').then(|| first.len_utf8() + 2)
}

/// Length of a literal with a prefix: `b".."`, `c".."`, `r#".."#`, `b'x'`.
fn prefixed_length(rest: &str) -> Option<usize> {
    let prefix_length = rest.find(|c| !matches!(c, 'b' | 'c' | 'r'))?;
    let (prefix, tail) = rest.split_at(prefix_length);
    if !matches!(prefix, "b" | "c" | "r" | "br" | "cr") {
        return None;
    }
    if !prefix.contains('r') {
        let length = quoted(tail).or_else(|| character_length(tail))?;
        return Some(prefix_length + length);
    }
    let hash_count = tail.find(|c| c != '#')?;
    tail[hash_count..].starts_with('"').then_some(())?;
    let close = format!("\"{}", "#".repeat(hash_count));
    let inside = &tail[hash_count + 1..];
    let end = inside.find(&close).map(|at| at + close.len());
    Some(prefix_length + hash_count + 1 + end.unwrap_or(inside.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let source = "let a = \"fn x {\"; // fn y {\n/* fn /* z */ { */ let b = '{';\n";
        let blanked = code(source);
        assert!(!blanked.contains("fn"), "{blanked}");
        assert!(!blanked.contains('{'), "{blanked}");
        assert_eq!(blanked.lines().count(), 2);
        assert!(blanked.contains("let b ="));
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let blanked = code("let a = r#\"quote \" { \"#; let b = br\"{\"; done");
        assert!(!blanked.contains('{'), "{blanked}");
        assert!(blanked.ends_with("done"));
    }

    #[test]
    fn lifetimes_are_code() {
        let source = "fn first<'text>(x: &'text str) -> &'text str { x }";
        assert_eq!(code(source), source);
    }

    #[test]
    fn escaped_quotes_stay_inside() {
        let blanked = code(r#"let a = "a \" {"; let b = '\''; let c = '\u{1F}'; end {"#);
        assert_eq!(blanked.matches('{').count(), 1);
    }

    #[test]
    fn literals_come_with_their_lines() {
        let found = literals("one(\"a\");\n\ntwo(b\"bc\", r#\"d\"#);");
        assert_eq!(found, [(1, "a"), (3, "bc"), (3, "d")]);
    }

    #[test]
    fn words_come_with_their_lines() {
        let found: Vec<_> = words("fn a_b(x)\n{ y }")
            .into_iter()
            .map(|(line, _, word)| (line, word))
            .collect();
        assert_eq!(found, [(1, "fn"), (1, "a_b"), (1, "x"), (2, "y")]);
    }
}
