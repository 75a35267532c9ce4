//! The upgrade: from an HTTP request to a bare TCP stream with a connection on it.
//!
//! Invariants: a request that is a WebSocket handshake is accepted, and refused afterwards with a
//! close code: before that a browser shows nothing but 1006; only a page that may not use its
//! cookies is refused before. No HTTP buffer outlives the
//! upgrade.
//! Never: logs a token.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use frontdesk_actors::task::spawn;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::limits::TOKEN_BYTES_MAX;
use frontdesk_protocol::{CloseCode, ErrorCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::chats;
use super::connection::Connection;
use super::desk::Desk;
use super::speaker::Speaker;
use crate::app::{App, Counted};
use crate::auth;
use crate::http::{ApiError, ErrorBody};
use crate::linger::Lingering;
use crate::native;
use crate::profiles::choice::{self, Choice, Segment};
use crate::profiles::helpdesk::sockets::{self, Named};
use crate::profiles::{chat, crm, direct, inbox};

/// What fills the answer to a handshake up, bytes. A peer's kernel acknowledges what was read as
/// soon as it is more than the largest segment it has seen, and 536 bytes before it has seen one:
/// two messages. An answer of one whole segment of an Ethernet link (1,448 bytes, of which the
/// other headers take up to 250) teaches it to wait for more of them; on one machine that is a
/// fifth of what delivering a message costs.
const PADDING_BYTES: usize = 1_200;
const PADDING: &str = match str::from_utf8(&[b'0'; PADDING_BYTES]) {
    Ok(padding) => padding,
    Err(_) => unreachable!(),
};

/// The routes of sockets.
pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(native_socket))
        .routes(routes!(person_socket))
        .routes(routes!(conversation_socket))
        .merge(chats::routes())
        // No resource, so no documentation: whatever means nothing below `/ws/`.
        .route("/ws/{*path}", get(unknown_socket))
}

/// A native socket; the subprotocol chooses JSON or MessagePack.
#[utoipa::path(
    get,
    path = "/v1/ws",
    tag = "sockets",
    params(("token" = Option<String>, Query, description = "The token, unless a header has it")),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn native_socket(
    State(app): State<Arc<App>>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    let offered = header_text(request.headers(), header::SEC_WEBSOCKET_PROTOCOL);
    let codec = offered
        .split(',')
        .find_map(|name| Codec::from_subprotocol(name.trim()));
    let token = token_of(&request);
    let speaker = Speaker::Native(codec.unwrap_or(Codec::Json));
    let chosen = codec.map(Codec::subprotocol);
    accept(app, peer, request, speaker, chosen, move |desk| {
        if let Some(token) = token {
            native::open(desk, token);
        }
    })
}

/// A socket on one conversation, as clients of `direct`, of `crm` or native ones; with a company in
/// its place a visitor's socket of `helpdesk`, and the agent's where it is their own.
#[utoipa::path(
    get,
    path = "/ws/chat/{conversation}",
    tag = "sockets",
    params(
        ("conversation" = String, Path, description = "The conversation's number, or a company"),
        ("dialect" = Option<String>, Query, description = "direct, crm or native"),
        ("token" = Option<String>, Query, description = "The token, unless a header has it"),
    ),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn conversation_socket(
    State(app): State<Arc<App>>,
    Path(conversation): Path<String>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    let brought = chats::brought(&request, None);
    let segment = if brought.names_own_company(&app, &conversation) {
        Segment::OwnCompany
    } else if app.is_visited(&conversation).await {
        Segment::VisitedCompany
    } else {
        Segment::Conversation
    };
    let address = address_of(peer.as_ref());
    let choice = choice::of_conversation(
        request.uri().query().unwrap_or_default(),
        header_text(request.headers(), header::SEC_WEBSOCKET_PROTOCOL),
        app.profiles.chat_socket,
        segment,
    );
    let own = token_of(&request);
    let token = match carried_token(&app, own, request.headers(), &choice).await {
        Ok(token) => token,
        Err(refused) => return refused.into_response(),
    };
    chosen_socket(app, peer, request, choice, move |desk, speaker| {
        let refused = match speaker {
            Speaker::Crm => crm::REFUSED,
            _ => direct::REFUSED,
        };
        match (speaker, token) {
            (Speaker::Native(_), Some(token)) => native::open(desk, token),
            (Speaker::Native(_), None) => {}
            (Speaker::Helpdesk, _) => sockets::open(desk, Named::Company(conversation), brought),
            (Speaker::HelpdeskVisitor, _) => {
                sockets::visitor::open(desk, conversation, brought, address);
            }
            (_, token) => chat::open(desk, &conversation, token, refused),
        }
    })
}

/// A person's own socket: all their conversations, as clients of `inbox` or native ones.
#[utoipa::path(
    get,
    path = "/ws/chat",
    tag = "sockets",
    params(
        ("dialect" = Option<String>, Query, description = "inbox or native"),
        ("token" = Option<String>, Query, description = "The token, unless a header has it"),
    ),
    responses(
        (status = 101, description = "a socket, whatever is refused then"),
        (status = 426, description = "no handshake", body = ErrorBody),
    ),
)]
async fn person_socket(
    State(app): State<Arc<App>>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    let choice = choice::of_person(
        request.uri().query().unwrap_or_default(),
        header_text(request.headers(), header::SEC_WEBSOCKET_PROTOCOL),
    );
    let own = token_of(&request);
    let token = match carried_token(&app, own, request.headers(), &choice).await {
        Ok(token) => token,
        Err(refused) => return refused.into_response(),
    };
    chosen_socket(app, peer, request, choice, move |desk, speaker| {
        match (speaker, token) {
            (Speaker::Native(_), Some(token)) => native::open(desk, token),
            (Speaker::Native(_), None) => {}
            (_, token) => inbox::open(desk, token),
        }
    })
}

