//! What a person's list must say, and what pages of it do say.
//!
//! Never: asks anything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::check::Violation;

/// A violation and where it was.
pub(super) type Found = (Violation, String);

/// What is known of the reader's conversations.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    /// Messages of others in each; none is read.
    unread: BTreeMap<u64, u64>,
    /// Whether messages come while lists are read.
    is_changing: bool,
}

/// A conversation on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    number: u64,
    unread: u64,
    updated_at: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    count: u64,
    pub(super) entries: Vec<Entry>,
    /// Path and query of the next page.
    pub(super) next: Option<String>,
}

impl Page {
    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let entries = body["results"].as_array()?.iter().map(Entry::parse);
        let next = body["next"].as_str();
        // The next page is on the same host, whatever the server calls itself.
        let path = |url: &str| {
            let (_, rest) = url.split_once("://")?;
            Some(rest[rest.find('/')?..].to_owned())
        };
        Some(Self {
            count: body["count"].as_u64()?,
            entries: entries.collect::<Option<_>>()?,
            next: match next {
                Some(url) => Some(path(url)?),
                None => None,
            },
        })
    }
}

impl Entry {
    fn parse(shown: &Value) -> Option<Self> {
        let number = &shown["id"];
        let of_text = || number.as_str()?.parse().ok();
        Some(Self {
            number: number.as_u64().or_else(of_text)?,
            unread: shown["unread_count"].as_u64()?,
            updated_at: shown["updated_at"].as_str()?.to_owned(),
        })
    }
}

impl Expected {
    /// Of these conversations, nothing posted.
    pub(super) fn new(numbers: impl Iterator<Item = u64>) -> Self {
        Self {
            unread: numbers.map(|number| (number, 0)).collect(),
            is_changing: false,
        }
    }

    /// While messages come, only what they cannot change is expected.
    pub(super) fn changing(mut self) -> Self {
        self.is_changing = true;
        self
    }

    /// So many messages came to a conversation.
    pub(super) fn posted(&mut self, number: u64, count: u64) {
        *self.unread.entry(number).or_default() += count;
    }

    /// A page, of `size` conversations where there are as many.
    pub(super) fn check_page(&self, page: &Page, size: usize) -> Option<Found> {
        let wrong = |what: String| Some((Violation::WrongList, what));
        let due = self.unread.len() as u64;
        if page.count != due {
            return wrong(format!("a page counts {} of {due}", page.count));
        }
        let is_short = page.entries.len() < size && page.next.is_some();
        if page.entries.len() > size || is_short {
            let count = page.entries.len();
            return wrong(format!("a page of {size} has {count}"));
        }
        let place = |entry: &Entry| (entry.updated_at.clone(), entry.number);
        let mut pairs = page.entries.windows(2);
        if let Some(pair) = pairs.find(|pair| place(&pair[0]) <= place(&pair[1])) {
            return wrong(format!("not the newest first: {pair:?}"));
        }
        let stranger = page
            .entries
            .iter()
            .find(|entry| !self.unread.contains_key(&entry.number));
        if let Some(stranger) = stranger {
            return wrong(format!("not one of the reader's: {stranger:?}"));
        }
        let miscounted = |entry: &&Entry| self.unread[&entry.number] != entry.unread;
        let miscounted = page.entries.iter().find(miscounted);
        match miscounted.filter(|_| !self.is_changing) {
            Some(entry) => {
                let due = self.unread[&entry.number];
                Some((Violation::WrongCount, format!("{due} unread in {entry:?}")))
            }
            None => None,
        }
    }

    /// A walk through all pages: every conversation once.
    pub(super) fn check_walk(&self, entries: &[Entry]) -> Option<Found> {
        if self.is_changing {
            return None; // conversations move to pages that were read
        }
        let seen: BTreeSet<u64> = entries.iter().map(|entry| entry.number).collect();
        let (listed, distinct, due) = (entries.len(), seen.len(), self.unread.len());
        if listed == due && distinct == due {
            return None;
        }
        let lost = self.unread.keys().find(|number| !seen.contains(number));
        let what = format!("{listed} listed, {distinct} of them distinct, of {due}; not {lost:?}");
        Some((Violation::WrongList, what))
    }

    /// The count over all conversations.
    pub(super) fn check_count(&self, unread: u64) -> Option<Found> {
        let due: u64 = self.unread.values().sum();
        let is_wrong = !self.is_changing && unread != due;
        is_wrong.then(|| (Violation::WrongCount, format!("{unread} unread of {due}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected() -> Expected {
        let mut expected = Expected::new([1, 2, 3].into_iter());
        expected.posted(2, 5);
        expected
    }

    fn page(shown: &[(u64, u64, &str)], count: u64, next: Option<&str>) -> Page {
        let shown = shown.iter().map(|(number, unread, at)| {
            json!({"id": number.to_string(), "unread_count": unread, "updated_at": at})
        });
        let body = json!({"count": count, "results": shown.collect::<Vec<_>>(), "next": next});
        Page::parse(body.to_string().as_bytes()).expect("a page")
    }

    fn kind(found: Option<Found>) -> Option<Violation> {
        found.map(|(violation, _)| violation)
    }

    const RIGHT: [(u64, u64, &str); 3] = [(2, 5, "b"), (3, 0, "a"), (1, 0, "a")];

    #[test]
    fn a_right_list_is_clean_and_its_next_page_is_on_the_same_host() {
        let expected = expected();
        let right = page(&RIGHT, 3, None);
        assert_eq!(expected.check_page(&right, 3), None);
        assert_eq!(expected.check_walk(&right.entries), None);
        assert_eq!(expected.check_count(5), None);
        let next = page(&RIGHT, 3, Some("http://h:1/api/chat/?cursor=n1-2")).next;
        assert_eq!(next.as_deref(), Some("/api/chat/?cursor=n1-2"));
    }

    #[test]
    fn a_wrong_order_count_or_stranger_is_found() {
        let check = |page: &Page| kind(expected().check_page(page, 3));
        let [two, three, one] = RIGHT;
        let list = Some(Violation::WrongList);
        assert_eq!(check(&page(&[three, two, one], 3, None)), list);
        assert_eq!(check(&page(&[two, one, three], 3, None)), list);
        assert_eq!(check(&page(&[two, two, three], 3, None)), list);
        assert_eq!(check(&page(&[(4, 0, "b"), three, one], 3, None)), list);
        assert_eq!(check(&page(&RIGHT, 4, None)), list);
        assert_eq!(check(&page(&[two], 3, Some("http://h/x"))), list);
        let miscounted = page(&[(2, 4, "b"), three, one], 3, None);
        assert_eq!(check(&miscounted), Some(Violation::WrongCount));
        let changing = expected().changing();
        assert_eq!(changing.check_page(&miscounted, 3), None);
    }

    #[test]
    fn a_lost_conversation_or_message_is_found() {
        let expected = expected();
        let right = page(&RIGHT, 3, None).entries;
        let list = Some(Violation::WrongList);
        assert_eq!(kind(expected.check_walk(&right[..2])), list);
        let twice = [right.clone(), right[..1].to_vec()].concat();
        assert_eq!(kind(expected.check_walk(&twice)), list);
        let count = Some(Violation::WrongCount);
        assert_eq!(kind(expected.check_count(4)), count);
        assert_eq!(expected.changing().check_count(4), None);
    }
}
