//! The numbered pages of `helpdesk`: searched, ordered, cut, with links to the neighbours.
//!
//! Never: knows what is listed.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Entries of a page unless a client asks for another number.
const PAGE_SIZE: usize = 10;
/// Entries of a page at most.
const PAGE_SIZE_MAX: usize = 100;

/// Which page is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Its number, from 1.
    pub(super) page: Option<u32>,
    /// How many entries, at most 100.
    pub(super) page_size: Option<u32>,
    /// Text that entries hold.
    #[param(max_length = 255)]
    pub(super) search: Option<String>,
    /// A field to order by; with a minus in front the other way.
    #[param(max_length = 64)]
    pub(super) ordering: Option<String>,
}

/// A page.
#[derive(Serialize, ToSchema)]
pub(super) struct Numbered<T> {
    count: usize,
    next: Option<String>,
    previous: Option<String>,
    total_pages: usize,
    current_page: usize,
    page_size: usize,
    results: Vec<T>,
}

impl PageQuery {
    fn size(&self) -> usize {
        let wanted = self.page_size.map_or(PAGE_SIZE, |size| size as usize);
        wanted.clamp(1, PAGE_SIZE_MAX)
    }

    fn number(&self) -> usize {
        self.page.map_or(1, |page| page as usize).max(1)
    }

    /// Whether one of these texts holds what is searched for, in any case.
    pub(super) fn finds(&self, texts: &[&str]) -> bool {
        let Some(wanted) = self.search.as_deref().filter(|text| !text.is_empty()) else {
            return true;
        };
        let wanted = wanted.to_lowercase();
        texts
            .iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    }

    /// The field to order by, and whether the other way.
    pub(super) fn order(&self) -> Option<(&str, bool)> {
        let ordering = self.ordering.as_deref()?;
        Some(match ordering.strip_prefix('-') {
            Some(field) => (field, true),
            None => (ordering, false),
        })
    }

    /// Whether everything is wanted in the order it was made, and if so whether the other way;
    /// `fields` are those that order otherwise.
    pub(super) fn is_as_made(&self, fields: &[&str]) -> Option<bool> {
        let is_searched = self.search.as_deref().is_some_and(|text| !text.is_empty());
        let (field, is_reverse) = self.order().unwrap_or_default();
        (!is_searched && !fields.contains(&field)).then_some(is_reverse)
    }

    /// Entries before the page, and on it at most.
    pub(super) fn range(&self) -> (usize, usize) {
        let size = self.size();
        ((self.number() - 1).saturating_mul(size), size)
    }

    /// The page of these; `path` is where the list is.
    pub(super) fn cut<T, U>(&self, path: &str, all: Vec<T>, show: impl Fn(&T) -> U) -> Numbered<U> {
        let (from, size) = self.range();
        let results = all.iter().skip(from).take(size).map(show);
        self.page(path, all.len(), results.collect())
    }

    /// A page of a list of so many.
    pub(super) fn page<U>(&self, path: &str, count: usize, results: Vec<U>) -> Numbered<U> {
        let (size, number) = (self.size(), self.number());
        let total_pages = count.div_ceil(size).max(1);
        let link = |page: usize| {
            let mut link = format!("{path}?page={page}&page_size={size}");
            for (name, value) in [("search", &self.search), ("ordering", &self.ordering)] {
                if let Some(value) = value {
                    let value = percent_encoding(value);
                    link.push_str(&format!("&{name}={value}"));
                }
            }
            link
        };
        Numbered {
            count,
            next: (number < total_pages).then(|| link(number + 1)),
            previous: (number > 1).then(|| link((number - 1).min(total_pages))),
            total_pages,
            current_page: number,
            page_size: size,
            results,
        }
    }
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn percent_encoding(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(page: u32, size: u32) -> PageQuery {
        PageQuery {
            page: Some(page),
            page_size: Some(size),
            search: Some("a&b".to_owned()),
            ordering: None,
        }
    }

    #[test]
    fn pages_meet_and_link_to_their_neighbours() {
        let all: Vec<u32> = (1..=5).collect();
        let middle = query(2, 2).cut("/list/", all.clone(), |n| *n);
        assert_eq!(
            (middle.count, middle.total_pages, middle.results),
            (5, 3, vec![3, 4])
        );
        assert_eq!(
            middle.next.as_deref(),
            Some("/list/?page=3&page_size=2&search=a%26b")
        );
        assert_eq!(
            middle.previous.as_deref(),
            Some("/list/?page=1&page_size=2&search=a%26b")
        );
        let last = query(3, 2).cut("/list/", all.clone(), |n| *n);
        assert_eq!((last.results, last.next), (vec![5], None));
        let beyond = query(9, 2).cut("/list/", all, |n| *n);
        assert_eq!((beyond.results, beyond.next), (vec![], None));
    }

    #[test]
    fn what_is_searched_for_is_found_in_any_case_and_nothing_finds_all() {
        let search = |text: &str| PageQuery {
            search: Some(text.to_owned()),
            ..PageQuery::default()
        };
        assert!(search("TES").finds(&["x", "Tesla"]));
        assert!(!search("spa").finds(&["Tesla"]));
        assert!(search("").finds(&[]));
    }
}
