//! Countries and their dial codes, for lists that people choose from and for what they type.
//!
//! Owns: the list in `countries.json`: every region that has numbers of its own, under its English
//! name. Those are the assigned codes of ISO 3166-1 that have telephones, and three that the
//! standard only reserves or leaves to its readers: Ascension, Tristan da Cunha and Kosovo.
//!
//! Invariants: sorted by name; a test compares each dial code with the tables of the phone library.
//! Never: guesses: a text that names no country exactly names none.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::limits::COUNTRY_CHARS_MAX;

/// A country as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Country {
    /// Its English name.
    pub name: String,
    /// Its two letters of ISO 3166-1.
    pub code: String,
    /// `+977`; several countries may share one.
    pub dial_code: String,
    /// Its flag, as the pair of characters that stands for the two letters.
    pub flag: String,
    /// Other names that people type.
    #[serde(skip)]
    also: Vec<String>,
}

/// A row of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    code: String,
    dial_code: String,
    #[serde(default)]
    also: Vec<String>,
}

/// The character that stands for `A` in flags.
const REGIONAL_A: u32 = 0x1F1E6;

static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    let rows: Vec<Row> = serde_json::from_str(include_str!("countries.json"))
        .expect("a test reads the built-in list");
    rows.into_iter().map(Country::from).collect()
});

impl From<Row> for Country {
    fn from(row: Row) -> Country {
        Country {
            flag: flag(&row.code),
            name: row.name,
            code: row.code,
            dial_code: row.dial_code,
            also: row.also,
        }
    }
}

/// Every country, by name.
pub fn country_codes() -> &'static [Country] {
    &COUNTRIES
}

/// The dial code that a text means: `+977`, `00977`, `977`, `NP`, `Nepal`, a flag, or any text with
/// a code in it, as `+977 Nepal`.
pub fn dial_code_of(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.chars().count() > COUNTRY_CHARS_MAX {
        return None;
    }
    if let Some((_, rest)) = text.split_once('+') {
        return by_digits(rest.split(|c: char| !c.is_ascii_digit()).next()?);
    }
    if text.chars().all(|c| c.is_ascii_digit()) {
        return by_digits(text.strip_prefix("00").unwrap_or(text));
    }
    let name = plain(text);
    let country = country_codes().iter().find(|country| {
        // In lower case `no` and `in` are words.
        country.code == text
            || text.contains(&country.flag)
            || plain(&country.name) == name
            || country.also.iter().any(|also| plain(also) == name)
    })?;
    Some(&country.dial_code)
}

fn by_digits(digits: &str) -> Option<&'static str> {
    let matches = |country: &&Country| &country.dial_code[1..] == digits;
    let country = country_codes().iter().find(matches)?;
    Some(&country.dial_code)
}

/// A name without what people leave out or add: case, the kind of apostrophe, a full stop.
fn plain(name: &str) -> String {
    let name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != ')');
    name.replace('\u{2019}', "'").to_lowercase()
}

fn flag(code: &str) -> String {
    let letter = |c: char| char::from_u32(REGIONAL_A + (u32::from(c) - u32::from('A')));
    code.chars().filter_map(letter).collect()
}
