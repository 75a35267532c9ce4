//! People who do something until their server is gone: over HTTP as `inbox` and `crm` clients do,
//! or on a native socket. A number chooses what, so that a seed repeats a run as far as time
//! allows.
//!
//! Invariant: what was answered is told to the accounts; what was not is nobody's.
//! Never: asks the same thing twice.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::accounts::{Accounts, Place as At};
use crate::support::http::{Answered, Asker, token};
use crate::support::mixed;
use crate::support::talk::Talk;

/// People.
pub(super) const PERSON_COUNT: usize = 4;
/// Conversations, after which nobody opens another: a recount reads them all.
const CONVERSATION_COUNT_MAX: u64 = 120;
/// Rooms that a socket joins.
const JOINED_COUNT_MAX: usize = 16;
/// Bits of a message's number that are its place in its conversation.
const SEQ_BITS: u32 = 20;

/// A person's name.
pub(super) fn person(index: usize) -> String {
    format!("person-{index}")
}

/// Why someone stops: the server is gone.
struct Gone;

/// One place at which a person does something.
pub(super) struct Place {
    index: usize,
    name: String,
    server: SocketAddr,
    accounts: Arc<Accounts>,
    chance: u64,
    said: u64,
}

impl Place {
    pub(super) fn new(
        index: usize,
        server: SocketAddr,
        seed: u64,
        accounts: Arc<Accounts>,
    ) -> Self {
        Self {
            index,
            name: person(index),
            server,
            accounts,
            chance: seed,
            said: 0,
        }
    }

    /// A number below `end`.
    fn choose(&mut self, end: u64) -> u64 {
        self.chance = mixed(self.chance);
        self.chance % end
    }

    fn other(&mut self) -> String {
        let step = 1 + self.choose(PERSON_COUNT as u64 - 1) as usize;
        person((self.index + step) % PERSON_COUNT)
    }

    fn conversation(&mut self) -> Option<u64> {
        let theirs = self.accounts.conversations_of(&self.name);
        let at = match theirs.len() as u64 {
            0 => return None,
            count => self.choose(count),
        };
        theirs.get(at as usize).copied()
    }

    fn text(&mut self) -> String {
        self.said += 1;
        format!("{} {:x} {}", self.name, self.chance, self.said)
    }

    /// Acts over HTTP until the server is gone.
    pub(super) async fn ask(mut self) {
        let asker = Asker::new(token(&self.name));
        while self.act(&asker).await.is_ok() {}
    }

    async fn act(&mut self, asker: &Asker) -> Result<(), Gone> {
        let Some(number) = self.conversation() else {
            return self.open(asker).await;
        };
        match self.choose(20) {
            0 | 1 if number <= CONVERSATION_COUNT_MAX => self.open(asker).await,
            2..=4 => self.read_all(asker, number).await,
            5..=7 => self.read_some(asker, number).await,
            8 | 9 => self.delete(asker).await,
            10 => self.list(asker).await,
            _ => self.post(asker, number).await,
        }
    }

    /// One request; `None` when it was refused for now.
    async fn request(
        &self,
        asker: &Asker,
        method: reqwest::Method,
        path: &str,
        body: Value,
    ) -> Result<Option<Value>, Gone> {
        let url = format!("http://{}{path}", self.server);
        match asker.ask(method, &url, &body).await {
            Answered::Well(answer) => Ok(Some(answer)),
            Answered::Badly(503, _) => Ok(None),
            Answered::Badly(status, why) => {
                let fault = format!("{} {path}: {status} {why}", self.name);
                self.accounts.fault(fault);
                Err(Gone)
            }
            Answered::Not => Err(Gone),
        }
    }

    async fn open(&mut self, asker: &Asker) -> Result<(), Gone> {
        let other = self.other();
        let (path, body) = match self.choose(4) {
            0 => (
                "/api/chat/conversations/".to_owned(),
                json!({"title": "With the bot", "participants": [other]}),
            ),
            1 => (format!("/api/chat/conversations/{other}/"), json!({})),
            _ => ("/v1/rooms".to_owned(), json!({"participants": [other]})),
        };
        let opened = self.request(asker, reqwest::Method::POST, &path, body);
        let Some(opened) = opened.await? else {
            return Ok(());
        };
        let named = [&opened["conversation_id"], &opened["id"]];
        let number = named.into_iter().find_map(|value| {
            let text = value.as_str().and_then(|text| text.parse().ok());
            value.as_u64().or(text)
        });
        match number {
            Some(number) => self.accounts.opened(number, [self.name.clone(), other]),
            None => self.accounts.fault(format!("{path}: {opened}")),
        }
        Ok(())
    }

