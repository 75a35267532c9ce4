//! What a file is by its bytes, and whether that may be: two libraries that know formats, and our
//! own look for what runs. What either of the three calls dangerous is.
//!
//! Invariants: what a client claims never makes a file harmless; what is not recognised is
//! `application/octet-stream`, which no browser opens.
//!
//! Never: unpacks or runs anything, or looks for viruses.

mod writing;

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};

use file_format::{FileFormat, Kind};
use writing::{Writing, is_text, lower_text};

/// What is looked at for markup, bytes: as far as browsers look (WHATWG MIME Sniffing 7.1).
const MARKUP_BYTES: usize = 1_445;
/// The start of a file that is looked at, bytes.
const HEAD_BYTES: usize = 8 * 1024;
/// Tags of ID3 one behind the other: programs that tag music write one, two where they do not look
/// for the first. Each costs a seek and a read, and ten bytes of the file are enough for one.
const ID3_TAG_COUNT_MAX: usize = 8;
/// What nobody recognised.
pub(super) const UNKNOWN: &str = "application/octet-stream";
/// Words.
pub(super) const PLAIN: &str = "text/plain";

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniffed {
    /// The MIME type it is served as.
    pub mime: Cow<'static, str>,
    /// What that means.
    pub nature: Nature,
    /// Whether it may be text all the same, if it is said to be: its start is of letters only, one
    /// in each byte where it is not Unicode, which bytes alone do not tell from other things.
    pub may_be_text: bool,
}

/// The kinds of files that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nature {
    /// A picture of pixels.
    Image,
    /// Words, tables, slides, books.
    Document,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Files in a file, or one that is packed.
    Archive,
    /// Whatever else.
    Other,
    /// Runs in a browser, or has it run something.
    Active,
    /// Runs on a computer, or has it run something.
    Executable,
}

impl Nature {
    /// The word of clients that sort files into categories.
    pub const fn category(self) -> &'static str {
        match self {
            Nature::Image => "image",
            Nature::Document => "document",
            Nature::Audio => "audio",
            Nature::Video => "video",
            Nature::Archive => "archive",
            Nature::Other | Nature::Active | Nature::Executable => "other",
        }
    }

    /// Whether it is refused unless a company takes every kind of file.
    pub const fn is_dangerous(self) -> bool {
        matches!(self, Nature::Active | Nature::Executable)
    }
}

/// Looks at a file.
///
/// # Errors
/// When it cannot be read.
pub fn sniff<R: Read + Seek>(mut file: R) -> io::Result<Sniffed> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    file.by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)?;
    let (format, other) = match is_chained(&mut file)? {
        // One library would follow them to the end, the other sees music in the first.
        true => (FileFormat::ArbitraryBinaryData, None),
        false => {
            file.seek(SeekFrom::Start(0))?;
            let format = FileFormat::from_reader(io::BufReader::new(file))?;
            (format, infer::get(&head))
        }
    };
    let writing = Writing::of(&head);
    let other = other.filter(|found| writing.is_none() || is_written(found));
    let mime = mime_of(writing, &format, other.as_ref());
    let nature = if runs(&head, &format, other.as_ref()) {
        Nature::Executable
    } else if is_active(&head, &format, other.as_ref()) {
        Nature::Active
    } else {
        nature_of(&mime, &format, other.as_ref())
    };
    Ok(Sniffed {
        may_be_text: writing.is_some() && is_no_document(nature),
        mime,
        nature,
    })
}

/// Whether more tags of ID3 stand one behind the other, from the start, than music has.
fn is_chained<R: Read + Seek>(file: &mut R) -> io::Result<bool> {
    /// The head, and behind it the length of a larger one.
    const HEADS_BYTES: u64 = 14;
    const FOOT_BYTES: u64 = 10;
    const HAS_LARGER_HEAD: u8 = 0x40;
    const HAS_FOOT: u8 = 0x10;
    let mut at = 0_u64;
    for _ in 0..=ID3_TAG_COUNT_MAX {
        let mut heads = Vec::new();
        file.seek(SeekFrom::Start(at))?;
        file.by_ref().take(HEADS_BYTES).read_to_end(&mut heads)?;
        let [b'I', b'D', b'3', _, _, flags, a, b, c, d, larger @ ..] = &heads[..] else {
            return Ok(false);
        };
        let seven = |sum: u64, byte: &u8| sum << 7 | u64::from(byte & 0x7F);
        at += 10 + [a, b, c, d].into_iter().fold(0, seven);
        if flags & HAS_LARGER_HEAD != 0 {
            let eight = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
            at += larger.iter().fold(0, eight);
        }
        if flags & HAS_FOOT != 0 {
            at += FOOT_BYTES;
        }
    }
    Ok(true)
}

