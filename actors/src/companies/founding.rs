//! How a company comes to be there before its staff is told so, and the installation's own staff.
//!
//! Never: decides anything; an effect of the companies' entity is brought to its receiver.

use std::sync::Arc;

use frontdesk_protocol::CompanyId;
use frontdesk_protocol::staff::StaffCommand;
use frontdesk_storage::{EntityId, Result, RowsWait};

use crate::bus::BusMessage;
use crate::company::tables;
use crate::entity::{Caller, CidBy, Command, Envelope, Outcome, ReplyTo};
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
            named_by: CidBy::Node,
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

    /// Companies of a store from before companies had numbers: each must get its own before any id
    /// is made, or a new company could be given theirs. `None` once [`Node::all_numbered`] was
    /// said.
    pub async fn unnumbered_companies(self: &Arc<Self>) -> Result<Option<Vec<CompanyId>>> {
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            let installation = CompanyId::installation();
            let mark = tables::all_numbered_key();
            if directory.row(&installation, &mark)?.is_some() {
                return Ok(None);
            }
            let mut unnumbered = Vec::new();
            for company in directory.companies()? {
                let key = tables::company_key(&company);
                if directory.row(&installation, &key)?.is_none() {
                    unnumbered.push(company);
                }
            }
            Ok(Some(unnumbered))
        })
        .await
    }

    /// Every company there was has its number: never looked at again.
    pub async fn all_numbered(self: &Arc<Self>) -> Result<()> {
        let directory = Arc::clone(&self.directory);
        blocking(move || {
            let mark = tables::set(tables::all_numbered_key(), &true);
            let installation = CompanyId::installation();
            directory.put_rows(&installation, vec![mark], RowsWait::Durable)
        })
        .await
    }
}
