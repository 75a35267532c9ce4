//! Who is online: a person with a connection on this node, or whose last one ended a moment ago.
//!
//! Coming is told at once, going only after a grace time, so that a reconnect is no news. It is
//! told to the feeds of those who share a conversation with the person; who they are is asked of
//! the lists of conversations.
//!
//! Invariants: a person stands here while a connection of theirs counts or the grace runs, and no
//! longer; one task at most asks for partners, so a storm of reconnects costs one read at a time.
//! Never: journals anything. When someone was last seen is an index row, written when they went.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use frontdesk_protocol::command::Principal;
use frontdesk_protocol::{CompanyId, PersonId, Timestamp};
use frontdesk_storage::{Result, Row, RowsWait};

use crate::bus::{BusMessage, Status};
use crate::company::tables;
use crate::limits::PRESENCE_LEAVE_MS;
use crate::node::Node;
use crate::task::{blocking, lock, spawn};

/// People who are told that someone came or went, at most: who has more partners is a help desk,
/// and its screens show queues.
pub const PARTNER_COUNT_MAX: usize = 256;

/// Person → when they were last seen.
const SEEN: u8 = b'o';

type Key = (CompanyId, PersonId);

struct Standing {
    connection_count: u32,
    /// When the last connection ended, by either clock.
    left_ms: u64,
    left_at: Timestamp,
}

#[derive(Default)]
struct Changes {
    /// Whose standing changed; how they stand is looked at when it is told.
    latest: BTreeSet<Key>,
    has_task: bool,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Online {
    people: DashMap<Key, Standing>,
    /// Who went, in the order in which their grace ends.
    gone: Mutex<VecDeque<(u64, Key)>>,
    changes: Mutex<Changes>,
}

/// A connection that counts; dropping it counts it out.
pub struct Arrival {
    node: Arc<Node>,
    principal: Arc<Principal>,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.node.person_left(&self.principal);
    }
}

impl Node {
    /// A connection's person is known: they are online.
    pub fn arrive(self: &Arc<Self>, principal: &Arc<Principal>) -> Arrival {
        let key = (principal.company.clone(), principal.person.clone());
        let is_news = match self.online.people.entry(key.clone()) {
            Entry::Occupied(mut known) => {
                known.get_mut().connection_count += 1;
                false
            }
            Entry::Vacant(place) => {
                place.insert(Standing {
                    connection_count: 1,
                    left_ms: 0,
                    left_at: Timestamp(0),
                });
                true
            }
        };
        if is_news {
            self.tell_status(key);
        }
        Arrival {
            node: Arc::clone(self),
            principal: Arc::clone(principal),
        }
    }

    /// Whether a person is online on this node.
    pub fn is_online(&self, company: &CompanyId, person: &PersonId) -> bool {
        let key = (company.clone(), person.clone());
        self.online.people.contains_key(&key)
    }

    /// When a person was last online: now, if they are; `None` when they never were.
    pub async fn last_seen(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<Option<Timestamp>> {
        if self.is_online(company, person) {
            return Ok(Some(self.clock.now()));
        }
        let (directory, company) = (Arc::clone(&self.directory), company.clone());
        let key = seen_key(person);
        blocking(move || {
            let value = directory.row(&company, &key)?;
            Ok(value.as_ref().and_then(tables::read::<Timestamp>))
        })
        .await
    }

    fn person_left(&self, principal: &Principal) {
        let key = (principal.company.clone(), principal.person.clone());
        let now_ms = self.clock.monotonic_ms();
        {
            let Some(mut standing) = self.online.people.get_mut(&key) else {
                return;
            };
            standing.connection_count -= 1;
            if standing.connection_count > 0 {
                return;
            }
            standing.left_ms = now_ms;
            standing.left_at = self.clock.now();
        }
        let due = (now_ms + PRESENCE_LEAVE_MS, key);
        lock(&self.online.gone).push_back(due);
    }

    /// Ten times a second: those whose grace is over are offline.
    pub(crate) fn tick_online(self: &Arc<Self>) {
        let now_ms = self.clock.monotonic_ms();
        let mut rows: BTreeMap<CompanyId, Vec<Row>> = BTreeMap::new();
        loop {
            let key = {
                let mut gone = lock(&self.online.gone);
                match gone.front() {
                    Some((due_ms, _)) if *due_ms <= now_ms => gone.pop_front(),
                    _ => break,
                }
            };
            let Some((due_ms, key)) = key else { break };
            // Who came back and went again has a later place in the queue.
            let is_over = |_: &Key, standing: &Standing| {
                standing.connection_count == 0 && standing.left_ms + PRESENCE_LEAVE_MS <= due_ms
            };
            if let Some((_, standing)) = self.online.people.remove_if(&key, is_over) {
                let row = seen_row(&key.1, standing.left_at);
                rows.entry(key.0.clone()).or_default().push(row);
                self.tell_status(key);
            }
        }
        if !rows.is_empty() {
            let node = Arc::clone(self);
            spawn(async move { blocking(move || node.write_seen(rows, RowsWait::Queued)).await });
        }
    }

    /// The node ends: everyone who was here was seen now or when they left.
    pub(crate) async fn end_online(self: &Arc<Self>) {
        let mut rows: BTreeMap<CompanyId, Vec<Row>> = BTreeMap::new();
        for entry in &self.online.people {
            let (company, person) = entry.key();
            let at = match entry.value().connection_count {
                0 => entry.value().left_at,
                _ => self.clock.now(),
            };
            let row = seen_row(person, at);
            rows.entry(company.clone()).or_default().push(row);
        }
        let node = Arc::clone(self);
        blocking(move || node.write_seen(rows, RowsWait::Durable)).await;
    }

    /// Nobody waits for it and nothing rests on it: a fault is only told.
    fn write_seen(&self, rows: BTreeMap<CompanyId, Vec<Row>>, wait: RowsWait) {
        for (company, rows) in rows {
            if let Err(error) = self.directory.put_rows(&company, rows, wait) {
                tracing::warn!(%company, %error, "last seen cannot be written");
            }
        }
    }

    fn tell_status(self: &Arc<Self>, key: Key) {
        if !self.feeds.any() {
            return;
        }
        let mut changes = lock(&self.online.changes);
        changes.latest.insert(key);
        if !changes.has_task {
            changes.has_task = true;
            spawn(tell_changes(Arc::clone(self)));
        }
    }
}

async fn tell_changes(node: Arc<Node>) {
    loop {
        let next = {
            let mut changes = lock(&node.online.changes);
            let next = changes.latest.pop_first();
            changes.has_task = next.is_some();
            next
        };
        let Some((company, person)) = next else {
            return;
        };
        let (reader, of_company, of_person) = (Arc::clone(&node), company.clone(), person.clone());
        let read = move || reader.partners_of(&of_company, &of_person, PARTNER_COUNT_MAX);
        let partners = match blocking(read).await {
            Ok(partners) => partners,
            Err(error) => {
                tracing::warn!(%company, %error, "partners cannot be read");
                continue;
            }
        };
        if !partners.is_empty() {
            let is_online = node.is_online(&company, &person);
            let status = Status {
                person,
                is_online,
                partners,
            };
            node.send(BusMessage::Status(company, status));
        }
    }
}

fn seen_key(person: &PersonId) -> Vec<u8> {
    let mut key = vec![SEEN];
    key.extend_from_slice(person.as_str().as_bytes());
    key
}

fn seen_row(person: &PersonId, at: Timestamp) -> Row {
    tables::set(seen_key(person), &at)
}
