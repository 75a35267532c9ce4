//! Forms of companies: what is refused, and how they are stored.

use super::{asking, changed};
use crate::form::limits::{
    ANSWER_COUNT_MAX, LANGUAGE_COUNT_MAX, OPTION_COUNT_MAX, STEP_COUNT_MAX, SUGGESTION_COUNT_MAX,
    TEXT_CHARS_MAX,
};
use crate::form::{ChoiceOption, FormSpec, FormState, Skip, Step, StepSpec, Validator};

fn why(change: impl FnOnce(&mut FormSpec)) -> String {
    changed(change).check().expect_err("refused").to_string()
}

fn option(value: &str, labels: &[(&str, &str)]) -> ChoiceOption {
    let owned = |(language, label): &(&str, &str)| ((*language).into(), (*label).into());
    ChoiceOption {
        value: value.into(),
        labels: labels.iter().map(owned).collect(),
    }
}

/// The default form's step at that place under another key.
fn like(spec: &FormSpec, index: usize, key: &str) -> StepSpec {
    let mut step = spec.steps[index].clone();
    step.key = key.into();
    step
}

fn with_choice(options: Vec<ChoiceOption>) -> FormSpec {
    changed(|spec| {
        let mut step = like(spec, 4, "topic");
        step.validator = Validator::Choice { options };
        spec.steps.insert(0, step);
    })
}

#[test]
fn a_form_survives_json_and_both_kinds_of_messagepack() {
    let spec = with_choice(vec![option("sales", &[("en", "Sales"), ("de", "Verkauf")])]);
    let json = serde_json::to_vec(&spec).unwrap();
    assert_eq!(serde_json::from_slice::<FormSpec>(&json).unwrap(), spec);
    let short = rmp_serde::to_vec(&spec).unwrap();
    assert_eq!(rmp_serde::from_slice::<FormSpec>(&short).unwrap(), spec);
    let named = rmp_serde::to_vec_named(&spec).unwrap();
    assert_eq!(rmp_serde::from_slice::<FormSpec>(&named).unwrap(), spec);
    let unknown = r#"{"language": "en", "steps": [], "complete": {}, "extra": 1}"#;
    assert!(serde_json::from_str::<FormSpec>(unknown).is_err());
}

#[test]
fn a_choice_is_taken_by_value_and_by_label_in_any_language_and_shows_its_labels() {
    let options = vec![
        option("sales", &[("en", "Sales"), ("de", "Verkauf")]),
        option("help", &[("en", "Help")]),
    ];
    let spec = with_choice(options);
    assert_eq!(spec.check(), Ok(()));
    let begin = FormState::begin(&spec);
    assert_eq!(
        asking(&begin.ask(&spec, "de").1).suggestions,
        ["Verkauf", "Help"]
    );
    for text in ["sales", "Verkauf", " SALES "] {
        let (state, _) = begin.answer(&spec, text, "en");
        assert_eq!(state.answers()["topic"].as_deref(), Some("sales"));
    }
    let (_, step) = begin.answer(&spec, "something else", "en");
    assert!(matches!(step, Step::Again(_)));
}

#[test]
fn keys_are_words_of_their_own() {
    assert!(why(|spec| spec.steps[4].key = "name".into()).contains("the same key"));
    for key in ["", "Name", "1st", "a b", "é", &"k".repeat(33)] {
        assert!(why(|spec| spec.steps[0].key = key.into()).contains("lower-case word"));
    }
    assert!(why(|spec| spec.steps[4].key = "complete".into()).contains("finished form"));
}

#[test]
fn a_phone_step_needs_an_earlier_country_that_is_not_skipped() {
    assert!(why(|spec| drop(spec.steps.remove(1))).contains("asks for a country code"));
    assert!(why(|spec| spec.steps.swap(1, 2)).contains("asks for a country code"));
    let skippable = |spec: &mut FormSpec| spec.steps[1].skip = spec.steps[3].skip.clone();
    assert!(why(skippable).contains("must not be skipped"));
}

