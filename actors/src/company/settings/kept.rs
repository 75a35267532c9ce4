//! Settings that were read, kept until they change: a token is checked against them at every
//! connect.
//!
//! Invariants: what is kept weighs [`KEPT_BYTES_MAX`] at most, the oldest go first; what was read
//! before a change is never kept after it.
//! Never: reads on the event loop.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frontdesk_protocol::CompanyId;
use frontdesk_protocol::settings::{CompanySettings, FormChoice};
use frontdesk_storage::{Error, Result};

use crate::company::tables;
use crate::node::Node;
use crate::task::blocking;

/// All that is kept, bytes: tens of thousands of companies without a form of their own, and some
/// hundreds of the largest.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What any settings weigh, bytes: two places in maps and a company's id.
const ENTRY_BYTES: usize = 256;

#[derive(Default)]
struct Kept {
    by_company: HashMap<CompanyId, Arc<CompanySettings>>,
    oldest_first: VecDeque<CompanyId>,
    bytes: usize,
    /// Changes there were.
    change_count: u64,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct KeptSettings(Mutex<Kept>);

impl KeptSettings {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They changed.
    pub(crate) fn drop(&self, company: &CompanyId) {
        let mut kept = self.kept();
        kept.change_count += 1;
        if let Some(settings) = kept.by_company.remove(company) {
            kept.bytes -= weight_bytes(&settings);
            kept.oldest_first.retain(|other| other != company);
        }
    }

    /// What is kept, or how many changes there were before it is read.
    fn find(&self, company: &CompanyId) -> std::result::Result<Arc<CompanySettings>, u64> {
        let kept = self.kept();
        let found = kept.by_company.get(company);
        found.cloned().ok_or(kept.change_count)
    }

    /// Keeps what was read after so many changes, unless there were more since.
    fn keep(&self, company: &CompanyId, settings: &Arc<CompanySettings>, change_count: u64) {
        let mut kept = self.kept();
        if kept.change_count != change_count || kept.by_company.contains_key(company) {
            return;
        }
        kept.bytes += weight_bytes(settings);
        kept.by_company
            .insert(company.clone(), Arc::clone(settings));
        kept.oldest_first.push_back(company.clone());
        while kept.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = kept.oldest_first.pop_front() else {
                return;
            };
            if let Some(settings) = kept.by_company.remove(&oldest) {
                kept.bytes -= weight_bytes(&settings);
            }
        }
    }
}

fn weight_bytes(settings: &CompanySettings) -> usize {
    let texts = |texts: &[Arc<str>]| texts.iter().map(|text| text.len() + 32).sum::<usize>();
    let form_bytes = match &settings.form {
        FormChoice::Own(text) => text.len(),
        FormChoice::Profile | FormChoice::Off => 0,
    };
    let keys = settings.host_keys.iter();
    let key_bytes: usize = keys
        .map(|(kid, shared)| kid.len() + shared.expose().len() + 64)
        .sum();
    ENTRY_BYTES + form_bytes + key_bytes + texts(&settings.origins) + texts(&settings.file_types)
}

impl Node {
    /// The settings of a company; those of one that set nothing, or is not there, are the defaults.
    ///
    /// # Errors
    /// When the store fails, or what stands there cannot be read: nothing may be let in for it.
    pub async fn settings(self: &Arc<Self>, company: &CompanyId) -> Result<Arc<CompanySettings>> {
        let change_count = match self.settings.find(company) {
            Ok(settings) => return Ok(settings),
            Err(change_count) => change_count,
        };
        let (node, of) = (Arc::clone(self), company.clone());
        let read = move || -> Result<(Arc<CompanySettings>, bool)> {
            let row = node.directory.row(&of, &tables::settings_key())?;
            let Some(value) = row else {
                return Ok((Arc::default(), node.directory.has_company(&of)?));
            };
            let settings = tables::read(&value);
            let damaged = || Error::Damaged(format!("settings of {of} cannot be read"));
            Ok((settings.ok_or_else(damaged)?, true))
        };
        let (settings, is_there) = blocking(read).await?;
        // Names that a stranger made up must not drive out others.
        if is_there {
            self.settings.keep(company, &settings, change_count);
        }
        Ok(settings)
    }
}

impl Node {
    /// The same as far as they are in memory, else the defaults: for those who cannot wait.
    pub fn settings_at_hand(&self, company: &CompanyId) -> Arc<CompanySettings> {
        let found = self.settings.find(company);
        found.unwrap_or_else(|_| Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(number: usize) -> CompanyId {
        CompanyId::new(&format!("TES{number:03}")).expect("valid")
    }

    fn large() -> Arc<CompanySettings> {
        Arc::new(CompanySettings {
            form: FormChoice::Own("x".repeat(1024 * 1024).into()),
            ..CompanySettings::default()
        })
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let kept = KeptSettings::default();
        let change_count = kept.find(&company(1)).expect_err("nothing is kept");
        kept.drop(&company(1));
        kept.keep(&company(1), &large(), change_count);
        let change_count = kept.find(&company(1)).expect_err("nothing is kept");
        kept.keep(&company(1), &large(), change_count);
        assert!(kept.find(&company(1)).is_ok());
        kept.drop(&company(1));
        assert!(kept.find(&company(1)).is_err());
        assert_eq!(kept.kept().bytes, 0);
    }

    #[test]
    fn the_oldest_make_room() {
        let kept = KeptSettings::default();
        for number in 0..20 {
            kept.keep(&company(number), &large(), 0);
        }
        assert!(kept.kept().bytes <= KEPT_BYTES_MAX);
        assert!(kept.find(&company(0)).is_err());
        assert!(kept.find(&company(19)).is_ok());
        let inner = kept.kept();
        assert_eq!(inner.oldest_first.len(), inner.by_company.len());
    }
}
