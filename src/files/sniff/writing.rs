//! In which way letters are written, if a file's start is of letters.
//!
//! Invariants: what holds a byte or a letter that no text holds is not text; a start that is cut in
//! a letter is judged by the letters before.
//! Never: says what a text means.

use std::str::Utf8Error;

/// How letters become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// UTF-8, or UTF-16 with a byte order mark, by which browsers know it too.
    Unicode,
    /// One byte a letter, or some other older way. Any bytes but controls may be that.
    Bytes,
}

impl Writing {
    /// Of the start of a file; `None` if it is not of letters.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | 0x0C | b'\r');
        let is_control = |byte: &u8| byte.is_ascii_control() && !is_space(byte);
        if is_text(head) || is_wide_text(head) {
            Some(Writing::Unicode)
        } else if !head.is_empty() && !is_wide(head) && !head.iter().any(is_control) {
            Some(Writing::Bytes)
        } else {
            None
        }
    }
}

/// Text in UTF-8, cut anywhere, without what no text holds.
pub(super) fn is_text(head: &[u8]) -> bool {
    let is_odd = |byte: &u8| *byte < 0x09 || (0x0E..0x20).contains(byte) && *byte != 0x1B;
    let is_cut = |error: Utf8Error| error.error_len().is_none();
    !head.is_empty()
        && !head.iter().any(is_odd)
        && std::str::from_utf8(head).map_or_else(is_cut, |_| true)
}

/// The same in UTF-16.
fn is_wide_text(head: &[u8]) -> bool {
    let Some(units) = wide_units(head) else {
        return false;
    };
    let mut letters = char::decode_utf16(units).peekable();
    let mut count = 0;
    while let Some(letter) = letters.next() {
        count += 1;
        let is_odd = match letter {
            Ok('\t' | '\n' | '\u{C}' | '\r') => false,
            // A byte order mark the wrong way round, and a letter that is none.
            Ok(letter) => letter.is_control() || matches!(letter, '\u{FFFE}' | '\u{FFFF}'),
            Err(_) => letters.peek().is_some(),
        };
        if is_odd {
            return false;
        }
    }
    count > 0
}

/// Whether a byte order mark of UTF-16 stands before it.
pub(super) fn is_wide(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")
}

/// What stands behind a byte order mark of UTF-16, by two bytes.
fn wide_units(head: &[u8]) -> Option<impl Iterator<Item = u16> + '_> {
    let from: fn([u8; 2]) -> u16 = match head {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units = head[2..].chunks_exact(2);
    Some(units.map(move |two| from([two[0], two[1]])))
}

/// The start as text in lower case, whichever Unicode form a byte order mark says it is in.
pub(super) fn lower_text(head: &[u8]) -> String {
    let text = match wide_units(head) {
        Some(units) => char::decode_utf16(units)
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        None => {
            let bytes = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    text.to_ascii_lowercase()
}
