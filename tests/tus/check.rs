//! What a check is, how binding it is, and what comes of it.
//!
//! Invariants: a check has one name, one place in the protocol and one level; it ends in exactly
//! one of pass, fail and not offered.

use crate::client::Client;

/// How binding a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// The protocol, or HTTP itself, demands it.
    Must,
    /// The protocol recommends it.
    Should,
    /// The protocol leaves it open: what a server does that trusts no client.
    Care,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::Care => "care",
        }
    }
}

/// A fact that is checked.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    /// Where it stands: a section of the protocol, or another document.
    pub(crate) section: &'static str,
    pub(crate) level: Level,
    /// Extensions that must be offered.
    pub(crate) needs: &'static [&'static str],
    pub(crate) run: fn(&Client<'_>) -> Outcome,
}

/// Why a check did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shortfall {
    /// It is not so.
    Failed(String),
    /// The server does not claim to do it.
    NotOffered(String),
}

impl From<String> for Shortfall {
    fn from(what: String) -> Self {
        Shortfall::Failed(what)
    }
}

impl From<crate::wire::NoAnswer> for Shortfall {
    fn from(error: crate::wire::NoAnswer) -> Self {
        Shortfall::Failed(error.to_string())
    }
}

/// What a check came to.
pub(crate) type Outcome<T = ()> = Result<T, Shortfall>;

/// Ends a check as failed unless the condition holds.
macro_rules! demand {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::check::Shortfall::Failed(format!($($what)+)));
        }
    };
}

/// A table of checks: level, section, what must be offered, the function.
macro_rules! checks {
    ($($level:ident $section:literal [$($needs:literal),*] $run:ident;)+) => {
        pub(crate) const CHECKS: &[$crate::check::Check] = &[$(
            $crate::check::Check {
                name: stringify!($run),
                section: $section,
                level: $crate::check::Level::$level,
                needs: &[$($needs),*],
                run: $run,
            },
        )+];
    };
}

pub(crate) use {checks, demand};
