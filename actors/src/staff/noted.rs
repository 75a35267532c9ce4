//! What was done in the company and in its chats, noted in its staff's audit log.
//!
//! Invariant: whatever the company or a room of it sends again after a crash is noted once.
//! Never: takes the word of anybody but that company and its rooms.

use frontdesk_protocol::staff::{StaffCommand, StaffEvent};
use frontdesk_protocol::{ErrorCode, Rejection, RoomId, Seq};
use frontdesk_storage::{EntityId, EntityKind, Row};

use super::{AuditEntry, StaffState};
use crate::company::tables;
use crate::entity::{Answer, Asked, Caller, Command, Decided, Known};

/// The room that tells of itself.
fn room_of(asked: &Asked<'_>) -> Option<RoomId> {
    match asked.caller {
        Caller::Entity(EntityId {
            company,
            kind: EntityKind::Room(room),
        }) if *company == asked.entity.company => Some(*room),
        _ => None,
    }
}

/// The row that says what a room has told already.
pub(super) fn lookup(asked: &Asked<'_>) -> Option<Vec<u8>> {
    match asked.command {
        Command::Staff(StaffCommand::NoteChatAct { .. }) => {
            room_of(asked).map(|room| tables::chat_act_key(&room))
        }
        _ => None,
    }
}

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

impl StaffState {
    pub(super) fn note_chat_act(
        &self,
        asked: &Asked<'_>,
        command: &StaffCommand,
        known: &Known,
    ) -> Result<Decided<StaffEvent>, Rejection> {
        let StaffCommand::NoteChatAct {
            seq,
            at,
            by,
            act,
            account,
            subject,
        } = command
        else {
            return Err(Rejection::new(ErrorCode::Internal));
        };
        let room = room_of(asked).ok_or_else(|| Rejection::new(ErrorCode::Forbidden))?;
        let noted: Option<Seq> = self.written.row(known, &tables::chat_act_key(&room));
        if noted.is_some_and(|noted| *seq <= noted) {
            return Ok(Decided::nothing(Answer::Done));
        }
        Ok(Decided {
            events: vec![StaffEvent::ChatActNoted {
                room,
                seq: *seq,
                at: *at,
                by: by.clone(),
                act: act.clone(),
                account: *account,
                subject: subject.clone(),
                audit: self.audit_count + 1,
            }],
            answer: Answer::Done,
            remember: None,
        })
    }
}

/// The rows that such an event makes.
pub(super) fn rows_of(event: &StaffEvent) -> Vec<Row> {
    let (at, by, act, subject, audit) = match event {
        StaffEvent::ActNoted {
            at,
            by,
            act,
            subject,
            audit,
            ..
        }
        | StaffEvent::ChatActNoted {
            at,
            by,
            act,
            subject,
            audit,
            ..
        } => (at, by, act, subject, audit),
        _ => return Vec::new(),
    };
    let (account, told) = match event {
        StaffEvent::ChatActNoted {
            room, seq, account, ..
        } => (*account, Some((room, seq))),
        _ => (None, None),
    };
    let entry = AuditEntry {
        at: *at,
        by: by.clone(),
        act: act.to_string(),
        account,
        subject: Some(subject.to_string()),
    };
    let mut rows = vec![tables::set(tables::audit_key(*audit), &entry)];
    rows.extend(told.map(|(room, seq)| tables::set(tables::chat_act_key(room), seq)));
    rows
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

    #[test]
    fn what_was_done_to_a_chat_is_noted_once_and_for_its_own_company() {
        let mut desk: Desk<StaffState> = Desk::new(EntityId::staff(company("TES001")));
        let act = |seq: u64| {
            Command::Staff(StaffCommand::NoteChatAct {
                seq: Seq(seq),
                at: Timestamp(5),
                by: PersonId::new("boss").expect("valid"),
                act: "chat_resolved".into(),
                account: None,
                subject: "c1".into(),
            })
        };
        let room = |text: &str, byte: u8| {
            let room = RoomId::from_bits([byte; 16]);
            Caller::Entity(EntityId::room(company(text), room))
        };
        let (one, two) = (room("TES001", 1), room("TES001", 2));
        // The same twice in one batch, and again later.
        for told in desk.batch(&[(one.clone(), act(3)), (one.clone(), act(3))]) {
            assert_eq!(told, Ok(Answer::Done));
        }
        for (caller, seq) in [(&one, 3), (&two, 3), (&one, 5), (&one, 3)] {
            assert_eq!(desk.one(caller, act(seq)), Ok(Answer::Done));
        }
        let strangers = [
            room("SPA001", 1),
            Caller::Entity(EntityId::company(company("TES001"))),
        ];
        for caller in strangers {
            let refused = desk.one(&caller, act(9)).expect_err("refused");
            assert_eq!(refused.code, ErrorCode::Forbidden);
        }
        let is_there = |number: &u64| desk.rows.contains_key(&tables::audit_key(*number));
        assert_eq!((1..10).filter(is_there).count(), 3);
        desk.assert_replays();
    }
}
