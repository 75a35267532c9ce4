//! The header fields of resumable uploads, read strictly: what stands twice or is not exactly a
//! number is refused, since two readers of one length are how bytes get lost.
//!
//! Never: decides what follows from a value.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use frontdesk_protocol::limits::{UPLOAD_METADATA_BYTES_MAX, UPLOAD_PART_COUNT_MAX};
use frontdesk_protocol::{ErrorCode, UploadId};

use crate::http::ApiError;
use crate::uploads::Checking;

/// The version of tus that is spoken.
pub(super) const VERSION: &str = "1.0.0";
/// What of it beside the core.
pub(super) const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,\
     concatenation";

pub(super) const TUS_RESUMABLE: &str = "tus-resumable";
pub(super) const TUS_VERSION: &str = "tus-version";
pub(super) const TUS_EXTENSION: &str = "tus-extension";
pub(super) const TUS_MAX_SIZE: &str = "tus-max-size";
pub(super) const TUS_CHECKSUM_ALGORITHM: &str = "tus-checksum-algorithm";
pub(super) const UPLOAD_LENGTH: &str = "upload-length";
pub(super) const UPLOAD_OFFSET: &str = "upload-offset";
pub(super) const UPLOAD_DEFER_LENGTH: &str = "upload-defer-length";
pub(super) const UPLOAD_METADATA: &str = "upload-metadata";
pub(super) const UPLOAD_EXPIRES: &str = "upload-expires";
pub(super) const UPLOAD_CONCAT: &str = "upload-concat";
pub(super) const UPLOAD_CHECKSUM: &str = "upload-checksum";
pub(super) const UPLOAD_LIMIT: &str = "upload-limit";
pub(super) const METHOD_OVERRIDE: &str = "x-http-method-override";

/// The type of a body of bytes.
pub(super) const BYTES_TYPE: &str = "application/offset+octet-stream";
/// Where uploads are.
pub(super) const PATH: &str = "/v1/uploads";

/// A field that may stand once.
pub(super) fn one<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad(name, "stands twice"));
    }
    let text = value.to_str().map_err(|_| bad(name, "is not plain text"))?;
    Ok(Some(text))
}

/// A whole number, in digits alone.
pub(super) fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, ApiError> {
    let Some(text) = one(headers, name)? else {
        return Ok(None);
    };
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_digits);
    // Twice as much as any disk holds, and far from where sums of two overflow.
    let number = number.filter(|number| *number < 1 << 62);
    number
        .map(Some)
        .ok_or_else(|| bad(name, "is not a number of bytes"))
}

/// How long a body says it is, none at all included; `None` when it comes in pieces.
pub(super) fn body_bytes(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let bytes = number(headers, CONTENT_LENGTH.as_str())?;
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    Ok(bytes.or((!is_chunked).then_some(0)))
}

/// What is said of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) mime: String,
    pub(super) room: Option<String>,
    pub(super) caption: String,
    /// As it was given.
    pub(super) raw: String,
}

impl Metadata {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(raw) = one(headers, UPLOAD_METADATA)? else {
            return Ok(Self::default());
        };
        if raw.len() > UPLOAD_METADATA_BYTES_MAX {
            let why = format!("has {} bytes, limit {UPLOAD_METADATA_BYTES_MAX}", raw.len());
            return Err(bad(UPLOAD_METADATA, &why));
        }
        let mut metadata = Self {
            raw: raw.to_owned(),
            ..Self::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        for pair in raw.split(',').map(str::trim).filter(|_| !raw.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if key.is_empty() || !seen.insert(key) {
                return Err(bad(
                    UPLOAD_METADATA,
                    "has a key that is empty or stands twice",
                ));
            }
            let value = STANDARD.decode(value.trim());
            let value =
                value.map_err(|_| bad(UPLOAD_METADATA, "has a value that is not base64"))?;
            metadata.take(key, value)?;
        }
        Ok(metadata)
    }

    fn take(&mut self, key: &str, value: Vec<u8>) -> Result<(), ApiError> {
        // Names of both spellings are in use; the tus project's own clients write the first.
        let field = match key {
            "filename" | "name" => &mut self.name,
            "filetype" | "type" => &mut self.mime,
            "caption" => &mut self.caption,
            "room" => self.room.insert(String::new()),
            _ => return Ok(()),
        };
        let text = String::from_utf8(value);
        *field = text.map_err(|_| bad(UPLOAD_METADATA, "has a value that is not UTF-8"))?;
        Ok(())
    }
}

