//! What a company sets for itself, for its admins and for those who run the installation.
//!
//! Never: shows a secret; of keys their ids, of the visitors' secret that there is one.

mod fields;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use frontdesk_protocol::settings::{CompanySettings, FormChoice, SettingsChange, SharedSecret};
use frontdesk_protocol::{CompanyId, ErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::fields::{Number, Texts, WrittenForm, said};
use super::openapi::BehindToken;
use super::{ApiError, ErrorBody, JsonBody, PathOf};
use crate::app::App;
use crate::identity::scope::{CompanyScope, LoggedIn};

/// The routes of this file.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default().routes(routes!(settings, change_settings))
}

/// Which questions visitors are asked first.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FormKind {
    /// Name, country code, telephone number, e-mail address, address.
    Profile,
    /// None.
    Off,
    /// Those of `spec`.
    Own,
}

/// A form.
#[derive(Serialize, ToSchema)]
struct FormBody {
    kind: FormKind,
    /// The company's own form, at most 64 KiB of JSON; HTTP.md says what it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
}

/// The settings of a company.
#[derive(Serialize, ToSchema)]
struct SettingsBody {
    company_id: String,
    /// Of a visitor who names none.
    language: String,
    form: FormBody,
    is_without_bot: bool,
    /// Pages of these may use cookies.
    origins: Vec<String>,
    legacy_anonymous: bool,
    is_socket_strict: bool,
    /// Empty for the client's documented ones.
    file_types: Vec<String>,
    /// Null for the client's documented limit.
    file_bytes_max: Option<u64>,
    are_links_permanent: bool,
    /// Null for never.
    retention_days: Option<u32>,
    /// Ids of the keys that the company's host signs tokens with; empty for the installation's.
    host_key_ids: Vec<String>,
    /// Whether the host may sign ids of visitors.
    has_visitor_secret: bool,
}

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangedSettings {
    #[schema(max_length = 35)]
    language: Option<String>,
    #[schema(value_type = Option<FormBody>)]
    form: Option<WrittenForm>,
    is_without_bot: Option<bool>,
    /// All there are from now on, each as `https://shop.example`, perhaps with a port.
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    origins: Option<Texts>,
    /// The id of a chat is enough for whoever knows it, as old clients expect.
    legacy_anonymous: Option<bool>,
    is_socket_strict: Option<bool>,
    /// All there are from now on, each as `image/png`.
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    file_types: Option<Texts>,
    /// Null for the client's documented limit.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    file_bytes_max: Option<Option<Number>>,
    are_links_permanent: Option<bool>,
    /// Null for never.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 3650)]
    retention_days: Option<Option<Number>>,
    /// Keys by their id, of 16 to 512 bytes; null takes one away, the others stay.
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    host_keys: Option<BTreeMap<String, Option<String>>>,
    /// 16 to 512 bytes; null takes it away.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>, max_length = 512)]
    visitor_secret: Option<Option<String>>,
}

impl TryFrom<ChangedSettings> for SettingsChange {
    type Error = ApiError;

    fn try_from(body: ChangedSettings) -> Result<Self, ApiError> {
        let secret = |text: Option<String>| text.map(|text| SharedSecret::new(&text));
        let keys = body.host_keys.unwrap_or_default().into_iter();
        Ok(Self {
            language: body.language.map(Arc::from),
            form: body.form.map(form_of).transpose()?,
            is_without_bot: body.is_without_bot,
            origins: body.origins.map(|Texts(all)| all),
            legacy_anonymous: body.legacy_anonymous,
            is_socket_strict: body.is_socket_strict,
            file_types: body.file_types.map(|Texts(all)| all),
            file_bytes_max: body
                .file_bytes_max
                .map(|limit| limit.map(|Number(limit)| limit)),
            are_links_permanent: body.are_links_permanent,
            retention_days: body.retention_days.map(|days| days.map(whole_days)),
            host_keys: keys.map(|(kid, text)| (kid, secret(text))).collect(),
            visitor_secret: body.visitor_secret.map(secret),
        })
    }
}

/// More than a number of days holds is more than the limit, too.
fn whole_days(Number(days): Number) -> u32 {
    u32::try_from(days).unwrap_or(u32::MAX)
}

fn form_of(form: WrittenForm) -> Result<FormChoice, ApiError> {
    match (form.kind.as_str(), form.spec) {
        ("profile", None) => Ok(FormChoice::Profile),
        ("off", None) => Ok(FormChoice::Off),
        ("own", Some(spec)) => Ok(FormChoice::Own(spec.to_string().into())),
        _ => {
            let why = "form: its kind is profile, off, or own with a spec";
            Err(ApiError::because(ErrorCode::BadField, why).of_field("form"))
        }
    }
}

fn shown(company: &CompanyId, settings: &CompanySettings) -> SettingsBody {
    let texts = |texts: &[Arc<str>]| texts.iter().map(|text| text.to_string()).collect();
    let kind = |kind| FormBody { kind, spec: None };
    SettingsBody {
        company_id: company.to_string(),
        language: settings.language_or_default().to_owned(),
        form: match &settings.form {
            FormChoice::Profile => kind(FormKind::Profile),
            FormChoice::Off => kind(FormKind::Off),
            FormChoice::Own(text) => FormBody {
                kind: FormKind::Own,
                spec: serde_json::from_str(text).ok(),
            },
        },
        is_without_bot: settings.is_without_bot,
        origins: texts(&settings.origins),
        legacy_anonymous: settings.legacy_anonymous,
        is_socket_strict: settings.is_socket_strict,
        file_types: texts(&settings.file_types),
        file_bytes_max: settings.file_bytes_max,
        are_links_permanent: settings.are_links_permanent,
        retention_days: settings.retention_days,
        host_key_ids: settings.host_keys.keys().cloned().collect(),
        has_visitor_secret: settings.visitor_secret.is_some(),
    }
}

/// What a company set for itself.
#[utoipa::path(
    get,
    path = "/v1/companies/{id}/settings",
    tag = "companies",
    operation_id = "companies_settings",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The company", max_length = 64)),
    responses(
        (status = 200, description = "all of them, no secrets", body = SettingsBody),
        (status = 400, description = "not an id", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 404, description = "no such company, or not one's own", body = ErrorBody),
        BehindToken,
    ),
)]
async fn settings(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<String>,
) -> Result<Json<SettingsBody>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let settings = scope.settings(&app).await?;
    Ok(Json(shown(scope.company(), &settings)))
}

/// Changes what a company set for itself. It counts from the answer on.
#[utoipa::path(
    patch,
    path = "/v1/companies/{id}/settings",
    tag = "companies",
    operation_id = "companies_change_settings",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The company", max_length = 64)),
    request_body = ChangedSettings,
    responses(
        (status = 200, description = "all of them, no secrets", body = SettingsBody),
        (status = 400, description = "the body or the id does not fit", body = ErrorBody),
        (status = 403, description = "not an admin", body = ErrorBody),
        (status = 404, description = "no such company, or not one's own", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        BehindToken,
    ),
)]
async fn change_settings(
    State(app): State<Arc<App>>,
    who: LoggedIn,
    PathOf(id): PathOf<String>,
    JsonBody(body): JsonBody<ChangedSettings>,
) -> Result<Json<SettingsBody>, ApiError> {
    let scope = CompanyScope::at(&app, who, &id).await?;
    let change = SettingsChange::try_from(body)?;
    scope.change_settings(&app, change).await?;
    let settings = scope.settings(&app).await?;
    Ok(Json(shown(scope.company(), &settings)))
}
