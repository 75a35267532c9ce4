//! What a form holds: its steps in order, and for each what is asked, what is accepted and what is
//! said, in several languages. As text it looks like `profile.json`, which is the default form.
//!
//! Invariants: words are looked for in the language asked for, then in its bases (`pt-BR`, `pt`),
//! then in the form's own language, and the form's own language has them all.
//!
//! Never: judges an answer, or keeps one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::check::{self, SpecError};
use super::validate::Refusal;

/// Words by language tag, `en` or `pt-br`, in lower case.
pub type Words<T> = BTreeMap<String, T>;

/// A form: questions in order and what is said at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormSpec {
    /// The language that has every text; the last that is looked in.
    pub language: String,
    /// The questions.
    pub steps: Vec<StepSpec>,
    /// What is said when all are answered.
    pub complete: Words<EndTexts>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    /// Names the answer: a lower-case word, the same in every version of the form.
    pub key: String,
    /// What is accepted.
    pub validator: Validator,
    /// Whether and how the step may be skipped; its answer is then absent.
    #[serde(default)]
    pub skip: Option<Skip>,
    /// What is said.
    pub texts: Words<StepTexts>,
}

/// What a step accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Validator {
    /// A person's name: at least one letter of any script, and none of the signs of markup, since
    /// later prompts may repeat it.
    Name {
        /// Characters at least.
        chars_min: usize,
        /// Characters at most.
        chars_max: usize,
    },
    /// A country by its code, as `+977`, by name, or as a suggestion shows it; kept as `+977`.
    CountryCode {},
    /// A phone number of the country that an earlier step asked for; kept as `+977-9841234567`.
    Phone {
        /// The key of that step.
        country_step: String,
    },
    /// An e-mail address.
    Email {},
    /// Any text.
    Text {
        /// Characters at least.
        chars_min: usize,
        /// Characters at most.
        chars_max: usize,
    },
    /// One of the options, by its value or by its label in any language; its value is kept.
    Choice {
        /// The options; their labels are the suggestions of a step that has no others.
        options: Vec<ChoiceOption>,
    },
}

/// An option of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceOption {
    /// What is kept.
    pub value: String,
    /// What is shown.
    pub labels: Words<String>,
}

/// How a step is skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Words that skip, whatever their case, in each language. Those of the bases and of the form's
    /// own language count as well: some clients have buttons that do not speak the visitor's.
    pub words: Words<Vec<String>>,
}

/// What a step says in one language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTexts {
    /// The question. `{name}` stands for the answer to the earlier step `name`.
    pub prompt: String,
    /// What is said instead when an answer is refused, for each reason; `invalid` for all others.
    pub errors: BTreeMap<Refusal, String>,
    /// Answers to choose from.
    #[serde(default)]
    pub suggestions: Vec<String>,
}

/// What the end says in one language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndTexts {
    /// The last words; they may repeat answers as prompts do.
    pub text: String,
    /// What to say next.
    #[serde(default)]
    pub suggestions: Vec<String>,
}

static PROFILE: LazyLock<FormSpec> = LazyLock::new(|| {
    serde_json::from_str(include_str!("profile.json")).expect("a test reads the built-in form")
});

impl FormSpec {
    /// The form of companies that have none of their own: name, country code, phone, e-mail and
    /// address.
    pub fn profile() -> &'static FormSpec {
        &PROFILE
    }

    /// Says why the form cannot be used, if it cannot.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence for who wrote the form.
    pub fn check(&self) -> Result<(), SpecError> {
        check::check(self)
    }

    /// The step of that key, and how many come before it.
    pub fn step(&self, key: &str) -> Option<(usize, &StepSpec)> {
        self.steps
            .iter()
            .enumerate()
            .find(|(_, step)| step.key == key)
    }

    /// Every language that some text of the form is in.
    pub fn languages(&self) -> Vec<&str> {
        let of_steps = self.steps.iter().flat_map(|step| step.texts.keys());
        let mut all: Vec<&str> = of_steps
            .chain(self.complete.keys())
            .map(String::as_str)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The languages to look in for a visitor's: itself, its bases, the form's own.
    pub(crate) fn chain(&self, language: &str) -> Vec<String> {
        let tag: String = language
            .chars()
            .take(super::limits::LANGUAGE_CHARS_MAX)
            .map(|c| {
                if c == '_' {
                    '-'
                } else {
                    c.to_ascii_lowercase()
                }
            })
            .collect();
        let mut chain = Vec::new();
        let mut rest = tag.as_str();
        while !rest.is_empty() {
            chain.push(rest.to_owned());
            rest = rest.rfind('-').map_or("", |at| &rest[..at]);
        }
        if !chain.contains(&self.language) {
            chain.push(self.language.clone());
        }
        chain
    }
}

/// The words of the first language of a chain that has any.
pub(crate) fn first<'a, T>(words: &'a Words<T>, chain: &[String]) -> Option<&'a T> {
    chain.iter().find_map(|language| words.get(language))
}

impl StepSpec {
    /// What the step says.
    pub(crate) fn prompt(&self, chain: &[String]) -> &str {
        first(&self.texts, chain).map_or("", |texts| &texts.prompt)
    }

    /// What is said of a refused answer.
    pub(crate) fn error(&self, refusal: Refusal, chain: &[String]) -> &str {
        let find = |errors: &'_ BTreeMap<Refusal, String>| {
            let exact = errors.contains_key(&refusal).then_some(refusal);
            exact.or_else(|| {
                errors
                    .contains_key(&Refusal::Invalid)
                    .then_some(Refusal::Invalid)
            })
        };
        chain
            .iter()
            .filter_map(|language| self.texts.get(language))
            .find_map(|texts| texts.errors.get(&find(&texts.errors)?))
            .map_or("", String::as_str)
    }

    /// Answers to choose from: the step's own, or the labels of its options.
    pub(crate) fn suggestions(&self, chain: &[String]) -> Vec<String> {
        let own = first(&self.texts, chain).map_or(&[][..], |texts| &texts.suggestions);
        match &self.validator {
            Validator::Choice { options } if own.is_empty() => {
                let label = |option: &ChoiceOption| {
                    first(&option.labels, chain)
                        .unwrap_or(&option.value)
                        .clone()
                };
                options.iter().map(label).collect()
            }
            _ => own.to_vec(),
        }
    }

    /// Whether the text is a word that skips the step.
    pub(crate) fn skips(&self, text: &str, chain: &[String]) -> bool {
        let spoken = text.trim().to_lowercase();
        let words = |skip: &'_ Skip| {
            chain
                .iter()
                .filter_map(|language| skip.words.get(language))
                .flatten()
                .any(|word| word.to_lowercase() == spoken)
        };
        self.skip.as_ref().is_some_and(words)
    }
}