/// Neither dangerous nor a document, which in letters is text already or one of pages.
fn is_no_document(nature: Nature) -> bool {
    !nature.is_dangerous() && nature != Nature::Document
}

/// Whether what was found is written in letters. Of other things two or four bytes are asked for,
/// and sentences begin with those.
fn is_written(found: &infer::Type) -> bool {
    const PAGES: [&str; 3] = [
        "application/pdf",
        "application/rtf",
        "application/postscript",
    ];
    found.matcher_type() == infer::MatcherType::Text || PAGES.contains(&found.mime_type())
}

/// The more telling of two opinions: the one that reads into containers, if it found something.
fn mime_of(
    writing: Option<Writing>,
    format: &FileFormat,
    other: Option<&infer::Type>,
) -> Cow<'static, str> {
    let is_unicode = writing == Some(Writing::Unicode);
    let told = match format {
        FileFormat::Empty | FileFormat::ArbitraryBinaryData | FileFormat::PlainText => None,
        // A sentence that begins as some recording does: neither sound nor film is written.
        known if is_unicode && matches!(known.kind(), Kind::Audio | Kind::Video) => None,
        known => Some(Cow::Owned(known.media_type().to_owned())),
    };
    told.or_else(|| other.map(|found| Cow::Borrowed(found.mime_type())))
        .unwrap_or(match is_unicode {
            true => Cow::Borrowed(PLAIN),
            false => Cow::Borrowed(UNKNOWN),
        })
}

fn nature_of(mime: &str, format: &FileFormat, other: Option<&infer::Type>) -> Nature {
    match mime.split_once('/') {
        Some(("image", _)) => return Nature::Image,
        Some(("audio", _)) => return Nature::Audio,
        Some(("video", _)) => return Nature::Video,
        Some(("text", _)) => return Nature::Document,
        _ => {}
    }
    match (format.kind(), other.map(infer::Type::matcher_type)) {
        (Kind::Document | Kind::Spreadsheet | Kind::Presentation | Kind::Ebook, _)
        | (_, Some(infer::MatcherType::Doc | infer::MatcherType::Book)) => Nature::Document,
        (Kind::Archive | Kind::Compressed, _) | (_, Some(infer::MatcherType::Archive)) => {
            Nature::Archive
        }
        _ => Nature::Other,
    }
}

/// First bytes of what computers run, or of what has them run something, if no text begins so.
const PROGRAMS: [&[u8]; 12] = [
    b"MZ",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"dex\n",
    b"\x4c\0\0\0\x01\x14\x02\0",
    b"MSCF",
    b"\xd7\xcd\xc6\x9a",
];

/// Words that begin scripts, in lower case, after white space.
const SCRIPTS: [&str; 6] = [
    "#!",
    "<?=",
    "@echo off",
    "[desktop entry]",
    "[internetshortcut]",
    "windows registry editor",
];

fn runs(head: &[u8], format: &FileFormat, other: Option<&infer::Type>) -> bool {
    let starts = |magic: &&[u8]| head.starts_with(magic);
    let text = lower_text(head);
    let text = text.trim_start();
    let by_other = other.is_some_and(|found| {
        let is_app = found.matcher_type() == infer::MatcherType::App;
        // Compiled pages of some languages stand there too; none is anything to send.
        is_app || found.mime_type() == "text/x-shellscript"
    });
    let by_format = matches!(format.kind(), Kind::Executable | Kind::Package)
        || matches!(
            format,
            FileFormat::WindowsShortcut | FileFormat::ShellScript
        );
    by_format
        || by_other
        || is_program_archive(head)
        || !is_text(head) && PROGRAMS.iter().any(starts)
        || SCRIPTS.iter().any(|word| text.starts_with(word))
        || text.contains("<?php")
}

