//! What is checked alike of every token: its size, its header, its signature.
//!
//! Invariants: the algorithm is ours to choose, never the token's; nothing here believes a claim.
//! Never: chooses a key or reads a clock.

use frontdesk_protocol::limits::TOKEN_BYTES_MAX;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::de::DeserializeOwned;

use super::error::AuthError;
use crate::object::Object;

/// The header of a token that could be checked.
pub(super) fn header(token: &str) -> Result<Header, AuthError> {
    if token.is_empty() {
        return Err(AuthError::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(AuthError::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(unreadable)?;
    if header.alg != Algorithm::HS256 {
        return Err(AuthError::Algorithm);
    }
    // RFC 7515 section 4.1.11: what is marked critical and not understood is refused.
    if header.crit.is_some() {
        return Err(AuthError::Malformed);
    }
    Ok(header)
}

/// Whether a token was signed with a key.
pub(super) fn check(token: &str, key: &DecodingKey) -> Result<(), AuthError> {
    let (message, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
    let signed = jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256);
    match signed {
        Ok(true) => Ok(()),
        Ok(false) => Err(AuthError::Signature),
        Err(_) => Err(AuthError::Malformed),
    }
}

/// The claims of a token, believed or not: the library's own checks read the clock and refuse
/// claims that hosts do write.
pub(super) fn claims<C: DeserializeOwned>(token: &str) -> Result<C, AuthError> {
    let claims = insecure_decode_claims::<Object<C>>(token);
    claims.map(|Object(claims)| claims).map_err(unreadable)
}

fn unreadable(error: Error) -> AuthError {
    match error.kind() {
        ErrorKind::InvalidAlgorithm
        | ErrorKind::InvalidAlgorithmName
        | ErrorKind::UnsupportedAlgorithm => AuthError::Algorithm,
        _ => AuthError::Malformed,
    }
}
