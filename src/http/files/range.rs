//! Which bytes of a file are asked for: one range, or all.
//!
//! Invariants: what cannot be read is as if nothing was asked, as RFC 9110 section 14.2 allows: so
//! are several ranges, which cost more than they save, and units that are not bytes.
//!
//! Never: reads a file.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: 200.
    Whole,
    /// These bytes: 206.
    Part(Range<u64>),
    /// Bytes that are not there: 416.
    Outside,
}

/// What the headers of a GET ask for, of a file of this length and tag.
pub(super) fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return Wanted::Whole;
    };
    // A tag that is weak or a date proves nothing here: then the whole file is what is meant.
    let is_same = |condition: &axum::http::HeaderValue| condition.as_bytes() == tag.as_bytes();
    if !headers.get_all(header::IF_RANGE).iter().all(is_same) {
        return Wanted::Whole;
    }
    range
        .to_str()
        .ok()
        .and_then(|range| one_range(range, size))
        .unwrap_or(Wanted::Whole)
}

fn one_range(text: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let part = match (first, last) {
        ("", last) => {
            let length = position(last)?.min(size);
            size - length..size
        }
        (first, "") => position(first)?..size,
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    match part.start < part.end {
        true => Some(Wanted::Part(part)),
        false => Some(Wanted::Outside),
    }
}

/// A number of nothing but digits; what no file reaches is as far as can be.
fn position(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    fn asked(pairs: &[(&'static str, &str)]) -> Wanted {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header"));
        }
        wanted(&headers, TAG, 1_000)
    }

    #[test]
    fn one_range_is_cut_at_the_end() {
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-", 0..1_000),
            ("bytes=999-", 999..1_000),
            ("bytes=10-19", 10..20),
            ("bytes=10-99999999999999999999999", 10..1_000),
            ("bytes=-1", 999..1_000),
            ("bytes=-5000", 0..1_000),
            ("Bytes = 1-2", 1..3),
        ] {
            assert_eq!(asked(&[("range", text)]), Wanted::Part(part), "{text}");
        }
        for text in [
            "bytes=1000-",
            "bytes=1000-1001",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(asked(&[("range", text)]), Wanted::Outside, "{text}");
        }
    }

    #[test]
    fn what_is_no_single_range_is_the_whole_file() {
        for text in [
            "bytes=0-0,1-1",
            "bytes=-9e99",
            "bytes=5-3",
            "bytes=-",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes 1-2",
            "items=1-2",
            "",
        ] {
            assert_eq!(asked(&[("range", text)]), Wanted::Whole, "{text}");
        }
        let many: Vec<String> = (0..1_000).map(|i| format!("{i}-{i}")).collect();
        let many = format!("bytes={}", many.join(","));
        assert_eq!(asked(&[("range", &many)]), Wanted::Whole);
        let twice = [("range", "bytes=0-0"), ("range", "bytes=1-1")];
        assert_eq!(asked(&twice), Wanted::Whole);
    }

    #[test]
    fn a_part_is_only_of_the_file_that_the_client_has() {
        let of = |tag| asked(&[("range", "bytes=0-0"), ("if-range", tag)]);
        assert_eq!(of(TAG), Wanted::Part(0..1));
        for other in ["\"abd\"", "W/\"abc\"", "Sun, 06 Nov 1994 08:49:37 GMT", "*"] {
            assert_eq!(of(other), Wanted::Whole, "{other}");
        }
    }
}
