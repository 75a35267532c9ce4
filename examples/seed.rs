//! Fills a new store with companies and their staff, for measurements of large installations:
//! `cargo run --release --example seed -- --store DIR --companies 10000 --agents 10`.
//!
//! Every company and account is made by the commands that the HTTP interface sends; only the
//! password is hashed once for all accounts, since a hundred thousand hashes would take an hour.
//!
//! Never: touches a store that is there.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use frontdesk::auth::passwords::{Password, Passwords};
use frontdesk::config::{Config, Secret};
use frontdesk::node::{open_store, start_on};
use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Answer, Command, Node, Outcome, login_name};
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::companies::{CompaniesCommand, CompanyCard};
use frontdesk_protocol::staff::{NameCommand, PasswordHash, StaffCard, StaffCommand};
use frontdesk_protocol::{AccountNo, CompanyId};
use frontdesk_storage::{Durability, EngineKind, EntityId};
use futures_util::{StreamExt, stream};
use uuid::Uuid;

/// Companies that are filled at the same time.
const AT_ONCE_COUNT: usize = 64;
/// How long everything may take to fall asleep, milliseconds.
const DRAIN_MS: u64 = 120_000;

/// What is made.
#[derive(Debug, Parser)]
struct Options {
    /// Folder of the new store.
    #[arg(long)]
    store: PathBuf,
    /// Companies, each with an admin, `admin@company-N.example`.
    #[arg(long, default_value_t = 10_000)]
    companies: u64,
    /// Agents of each, `agent-M@company-N.example`.
    #[arg(long, default_value_t = 10)]
    agents: u64,
    /// The password of everyone.
    #[arg(long, default_value = "a password for measuring")]
    password: String,
    /// `fjall` or `sled`.
    #[arg(long, default_value = "fjall", value_parser = engine)]
    engine: EngineKind,
}

fn engine(name: &str) -> Result<EngineKind, String> {
    let found = EngineKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name);
    found.ok_or_else(|| "fjall or sled".to_owned())
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    assert!(!options.store.exists(), "--store names a new folder");
    let mut config = Config::default();
    config.server.listen = vec![([127, 0, 0, 1], 0).into()];
    config.server.drain_ms = DRAIN_MS;
    config.storage.path = options.store.clone();
    config.storage.engine = options.engine;
    config.storage.durability = Durability::Buffered;
    config.auth.jwt_secret = Some(Secret::new("nobody talks to this node while it seeds"));
    let store = open_store(&config).expect("a store");
    let running = start_on(&config, store).await.expect("a node");
    let seeder = Seeder {
        node: Arc::clone(running.node()),
        password: hash(&options.password).await,
    };
    let companies = stream::iter(1..=options.companies);
    companies
        .for_each_concurrent(AT_ONCE_COUNT, |number| {
            seeder.company(number, options.agents)
        })
        .await;
    drop(seeder);
    running.drain().await.expect("everything falls asleep");
    let (companies, agents) = (options.companies, options.agents);
    println!("{companies} companies, each with an admin and {agents} agents");
}

async fn hash(password: &str) -> PasswordHash {
    let passwords = Passwords::new(1, 0).expect("a thread");
    let made = passwords.hash(Password::typed(password.to_owned())).await;
    PasswordHash::new(&made.expect("nobody else hashes").to_text())
}

struct Seeder {
    node: Arc<Node>,
    password: PasswordHash,
}

impl Seeder {
    /// Makes a company, its admin and its agents.
    async fn company(&self, number: u64, agent_count: u64) {
        let domain = format!("company-{number}.example");
        let create = CompaniesCommand::CreateCompany {
            id: None,
            card: CompanyCard {
                name: format!("Company {number}").into(),
                email: format!("office@{domain}").into(),
                address: "1 Long Road".into(),
                ..CompanyCard::default()
            },
            plan: None,
        };
        let create = Command::Companies(create);
        let no = self.numbered(EntityId::companies(), create).await;
        let record = self.node.company_by_no(no).await.expect("a read");
        let id = record.expect("a record").id;
        let admin = format!("admin@{domain}");
        let admin = self.account(&id, Role::Admin, admin).await;
        let set = CompaniesCommand::SetAdmin {
            id: id.clone(),
            admin,
        };
        self.tell(EntityId::companies(), Command::Companies(set))
            .await;
        for agent in 1..=agent_count {
            let email = format!("agent-{agent}@{domain}");
            self.account(&id, Role::Agent, email).await;
        }
    }

    /// Makes an account, whose owner may log in.
    async fn account(&self, company: &CompanyId, role: Role, email: String) -> AccountNo {
        let reservation = Uuid::new_v4();
        let (name, part) = login_name(&email);
        let reserve = NameCommand::Reserve { name, reservation };
        self.tell(part, Command::Name(reserve)).await;
        let add = StaffCommand::AddAccount {
            role,
            card: StaffCard {
                name: "Ann Other".into(),
                email: email.into(),
                phone: "+49 30 1234567".into(),
                specialization: "orders".into(),
            },
            password: self.password.clone(),
            is_first_login: false,
            reservation,
        };
        let staff = EntityId::staff(company.clone());
        AccountNo(self.numbered(staff, Command::Staff(add)).await)
    }

    async fn numbered(&self, to: EntityId, command: Command) -> u64 {
        match self.tell(to, command).await {
            Answer::Numbered { number, .. } => number,
            other => panic!("nothing was numbered: {other:?}"),
        }
    }

    async fn tell(&self, to: EntityId, command: Command) -> Answer {
        let by = Arc::new(Principal {
            company: to.company.clone(),
            ..Principal::of_installation()
        });
        match self.node.ask(to, by, command, fresh_cid()).await {
            Outcome::Done(answer) => answer,
            other => panic!("refused: {other:?}"),
        }
    }
}
