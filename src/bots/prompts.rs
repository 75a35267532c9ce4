//! Prompts: what a client offers before a conversation with a bot begins. `frontdesk prompts seed`
//! puts them into a store that no server uses; `PUT /v1/prompts` into one that runs.
//!
//! Never: decides what a prompt may be; the company does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_actors::clock::{Clock, SystemClock, fresh_cid};
use frontdesk_actors::{Command, Node, NodeOptions, Outcome};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Prompt, Role};
use frontdesk_protocol::{CompanyId, PersonId};
use frontdesk_storage::{Directory, EntityId, Journal, Store};
use serde::Deserialize;

use crate::config::Profiles;
use crate::identity::setup::provide_company;
use crate::node::Error;
use crate::profiles::files::FileAddresses;

/// Who puts prompts there, in the record of who did what.
const SEEDER: &str = "frontdesk prompts seed";
/// Time for the company to fall asleep again, milliseconds.
const REST_MS: u64 = 5_000;

/// A prompt as a file or a request holds it.
#[derive(Debug, Clone, Deserialize, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Prompt)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromptEntry {
    /// What a button says.
    #[schema(max_length = 255)]
    pub(crate) title: String,
    /// What is sent when it is pressed.
    #[schema(max_length = 1_000)]
    pub(crate) text: String,
    /// Its place among the others; that in the list if it is absent.
    #[serde(default)]
    pub(crate) order: Option<i64>,
    /// Whether it is offered.
    #[serde(default = "yes")]
    pub(crate) is_active: bool,
}

impl From<Prompt> for PromptEntry {
    fn from(prompt: Prompt) -> Self {
        Self {
            title: prompt.title,
            text: prompt.text,
            order: Some(prompt.order),
            is_active: prompt.active,
        }
    }
}

fn yes() -> bool {
    true
}

/// Numbered from 1 in the order of the list.
pub(crate) fn numbered(entries: Vec<PromptEntry>) -> Vec<Prompt> {
    let numbered = (1..).zip(entries).map(|(number, entry)| Prompt {
        id: number,
        title: entry.title,
        text: entry.text,
        order: entry.order.unwrap_or(number as i64),
        active: entry.is_active,
    });
    numbered.collect()
}

/// The prompts of a company that brings none.
pub(crate) fn usual() -> Vec<PromptEntry> {
    let usual = [
        ("Getting started", "What can you help me with?"),
        ("Leads", "Show me how to work with my leads"),
        (
            "Pipeline",
            "Give me an overview of my deals and the pipeline",
        ),
        ("Tasks", "What tasks are due this week?"),
        ("Reports", "How do I make a sales report?"),
    ];
    let entry = |(title, text): (&str, &str)| PromptEntry {
        title: title.to_owned(),
        text: text.to_owned(),
        order: None,
        is_active: true,
    };
    usual.map(entry).into()
}

