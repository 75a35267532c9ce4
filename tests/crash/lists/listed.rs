//! What lists say, over HTTP as clients ask for them, and whether that is what the rooms hold.
//!
//! Never: looks into a room.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;

use super::recount::Rooms;
use crate::support::http::Asker;

/// Conversations on a page: few, so that there are many pages.
const PAGE_COUNT: u64 = 7;
/// Bits of a message's number that are its place in its conversation.
const SEQ_BITS: u32 = 20;

/// A conversation as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    number: u64,
    unread: u64,
    updated_at: String,
    last_message: Option<u64>,
}

/// What one person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    person: String,
    unread: u64,
    entries: Vec<Entry>,
}

/// A number that is a text to some clients.
fn number_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Asks each person's count, list and pages.
pub(super) async fn read(
    server: SocketAddr,
    people: &[String],
    askers: &[Asker],
) -> Result<Vec<Listed>, String> {
    let mut all = Vec::new();
    for (person, asker) in people.iter().zip(askers) {
        let fault = |why: String| format!("the list of {person}: {why}");
        all.push(read_one(server, person, asker).await.map_err(fault)?);
    }
    Ok(all)
}

async fn read_one(server: SocketAddr, person: &str, asker: &Asker) -> Result<Listed, String> {
    let base = format!("http://{server}/api/chat");
    let list = asker.get(&format!("{base}/conversations/")).await?;
    let list = entries(&list)?;
    let mut paged = Vec::new();
    let mut next = Some(format!("{base}/conversations/?limit={PAGE_COUNT}"));
    while let Some(url) = next {
        let page = asker.get(&url).await?;
        if number_of(&page["count"]) != Some(list.len() as u64) {
            return Err(format!("a page of {} counts {}", list.len(), page["count"]));
        }
        paged.extend(entries(&page["results"])?);
        next = page["next"].as_str().map(str::to_owned);
        if paged.len() > list.len() {
            break; // the comparison tells
        }
    }
    let count = asker.get(&format!("{base}/unread-count/")).await?;
    let unread = count["unread_count"].as_u64().ok_or("no count")?;
    // Bots may speak between two requests; then whoever asked looks again.
    let numbers =
        |entries: &[Entry]| -> BTreeSet<u64> { entries.iter().map(|entry| entry.number).collect() };
    if numbers(&paged) != numbers(&list) || paged.len() != list.len() {
        return Err(format!("pages {paged:?}, list {list:?}"));
    }
    Ok(Listed {
        person: person.to_owned(),
        unread,
        entries: list,
    })
}

fn entries(list: &Value) -> Result<Vec<Entry>, String> {
    let list = list.as_array().ok_or("no list")?;
    let entry = |shown: &Value| {
        Some(Entry {
            number: number_of(&shown["id"])?,
            unread: shown["unread_count"].as_u64()?,
            updated_at: shown["updated_at"].as_str()?.to_owned(),
            last_message: number_of(&shown["last_message"]["id"]),
        })
    };
    let read = list.iter().map(|shown| {
        let strange = || format!("a strange conversation {shown}");
        entry(shown).ok_or_else(strange)
    });
    read.collect()
}

/// Compares. `in_full` holds rooms with bots and the sums against each other too.
pub(super) fn compare(lists: &[Listed], rooms: &Rooms, in_full: bool) -> Result<(), String> {
    for list in lists {
        let person = &list.person;
        compare_one(list, rooms, in_full).map_err(|fault| format!("{person}: {fault}"))?;
    }
    Ok(())
}

fn compare_one(list: &Listed, rooms: &Rooms, in_full: bool) -> Result<(), String> {
    let is_theirs = |number: &u64| rooms[number].marks.contains_key(&list.person);
    let due: BTreeSet<u64> = rooms.keys().copied().filter(is_theirs).collect();
    let shown: BTreeSet<u64> = list.entries.iter().map(|entry| entry.number).collect();
    if shown != due || list.entries.len() != due.len() {
        return Err(format!("listed {shown:?} of {due:?}"));
    }
    for entry in &list.entries {
        let room = &rooms[&entry.number];
        if room.has_bot() && !in_full {
            continue;
        }
        let unread = room.unread(&list.person);
        let last = room.messages.last();
        let last = last.map(|last| (entry.number << SEQ_BITS) + last.seq);
        if entry.unread != unread || entry.last_message != last {
            return Err(format!(
                "{entry:?}, there are {unread}, the last is {last:?}"
            ));
        }
    }
    let place = |entry: &Entry| (entry.updated_at.clone(), entry.number);
    let is_ordered = |pair: &[Entry]| place(&pair[0]) > place(&pair[1]);
    if let Some(wrong) = list.entries.windows(2).find(|pair| !is_ordered(pair)) {
        return Err(format!("not the newest first: {wrong:?}"));
    }
    let sum: u64 = list.entries.iter().map(|entry| entry.unread).sum();
    match in_full && sum != list.unread {
        true => Err(format!("counted {} in all, {sum} one by one", list.unread)),
        false => Ok(()),
    }
}
