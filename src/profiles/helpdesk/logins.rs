//! Logging in, going on, logging out, choosing a password.
//!
//! Never: says whether a name or a password was wrong.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::command::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::shape::{AgentOfLogin, UserBody, agent_of_login, user};
use crate::app::App;
use crate::http::openapi::{BehindToken, Open};
use crate::http::{ApiError, ErrorBody, JsonBody, JsonOrForm, Peer};
use crate::identity::logins::LoginOutcome;
use crate::identity::scope::LoggedIn;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(log_in))
        .routes(routes!(agent_log_in))
        .routes(routes!(agent_log_out))
        .routes(routes!(refresh))
        .routes(routes!(log_out))
        .routes(routes!(profile))
        .routes(routes!(first_login))
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
struct LoginBody {
    /// The e-mail address.
    #[schema(max_length = 255)]
    username: Option<String>,
    /// The same; one of the two is needed.
    #[schema(max_length = 255)]
    email: Option<String>,
    #[schema(max_length = 1024)]
    password: String,
}

/// A login.
#[derive(Serialize, ToSchema)]
struct LoginAnswer {
    access: String,
    refresh: String,
    user: UserBody,
    /// For agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentOfLogin>,
}

/// The password was made by somebody else.
#[derive(Serialize, ToSchema)]
struct FirstLoginAnswer {
    error: &'static str,
    message: &'static str,
    is_first_login: bool,
    email: String,
}

/// One of the two.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum LoginBodyOut {
    In(LoginAnswer),
    FirstLogin(FirstLoginAnswer),
}

/// What was not accepted is answered as these clients' own server does.
fn refused(error: ApiError) -> ApiError {
    match error.code() {
        ErrorCode::Unauthenticated => ApiError::because(ErrorCode::NotFound, "Invalid credentials"),
        _ => error,
    }
}

/// Logs in with an e-mail address and a password.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "logins",
    operation_id = "logins_log_in",
    request_body = LoginBody,
    responses(
        (status = 200, description = "in, or told to choose a password first", body = LoginBodyOut),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 404, description = "no account has this name and password", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn log_in(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    headers: HeaderMap,
    JsonOrForm(body): JsonOrForm<LoginBody>,
) -> Result<Response, ApiError> {
    enter(&app, address, &headers, body, None).await
}

/// The same for agents alone.
#[utoipa::path(
    post,
    path = "/api/admin-dashboard/agent-login",
    tag = "logins",
    operation_id = "logins_agent",
    request_body = LoginBody,
    responses(
        (status = 200, description = "in, or told to choose a password first", body = LoginBodyOut),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 404, description = "no agent has this name and password", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn agent_log_in(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    headers: HeaderMap,
    JsonOrForm(body): JsonOrForm<LoginBody>,
) -> Result<Response, ApiError> {
    enter(&app, address, &headers, body, Some(Role::Agent)).await
}

async fn enter(
    app: &Arc<App>,
    address: IpAddr,
    headers: &HeaderMap,
    body: LoginBody,
    role: Option<Role>,
) -> Result<Response, ApiError> {
    let name = body.username.or(body.email).unwrap_or_default();
    if name.trim().is_empty() {
        let why = "This field may not be blank.";
        return Err(ApiError::because(ErrorCode::BadField, why).of_field("username"));
    }
    let outcome = app.log_in(&name, body.password, role, address).await;
    Ok(match outcome.map_err(refused)? {
        LoginOutcome::In(who, tokens) => {
            let (company, account) = (who.company(), who.account());
            let is_agent = account.role == Role::Agent;
            // A page that may not use it must not set it either.
            let may_use = app.may_use_cookies(company, headers).await?;
            let cookie = may_use.then(|| (header::SET_COOKIE, app.agent_cookie(&tokens.access)));
            let body = LoginBodyOut::In(LoginAnswer {
                access: tokens.access,
                refresh: tokens.refresh,
                user: user(company, account),
                agent: is_agent.then(|| agent_of_login(company, account)),
            });
            (AppendHeaders(cookie), Json(body)).into_response()
        }
        LoginOutcome::FirstLogin(account) => {
            let body = LoginBodyOut::FirstLogin(FirstLoginAnswer {
                error: "First login required",
                message: "Please complete your first login and choose a new password",
                is_first_login: true,
                email: account.card.email.to_string(),
            });
            Json(body).into_response()
        }
    })
}

/// A token to go on with.
#[derive(Deserialize, ToSchema)]
struct RefreshBody {
    #[schema(max_length = 8192)]
    refresh: String,
}

/// The next two tokens.
#[derive(Serialize, ToSchema)]
struct RefreshAnswer {
    access: String,
    refresh: String,
}

/// Takes a refresh token for two new ones. Each counts once; one that comes again ends its login.
#[utoipa::path(
    post,
    path = "/api/auth/token/refresh",
    tag = "logins",
    operation_id = "logins_refresh",
    request_body = RefreshBody,
    responses(
        (status = 200, description = "two new tokens", body = RefreshAnswer),
        (status = 400, description = "the body does not fit", body = ErrorBody),
        (status = 401, description = "the token counts no more", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn refresh(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    JsonOrForm(body): JsonOrForm<RefreshBody>,
) -> Result<Response, ApiError> {
    let tokens = app.renew(&body.refresh).await?;
    let cookie = app.agent_cookie_renewed(&headers, &tokens.access).await?;
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    let body = RefreshAnswer {
        access: tokens.access,
        refresh: tokens.refresh,
    };
    Ok((AppendHeaders(cookie), Json(body)).into_response())
}

/// Ends the login that the token descends from, and closes its sockets.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "logins",
    operation_id = "logins_log_out",
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

/// An agent is out.
#[derive(Serialize, ToSchema)]
struct AgentOut {
    message: &'static str,
}

/// Ends the login in the same way; the agent's status stays as they set it.
#[utoipa::path(
    post,
    path = "/api/admin-dashboard/agent-logout",
    tag = "logins",
    operation_id = "logins_agent_out",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "out", body = AgentOut),
        (status = 403, description = "a host's token", body = ErrorBody),
        BehindToken,
    ),
)]
async fn agent_log_out(State(app): State<Arc<App>>, who: LoggedIn) -> Result<Response, ApiError> {
    app.log_out(&who).await?;
    let cookie = [(header::SET_COOKIE, app.agent_cookie_ended())];
    let message = "Logged out";
    Ok((cookie, Json(AgentOut { message })).into_response())
}

