//! The company's lists of chats that people are wanted in, have, or had: all of them, and those of
//! each of its people.
//!
//! ```text
//! 'h' whose 0x00 bucket !escalated !number   a chat; whose is empty for the company's list
//! 't' whose 0x00 bucket                      how many there are
//! ```
//!
//! Invariants: a chat is in one bucket of the company's list, by its last handoff, and in those of
//! who has it or had it last; counts are written with the rows.
//! Never: says who may see them; whoever asks has proven that.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_protocol::chat::Stage;
use frontdesk_protocol::{CompanyId, PersonId, Rejection, RoomId};
use frontdesk_storage::{Directory, Result, Row};

use super::lists::{Conversation, unreadable};
use super::rows::{SummaryRow, summary_key};
use crate::company::tables::{read, set};
use crate::node::Node;
use crate::room::Summary;
use crate::task::blocking;

pub(super) const DESKS: u8 = b'h';
pub(super) const DESK_COUNTS: u8 = b't';

/// Chats of one page at most.
const PAGE_COUNT_MAX: usize = 1_000;

/// Where a chat that people were wanted in stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// It waits.
    Unassigned,
    /// A person has it.
    Assigned,
    /// It is over.
    Resolved,
}

impl Bucket {
    /// Every bucket.
    pub const ALL: [Bucket; 3] = [Bucket::Unassigned, Bucket::Assigned, Bucket::Resolved];

    fn of(summary: &Summary) -> Option<Self> {
        let chat = summary.chat.as_deref()?;
        let handoff = chat.handoff.as_ref()?;
        Some(match chat.stage {
            _ if handoff.resolved_at.is_some() => Bucket::Resolved,
            Stage::Assigned => Bucket::Assigned,
            Stage::Queued => Bucket::Unassigned,
            Stage::Bot | Stage::Resolved => Bucket::Resolved,
        })
    }
}

/// A list: the company's or one person's, and which of its chats.
type List = (String, Bucket);

fn list_prefix(table: u8, (whose, bucket): &List) -> Vec<u8> {
    let mut key = vec![table];
    key.extend_from_slice(whose.as_bytes());
    key.push(0); // ends the id: ids hold no control characters
    key.push(*bucket as u8);
    key
}

/// Before and behind every chat of a list.
fn bounds(list: &List) -> (Vec<u8>, Vec<u8>) {
    let from = list_prefix(DESKS, list);
    let mut to = from.clone();
    to.extend_from_slice(&[0xff; 17]);
    (from, to)
}

/// The rows of a chat: which list, and the key in it.
fn places(summary: &Summary) -> Vec<(List, Vec<u8>)> {
    let found = Bucket::of(summary).zip(summary.chat.as_deref());
    let Some((bucket, handoff)) = found.and_then(|(b, chat)| Some((b, chat.handoff.as_ref()?)))
    else {
        return Vec::new();
    };
    let agent = handoff.agent.as_ref();
    let whose = agent.map(|agent| agent.id.as_str().to_owned());
    let lists = [Some(String::new()), whose].into_iter().flatten();
    let key = |list: List| {
        let mut key = list_prefix(DESKS, &list);
        key.extend_from_slice(&(!handoff.escalated_at.0).to_be_bytes());
        key.extend_from_slice(&(!summary.conversation.0).to_be_bytes());
        (list, key)
    };
    lists.map(|whose| key((whose, bucket))).collect()
}

/// What a batch of summaries changes in these lists.
#[derive(Default)]
pub(super) struct DeskChanges(BTreeMap<List, i64>);

impl DeskChanges {
    /// One room's rows.
    pub(super) fn place(
        &mut self,
        room: &RoomId,
        old: Option<&Summary>,
        new: &Summary,
        rows: &mut Vec<Row>,
    ) {
        if new.chat.is_none() && !new.gone {
            return;
        }
        let had = old.map(places).unwrap_or_default();
        let has = places(new);
        for (list, key) in had.iter().filter(|place| !has.contains(place)) {
            *self.0.entry(list.clone()).or_default() -= 1;
            rows.push(Row {
                key: key.clone(),
                value: None,
            });
        }
        for (list, key) in has.into_iter().filter(|place| !had.contains(place)) {
            *self.0.entry(list).or_default() += 1;
            rows.push(set(key, room));
        }
    }

