//! Tokens as a host application makes them.

use frontdesk_actors::clock::{Clock, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::COMPANY;

/// What every node here checks tokens with.
pub(crate) const SECRET: &str = "a secret of the host";
/// How long a token is good unless a test says otherwise, seconds.
const TTL_S: u64 = 3_600;

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemClock::default().now().0 / 1_000
}

/// A token with these claims, signed with this secret.
pub(crate) fn signed(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("a token")
}

/// Usual claims of a person, with changes; null takes one away.
pub(crate) fn token_with(person: &Value, changes: &Value) -> String {
    let mut claims = json!({"user_id": person, "company_id": COMPANY, "exp": now_s() + TTL_S});
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let known = claims.as_object_mut().expect("an object");
    known.retain(|_, value| !value.is_null());
    signed(SECRET, &claims)
}

/// A token of a person of the usual company.
pub(crate) fn token_of(person: &str) -> String {
    token_with(&json!(person), &json!({}))
}
