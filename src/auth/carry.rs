//! How tokens travel: header, query, subprotocol list; and how they are kept out of logs.
//!
//! Invariants: what [`redact_uri`] and [`redact_subprotocols`] return holds no token.
//! Never: looks into a token.

use frontdesk_protocol::native::SUBPROTOCOL_TOKEN_PREFIX;

use crate::config::MASK;

/// Names of query parameters that carry secrets, ours and those that clients are known to send.
const SECRET_PARAMETERS: [&str; 6] = [
    "token",
    "access_token",
    "refresh_token",
    "session_token",
    "user_hash",
    "jwt",
];

/// The token of an `Authorization: Bearer …` header.
pub fn from_authorization(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The token of a query: `?token=…`. Tokens hold no character that would be escaped.
pub fn from_query(query: &str) -> Option<&str> {
    let token = |pair: &'_ str| pair.starts_with("token=");
    let pair = query.split('&').find(|pair| token(pair))?;
    pair.strip_prefix("token=")
        .filter(|token| !token.is_empty())
}

/// The token in a `Sec-WebSocket-Protocol` list: `frontdesk.token.…`.
pub fn from_subprotocols(header: &str) -> Option<&str> {
    let mut entries = header.split(',').map(str::trim);
    let token = entries.find_map(|entry| entry.strip_prefix(SUBPROTOCOL_TOKEN_PREFIX))?;
    (!token.is_empty()).then_some(token)
}

/// A path with its query, or a whole address, with `***` in the place of secrets.
pub fn redact_uri(uri: &str) -> String {
    let Some((path, query)) = uri.split_once('?') else {
        return uri.to_owned();
    };
    let pairs: Vec<String> = query.split('&').map(redact_pair).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// A `Sec-WebSocket-Protocol` list with `***` in the place of the token.
pub fn redact_subprotocols(header: &str) -> String {
    let shown = |entry: &str| match entry.trim().starts_with(SUBPROTOCOL_TOKEN_PREFIX) {
        true => format!("{SUBPROTOCOL_TOKEN_PREFIX}{MASK}"),
        false => entry.trim().to_owned(),
    };
    header.split(',').map(shown).collect::<Vec<_>>().join(", ")
}

fn redact_pair(pair: &str) -> String {
    let Some((name, _)) = pair.split_once('=') else {
        return pair.to_owned();
    };
    // An escaped name reads as the plain one to any parser; what is escaped is not needed in a log.
    let plain = SECRET_PARAMETERS
        .iter()
        .any(|secret| secret.eq_ignore_ascii_case(name));
    match plain || name.contains('%') {
        true => format!("{name}={MASK}"),
        false => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_each_place() {
        assert_eq!(from_authorization("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(from_authorization("bearer  a.b.c "), Some("a.b.c"));
        assert_eq!(from_authorization("Basic a.b.c"), None);
        assert_eq!(from_authorization("Bearer "), None);
        assert_eq!(from_query("x=1&token=a.b.c&y=2"), Some("a.b.c"));
        assert_eq!(from_query("token="), None);
        assert_eq!(from_query("mytoken=a"), None);
        let list = "frontdesk.v1.json, frontdesk.token.a.b.c";
        assert_eq!(from_subprotocols(list), Some("a.b.c"));
        assert_eq!(
            from_subprotocols("frontdesk.v1.json,frontdesk.token."),
            None
        );
    }

    #[test]
    fn no_token_is_left_in_a_redacted_address() {
        let redacted = redact_uri("/ws/chat/7/?token=SECRET&x=1");
        assert_eq!(redacted, "/ws/chat/7/?token=***&x=1");
        for uri in [
            "/?TOKEN=SECRET",
            "/?a=b&access_token=SECRET",
            "/?%74oken=SECRET",
            "wss://h/p?jwt=SECRET",
            "/?token=a&token=SECRET",
            "/?token=a=SECRET",
            "/?session_token=SECRET",
            "/?user_id=5&user_hash=SECRET",
        ] {
            assert!(!redact_uri(uri).contains("SECRET"), "{uri}");
        }
        assert_eq!(redact_uri("/v1/ws"), "/v1/ws");
        assert_eq!(redact_uri("/v1/rooms?limit=5"), "/v1/rooms?limit=5");
    }

    #[test]
    fn no_token_is_left_in_a_redacted_subprotocol_list() {
        let redacted = redact_subprotocols("frontdesk.v1.json,frontdesk.token.a.b.c");
        assert_eq!(redacted, "frontdesk.v1.json, frontdesk.token.***");
    }
}
