//! Retention: chats in which nothing happened for as long as their company wants are forgotten.
//!
//! Once an hour by the node's clock, the companies that set it are walked through, awake or not,
//! and their chats in the order in which they were opened. Lists say which may be forgotten, from
//! rows; the room itself decides. Where several nodes share companies one day, each walks through
//! those it owns.
//!
//! Invariants: a few rooms a second are asked, one after the other; every read of the store is
//! off the event loop and bounded; nothing is begun while the node drains.
//! Never: decides that a chat is forgotten.

use std::sync::Arc;

use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::settings::CompanySettings;
use frontdesk_protocol::{CompanyId, PersonId, RoomId, Timestamp};
use frontdesk_storage::{EntityId, Result};
use tracing::{error, info, warn};

use crate::bus::BusMessage;
use crate::clock::fresh_cid;
use crate::company::tables::{self, RoomRow};
use crate::entity::{Answer, Caller, CidBy, Command, Envelope, Outcome, ReplyTo};
use crate::index::summary_in;
use crate::node::{ASK_DOOR, Node};
use crate::room::Summary;
use crate::task::{blocking, pause};
use crate::ticks::Ticks;

/// Between two walks: days are counted, so an hour more is little, milliseconds.
const WALK_PAUSE_MS: u64 = 60 * 60 * 1_000;
/// From the start to the first walk: whatever owes something goes first, milliseconds.
const FIRST_WALK_MS: u64 = 60 * 1_000;
/// Companies whose settings are read at once.
const COMPANY_COUNT: usize = 64;
/// Conversations looked at at once.
const PAGE_COUNT: usize = 256;
/// Rooms asked before a rest. Each is awake until it is idle for long enough, and commits twice.
const ROOM_COUNT: usize = 8;
/// The rest, milliseconds.
const REST_MS: u64 = 1_000;
/// A day, milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Forgets for as long as the node runs.
pub(crate) async fn forget_idle(mut ticks: Ticks) {
    let mut due_ms = None;
    while let Some(node) = ticks.next().await {
        let now_ms = node.clock.monotonic_ms();
        if now_ms < *due_ms.get_or_insert(now_ms + FIRST_WALK_MS) {
            continue;
        }
        if let Err(error) = node.forget_idle_chats().await {
            error!(%error, "chats cannot be looked through");
        }
        due_ms = Some(node.clock.monotonic_ms() + WALK_PAUSE_MS);
    }
}

/// Conversations that were looked at.
#[derive(Debug, Default)]
struct Page {
    /// Chats that may be forgotten.
    idle: Vec<RoomId>,
    /// Where to go on, if there is more that is old enough.
    next: Option<Vec<u8>>,
}

impl Node {
    pub(crate) async fn forget_idle_chats(self: &Arc<Self>) -> Result<()> {
        let companies = self.companies().await?;
        for some in companies.chunks(COMPANY_COUNT) {
            let (node, some) = (Arc::clone(self), some.to_vec());
            let forgetful = blocking(move || node.forgetful(some)).await?;
            for (company, days) in forgetful {
                if self.registry.is_closing() {
                    return Ok(());
                }
                let forgotten = self.forget_idle_of(&company, days).await;
                match forgotten {
                    Ok(0) => {}
                    Ok(chats) => info!(%company, days, chats, "chats were forgotten"),
                    Err(error) => error!(%company, %error, "chats cannot be looked through"),
                }
            }
        }
        Ok(())
    }

    /// Those that want their chats forgotten, and after how many days.
    fn forgetful(&self, companies: Vec<CompanyId>) -> Result<Vec<(CompanyId, u32)>> {
        let mut found = Vec::new();
        for company in companies {
            let row = self.directory.row(&company, &tables::settings_key())?;
            let settings = row.as_ref().map(tables::read::<CompanySettings>);
            match settings {
                Some(Some(settings)) => {
                    found.extend(settings.retention_days.map(|days| (company, days)));
                }
                Some(None) => error!(%company, "settings cannot be read, nothing is forgotten"),
                None => {}
            }
        }
        Ok(found)
    }

