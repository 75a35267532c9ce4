//! What a company keeps of a chat, forgotten with it: the profile, and what its answers made known
//! of the visitor.
//!
//! The event holds the company's own numbers, which are all of its state, so that the records
//! before it can be erased: they hold what was answered once, and names of chats.
//!
//! Never: takes from a card what the host said, or what another answered.

use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::{ErrorCode, PersonId, Rejection, RoomId, Timestamp};
use frontdesk_storage::Row;

use super::files::room_of;
use super::tables;
use super::{CompanyState, VisitorProfile};
use crate::entity::{Answer, Asked, Decided, Known};

/// Rows that are read before it is decided.
pub(super) fn lookups(visitor: &PersonId, profile: Option<u64>) -> Vec<Vec<u8>> {
    let profile = profile.map(tables::profile_key);
    let person = tables::person_key(visitor);
    profile.into_iter().chain([person]).collect()
}

/// Whether nothing leads to a room any more: then nothing more is kept of it.
pub(super) fn is_forgotten(room: &RoomId, known: &Known) -> bool {
    matches!(known.rows.get(&tables::room_key(room)), Some(None))
}

/// Takes away what was kept.
pub(super) fn rows(event: &CompanyEvent) -> Vec<Row> {
    let gone = |key| Row { key, value: None };
    match event {
        CompanyEvent::ChatForgotten { room, profile, .. } => {
            let profile = profile.map(tables::profile_key);
            let keys = profile.into_iter().chain([tables::profile_room_key(room)]);
            keys.map(gone).collect()
        }
        CompanyEvent::PersonForgotten { person } => vec![gone(tables::person_key(person))],
        _ => Vec::new(),
    }
}

impl CompanyState {
    pub(super) fn forget_chat(
        &self,
        asked: &Asked<'_>,
        (visitor, profile): (&PersonId, Option<u64>),
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let room = room_of(asked).ok_or_else(|| Rejection::new(ErrorCode::Forbidden))?;
        let row = profile.and_then(|no| known.rows.get(&tables::profile_key(no)));
        let kept: Option<VisitorProfile> = row.and_then(Option::as_ref).and_then(tables::read);
        // A number is given once, so a profile there is this chat's.
        let kept = kept.filter(|kept| kept.room == room && kept.person == *visitor);
        let mut events = Vec::with_capacity(2);
        events.extend(kept.and_then(|kept| self.unknown_as(&kept, known)));
        events.push(CompanyEvent::ChatForgotten {
            at: now,
            room,
            profile,
            last_conversation: self.last_conversation,
            last_profile: self.last_profile,
            act_count: self.act_count,
            last_file: self.last_file,
            file_bytes: self.file_bytes,
        });
        Ok(Decided {
            events,
            answer: Answer::Done,
            remember: None,
        })
    }

    /// A visitor is not called any more what they answered in this chat, unless a host says so.
    fn unknown_as(&self, profile: &VisitorProfile, known: &Known) -> Option<CompanyEvent> {
        let event = self.known_no_more(profile, known)?;
        match &event {
            CompanyEvent::PersonKnown { person, card, .. }
                if card.is_empty() && person.is_visitor() =>
            {
                let person = person.clone();
                Some(CompanyEvent::PersonForgotten { person })
            }
            _ => Some(event),
        }
    }

    /// The numbers go on from here, whatever stood before.
    pub(super) fn goes_on_from(&mut self, event: &CompanyEvent) {
        if let CompanyEvent::ChatForgotten {
            last_conversation,
            last_profile,
            act_count,
            last_file,
            file_bytes,
            ..
        } = event
        {
            self.last_conversation = *last_conversation;
            self.last_profile = *last_profile;
            self.act_count = *act_count;
            self.last_file = *last_file;
            self.file_bytes = *file_bytes;
        }
    }
}
