//! What a company's visitors answered, for its admins.
//!
//! Never: shows another company's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use frontdesk_actors::VisitorProfile;
use frontdesk_protocol::{ErrorCode, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{ProfileBody, ProfileChat, profile_body, profile_chat};
use crate::app::App;
use crate::http::openapi::BehindToken;
use crate::http::{ApiError, ErrorBody, PathOf, QueryOf};
use crate::identity::scope::{CompanyScope, LoggedIn};

/// Entries of a page unless a client asks for another number.
const PAGE_SIZE: usize = 10;
/// Entries of a page at most.
const PAGE_SIZE_MAX: usize = 100;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(drop_one))
        .routes(routes!(stats))
}

/// Which profiles.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ProfileQuery {
    /// The page's number, from 1.
    page: Option<u32>,
    /// Entries of a page, at most 100.
    per_page: Option<u32>,
    /// Text that name, phone, e-mail or address hold.
    #[param(max_length = 255)]
    search: Option<String>,
    /// `+977`.
    #[param(max_length = 8)]
    country_code: Option<String>,
    /// The first day, `2026-01-31`.
    #[param(max_length = 32)]
    created_from: Option<String>,
    /// The last day.
    #[param(max_length = 32)]
    created_to: Option<String>,
    /// Needed for those who run the installation; others have one.
    #[param(max_length = 64)]
    company_id: Option<String>,
}

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A day or a moment as clients write it; a day as its first moment, and whether it is one.
fn moment(field: &'static str, text: &str) -> Result<(Timestamp, bool), ApiError> {
    let is_day = text.len() == 10;
    let whole = match is_day {
        true => format!("{text}T00:00:00Z"),
        false => text.to_owned(),
    };
    let parsed = humantime::parse_rfc3339_weak(&whole).ok();
    let since = parsed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let at = since.map(|since| Timestamp(since.as_millis() as u64));
    at.map(|at| (at, is_day)).ok_or_else(|| {
        let why = "expected a date as 2026-01-31";
        ApiError::because(ErrorCode::BadField, why).of_field(field)
    })
}

/// What a profile must be to be listed.
struct Wanted {
    search: String,
    country_code: Option<String>,
    from: Timestamp,
    before: Timestamp,
}

impl Wanted {
    fn of(query: &ProfileQuery) -> Result<Self, ApiError> {
        let from = query
            .created_from
            .as_deref()
            .filter(|text| !text.is_empty());
        let to = query.created_to.as_deref().filter(|text| !text.is_empty());
        let from = from.map(|text| moment("created_from", text)).transpose()?;
        let to = to.map(|text| moment("created_to", text)).transpose()?;
        let before = to.map_or(Timestamp(u64::MAX), |(at, is_day)| {
            Timestamp(at.0.saturating_add(if is_day { DAY_MS } else { 1 }))
        });
        // A plus in a query that was not encoded is a blank.
        let code = query.country_code.as_deref().map(str::trim);
        let code = code.filter(|code| !code.is_empty());
        Ok(Self {
            search: query.search.as_deref().unwrap_or_default().to_lowercase(),
            country_code: code.map(|code| format!("+{}", code.trim_start_matches('+'))),
            from: from.map_or(Timestamp(0), |(at, _)| at),
            before,
        })
    }

    fn fits(&self, profile: &VisitorProfile) -> bool {
        let holds = |key: &str| {
            let text = profile.answer(key).unwrap_or_default();
            text.to_lowercase().contains(&self.search)
        };
        let is_found =
            self.search.is_empty() || ["name", "phone", "email", "address"].into_iter().any(holds);
        let code = self.country_code.as_deref();
        is_found
            && code.is_none_or(|code| profile.answer("country_code") == Some(code))
            && (self.from..self.before).contains(&profile.created_at)
    }
}

/// A profile in a list.
#[derive(Serialize, ToSchema)]
struct ListedProfile {
    #[serde(flatten)]
    profile: ProfileBody,
    session_info: Option<ProfileChat>,
}

/// A page of profiles.
#[derive(Serialize, ToSchema)]
struct ProfilePage {
    count: usize,
    total_pages: usize,
    current_page: usize,
    per_page: usize,
    has_next: bool,
    has_previous: bool,
    profiles: Vec<ListedProfile>,
}

async fn listed(
    app: &Arc<App>,
    scope: &CompanyScope,
    profile: &VisitorProfile,
) -> Result<ListedProfile, ApiError> {
    let facts = scope.chat_of(app, profile).await?;
    Ok(ListedProfile {
        profile: profile_body(profile),
        session_info: facts.map(|facts| profile_chat(&facts.chat)),
    })
}

