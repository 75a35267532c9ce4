//! What is wrong with the settings, and where it was said.
//!
//! Invariants: names the key and its origin; never repeats a secret's value.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, or the file when it cannot be read at all.
    pub key: String,
    /// Where it was said: `file frontdesk.toml:3`, `env FRONTDESK_…`, `flag --listen`.
    pub origin: String,
    /// What is wrong and what was expected.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (from {})", self.key, self.why, self.origin)
    }
}

/// Everything that is wrong with the settings; the node does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
