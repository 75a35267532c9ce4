//! Where a visitor stands in a form: which question was asked, and what was answered so far.
//!
//! Invariants: a state says which question it asked by its key, not by its place, so a form may
//! change meanwhile: what was answered is kept, an answer goes to the question it was given to, and
//! asking goes on at the first without one. Who is through stays through.
//!
//! Never: changes in place: a caller stores the state it is handed, or keeps the old one.

use frontdesk_protocol::chat::{FormAnswers, FormProgress};
use serde::{Deserialize, Serialize};

use super::countries::dial_code_of;
use super::limits::ANSWER_COUNT_MAX;
use super::spec::{FormSpec, StepSpec, Validator, first};
use super::validate::accept;

/// What a state is at when nothing is left to ask.
pub const COMPLETE: &str = "complete";

/// Answers by the keys of their steps; a skipped step's is absent.
pub type Answers = FormAnswers;

/// Where a visitor stands in a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormState {
    /// The step whose answer is awaited; none at the end.
    asked: Option<String>,
    answers: Answers,
}

/// What to say to the visitor now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A question.
    Ask(Asking),
    /// The answer was refused: the same question once more, its text says why.
    Again(Asking),
    /// All is answered.
    Complete(Completed),
}

/// A question as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// What is said.
    pub text: String,
    /// Answers to choose from.
    pub suggestions: Vec<String>,
    /// The key of the step.
    pub collecting: String,
    /// What was answered so far.
    pub answers: Answers,
}

/// The end as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// What is said.
    pub text: String,
    /// What to say next.
    pub suggestions: Vec<String>,
    /// What was answered.
    pub profile: Profile,
}

/// The answers of a form that is through. What its form does not ask for is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Who it is.
    pub name: Option<String>,
    /// `+977-9841234567`.
    pub phone: Option<String>,
    /// Where mail reaches them.
    pub email: Option<String>,
    /// Where they live.
    pub address: Option<String>,
    /// `+977`.
    pub country_code: Option<String>,
    /// Answers to questions of the company's own.
    pub more: Answers,
}

impl From<FormProgress> for FormState {
    fn from(FormProgress { asked, answers }: FormProgress) -> Self {
        Self { asked, answers }
    }
}

impl From<FormState> for FormProgress {
    fn from(FormState { asked, answers }: FormState) -> Self {
        Self { asked, answers }
    }
}

impl FormState {
    /// At the first question, nothing answered.
    pub fn begin(spec: &FormSpec) -> FormState {
        FormState::at_first_open(spec, Answers::new())
    }

    /// At the first question that is not answered by what is known already: by a host that vouches
    /// for its visitor, say. Whoever says so has judged it; what the form does not ask is left out.
    pub fn begin_knowing(spec: &FormSpec, mut known: Answers) -> FormState {
        known.retain(|key, _| spec.step(key).is_some());
        FormState::at_first_open(spec, known)
    }

    /// Whether nothing is left to ask.
    pub fn is_complete(&self) -> bool {
        self.asked.is_none()
    }

    /// The key of the step whose answer is awaited, or [`COMPLETE`].
    pub fn collecting(&self) -> &str {
        self.asked.as_deref().unwrap_or(COMPLETE)
    }

    /// What was answered so far.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// What to say now, and the state after it was said: another one only if the form no longer has
    /// the question that was asked.
    pub fn ask(&self, spec: &FormSpec, language: &str) -> (FormState, Step) {
        let state = match &self.asked {
            Some(_) if self.open_step(spec).is_none() => {
                FormState::at_first_open(spec, self.answers.clone())
            }
            _ => self.clone(),
        };
        let step = state.shown(spec, &spec.chain(language));
        (state, step)
    }

    /// Takes a text as the answer to what was asked: the state after it, and what to say now.
    pub fn answer(&self, spec: &FormSpec, text: &str, language: &str) -> (FormState, Step) {
        let Some(step) = self.open_step(spec) else {
            return self.ask(spec, language);
        };
        let chain = spec.chain(language);
        let answer = if step.skips(text, &chain) {
            Ok(None)
        } else {
            accept(&step.validator, text, self.country(step)).map(Some)
        };
        match answer {
            Ok(answer) => {
                let mut answers = self.answers.clone();
                answers.insert(step.key.clone(), answer);
                forget_unasked(spec, &mut answers);
                let state = FormState::at_first_open(spec, answers);
                let shown = state.shown(spec, &chain);
                (state, shown)
            }
            Err(refusal) => {
                let text = step.error(refusal, &chain);
                let again = self.asking(step, text, &chain);
                (self.clone(), Step::Again(again))
            }
        }
    }

    /// The answers, sorted into a profile.
    pub fn profile(&self) -> Profile {
        let mut more = self.answers.clone();
        let mut take = |key: &str| more.remove(key).flatten();
        Profile {
            name: take("name"),
            phone: take("phone"),
            email: take("email"),
            address: take("address"),
            country_code: take("country_code"),
            more,
        }
    }

    fn at_first_open(spec: &FormSpec, answers: Answers) -> FormState {
        let open = spec
            .steps
            .iter()
            .find(|step| !answers.contains_key(&step.key));
        FormState {
            asked: open.map(|step| step.key.clone()),
            answers,
        }
    }

    /// The step that was asked, if its form still asks it and it can be judged.
    fn open_step<'a>(&self, spec: &'a FormSpec) -> Option<&'a StepSpec> {
        let (_, step) = spec.step(self.asked.as_deref()?)?;
        let can_be_judged = match &step.validator {
            Validator::Phone { country_step } => self.answers.contains_key(country_step),
            _ => true,
        };
        (can_be_judged && !self.answers.contains_key(&step.key)).then_some(step)
    }

    /// The dial code that a phone number is judged for; none if an older form took something else
    /// for an answer there.
    pub(super) fn country(&self, step: &StepSpec) -> Option<&'static str> {
        match &step.validator {
            Validator::Phone { country_step } => {
                dial_code_of(self.answers.get(country_step)?.as_deref()?)
            }
            _ => None,
        }
    }

    fn shown(&self, spec: &FormSpec, chain: &[String]) -> Step {
        let asked = self.asked.as_deref().and_then(|key| spec.step(key));
        if let Some((_, step)) = asked {
            return Step::Ask(self.asking(step, step.prompt(chain), chain));
        }
        let texts = first(&spec.complete, chain);
        Step::Complete(Completed {
            text: texts.map_or_else(String::new, |texts| self.fill(&texts.text)),
            suggestions: texts.map_or_else(Vec::new, |texts| texts.suggestions.clone()),
            profile: self.profile(),
        })
    }

    fn asking(&self, step: &StepSpec, text: &str, chain: &[String]) -> Asking {
        Asking {
            text: self.fill(text),
            suggestions: step.suggestions(chain),
            collecting: step.key.clone(),
            answers: self.answers.clone(),
        }
    }

    /// A text with the answers in the places that stand for them.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((key, behind)) = after.split_once('}') else {
                break;
            };
            filled.push_str(
                self.answers
                    .get(key)
                    .and_then(Option::as_deref)
                    .unwrap_or(""),
            );
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }
}

/// Lets go of answers to questions that a form no longer asks, once there are too many to keep.
fn forget_unasked(spec: &FormSpec, answers: &mut Answers) {
    if answers.len() > ANSWER_COUNT_MAX {
        answers.retain(|key, _| spec.step(key).is_some());
    }
}
