//! The fields of the draft, and what is said of a file in those of HTTP.
//!
//! Never: takes a field of another meaning for one of its own.

use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::answers::Refusal;
use super::super::headers::{Metadata, bad, one};
use super::answers::inconsistent;
use crate::http::ApiError;
use crate::uploads::Checking;

pub(super) const UPLOAD_COMPLETE: &str = "upload-complete";
pub(super) const INTEROP: &str = "upload-draft-interop-version";
const CONTENT_DIGEST: &str = "content-digest";
const REPR_DIGEST: &str = "repr-digest";
const CONTENT_DISPOSITION: &str = "content-disposition";

/// The type of a body that is a part of a file.
pub(super) const PARTIAL_TYPE: &str = "application/partial-upload";
/// Versions of the draft that are understood: what they changed since is not used here.
const INTEROP_VERSIONS: [&str; 3] = ["6", "7", "8"];
/// Length of a SHA-256, bytes.
const SHA256_BYTES: usize = 32;

/// The version that a client names, if it names one.
pub(super) fn version(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let version = one(headers, INTEROP)?;
    match version.is_none_or(|version| INTEROP_VERSIONS.contains(&version)) {
        true => Ok(version),
        false => {
            let why = format!("is none of {}", INTEROP_VERSIONS.join(", "));
            Err(bad(INTEROP, &why))
        }
    }
}

/// Whether a body is the last of its file.
pub(super) fn complete(headers: &HeaderMap) -> Result<bool, ApiError> {
    match one(headers, UPLOAD_COMPLETE)?.map(str::trim) {
        Some("?1") => Ok(true),
        Some("?0") => Ok(false),
        Some(_) => Err(bad(UPLOAD_COMPLETE, "is neither ?0 nor ?1")),
        None => Err(bad(UPLOAD_COMPLETE, "is missing")),
    }
}

/// How long a file is by all that one request says, if anything.
pub(super) fn length(
    said: Option<u64>,
    announced: Option<u64>,
    offset: u64,
    is_last: bool,
) -> Result<Option<u64>, Refusal> {
    let reaches = announced.map(|bytes| offset.saturating_add(bytes));
    match (said, reaches, is_last) {
        (Some(said), Some(end), true) if said != end => Err(inconsistent(said)),
        (Some(said), Some(end), false) if said < end => Err(inconsistent(said)),
        (Some(said), _, _) => Ok(Some(said)),
        (None, end, true) => Ok(end),
        (None, _, false) => Ok(None),
    }
}

/// The checksum of a body, if it is given in a way that is known here.
pub(super) fn of_body(headers: &HeaderMap) -> Result<Option<Checking>, ApiError> {
    let digest = sha256(headers, CONTENT_DIGEST)?;
    Ok(digest.and_then(|digest| Checking::new("sha256", digest.to_vec())))
}

/// The SHA-256 of the whole file, if it is given.
pub(super) fn of_file(headers: &HeaderMap) -> Result<Option<[u8; SHA256_BYTES]>, ApiError> {
    sha256(headers, REPR_DIGEST)
}

/// Digests in other algorithms are passed over, as their specification has it.
fn sha256(headers: &HeaderMap, name: &'static str) -> Result<Option<[u8; SHA256_BYTES]>, ApiError> {
    let Some(text) = one(headers, name)? else {
        return Ok(None);
    };
    let members = text
        .split(',')
        .filter_map(|member| member.trim().split_once('='));
    // Of members of one name the last one counts.
    let Some((_, value)) = members.rev().find(|(key, _)| *key == "sha-256") else {
        return Ok(None);
    };
    let inner = value
        .strip_prefix(':')
        .and_then(|rest| rest.strip_suffix(':'));
    let digest = inner.and_then(|text| STANDARD.decode(text).ok());
    let digest = digest.and_then(|digest| digest.try_into().ok());
    let wrong = || {
        bad(
            name,
            "has a sha-256 that is not 32 bytes in base64 between colons",
        )
    };
    digest.map(Some).ok_or_else(wrong)
}

/// What the address says of a file.
#[derive(Deserialize)]
struct Query {
    filename: Option<String>,
    room: Option<String>,
    caption: Option<String>,
}

