//! Which forms are refused, and in which words. Who writes a form reads them, so each says where
//! and what.
//!
//! Invariants: a form that passes can be asked to its end in every language.
//! Never: changes a form.

use std::collections::BTreeSet;

use super::limits::{
    ANSWER_CHARS_MAX, KEY_CHARS_MAX, LABEL_CHARS_MAX, LANGUAGE_CHARS_MAX, LANGUAGE_COUNT_MAX,
    OPTION_COUNT_MAX, SKIP_WORD_COUNT_MAX, SPEC_BYTES_MAX, STEP_COUNT_MAX, SUGGESTION_COUNT_MAX,
    TEXT_CHARS_MAX,
};
use super::spec::{ChoiceOption, FormSpec, StepSpec, Validator};
use super::state::COMPLETE;
use super::validate::{Refusal, accept};

/// Why a form cannot be used: `step "phone": ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(String);

type Checked = Result<(), SpecError>;

fn refuse<T>(what: impl Into<String>) -> Result<T, SpecError> {
    Err(SpecError(what.into()))
}

pub(super) fn check(spec: &FormSpec) -> Checked {
    let bytes = serde_json::to_vec(spec).map_or(usize::MAX, |text| text.len());
    if bytes > SPEC_BYTES_MAX {
        return refuse(format!(
            "the form is too large: {bytes} bytes, limit {SPEC_BYTES_MAX}"
        ));
    }
    languages(spec)?;
    match spec.steps.len() {
        0 => return refuse("the form has no steps"),
        count if count > STEP_COUNT_MAX => {
            return refuse(format!("too many steps: {count}, limit {STEP_COUNT_MAX}"));
        }
        _ => {}
    }
    for (index, step) in spec.steps.iter().enumerate() {
        let checked = of_step(spec, step, &spec.steps[..index]);
        checked.map_err(|error| SpecError(format!("step {:?}: {error}", step.key)))?;
    }
    of_end(spec).map_err(|error| SpecError(format!("complete: {error}")))
}

fn languages(spec: &FormSpec) -> Checked {
    let labels = spec.steps.iter().flat_map(|step| match &step.validator {
        Validator::Choice { options } => options.as_slice(),
        _ => &[],
    });
    let of_labels = labels.flat_map(|option| option.labels.keys());
    let skips = spec.steps.iter().filter_map(|step| step.skip.as_ref());
    let of_skips = skips.flat_map(|skip| skip.words.keys());
    let mut all: BTreeSet<&str> = of_labels.chain(of_skips).map(String::as_str).collect();
    all.extend(spec.languages());
    all.insert(&spec.language);
    if all.len() > LANGUAGE_COUNT_MAX {
        let count = all.len();
        return refuse(format!(
            "too many languages: {count}, limit {LANGUAGE_COUNT_MAX}"
        ));
    }
    match all.into_iter().find(|tag| !is_language(tag)) {
        Some(tag) => refuse(format!(
            "{tag:?} is not a language; write it as en or pt-br"
        )),
        None => Ok(()),
    }
}

/// Whether a text is a language tag in lower case: `en`, `pt-br`.
pub fn is_language(tag: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut parts = tag.split('-');
    let base = parts.next().unwrap_or_default();
    tag.len() <= LANGUAGE_CHARS_MAX
        && (2..=3).contains(&base.len())
        && base.chars().all(|c| c.is_ascii_lowercase())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(lower))
}

fn of_step(spec: &FormSpec, step: &StepSpec, earlier: &[StepSpec]) -> Checked {
    key(&step.key)?;
    if earlier.iter().any(|other| other.key == step.key) {
        return refuse("another step has the same key");
    }
    validator(spec, &step.validator, earlier)?;
    skip(spec, step)?;
    texts(spec, step, earlier)
}

fn key(key: &str) -> Checked {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_key = key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(fits);
    if !is_key || key.len() > KEY_CHARS_MAX {
        return refuse(format!(
            "a key is a lower-case word of letters, digits and _, at most {KEY_CHARS_MAX} long"
        ));
    }
    if key == COMPLETE {
        return refuse("this key is what a finished form is called");
    }
    Ok(())
}

fn validator(spec: &FormSpec, validator: &Validator, earlier: &[StepSpec]) -> Checked {
    match validator {
        Validator::Name {
            chars_min,
            chars_max,
        }
        | Validator::Text {
            chars_min,
            chars_max,
        } => {
            if chars_min > chars_max || *chars_max == 0 || *chars_max > ANSWER_CHARS_MAX {
                return refuse(format!(
                    "chars_min {chars_min} and chars_max {chars_max} must be in order, \
                     limit {ANSWER_CHARS_MAX}"
                ));
            }
            Ok(())
        }
        Validator::Phone { country_step } => {
            let country = earlier.iter().find(|step| step.key == *country_step);
            match country.map(|step| (&step.validator, &step.skip)) {
                Some((Validator::CountryCode {}, None)) => Ok(()),
                Some((Validator::CountryCode {}, Some(_))) => {
                    refuse(format!("the step {country_step:?} must not be skipped"))
                }
                _ => refuse(format!(
                    "no earlier step {country_step:?} asks for a country code"
                )),
            }
        }
        Validator::Choice { options } => choice(spec, options),
        Validator::CountryCode {} | Validator::Email {} => Ok(()),
    }
}

