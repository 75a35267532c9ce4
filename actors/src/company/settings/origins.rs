//! The origins that any company named, on every node: browsers ask for a page's sake before they
//! show a token, so the answer cannot depend on a company.
//!
//! Invariants: at most [`ORIGIN_PLACE_COUNT_MAX`] are kept; what is known at start is what the
//! installation's rows say, what comes later is noted after them.
//! Never: says that a page may act for a company: that is its own list's to say.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use frontdesk_protocol::CompanyId;
use frontdesk_storage::{Directory, Result};

use crate::company::tables;
use crate::node::Node;

/// Places in the lists of all companies: ten a company for ten thousand of them, about ten
/// megabytes. Further ones are not answered, and the log says so.
const ORIGIN_PLACE_COUNT_MAX: usize = 100_000;
/// Rows read at once.
const PAGE_COUNT: usize = 1_000;

#[derive(Default)]
struct Lists {
    by_company: HashMap<CompanyId, Vec<Arc<str>>>,
    /// In how many lists each stands.
    counts: HashMap<Arc<str>, u32>,
    place_count: usize,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Origins(RwLock<Lists>);

impl Origins {
    /// These are all that a company names now.
    pub(crate) fn note(&self, company: &CompanyId, origins: &[Arc<str>]) {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for origin in lists.by_company.remove(company).unwrap_or_default() {
            lists.place_count -= 1;
            let left = lists.counts.get_mut(&origin).map_or(0, |count| {
                *count -= 1;
                *count
            });
            if left == 0 {
                lists.counts.remove(&origin);
            }
        }
        let space = ORIGIN_PLACE_COUNT_MAX - lists.place_count;
        if origins.len() > space {
            tracing::warn!(%company, limit = ORIGIN_PLACE_COUNT_MAX, "too many origins");
        }
        let kept: Vec<Arc<str>> = origins.iter().take(space).cloned().collect();
        for origin in &kept {
            *lists.counts.entry(Arc::clone(origin)).or_insert(0) += 1;
        }
        lists.place_count += kept.len();
        if !kept.is_empty() {
            lists.by_company.insert(company.clone(), kept);
        }
    }

    /// Reads what companies named so far. Blocks on the disk.
    pub(crate) fn load(&self, directory: &dyn Directory) -> Result<()> {
        let installation = CompanyId::installation();
        let mut last: Option<CompanyId> = None;
        loop {
            let (from, to) = tables::origins_after(last.as_ref());
            let rows = directory.rows(&installation, &from, &to, false, PAGE_COUNT)?;
            for (key, value) in &rows {
                let named: Option<Vec<Arc<str>>> = tables::read(value);
                if let (Some(company), Some(origins)) = (tables::company_of(key), named) {
                    self.note(&company, &origins);
                }
            }
            match rows.last().and_then(|(key, _)| tables::company_of(key)) {
                Some(company) if rows.len() == PAGE_COUNT => last = Some(company),
                _ => return Ok(()),
            }
        }
    }
}

impl Node {
    /// Whether some company named this origin in its settings.
    pub fn is_origin_named(&self, origin: &str) -> bool {
        let lists = self
            .origins
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        lists.counts.contains_key(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(text: &str) -> CompanyId {
        CompanyId::new(text).expect("valid")
    }

    fn is_named(origins: &Origins, origin: &str) -> bool {
        origins
            .0
            .read()
            .expect("no panic")
            .counts
            .contains_key(origin)
    }

    #[test]
    fn an_origin_is_named_as_long_as_some_company_names_it() {
        let origins = Origins::default();
        let [both, one] = ["https://both.example", "https://one.example"].map(Arc::from);
        origins.note(&company("TES001"), &[Arc::clone(&both), Arc::clone(&one)]);
        origins.note(&company("SPA001"), &[Arc::clone(&both)]);
        origins.note(&company("TES001"), &[]);
        assert!(is_named(&origins, &both) && !is_named(&origins, &one));
        origins.note(&company("SPA001"), &[]);
        assert!(!is_named(&origins, &both));
        assert_eq!(origins.0.read().expect("no panic").place_count, 0);
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let origins = Origins::default();
        let of = |number: usize| -> Vec<Arc<str>> {
            let names = (0..1_000).map(|i| format!("https://h{number}-{i}.example").into());
            names.collect()
        };
        for number in 0..101 {
            origins.note(&company(&format!("TES{number:03}")), &of(number));
        }
        let lists = origins.0.read().expect("no panic");
        assert_eq!(lists.place_count, ORIGIN_PLACE_COUNT_MAX);
        assert_eq!(lists.counts.len(), ORIGIN_PLACE_COUNT_MAX);
    }
}
