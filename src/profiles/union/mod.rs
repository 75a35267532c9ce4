//! Union: the socket on `/ws/chat/{conversation_id}/` of a client that has not shown yet whether it
//! is of the `direct` or the `crm` profile. It is spoken to in both until its first frame tells.
//!
//! Invariants: every frame renders in both and is shown once by each; what narrows a socket also
//! is answered in the dialect it was narrowed to; a socket narrows once.
//! Never: guesses from anything but the client's own words.

mod dialect;

use frontdesk_actors::Outcome;

pub(crate) use dialect::UnionDialect;

use super::{chat, crm, direct};
use crate::ws::desk::Desk;
use crate::ws::speaker::Speaker;

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    let Some(fields) = chat::parse(desk, is_text, payload) else {
        return;
    };
    if is(desk, Speaker::Union) {
        let narrowed = match chat::kind_of(&fields) {
            "message" | "read" => Some(Speaker::Crm),
            "chat_message" | "file_message" | "mark_read" => Some(Speaker::Direct),
            _ => None,
        };
        if let Some(speaker) = narrowed {
            desk.shared.set_dialect(speaker.dialect());
        }
    }
    match is(desk, Speaker::Crm) {
        true => crm::fields_came(desk, &fields),
        // What both understand, and what neither does, is the same in either.
        false => direct::fields_came(desk, &fields),
    }
}

/// A command has an outcome.
pub(crate) fn answered(desk: &Desk, outcome: &Outcome) {
    match is(desk, Speaker::Crm) {
        true => crm::answered(desk, outcome),
        false => chat::answered(desk, outcome),
    }
}

fn is(desk: &Desk, speaker: Speaker) -> bool {
    use frontdesk_actors::Listener;
    desk.shared.dialect() == speaker.dialect()
}
