//! Reading lists: a page of somebody's conversations, their totals.
//!
//! Never: writes, or shows a person a room they are not in.

use std::sync::Arc;

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

/// Conversations on one page at most.
const PAGE_COUNT_MAX: usize = 1_000;

/// Where a page of a list ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCursor {
    /// When the last room on the page had changed.
    pub changed_at: Timestamp,
    /// Its number.
    pub conversation: ConversationNo,
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
        after: Option<ListCursor>,
        count: usize,
    ) -> Result<ConversationPage, Rejection> {
        self.listed(company, person).await?;
        let (node, company, person) = (Arc::clone(self), company.clone(), person.clone());
        let count = count.min(PAGE_COUNT_MAX);
        let page = blocking(move || node.read_page(&company, &person, after, count)).await;
        page.map_err(|error| unreadable(&error))
    }

    /// A person's totals over all rooms.
    pub async fn totals(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<Totals, Rejection> {
        self.listed(company, person).await?;
        let (node, company, key) = (Arc::clone(self), company.clone(), rows::totals_key(person));
        let row = blocking(move || node.directory.row(&company, &key)).await;
        let row = row.map_err(|error| unreadable(&error))?;
        Ok(row.as_ref().and_then(read).unwrap_or_default())
    }

    /// What lists show of one room, as soon as they show what this person did.
    pub async fn summary(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
        room: &RoomId,
    ) -> Result<Option<Summary>, Rejection> {
        self.listed(company, person).await?;
        let (node, company, key) = (Arc::clone(self), company.clone(), rows::summary_key(room));
        let row = blocking(move || node.directory.row(&company, &key)).await;
        let row = row.map_err(|error| unreadable(&error))?;
        let found: Option<SummaryRow> = row.as_ref().and_then(read);
        let is_in = |summary: &Summary| summary.people.iter().any(|seat| seat.person == *person);
        Ok(found.map(|row| row.summary).filter(is_in))
    }

    fn read_page(
        &self,
        company: &CompanyId,
        person: &PersonId,
        after: Option<ListCursor>,
        count: usize,
    ) -> Stored<ConversationPage> {
        let (first, to) = rows::list_bounds(person);
        let from = match after {
            None => first,
            Some(after) => {
                let mut key = rows::list_key(person, (after.changed_at, after.conversation));
                key.push(0); // the next key there can be
                key
            }
        };
        let mut listed = self.directory.rows(company, &from, &to, false, count + 1)?;
        let has_more = listed.len() > count;
        listed.truncate(count);
        let last = listed.last().and_then(|(key, _)| rows::place_of(key));
        let next = last.filter(|_| has_more);
        let mut conversations = Vec::with_capacity(listed.len());
        for (_, value) in &listed {
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
        let totals = self.directory.row(company, &rows::totals_key(person))?;
        Ok(ConversationPage {
            conversations,
            next: next.map(|(changed_at, conversation)| ListCursor {
                changed_at,
                conversation,
            }),
            totals: totals.as_ref().and_then(read).unwrap_or_default(),
        })
    }
}

fn unreadable(error: &frontdesk_storage::Error) -> Rejection {
    tracing::error!(%error, "lists cannot be read");
    Rejection::new(ErrorCode::Unavailable)
}