fn choice(spec: &FormSpec, options: &[ChoiceOption]) -> Checked {
    let count = options.len();
    if count == 0 || count > OPTION_COUNT_MAX {
        return refuse(format!(
            "{count} options, at least 1, limit {OPTION_COUNT_MAX}"
        ));
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for option in options {
        label(&option.value)?;
        if !option.labels.contains_key(&spec.language) {
            return refuse(missing(&format!("option {:?}", option.value), spec));
        }
        option.labels.values().try_for_each(|text| label(text))?;
        let named = option.labels.values().chain([&option.value]);
        let names: BTreeSet<String> = named.map(|text| text.to_lowercase()).collect();
        if let Some(twice) = names.iter().find(|name| taken.contains(*name)) {
            return refuse(format!("two options are called {twice:?}"));
        }
        taken.extend(names);
    }
    Ok(())
}

fn skip(spec: &FormSpec, step: &StepSpec) -> Checked {
    let Some(skip) = &step.skip else {
        return Ok(());
    };
    if skip.words.get(&spec.language).is_none_or(Vec::is_empty) {
        return refuse(missing("skip.words", spec));
    }
    for words in skip.words.values() {
        if words.len() > SKIP_WORD_COUNT_MAX {
            let count = words.len();
            return refuse(format!(
                "{count} words that skip, limit {SKIP_WORD_COUNT_MAX}"
            ));
        }
        words.iter().try_for_each(|word| label(word))?;
    }
    Ok(())
}

fn texts(spec: &FormSpec, step: &StepSpec, earlier: &[StepSpec]) -> Checked {
    let own = step.texts.get(&spec.language);
    let Some(own) = own else {
        return refuse(missing("prompt", spec));
    };
    if !own.errors.contains_key(&Refusal::Invalid) {
        return refuse(missing("errors.invalid", spec));
    }
    for (language, texts) in &step.texts {
        long_text(&texts.prompt, earlier)?;
        texts
            .errors
            .values()
            .try_for_each(|text| long_text(text, earlier))?;
        suggestions(&texts.suggestions)?;
        let chain = spec.chain(language);
        let dead = texts.suggestions.iter().find(|suggestion| {
            !step.skips(suggestion, &chain) && accept(&step.validator, suggestion, None).is_err()
        });
        if let Some(dead) = dead {
            return refuse(format!(
                "the suggestion {dead:?} would be refused as an answer"
            ));
        }
    }
    Ok(())
}

fn of_end(spec: &FormSpec) -> Checked {
    if !spec.complete.contains_key(&spec.language) {
        return refuse(missing("text", spec));
    }
    for texts in spec.complete.values() {
        long_text(&texts.text, &spec.steps)?;
        suggestions(&texts.suggestions)?;
    }
    Ok(())
}

fn suggestions(suggestions: &[String]) -> Checked {
    let count = suggestions.len();
    if count > SUGGESTION_COUNT_MAX {
        return refuse(format!("{count} suggestions, limit {SUGGESTION_COUNT_MAX}"));
    }
    suggestions.iter().try_for_each(|text| label(text))
}

fn missing(what: &str, spec: &FormSpec) -> String {
    format!(
        "{what} is missing in {:?}, the language of the form",
        spec.language
    )
}

fn label(text: &str) -> Checked {
    let count = text.chars().count();
    if count > LABEL_CHARS_MAX {
        return refuse(format!(
            "{text:?} has {count} characters, limit {LABEL_CHARS_MAX}"
        ));
    }
    if text.trim() != text || text.is_empty() {
        return refuse(format!("{text:?} is empty or has blanks around it"));
    }
    Ok(())
}

/// A prompt, an error or the end: not empty, not too long, and repeating only answers that are
/// there by then and hold no markup.
fn long_text(text: &str, earlier: &[StepSpec]) -> Checked {
    let count = text.chars().count();
    if text.trim().is_empty() || count > TEXT_CHARS_MAX {
        return refuse(format!(
            "a text of {count} characters, at least 1, limit {TEXT_CHARS_MAX}"
        ));
    }
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((key, behind)) = after.split_once('}').filter(|_| !before.contains('}')) else {
            return refuse(format!("a brace without its other in {text:?}"));
        };
        repeats(key, earlier)?;
        rest = behind;
    }
    if rest.contains('}') {
        return refuse(format!("a brace without its other in {text:?}"));
    }
    Ok(())
}

fn repeats(key: &str, earlier: &[StepSpec]) -> Checked {
    let Some(step) = earlier.iter().find(|step| step.key == key) else {
        return refuse(format!("{{{key}}} stands for no earlier step"));
    };
    match step.validator {
        Validator::Text { .. } | Validator::Email {} => refuse(format!(
            "{{{key}}} could hold markup, which some clients would render"
        )),
        _ if step.skip.is_some() => refuse(format!("{{{key}}} may be skipped")),
        _ => Ok(()),
    }
}
