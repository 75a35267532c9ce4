//! The list of countries, phone numbers and e-mail addresses.

use std::collections::{BTreeMap, BTreeSet};

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, Region};

use crate::form::countries::dial_code_of;
use crate::form::{PhoneFault, country_codes, is_email, validate_phone};

#[test]
fn every_region_of_the_phone_library_is_a_country_with_its_dial_code() {
    let known: BTreeMap<String, String> = PHONE_NUMBER_UTIL
        .get_supported_regions()
        .map(|region| {
            let dialled = PHONE_NUMBER_UTIL
                .get_country_code_for_region(region)
                .unwrap();
            (region.as_region_str().to_string(), format!("+{dialled}"))
        })
        .collect();
    let ours: BTreeMap<String, String> = country_codes()
        .iter()
        .map(|country| (country.code.clone(), country.dial_code.clone()))
        .collect();
    assert_eq!(ours, known);
    assert_eq!(country_codes().len(), 245);
}

#[test]
fn countries_have_names_of_their_own_and_flags() {
    let names: BTreeSet<&str> = country_codes()
        .iter()
        .map(|country| &*country.name)
        .collect();
    assert_eq!(names.len(), country_codes().len());
    let nepal = country_codes()
        .iter()
        .find(|country| country.code == "NP")
        .unwrap();
    let json = serde_json::to_value(nepal).unwrap();
    let expected = serde_json::json!({
        "name": "Nepal", "code": "NP", "dial_code": "+977", "flag": "🇳🇵",
    });
    assert_eq!(json, expected);
    for country in country_codes() {
        for text in [
            &country.name,
            &country.code,
            &country.dial_code,
            &country.flag,
        ] {
            assert_eq!(dial_code_of(text), Some(&*country.dial_code), "{text}");
        }
        let shown = format!("{} {} {}", country.dial_code, country.flag, country.name);
        assert_eq!(dial_code_of(&shown), Some(&*country.dial_code));
    }
}

#[test]
fn a_country_is_found_as_people_write_it() {
    let written = [
        ("+977 🇳🇵 Nepal", "+977"),
        ("00977", "+977"),
        ("977", "+977"),
        ("nepal.", "+977"),
        ("UK", "+44"),
        ("usa", "+1"),
        ("Ivory Coast", "+225"),
        ("côte d'ivoire", "+225"),
        ("my code is +91", "+91"),
    ];
    for (text, dial_code) in written {
        assert_eq!(dial_code_of(text), Some(dial_code), "{text}");
    }
    for text in [
        "",
        "+",
        "no",
        "in",
        "it",
        "0",
        "+0",
        "New Jersey",
        "not Nepal",
        "+97",
    ] {
        assert_eq!(dial_code_of(text), None, "{text}");
    }
}

#[test]
fn an_example_number_of_every_country_is_valid_with_and_without_its_code() {
    for country in country_codes() {
        let region = Region::from_code(&country.code).unwrap();
        let example = PHONE_NUMBER_UTIL.get_example_number(region).unwrap();
        let e164 = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::E164);
        let check = validate_phone(&e164, &country.dial_code);
        assert!(check.valid, "{}: {check:?}", country.name);
        assert_eq!(check.e164.as_deref(), Some(&*e164));
        let national = check.national.unwrap();
        assert_eq!(format!("{}{national}", country.dial_code), e164);
        let again = validate_phone(&national, &country.dial_code);
        assert_eq!(again.e164.as_deref(), Some(&*e164), "{}", country.name);
    }
}

#[test]
fn no_digits_of_any_country_break_the_phone_library() {
    let mut valid_count = 0;
    for country in country_codes() {
        for first in 0..=9 {
            for length in 1..=17 {
                let digits = format!("{first}{}", &"1234567890123456"[..length - 1]);
                let check = validate_phone(&digits, &country.dial_code);
                assert_eq!(check.valid, check.fault.is_none());
                valid_count += usize::from(check.valid);
            }
        }
    }
    assert!(valid_count > 0);
}

#[test]
fn phone_numbers_are_judged_for_the_country_that_was_chosen() {
    let judged = [
        ("9841234567", "+977", None),
        ("984-123 4567", "NP", None),
        ("07911 123456", "+44", None),
        ("(201) 555-0123", "+1", None),
        ("06 12 34 56 78", "+33", None),
        ("06 1234 5678", "Italy", None),
        ("+977 9841234567", "+91", Some(PhoneFault::OtherCountry)),
        ("9841234567", "+999", Some(PhoneFault::UnknownCountry)),
        ("+977 9841234567", "", None),
        ("9841234567", "", Some(PhoneFault::UnknownCountry)),
        ("", "+977", Some(PhoneFault::NotANumber)),
        ("call me", "+977", Some(PhoneFault::NotANumber)),
        ("98412", "+977", Some(PhoneFault::TooShort)),
        ("98412345678901", "+977", Some(PhoneFault::TooLong)),
        ("0000000000", "+1", Some(PhoneFault::Unassigned)),
    ];
    for (phone, country, fault) in judged {
        let check = validate_phone(phone, country);
        assert_eq!(check.fault, fault, "{phone} {country}: {check:?}");
    }
    let british = validate_phone("07911 123456", "+44");
    assert_eq!(british.national.as_deref(), Some("7911123456"));
    assert_eq!(british.country_code.as_deref(), Some("+44"));
    assert_eq!(british.message, "Valid phone number.");
}

#[test]
fn e_mail_addresses_are_judged_pragmatically() {
    let long_local = format!("{}@example.com", "a".repeat(65));
    let long_label = format!("a@{}.com", "b".repeat(64));
    let long = format!("a@{}com", "b.".repeat(126));
    for text in [
        "a@b.co",
        "first.last+tag@sub.example.org",
        "जोशी@उदाहरण.भारत",
        "o'neil@x-y.ie",
    ] {
        assert!(is_email(text), "{text}");
    }
    for text in [
        "",
        "@",
        "a@",
        "@b.co",
        "a@b",
        "a@@b.co",
        "a@b@c.co",
        "a b@c.co",
        "a@b c.co",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.co",
        "a@.co",
        "a@b.",
        "a@-b.co",
        "a@b-.co",
        "a@b.1",
        "a@b\n.co",
        "<a@b.co>",
        "a@b_c.co",
        "a@127.0.0.1",
        &long_local,
        &long_label,
        &long,
    ] {
        assert!(!is_email(text), "{text}");
    }
}
