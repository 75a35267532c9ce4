//! The default dialogue, and forms that change under it.

use super::{ANSWERS, LANGUAGES, after, asking, changed};
use crate::form::{COMPLETE, FormSpec, FormState, Profile, Step};

fn refused(state: &FormState, text: &str) -> String {
    let (next, step) = state.answer(FormSpec::profile(), text, "en");
    assert_eq!(&next, state, "{text:?} changed the state");
    let Step::Again(again) = step else {
        panic!("{text:?} was taken: {step:?}");
    };
    assert_eq!(again.collecting, state.collecting());
    assert_eq!(&again.answers, state.answers());
    again.text
}

#[test]
fn the_default_form_passes_its_check_and_speaks_five_languages() {
    let spec = FormSpec::profile();
    assert_eq!(spec.check(), Ok(()));
    assert_eq!(spec.languages(), LANGUAGES);
    for language in LANGUAGES {
        for step in &spec.steps {
            let texts = &step.texts[*language];
            let reasons = step.texts["en"].errors.keys();
            assert!(texts.errors.keys().eq(reasons), "{} {language}", step.key);
        }
    }
}

#[test]
fn the_default_dialogue_ends_with_a_profile_in_every_language() {
    let spec = FormSpec::profile();
    let keys = ["name", "country_code", "phone", "email", "address"];
    for language in LANGUAGES {
        let (mut state, mut step) = FormState::begin(spec).ask(spec, language);
        let mut texts = Vec::new();
        for (key, answer) in keys.iter().zip(ANSWERS) {
            assert_eq!(asking(&step).collecting, *key);
            texts.push(asking(&step).text.clone());
            (state, step) = state.answer(spec, answer, language);
        }
        let Step::Complete(end) = step else {
            panic!("{language}: {step:?}");
        };
        assert_eq!(state.collecting(), COMPLETE);
        assert!(end.text.contains("Asha Rai"), "{}", end.text);
        assert!(texts[1].contains("Asha Rai") && texts[2].contains("+977"));
        let profile = Profile {
            name: Some("Asha Rai".into()),
            phone: Some("+977-9841234567".into()),
            email: None,
            address: Some("Pokhara, Nepal".into()),
            country_code: Some("+977".into()),
            more: [].into(),
        };
        assert_eq!(end.profile, profile);
    }
}

#[test]
fn a_language_falls_back_to_its_base_and_then_to_the_forms_own() {
    let spec = FormSpec::profile();
    let first = |language| {
        asking(&FormState::begin(spec).ask(spec, language).1)
            .text
            .clone()
    };
    assert_eq!(first("de-AT"), first("de"));
    assert_eq!(first("ES_mx"), first("es"));
    assert_eq!(first("sw"), first("en"));
    assert_eq!(first(""), first("en"));
    assert_ne!(first("hi"), first("en"));
}

#[test]
fn a_refused_answer_repeats_its_question_and_says_why() {
    let spec = FormSpec::profile();
    let at_name = FormState::begin(spec);
    let names = [
        "",
        "  ",
        "9841234567",
        "A",
        "<b>Asha</b>",
        "Asha\u{202E}iaR",
        "a\u{0}b",
    ];
    for text in names {
        assert!(refused(&at_name, text).contains("name"), "{text:?}");
    }
    assert!(refused(&at_name, &"a".repeat(101)).contains("too long"));
    let at_country = after(spec, &ANSWERS[..1]);
    for text in ["+999", "nowhere", "no", "12345", "+"] {
        assert!(
            refused(&at_country, text).contains("country code"),
            "{text:?}"
        );
    }
    let at_phone = after(spec, &ANSWERS[..2]);
    assert!(refused(&at_phone, "hello").contains("no such phone number in +977"));
    assert!(refused(&at_phone, "984").contains("too short"));
    assert!(refused(&at_phone, &"9".repeat(30)).contains("too long"));
    assert!(refused(&at_phone, "+44 7911 123456").contains("another country code"));
    let at_email = after(spec, &ANSWERS[..3]);
    for text in [
        "asha",
        "asha@",
        "@example.com",
        "asha@example",
        "a b@example.com",
    ] {
        assert!(refused(&at_email, text).contains("e-mail"), "{text:?}");
    }
    let at_address = after(spec, &ANSWERS[..4]);
    assert!(refused(&at_address, "X").contains("too short"));
    assert!(refused(&at_address, &"x".repeat(501)).contains("too long"));
}

