//! What an account may say of its owner.
//!
//! Never: knows whose it is, or who asks.

use std::sync::Arc;

use frontdesk_protocol::limits::{EMAIL_BYTES_MAX, STAFF_TEXT_CHARS_MAX};
use frontdesk_protocol::staff::{StaffCard, StaffCardChange};
use frontdesk_protocol::visible::{has_hidden, has_visible, turns_direction};
use frontdesk_protocol::{ErrorCode, Rejection};

/// Whether anything changed.
pub(super) fn apply_change(card: &mut StaffCard, change: &StaffCardChange) -> bool {
    let older = card.clone();
    let take = |field: &mut Arc<str>, new: &Option<Arc<str>>| {
        if let Some(new) = new {
            *field = Arc::clone(new);
        }
    };
    take(&mut card.name, &change.name);
    take(&mut card.phone, &change.phone);
    take(&mut card.specialization, &change.specialization);
    *card != older
}

/// Whether an account may say this of its owner.
pub fn check_card(card: &StaffCard) -> Result<(), Rejection> {
    check_name(&card.name)?;
    check_texts([
        ("name", &card.name),
        ("phone", &card.phone),
        ("specialization", &card.specialization),
    ])?;
    match is_email(&card.email) {
        true => Ok(()),
        false => refuse("email: is no e-mail address".to_owned()),
    }
}

fn refuse<T>(why: String) -> Result<T, Rejection> {
    Err(Rejection::because(ErrorCode::BadField, why))
}

/// Whether somebody or a company may be called this.
pub(crate) fn check_name(name: &str) -> Result<(), Rejection> {
    match has_visible(name) {
        true => Ok(()),
        false => refuse("name: is empty".to_owned()),
    }
}

/// Whether these are lines of text of a bearable length.
pub(crate) fn check_texts<const N: usize>(texts: [(&str, &Arc<str>); N]) -> Result<(), Rejection> {
    for (field, text) in texts {
        let chars = text.chars().count();
        if chars > STAFF_TEXT_CHARS_MAX {
            let limit = STAFF_TEXT_CHARS_MAX;
            return refuse(format!("{field}: {chars} characters, limit {limit}"));
        }
        if text.chars().any(char::is_control) {
            return refuse(format!("{field}: holds a control character"));
        }
        if turns_direction(text) {
            return refuse(format!("{field}: turns the direction of writing"));
        }
    }
    Ok(())
}

/// Somebody at a place whose name has at least two parts.
fn is_email(text: &str) -> bool {
    let is_plain = !text
        .chars()
        .any(|char| char.is_whitespace() || char.is_control())
        && !has_hidden(text);
    let is_place = |place: &str| {
        let mut parts = place.split('.');
        place.contains('.') && parts.all(|part| !part.is_empty() && !part.contains('@'))
    };
    let has_place = text
        .split_once('@')
        .is_some_and(|(who, place)| !who.is_empty() && is_place(place));
    text.len() <= EMAIL_BYTES_MAX && is_plain && has_place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(name: &str, email: &str) -> StaffCard {
        StaffCard {
            name: name.into(),
            email: email.into(),
            ..StaffCard::default()
        }
    }

    #[test]
    fn an_address_is_somebody_at_a_place() {
        for email in ["a@b.c", "Ann.Other+x@mail.tes.example", "ä@ö.example"] {
            assert_eq!(check_card(&card("Ann", email)), Ok(()), "{email}");
        }
        let wrong = [
            "",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a@.",
            "a@.c",
            "a@b.",
            "a@b..c",
            "a@b@c.d",
            "a @b.c",
            "a@b.c\u{7}",
            "ann\u{200b}@b.c",
            "ann\u{feff}@b.c",
        ];
        for email in wrong {
            assert!(check_card(&card("Ann", email)).is_err(), "{email}");
        }
    }

    #[test]
    fn a_name_is_a_line_of_text() {
        for name in [
            "",
            "  ",
            "Ann\nOther",
            "Ann\u{0}",
            "\u{200b}",
            "\u{3164}",
            "Ann\u{202e}gnp",
            &"x".repeat(256),
        ] {
            assert!(check_card(&card(name, "a@b.c")).is_err(), "{name:?}");
        }
        let ann = StaffCard {
            phone: "1\u{1b}[2J".into(),
            ..card("Ann", "a@b.c")
        };
        assert!(check_card(&ann).is_err());
    }
}
