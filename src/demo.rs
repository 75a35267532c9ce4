//! `serve --demo`: a company, two people and their room, the links that open the page as each, and
//! the login of who runs the installation.
//!
//! Never: part of a node that was not started with `--demo`; its keys are random and end with the
//! process.

use std::sync::Arc;

use frontdesk_actors::clock::{fresh_cid, fresh_history_base, fresh_room_id};
use frontdesk_actors::{Answer, Command, Outcome};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role};
use frontdesk_protocol::{CompanyId, PersonId, RoomId};
use frontdesk_storage::EntityId;

use crate::auth::Grant;
use crate::auth::passwords::Password;
use crate::config::{Config, Secret, Superadmin};
use crate::node::{Error, Running, say};

/// The demo's company.
const COMPANY: &str = "DEMO";
/// Who runs the demo's installation.
const SUPERADMIN: &str = "root@demo.example";
/// How long a demo link is good for, seconds: a day of trying.
const LINK_TTL_S: u64 = 24 * 60 * 60;
/// The two people of the demo: id, name, role.
const PEOPLE: [(&str, &str, Role); 2] = [
    ("ann", "Ann Visitor", Role::Visitor),
    ("bob", "Bob Agent", Role::Agent),
];

/// Settings of a demo: a key if there is none, the company, and no limits for one machine.
pub(crate) fn prepare(config: &mut Config) {
    if config.auth.jwt_secret.is_none() && config.auth.keys.is_empty() {
        let secret = format!("{}{}", fresh_room_id(), fresh_room_id());
        config.auth.jwt_secret = Some(Secret::new(secret));
    }
    let company = CompanyId::new(COMPANY).expect("a valid id");
    if !config.provision.companies.contains(&company) {
        config.provision.companies.push(company);
    }
    if config.provision.superadmin.is_none() {
        config.provision.superadmin = Some(Superadmin {
            email: SUPERADMIN.to_owned(),
            password: Secret::new(Password::generate().expose()),
        });
    }
    config.limits.connections_per_address = 0;
    config.limits.requests_per_second_address = 0;
}

/// Opens the room and prints the links.
pub(crate) async fn open(running: &Running, config: &Config) -> Result<(), Error> {
    let room = room(running).await?;
    let address = running
        .addresses
        .first()
        .ok_or_else(|| Error::Demo("no address".to_owned()))?;
    let base = match &config.server.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    };
    say("")?;
    say("Open each link in a tab of its own; the two people share a room:")?;
    for (id, name, role) in PEOPLE {
        let grant = grant(id, name, role);
        let token = running
            .app
            .auth
            .mint(&grant, running.app.node.clock().now());
        let token = token.map_err(|error| Error::Demo(error.to_string()))?;
        say(&format!("  {name}: {base}/#token={token}&room={room}"))?;
    }
    if let Some(superadmin) = &config.provision.superadmin
        && superadmin.email == SUPERADMIN
    {
        let changed = running.app.change_superadmin(superadmin).await;
        changed.map_err(|error| Error::Demo(error.to_string()))?;
        let password = superadmin.password.expose();
        say("")?;
        say("Who runs the installation makes companies; docs/HTTP.md says how (Accounts):")?;
        say(&format!(
            "  {SUPERADMIN}, password {password}, until the next start"
        ))?;
    }
    say("")?;
    say("The links are good for a day or until the server stops. Press Ctrl-C to stop it.")
}

async fn room(running: &Running) -> Result<RoomId, Error> {
    let [(ann, name, role), (bob, _, _)] = PEOPLE;
    let grant = grant(ann, name, role);
    let principal = Principal {
        company: grant.company,
        person: grant.person,
        role: grant.role,
        card: grant.card,
    };
    let command = Command::Company(CompanyCommand::OpenRoom {
        room: fresh_room_id(),
        history_base: fresh_history_base(),
        participants: vec![PersonId::new(bob).expect("a valid id")],
        direct: true,
        title: None,
        bot: None,
        chat: None,
    });
    let company = EntityId::company(principal.company.clone());
    let outcome = running
        .app
        .node
        .ask(company, Arc::new(principal), command, fresh_cid())
        .await;
    match outcome {
        Outcome::Done(Answer::Opened { room, .. }) => Ok(room),
        other => Err(Error::Demo(format!("the room was not opened: {other:?}"))),
    }
}

fn grant(id: &str, name: &str, role: Role) -> Grant {
    Grant {
        company: CompanyId::new(COMPANY).expect("a valid id"),
        person: PersonId::new(id).expect("a valid id"),
        role,
        card: Card {
            name: Some(name.into()),
            ..Card::default()
        },
        ttl_s: LINK_TTL_S,
    }
}
