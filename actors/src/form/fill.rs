//! Answering a whole form at once, as clients do that have a form of their own.
//!
//! Invariants: each answer is judged as if it had been given to its question; what is not said is
//! skipped, since who answers all at once has said what they want to, unless the form goes on: it
//! does for who is to be asked for what they may not skip.
//!
//! Never: asks.

use super::spec::{FormSpec, StepSpec, Validator};
use super::state::{Answers, FormState};
use super::validate::{Refusal, accept};

/// Digits of a number that nobody knows the country of.
const PLAIN_DIGIT_COUNT: std::ops::RangeInclusive<usize> = 5..=20;

impl FormState {
    /// The state of whoever gave these answers, by the keys of their steps.
    ///
    /// # Errors
    /// The key of the step whose answer is refused, and what the form says of it.
    pub fn filled(
        spec: &FormSpec,
        given: &Answers,
        language: &str,
    ) -> Result<FormState, (String, String)> {
        let chain = spec.chain(language);
        let mut answers = Answers::new();
        for step in &spec.steps {
            let said = given.get(&step.key).and_then(Option::as_deref);
            let said = said.filter(|text| !text.trim().is_empty() && !step.skips(text, &chain));
            let Some(text) = said else {
                answers.insert(step.key.clone(), None);
                continue;
            };
            let state = FormState::begin_knowing(spec, answers.clone());
            let kept = judged(&state, step, text)
                .map_err(|refusal| (step.key.clone(), step.error(refusal, &chain).to_owned()))?;
            answers.insert(step.key.clone(), Some(kept));
        }
        Ok(FormState::begin_knowing(spec, answers))
    }

    /// The same for a form that goes on until everything is answered that may not be skipped: what
    /// was not said is asked then.
    ///
    /// # Errors
    /// As for [`FormState::filled`].
    pub fn kept(
        spec: &FormSpec,
        given: &Answers,
        language: &str,
    ) -> Result<FormState, (String, String)> {
        let mut answers = FormState::filled(spec, given, language)?.answers().clone();
        let has = |step: &StepSpec| answers.get(&step.key).is_some_and(Option::is_some);
        if !spec
            .steps
            .iter()
            .all(|step| step.skip.is_some() || has(step))
        {
            let was_skipped = |key: &str| {
                let step = spec.step(key).filter(|(_, step)| step.skip.is_some());
                step.is_some() && given.contains_key(key)
            };
            answers.retain(|key, said| said.is_some() || was_skipped(key));
        }
        Ok(FormState::begin_knowing(spec, answers))
    }
}

fn judged(state: &FormState, step: &StepSpec, text: &str) -> Result<String, Refusal> {
    let country = state.country(step);
    let judged = accept(&step.validator, text, country);
    match &step.validator {
        // Nobody said which country it is of: it is kept as it was typed.
        Validator::Phone { .. } if judged.is_err() && country.is_none() && is_plain(text) => {
            Ok(text.trim().to_owned())
        }
        _ => judged,
    }
}

fn is_plain(number: &str) -> bool {
    let is_of_numbers = |sign: char| sign.is_ascii_digit() || " -()./".contains(sign);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    number.trim().chars().all(is_of_numbers) && PLAIN_DIGIT_COUNT.contains(&digits)
}
