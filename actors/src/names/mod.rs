//! The installation's login names: each e-mail address belongs to one account of one company. Pure
//! rules; the engine around them is in [`crate::entity`].
//!
//! A name is reserved, the account made, the name confirmed by the account's staff, which owes that
//! as an effect. Whoever reserves and then makes no account gives the name back, or loses it after
//! [`NAME_RESERVED_MS`]; an account whose confirmation comes later than that keeps the name as long
//! as nobody else has reserved it. Else nobody could log in to it, and its staff is owed to take it
//! away again before the confirmation is answered.
//!
//! Names are ordered rows, split by hash into parts that are entities of their own: ten thousand
//! companies do not wait for one journal.
//!
//! Never: says whose a name is to anybody but a login.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::limits::{EMAIL_BYTES_MAX, NAME_RESERVED_MS};
use frontdesk_protocol::staff::{NameCommand, NameEvent, NameHolder, StaffCommand};
use frontdesk_protocol::{AccountNo, CompanyId, ErrorCode, Rejection, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Row};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::company::tables;
use crate::entity::{
    Answer, Asked, Caller, Command, Decided, Effect, Known, Rules, Written, fingerprint,
};

/// Parts of the index. Never changed: a name would be looked for in another part.
const PART_COUNT: u64 = 16;

/// A name as it is compared: e-mail addresses in any case are one, and so are letters that Unicode
/// writes in several ways.
pub(crate) fn normal(name: &str) -> Arc<str> {
    let in_one_form: String = name.trim().nfkc().collect();
    // Lower case may be written in several ways again.
    Arc::from(in_one_form.to_lowercase().nfkc().collect::<String>())
}

/// A login name as it is compared, and whose part of the index it is in.
pub fn login_name(name: &str) -> (Arc<str>, EntityId) {
    let name = normal(name);
    let part = entity_of(&name);
    (name, part)
}

/// Whose part of the index a name is in.
pub(crate) fn entity_of(name: &str) -> EntityId {
    EntityId::names((fingerprint(name.as_bytes()) % PART_COUNT) as u8)
}

/// Reservations that have ended and are taken away with one command: more than it can add.
const ENDED_COUNT_MAX: usize = 4;

/// A part of the index; names that are taken are in rows alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamesState {
    /// Names that are reserved, and until when. Few: each ends, or is confirmed, within minutes.
    reserved: BTreeMap<Arc<str>, Timestamp>,
    /// What this batch changed.
    #[serde(skip)]
    written: Written,
}

impl Rules for NamesState {
    type Event = NameEvent;

    const STATE_VERSION: u32 = 2;

    fn new(_entity: &EntityId) -> Self {
        Self::default()
    }

    fn begin_batch(&mut self) {
        self.written.clear();
    }

    fn lookups(&self, asked: &Asked<'_>) -> Vec<Vec<u8>> {
        match asked.command {
            // A longer one is refused unread: a store's keys end somewhere.
            Command::Name(command) if name_of(command).len() <= EMAIL_BYTES_MAX => {
                vec![tables::name_key(name_of(command))]
            }
            _ => Vec::new(),
        }
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        known: &Known,
        now: Timestamp,
    ) -> Result<Decided<NameEvent>, Rejection> {
        let command = match asked.command {
            Command::Name(command) => command,
            Command::Wake => return Ok(Decided::nothing(Answer::Done)),
            _ => return Err(Rejection::new(ErrorCode::NotSupported)),
        };
        let name = name_of(command);
        if name.is_empty() || name.len() > EMAIL_BYTES_MAX || *name != normal(name) {
            let why = "email: is no e-mail address";
            return Err(Rejection::because(ErrorCode::BadField, why));
        }
        let holder: Option<NameHolder> = self.written.row(known, &tables::name_key(name));
        let holder = match command {
            NameCommand::Reserve { reservation, .. } => {
                Some(reserved(holder.as_ref(), *reservation, now)?)
            }
            NameCommand::Cancel { reservation, .. } => match &holder {
                Some(NameHolder::Reserved {
                    reservation: other, ..
                }) if other == reservation => None,
                _ => return Ok(Decided::nothing(Answer::Done)),
            },
            NameCommand::Confirm {
                reservation,
                account,
                ..
            } => {
                let company = staff_of(asked.caller)?.clone();
                return Ok(confirm(
                    name,
                    holder,
                    *reservation,
                    (company, *account),
                    now,
                ));
            }
            NameCommand::Release { account, .. } => {
                let taken = NameHolder::Taken {
                    company: staff_of(asked.caller)?.clone(),
                    account: *account,
                };
                if holder != Some(taken) {
                    return Ok(Decided::nothing(Answer::Done));
                }
                None
            }
        };
        let mut events = self.ended(name, now);
        events.push(NameEvent {
            name: Arc::clone(name),
            holder,
            disowned: None,
        });
        Ok(Decided {
            events,
            answer: Answer::Done,
            remember: None,
        })
    }

