//! What an account may say of its owner.
//!
//! Never: knows whose it is, or who asks.

use std::sync::Arc;

use frontdesk_protocol::limits::{EMAIL_BYTES_MAX, STAFF_TEXT_CHARS_MAX};
use frontdesk_protocol::staff::{StaffCard, StaffCardChange};
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
    let refuse = |why: String| Err(Rejection::because(ErrorCode::BadField, why));
    if card.name.trim().is_empty() {
        return refuse("name: is empty".to_owned());
    }
    let texts = [
        ("name", &card.name),
        ("phone", &card.phone),
        ("specialization", &card.specialization),
    ];
    for (field, text) in texts {
        let chars = text.chars().count();
        if chars > STAFF_TEXT_CHARS_MAX {
            let limit = STAFF_TEXT_CHARS_MAX;
            return refuse(format!("{field}: {chars} characters, limit {limit}"));
        }
    }
    let bytes = card.email.len();
    let has_place = card
        .email
        .split_once('@')
        .is_some_and(|(who, place)| !who.is_empty() && place.contains('.') && !place.contains('@'));
    let is_plain = !card
        .email
        .chars()
        .any(|char| char.is_whitespace() || char.is_control());
    if bytes > EMAIL_BYTES_MAX || !has_place || !is_plain {
        return refuse("email: is no e-mail address".to_owned());
    }
    Ok(())
}