/// A socket whose client may choose how it is spoken to.
fn chosen_socket(
    app: Arc<App>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
    choice: Result<Choice, String>,
    begin: impl FnOnce(&mut Desk, Speaker) + Send + 'static,
) -> Response {
    match choice {
        Ok(Choice {
            speaker,
            subprotocol,
        }) => accept(app, peer, request, speaker, subprotocol, move |desk| {
            begin(desk, speaker);
        }),
        Err(why) => accept(app, peer, request, Speaker::Direct, None, move |desk| {
            desk.close(CloseCode::BadPath, &why);
        }),
    }
}

/// A socket on a path that means nothing: the client is told so, not left with 1006.
async fn unknown_socket(
    State(app): State<Arc<App>>,
    peer: Option<Extension<SocketAddr>>,
    request: Request,
) -> Response {
    accept(app, peer, request, Speaker::Direct, None, |desk| {
        let code = CloseCode::BadPath;
        desk.close(code, code.reason());
    })
}

/// Takes the handshake, and begins with what is left of it.
pub(super) fn accept(
    app: Arc<App>,
    peer: Option<Extension<SocketAddr>>,
    mut request: Request,
    speaker: Speaker,
    subprotocol: Option<&'static str>,
    begin: impl FnOnce(&mut Desk) + Send + 'static,
) -> Response {
    let address = address_of(peer.as_ref());
    // Taken first: the handshake below would wrap it in a reader with a buffer of its own.
    let upgraded = request.extensions_mut().remove::<OnUpgrade>();
    let handshake = fastwebsockets::upgrade::upgrade(&mut request);
    let (Some(upgraded), Ok((response, _))) = (upgraded, handshake) else {
        return match app.rates.take_address(address) {
            Ok(()) => not_a_handshake(),
            Err(refused) => ApiError::from(refused).into_response(),
        };
    };
    spawn(serve(app, upgraded, address, speaker, begin));
    let mut response = response.map(|_| Body::empty());
    let headers = response.headers_mut();
    headers.insert("padding", HeaderValue::from_static(PADDING));
    if let Some(name) = subprotocol {
        let name = HeaderValue::from_static(name);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    response
}

fn address_of(peer: Option<&Extension<SocketAddr>>) -> IpAddr {
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |Extension(peer)| peer.ip())
}

async fn serve(
    app: Arc<App>,
    upgraded: OnUpgrade,
    address: IpAddr,
    speaker: Speaker,
    begin: impl FnOnce(&mut Desk),
) {
    let Ok(upgraded) = upgraded.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<Lingering<TcpStream>>>() else {
        return;
    };
    let stream = parts.io.into_inner().into_inner();
    let (counted, refusal) = admit(&app, address);
    let connection =
        Connection::new(
            Arc::clone(&app),
            stream,
            &parts.read_buf,
            speaker,
            |desk| match refusal {
                Some(reason) => desk.close(CloseCode::RateLimited, &reason),
                None => begin(desk),
            },
        );
    drop(parts.read_buf);
    if let Some(counted) = &counted {
        counted.announce(connection.shared());
    }
    // Boxed here, so that the frames of the upgrade are gone while the connection lives.
    spawn(connection.run(counted));
}

/// Counts a socket in, or says why not.
fn admit(app: &Arc<App>, address: IpAddr) -> (Option<Counted>, Option<String>) {
    if let Err(refused) = app.rates.take_address(address) {
        let wait_ms = refused.wait_ms;
        let reason = format!("too many requests from this address; retry_after_ms={wait_ms}");
        return (None, Some(reason));
    }
    let counted = app.count_in(address);
    let is_refused = counted.is_none();
    let reason = is_refused.then(|| "too many connections from this address".to_owned());
    (counted, reason)
}

fn not_a_handshake() -> Response {
    let why = "this path is a websocket: send an upgrade request";
    let mut response = ApiError::because(ErrorCode::BadField, why).into_response();
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    response
}

/// The token of a handshake, wherever it stands.
fn token_of(request: &Request) -> Option<String> {
    let headers = request.headers();
    let offered = header_text(headers, header::SEC_WEBSOCKET_PROTOCOL);
    let bearer = header_text(headers, header::AUTHORIZATION);
    let query = request.uri().query().unwrap_or_default();
    let token = auth::from_subprotocols(offered)
        .or_else(|| auth::from_authorization(bearer))
        .or_else(|| auth::from_query(query))?;
    // One byte more than allowed is enough to be refused as too long.
    Some(token.get(..TOKEN_BYTES_MAX + 1).unwrap_or(token).to_owned())
}

/// Its own, else that of the agent's cookie; native clients bring a token in their first frame.
///
/// # Errors
/// The only refusal before the upgrade: the page may not use the cookie, and a browser that a bad
/// page misleads is told nothing more.
async fn carried_token(
    app: &Arc<App>,
    own: Option<String>,
    headers: &HeaderMap,
    choice: &Result<Choice, String>,
) -> Result<Option<String>, ApiError> {
    // A cookie of somebody who is logged in says nothing about a visitor's page.
    let needs_none =
        |it: &Choice| matches!(it.speaker, Speaker::Native(_) | Speaker::HelpdeskVisitor);
    match own {
        None if !choice.as_ref().is_ok_and(needs_none) => app.socket_cookie(headers).await,
        token => Ok(token),
    }
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
