//! A sender: one person who has several uploads under way and goes on with any of them, until the
//! server is gone or there is nothing left to do.
//!
//! Never: waits for a server without an end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::entry::Entry;
use crate::support::http::token;
use crate::support::mixed;

/// Longest answer that is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// Uploads of one person under way.
const UNDER_WAY_MAX: usize = 4;

/// Why a sender stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// There was no answer.
    Gone,
    /// A promise was broken.
    Fault(String),
}

impl From<String> for Stop {
    fn from(fault: String) -> Self {
        Stop::Fault(fault)
    }
}

impl From<&str> for Stop {
    fn from(fault: &str) -> Self {
        Stop::Fault(fault.to_owned())
    }
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Up to where bytes are kept.
    pub(super) fn offset(&self) -> Option<u64> {
        self.header("upload-offset")?.parse().ok()
    }
}

/// The way to a server.
#[derive(Debug, Clone)]
pub(super) struct Way {
    client: reqwest::Client,
    server: SocketAddr,
    token: String,
    /// The room that files are for.
    pub(super) room: String,
    answer_count: Arc<AtomicU64>,
}

impl Way {
    pub(super) fn new(
        person: &str,
        server: SocketAddr,
        room: &str,
        count: &Arc<AtomicU64>,
    ) -> Self {
        let client = reqwest::Client::builder()
            .timeout(ANSWER_LIMIT)
            .no_proxy()
            .build()
            .unwrap();
        Self {
            client,
            server,
            token: token(person),
            room: room.to_owned(),
            answer_count: Arc::clone(count),
        }
    }

    /// One request of tus; without an id to where uploads are begun.
    pub(super) async fn ask(
        &self,
        method: Method,
        id: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, Stop> {
        let end = if id.is_empty() { "" } else { "/" };
        let url = format!("http://{}/v1/uploads{end}{id}", self.server);
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = request.header("Tus-Resumable", "1.0.0").body(body);
        let answer = self.send(request).await?;
        // Of the others there are as many as the server is slow.
        self.answer_count.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    /// What an upload has come to.
    pub(super) async fn status(&self, id: &str) -> Result<Value, Stop> {
        let url = format!("http://{}/v1/uploads/{id}/status", self.server);
        let answer = self.send(self.client.get(url)).await?;
        let status = serde_json::from_str(&answer.body);
        let status = status.map_err(|error| format!("{error}: {}", answer.body))?;
        match answer.status {
            StatusCode::OK => Ok(status),
            status => Err(format!("{id} is answered {status}: {}", answer.body).into()),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, Stop> {
        let sent = request.bearer_auth(&self.token).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Err("no answer in time".into()),
            Err(_) => return Err(Stop::Gone),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(|_| Stop::Gone)?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

/// See the module's text.
pub(super) struct Sender {
    pub(super) person: String,
    /// Under way.
    pub(super) open: Vec<Entry>,
    /// Files and what was cancelled, in the order of their ends.
    pub(super) over: Vec<Entry>,
    next_number: u64,
    /// How far apart its numbers are.
    stride: u64,
    chance: u64,
}

impl Sender {
    pub(super) fn new(person: String, first_number: u64, stride: u64) -> Self {
        Self {
            person,
            open: Vec::new(),
            over: Vec::new(),
            next_number: first_number,
            stride,
            chance: mixed(first_number),
        }
    }

    /// Goes on until the server is gone; without new files, until nothing is left to do.
    pub(super) async fn run(mut self, way: Way, begins: bool) -> (Self, Result<(), String>) {
        let result = match self.go_on(&way, begins).await {
            Ok(()) => Ok(()),
            Err(Stop::Gone) if begins => Ok(()),
            Err(Stop::Gone) => Err("the server is gone".to_owned()),
            Err(Stop::Fault(fault)) => Err(format!("{}: {fault}", self.person)),
        };
        (self, result)
    }

    async fn go_on(&mut self, way: &Way, begins: bool) -> Result<(), Stop> {
        for entry in &mut self.open {
            entry.lost_sight();
        }
        for entry in &mut self.open {
            entry.look(way).await?;
        }
        loop {
            while begins && self.open.len() < UNDER_WAY_MAX {
                self.open.push(Entry::new(self.next_number));
                self.next_number += self.stride;
            }
            if self.open.is_empty() {
                return Ok(());
            }
            self.chance = mixed(self.chance);
            let place = usize::try_from(self.chance >> 1).unwrap() % self.open.len();
            self.open[place].step(way).await?;
            if self.open[place].is_over() {
                let mut entry = self.open.swap_remove(place);
                entry.settle();
                self.over.push(entry);
            }
        }
    }
}
