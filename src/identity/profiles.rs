//! What a company's visitors answered, for who administers it.
//!
//! Never: shows another company's.

use std::sync::Arc;

use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{ChatFacts, Command, VisitorProfile};
use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::command::CompanyCommand;
use frontdesk_storage::EntityId;

use super::logins::answer;
use super::scope::CompanyScope;
use crate::app::App;
use crate::http::ApiError;

impl CompanyScope {
    /// The profiles that fit, the newest first, behind the first `skip`; and how many fit in all.
    pub(crate) async fn profiles(
        &self,
        app: &Arc<App>,
        (skip, count): (usize, usize),
        fits: impl Fn(&VisitorProfile) -> bool + Send + 'static,
    ) -> Result<(Vec<VisitorProfile>, usize), ApiError> {
        let read = app.node.profiles(self.company(), skip, count, fits);
        read.await.map_err(|error| ApiError::fault(&error))
    }

    /// A profile by its number.
    pub(crate) async fn profile(
        &self,
        app: &Arc<App>,
        no: u64,
    ) -> Result<VisitorProfile, ApiError> {
        let found = app.node.profile(self.company(), no).await;
        let found = found.map_err(|error| ApiError::fault(&error))?;
        found.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "no such profile"))
    }

    /// The chat that a profile was given in.
    pub(crate) async fn chat_of(
        &self,
        app: &Arc<App>,
        profile: &VisitorProfile,
    ) -> Result<Option<ChatFacts>, ApiError> {
        let entity = EntityId::room(self.company().clone(), profile.room);
        let facts = app.node.chat(&entity).await;
        facts.map_err(|error| ApiError::fault(&error))
    }

    /// Takes a profile away.
    pub(crate) async fn drop_profile(&self, app: &Arc<App>, no: u64) -> Result<(), ApiError> {
        let person = self.profile(app, no).await?.person;
        let command = Command::Company(CompanyCommand::DropProfile { no, person });
        let company = EntityId::company(self.company().clone());
        let by = Arc::clone(self.principal());
        answer(app.node.ask(company, by, command, fresh_cid()).await)?;
        Ok(())
    }
}