/// Reads a file: a JSON list of `{title, text, order?, is_active?}`.
pub(crate) fn read(file: &Path) -> Result<Vec<PromptEntry>, Error> {
    let shown = file.display();
    let text = std::fs::read(file);
    let text = text.map_err(|error| Error::Settings(format!("{shown}: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| Error::Settings(format!("{shown}: {error}")))
}

/// Puts prompts into a store and closes it, whatever comes of it. Without companies named, those of
/// every company that has none. Those that are `provided` are made if they are missing; nothing is
/// done when another one that is named does not exist, or when there is none at all.
pub(crate) async fn seed(
    store: Arc<Store>,
    provided: &[CompanyId],
    companies: Vec<CompanyId>,
    entries: Vec<PromptEntry>,
) -> Result<Vec<CompanyId>, Error> {
    let seeded = seed_open(&store, provided, companies, entries).await;
    let closed = store.close();
    let seeded = seeded?;
    closed?;
    Ok(seeded)
}

async fn seed_open(
    store: &Arc<Store>,
    provided: &[CompanyId],
    companies: Vec<CompanyId>,
    entries: Vec<PromptEntry>,
) -> Result<Vec<CompanyId>, Error> {
    if provided.is_empty() && store.companies()?.is_empty() {
        let why = "no company is there: name the store with --data, or set provision.companies";
        return Err(Error::Settings(why.to_owned()));
    }
    for company in &companies {
        if !provided.contains(company) && !store.has_company(company)? {
            return Err(Error::Settings(format!("unknown company {company}")));
        }
    }
    let clock = Arc::new(SystemClock::default()) as Arc<dyn Clock>;
    // Nobody is told anything.
    let nowhere = Arc::new(FileAddresses::new(None));
    let node = Node::start(NodeOptions {
        journal: Arc::clone(store) as Arc<dyn Journal>,
        directory: Arc::clone(store) as Arc<dyn Directory>,
        dialects: crate::ws::speaker::dialects(&Profiles::default(), &clock, &nowhere),
        clock,
        limits: frontdesk_actors::Limits::default(),
        bots: super::known(),
        uploads: None,
        bus_serialize: false,
    })
    .await?;
    let seeded = seed_awake(&node, store, provided, companies, entries).await;
    let all_asleep = node.drain(Duration::from_millis(REST_MS)).await;
    match all_asleep {
        true => seeded,
        false => seeded.and(Err(Error::DrainTimeout(REST_MS))),
    }
}

async fn seed_awake(
    node: &Arc<Node>,
    store: &Store,
    provided: &[CompanyId],
    companies: Vec<CompanyId>,
    entries: Vec<PromptEntry>,
) -> Result<Vec<CompanyId>, Error> {
    // As `serve` would: a store that was just made has its companies then.
    for company in provided {
        let made = provide_company(node, company).await;
        made.map_err(|error| Error::Settings(format!("company {company}: {error}")))?;
    }
    let mut seeded = Vec::new();
    let all = companies.is_empty();
    let wanted = if all { store.companies()? } else { companies };
    for company in wanted {
        if all && !node.all_prompts(&company).await?.is_empty() {
            continue;
        }
        set(node, &company, numbered(entries.clone())).await?;
        seeded.push(company);
    }
    Ok(seeded)
}

async fn set(node: &Arc<Node>, company: &CompanyId, prompts: Vec<Prompt>) -> Result<(), Error> {
    let admin = Principal {
        company: company.clone(),
        person: PersonId::new(SEEDER).expect("a plain name"),
        role: Role::Admin,
        card: Card::default(),
    };
    let command = Command::Company(CompanyCommand::SetPrompts { prompts });
    let entity = EntityId::company(company.clone());
    match node
        .ask(entity, Arc::new(admin), command, fresh_cid())
        .await
    {
        Outcome::Done(_) => Ok(()),
        Outcome::Refused(why) => Err(Error::Settings(why.message)),
        Outcome::Unknown => Err(Error::Settings(
            "nobody knows whether it was done".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_storage::testing::{Crash, MemoryOptions, MemoryStore};

    use super::*;

    fn company(name: &str) -> CompanyId {
        CompanyId::new(name).expect("valid")
    }

    #[tokio::test]
    async fn a_company_that_is_not_there_leaves_the_others_as_they_are_and_the_store_closed() {
        let memory = MemoryStore::new(MemoryOptions::default()).expect("a store");
        let known = company("TES001");
        memory.store().create_company(&known).expect("made");
        let named = vec![known.clone(), company("NOBODY")];
        let refused = seed(memory.store(), &[], named, usual()).await;
        let refused = refused.expect_err("one is not there");
        assert!(refused.is_refusal());
        assert_eq!(refused.to_string(), "unknown company NOBODY");
        assert!(memory.store().create_company(&company("LATER")).is_err());
        let again = memory.crash(Crash::PowerLoss).expect("a store");
        let seeded = seed(again.store(), &[], Vec::new(), usual()).await;
        assert_eq!(seeded.expect("done"), [known], "it had none");
        let last = again.crash(Crash::PowerLoss).expect("a store");
        let seeded = seed(last.store(), &[], Vec::new(), usual()).await;
        assert_eq!(seeded.expect("done"), []);
    }

    #[tokio::test]
    async fn companies_of_the_settings_are_made_with_a_number_and_a_staff() {
        let memory = MemoryStore::new(MemoryOptions::default()).expect("a store");
        let refused = seed(memory.store(), &[], Vec::new(), usual()).await;
        assert!(refused.expect_err("nobody is there").is_refusal());
        let memory = memory.crash(Crash::PowerLoss).expect("a store");
        let provided = [company("TES001"), company("SPA001")];
        let seeded = seed(memory.store(), &provided, Vec::new(), usual()).await;
        let mut seeded = seeded.expect("done");
        seeded.sort();
        assert_eq!(seeded, [company("SPA001"), company("TES001")]);
        let again = memory.crash(Crash::PowerLoss).expect("a store");
        let staff = EntityId::staff(company("TES001"));
        let store = again.store();
        assert!(
            store.tail(&staff).expect("read").pos.0 > 0,
            "its staff is founded"
        );
        let companies = EntityId::companies();
        assert_eq!(
            store.tail(&companies).expect("read").pos.0,
            2,
            "one record each"
        );
    }
}