/// Who is logged in.
#[utoipa::path(
    get,
    path = "/api/auth/profile",
    tag = "logins",
    operation_id = "logins_profile",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "the account", body = UserBody),
        (status = 403, description = "a host's token", body = ErrorBody),
        BehindToken,
    ),
)]
async fn profile(who: LoggedIn) -> Json<UserBody> {
    Json(user(who.company(), who.account()))
}

/// A password that was made by somebody else, and one of one's own.
#[derive(Deserialize, ToSchema)]
struct FirstLoginBody {
    #[schema(max_length = 255)]
    email: String,
    #[schema(max_length = 1024)]
    current_password: String,
    /// 8 to 128 characters.
    #[schema(max_length = 1024)]
    new_password: String,
    #[schema(max_length = 1024)]
    confirm_password: String,
}

/// It was done.
#[derive(Serialize, ToSchema)]
struct FirstLoginDone {
    message: &'static str,
    email: String,
}

/// Replaces a password by one of one's own.
#[utoipa::path(
    post,
    path = "/api/admin-dashboard/agent-first-login",
    tag = "logins",
    operation_id = "logins_first",
    request_body = FirstLoginBody,
    responses(
        (status = 200, description = "the new password counts", body = FirstLoginDone),
        (status = 400, description = "something does not fit", body = ErrorBody),
        (status = 413, description = "the body is too large", body = ErrorBody),
        Open,
    ),
)]
async fn first_login(
    State(app): State<Arc<App>>,
    Peer(address): Peer,
    JsonBody(body): JsonBody<FirstLoginBody>,
) -> Result<Json<FirstLoginDone>, ApiError> {
    if body.new_password != body.confirm_password {
        let why = "the two passwords differ";
        return Err(ApiError::because(ErrorCode::BadField, why).of_field("confirm_password"));
    }
    let (name, current) = (&body.email, body.current_password);
    let done = app.choose_password(name, current, body.new_password, address);
    let account = done.await.map_err(|error| match error.code() {
        ErrorCode::Unauthenticated => ApiError::because(ErrorCode::BadField, "Invalid credentials"),
        _ => error,
    })?;
    Ok(Json(FirstLoginDone {
        message: "Password changed. You can log in now",
        email: account.card.email.to_string(),
    }))
}