/// How an upload is made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Concat {
    /// Of the bytes that come.
    Whole,
    /// The same, and it is a part of another.
    Partial,
    /// Of these.
    Final(Vec<UploadId>),
}

impl Concat {
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(text) = one(headers, UPLOAD_CONCAT)? else {
            return Ok(Self::Whole);
        };
        if text == "partial" {
            return Ok(Self::Partial);
        }
        let wrong = || bad(UPLOAD_CONCAT, "is neither partial nor final with its parts");
        let parts = text.strip_prefix("final;").ok_or_else(wrong)?;
        let mut ids = Vec::new();
        for part in parts.split_ascii_whitespace() {
            // Absolute or not: the last piece of its path is the part's id.
            let id = part.rsplit('/').next().unwrap_or_default();
            ids.push(id.parse().map_err(|_| wrong())?);
        }
        if ids.is_empty() || ids.len() > UPLOAD_PART_COUNT_MAX {
            let why = format!("has {} parts, 1 to {UPLOAD_PART_COUNT_MAX}", ids.len());
            return Err(bad(UPLOAD_CONCAT, &why));
        }
        Ok(Self::Final(ids))
    }
}

/// The checksum of a body, if one is given.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checking>, ApiError> {
    let Some(text) = one(headers, UPLOAD_CHECKSUM)? else {
        return Ok(None);
    };
    let (algorithm, digest) = text
        .split_once(' ')
        .ok_or_else(|| bad(UPLOAD_CHECKSUM, "is not an algorithm and a digest"))?;
    let digest = STANDARD.decode(digest.trim());
    let digest = digest.map_err(|_| bad(UPLOAD_CHECKSUM, "is not base64"))?;
    let checking = Checking::new(algorithm, digest);
    let known = Checking::ALGORITHMS.join(", ");
    let unknown = || {
        bad(
            UPLOAD_CHECKSUM,
            &format!("is of an unknown algorithm, not {known}"),
        )
    };
    checking.map(Some).ok_or_else(unknown)
}

pub(super) fn bad(name: &'static str, why: &str) -> ApiError {
    ApiError::because(ErrorCode::BadField, format!("{name} {why}"))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let value = HeaderValue::from_str(value).expect("a header's value");
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn a_length_is_digits_and_stands_once() {
        for good in ["0", "7", "4611686018427387903"] {
            assert!(number(&headers(&[(UPLOAD_LENGTH, good)]), UPLOAD_LENGTH).is_ok());
        }
        for bad in [
            "",
            "+5",
            "-1",
            " 5 5",
            "5,5",
            "0x5",
            "1e3",
            "4611686018427387904",
        ] {
            let given = headers(&[(UPLOAD_LENGTH, bad)]);
            assert!(number(&given, UPLOAD_LENGTH).is_err(), "{bad:?}");
        }
        let twice = headers(&[(UPLOAD_LENGTH, "5"), (UPLOAD_LENGTH, "5")]);
        assert!(number(&twice, UPLOAD_LENGTH).is_err());
        assert_eq!(number(&headers(&[]), UPLOAD_LENGTH), Ok(None));
    }

    #[test]
    fn metadata_is_pairs_of_a_key_and_base64() {
        let read = |text: &str| Metadata::read(&headers(&[(UPLOAD_METADATA, text)]));
        let metadata =
            read("filename w7wucG5n,filetype aW1hZ2UvcG5n,is_secret,room MTI=").expect("readable");
        assert_eq!(
            (&*metadata.name, &*metadata.mime),
            ("\u{fc}.png", "image/png")
        );
        assert_eq!(metadata.room.as_deref(), Some("12"));
        for bad in ["a YQ==,a YQ==", ",", "a YQ==,", "name ???", "name /w=="] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(read("").expect("nothing is said").name, "");
        assert!(read(&format!("a {}", "A".repeat(UPLOAD_METADATA_BYTES_MAX))).is_err());
    }

    #[test]
    fn a_final_upload_names_its_parts() {
        let (one, two) = (UploadId::from_bits([1; 16]), UploadId::from_bits([2; 16]));
        let text = format!("final;{PATH}/{one} https://chat.example{PATH}/{two} {PATH}/{one}");
        let read = |text: &str| Concat::read(&headers(&[(UPLOAD_CONCAT, text)]));
        assert_eq!(read(&text), Ok(Concat::Final(vec![one, two, one])));
        assert_eq!(read("partial"), Ok(Concat::Partial));
        for bad in ["final;", "final", "whole", "final;/v1/uploads/..%2fx"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
