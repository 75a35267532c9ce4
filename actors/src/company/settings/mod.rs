//! A company's settings: who may change them, what becomes of a change.
//!
//! Where to look: `check` says which settings are refused, `kept` keeps those that are read often,
//! `origins` knows the pages that any company named.
//!
//! Invariants: a change stands in the staff's audit log, with the names of its fields and nothing
//! they hold; the origins of all companies are kept together by the companies' entity.
//! Never: goes on from settings that cannot be read: keys that count for nobody would vanish.

mod check;
mod kept;
mod origins;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use frontdesk_protocol::command::Role;
use frontdesk_protocol::companies::CompaniesCommand;
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::settings::{CompanySettings, SettingsChange};
use frontdesk_protocol::{ErrorCode, Rejection, Timestamp};
use frontdesk_storage::EntityId;

use super::{CompanyState, acts, tables};
use crate::bus::BusMessage;
use crate::entity::{Answer, Caller, Command, Decided, Effect, Known};

pub(crate) use kept::KeptSettings;
pub(crate) use origins::Origins;

/// What the audit log calls a change.
const ACT: &str = "settings_changed";

impl CompanyState {
    pub(super) fn change_settings(
        &self,
        caller: &Caller,
        change: &SettingsChange,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<CompanyEvent>, Rejection> {
        let caller = match caller {
            Caller::Person(caller) if matches!(caller.role, Role::Admin | Role::Superadmin) => {
                caller
            }
            _ => return Err(Rejection::new(ErrorCode::Forbidden)),
        };
        let older = self.settings(known)?;
        let newer = change.applied_to(&older);
        let changed = newer.differing(&older);
        // Also where nothing changes: the first time it was asked may not be paid yet.
        let is_of_origins = match changed.is_empty() {
            true => change.origins.is_some(),
            false => newer.origins != older.origins,
        };
        let owed_to = match is_of_origins {
            true => EntityId::companies(),
            false => EntityId::staff(caller.company.clone()),
        };
        let answer = |number| Answer::Numbered {
            number,
            owed_to: Some(owed_to),
        };
        if changed.is_empty() {
            return Ok(Decided::nothing(answer(self.act_count)));
        }
        check::check(&newer)?;
        let act_no = self.act_count + 1;
        let mut events = Vec::new();
        if newer.origins != older.origins {
            let origins = newer.origins.clone();
            events.push(CompanyEvent::OriginsSet { origins });
        }
        events.push(CompanyEvent::SettingsSet {
            at: now,
            by: caller.person.clone(),
            act_no,
            changed: changed.into_iter().map(Arc::from).collect(),
            settings: Arc::new(newer),
        });
        Ok(Decided {
            events,
            answer: answer(act_no),
            remember: None,
        })
    }

    fn settings(&self, known: &Known) -> Result<Arc<CompanySettings>, Rejection> {
        if let Some(settings) = &self.settings {
            return Ok(Arc::clone(settings));
        }
        let row = known.rows.get(&tables::settings_key());
        match row.and_then(Option::as_ref) {
            None => Ok(Arc::default()),
            Some(value) => tables::read(value).ok_or_else(|| Rejection::new(ErrorCode::Internal)),
        }
    }
}

pub(super) fn effect(entity: &EntityId, event: &CompanyEvent) -> Option<Effect> {
    match event {
        CompanyEvent::SettingsSet {
            at,
            by,
            act_no,
            changed,
            ..
        } => {
            let subject = changed.join(", ");
            Some(acts::note(entity, *act_no, (*at, by), ACT, &subject))
        }
        CompanyEvent::OriginsSet { origins } => Some(Effect {
            to: EntityId::companies(),
            command: Command::Companies(CompaniesCommand::NoteOrigins {
                origins: origins.clone(),
            }),
        }),
        _ => None,
    }
}

pub(super) fn spread(entity: &EntityId, event: &CompanyEvent) -> Option<BusMessage> {
    match event {
        CompanyEvent::SettingsSet { .. } => {
            Some(BusMessage::SettingsChanged(entity.company.clone()))
        }
        _ => None,
    }
}
