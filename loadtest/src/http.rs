//! The HTTP requests of a run: rooms are made before anyone connects, lists are read, messages are
//! posted as clients without a socket do.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::response::Parts;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::dialect::RoomTarget;

/// Where people of the installation log in.
pub(crate) const LOGIN_PATH: &str = "/v1/login";

/// One keep-alive connection; must live within a local task set.
pub(crate) struct HttpClient {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl HttpClient {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot reach {address}: {error}");
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| failed(&error))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| failed(&error))?;
        // Ends with the sender; a failure shows in the request that it fails.
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(Self {
            host: address.to_string(),
            sender,
        })
    }

    /// Makes a room of the token's bearer and others, or a conversation with a bot too.
    pub(crate) async fn open_room(&mut self, wanted: &Wanted) -> Result<RoomTarget, String> {
        let path = match wanted.with_bot {
            true => "/api/chat/conversations/",
            false => "/v1/rooms",
        };
        let body = json!({ "participants": wanted.others });
        let asked = self.ask(Method::POST, path, &wanted.token, Some(&body));
        let (status, body) = asked.await?;
        if status != StatusCode::CREATED {
            let text = String::from_utf8_lossy(&body);
            return Err(format!("POST {path} answered {status}: {text}"));
        }
        read_room(&body).ok_or_else(|| {
            let text = String::from_utf8_lossy(&body);
            format!("POST {path} answered without id and conversation_id: {text}")
        })
    }

    /// One request and its whole answer.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), String> {
        let (head, body) = self.exchange(method, path, token, body).await?;
        Ok((head.status, body))
    }

    /// The same with the answer's headers. Without a token nobody says who asks.
    pub(crate) async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<(Parts, Bytes), String> {
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(HOST, &self.host);
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| error.to_string())?;
        let failed = |error: hyper::Error| format!("{method} {path}: {error}");
        self.sender.ready().await.map_err(failed)?;
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(failed)?;
        Ok((head, body.to_bytes()))
    }

    /// One request whose answer is JSON of this status; anything else is an error.
    pub(crate) async fn expect(
        &mut self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
        status: StatusCode,
    ) -> Result<Value, String> {
        let asked = self.ask(method.clone(), path, token, body);
        let (found, body) = asked.await?;
        let unexpected = || {
            let text = String::from_utf8_lossy(&body);
            format!("{method} {path} answered {found}: {text}")
        };
        if found != status {
            return Err(unexpected());
        }
        serde_json::from_slice(&body).map_err(|_| unexpected())
    }

    /// Logs in; the access token.
    pub(crate) async fn log_in(&mut self, email: &str, password: &str) -> Result<String, String> {
        let wanted = json!({"email": email, "password": password});
        let asked = self.expect(Method::POST, LOGIN_PATH, "", Some(&wanted), StatusCode::OK);
        let answer = asked.await?;
        let access = answer["access_token"].as_str();
        access
            .map(str::to_owned)
            .ok_or_else(|| format!("the login of {email} gives no access: {answer}"))
    }
}

/// A room that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Of the one who opens it.
    pub(crate) token: String,
    /// Who else is in it.
    pub(crate) others: Vec<String>,
    /// Whether a bot is in it.
    pub(crate) with_bot: bool,
}

fn read_room(body: &[u8]) -> Option<RoomTarget> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let id = body.get("id")?.as_str()?;
    let conversation = match body.get("conversation_id") {
        Some(number) => {
            id.parse::<frontdesk_protocol::RoomId>().ok()?;
            number.as_u64()?
        }
        // Conversations with a bot are named by their number, as text.
        None => id.parse().ok()?,
    };
    let id = id.to_owned();
    Some(RoomTarget { id, conversation })
}
