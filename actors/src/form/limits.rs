//! Limits of forms: name, unit, reason. A form is written by a company's admin and kept with the
//! company, so all of it is bounded; an answer is written by anyone.

/// Steps of a form: more questions than this are a questionnaire, and nobody finishes it.
pub const STEP_COUNT_MAX: usize = 24;
/// Answers one state keeps, of its form and of older versions of it.
pub const ANSWER_COUNT_MAX: usize = 2 * STEP_COUNT_MAX;
/// Options of one choice: they are shown as buttons in a narrow window.
pub const OPTION_COUNT_MAX: usize = 50;
/// Suggestions of one step in one language, for the same reason.
pub const SUGGESTION_COUNT_MAX: usize = 50;
/// Words that skip a step, in one language.
pub const SKIP_WORD_COUNT_MAX: usize = 16;
/// Languages of one form: every text may stand in each.
pub const LANGUAGE_COUNT_MAX: usize = 32;
/// Characters of a step's key: it is a name in programs.
pub const KEY_CHARS_MAX: usize = 32;
/// Characters of a language tag; RFC 5646 asks for room for 35.
pub const LANGUAGE_CHARS_MAX: usize = 35;
/// Characters of a prompt or an error: what fits a chat window without scrolling.
pub const TEXT_CHARS_MAX: usize = 1_000;
/// Characters of a suggestion, an option or a word that skips: what fits a button.
pub const LABEL_CHARS_MAX: usize = 80;
/// Bytes of a form as JSON: it is loaded with its company, and there may be many companies.
pub const SPEC_BYTES_MAX: usize = 64 * 1024;
/// Characters of one answer, whatever its step allows: what a chat message may have in existing
/// clients' documents.
pub const ANSWER_CHARS_MAX: usize = 2_000;
/// Characters of a phone number as it is typed, with its blanks and brackets: E.164 has 15 digits.
pub const PHONE_CHARS_MAX: usize = 40;
/// Characters of a country as it is typed or chosen: the longest name with its code and flag.
pub const COUNTRY_CHARS_MAX: usize = 80;
/// Characters of an e-mail address: RFC 5321 allows a path of 256 with its angle brackets.
pub const EMAIL_CHARS_MAX: usize = 254;
/// Characters of the part before the `@`, RFC 5321.
pub const EMAIL_LOCAL_CHARS_MAX: usize = 64;
/// Characters of one label of a domain, RFC 1035.
pub const EMAIL_LABEL_CHARS_MAX: usize = 63;