    fn repeat(&self, _asked: &Asked<'_>, _number: u64, _at: Timestamp) -> Answer {
        Answer::Done
    }

    fn apply(&mut self, event: &NameEvent) {
        match &event.holder {
            Some(NameHolder::Reserved { until, .. }) => {
                self.reserved.insert(Arc::clone(&event.name), *until);
            }
            Some(NameHolder::Taken { .. }) | None => {
                self.reserved.remove(&event.name);
            }
        }
        self.written.take(rows_of(event));
    }

    fn rows(&self, _entity: &EntityId, event: &NameEvent) -> Vec<Row> {
        rows_of(event)
    }

    fn effects(&self, _entity: &EntityId, event: &NameEvent) -> Vec<Effect> {
        let disown = |(company, account)| Effect {
            to: EntityId::staff(company),
            command: Command::Staff(StaffCommand::Disown { account }),
        };
        event.disowned.clone().into_iter().map(disown).collect()
    }

    fn waits_for(&self, _entity: &EntityId, answer: &Answer) -> Option<EntityId> {
        match answer {
            Answer::Numbered { owed_to, .. } => owed_to.clone(),
            _ => None,
        }
    }
}

impl NamesState {
    /// Reservations of other names that nobody came back to.
    fn ended(&self, name: &str, now: Timestamp) -> Vec<NameEvent> {
        let is_over =
            |(other, until): &(&Arc<str>, &Timestamp)| ***other != *name && **until <= now;
        let ended = self.reserved.iter().filter(is_over);
        let event = |(name, _): (&Arc<str>, &Timestamp)| NameEvent {
            name: Arc::clone(name),
            holder: None,
            disowned: None,
        };
        ended.take(ENDED_COUNT_MAX).map(event).collect()
    }
}

/// The account has the name, or its staff is owed to take it away.
fn confirm(
    name: &Arc<str>,
    holder: Option<NameHolder>,
    reservation: Uuid,
    (company, account): (CompanyId, AccountNo),
    now: Timestamp,
) -> Decided<NameEvent> {
    let taken = NameHolder::Taken {
        company: company.clone(),
        account,
    };
    if holder.as_ref() == Some(&taken) {
        return Decided::nothing(Answer::Done);
    }
    let is_free = reserved(holder.as_ref(), reservation, now).is_ok();
    let (holder, disowned) = match is_free {
        true => (Some(taken), None),
        false => (holder, Some((company.clone(), account))),
    };
    let owed_to = disowned.as_ref().map(|_| EntityId::staff(company));
    Decided {
        events: vec![NameEvent {
            name: Arc::clone(name),
            holder,
            disowned,
        }],
        answer: Answer::Numbered {
            number: account.0,
            owed_to,
        },
        remember: None,
    }
}

fn reserved(
    holder: Option<&NameHolder>,
    reservation: Uuid,
    now: Timestamp,
) -> Result<NameHolder, Rejection> {
    let is_free = match holder {
        None => true,
        Some(NameHolder::Taken { .. }) => false,
        Some(NameHolder::Reserved {
            reservation: other,
            until,
        }) => *other == reservation || *until <= now,
    };
    let until = Timestamp(now.0 + NAME_RESERVED_MS);
    match is_free {
        true => Ok(NameHolder::Reserved { reservation, until }),
        false => Err(Rejection::new(ErrorCode::NameTaken)),
    }
}

fn rows_of(event: &NameEvent) -> Vec<Row> {
    let key = tables::name_key(&event.name);
    vec![match &event.holder {
        Some(holder) => tables::set(key, holder),
        None => Row { key, value: None },
    }]
}

fn name_of(command: &NameCommand) -> &Arc<str> {
    match command {
        NameCommand::Reserve { name, .. }
        | NameCommand::Cancel { name, .. }
        | NameCommand::Confirm { name, .. }
        | NameCommand::Release { name, .. } => name,
    }
}

/// The company whose staff asks.
fn staff_of(caller: &Caller) -> Result<&CompanyId, Rejection> {
    match caller {
        Caller::Entity(from) if from.kind == EntityKind::Staff => Ok(&from.company),
        _ => Err(Rejection::new(ErrorCode::Forbidden)),
    }
}