#[test]
fn names_of_many_scripts_are_taken_as_they_are() {
    let spec = FormSpec::profile();
    let names = [
        "Zoë O’Connor-Smith",
        "कृष्ण प्रसाद",
        "محمد علی",
        "李小龍",
        "Jean-Luc d'Arc Jr.",
    ];
    for name in names {
        let state = after(spec, &[name]);
        assert_eq!(state.answers()["name"].as_deref(), Some(name));
    }
    let state = after(spec, &["  Asha \n  Rai "]);
    assert_eq!(state.answers()["name"].as_deref(), Some("Asha Rai"));
}

#[test]
fn skip_leaves_the_address_of_mail_out_in_the_visitors_language_and_in_the_forms_own() {
    let spec = FormSpec::profile();
    let at_email = after(spec, &ANSWERS[..3]);
    let words = [
        ("en", "SKIP "),
        ("de", "Überspringen"),
        ("de", "Skip"),
        ("hi", "छोड़ें"),
    ];
    for (language, word) in words {
        let (state, step) = at_email.answer(spec, word, language);
        assert_eq!(state.answers()["email"], None);
        assert_eq!(asking(&step).collecting, "address");
    }
    let (state, _) = at_email.answer(spec, "Überspringen", "fr");
    assert_eq!(state, at_email, "a word of a language that is not spoken");
    let (state, _) = at_email.answer(spec, " Asha@Example.com ", "en");
    assert_eq!(
        state.answers()["email"].as_deref(),
        Some("Asha@Example.com")
    );
    let at_name = FormState::begin(spec);
    assert_eq!(
        after(spec, &["Skip"]).answers()["name"].as_deref(),
        Some("Skip")
    );
    assert_eq!(at_name.collecting(), "name");
}

#[test]
fn every_suggestion_is_an_answer_that_is_taken() {
    let spec = FormSpec::profile();
    for language in LANGUAGES {
        let mut state = FormState::begin(spec);
        for answer in ANSWERS {
            for suggestion in &asking(&state.ask(spec, language).1).suggestions {
                let (_, step) = state.answer(spec, suggestion, language);
                assert!(matches!(step, Step::Ask(_)), "{language} {suggestion}");
            }
            state = state.answer(spec, answer, language).0;
        }
    }
}

#[test]
fn what_is_known_already_is_not_asked() {
    let spec = FormSpec::profile();
    let known = [
        ("name", "Asha Rai"),
        ("email", "asha@example.com"),
        ("plan", "gold"),
    ];
    let answer = |(key, text): (&str, &str)| (key.to_owned(), Some(text.to_owned()));
    let mut state = FormState::begin_knowing(spec, known.map(answer).into());
    for (key, text) in [
        ("country_code", "+977"),
        ("phone", "9841234567"),
        ("address", "Pokhara"),
    ] {
        assert_eq!(state.collecting(), key);
        state = state.answer(spec, text, "en").0;
    }
    assert!(state.is_complete());
    assert_eq!(state.profile().email.as_deref(), Some("asha@example.com"));
    assert!(state.profile().more.is_empty());
}

#[test]
fn a_finished_form_takes_nothing_more_and_stays_finished_when_it_grows() {
    let spec = FormSpec::profile();
    let done = after(spec, ANSWERS);
    let longer = changed(|spec| {
        let mut step = spec.steps[4].clone();
        step.key = "company".into();
        spec.steps.push(step);
    });
    for spec in [spec, &longer] {
        let (state, step) = done.answer(spec, "and another thing", "en");
        assert_eq!(state, done);
        assert!(matches!(step, Step::Complete(_)));
        assert!(state.is_complete());
    }
}

#[test]
fn a_step_put_before_the_asked_one_is_asked_after_it() {
    let at_email = after(FormSpec::profile(), &ANSWERS[..3]);
    let longer = changed(|spec| {
        let mut step = spec.steps[4].clone();
        step.key = "company".into();
        spec.steps.insert(0, step);
    });
    let (state, step) = at_email.answer(&longer, "asha@example.com", "en");
    assert_eq!(
        state.answers()["email"].as_deref(),
        Some("asha@example.com")
    );
    assert_eq!(asking(&step).collecting, "company");
    assert_eq!(state.answers()["name"].as_deref(), Some("Asha Rai"), "kept");
}

