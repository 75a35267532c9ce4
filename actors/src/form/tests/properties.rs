//! Whatever is written, forms hold their invariants.

use proptest::prelude::*;

use super::{ANSWERS, LANGUAGES, after, changed};
use crate::form::{COMPLETE, FormSpec, FormState, Step, validate_phone};

/// Any text, mixed with texts that are nearly answers.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::sample::select(ANSWERS).prop_map(str::to_owned),
        "[0-9 +()-]{0,20}",
        "[a-z.]{1,8}@[a-z.]{1,8}",
        "\\{[a-z_]{0,12}\\}?",
    ]
}

/// The default form with a step less, a step more, or as it is.
fn version(which: usize) -> FormSpec {
    changed(|spec| match which {
        index @ 0..=4 => {
            spec.steps.remove(index);
        }
        5 => {
            let mut step = spec.steps[4].clone();
            step.key = "company".into();
            spec.steps.insert(0, step);
        }
        _ => {}
    })
}

proptest! {
    #[test]
    fn whatever_is_answered_the_state_asks_a_step_and_only_gains(
        turns in prop::collection::vec((text(), 0..LANGUAGES.len(), 0..8_usize), 0..24),
    ) {
        let mut state = FormState::begin(FormSpec::profile());
        for (text, language, which) in turns {
            let spec = version(which);
            let (next, step) = state.answer(&spec, &text, LANGUAGES[language]);
            for (key, answer) in state.answers() {
                prop_assert_eq!(next.answers().get(key), Some(answer));
            }
            prop_assert!(next.answers().len() <= state.answers().len() + 1);
            let asked = next.collecting();
            prop_assert!(asked == COMPLETE || spec.step(asked).is_some());
            match step {
                Step::Ask(asking) => prop_assert_eq!(asking.collecting, asked),
                Step::Again(asking) => {
                    prop_assert_eq!(asking.collecting, state.collecting());
                    prop_assert_eq!(&next, &state);
                }
                Step::Complete(_) => prop_assert!(next.is_complete()),
            }
            state = next;
        }
    }

    #[test]
    fn what_is_kept_is_accepted_again(text in text(), taken in 0..ANSWERS.len()) {
        let spec = FormSpec::profile();
        let state = after(spec, &ANSWERS[..taken]);
        let key = state.collecting().to_owned();
        let (next, _) = state.answer(spec, &text, "en");
        if let Some(Some(kept)) = next.answers().get(&key) {
            // A number is kept as `+977-9841234567` and typed with a blank there.
            let typed = match key.as_str() {
                "phone" => kept.replacen('-', " ", 1),
                _ => kept.clone(),
            };
            let (again, _) = state.answer(spec, &typed, "en");
            prop_assert_eq!(again.answers().get(&key), Some(&Some(kept.clone())));
        }
    }

    #[test]
    fn no_phone_number_panics(phone in text(), country in text()) {
        let check = validate_phone(&phone, &country);
        prop_assert_eq!(check.valid, check.e164.is_some() && check.fault.is_none());
        let of_nepal = validate_phone(&phone, "+977");
        prop_assert!(of_nepal.e164.is_none_or(|number| number.starts_with("+977")));
    }

    #[test]
    fn a_state_survives_its_encodings(texts in prop::collection::vec(text(), 0..12)) {
        let spec = FormSpec::profile();
        let begin = FormState::begin(spec);
        let state = texts.iter().fold(begin, |state, text| state.answer(spec, text, "en").0);
        let json = serde_json::to_vec(&state).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<FormState>(&json).unwrap(), &state);
        let packed = rmp_serde::to_vec(&state).unwrap();
        prop_assert_eq!(&rmp_serde::from_slice::<FormState>(&packed).unwrap(), &state);
    }
}
