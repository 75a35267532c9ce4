//! The few HTTP requests of a run: rooms are made before anyone connects.

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

    /// Makes a room of the token's bearer and others.
    pub(crate) async fn open_room(
        &mut self,
        token: &str,
        others: &[String],
    ) -> Result<RoomTarget, String> {
        let body = json!({ "participants": others }).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/rooms")
            .header(HOST, &self.host)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let failed = |error: hyper::Error| format!("POST /v1/rooms: {error}");
        self.sender.ready().await.map_err(failed)?;
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(failed)?;
        let body = body.to_bytes();
        if status != StatusCode::CREATED {
            let text = String::from_utf8_lossy(&body);
            return Err(format!("POST /v1/rooms answered {status}: {text}"));
        }
        read_room(&body).ok_or_else(|| {
            let text = String::from_utf8_lossy(&body);
            format!("POST /v1/rooms answered without id and conversation_id: {text}")
        })
    }
}

fn read_room(body: &[u8]) -> Option<RoomTarget> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let id = body.get("id")?.as_str()?;
    id.parse::<frontdesk_protocol::RoomId>().ok()?;
    Some(RoomTarget {
        id: id.to_owned(),
        conversation: body.get("conversation_id")?.as_u64()?,
    })
}