#[test]
fn a_text_is_no_answer_to_a_question_that_took_the_place_of_its_own() {
    let at_email = after(FormSpec::profile(), &ANSWERS[..3]);
    let shorter = changed(|spec| {
        spec.steps.remove(3);
    });
    let (state, step) = at_email.answer(&shorter, "asha@example.com", "en");
    assert!(matches!(step, Step::Ask(_)));
    assert_eq!(asking(&step).collecting, "address");
    assert_eq!(state.answers(), at_email.answers());
    let (state, step) = state.answer(&shorter, "Pokhara", "en");
    assert!(matches!(step, Step::Complete(_)));
    assert_eq!(state.profile().address.as_deref(), Some("Pokhara"));
}

#[test]
fn a_phone_number_waits_for_a_country_that_a_changed_form_asks_elsewhere() {
    let at_phone = after(FormSpec::profile(), &ANSWERS[..2]);
    let renamed = changed(|spec| {
        spec.steps[1].key = "where".into();
        spec.steps[2].validator = crate::form::Validator::Phone {
            country_step: "where".into(),
        };
    });
    let (state, step) = at_phone.answer(&renamed, "9841234567", "en");
    assert_eq!(asking(&step).collecting, "where");
    let (state, step) = state.answer(&renamed, "India", "en");
    assert_eq!(asking(&step).collecting, "phone");
    let (state, _) = state.answer(&renamed, "098765 43210", "en");
    assert_eq!(state.profile().phone.as_deref(), Some("+91-9876543210"));
}

#[test]
fn a_country_that_an_older_form_took_as_text_leaves_the_number_to_say_it() {
    let older = changed(|spec| {
        spec.steps[1].validator = crate::form::Validator::Text {
            chars_min: 1,
            chars_max: 10,
        };
        spec.steps.truncate(2);
        spec.steps[1]
            .texts
            .values_mut()
            .for_each(|texts| texts.suggestions.clear());
        let mut step = spec.steps[0].clone();
        step.key = "nickname".into();
        spec.steps.push(step);
    });
    let state = after(&older, &["Asha Rai", "somewhere"]);
    let (state, step) = state.ask(FormSpec::profile(), "en");
    assert_eq!(asking(&step).collecting, "phone");
    let (state, step) = state.answer(FormSpec::profile(), "9841234567", "en");
    assert!(matches!(step, Step::Again(_)));
    let (state, _) = state.answer(FormSpec::profile(), "+977 984-1234567", "en");
    assert_eq!(state.profile().phone.as_deref(), Some("+977-9841234567"));
}

#[test]
fn a_form_answered_in_part_goes_on_until_nothing_is_missing_that_may_not_be_skipped() {
    let spec = FormSpec::profile();
    let given = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, text)| ((*key).to_owned(), Some((*text).to_owned())));
        pairs.collect()
    };
    let part = given(&[("phone", "9841234567"), ("name", "Asha"), ("email", "skip")]);
    let kept = FormState::kept(spec, &part, "en").expect("kept");
    assert_eq!(kept.collecting(), "country_code");
    assert_eq!(
        kept.answers().len(),
        3,
        "what was skipped is not asked again"
    );
    let empty = given(&[("name", " "), ("phone", "9841234567")]);
    let kept = FormState::kept(spec, &empty, "en").expect("kept");
    assert_eq!((kept.collecting(), kept.answers().len()), ("name", 1));
    let whole = given(&[
        ("name", "Asha"),
        ("country_code", "+977"),
        ("phone", "9841234567"),
        ("address", "Pokhara"),
    ]);
    let kept = FormState::kept(spec, &whole, "en").expect("kept");
    assert!(kept.is_complete());
    assert_eq!(FormState::filled(spec, &whole, "en"), Ok(kept));
    let refused = FormState::kept(spec, &given(&[("email", "nowhere")]), "en");
    assert_eq!(refused.expect_err("refused").0, "email");
}
