//! Which texts are answers, and what is kept of them.
//!
//! Invariants: what is kept has no control characters but line breaks of a text, no blanks around
//! it, and is accepted again when it is given once more.
//!
//! Never: asks, skips, or knows what else was answered but the country of a phone number.

use serde::{Deserialize, Serialize};

use super::countries::dial_code_of;
use super::limits::{
    ANSWER_CHARS_MAX, EMAIL_CHARS_MAX, EMAIL_LABEL_CHARS_MAX, EMAIL_LOCAL_CHARS_MAX,
};
use super::phone::{PhoneFault, stored_phone};
use super::spec::{ChoiceOption, Validator};

/// Why a text is no answer; the key of the words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing, or nothing like it; also whatever a form has no other words for.
    Invalid,
    /// Fewer characters or digits than there must be.
    TooShort,
    /// More than there may be.
    TooLong,
    /// A phone number of another country than was answered.
    OtherCountry,
}

/// Signs of markup and templates: a name is repeated in prompts, and existing clients render those
/// as HTML.
const MARKUP: &[char] = &[
    '<', '>', '&', '"', '`', '{', '}', '[', ']', '\\', '|', '@', '=',
];

/// What is kept of an answer. `country` is the dial code that a phone number is judged for.
pub(crate) fn accept(
    validator: &Validator,
    text: &str,
    country: Option<&str>,
) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::Invalid);
    }
    if text.chars().count() > ANSWER_CHARS_MAX {
        return Err(Refusal::TooLong);
    }
    match validator {
        Validator::Name {
            chars_min,
            chars_max,
        } => name(text, *chars_min, *chars_max),
        Validator::CountryCode {} => dial_code_of(text)
            .map(str::to_owned)
            .ok_or(Refusal::Invalid),
        Validator::Phone { .. } => phone(text, country),
        Validator::Email {} if is_email(text) => Ok(text.to_owned()),
        Validator::Email {} => Err(Refusal::Invalid),
        Validator::Text {
            chars_min,
            chars_max,
        } => any_text(text, *chars_min, *chars_max),
        Validator::Choice { options } => choice(text, options).ok_or(Refusal::Invalid),
    }
}

fn within(text: &str, chars_min: usize, chars_max: usize) -> Result<(), Refusal> {
    match text.chars().count() {
        count if count < chars_min => Err(Refusal::TooShort),
        count if count > chars_max => Err(Refusal::TooLong),
        _ => Ok(()),
    }
}

fn name(text: &str, chars_min: usize, chars_max: usize) -> Result<String, Refusal> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let name = words.join(" ");
    let unfit = |c: char| c.is_control() || turns_text(c) || MARKUP.contains(&c);
    if name.chars().any(unfit) || !name.chars().any(char::is_alphabetic) {
        return Err(Refusal::Invalid);
    }
    within(&name, chars_min, chars_max)?;
    Ok(name)
}

fn any_text(text: &str, chars_min: usize, chars_max: usize) -> Result<String, Refusal> {
    let text = text.replace("\r\n", "\n");
    let unfit = |c: char| (c.is_control() && c != '\n') || turns_text(c);
    if text.chars().any(unfit) {
        return Err(Refusal::Invalid);
    }
    within(&text, chars_min, chars_max)?;
    Ok(text)
}

/// Characters that turn the direction of what follows them, so that agents would read another
/// text than was written.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn phone(text: &str, country: Option<&str>) -> Result<String, Refusal> {
    stored_phone(text, country).map_err(|fault| match fault {
        PhoneFault::TooShort => Refusal::TooShort,
        PhoneFault::TooLong => Refusal::TooLong,
        PhoneFault::OtherCountry => Refusal::OtherCountry,
        _ => Refusal::Invalid,
    })
}

fn choice(text: &str, options: &[ChoiceOption]) -> Option<String> {
    let chosen = text.to_lowercase();
    let matches = |option: &&ChoiceOption| {
        let mut labels = option.labels.values();
        option.value.to_lowercase() == chosen || labels.any(|label| label.to_lowercase() == chosen)
    };
    options
        .iter()
        .find(matches)
        .map(|option| option.value.clone())
}

/// Whether a text looks like an e-mail address that mail can be sent to: pragmatic, without quotes,
/// comments and addresses of machines; letters of any script are allowed.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    text.chars().count() <= EMAIL_CHARS_MAX && is_local_part(local) && is_domain(domain)
}

fn is_local_part(local: &str) -> bool {
    let unfit = |c: char| {
        c.is_control() || c.is_whitespace() || turns_text(c) || "\"(),:;<>[]\\@".contains(c)
    };
    let count = local.chars().count();
    (1..=EMAIL_LOCAL_CHARS_MAX).contains(&count)
        && !local.chars().any(unfit)
        && local.split('.').all(|atom| !atom.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=EMAIL_LABEL_CHARS_MAX).contains(&label.chars().count())
            && !label.starts_with('-')
            && !label.ends_with('-')
            // Marks of Indic scripts are no letters, so only ASCII can be told apart.
            && label.chars().all(|c| match c {
                c if c.is_ascii() => c.is_ascii_alphanumeric() || c == '-',
                c => !c.is_control() && !c.is_whitespace() && !turns_text(c),
            })
    };
    let mut labels = domain.rsplit('.');
    let last_is_a_name = labels
        .next()
        .is_some_and(|last| is_label(last) && last.chars().any(|c| !c.is_ascii_digit()));
    domain.contains('.') && last_is_a_name && labels.all(is_label)
}
