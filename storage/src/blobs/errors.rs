//! What went wrong with an object, in our words.
//!
//! Invariants: no error carries a path of this machine or an address of a bucket; those, and what
//! a bucket said, are for the log alone.
//!
//! Never: decides what is tried again.

use object_store::Error as ObjectError;

use crate::journal::Error;

/// The most of what a store said that is logged, characters: some answer with whole pages.
const SAID_CHARS_MAX: usize = 512;

/// An error of the store below in our words. It is logged here, where its details are known.
pub(super) fn failed(error: ObjectError) -> Error {
    let said: String = error.to_string().chars().take(SAID_CHARS_MAX).collect();
    tracing::warn!(%said, "the store of files");
    match error {
        ObjectError::NotFound { .. } => Error::Away("what was there is gone"),
        ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. } => {
            Error::Away("something is there already")
        }
        ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => {
            Error::Away("refuses this node's access")
        }
        ObjectError::NotSupported { .. } | ObjectError::NotImplemented { .. } => {
            Error::Away("cannot do what was asked of it")
        }
        ObjectError::InvalidPath { .. } => Error::Away("takes no such name"),
        other if is_full(&other) => Error::Full,
        _ => Error::Away("is not there, or out of order"),
    }
}

/// Whether a disk or a quota of one is used up, however deep that is told.
fn is_full(error: &ObjectError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind;
            return matches!(
                io.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            );
        }
        cause = error.source();
    }
    false
}
