//! Settings of companies where somebody is let in or changes them, and among these the keys of
//! their hosts: which of them check a token.
//!
//! Invariants: a company with keys of its own is spoken for by these alone, from the moment the
//! change that set them was answered; keys that cannot be read let nobody in.
//! Never: believes what a token says before its signature was checked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use frontdesk_actors::Command;
use frontdesk_actors::clock::fresh_cid;
use frontdesk_protocol::command::CompanyCommand;
use frontdesk_protocol::settings::{CompanySettings, SettingsChange};
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};
use frontdesk_storage::EntityId;

use super::logins::answer;
use super::scope::CompanyScope;
use crate::app::App;
use crate::auth::{AuthError, HostKeys, Verified};
use crate::config::Secret;
use crate::http::ApiError;

/// Companies whose keys are kept ready; more are made ready again when they are needed.
const READY_COUNT_MAX: usize = 4_096;

type Ready = HashMap<CompanyId, (Arc<CompanySettings>, Arc<HostKeys>)>;

/// Keys that were made ready, each beside the settings it was made of.
#[derive(Default)]
pub(crate) struct ReadyKeys(Mutex<Ready>);

impl ReadyKeys {
    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that these settings hold, if they hold any.
    fn of(
        &self,
        company: &CompanyId,
        settings: &Arc<CompanySettings>,
    ) -> Result<Option<Arc<HostKeys>>, Rejection> {
        if settings.host_keys.is_empty() {
            return Ok(None);
        }
        let mut ready = self.ready();
        if let Some((of, keys)) = ready.get(company)
            && Arc::ptr_eq(of, settings)
        {
            return Ok(Some(Arc::clone(keys)));
        }
        let keys: BTreeMap<String, Secret> = settings
            .host_keys
            .iter()
            .map(|(kid, shared)| (kid.clone(), Secret::new(shared.expose())))
            .collect();
        let keys = HostKeys::new(company.clone(), &keys).map_err(|error| {
            tracing::error!(%company, %error, "keys of the company's host count for nothing");
            Rejection::new(ErrorCode::Unavailable)
        })?;
        let keys = Arc::new(keys);
        if ready.len() >= READY_COUNT_MAX {
            ready.clear();
        }
        ready.insert(company.clone(), (Arc::clone(settings), Arc::clone(&keys)));
        Ok(Some(keys))
    }
}

impl App {
    /// What a host's token says, checked with the keys of its company, or with those of the
    /// installation where the company has none.
    pub(crate) async fn verified(self: &Arc<Self>, token: &str) -> Result<Verified, Rejection> {
        let refused = |error: AuthError| {
            self.metrics.refused_token();
            Rejection::from(error)
        };
        let claimed = self.auth.claimed(token).map_err(refused)?;
        let settings = self.settings(claimed.company()).await?;
        let keys = self.identity.host_keys.of(claimed.company(), &settings)?;
        let now = self.node.clock().now();
        let verified = self.auth.verify_claimed(&claimed, keys.as_deref(), now);
        verified.map_err(refused)
    }

    /// The settings of a company.
    pub(crate) async fn settings(
        self: &Arc<Self>,
        company: &CompanyId,
    ) -> Result<Arc<CompanySettings>, Rejection> {
        self.node.settings(company).await.map_err(|error| {
            tracing::error!(%error, "settings cannot be read");
            Rejection::new(ErrorCode::Unavailable)
        })
    }
}

impl CompanyScope {
    /// What the company set for itself.
    pub(crate) async fn settings(&self, app: &Arc<App>) -> Result<Arc<CompanySettings>, Rejection> {
        app.settings(self.company()).await
    }

    /// Changes it.
    pub(crate) async fn change_settings(
        &self,
        app: &Arc<App>,
        change: SettingsChange,
    ) -> Result<(), ApiError> {
        let change = Box::new(change);
        let command = Command::Company(CompanyCommand::ChangeSettings { change });
        let company = EntityId::company(self.company().clone());
        let by = Arc::clone(self.principal());
        answer(app.node.ask(company, by, command, fresh_cid()).await).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::settings::SharedSecret;

    use super::*;

    fn settings(kid: &str) -> Arc<CompanySettings> {
        Arc::new(CompanySettings {
            host_keys: [(kid.to_owned(), SharedSecret::new("a secret"))].into(),
            ..CompanySettings::default()
        })
    }

    #[test]
    fn keys_are_made_ready_once_for_each_change() {
        let ready = ReadyKeys::default();
        let company = CompanyId::new("TES001").expect("valid");
        let of = |settings| ready.of(&company, settings).expect("keys");
        let (one, two) = (settings("a"), settings("a"));
        let first = of(&one).expect("keys");
        assert!(Arc::ptr_eq(&first, &of(&one).expect("keys")));
        assert!(!Arc::ptr_eq(&first, &of(&two).expect("keys")));
        assert!(of(&Arc::default()).is_none());
        let reserved = ready.of(&company, &settings("frontdesk"));
        assert_eq!(reserved.expect_err("refused").code, ErrorCode::Unavailable);
    }
}
