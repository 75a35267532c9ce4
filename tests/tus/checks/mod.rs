//! The facts, by what they are about.

mod checksum;
mod concatenation;
mod creation;
mod deferred;
mod expiration;
mod exposure;
mod head;
mod ids;
mod lies;
mod metadata;
mod negotiation;
mod numbers;
mod patch;
mod races;
mod termination;
mod with_upload;

use crate::check::Check;

/// All checks with the group they belong to, in the order they are made.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Check)> {
    let groups: [(&str, &[Check]); 16] = [
        ("negotiation", negotiation::CHECKS),
        ("creation", creation::CHECKS),
        ("metadata", metadata::CHECKS),
        ("head", head::CHECKS),
        ("patch", patch::CHECKS),
        ("deferred", deferred::CHECKS),
        ("with_upload", with_upload::CHECKS),
        ("expiration", expiration::CHECKS),
        ("checksum", checksum::CHECKS),
        ("termination", termination::CHECKS),
        ("concatenation", concatenation::CHECKS),
        ("exposure", exposure::CHECKS),
        ("numbers", numbers::CHECKS),
        ("lies", lies::CHECKS),
        ("ids", ids::CHECKS),
        ("races", races::CHECKS),
    ];
    let pairs = |(group, checks): (&'static str, &'static [Check])| {
        checks.iter().map(move |check| (group, check))
    };
    groups.into_iter().flat_map(pairs)
}
