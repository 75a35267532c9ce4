//! The default dialogue in `dialogues.json`, in the words of the clients that know it, so that
//! other languages can read it. A normal run compares; after a deliberate change write it anew with
//! `FRONTDESK_VECTORS=write cargo test -p frontdesk-actors form::` and read the difference.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{ANSWERS, LANGUAGES};
use crate::form::{FormSpec, FormState, Step};

fn reply(step: &Step) -> Value {
    match step {
        Step::Ask(asking) | Step::Again(asking) => json!({
            "type": "profile_collection",
            "response": asking.text,
            "suggestions": asking.suggestions,
            "collecting": asking.collecting,
            "temp_data": asking.answers,
        }),
        Step::Complete(end) => json!({
            "type": "profile_complete",
            "response": end.text,
            "suggestions": end.suggestions,
            "profile": {
                "name": end.profile.name,
                "phone": end.profile.phone,
                "email": end.profile.email,
                "address": end.profile.address,
                "country_code": end.profile.country_code,
            },
        }),
    }
}

/// Each question, what is said to an answer that is refused, and the answer that is taken.
fn dialogue(language: &str) -> Value {
    let spec = FormSpec::profile();
    let (mut state, step) = FormState::begin(spec).ask(spec, language);
    let mut turns = vec![json!({"message": null, "reply": reply(&step)})];
    for answer in ANSWERS {
        for message in ["?", answer] {
            let step;
            (state, step) = state.answer(spec, message, language);
            turns.push(json!({"message": message, "reply": reply(&step)}));
        }
    }
    json!({"language": language, "turns": turns})
}

#[test]
fn the_default_dialogue_is_as_written_down() {
    let expected: Value = LANGUAGES.iter().copied().map(dialogue).collect();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/form/tests/dialogues.json");
    if std::env::var("FRONTDESK_VECTORS").is_ok_and(|wish| wish == "write") {
        let text = serde_json::to_string_pretty(&expected).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let found: Value = serde_json::from_str(&text).unwrap_or_default();
    assert_eq!(found, expected, "see the head of golden.rs");
}