    async fn forget_idle_of(self: &Arc<Self>, company: &CompanyId, days: u32) -> Result<u64> {
        // Lists are made first where there are none.
        if self
            .listed(company, &PersonId::installation())
            .await
            .is_err()
        {
            warn!(%company, "lists are behind, chats are looked through later");
            return Ok(0);
        }
        let now = self.clock.now();
        let idle_since = Timestamp(now.0.saturating_sub(u64::from(days) * DAY_MS));
        let mut forgotten_count = 0;
        let (mut from, _) = tables::number_bounds();
        loop {
            let (node, of) = (Arc::clone(self), company.clone());
            let page = blocking(move || node.idle_page(&of, &from, idle_since)).await?;
            for rooms in page.idle.chunks(ROOM_COUNT) {
                for room in rooms {
                    if self.registry.is_closing() {
                        return Ok(forgotten_count);
                    }
                    let room = EntityId::room(company.clone(), *room);
                    forgotten_count += u64::from(self.forget_room(room, idle_since).await);
                }
                pause(REST_MS).await;
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(forgotten_count),
            }
        }
    }

    /// Looks at some conversations by their rows.
    fn idle_page(&self, company: &CompanyId, from: &[u8], idle_since: Timestamp) -> Result<Page> {
        let (_, to) = tables::number_bounds();
        let directory = &*self.directory;
        let rows = directory.rows(company, from, &to, false, PAGE_COUNT)?;
        let mut page = Page::default();
        for (_, value) in &rows {
            let Some(row) = tables::read::<RoomRow>(value) else {
                continue;
            };
            // One that cannot be read is in no list either.
            let Some(summary) = summary_in(directory, company, &row.room)? else {
                continue;
            };
            if summary.created_at > idle_since {
                return Ok(page); // so are all behind it
            }
            if is_idle(&summary, idle_since) {
                page.idle.push(row.room);
            }
        }
        page.next = rows.last().map(|(key, _)| {
            let mut next = key.clone();
            next.push(0);
            next
        });
        Ok(page)
    }

    /// Sends a command in the name of another entity; the outcome comes to whoever asked so.
    pub(crate) fn request_as(
        self: &Arc<Self>,
        caller: EntityId,
        entity: EntityId,
        command: Command,
        cseq: u64,
    ) {
        let envelope = Envelope {
            reply_to: ReplyTo {
                boot: self.boot(),
                door: ASK_DOOR,
                cseq,
            },
            cid: fresh_cid(),
            named_by: CidBy::Node,
            caller: Caller::Entity(caller),
            command,
        };
        self.send(BusMessage::Request(entity, Arc::new(envelope)));
    }

    /// Whether the room forgot its chat, and the company what it kept of it.
    async fn forget_room(self: &Arc<Self>, room: EntityId, idle_since: Timestamp) -> bool {
        let company = EntityId::company(room.company.clone());
        let command = Command::Room(RoomCommand::Forget { idle_since });
        let (cseq, outcome) = self.ask.expect();
        self.request_as(company, room.clone(), command, cseq);
        let is_done = match self.outcome(cseq, outcome).await {
            Outcome::Done(Answer::Numbered { number, .. }) => number > 0,
            Outcome::Done(_) => false,
            outcome => {
                // It is asked again with the next walk.
                warn!(entity = %room, ?outcome, "a chat was not forgotten");
                false
            }
        };
        self.metrics.chats_forgotten.increment(u64::from(is_done));
        is_done
    }
}

fn is_idle(summary: &Summary, idle_since: Timestamp) -> bool {
    let chat = summary.chat.as_deref();
    chat.is_some_and(|chat| !chat.stage.is_open()) && summary.changed_at <= idle_since
}
