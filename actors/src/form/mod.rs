//! Forms: what a bot asks a visitor, one question a message, before anyone talks. The questions of
//! a company are a [`FormSpec`], stored as text; where a visitor stands in them is a [`FormState`].
//!
//! Where to look: [`spec`] says what a form holds and finds its words in a language, `check` which
//! forms are refused, [`state`] how answers are taken, `validate` which answers are; [`phone`] and
//! [`countries`] serve anyone who asks about numbers and codes.
//!
//! Invariants:
//! 1. What was answered stays answered: a state only gains answers, also when its form changes.
//!    Only when there are too many to keep are those let go that the form no longer asks for.
//! 2. An answer belongs to the question that was asked, never to one that took its place since.
//! 3. A text that is refused leaves the state as it was.
//! 4. A form that passed its check has words for every step, refusal and option in every language
//!    that anyone may ask for.
//!
//! Never: reads a clock, a disk or a socket, or knows of rooms. Texts for people are kept in
//! `profile.json`, not in code.

mod check;
pub mod countries;
mod fill;
pub mod limits;
pub mod phone;
pub mod spec;
pub mod state;
#[cfg(test)]
mod tests;
mod validate;

pub use check::{SpecError, is_language};
pub use countries::{Country, country_codes};
pub use phone::{PhoneCheck, PhoneFault, validate_phone};
pub use spec::{ChoiceOption, EndTexts, FormSpec, Skip, StepSpec, StepTexts, Validator, Words};
pub use state::{Answers, Asking, COMPLETE, Completed, FormState, Profile, Step};
pub use validate::{Refusal, is_email};
