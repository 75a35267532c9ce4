//! The sockets of visitors' chats: those of the visitors, and those of the people who serve them.
//!
//! Never: looks at a token; whose it is, is found out once the socket is open.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::speaker::Speaker;
use super::upgrade::accept;
use crate::app::App;
use crate::http::ErrorBody;
use crate::identity::sockets::Brought;
use crate::profiles::helpdesk::sockets::{self, Named};
use crate::profiles::widget;

/// The routes of these sockets.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(chat_socket))
        .routes(routes!(agent_socket))
        .routes(routes!(handoff_socket))
        .routes(routes!(agents_socket))
}

/// What a handshake brings; with a company its visitors' cookie counts too.
pub(super) fn brought(request: &Request, company: Option<&str>) -> Brought {
    let query = request.uri().query().unwrap_or_default();
    Brought::of(query, request.headers(), company)
}

/// A socket on one chat, for its visitor and for the agent who has it.
#[utoipa::path(
    get,
    path = "/ws/chat/{company_id}/{session_id}",
    tag = "sockets",
    params(
        ("company_id" = String, Path, description = "The company"),
        ("session_id" = String, Path, description = "The widget's name for the chat"),
        ("session_token" = Option<String>, Query, description = "The visitor's token"),
        ("token" = Option<String>, Query, description = "The same, or an agent's access token"),
    ),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn chat_socket(
    State(app): State<Arc<App>>,
    Path((company, chat)): Path<(String, String)>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    let brought = brought(&request, Some(&company));
    accept(app, peer, request, Speaker::Widget, None, |desk| {
        widget::open(desk, company, chat, brought);
    })
}

/// An agent's own socket: their chats, and what happens at the company's desks.
#[utoipa::path(
    get,
    path = "/ws/agent/{agent_id}",
    tag = "sockets",
    params(
        ("agent_id" = String, Path, description = "The caller's own number; for admins anyone's"),
        ("token" = Option<String>, Query, description = "An access token, unless a header has it"),
    ),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn agent_socket(
    State(app): State<Arc<App>>,
    Path(agent): Path<String>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    let named = Named::Agent(agent);
    desk_socket(app, peer, request, Speaker::WidgetAgent, named).await
}

/// The same by the company.
#[utoipa::path(
    get,
    path = "/ws/handoff/{company_id}",
    tag = "sockets",
    params(
        ("company_id" = String, Path, description = "The caller's company"),
        ("token" = Option<String>, Query, description = "An access token, unless a header has it"),
    ),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn handoff_socket(
    State(app): State<Arc<App>>,
    Path(company): Path<String>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    let named = Named::Company(company);
    desk_socket(app, peer, request, Speaker::WidgetAgent, named).await
}

/// An agent's own socket as clients of `helpdesk` know it.
#[utoipa::path(
    get,
    path = "/ws/agents",
    tag = "sockets",
    params(
        ("token" = Option<String>, Query, description = "An access token, unless a header has it"),
    ),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn agents_socket(
    State(app): State<Arc<App>>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    desk_socket(app, peer, request, Speaker::Helpdesk, Named::Nothing).await
}

/// The only refusal before the upgrade: a page that may not use an agent's cookie.
async fn desk_socket(
    app: Arc<App>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
    speaker: Speaker,
    named: Named,
) -> Response {
    let brought = brought(&request, None);
    if brought.is_of_cookies()
        && let Err(refused) = app.socket_cookie(request.headers()).await
    {
        return refused.into_response();
    }
    accept(app, peer, request, speaker, None, |desk| {
        sockets::open(desk, named, brought);
    })
}
