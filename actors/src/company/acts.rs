//! What administrators do in a company beside its settings, for its staff's audit log.
//!
//! Invariant: each has the company's next number, so that the log holds it once.
//! Never: tells the log what anything said.

use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::event::CompanyEvent;
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_protocol::{PersonId, Timestamp};
use frontdesk_storage::EntityId;

use super::CompanyState;
use crate::entity::{Command, Effect};

/// Whether somebody administers the company.
pub(super) fn is_admin(caller: &Principal) -> bool {
    matches!(caller.role, Role::Admin | Role::Superadmin)
}

impl CompanyState {
    /// Something was done to something.
    pub(super) fn act_done(
        &self,
        caller: &Principal,
        act: &str,
        subject: &str,
        now: Timestamp,
    ) -> CompanyEvent {
        CompanyEvent::ActDone {
            at: now,
            by: caller.person.clone(),
            act_no: self.act_count + 1,
            act: act.into(),
            subject: subject.into(),
        }
    }
}

/// What the staff is owed for it.
pub(super) fn effect(entity: &EntityId, event: &CompanyEvent) -> Option<Effect> {
    match event {
        CompanyEvent::ActDone {
            at,
            by,
            act_no,
            act,
            subject,
        } => Some(note(entity, *act_no, (*at, by), act, subject)),
        _ => None,
    }
}

/// Something to be noted by the staff.
pub(super) fn note(
    entity: &EntityId,
    act_no: u64,
    (at, by): (Timestamp, &PersonId),
    act: &str,
    subject: &str,
) -> Effect {
    Effect {
        to: EntityId::staff(entity.company.clone()),
        command: Command::Staff(StaffCommand::NoteAct {
            act_no,
            at,
            by: by.clone(),
            act: act.into(),
            subject: subject.into(),
        }),
    }
}
