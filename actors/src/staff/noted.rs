//! What the company itself did, noted in its staff's audit log.
//!
//! Invariant: whatever the company sends again after a crash is noted once.
//! Never: takes the word of anybody but that company.

use frontdesk_protocol::staff::{StaffCommand, StaffEvent};
use frontdesk_protocol::{ErrorCode, Rejection};
use frontdesk_storage::{EntityId, EntityKind, Row};

use super::{AuditEntry, StaffState};
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Decided};

impl StaffState {
    pub(super) fn note_act(
        &self,
        asked: &Asked<'_>,
        command: &StaffCommand,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let StaffCommand::NoteAct {
            act_no,
            at,
            by,
            act,
            subject,
        } = command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        let is_ours = |from: &EntityId| {
            from.kind == EntityKind::Company && from.company == asked.entity.company
        };
        if !matches!(asked.caller, Caller::Entity(from) if is_ours(from)) {
            return Err(Rejection::new(ErrorCode::Forbidden));
        }
        if *act_no <= self.noted_act_no {
            return Ok(Decided::nothing(Answer::Done));
        }
        Ok(Decided {
            events: vec![StaffEvent::ActNoted {
                act_no: *act_no,
                at: *at,
                by: by.clone(),
                act: act.clone(),
                subject: subject.clone(),
                audit: self.audit_count + 1,
            }],
            answer: Answer::Done,
            remember: None,
        })
    }
}

/// The entry that such an event makes.
pub(super) fn row_of(event: &StaffEvent) -> Option<Row> {
    let StaffEvent::ActNoted {
        at,
        by,
        act,
        subject,
        audit,
        ..
    } = event
    else {
        return None;
    };
    let entry = AuditEntry {
        at: *at,
        by: by.clone(),
        act: act.to_string(),
        account: None,
        subject: Some(subject.to_string()),
    };
    Some(tables::set(tables::audit_key(*audit), &entry))
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::{CompanyId, PersonId, Timestamp};

    use super::*;
    use crate::entity::Command;
    use crate::tests::desk::Desk;

    fn company(text: &str) -> CompanyId {
        CompanyId::new(text).expect("valid")
    }

    fn note(act_no: u64) -> Command {
        Command::Staff(StaffCommand::NoteAct {
            act_no,
            at: Timestamp(5),
            by: PersonId::new("boss").expect("valid"),
            act: "settings_changed".into(),
            subject: "language".into(),
        })
    }

    #[test]
    fn what_the_company_did_is_noted_once_and_for_nobody_else() {
        let mut desk: Desk<StaffState> = Desk::new(EntityId::staff(company("TES001")));
        let own = Caller::Entity(EntityId::company(company("TES001")));
        for _ in 0..2 {
            assert_eq!(desk.one(&own, note(1)), Ok(Answer::Done));
        }
        assert_eq!(desk.one(&own, note(2)), Ok(Answer::Done));
        let other = Caller::Entity(EntityId::company(company("SPA001")));
        for caller in [other, Caller::Entity(EntityId::companies())] {
            let refused = desk.one(&caller, note(3)).expect_err("refused");
            assert_eq!(refused.code, ErrorCode::Forbidden);
        }
        let entries: Vec<AuditEntry> = [1, 2, 3]
            .into_iter()
            .filter_map(|number| desk.row(&tables::audit_key(number)))
            .collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].subject.as_deref(), Some("language"));
        assert_eq!(entries[0].at, Timestamp(5));
        desk.assert_replays();
    }
}
