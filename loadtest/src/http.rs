//! The HTTP requests of a run: rooms are made before anyone connects, lists are read, messages are
//! posted as clients without a socket do.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::dialect::RoomTarget;

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
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {token}"));
        let request = match body {
            Some(_) => request.header(CONTENT_TYPE, "application/json"),
            None => request,
        };
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| error.to_string())?;
        let failed = |error: hyper::Error| format!("{method} {path}: {error}");
        self.sender.ready().await.map_err(failed)?;
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(failed)?;
        Ok((status, body.to_bytes()))
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
