//! The key of links to files: whoever has a link has no other proof.
//!
//! Never: knows what a link is for, or shows its key.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::Algorithm;

use super::Pair;

/// Signs and checks the text of a link with HMAC-SHA256. Clones are the same key.
#[derive(Clone)]
pub(crate) struct LinkKey(Arc<Pair>);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey")
    }
}

impl LinkKey {
    pub(super) fn new(pair: Pair) -> Self {
        Self(Arc::new(pair))
    }

    /// The signature, in letters that need no escaping in a query.
    pub(crate) fn sign(&self, text: &str) -> String {
        jsonwebtoken::crypto::sign(text.as_bytes(), &self.0.encoding, Algorithm::HS256)
            .expect("HS256 takes a text of any length")
    }

    /// Whether this is the text's signature; compared in constant time.
    pub(crate) fn is_signed(&self, text: &str, signature: &str) -> bool {
        let key = &self.0.decoding;
        let checked =
            jsonwebtoken::crypto::verify(signature, text.as_bytes(), key, Algorithm::HS256);
        checked.unwrap_or(false)
    }
}
