//! What a company knows of its people.
//!
//! Invariant: what the host said counts for more than what tokens say, until it is said anew.
//! Never: forgets anybody; that is `forgetting`'s.

use std::borrow::Cow;

use frontdesk_protocol::command::{Card, CompanyCommand};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::{ErrorCode, PersonId, Rejection, Timestamp};

use super::tables::{self, PersonRow};
use super::{CompanyState, acts};
use crate::entity::{Answer, Asked, Caller, Command, Decided, Known};

impl CompanyState {
    pub(super) fn known_of<'a>(
        &'a self,
        person: &PersonId,
        known: &Known,
    ) -> Option<Cow<'a, PersonRow>> {
        if let Some(row) = self.people.get(person) {
            return Some(Cow::Borrowed(row));
        }
        let value = known.rows.get(&tables::person_key(person))?.as_ref()?;
        tables::read(value).map(Cow::Owned)
    }

    /// Named people nobody knew become known, with an empty card.
    pub(super) fn newly_known(&self, named: &[PersonId], known: &Known) -> Vec<CompanyEvent> {
        let strangers = named
            .iter()
            .filter(|person| self.known_of(person, known).is_none());
        strangers
            .map(|person| CompanyEvent::PersonKnown {
                person: person.clone(),
                card: Card::default(),
                by_host: Card::default(),
            })
            .collect()
    }

    pub(super) fn know_person(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let Command::Company(CompanyCommand::KnowPerson {
            person,
            card,
            by_host,
        }) = asked.command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        if let Caller::Person(caller) = asked.caller
            && !acts::is_admin(caller)
            && (caller.person != *person || *by_host)
        {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        let older = self.known_of(person, known);
        let row = older.as_deref().cloned().unwrap_or_default();
        let said = match by_host {
            true => card.or(&row.by_host),
            false => row.by_host.clone(),
        };
        let newer = PersonRow {
            card: said.or(&card.or(&row.card)),
            by_host: said,
        };
        if older.as_deref() == Some(&newer) {
            return Ok(Decided::nothing(Answer::Done));
        }
        let mut events = vec![CompanyEvent::PersonKnown {
            person: person.clone(),
            card: newer.card,
            by_host: newer.by_host,
        }];
        if let (Caller::Person(caller), true) = (asked.caller, *by_host) {
            events.push(self.act_done(caller, "person_named", person.as_str(), now));
        }
        Ok(Decided {
            events,
            answer: Answer::Done,
            remember: None,
        })
    }
}
