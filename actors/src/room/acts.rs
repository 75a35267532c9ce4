//! What administrators do to a chat, for the audit log of the company's staff.
//!
//! Never: tells what agents do with their own chats, which is their work.

use frontdesk_protocol::chat::HandoffStep;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_storage::EntityId;

use super::RoomState;
use crate::entity::{Command, Effect};

/// What the staff is owed for a step that an administrator took.
pub(super) fn effect(state: &RoomState, entity: &EntityId, event: &RoomEvent) -> Option<Effect> {
    let RoomEvent::HandoffMoved { seq, at, by, step } = event else {
        return None;
    };
    if !matches!(by.role, Role::Admin | Role::Superadmin) {
        return None;
    }
    let (act, account) = match step {
        HandoffStep::Assigned { agent, .. } => ("chat_assigned", agent.account()),
        HandoffStep::Resolved { .. } => ("chat_resolved", None),
        HandoffStep::Escalated { .. } | HandoffStep::Released { .. } => return None,
    };
    let note = StaffCommand::NoteChatAct {
        seq: *seq,
        at: *at,
        by: by.id.clone(),
        act: act.into(),
        account,
        subject: state.chat.as_ref()?.id.as_str().into(),
    };
    Some(Effect {
        to: EntityId::staff(entity.company.clone()),
        command: Command::Staff(note),
    })
}