#[test]
fn texts_must_stand_in_the_language_of_the_form() {
    let prompt = why(|spec| drop(spec.steps[2].texts.remove("en")));
    assert!(
        prompt.contains("step \"phone\": prompt is missing in \"en\""),
        "{prompt}"
    );
    let error = why(|spec| spec.steps[0].texts.get_mut("en").unwrap().errors.clear());
    assert!(error.contains("errors.invalid is missing"), "{error}");
    assert!(why(|spec| drop(spec.complete.remove("en"))).contains("complete: text is missing"));
    let skip = Some(Skip { words: [].into() });
    assert!(why(|spec| spec.steps[4].skip = skip).contains("skip.words is missing"));
    let spec = with_choice(vec![option("sales", &[("de", "Verkauf")])]);
    let label = spec.check().unwrap_err().to_string();
    assert!(label.contains("option \"sales\" is missing"), "{label}");
    assert!(why(|spec| spec.language = "Deutsch".into()).contains("not a language"));
}

#[test]
fn texts_repeat_only_earlier_answers_without_markup() {
    let say = |index: usize, text: &str| {
        let text = text.to_owned();
        why(move |spec| spec.steps[index].texts.get_mut("de").unwrap().prompt = text)
    };
    assert!(say(0, "{name}").contains("no earlier step"));
    assert!(say(1, "{phone}").contains("no earlier step"));
    assert!(say(4, "{email}").contains("markup"));
    assert!(say(1, "{name").contains("brace"));
    assert!(say(1, "name}").contains("brace"));
    assert!(say(1, "} {name}").contains("brace"));
    assert!(say(1, " ").contains("at least 1"));
    assert!(say(1, &"x".repeat(TEXT_CHARS_MAX + 1)).contains("limit 1000"));
}

#[test]
fn suggestions_are_answers() {
    let dead = |spec: &mut FormSpec| {
        let texts = spec.steps[1].texts.get_mut("en").unwrap();
        texts.suggestions.push("Show more countries".into());
    };
    assert!(why(dead).contains("would be refused"));
    let many = |spec: &mut FormSpec| {
        let texts = spec.steps[4].texts.get_mut("en").unwrap();
        texts.suggestions = vec!["Here".into(); SUGGESTION_COUNT_MAX + 1];
    };
    assert!(why(many).contains("51 suggestions, limit 50"));
}

#[test]
fn a_form_has_limits() {
    assert!(why(|spec| spec.steps.clear()).contains("no steps"));
    let long = |spec: &mut FormSpec| {
        let mut step = spec.steps[4].clone();
        step.texts.retain(|language, _| language == "en");
        spec.steps = vec![step; STEP_COUNT_MAX + 1];
    };
    assert!(why(long).contains("too many steps: 25, limit 24"));
    let languages = |spec: &mut FormSpec| {
        let texts = spec.complete["en"].clone();
        for letter in 'a'..='z' {
            spec.complete.insert(format!("x{letter}"), texts.clone());
            spec.complete.insert(format!("y{letter}"), texts.clone());
        }
    };
    assert!(why(languages).contains(&format!("limit {LANGUAGE_COUNT_MAX}")));
    let large = |spec: &mut FormSpec| {
        let step = spec.steps[4].clone();
        spec.steps = vec![step; 100];
    };
    assert!(why(large).contains("too large"));
    let empty = |spec: &mut FormSpec| {
        spec.steps[4].validator = Validator::Text {
            chars_min: 9,
            chars_max: 8,
        };
    };
    assert!(why(empty).contains("must be in order"));
    let option_of = |index: usize| option(&format!("o{index}"), &[("en", &format!("O{index}"))]);
    let options = (0..=OPTION_COUNT_MAX).map(option_of).collect();
    let many = with_choice(options).check().unwrap_err().to_string();
    assert!(many.contains("51 options"), "{many}");
    let alike = vec![
        option("a", &[("en", "Same")]),
        option("b", &[("en", "same")]),
    ];
    let alike = with_choice(alike).check().unwrap_err().to_string();
    assert!(alike.contains("two options are called \"same\""), "{alike}");
}

#[test]
fn answers_of_older_forms_are_let_go_once_there_are_too_many() {
    let mut state = FormState::begin(FormSpec::profile());
    for round in 0..=ANSWER_COUNT_MAX {
        let spec = changed(|spec| {
            let keys = [format!("first{round}"), format!("last{round}")];
            spec.steps = keys.iter().map(|key| like(spec, 4, key)).collect();
        });
        state = state.ask(&spec, "en").0;
        state = state.answer(&spec, "some text", "en").0;
        assert!(state.answers().len() <= ANSWER_COUNT_MAX);
    }
    let newest = format!("first{ANSWER_COUNT_MAX}");
    assert!(
        state.answers().keys().eq([&newest]),
        "{:?}",
        state.answers()
    );
}
