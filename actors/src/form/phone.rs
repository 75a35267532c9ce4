//! Phone numbers: whether one exists in the numbering plan of a country, and how it is written.
//!
//! Owns: the only use of the phone library, whose tables are those of libphonenumber.
//! Invariants: a number is judged for the dial code that was chosen; one written with another is
//! refused, whether it exists or not.
//!
//! Never: says whether a number is in service, or keeps one.

use rlibphonenumber::{
    PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, Region, ValidationError,
    get_national_significant_number_owned,
};
use serde::Serialize;

use super::countries::dial_code_of;
use super::limits::PHONE_CHARS_MAX;

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhoneCheck {
    /// Whether such a number can exist.
    pub valid: bool,
    /// The same in words, in English.
    pub message: &'static str,
    /// What is wrong, if something is.
    pub fault: Option<PhoneFault>,
    /// The dial code it belongs to: `+977`.
    pub country_code: Option<String>,
    /// `+9779841234567`.
    pub e164: Option<String>,
    /// The digits behind the dial code: `9841234567`.
    pub national: Option<String>,
}

/// Why a number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneFault {
    /// The dial code is nobody's.
    UnknownCountry,
    /// Not written as numbers are.
    NotANumber,
    /// Too few digits.
    TooShort,
    /// Too many digits.
    TooLong,
    /// Written with another country's dial code.
    OtherCountry,
    /// The country has no such numbers.
    Unassigned,
}

impl PhoneFault {
    /// What is wrong, in English.
    pub fn message(self) -> &'static str {
        match self {
            PhoneFault::UnknownCountry => "Unknown country code.",
            PhoneFault::NotANumber => "This is not a phone number.",
            PhoneFault::TooShort => "The phone number is too short.",
            PhoneFault::TooLong => "The phone number is too long.",
            PhoneFault::OtherCountry => "The phone number belongs to another country code.",
            PhoneFault::Unassigned => "No such phone number exists in this country.",
        }
    }
}

/// Judges a number as it was typed, for the country of a code: `+977`, `977`, `NP` or its name.
/// Without one, the number must be written with its own.
pub fn validate_phone(phone: &str, country_code: &str) -> PhoneCheck {
    let number = match dial_code_of(country_code) {
        None if !country_code.trim().is_empty() => Err(PhoneFault::UnknownCountry),
        dial_code => parse(phone, dial_code),
    };
    match number {
        Ok(number) => PhoneCheck {
            valid: true,
            message: "Valid phone number.",
            fault: None,
            country_code: Some(format!("+{}", number.country_code)),
            e164: Some(e164(&number)),
            national: Some(get_national_significant_number_owned(&number)),
        },
        Err(fault) => PhoneCheck {
            valid: false,
            message: fault.message(),
            fault: Some(fault),
            country_code: None,
            e164: None,
            national: None,
        },
    }
}

/// A number as forms keep it, `+977-9841234567`. Without a dial code it must be written with one.
pub(crate) fn stored_phone(phone: &str, dial_code: Option<&str>) -> Result<String, PhoneFault> {
    let number = parse(phone, dial_code)?;
    let national = get_national_significant_number_owned(&number);
    Ok(format!("+{}-{national}", number.country_code))
}

fn e164(number: &PhoneNumber) -> String {
    let text = PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164);
    text.into_owned()
}

fn parse(phone: &str, dial_code: Option<&str>) -> Result<PhoneNumber, PhoneFault> {
    if phone.chars().count() > PHONE_CHARS_MAX {
        return Err(PhoneFault::TooLong);
    }
    let dialled = dial_code.and_then(|code| code.trim_start_matches('+').parse().ok());
    let number = PHONE_NUMBER_UTIL
        .parse(phone, dialled.and_then(main_region))
        .map_err(|error| fault_of(&error, dialled))?;
    if dialled.is_some_and(|dialled| number.country_code != dialled) {
        return Err(PhoneFault::OtherCountry);
    }
    if PHONE_NUMBER_UTIL.is_valid_number(&number) {
        Ok(number)
    } else {
        Err(length_fault(&number))
    }
}

/// The country whose rules for trunk prefixes a shared code follows: the United States for `+1`.
fn main_region(dialled: i32) -> Option<Region> {
    PHONE_NUMBER_UTIL.get_region_for_country_code(dialled)
}

fn fault_of(error: &ParseError, dialled: Option<i32>) -> PhoneFault {
    match error {
        ParseError::InvalidCountryCode if dialled.is_none() => PhoneFault::UnknownCountry,
        ParseError::InvalidCountryCode => PhoneFault::OtherCountry,
        ParseError::NotANumber(_) => PhoneFault::NotANumber,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => PhoneFault::TooShort,
        ParseError::TooLongNsn => PhoneFault::TooLong,
    }
}

fn length_fault(number: &PhoneNumber) -> PhoneFault {
    match PHONE_NUMBER_UTIL.is_possible_number_with_reason(number) {
        Err(ValidationError::TooShort) => PhoneFault::TooShort,
        Err(ValidationError::TooLong) => PhoneFault::TooLong,
        _ => PhoneFault::Unassigned,
    }
}
