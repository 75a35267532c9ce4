//! Accounts of the installation at work: logging in, going on, logging out, and who may act for
//! which company.
//!
//! Owns: the keys of our own tokens, the hashing threads, what was revoked lately; in its files
//! `logins` the way in, `staff` what is done to accounts, `companies` what is done to companies and
//! plans, `scope` the proofs that handlers take a company from, `revocations` closing what a void
//! token opened, `setup` what is made at start, `hosts` whose keys check a token, `cookies` what
//! browsers carry by themselves, `visitors` who a visitor is, `chats` who may act in which chat,
//! `sockets` who opens the sockets of visitors and of those who serve them, `visits` who comes to a
//! company on a socket, `profiles` what visitors answered.
//!
//! Invariants:
//! 1. A [`scope::CompanyScope`] exists only for somebody whose account may act for that company, as
//!    the store said when the request came.
//! 2. Whoever tries a name that nobody has waits and is answered as whoever mistypes a password.
//! 3. A token is void as soon as its login has ended, or its account or company is gone; what it
//!    opened is closed.
//!
//! Never: shows or logs a password or a token.

pub(crate) mod chats;
pub(crate) mod companies;
pub(crate) mod cookies;
pub(crate) mod hosts;
pub(crate) mod logins;
mod profiles;
pub(crate) mod revocations;
pub(crate) mod scope;
pub(crate) mod setup;
pub(crate) mod sockets;
pub(crate) mod staff;
mod tickets;
pub(crate) mod visitors;
pub(crate) mod visits;

use std::sync::Arc;

use frontdesk_actors::installation_secret;
use frontdesk_protocol::command::{Card, Principal};
use frontdesk_protocol::staff::Account;
use frontdesk_protocol::{CompanyId, PersonId};
use frontdesk_storage::Directory;

use crate::auth::own::OwnKeys;
use crate::auth::passwords::Passwords;
use crate::config;
use crate::node::Error;
use hosts::ReadyKeys;
use revocations::Revocations;

/// See the module's text.
pub(crate) struct Identity {
    pub(crate) keys: OwnKeys,
    pub(crate) passwords: Passwords,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) host_keys: ReadyKeys,
}

impl Identity {
    /// Reads the secret of our own tokens, or makes it. Blocks on the disk.
    pub(crate) fn open(directory: &dyn Directory, auth: &config::Auth) -> Result<Self, Error> {
        let secret = installation_secret(directory, OwnKeys::generate())?;
        let passwords = Passwords::new(auth.password_threads, auth.password_queue);
        let passwords = passwords.map_err(|source| Error::Io {
            what: "cannot start a thread that hashes passwords",
            source,
        })?;
        Ok(Self {
            keys: OwnKeys::from_bytes(&secret, auth.leeway_s),
            passwords,
            revocations: Arc::default(),
            host_keys: ReadyKeys::default(),
        })
    }
}

/// Somebody who has an account, as rooms and journals know them.
fn principal_of(company: &CompanyId, account: &Account) -> Arc<Principal> {
    let some = |text: &Arc<str>| (!text.is_empty()).then(|| Arc::clone(text));
    Arc::new(Principal {
        company: company.clone(),
        person: PersonId::of_account(account.no),
        role: account.role,
        // The address is what they log in with: visitors see cards.
        card: Card {
            name: some(&account.card.name),
            ..Card::default()
        },
    })
}
