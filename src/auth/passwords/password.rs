//! A password on its way from a request to its hash.
//!
//! Invariants: `Debug` shows none of it, and its memory is overwritten when it is dropped; the same
//! letters are the same password, however a keyboard puts them together (Unicode's form NFC).
//! Never: is kept, compared or serialized.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::random;
use crate::config::MASK;

/// What people choose has at least so many characters: fewer are guessed (NIST SP 800-63B).
const CHARACTER_COUNT_MIN: usize = 8;
/// And at most so many: a sentence fits, a document does not.
const CHARACTER_COUNT_MAX: usize = 128;
/// What is typed at a login may have so many bytes; twice what can be a password at all.
pub const TYPED_BYTES_MAX: usize = 1_024;

/// What is put together, bytes: the longest password in the longest way to type it fits. Whatever
/// is longer is none, and stays as it is.
const COMPOSED_BYTES_MAX: usize = 4 * TYPED_BYTES_MAX;
/// UTF-8 grows at most so many times when it is put together.
const COMPOSED_GROWTH_MAX: usize = 3;

/// Letters and digits that are read aloud and typed without a mistake: 32, so five bits each.
const READABLE: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a generated password: 100 bits.
const GENERATED_CHARACTER_COUNT: usize = 20;
/// Characters between two hyphens of it.
const GROUP_CHARACTER_COUNT: usize = 5;

/// Why a password cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// It would be guessed.
    #[error("password too short: at least {CHARACTER_COUNT_MIN} characters")]
    TooShort,
    /// Nobody types that.
    #[error("password too long: limit {CHARACTER_COUNT_MAX} characters")]
    TooLong,
}

/// A password, not yet known to be anybody's.
pub struct Password(String);

impl Password {
    /// One that somebody wants to have from now on.
    pub fn chosen(text: String) -> Result<Self, BadPassword> {
        // Made first, so that what is refused is overwritten as well.
        let password = Self(text).composed();
        match password.0.chars().take(CHARACTER_COUNT_MAX + 1).count() {
            ..CHARACTER_COUNT_MIN => Err(BadPassword::TooShort),
            CHARACTER_COUNT_MIN..=CHARACTER_COUNT_MAX => Ok(password),
            _ => Err(BadPassword::TooLong),
        }
    }

    /// One that somebody typed to log in. Nothing is refused here: what nobody could have chosen is
    /// plainly wrong.
    pub fn typed(text: String) -> Self {
        Self(text).composed()
    }

    /// With its letters put together in the one way there is; the text as it was is overwritten.
    fn composed(self) -> Self {
        if self.0.len() > COMPOSED_BYTES_MAX || is_nfc(&self.0) {
            return self;
        }
        // Of its whole length at once: what grows leaves copies behind.
        let mut text = String::with_capacity(self.0.len() * COMPOSED_GROWTH_MAX);
        text.extend(self.0.nfc());
        Self(text)
    }

    /// A new one of 100 random bits in four groups, `h4kq7-…`, for somebody who is to change it.
    pub fn generate() -> Self {
        let letters = random::bytes::<GENERATED_CHARACTER_COUNT>();
        let letters = letters.map(|byte| char::from(READABLE[usize::from(byte % 32)]));
        // Of its whole length at once: what grows leaves copies behind.
        let mut text = String::with_capacity(GENERATED_CHARACTER_COUNT * 2);
        for (index, letter) in letters.into_iter().enumerate() {
            if index > 0 && index % GROUP_CHARACTER_COUNT == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        Self(text)
    }

    /// The text itself, to tell it once to whoever it was generated for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn is_overlong(&self) -> bool {
        self.0.len() > TYPED_BYTES_MAX
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // As if it were read: what nobody reads need not be written.
        std::hint::black_box(&bytes);
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
