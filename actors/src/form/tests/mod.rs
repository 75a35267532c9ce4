//! Forms as visitors meet them: the default dialogue in each language, what is refused and what
//! then is said, forms that change while they are asked, and forms that are refused.

mod countries;
mod dialogue;
mod golden;
mod properties;
mod specs;

use super::state::{Asking, Step};
use super::{FormSpec, FormState};

/// The languages that the default form speaks.
const LANGUAGES: &[&str] = &["de", "en", "es", "fr", "hi"];

/// Answers that the default form takes.
const ANSWERS: &[&str] = &["Asha Rai", "+977", "9841234567", "Skip", "Pokhara, Nepal"];

/// The question of a step that must be one.
fn asking(step: &Step) -> &Asking {
    match step {
        Step::Ask(asking) | Step::Again(asking) => asking,
        Step::Complete(end) => panic!("already complete: {end:?}"),
    }
}

/// A state that was given these answers, each of which was taken.
fn after(spec: &FormSpec, answers: &[&str]) -> FormState {
    answers.iter().fold(FormState::begin(spec), |state, text| {
        let (next, step) = state.answer(spec, text, "en");
        assert!(!matches!(step, Step::Again(_)), "{text:?}: {step:?}");
        next
    })
}

/// A form of the default's steps with these keys, written anew by `change`.
fn changed(change: impl FnOnce(&mut FormSpec)) -> FormSpec {
    let mut spec = FormSpec::profile().clone();
    change(&mut spec);
    spec
}