    async fn post(&mut self, asker: &Asker, number: u64) -> Result<(), Gone> {
        let text = self.text();
        let path = format!("/api/chat/conversations/{number}/messages/");
        let posted = self.request(
            asker,
            reqwest::Method::POST,
            &path,
            json!({"content": text}),
        );
        if let Some(posted) = posted.await? {
            match posted["id"].as_u64() {
                Some(id) => self.accounts.posted(place_of(id), &self.name, &text),
                None => self.accounts.fault(format!("{path}: {posted}")),
            }
        }
        Ok(())
    }

    async fn read_all(&mut self, asker: &Asker, number: u64) -> Result<(), Gone> {
        let last = self.accounts.last_of(number);
        let path = format!("/api/chat/conversations/{number}/mark-read/");
        let read = self.request(asker, reqwest::Method::POST, &path, json!({}));
        if read.await?.is_some() {
            self.accounts.marked((number, last), &self.name);
        }
        Ok(())
    }

    async fn read_some(&mut self, asker: &Asker, number: u64) -> Result<(), Gone> {
        let last = self.accounts.last_of(number);
        if last == 0 {
            return self.post(asker, number).await;
        }
        let seq = 1 + self.choose(last);
        let id = (number << SEQ_BITS) + seq;
        let path = format!("/api/chat/messages/{id}/read/");
        let read = self.request(asker, reqwest::Method::POST, &path, json!({}));
        if read.await?.is_some() {
            self.accounts.marked((number, seq), &self.name);
        }
        Ok(())
    }

    async fn delete(&mut self, asker: &Asker) -> Result<(), Gone> {
        let choice = self.choose(u64::MAX);
        let Some((number, seq)) = self.accounts.own_message(&self.name, choice) else {
            return Ok(());
        };
        let id = (number << SEQ_BITS) + seq;
        let path = format!("/api/chat/messages/{id}/delete/");
        let deleted = self.request(asker, reqwest::Method::DELETE, &path, json!({}));
        if deleted.await?.is_some() {
            self.accounts.deleted((number, seq));
        }
        Ok(())
    }

    async fn list(&mut self, asker: &Asker) -> Result<(), Gone> {
        for path in ["/api/chat/conversations/", "/api/chat/unread-count/"] {
            let listed = self.request(asker, reqwest::Method::GET, path, json!({}));
            if listed.await?.is_some() {
                self.accounts.listed();
            }
        }
        Ok(())
    }

    /// Acts on a native socket until the server is gone.
    pub(super) async fn talk(mut self) {
        let Some(mut talk) = Talk::try_open(self.server, "/v1/ws", &token(&self.name)).await else {
            return;
        };
        let mut joined = Vec::new();
        let hello = json!({"type": "connect", "resume": {}});
        let mut is_there = self.say(&mut talk, hello).await.is_ok();
        while is_there {
            talk.pushes.clear();
            is_there = match self.conversation() {
                Some(number) => self.speak(&mut talk, &mut joined, number).await.is_ok(),
                // Somebody opens one soon; the answer to this is a while.
                None => {
                    let nowhere = json!({"type": "history", "room": "1"});
                    talk.try_ask(nowhere).await.is_ok()
                }
            };
        }
    }

    async fn say(&self, talk: &mut Talk, frame: Value) -> Result<Option<Value>, Gone> {
        match talk.try_ask(frame.clone()).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) if error["retry"] == "later" => Ok(None),
            Ok(Err(error)) => {
                self.accounts
                    .fault(format!("{} {frame}: {error}", self.name));
                Err(Gone)
            }
            Err(_) => Err(Gone),
        }
    }

    async fn speak(
        &mut self,
        talk: &mut Talk,
        joined: &mut Vec<u64>,
        number: u64,
    ) -> Result<(), Gone> {
        let room = number.to_string();
        if !joined.contains(&number) && joined.len() < JOINED_COUNT_MAX {
            let join = json!({"type": "join", "room": room});
            self.say(talk, join).await?;
            joined.push(number);
        }
        if !joined.contains(&number) {
            return Ok(());
        }
        let last = self.accounts.last_of(number);
        if last > 0 && self.choose(4) == 0 {
            let seq = 1 + self.choose(last);
            let read = json!({"type": "mark_read", "room": room, "seq": seq});
            if self.say(talk, read).await?.is_some() {
                self.accounts.marked((number, seq), &self.name);
            }
            return Ok(());
        }
        let text = self.text();
        let post = json!({"type": "post_message", "room": room, "text": text,
            "cid": Uuid::now_v7().to_string()});
        let Some(posted) = self.say(talk, post).await? else {
            return Ok(());
        };
        match posted["seq"].as_u64() {
            Some(seq) => self.accounts.posted((number, seq), &self.name, &text),
            None => self.accounts.fault(format!("a strange answer {posted}")),
        }
        Ok(())
    }
}

fn place_of(id: u64) -> At {
    (id >> SEQ_BITS, id & ((1 << SEQ_BITS) - 1))
}
