//! The bots of this server, and the prompts that conversations with them begin with.
//!
//! Never: holds a rule of the chat; rooms decide when a bot speaks.

mod echo;
pub(crate) mod prompts;

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_actors::Bot;
use frontdesk_protocol::PersonId;

pub(crate) use echo::Echo;

/// The bot that new conversations get.
pub(crate) fn default_id() -> PersonId {
    PersonId::bot(Echo::NAME).expect("a short plain name")
}

/// Every bot by the id it has in rooms.
pub(crate) fn known() -> BTreeMap<PersonId, Arc<dyn Bot>> {
    [(default_id(), Arc::new(Echo) as Arc<dyn Bot>)].into()
}
