//! What a widget asks before anybody is known: how a company receives its visitors, the countries'
//! codes, whether a telephone number can exist.
//!
//! Never: says more of a company than a visitor sees anyway.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use frontdesk_actors::form::{country_codes, validate_phone};
use frontdesk_protocol::settings::FormChoice;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::http::openapi::Open;
use crate::http::{ApiError, ErrorBody, JsonOrForm, PathOf};

/// What the widget's document promises to take where a company says nothing else.
const FILE_TYPES_DEFAULT: [&str; 4] = ["image/jpeg", "image/png", "application/pdf", "text/plain"];
/// The same for sizes, bytes.
const FILE_BYTES_DEFAULT: u64 = 25 * 1024 * 1024;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(company_config))
        .routes(routes!(countries))
        .routes(routes!(check_phone))
}

/// How a company receives its visitors.
#[derive(Serialize, ToSchema)]
struct CompanyConfig {
    company_id: String,
    name: String,
    /// Of a visitor who names none.
    language: String,
    /// Whether visitors are asked who they are first.
    form_enabled: bool,
    /// Whether a bot answers.
    bot_enabled: bool,
    allowed_file_types: Vec<String>,
    /// Bytes.
    max_file_size: u64,
}

/// How a company receives its visitors.
#[utoipa::path(
    get,
    path = "/api/chatbot/company-config/{company_id}",
    tag = "visitors",
    operation_id = "visitors_company_config",
    params(("company_id" = String, Path, description = "The company", max_length = 64)),
    responses(
        (status = 200, description = "what a widget needs", body = CompanyConfig),
        (status = 400, description = "not an id", body = ErrorBody),
        (status = 404, description = "no such company", body = ErrorBody),
        Open,
    ),
)]
async fn company_config(
    State(app): State<Arc<App>>,
    PathOf(company_id): PathOf<String>,
) -> Result<Json<CompanyConfig>, ApiError> {
    let record = app.open_company(&company_id).await?;
    let settings = app.settings(&record.id).await?;
    let types: Vec<String> = match settings.file_types.is_empty() {
        true => FILE_TYPES_DEFAULT.map(str::to_owned).to_vec(),
        false => settings
            .file_types
            .iter()
            .map(|text| text.to_string())
            .collect(),
    };
    Ok(Json(CompanyConfig {
        company_id: record.id.to_string(),
        name: record.card.name.to_string(),
        language: settings.language_or_default().to_owned(),
        form_enabled: settings.form != FormChoice::Off,
        bot_enabled: !settings.is_without_bot,
        allowed_file_types: types,
        max_file_size: settings.file_bytes_max.unwrap_or(FILE_BYTES_DEFAULT),
    }))
}

/// A country.
#[derive(Serialize, ToSchema)]
struct CountryCode {
    /// `+977`; several countries may share one.
    code: &'static str,
    country: &'static str,
    flag: &'static str,
}

/// The countries and their codes, by name.
#[utoipa::path(
    get,
    path = "/api/chatbot/country-codes",
    tag = "visitors",
    operation_id = "visitors_country_codes",
    responses((status = 200, description = "all of them", body = Vec<CountryCode>), Open),
)]
async fn countries() -> Json<Vec<CountryCode>> {
    let all = country_codes().iter().map(|country| CountryCode {
        code: &country.dial_code,
        country: &country.name,
        flag: &country.flag,
    });
    Json(all.collect())
}

/// A telephone number as it was typed.
#[derive(Deserialize, ToSchema)]
struct PhoneBody {
    phone: String,
    /// `+977`, `NP` or a name; without one the number must be written with its own.
    #[serde(default)]
    country_code: String,
}

/// Whether it can exist.
#[derive(Serialize, ToSchema)]
struct PhoneAnswer {
    valid: bool,
    message: &'static str,
    /// Whose numbers they are is not known here.
    provider: Option<String>,
}

/// Whether a telephone number can exist in a country.
#[utoipa::path(
    post,
    path = "/api/chatbot/validate-phone",
    tag = "visitors",
    operation_id = "visitors_validate_phone",
    request_body = PhoneBody,
    responses(
        (status = 200, description = "whether it can", body = PhoneAnswer),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn check_phone(JsonOrForm(body): JsonOrForm<PhoneBody>) -> Json<PhoneAnswer> {
    let checked = validate_phone(&body.phone, &body.country_code);
    Json(PhoneAnswer {
        valid: checked.valid,
        message: checked.message,
        provider: None,
    })
}
