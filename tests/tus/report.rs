//! What is said of a run: a line for each check, and a table of what is not as it should be.
//!
//! Our own server passes everything. Another one fails by what it MUST do and does not; the rest is
//! told and forgiven.

use std::fmt::Write;

use crate::check::{Check, Level, Outcome, Shortfall};

/// A check that was made.
pub(crate) struct Made {
    pub(crate) group: &'static str,
    pub(crate) check: &'static Check,
    pub(crate) outcome: Outcome,
}

impl Made {
    /// The name by which it is chosen.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.group, self.check.name)
    }

    fn is_binding(&self, is_ours: bool) -> bool {
        is_ours || self.check.level == Level::Must
    }

    fn has_failed(&self, is_ours: bool) -> bool {
        matches!(self.outcome, Err(Shortfall::Failed(_))) && self.is_binding(is_ours)
    }

    /// The word behind its name.
    pub(crate) fn word(&self, is_ours: bool) -> &'static str {
        match &self.outcome {
            Ok(()) => "ok",
            Err(Shortfall::NotOffered(_)) => "not offered",
            Err(Shortfall::Failed(_)) if self.is_binding(is_ours) => "FAILED",
            Err(Shortfall::Failed(_)) => "deviates",
        }
    }
}

/// A run.
pub(crate) struct Report {
    pub(crate) made: Vec<Made>,
    pub(crate) is_ours: bool,
    /// Checks that were not chosen.
    pub(crate) unchosen_count: usize,
}

impl Report {
    /// Whether the server is what it must be.
    pub(crate) fn is_good(&self) -> bool {
        self.failed_count() == 0
    }

    fn failed_count(&self) -> usize {
        let failed = self
            .made
            .iter()
            .filter(|made| made.has_failed(self.is_ours));
        failed.count()
    }

    fn count(&self, level: Level, is_counted: impl Fn(&Outcome) -> bool) -> usize {
        let made = self.made.iter().filter(|made| made.check.level == level);
        made.filter(|made| is_counted(&made.outcome)).count()
    }

    /// A row for each check that did not pass.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for made in &self.made {
            let Err(shortfall) = &made.outcome else {
                continue;
            };
            let (Shortfall::Failed(what) | Shortfall::NotOffered(what)) = shortfall;
            let (level, section) = (made.check.level.as_str(), made.check.section);
            let word = made.word(self.is_ours);
            let name = made.name();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{word:<12}{level:<8}{section}\n    {name}\n    {what}"
            );
        }
        text
    }

    /// How many of each level came to what.
    pub(crate) fn sums(&self) -> String {
        let mut text = format!(
            "{:<10}{:>6}{:>6}{:>13}\n",
            "", "pass", "fail", "not offered"
        );
        for level in [Level::Must, Level::Should, Level::Care] {
            let pass = self.count(level, |outcome| outcome.is_ok());
            let failed = |outcome: &Outcome| matches!(outcome, Err(Shortfall::Failed(_)));
            let fail = self.count(level, failed);
            let rest = self.count(level, |outcome| !failed(outcome) && outcome.is_err());
            let name = level.as_str();
            let _ = writeln!(text, "{name:<10}{pass:>6}{fail:>6}{rest:>13}");
        }
        text
    }

    /// The line that sums up, as other test targets end.
    pub(crate) fn result(&self) -> String {
        let word = if self.is_good() { "ok" } else { "FAILED" };
        let passed = self.made.iter().filter(|made| made.outcome.is_ok()).count();
        let (failed, unchosen) = (self.failed_count(), self.unchosen_count);
        format!(
            "test result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; \
             {unchosen} filtered out"
        )
    }
}
