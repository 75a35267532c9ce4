//! The rules of the repository, checked with every run of the tests.
//!
//! Owns: what docs/STYLE.md demands and no compiler or lint checks. A rule is a function from a
//! [`Tree`] to the places that break it; beside each rule stand a tree that it refuses and one that
//! it accepts.
//!
//! Invariants: a rule reads the tree and nothing else; a breach names a file, a line and what to
//! do.
//!
//! Never: repairs anything, needs a network, or is switched off for a file without a stated reason.

mod crates;
mod documents;
mod leftovers;
mod names;
mod rust;
mod scopes;
mod sizes;
mod tree;

use std::sync::OnceLock;

use frontdesk_protocol::{CloseCode, ErrorCode};

use crate::tree::{Breach, Tree};

/// The tree that cargo runs the tests for; a moved one, if it was moved since it was built.
fn repository() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| {
        let moved = std::env::var("CARGO_MANIFEST_DIR");
        let root = moved.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
        Tree::of_repository(root).expect("the repository can be read")
    })
}

fn holds(breaches: Vec<Breach>) {
    let lines: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn the_tree_is_not_empty() {
    let tree = repository();
    assert!(tree.rust_files().count() >= 5, "no sources were read");
    assert!(tree.packages.len() >= 5, "no packages were read");
}

#[test]
fn every_module_says_what_it_owns() {
    holds(sizes::module_docs(repository()));
}

#[test]
fn no_file_is_longer_than_500_lines() {
    holds(sizes::file_lines(repository()));
}

#[test]
fn no_line_is_wider_than_100_columns() {
    holds(sizes::line_columns(repository()));
}

#[test]
fn no_function_is_longer_than_70_lines() {
    holds(sizes::function_lines(repository()));
}

#[test]
fn a_module_is_either_a_file_or_a_folder() {
    holds(names::module_files(repository()));
}

#[test]
fn names_are_words_of_the_glossary() {
    holds(names::banned_words(repository()));
}

#[test]
fn handlers_take_companies_from_proofs() {
    holds(scopes::proven(repository()));
}

#[test]
fn our_crates_use_each_other_in_one_direction() {
    holds(crates::directions(repository()));
}

#[test]
fn each_outside_crate_is_used_by_its_owners_only() {
    holds(crates::owners(repository()));
}

#[test]
fn sources_do_not_name_a_crate_that_another_owns() {
    holds(crates::named_in_sources(repository()));
}

#[test]
fn each_outside_crate_has_a_line_in_the_decision_record() {
    holds(crates::recorded(repository()));
}

#[test]
fn each_manifest_takes_the_workspace_lints() {
    holds(crates::manifests(repository()));
}

#[test]
fn each_error_code_is_in_the_protocol_document() {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    holds(documents::error_codes(repository(), &codes));
}

#[test]
fn each_close_code_is_in_the_protocol_document() {
    let codes: Vec<_> = CloseCode::ALL.iter().map(|code| code.number()).collect();
    holds(documents::close_codes(repository(), &codes));
}

#[test]
fn each_metric_is_in_the_operating_document() {
    holds(documents::metrics(repository()));
}

#[test]
fn each_metric_ends_in_its_unit() {
    holds(documents::metric_units(repository()));
}

#[test]
fn each_setting_is_in_the_operating_document() {
    holds(documents::settings(repository()));
}

#[test]
fn no_relative_link_is_dead() {
    holds(documents::links(repository()));
}

#[test]
fn the_changelog_has_a_place_for_what_is_new() {
    holds(documents::changelog(repository()));
}

#[test]
fn no_test_is_ignored_and_no_code_is_left_for_later() {
    holds(leftovers::unfinished(repository()));
}

#[test]
fn no_test_sleeps() {
    holds(leftovers::sleeps(repository()));
}

#[test]
fn no_text_names_a_machine_or_a_registry() {
    holds(leftovers::places(repository()));
}

#[test]
fn no_text_has_emoji() {
    holds(leftovers::emoji(repository()));
}
