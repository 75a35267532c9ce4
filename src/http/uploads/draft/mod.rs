//! The resumable-upload draft of the IETF ("Resumable Uploads for HTTP"), on the same uploads as
//! tus: what is begun in one can be ended in the other.
//!
//! Clients create with care: they ask for an upload, are told where it is, and send its bytes
//! there. Nobody is told earlier, by an interim answer 104: the HTTP library sends none.
//!
//! Owns: which requests speak it; `fields` reads what it has of its own, `answers` writes it,
//! `create` and `append` do what it asks for.
//!
//! Invariants: bytes past the length that was said end the upload; a file is looked at only when
//! all of it is there, and the answer to the last byte waits a while for what came of it.
//! Never: answers with a field of tus.

mod answers;
mod append;
mod create;
mod fields;

use axum::http::{HeaderMap, header};

pub(super) use answers::{Problem, of};
pub(super) use append::{append, cancel, offset};
pub(super) use create::create;

use super::headers::TUS_RESUMABLE;
use fields::{INTEROP, PARTIAL_TYPE, UPLOAD_COMPLETE};

/// Whether a request with a body speaks the draft. tus always names its version.
pub(super) fn is_spoken(headers: &HeaderMap) -> bool {
    let is_partial = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == PARTIAL_TYPE);
    let is_marked = headers.contains_key(UPLOAD_COMPLETE) || headers.contains_key(INTEROP);
    is_bare(headers) && (is_marked || is_partial)
}

/// Whether a request without a body does: those need no field of the draft.
pub(super) fn is_bare(headers: &HeaderMap) -> bool {
    !headers.contains_key(TUS_RESUMABLE)
}
