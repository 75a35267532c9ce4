//! The bot that needs nothing: it knows a few words of the trade, and repeats the rest.
//!
//! Never: calls out, or says another thing to the same words.

use frontdesk_actors::{Answering, Bot, BotAnswer, Turn};

/// See the module's text.
pub(crate) struct Echo;

/// What is answered to a message with one of these words; the first row that fits counts.
const ANSWERS: [(&[&str], &str); 8] = [
    (
        &["hello", "hi", "hey", "good morning", "good afternoon"],
        "Hello! I'm your CRM assistant. How can I help you today?",
    ),
    (
        &["help", "what can you do"],
        "I can help you with:\n\n- **Leads** and **contacts**\n- **Deals** and the pipeline\n\
         - **Tasks** and reminders\n- **Reports**\n\nWhat would you like to know?",
    ),
    (
        &["lead", "leads"],
        "I can help you with leads: find them, qualify them, or follow up. Which lead is it about?",
    ),
    (
        &["contact", "contacts", "customer", "customers"],
        "I can look up contacts and customers. Whom are you looking for?",
    ),
    (
        &["deal", "deals", "pipeline", "opportunity"],
        "I can tell you about deals and the pipeline. Which deal do you mean?",
    ),
    (
        &["task", "tasks", "reminder", "follow up"],
        "I can help you keep track of tasks. What is to be done, and when?",
    ),
    (
        &["report", "reports", "analytics", "sales"],
        "I can help you with reports. Which figures and which time are you interested in?",
    ),
    (
        &["thanks", "thank you", "bye", "goodbye"],
        "You're welcome! Is there anything else I can do for you?",
    ),
];

/// What is repeated of a message, characters: enough to recognise it.
const REPEATED_CHARS_MAX: usize = 1_000;

impl Echo {
    /// Its name, in its id too.
    pub(crate) const NAME: &'static str = "echo";
}

impl Bot for Echo {
    fn name(&self) -> &str {
        "CRM Assistant"
    }

    fn answer(&self, turn: Turn) -> Answering {
        let text = answer(&turn.question.text);
        Box::pin(std::future::ready(Ok(BotAnswer { text, rich: None })))
    }
}

fn answer(said: &str) -> String {
    let words = words(said);
    let known = ANSWERS.iter().find(|(asked, _)| {
        asked
            .iter()
            .any(|asked| words.contains(&format!(" {asked} ")))
    });
    match known {
        Some((_, answer)) => (*answer).to_owned(),
        None => {
            let repeated: String = said.trim().chars().take(REPEATED_CHARS_MAX).collect();
            format!("You said: \"{repeated}\". A colleague will get back to you about it.")
        }
    }
}

/// Lower case, one space around each word, nothing else between.
fn words(said: &str) -> String {
    let mut words = String::with_capacity(said.len() + 2);
    words.push(' ');
    for word in said.split(|letter: char| !letter.is_alphanumeric() && letter != '\'') {
        if !word.is_empty() {
            words.push_str(&word.to_lowercase());
            words.push(' ');
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_trade_have_answers_and_the_rest_is_repeated() {
        assert!(answer("Hi!").starts_with("Hello!"));
        assert!(answer("  THANK YOU, really").starts_with("You're welcome"));
        assert!(answer("show me the pipeline?").contains("pipeline"));
        // A word within a word is another word.
        let repeated = answer("Delhi is leadership");
        assert_eq!(
            repeated,
            "You said: \"Delhi is leadership\". A colleague will get back to you about it."
        );
        assert!(answer(&"x".repeat(20_000)).chars().count() < 1_100);
    }
}