/// A page of what the company's visitors answered, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin-dashboard/user-profiles",
    tag = "profiles",
    operation_id = "profiles_list",
    security(("bearer" = [])),
    params(ProfileQuery),
    responses(
        (status = 200, description = "a page", body = ProfilePage),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn list(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<ProfileQuery>,
) -> Result<Json<ProfilePage>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let wanted = Wanted::of(&query)?;
    let per_page = query.per_page.map_or(PAGE_SIZE, |size| size as usize);
    let per_page = per_page.clamp(1, PAGE_SIZE_MAX);
    let current_page = query.page.map_or(1, |page| page as usize).max(1);
    let skip = (current_page - 1).saturating_mul(per_page);
    let fits = move |profile: &VisitorProfile| wanted.fits(profile);
    let (found, count) = scope.profiles(&app, (skip, per_page), fits).await?;
    let mut profiles = Vec::with_capacity(found.len());
    for profile in &found {
        profiles.push(listed(&app, &scope, profile).await?);
    }
    let total_pages = count.div_ceil(per_page).max(1);
    Ok(Json(ProfilePage {
        count,
        total_pages,
        current_page,
        per_page,
        has_next: current_page < total_pages,
        has_previous: current_page > 1,
        profiles,
    }))
}

/// What one visitor answered.
#[utoipa::path(
    get,
    path = "/api/admin-dashboard/user-profiles/{id}",
    tag = "profiles",
    operation_id = "profiles_one",
    security(("bearer" = [])),
    params(("id" = u64, Path), ProfileQuery),
    responses(
        (status = 200, description = "the profile", body = ListedProfile),
        (status = 400, description = "the id or the query does not fit", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 404, description = "no such profile", body = ErrorBody),
        BehindToken,
    ),
)]
async fn one(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<u64>,
    QueryOf(query): QueryOf<ProfileQuery>,
) -> Result<Json<ListedProfile>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let profile = scope.profile(&app, id).await?;
    Ok(Json(listed(&app, &scope, &profile).await?))
}

/// It was done.
#[derive(Serialize, ToSchema)]
#[schema(as = ProfileDropped)]
struct Dropped {
    message: &'static str,
}

/// Takes away what a visitor answered; what was said in the chat stays.
#[utoipa::path(
    delete,
    path = "/api/admin-dashboard/user-profiles/{id}/delete",
    tag = "profiles",
    operation_id = "profiles_delete",
    security(("bearer" = [])),
    params(("id" = u64, Path), ProfileQuery),
    responses(
        (status = 200, description = "done", body = Dropped),
        (status = 400, description = "the id or the query does not fit", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 404, description = "no such profile", body = ErrorBody),
        BehindToken,
    ),
)]
async fn drop_one(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<u64>,
    QueryOf(query): QueryOf<ProfileQuery>,
) -> Result<Json<Dropped>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    scope.drop_profile(&app, id).await?;
    Ok(Json(Dropped {
        message: "Profile deleted successfully",
    }))
}

/// How many answered.
#[derive(Serialize, ToSchema)]
struct ProfileStats {
    total_profiles: usize,
    /// In the last seven days.
    recent_profiles: usize,
    profiles_with_email: usize,
}

/// How many visitors answered the form.
#[utoipa::path(
    get,
    path = "/api/admin-dashboard/user-profiles/stats",
    tag = "profiles",
    operation_id = "profiles_stats",
    security(("bearer" = [])),
    params(ProfileQuery),
    responses(
        (status = 200, description = "counts", body = ProfileStats),
        (status = 400, description = "the query does not fit", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        BehindToken,
    ),
)]
async fn stats(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    QueryOf(query): QueryOf<ProfileQuery>,
) -> Result<Json<ProfileStats>, ApiError> {
    let scope = CompanyScope::resolve(&app, who, query.company_id.as_deref()).await?;
    let since = Timestamp(app.node.clock().now().0.saturating_sub(7 * DAY_MS));
    let (all, total_profiles) = scope.profiles(&app, (0, usize::MAX), |_| true).await?;
    Ok(Json(ProfileStats {
        total_profiles,
        recent_profiles: all.iter().filter(|it| it.created_at >= since).count(),
        profiles_with_email: all.iter().filter(|it| it.answer("email").is_some()).count(),
    }))
}
