//! Answers that a client may have already: an ETag made of the bytes, and 304 for who names it.
//!
//! Clients without a socket ask every few seconds for what has not changed; they are spared the
//! bytes. The tag is made of the very bytes, so it can never be older than they are.
//!
//! Never: lets a shared cache keep what belongs to one person.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uuid::Uuid;

/// The body as JSON, or 304 when the client has exactly this.
pub(crate) fn unless_known(asked: &HeaderMap, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("a body always encodes");
    let tag = Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes).simple();
    let tag = format!("\"{tag}\"");
    let is_known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| names(value, &tag));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let json = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, json)], bytes).into_response()
        }
    };
    let headers = response.headers_mut();
    let private = HeaderValue::from_static("private, no-cache");
    headers.insert(header::CACHE_CONTROL, private);
    let varies = HeaderValue::from_static("authorization");
    headers.append(header::VARY, varies);
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes");
    headers.insert(header::ETAG, tag);
    response
}

/// Whether an `If-None-Match` names this tag; a weak one names it as well.
pub(crate) fn names(value: &str, tag: &str) -> bool {
    let mut named = value.split(',').map(str::trim);
    named.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
        headers
    }

    #[test]
    fn only_the_very_bytes_are_known() {
        let first = unless_known(&HeaderMap::new(), &[1, 2]);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".into(),
        ] {
            let again = unless_known(&asked(&known), &[1, 2]);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[header::ETAG].to_str().unwrap(), tag);
        }
        let other = unless_known(&asked(&tag), &[1, 3]);
        assert_eq!(other.status(), StatusCode::OK);
    }
}
