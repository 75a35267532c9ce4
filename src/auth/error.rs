//! Why a token is not believed, in words that are safe to send to whoever sent it.
//!
//! Invariants: no variant carries a part of the token, of a key or of another company.

use frontdesk_protocol::limits::TOKEN_BYTES_MAX;
use frontdesk_protocol::{CloseCode, ErrorCode, Rejection};

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none.
    #[error("authentication required")]
    Missing,
    /// Refused before it is read.
    #[error("token too long: limit {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not a signed token at all.
    #[error("token is malformed")]
    Malformed,
    /// Signed in a way that is not accepted; `none` is one of them.
    #[error("token algorithm is not HS256")]
    Algorithm,
    /// The key it names is not known, or it names none and there are several.
    #[error("token key is not known")]
    UnknownKey,
    /// Signed by somebody else, or changed afterwards.
    #[error("token signature does not match")]
    Signature,
    /// It says to be signed by this server, where a host's is expected.
    #[error("token names this server as its signer")]
    OwnToken,
    /// A claim is missing or cannot be understood.
    #[error("token claim {0} is missing or invalid")]
    Claim(&'static str),
    /// It is for fetching tokens, not for talking.
    #[error("refresh token given in the place of an access token")]
    RefreshToken,
    /// It was valid once.
    #[error("token expired")]
    Expired,
    /// It will be valid later.
    #[error("token is not valid yet")]
    NotYetValid,
    /// It names no company, and the server has no default one.
    #[error("token names no company")]
    NoCompany,
    /// Its company is not served here.
    #[error("unknown company")]
    UnknownCompany,
}

impl AuthError {
    /// The code that clients are told.
    pub const fn code(self) -> ErrorCode {
        match self {
            AuthError::Expired => ErrorCode::TokenExpired,
            AuthError::UnknownCompany => ErrorCode::UnknownCompany,
            AuthError::Missing
            | AuthError::TooLong
            | AuthError::Malformed
            | AuthError::Algorithm
            | AuthError::UnknownKey
            | AuthError::Signature
            | AuthError::OwnToken
            | AuthError::Claim(_)
            | AuthError::RefreshToken
            | AuthError::NotYetValid
            | AuthError::NoCompany => ErrorCode::Unauthenticated,
        }
    }

    /// How a socket is closed; the reason text is this error's own.
    pub const fn close_code(self) -> CloseCode {
        CloseCode::Unauthenticated
    }
}

impl From<AuthError> for Rejection {
    fn from(error: AuthError) -> Self {
        Rejection::because(error.code(), error.to_string())
    }
}
