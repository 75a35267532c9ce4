//! `/v1/login`, `/v1/logout`, `/v1/me`: the way in with an e-mail address and a password, and out.
//!
//! Never: says whether an address or a password was wrong.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{ShownAccount, shown_account, shown_id};
use crate::app::App;
use crate::auth::own::{ACCESS_TTL_S, REFRESH_TTL_S};
use crate::http::openapi::{BehindToken, Open};
use crate::http::{ApiError, ErrorBody, JsonBody, Peer};
use crate::identity::logins::{LoginOutcome, Tokens};
use crate::identity::scope::LoggedIn;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(log_in))
        .routes(routes!(renew))
        .routes(routes!(choose_password))
        .routes(routes!(log_out))
        .routes(routes!(me))
}

/// An e-mail address and a password.
#[derive(Deserialize, ToSchema)]
struct WantedLogin {
    #[schema(max_length = 255)]
    email: String,
    #[schema(max_length = 1024)]
    password: String,
}

/// The tokens of a login.
#[derive(Serialize, ToSchema)]
struct LoginTokens {
    /// For `Authorization: Bearer` and for sockets.
    access_token: String,
    /// For the next two tokens. Counts once.
    refresh_token: String,
    /// Seconds that the access token counts.
    access_ttl_s: u64,
    /// Seconds that the refresh token counts.
    refresh_ttl_s: u64,
}

fn shown_tokens(tokens: Tokens) -> LoginTokens {
    LoginTokens {
        access_token: tokens.access,
        refresh_token: tokens.refresh,
        access_ttl_s: ACCESS_TTL_S,
        refresh_ttl_s: REFRESH_TTL_S,
    }
}

/// A login.
#[derive(Serialize, ToSchema)]
struct OpenedLogin {
    #[serde(flatten)]
    tokens: LoginTokens,
    #[serde(flatten)]
    who: Me,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
struct Me {
    /// Null for those who run the installation.
    company_id: Option<String>,
    account: ShownAccount,
}

fn shown_me(who: &LoggedIn) -> Me {
    Me {
        company_id: shown_id(who.company()),
        account: shown_account(who.account()),
    }
}

/// Logs in.
#[utoipa::path(
    post,
    path = "/v1/login",
    tag = "logins",
    operation_id = "login",
    request_body = WantedLogin,
    responses(
        (status = 200, description = "in", body = OpenedLogin),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 401, description = "no account has this address and password", body = ErrorBody),
        (status = 403, description = "a password of one's own must be chosen", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn log_in(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    JsonBody(wanted): JsonBody<WantedLogin>,
) -> Result<Json<OpenedLogin>, ApiError> {
    let outcome = app.log_in(&wanted.email, wanted.password, None, address);
    let outcome = outcome.await?;
    match outcome {
        LoginOutcome::In(who, tokens) => Ok(Json(OpenedLogin {
            tokens: shown_tokens(tokens),
            who: shown_me(&who),
        })),
        LoginOutcome::FirstLogin(_) => Err(ApiError::new(ErrorCode::FirstLogin)),
    }
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
struct WantedTokens {
    #[schema(max_length = 8192)]
    refresh_token: String,
}

/// Takes a refresh token for two new ones. One that comes again ends its login.
#[utoipa::path(
    post,
    path = "/v1/login/refresh",
    tag = "logins",
    operation_id = "login_refresh",
    request_body = WantedTokens,
    responses(
        (status = 200, description = "two new tokens", body = LoginTokens),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 401, description = "the token counts no more", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn renew(
    State(app): State<Arc<App>>,
    JsonBody(wanted): JsonBody<WantedTokens>,
) -> Result<Json<LoginTokens>, ApiError> {
    let tokens = app.renew(&wanted.refresh_token).await?;
    Ok(Json(shown_tokens(tokens)))
}

/// A password, and another one of one's own.
#[derive(Deserialize, ToSchema)]
struct PasswordChoice {
    #[schema(max_length = 255)]
    email: String,
    #[schema(max_length = 1024)]
    current_password: String,
    /// 8 to 128 characters.
    #[schema(max_length = 1024)]
    new_password: String,
}

/// Replaces a password by one of one's own; every login from before ends.
#[utoipa::path(
    post,
    path = "/v1/login/password",
    tag = "logins",
    operation_id = "login_password",
    request_body = PasswordChoice,
    responses(
        (status = 204, description = "the new password counts"),
        (status = 400, description = "the new password does not fit", body = ErrorBody),
        (status = 401, description = "no account has this address and password", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn choose_password(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    JsonBody(choice): JsonBody<PasswordChoice>,
) -> Result<StatusCode, ApiError> {
    let (current, chosen) = (choice.current_password, choice.new_password);
    app.choose_password(&choice.email, current, chosen, address)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the login that the token descends from, and closes its sockets.
#[utoipa::path(
    post,
    path = "/v1/logout",
    tag = "logins",
    operation_id = "logout",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "out"),
        (status = 403, description = "a host's token", body = ErrorBody),
        BehindToken,
    ),
)]
async fn log_out(State(app): State<Arc<App>>, who: LoggedIn) -> Result<Response, ApiError> {
    app.log_out(&who).await?;
    let cookie = [(header::SET_COOKIE, app.agent_cookie_ended())];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// Who is logged in.
#[utoipa::path(
    get,
    path = "/v1/me",
    tag = "logins",
    operation_id = "me",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "the account", body = Me),
        (status = 403, description = "a host's token", body = ErrorBody),
        BehindToken,
    ),
)]
async fn me(who: LoggedIn) -> Json<Me> {
    Json(shown_me(&who))
}
