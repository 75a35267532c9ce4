//! Reading lists: a page of somebody's conversations, their totals.
//!
//! Never: writes, or shows a person a room they are not in.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::{
    CompanyId, ConversationNo, ErrorCode, PersonId, Rejection, RoomId, Timestamp,
};
use frontdesk_storage::Result as Stored;

pub use super::rows::Totals;
use super::rows::{self, SummaryRow};
use crate::company::tables::read;
use crate::node::Node;
use crate::room::Summary;
use crate::task::blocking;

/// Conversations on one page at most: some hundred kilobytes of rows.
const PAGE_COUNT_MAX: usize = 1_000;

/// Where a page of a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCursor {
    /// When the last room on the page had changed.
    pub changed_at: Timestamp,
    /// Its number.
    pub conversation: ConversationNo,
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFrom {
    /// Behind this many of the newest.
    Skip(u64),
    /// What is older than the end of another page.
    After(ListCursor),
    /// What is newer than the beginning of another page.
    Before(ListCursor),
}

impl Default for ListFrom {
    fn default() -> Self {
        Self::Skip(0)
    }
}

/// A room in somebody's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The room.
    pub room: RoomId,
    /// What lists show of it.
    pub summary: Summary,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationPage {
    /// The conversations.
    pub conversations: Vec<Conversation>,
    /// Where to go on, if there is more.
    pub next: Option<ListCursor>,
    /// Where to go back, if anything newer is there.
    pub previous: Option<ListCursor>,
    /// The person's totals, rooms on other pages among them.
    pub totals: Totals,
}

impl Node {
    /// A page of a person's conversations, the newest first, with everything in it that the person
    /// was told is done. `count` is at most 1,000.
    pub async fn conversations(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
        from: ListFrom,
        count: usize,
    ) -> Result<ConversationPage, Rejection> {
        self.listed(company, person).await?;
        let (node, company, person) = (Arc::clone(self), company.clone(), person.clone());
        let count = count.min(PAGE_COUNT_MAX);
        let page = blocking(move || node.read_page(&company, &person, from, count)).await;
        page.map_err(|error| unreadable(&error))
    }

    /// A person's totals over all rooms.
    pub async fn totals(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<Totals, Rejection> {
        self.listed(company, person).await?;
        let key = rows::totals_key(person);
        let (node, company) = (Arc::clone(self), company.clone());
        let row = blocking(move || node.directory.row(&company, &key)).await;
        let row = row.map_err(|error| unreadable(&error))?;
        Ok(row.as_ref().and_then(read).unwrap_or_default())
    }

    /// What lists show of one room, as soon as they show what this person did; `None` for a room of
    /// others. One of very many people names none, so the caller has checked that it may be read.
    pub async fn summary(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
        room: &RoomId,
    ) -> Result<Option<Summary>, Rejection> {
        self.listed(company, person).await?;
        let key = rows::summary_key(room);
        let (node, company) = (Arc::clone(self), company.clone());
        let row = blocking(move || node.directory.row(&company, &key)).await;
        let row = row.map_err(|error| unreadable(&error))?;
        let found: Option<SummaryRow> = row.as_ref().and_then(read);
        let may_see = |summary: &Summary| {
            let mut people = summary.people.iter().peekable();
            people.peek().is_none() || people.any(|seat| seat.person == *person)
        };
        Ok(found.map(|row| row.summary).filter(may_see))
    }

    /// People who share a conversation with this one, those of the latest first, as listed now.
    /// Reads the store: called off the event loop.
    pub(crate) fn partners_of(
        &self,
        company: &CompanyId,
        person: &PersonId,
        count_max: usize,
    ) -> Stored<Vec<PersonId>> {
        let page = self.read_page(company, person, ListFrom::default(), count_max)?;
        let mut seen = BTreeSet::from([person.clone()]);
        let people = page
            .conversations
            .into_iter()
            .flat_map(|found| found.summary.people)
            .map(|seat| seat.person)
            .filter(|other| !other.is_bot() && seen.insert(other.clone()));
        Ok(people.take(count_max).collect())
    }

    fn read_page(
        &self,
        company: &CompanyId,
        person: &PersonId,
        from: ListFrom,
        count: usize,
    ) -> Stored<ConversationPage> {
        let Listed {
            rows,
            has_newer,
            has_older,
        } = self.listed_rows(company, person, from, count)?;
        let cursor = |row: Option<&(Vec<u8>, Bytes)>| {
            let (changed_at, conversation) = rows::place_of(&row?.0)?;
            Some(ListCursor {
                changed_at,
                conversation,
            })
        };
        let mut conversations = Vec::with_capacity(rows.len());
        for (_, value) in &rows {
            let Some(room) = read::<RoomId>(value) else {
                continue;
            };
            let row = self.directory.row(company, &rows::summary_key(&room))?;
            let row: Option<SummaryRow> = row.as_ref().and_then(read);
            conversations.extend(row.map(|row| Conversation {
                room,
                summary: row.summary,
            }));
        }
        // A room may have moved since its place was read: a page is in the order of what it shows.
        conversations.sort_by_key(|found| {
            let Summary {
                changed_at,
                conversation,
                ..
            } = found.summary;
            Reverse((changed_at, conversation))
        });
        let totals = self.directory.row(company, &rows::totals_key(person))?;
        Ok(ConversationPage {
            conversations,
            next: cursor(rows.last()).filter(|_| has_older),
            previous: cursor(rows.first()).filter(|_| has_newer),
            totals: totals.as_ref().and_then(read).unwrap_or_default(),
        })
    }

    /// Rows of a list, the newest first, and whether there are others on either side.
    fn listed_rows(
        &self,
        company: &CompanyId,
        person: &PersonId,
        from: ListFrom,
        count: usize,
    ) -> Stored<Listed> {
        let (first, end) = rows::list_bounds(person);
        let key_of =
            |cursor: ListCursor| rows::list_key(person, (cursor.changed_at, cursor.conversation));
        let read = |from: &[u8], to: &[u8], reverse, count| {
            self.directory.rows(company, from, to, reverse, count)
        };
        match from {
            ListFrom::Skip(skip) => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let all = read(&first, &end, false, skip.saturating_add(count + 1))?;
                let has_older = all.len() > skip.saturating_add(count);
                let rows: Vec<_> = all.into_iter().skip(skip).take(count).collect();
                let has_newer = skip > 0 && !rows.is_empty();
                Ok(Listed {
                    rows,
                    has_newer,
                    has_older,
                })
            }
            ListFrom::After(cursor) => {
                let mut key = key_of(cursor);
                key.push(0); // the next key there can be
                let mut rows = read(&key, &end, false, count + 1)?;
                let has_older = rows.len() > count;
                rows.truncate(count);
                Ok(Listed {
                    rows,
                    has_newer: true,
                    has_older,
                })
            }
            ListFrom::Before(cursor) => {
                let mut rows = read(&first, &key_of(cursor), true, count + 1)?;
                let has_newer = rows.len() > count;
                rows.truncate(count);
                rows.reverse();
                Ok(Listed {
                    rows,
                    has_newer,
                    has_older: true,
                })
            }
        }
    }
}

/// Rows of a list.
struct Listed {
    rows: Vec<(Vec<u8>, Bytes)>,
    has_newer: bool,
    has_older: bool,
}

pub(super) fn unreadable(error: &frontdesk_storage::Error) -> Rejection {
    tracing::error!(%error, "lists cannot be read");
    Rejection::new(ErrorCode::Unavailable)
}