/// What is said of a file: in the address, in its own fields, or as clients of tus say it.
pub(super) fn described(uri: &Uri, headers: &HeaderMap) -> Result<Metadata, ApiError> {
    let query = axum::extract::Query::<Query>::try_from_uri(uri);
    let wrong = |_| bad("filename, room, caption", "cannot be read from the address");
    let axum::extract::Query(query) = query.map_err(wrong)?;
    let mut said = Metadata::read(headers)?;
    let mime = one(headers, header::CONTENT_TYPE.as_str())?;
    if let Some(mime) = mime.filter(|mime| *mime != PARTIAL_TYPE) {
        said.mime = mime.to_owned();
    }
    let named = match one_bytes(headers, CONTENT_DISPOSITION)? {
        Some(text) => file_name(&text),
        None => None,
    };
    if let Some(name) = query.filename.or(named) {
        said.name = name;
    }
    said.room = query.room.or(said.room);
    said.caption = query.caption.unwrap_or(said.caption);
    Ok(said)
}

/// A field that may stand once, in whatever encoding it is.
fn one_bytes(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    match values.next() {
        Some(_) => Err(bad(name, "stands twice")),
        None => Ok(value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())),
    }
}

/// The name in a disposition; the one that says its encoding counts for more.
fn file_name(disposition: &str) -> Option<String> {
    let mut plain = None;
    for (key, value) in parameters(disposition) {
        if key.eq_ignore_ascii_case("filename*") {
            let (charset, rest) = value.split_once('\'')?;
            let (_language, coded) = rest.split_once('\'')?;
            if charset.eq_ignore_ascii_case("utf-8") {
                return Some(decoded(coded));
            }
        } else if key.eq_ignore_ascii_case("filename") {
            plain = plain.or(Some(value));
        }
    }
    plain
}

/// The parameters behind a disposition's type; in quotes, a backslash makes the next character
/// stand for itself.
fn parameters(disposition: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = disposition.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((key, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, behind) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (value, behind) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), behind)
            }
        };
        found.push((key.trim().to_owned(), value));
        rest = behind;
    }
    found
}

/// A quoted text up to its end, and what stands behind the next semicolon.
fn unquoted(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut is_escaped = false;
    for (at, character) in quoted.char_indices() {
        match character {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => {
                let behind = &quoted[at + 1..];
                return (value, behind.split_once(';').map_or("", |(_, rest)| rest));
            }
            _ => {
                value.push(character);
                is_escaped = false;
            }
        }
    }
    (value, "")
}

/// Percents become the bytes that they stand for; one that stands for none stays.
fn decoded(coded: &str) -> String {
    let mut bytes = Vec::with_capacity(coded.len());
    let mut rest = coded.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).filter(|_| *first == b'%');
        let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = text.and_then(|text| u8::from_str_radix(text, 16).ok());
        rest = match byte {
            Some(_) => &behind[2..],
            None => behind,
        };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disposition_names_a_file() {
        for (text, name) in [
            ("attachment; filename=a.txt", Some("a.txt")),
            (
                "attachment;filename=\"a \\\"b\\\"; c.txt\"; x=y",
                Some("a \"b\"; c.txt"),
            ),
            ("form-data; name=\"f\"; FileName=\"a.txt\"", Some("a.txt")),
            (
                "attachment; filename=\"a.txt\"; filename*=UTF-8''%c3%bc%20%zz.txt",
                Some("\u{fc} %zz.txt"),
            ),
            (
                "attachment; filename*=latin1''%fc.txt; filename=b",
                Some("b"),
            ),
            ("attachment; filename=\"open", Some("open")),
            ("attachment", None),
            ("", None),
        ] {
            assert_eq!(file_name(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn lengths_of_one_request_agree() {
        let length = |said, announced, offset, is_last| {
            length(said, announced, offset, is_last).ok().flatten()
        };
        assert_eq!(length(None, Some(5), 3, true), Some(8));
        assert_eq!(length(Some(8), Some(5), 3, true), Some(8));
        assert_eq!(length(Some(9), Some(5), 3, true), None);
        assert_eq!(length(Some(9), Some(5), 3, false), Some(9));
        assert_eq!(length(Some(7), Some(5), 3, false), None);
        assert_eq!(length(Some(7), None, 3, true), Some(7));
        assert_eq!(length(None, Some(5), 3, false), None);
        assert_eq!(length(None, None, 3, true), None);
        assert_eq!(length(None, Some(u64::MAX), 3, true), Some(u64::MAX));
    }

    #[test]
    fn a_digest_is_read_among_others() {
        let digest = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REPR_DIGEST, header::HeaderValue::from_static(text));
            of_file(&headers)
        };
        let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let text: &'static str = format!("sha-512=:AA==:, sha-256=:{zeros}:").leak();
        assert_eq!(digest(text), Ok(Some([0; 32])));
        assert_eq!(digest("md5=:AA==:"), Ok(None));
        assert!(digest("sha-256=:AA==:").is_err());
        assert!(digest("sha-256=AA").is_err());
    }
}