    /// The counts.
    pub(super) fn counted(
        self,
        directory: &dyn Directory,
        company: &CompanyId,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        for (list, change) in self.0.into_iter().filter(|(_, change)| *change != 0) {
            let key = list_prefix(DESK_COUNTS, &list);
            let count: u64 = count_of(directory, company, &key)?;
            rows.push(set(key, &count.saturating_add_signed(change)));
        }
        Ok(())
    }
}

fn count_of(directory: &dyn Directory, company: &CompanyId, key: &[u8]) -> Result<u64> {
    let row = directory.row(company, key)?;
    Ok(row.as_ref().and_then(read).unwrap_or_default())
}

/// A part of the chats that a person has.
pub(crate) struct AssignedPage {
    /// Their rooms.
    pub(crate) rooms: Vec<RoomId>,
    /// Where to go on; none behind the last part.
    pub(crate) last: Option<Vec<u8>>,
}

impl Node {
    /// Chats that a person has by the rows as they are, behind another part.
    pub(crate) async fn assigned_to(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
        after: Option<Vec<u8>>,
        count: usize,
    ) -> std::result::Result<AssignedPage, Rejection> {
        let (node, company) = (Arc::clone(self), company.clone());
        let list = (person.as_str().to_owned(), Bucket::Assigned);
        let found = blocking(move || {
            let (mut from, to) = bounds(&list);
            if let Some(mut key) = after {
                key.push(0); // the next key there can be
                from = key;
            }
            node.directory.rows(&company, &from, &to, false, count)
        });
        let rows = found.await.map_err(|error| unreadable(&error))?;
        let rooms = rows.iter().filter_map(|(_, value)| read::<RoomId>(value));
        Ok(AssignedPage {
            rooms: rooms.collect(),
            last: rows.last().map(|(key, _)| key.clone()),
        })
    }

    /// Chats in these buckets, the latest handoff first in each: behind the first `skip`, `count`
    /// at most, and how many there are. Of one person, or of the whole company; what `reader` was
    /// told is done is in it.
    pub async fn desk(
        self: &Arc<Self>,
        company: &CompanyId,
        reader: &PersonId,
        whose: Option<&PersonId>,
        buckets: &[Bucket],
        (skip, count): (u64, usize),
    ) -> std::result::Result<(Vec<Conversation>, u64), Rejection> {
        self.listed(company, reader).await?;
        let (node, company, buckets) = (Arc::clone(self), company.clone(), buckets.to_vec());
        let whose = whose.map(|person| person.as_str().to_owned());
        let count = count.min(PAGE_COUNT_MAX);
        let read = blocking(move || {
            let lists = buckets
                .into_iter()
                .map(|bucket| (whose.clone().unwrap_or_default(), bucket));
            node.read_desk(&company, lists, skip, count)
        });
        read.await.map_err(|error| unreadable(&error))
    }

    fn read_desk(
        &self,
        company: &CompanyId,
        lists: impl Iterator<Item = List>,
        mut skip: u64,
        count: usize,
    ) -> Result<(Vec<Conversation>, u64)> {
        let directory = &*self.directory;
        let (mut found, mut total) = (Vec::new(), 0);
        for list in lists {
            let in_list = count_of(directory, company, &list_prefix(DESK_COUNTS, &list))?;
            total += in_list;
            if skip >= in_list || found.len() >= count {
                skip = skip.saturating_sub(in_list);
                continue;
            }
            let (from, to) = bounds(&list);
            let past = usize::try_from(skip).unwrap_or(usize::MAX);
            let wanted = past.saturating_add(count - found.len());
            let rows = directory.rows(company, &from, &to, false, wanted)?;
            for (_, value) in rows.iter().skip(past) {
                let Some(room) = read::<RoomId>(value) else {
                    continue;
                };
                let row = directory.row(company, &summary_key(&room))?;
                let row: Option<SummaryRow> = row.as_ref().and_then(read);
                let summary = row.map(|row| row.summary);
                found.extend(summary.map(|summary| Conversation { room, summary }));
            }
            skip = 0;
        }
        Ok((found, total))
    }
}
