//! `/v1/users` and `/v1/prompts`: what a company knows of people, and what it offers to begin with.
//!
//! Invariants: the company comes from the token and from nowhere else.
//! Never: decides who may change what; the company does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Command, Outcome};
use frontdesk_protocol::command::{Card, CompanyCommand, Principal, Role};
use frontdesk_protocol::limits::CARD_FIELD_BYTES_MAX;
use frontdesk_protocol::{ErrorCode, PersonId};
use frontdesk_storage::EntityId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::BehindToken;
use super::schemas::PersonIdSchema;
use super::{ApiError, Authenticated, ErrorBody, JsonBody, PathOf};
use crate::app::{App, Known};
use crate::bots::prompts::{PromptEntry, numbered};

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(person, know))
        .routes(routes!(prompts, set_prompts))
}

/// What is to be known of a person; what is absent or null stays as it was.
#[derive(Deserialize, ToSchema)]
struct PersonFacts {
    /// Full name.
    #[schema(min_length = 1, max_length = 512)]
    name: Option<String>,
    /// E-mail address.
    #[schema(min_length = 1, max_length = 512)]
    email: Option<String>,
    /// The host's own kind of user.
    #[schema(min_length = 1, max_length = 512)]
    user_type: Option<String>,
    /// Link to a picture.
    #[schema(min_length = 1, max_length = 512)]
    profile_picture_url: Option<String>,
}

/// A person.
#[derive(Serialize, ToSchema)]
struct KnownPerson {
    #[schema(value_type = PersonIdSchema)]
    id: PersonId,
    name: Option<String>,
    email: Option<String>,
    user_type: Option<String>,
    profile_picture_url: Option<String>,
}

fn shown(id: PersonId, card: &Card) -> KnownPerson {
    let text = |field: &Option<Arc<str>>| field.as_deref().map(str::to_owned);
    KnownPerson {
        id,
        name: text(&card.name),
        email: text(&card.email),
        user_type: text(&card.user_type),
        profile_picture_url: text(&card.picture_url),
    }
}

fn person_of(text: &str) -> Result<PersonId, ApiError> {
    let person = PersonId::new(text);
    let person = person.map_err(|why| ApiError::because(ErrorCode::BadField, why.to_string()))?;
    if person.is_bot() {
        return Err(ApiError::because(ErrorCode::BadField, "id: a bot's name"));
    }
    match person.is_ours() {
        true => Err(ApiError::because(
            ErrorCode::BadField,
            "id: not of the host's people",
        )),
        false => Ok(person),
    }
}

/// What the company knows of a person.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    tag = "people",
    operation_id = "people_person",
    security(("bearer" = [])),
    params(("id" = inline(PersonIdSchema), Path)),
    responses(
        (status = 200, description = "what is known", body = KnownPerson),
        (status = 400, description = "not an id", body = ErrorBody),
        (status = 404, description = "nobody knows them", body = ErrorBody),
        BehindToken,
    ),
)]
async fn person(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
) -> Result<Json<KnownPerson>, ApiError> {
    let id = person_of(&id)?;
    let card = app.node.card(&principal.company, &id).await;
    let card = card.map_err(|error| ApiError::fault(&error))?;
    let card = card.ok_or_else(|| ApiError::because(ErrorCode::NotFound, "unknown person"))?;
    Ok(Json(shown(id, &card)))
}

/// Has the company know a person: oneself, or anybody for an admin, whose word counts for more than
/// what the person's tokens say.
#[utoipa::path(
    put,
    path = "/v1/users/{id}",
    tag = "people",
    operation_id = "people_know",
    security(("bearer" = [])),
    params(("id" = inline(PersonIdSchema), Path)),
    request_body = PersonFacts,
    responses(
        (status = 200, description = "what is known now", body = KnownPerson),
        (status = 400, description = "the body or the id does not fit", body = ErrorBody),
        (status = 403, description = "somebody else, and not an admin", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn know(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
    PathOf(id): PathOf<String>,
    JsonBody(facts): JsonBody<PersonFacts>,
) -> Result<Json<KnownPerson>, ApiError> {
    let id = person_of(&id)?;
    let card = Card {
        name: checked("name", facts.name)?,
        email: checked("email", facts.email)?,
        user_type: checked("user_type", facts.user_type)?,
        picture_url: checked("profile_picture_url", facts.profile_picture_url)?,
    };
    let command = CompanyCommand::KnowPerson {
        person: id.clone(),
        card,
        by_host: is_admin(&principal),
    };
    ask(&app, &principal, command).await?;
    let card = app.node.card(&principal.company, &id).await;
    let card = card.map_err(|error| ApiError::fault(&error))?;
    Ok(Json(shown(id, &card.unwrap_or_default())))
}

fn is_admin(principal: &Principal) -> bool {
    matches!(principal.role, Role::Admin | Role::Superadmin)
}

fn checked(name: &str, text: Option<String>) -> Result<Option<Arc<str>>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    if text.is_empty() || text.len() > CARD_FIELD_BYTES_MAX {
        let why = format!("{name}: 1 to {CARD_FIELD_BYTES_MAX} bytes");
        return Err(ApiError::because(ErrorCode::BadField, why));
    }
    Ok(Some(text.into()))
}

async fn ask(
    app: &Arc<App>,
    principal: &Arc<Principal>,
    command: CompanyCommand,
) -> Result<(), ApiError> {
    let company = EntityId::company(principal.company.clone());
    let (principal, command) = (Arc::clone(principal), Command::Company(command));
    match app.node.ask(company, principal, command, fresh_cid()).await {
        Outcome::Done(_) => Ok(()),
        Outcome::Refused(why) => Err(why.into()),
        Outcome::Unknown => Err(ApiError::new(ErrorCode::Unavailable)),
    }
}

/// The prompts of a company.
#[derive(Serialize, Deserialize, ToSchema)]
struct Prompts {
    /// In the order they are numbered by, from 1.
    #[schema(max_items = 100)]
    prompts: Vec<PromptEntry>,
}

/// The prompts that are offered; for admins the others too.
#[utoipa::path(
    get,
    path = "/v1/prompts",
    tag = "people",
    operation_id = "people_prompts",
    security(("bearer" = [])),
    responses((status = 200, description = "in their order", body = Prompts), BehindToken),
)]
async fn prompts(
    State(app): State<Arc<App>>,
    Authenticated(Known { principal, .. }): Authenticated,
) -> Result<Json<Prompts>, ApiError> {
    let found = match is_admin(&principal) {
        true => app.node.all_prompts(&principal.company).await,
        false => app.node.prompts(&principal.company).await,
    };
    let found = found.map_err(|error| ApiError::fault(&error))?;
    let prompts = found.into_iter().map(PromptEntry::from).collect();
    Ok(Json(Prompts { prompts }))
}

/// Replaces the prompts; for admins.
#[utoipa::path(
    put,
    path = "/v1/prompts",
    tag = "people",
    operation_id = "people_set_prompts",
    security(("bearer" = [])),
    request_body = Prompts,
    responses(
        (status = 200, description = "all of them", body = Prompts),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn set_prompts(
    state: State<Arc<App>>,
    known: Authenticated,
    JsonBody(wanted): JsonBody<Prompts>,
) -> Result<Json<Prompts>, ApiError> {
    let prompts = numbered(wanted.prompts);
    let command = CompanyCommand::SetPrompts { prompts };
    ask(&state.0, &known.0.principal, command).await?;
    self::prompts(state, known).await
}
