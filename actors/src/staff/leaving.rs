//! Chats of somebody who serves visitors no more: they wait for another.
//!
//! The staff owes it to itself as an effect, so it survives any crash. The node takes it up: it
//! walks the company's list of what that account has, and asks each room to let go.
//!
//! An assignment may be decided at the same moment, on the account as it was. The room therefore
//! looks at the account once more when the assignment is durable. Whoever looked before the account
//! was taken away had told the lists before, and lists are waited for before they are walked.
//!
//! Invariant: a debt is paid when every chat of the list has been asked; a repeat changes nothing.
//! Never: takes a chat from somebody who serves visitors; the room looks who that is.

use std::sync::Arc;

use frontdesk_protocol::command::{Role, RoomCommand};
use frontdesk_protocol::staff::{Account, Act, StaffCommand};
use frontdesk_protocol::{AccountNo, ErrorCode, PersonId, Rejection, Retry, RoomId};
use frontdesk_storage::EntityId;
use tracing::warn;

use crate::bus::BusMessage;
use crate::entity::{Answer, Caller, CidBy, Command, Effect, Envelope, Outcome, ReplyTo};
use crate::node::{ASK_DOOR, Node};
use crate::task::spawn;

/// Chats that are read from the list at once.
pub(crate) const PAGE_COUNT: usize = 32;

/// What is owed if what was done to an account ends its serving of visitors.
pub(super) fn effect(staff: &EntityId, act: Act, account: &Account) -> Option<Effect> {
    let serves = matches!(account.role, Role::Agent | Role::Admin);
    let leaves = match act {
        Act::Removed => serves,
        Act::RoleSet => !serves,
        _ => false,
    };
    let account = account.no;
    leaves.then(|| Effect {
        to: staff.clone(),
        command: Command::Staff(StaffCommand::LeaveDesk { account }),
    })
}

impl Node {
    /// Has the chats of an account wait for others; the outcome goes to whoever asked.
    pub(crate) fn leave_desk(
        self: &Arc<Self>,
        staff: EntityId,
        account: AccountNo,
        reply_to: ReplyTo,
    ) {
        let node = Arc::clone(self);
        spawn(async move {
            let outcome = match node.release_all(&staff, account).await {
                Ok(()) => Outcome::Done(Answer::Done),
                Err(why) => {
                    warn!(%staff, account = account.0, %why, "chats of who left are still theirs");
                    Outcome::Refused(Rejection::new(ErrorCode::Unavailable))
                }
            };
            node.answer(reply_to, outcome);
        });
    }

    /// # Errors
    /// Why a chat could not be asked; the others were.
    async fn release_all(
        self: &Arc<Self>,
        staff: &EntityId,
        account: AccountNo,
    ) -> Result<(), Rejection> {
        let company = &staff.company;
        let agent = PersonId::of_account(account);
        self.all_listed(company).await?;
        let (mut after, mut outcome) = (None, Ok(()));
        loop {
            let page = self.assigned_to(company, &agent, after, PAGE_COUNT).await?;
            for room in page.rooms {
                let released = self.release(staff, room, &agent).await;
                outcome = outcome.and(released);
            }
            match page.last {
                Some(last) => after = Some(last),
                None => return outcome,
            }
        }
    }

    async fn release(
        self: &Arc<Self>,
        staff: &EntityId,
        room: RoomId,
        agent: &PersonId,
    ) -> Result<(), Rejection> {
        let (cseq, outcome) = self.ask.expect();
        let envelope = Envelope {
            reply_to: ReplyTo {
                boot: self.boot(),
                door: ASK_DOOR,
                cseq,
            },
            cid: crate::clock::fresh_cid(),
            named_by: CidBy::Node,
            caller: Caller::Entity(staff.clone()),
            command: Command::Room(RoomCommand::Release {
                agent: agent.clone(),
            }),
        };
        let room = EntityId::room(staff.company.clone(), room);
        self.send(BusMessage::Request(room.clone(), Arc::new(envelope)));
        match self.outcome(cseq, outcome).await {
            Outcome::Done(_) => Ok(()),
            // For good: a room that is full, which nobody can change any more.
            Outcome::Refused(why) if why.retry() == Retry::No => {
                warn!(%room, %why, "a chat stays with who left");
                Ok(())
            }
            Outcome::Refused(why) => Err(why),
            Outcome::Unknown => Err(Rejection::new(ErrorCode::Unavailable)),
        }
    }
}
