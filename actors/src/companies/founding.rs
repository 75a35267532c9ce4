//! How a company comes to be there before its staff is told so, and the installation's own staff.
//!
//! Never: decides anything; an effect of the companies' entity is brought to its receiver.

use std::sync::Arc;

use frontdesk_protocol::CompanyId;
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_storage::EntityId;

use crate::bus::BusMessage;
use crate::entity::{Caller, Command, Envelope, Outcome, ReplyTo};
use crate::node::{ASK_DOOR, Node};
use crate::task::{blocking, spawn};

impl Node {
    /// Has the installation itself have a staff: those who run it. A repeat changes nothing.
    pub async fn found_installation(self: &Arc<Self>) -> Outcome {
        let (cseq, outcome) = self.ask.expect();
        let envelope = Envelope {
            reply_to: ReplyTo {
                boot: self.boot(),
                door: ASK_DOOR,
                cseq,
            },
            cid: crate::clock::fresh_cid(),
            caller: Caller::Entity(EntityId::companies()),
            command: Command::Staff(StaffCommand::Found {
                company_no: 0,
                agent_count_max: None,
            }),
        };
        let staff = EntityId::staff(CompanyId::installation());
        self.send(BusMessage::Request(staff, Arc::new(envelope)));
        self.outcome(cseq, outcome).await
    }

    /// Has a company be there before its staff is told so.
    pub(crate) fn found(self: &Arc<Self>, staff: EntityId, envelope: Envelope) {
        let node = Arc::clone(self);
        spawn(async move {
            let (directory, company) = (Arc::clone(&node.directory), staff.company.clone());
            let made = blocking(move || directory.create_company(&company)).await;
            match made {
                Ok(_) => node.send(BusMessage::Request(staff, Arc::new(envelope))),
                Err(error) => {
                    tracing::error!(%error, company = %staff.company, "company cannot be made");
                    node.answer(envelope.reply_to, Outcome::Unknown);
                }
            }
        });
    }
}
