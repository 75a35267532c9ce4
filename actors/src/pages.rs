//! Pages of messages as profiles count them: the n-th from either end, whatever else is in a room.
//!
//! A room's seqs count everything that is shown; a client that pages by number counts messages
//! alone. Where every shown event is a message the two are the same, and otherwise the rows of
//! silent events say how many lie in between.
//!
//! Never: wakes a room, or shows what was taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::command::Card;
use frontdesk_protocol::event::{Message, RoomEvent};
use frontdesk_protocol::native::PageFrom;
use frontdesk_protocol::{Cid, CompanyId, PersonId, Seq};
use frontdesk_storage::{EntityId, EntityKind, Result};

use crate::company::tables;
use crate::node::Node;
use crate::task::blocking;

/// Rows read at once to be counted: what is held of them is a few pages.
const COUNT_ROW_COUNT: usize = 1_000;

/// Where a page of messages begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessagesFrom {
    /// Behind this many of the newest.
    Newest {
        /// Messages to leave out.
        skip: u64,
    },
    /// Behind this many of the oldest.
    Oldest {
        /// Messages to leave out.
        skip: u64,
    },
}

/// A page of messages.
#[derive(Debug, Clone)]
pub struct MessagePage {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Messages in the room, those that were taken back among them.
    pub total: u64,
}

impl Node {
    /// A page of a room's messages. The caller has checked that it may be read.
    pub async fn messages(
        self: &Arc<Self>,
        entity: &EntityId,
        from: MessagesFrom,
        count: usize,
    ) -> Result<MessagePage> {
        let (node, counted) = (Arc::clone(self), entity.clone());
        let (head, start, silent) = blocking(move || {
            let head = node.journal.tail(&counted)?.seq;
            let start = node.start_of(&counted, from, head)?;
            Ok::<_, frontdesk_storage::Error>((head, start, node.silent(&counted, Seq(0), head)?))
        })
        .await?;
        let mut messages = Vec::new();
        let mut next = match from {
            MessagesFrom::Newest { .. } => PageFrom::Before(start.next()),
            MessagesFrom::Oldest { .. } => PageFrom::After(start),
        };
        while messages.len() < count {
            let page = self.history(entity, next, count - messages.len()).await?;
            let seqs = || page.events.iter().filter_map(RoomEvent::seq);
            let beyond = match next {
                PageFrom::After(_) => seqs().max().map(PageFrom::After),
                _ => seqs().min().map(PageFrom::Before),
            };
            let found = page.events.iter().filter_map(|event| match event {
                RoomEvent::MessagePosted(message) => Some(message.clone()),
                _ => None,
            });
            messages.extend(found);
            match beyond.filter(|_| page.more) {
                Some(beyond) => next = beyond,
                None => break,
            }
        }
        messages.sort_by_key(|message: &Message| message.seq);
        Ok(MessagePage {
            messages,
            total: head.0 - silent,
        })
    }

    /// One message; `None` when there is none of this seq.
    pub async fn message(self: &Arc<Self>, entity: &EntityId, seq: Seq) -> Result<Option<Message>> {
        let before = PageFrom::After(Seq(seq.0.saturating_sub(1)));
        let found = self.history(entity, before, 1).await?.events.pop();
        Ok(found.and_then(|event| match event {
            RoomEvent::MessagePosted(message) if message.seq == seq => Some(message),
            _ => None,
        }))
    }

    /// The message that somebody said with this cid of their client, if it is there and was not
    /// taken back.
    pub async fn message_of_cid(
        self: &Arc<Self>,
        entity: &EntityId,
        person: &PersonId,
        cid: &Cid,
    ) -> Result<Option<Message>> {
        let (journal, of) = (Arc::clone(&self.journal), entity.clone());
        let (person, cid) = (person.clone(), *cid);
        let row = blocking(move || journal.cid(&of, &person, &cid)).await?;
        match row {
            Some(row) => self.message(entity, row.seq).await,
            None => Ok(None),
        }
    }

    /// What the company knows of each of these people; those it does not know are left out.
    pub async fn cards(
        self: &Arc<Self>,
        company: &CompanyId,
        people: impl IntoIterator<Item = PersonId>,
    ) -> Result<BTreeMap<PersonId, Card>> {
        let (node, company) = (Arc::clone(self), company.clone());
        let people: std::collections::BTreeSet<PersonId> = people.into_iter().collect();
        blocking(move || {
            let mut cards = BTreeMap::new();
            for person in people {
                if let Some(name) = node.bots.name(&person) {
                    let name = Some(name.into());
                    let card = Card {
                        name,
                        ..Card::default()
                    };
                    cards.insert(person, card);
                    continue;
                }
                let value = node.directory.row(&company, &tables::person_key(&person))?;
                let card = value.as_ref().and_then(tables::read_card);
                cards.extend(card.map(|card| (person, card)));
            }
            Ok(cards)
        })
        .await
    }

    /// The seq behind which (or up to which, from the newest) the page lies.
    fn start_of(&self, entity: &EntityId, from: MessagesFrom, head: Seq) -> Result<Seq> {
        let mut silent = 0;
        loop {
            let (start, found) = match from {
                MessagesFrom::Newest { skip } => {
                    let start = Seq(head.0.saturating_sub(skip.saturating_add(silent)));
                    (start, self.silent(entity, start, head)?)
                }
                MessagesFrom::Oldest { skip } => {
                    let start = Seq(skip.saturating_add(silent).min(head.0));
                    (start, self.silent(entity, Seq(0), start)?)
                }
            };
            // More silent events may lie in what was added to make up for them.
            if found == silent {
                return Ok(start);
            }
            silent = found;
        }
    }

    /// Rows with `from <= key < to`, read some at a time.
    fn count_rows(&self, company: &CompanyId, mut from: Vec<u8>, to: &[u8]) -> Result<u64> {
        let mut count = 0;
        loop {
            let rows = self
                .directory
                .rows(company, &from, to, false, COUNT_ROW_COUNT)?;
            count += rows.len() as u64;
            match rows.last() {
                Some((last, _)) if rows.len() == COUNT_ROW_COUNT => {
                    from.clone_from(last);
                    from.push(0); // the next key there can be
                }
                _ => return Ok(count),
            }
        }
    }

    /// Shown events that are no messages, with `after < seq <= last`.
    fn silent(&self, entity: &EntityId, after: Seq, last: Seq) -> Result<u64> {
        let EntityKind::Room(room) = entity.kind else {
            return Ok(0);
        };
        let from = tables::silent_key(&room, after.next());
        let to = tables::silent_key(&room, last.next());
        self.count_rows(&entity.company, from, &to)
    }
}
