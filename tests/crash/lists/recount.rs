//! What the rooms themselves hold: people, read marks and events of every conversation, asked of
//! each room over a native socket.
//!
//! Never: asks a list.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::token;
use crate::support::talk::Talk;

/// So many numbers without a conversation are the end: more than requests are under way at a kill.
const NUMBERS_MISSING_MAX: u64 = 32;
const PAGE_EVENTS: u32 = 100;

/// A message of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) seq: u64,
    pub(super) author: String,
    /// Empty when it was taken back.
    pub(super) text: String,
    reply_to: Option<u64>,
}

/// A room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// Everyone in it, with their read marks.
    pub(super) marks: BTreeMap<String, u64>,
    pub(super) messages: Vec<Message>,
}

/// All rooms by their numbers.
pub(super) type Rooms = BTreeMap<u64, Room>;

fn is_bot(person: &str) -> bool {
    person.starts_with("bot:")
}

impl Room {
    /// With these marks, and a message of each of these.
    pub(super) fn of(marks: &[(&str, u64)], authors: &[&str]) -> Self {
        let marks = marks.iter().map(|(who, seq)| ((*who).to_owned(), *seq));
        let messages = authors.iter().zip(1..).map(|(author, seq)| Message {
            seq,
            author: (*author).to_owned(),
            text: "said".to_owned(),
            reply_to: None,
        });
        Self {
            marks: marks.collect(),
            messages: messages.collect(),
        }
    }

    /// The message at a seq.
    pub(super) fn message(&self, seq: u64) -> Option<&Message> {
        self.messages.iter().find(|message| message.seq == seq)
    }

    /// Messages of others above a person's mark.
    pub(super) fn unread(&self, person: &str) -> u64 {
        let mark = self.marks.get(person).copied().unwrap_or_default();
        let above = self.messages.iter().filter(|message| message.seq > mark);
        above.filter(|message| message.author != person).count() as u64
    }

    /// Whether a bot is in it.
    pub(super) fn has_bot(&self) -> bool {
        self.marks.keys().any(|person| is_bot(person))
            || self.messages.iter().any(|message| is_bot(&message.author))
    }

    /// Whether no bot owes an answer. None is owed to what was taken back before it was answered.
    pub(super) fn is_quiet(&self) -> bool {
        let answered = |question: u64| {
            let mut answers = self.messages.iter();
            answers.any(|one| is_bot(&one.author) && one.reply_to == Some(question))
        };
        let is_question = |one: &&Message| !is_bot(&one.author) && !one.text.is_empty();
        let mut questions = self.messages.iter().filter(is_question);
        !self.has_bot() || questions.all(|one| answered(one.seq))
    }
}

/// Reads every room that any of these people is in.
pub(super) async fn read(server: SocketAddr, people: &[String]) -> Result<Rooms, String> {
    let mut talks = Vec::new();
    for person in people {
        let (talk, _) = Talk::connect(server, &token(person), json!({})).await;
        talks.push(talk);
    }
    let mut rooms = Rooms::new();
    let mut number = 1;
    let mut last = 0;
    while number <= last + NUMBERS_MISSING_MAX {
        for talk in &mut talks {
            if let Some(room) = read_one(talk, number).await? {
                rooms.insert(number, room);
                last = number;
                break;
            }
        }
        number += 1;
    }
    Ok(rooms)
}

async fn read_one(talk: &mut Talk, number: u64) -> Result<Option<Room>, String> {
    let name = number.to_string();
    let joined = talk.ask(json!({"type": "join", "room": name})).await;
    let joined = match joined {
        Ok(joined) => joined,
        Err(error) if error["code"] == "unknown_room" => return Ok(None),
        Err(error) => return Err(format!("room {number}: {error}")),
    };
    let marks = joined["marks"].as_object().ok_or("no marks")?;
    let mark = |(person, seq): (&String, &Value)| Some((person.clone(), seq.as_u64()?));
    let mut room = Room {
        marks: marks.iter().filter_map(mark).collect(),
        messages: Vec::new(),
    };
    let mut after = 0;
    while after < joined["head"].as_u64().ok_or("no head")? {
        let ask = json!({"type": "history", "room": name, "after_seq": after,
            "limit": PAGE_EVENTS});
        let page = talk.ask(ask).await;
        let page = page.map_err(|error| format!("history of {number}: {error}"))?;
        let events = page["events"].as_array().ok_or("no events")?;
        for event in events {
            after = event["seq"].as_u64().ok_or("no seq")?;
            room.messages.extend(message_of(event)?);
        }
        if events.is_empty() {
            return Err(format!("{number} has nothing after {after}: {joined}"));
        }
    }
    let left = talk.ask(json!({"type": "leave", "room": name})).await;
    left.map_err(|error| format!("leaving {number}: {error}"))?;
    talk.pushes.clear();
    Ok(Some(room))
}

/// The message of an event; `None` for other kinds.
fn message_of(event: &Value) -> Result<Option<Message>, String> {
    if event["kind"] != "message" {
        return Ok(None);
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = || {
        Some(Message {
            seq: event["seq"].as_u64()?,
            author: text(&event["author"]["id"])?,
            text: text(&event["text"])?,
            reply_to: event["reply_to"].as_u64(),
        })
    };
    let strange = || format!("a strange message {event}");
    message().map(Some).ok_or_else(strange)
}
