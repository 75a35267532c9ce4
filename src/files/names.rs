//! Names of files: shown as their owner gave them as far as that is safe, and never a path.
//!
//! Invariants: a shown name has 1 to [`FILE_NAME_CHARS_MAX`] characters, among them no separator of
//! paths, no control, nothing that is invisible or turns the direction of writing, and neither
//! begins nor ends with a dot or a space; cleaning it again changes nothing.
//!
//! Never: names anything on a disk; there a file is its id.

use std::fmt::Write as _;

use frontdesk_protocol::limits::FILE_NAME_CHARS_MAX;
use unicode_normalization::UnicodeNormalization;

/// An extension, characters: what is longer is no extension.
const EXTENSION_CHARS_MAX: usize = 16;
/// What a file without a name is called.
const NAMELESS: &str = "file";

/// A name as it is shown: the last part of a path, in the composed form, without what cannot be
/// seen, cut to its length before its extension.
pub fn shown(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    // Hidden letters first: between two others they would keep these from being composed.
    let seen = last.chars().filter(|letter| !is_hidden(*letter));
    let composed: String = seen.nfc().collect();
    let bare = composed.trim_matches(is_trimmed);
    let cut = match bare.chars().count() > FILE_NAME_CHARS_MAX {
        true => cut(bare),
        false => bare.to_owned(),
    };
    match cut.is_empty() {
        true => NAMELESS.to_owned(),
        false => cut,
    }
}

/// Before the extension, so that the name still says what it is.
fn cut(name: &str) -> String {
    let end = match extension(name) {
        Some(found) => name[name.len() - found.len() - 1..].to_owned(),
        None => String::new(),
    };
    let left = FILE_NAME_CHARS_MAX - end.chars().count();
    let start: String = name.chars().take(left).collect();
    format!("{}{end}", start.trim_end_matches(is_trimmed))
}

/// What stands behind the last dot, as it is written; `None` for a name without one.
fn extension(name: &str) -> Option<&str> {
    let (stem, found) = name.rsplit_once('.')?;
    let fits = !found.is_empty() && found.chars().count() <= EXTENSION_CHARS_MAX;
    (fits && !stem.is_empty() && !found.contains(char::is_whitespace)).then_some(found)
}

/// The extension in lower case: only the last one counts, as it does to whoever opens the file.
pub fn kind_of_name(shown: &str) -> Option<String> {
    extension(shown).map(str::to_lowercase)
}

fn is_trimmed(letter: char) -> bool {
    letter == '.' || letter.is_whitespace()
}

/// Controls, line ends, marks of direction, joiners, tags, and letters that every font draws as it
/// likes: categories Cc, Zl, Zp, Cf and Co of Unicode 16. In a name none is needed, and each can
/// make one look like another.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
            | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}'
            | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}' | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// Whether a file is shown where it is, or offered to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// On the page.
    Inline,
    /// As a download.
    Attachment,
}

/// The value of `Content-Disposition`: the name in plain letters for old clients, and as it is
/// (RFC 6266 with RFC 8187). Holds nothing but visible ASCII, whatever the name holds.
pub fn content_disposition(disposition: Disposition, shown: &str) -> String {
    let kind = match disposition {
        Disposition::Inline => "inline",
        Disposition::Attachment => "attachment",
    };
    let plain = |letter: char| match letter {
        '"' | '\\' | '%' => '_',
        ' '..='~' => letter,
        _ => '_',
    };
    let ascii: String = shown.chars().map(plain).collect();
    let mut value = format!("{kind}; filename=\"{ascii}\"");
    if ascii != shown {
        value.push_str("; filename*=UTF-8''");
        for byte in shown.bytes() {
            let is_attr = byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
            match is_attr {
                true => value.push(char::from(byte)),
                false => write!(value, "%{byte:02X}").expect("a string takes all"),
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_only_its_last_part() {
        for (given, expected) in [
            ("../../etc/passwd", "passwd"),
            ("..\\..\\x.png", "x.png"),
            ("/abs", "abs"),
            ("~/.ssh/id", "id"),
            ("C:\\Users\\ann\\photo.jpg", "photo.jpg"),
            ("%2e%2e%2f", "%2e%2e%2f"),
            ("a/b/", NAMELESS),
            ("..", NAMELESS),
            ("...", NAMELESS),
            ("", NAMELESS),
            (" . ", NAMELESS),
            ("\u{202e}\u{200b}", NAMELESS),
        ] {
            assert_eq!(shown(given), expected, "{given:?}");
        }
    }

    #[test]
    fn what_deceives_the_eye_is_taken_out() {
        for (given, expected) in [
            ("evil.php\0.jpg", "evil.php.jpg"),
            ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            (
                "in\u{200b}vi\u{2066}si\u{feff}ble\u{7f}.pdf\u{85}",
                "invisible.pdf",
            ),
            ("e\u{301}te\u{301}.txt", "\u{e9}t\u{e9}.txt"),
            (".htaccess", "htaccess"),
            ("x.exe. ", "x.exe"),
            ("x::$DATA", "x::$DATA"),
            ("line\u{2028}break", "linebreak"),
        ] {
            assert_eq!(shown(given), expected, "{given:?}");
        }
    }

    #[test]
    fn only_the_last_extension_counts() {
        for (name, expected) in [
            ("x.php.jpg", Some("jpg")),
            ("x.jpg.EXE", Some("exe")),
            ("file.asp;.jpg", Some("jpg")),
            ("README", None),
            (".htaccess", None),
            ("v1. final version", None),
            ("tar.gz.abcdefghijklmnopq", None),
        ] {
            assert_eq!(kind_of_name(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_whole_letters() {
        let long = format!("{}.pdf", "\u{1F600}".repeat(300));
        let cut = shown(&long);
        assert_eq!(cut.chars().count(), FILE_NAME_CHARS_MAX);
        assert!(cut.ends_with("\u{1F600}.pdf"));
        let no_end = "x".repeat(300);
        assert_eq!(shown(&no_end), "x".repeat(FILE_NAME_CHARS_MAX));
    }

    #[test]
    fn a_header_says_the_name_in_both_ways() {
        let plain = content_disposition(Disposition::Inline, "a photo.png");
        assert_eq!(plain, "inline; filename=\"a photo.png\"");
        let odd = content_disposition(Disposition::Attachment, "na\u{ef}ve \"50%\".pdf");
        assert_eq!(
            odd,
            "attachment; filename=\"na_ve _50__.pdf\"; \
             filename*=UTF-8''na%C3%AFve%20%2250%25%22.pdf"
        );
    }

    proptest! {
        #[test]
        fn every_name_is_safe_and_stays_as_it_is(name in any::<String>()) {
            let once = shown(&name);
            prop_assert_eq!(shown(&once), once.clone());
            let count = once.chars().count();
            prop_assert!((1..=FILE_NAME_CHARS_MAX).contains(&count));
            prop_assert!(!once.contains(['/', '\\']) && !once.contains(is_hidden));
            prop_assert!(!once.starts_with(is_trimmed) && !once.ends_with(is_trimmed));
            let header = content_disposition(Disposition::Attachment, &once);
            prop_assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