/// A ZIP whose first entry only packed programs have.
fn is_program_archive(head: &[u8]) -> bool {
    const ENTRY_NAME_AT: usize = 30;
    const NAMES: [&[u8]; 3] = [b"META-INF/", b"AndroidManifest.xml", b"classes.dex"];
    let name = head.get(ENTRY_NAME_AT..).unwrap_or_default();
    head.starts_with(b"PK\x03\x04") && NAMES.iter().any(|first| name.starts_with(first))
}

/// Words by which a browser takes a file for a page, in lower case.
const MARKUP: [&str; 22] = [
    "<!doctype html",
    "<html",
    "<head",
    "<script",
    "<iframe",
    "<h1",
    "<div",
    "<font",
    "<table",
    "<a",
    "<style",
    "<title",
    "<b",
    "<body",
    "<br",
    "<p",
    "<!--",
    "<svg",
    "<?xml-stylesheet",
    "<math",
    "<object",
    "<embed",
];

/// Words that make a page of whatever they stand in.
const INNER_MARKUP: [&str; 10] = [
    "<?xml-stylesheet",
    "<script",
    "<svg",
    "<html",
    "<iframe",
    "<!doctype",
    "<!entity",
    "xmlns=\"http://www.w3.org/1999/xhtml",
    "<xsl:",
    "javascript:",
];

/// Namespaces of pages and of pictures that run.
const ACTIVE_NAMESPACES: [&str; 2] = ["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"];

/// Whether elements of a text may be a page's, by whatever prefix they go; a namespace that is
/// spelt with references is taken for one, and so is a text whose first element is not in sight.
fn is_marked_up(head: &[u8]) -> bool {
    let text = lower_text(head);
    let text = text.trim_start();
    if !text.starts_with('<') {
        return false;
    }
    let is_in_sight = |rest: &str| rest.contains('>') || head.len() < HEAD_BYTES;
    let declared = text.split("xmlns").skip(1).any(|rest| {
        let value = rest.split_once('=').map_or("", |(_, value)| value);
        let value = value.trim_start();
        let quote = value.chars().next().filter(|sign| "\"'".contains(*sign));
        let value = quote.and_then(|quote| value[1..].split(quote).next());
        value.is_some_and(|value| {
            let value = value.trim_start();
            value.contains('&') || ACTIVE_NAMESPACES.iter().any(|name| value.starts_with(name))
        })
    });
    declared || !first_element(text).is_some_and(is_in_sight)
}

/// What stands behind the declaration and the comments of a text; `None` if they do not end in it.
fn first_element(mut text: &str) -> Option<&str> {
    loop {
        text = text.trim_start();
        let end = match text {
            _ if text.starts_with("<?") => "?>",
            _ if text.starts_with("<!--") => "-->",
            _ => return Some(text),
        };
        text = text.split_once(end)?.1;
    }
}

fn is_active(head: &[u8], format: &FileFormat, other: Option<&infer::Type>) -> bool {
    const TYPES: [&str; 7] = [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/javascript",
        "application/x-shockwave-flash",
        "message/rfc822",
        "multipart/related",
    ];
    let is_named = |mime: &str| TYPES.contains(&mime);
    if is_named(format.media_type()) || other.is_some_and(|found| is_named(found.mime_type())) {
        return true;
    }
    let window = lower_text(&head[..head.len().min(MARKUP_BYTES)]);
    let text = window.trim_start();
    let begins = MARKUP.iter().any(|word| {
        let rest = text.strip_prefix(word);
        rest.is_some_and(|rest| {
            *word == "<!--" || rest.starts_with([' ', '>', '\t', '\r', '\n', '/'])
        })
    });
    // A page in the middle of a text, or behind an XML declaration; not in pictures and archives,
    // where a word is chance.
    let is_textual = text.starts_with("<?xml")
        || match Writing::of(head) {
            Some(Writing::Unicode) => true,
            Some(Writing::Bytes) => format.kind() != Kind::Document,
            None => writing::is_wide(head),
        };
    let is_inside = || INNER_MARKUP.iter().any(|word| text.contains(word)) || is_marked_up(head);
    begins || is_textual && is_inside()
}

#[cfg(test)]
mod tests;
