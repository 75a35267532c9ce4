//! What is asked of a server over HTTP: tokens for it, rooms, histories, its health.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::ledger::Line;
use super::server::{COMPANY, SECRET};

/// Longest answer that is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const PAGE_EVENTS: u32 = 100;

/// A token as the host application would mint it.
#[expect(
    clippy::disallowed_methods,
    reason = "a token is made for the time outside"
)]
pub(crate) fn token(person: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let claims = json!({
        "user_id": person,
        "company_id": COMPANY,
        "role": "agent",
        "full_name": format!("Person {person}"),
        "exp": now.unwrap().as_secs() + 24 * 60 * 60,
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

/// A room's history as a server gives it.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) history_id: String,
    pub(crate) lines: Vec<Line>,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It was answered with a body.
    Well(Value),
    /// It was refused with a status and a text.
    Badly(u16, String),
    /// There was no answer.
    Not,
}

/// One person's way to ask.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    client: reqwest::Client,
    token: String,
}

impl Asker {
    pub(crate) fn new(token: String) -> Self {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            // Each request finds the server that runs now.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .unwrap();
        Self { client, token }
    }

    /// Asks a server that may go away meanwhile.
    pub(crate) async fn ask(&self, method: reqwest::Method, url: &str, body: &Value) -> Answered {
        let mut request = self.client.request(method.clone(), url);
        if method == reqwest::Method::POST {
            request = request.json(body);
        }
        let Ok(response) = request.bearer_auth(&self.token).send().await else {
            return Answered::Not;
        };
        let status = response.status();
        match (status.is_success(), response.text().await) {
            (true, Ok(text)) => serde_json::from_str(&text).map_or(Answered::Not, Answered::Well),
            (false, Ok(text)) => Answered::Badly(status.as_u16(), text),
            (_, Err(_)) => Answered::Not,
        }
    }

    /// Reads what is at an address.
    pub(crate) async fn get(&self, url: &str) -> Result<Value, String> {
        self.json(self.client.get(url)).await
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let sent = request.bearer_auth(&self.token).send().await;
        let response = sent.map_err(|error| format!("no answer: {error:?}"))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| error.to_string())?;
        match status.is_success() {
            true => serde_json::from_str(&text).map_err(|error| format!("{error}: {text}")),
            false => Err(format!("answered {status}: {text}")),
        }
    }

    /// Opens a room with these people; its id and conversation number.
    pub(crate) async fn open_room(
        &self,
        server: SocketAddr,
        people: &[String],
    ) -> Result<(String, u64), String> {
        let url = format!("http://{server}/v1/rooms");
        let request = self.client.post(url);
        let opened = self
            .json(request.json(&json!({"participants": people})))
            .await?;
        let id = opened["id"].as_str().ok_or("the room has no id")?;
        let number = opened["conversation_id"].as_u64().ok_or("no number")?;
        Ok((id.to_owned(), number))
    }

    /// Reads everything a room holds.
    pub(crate) async fn history(&self, server: SocketAddr, room: &str) -> Result<History, String> {
        let (history_id, events) = self.events(server, room).await?;
        let lines: Result<_, _> = events.iter().map(Line::read).collect();
        Ok(History {
            history_id,
            lines: lines?,
        })
    }

    /// The same as it is answered: the log's name, and all events.
    pub(crate) async fn events(
        &self,
        server: SocketAddr,
        room: &str,
    ) -> Result<(String, Vec<Value>), String> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(Some(0), |event| event["seq"].as_u64());
            let after = after.ok_or("an event without seq")?;
            let url = format!(
                "http://{server}/v1/rooms/{room}/messages?after_seq={after}&limit={PAGE_EVENTS}"
            );
            let mut page = self.json(self.client.get(url)).await?;
            let id = page["history_id"]
                .as_str()
                .ok_or("no history id")?
                .to_owned();
            let events = page["events"].as_array_mut().ok_or("no events")?;
            let is_empty = events.is_empty();
            all.append(events);
            match (page["more"].as_bool(), is_empty) {
                (Some(false), _) => return Ok((id, all)),
                (Some(true), false) => {}
                _ => return Err(format!("a page leads nowhere: {page}")),
            }
        }
    }

    /// Asks a path that needs no token; its status.
    pub(crate) async fn status(&self, server: SocketAddr, path: &str) -> Result<u16, String> {
        let request = self.client.get(format!("http://{server}{path}"));
        let response = request.send().await.map_err(|error| error.to_string())?;
        Ok(response.status().as_u16())
    }

    /// Asks a path that needs no token; its text.
    pub(crate) async fn text(&self, server: SocketAddr, path: &str) -> Result<String, String> {
        let request = self.client.get(format!("http://{server}{path}"));
        let response = request.send().await.map_err(|error| error.to_string())?;
        response.text().await.map_err(|error| error.to_string())
    }
}
