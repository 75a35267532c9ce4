//! What lists say, over HTTP as clients ask for them, and whether that is what the rooms hold.
//!
//! Never: looks into a room.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;

use super::recount::{Room, Rooms};
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
    /// The list as one array.
    entries: Vec<Entry>,
    /// The same, page by page.
    paged: Vec<Entry>,
    /// Conversations in all, as each page says.
    counts: BTreeSet<u64>,
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
    let entries = entries_of(&list)?;
    let mut paged = Vec::new();
    let mut counts = BTreeSet::new();
    let mut next = Some(format!("{base}/conversations/?limit={PAGE_COUNT}"));
    while let Some(url) = next {
        let page = asker.get(&url).await?;
        counts.extend(number_of(&page["count"]));
        paged.extend(entries_of(&page["results"])?);
        next = page["next"].as_str().map(str::to_owned);
        if paged.len() > 2 * entries.len() + PAGE_COUNT as usize {
            return Err(format!("pages without an end, now {url}"));
        }
    }
    let count = asker.get(&format!("{base}/unread-count/")).await?;
    Ok(Listed {
        person: person.to_owned(),
        unread: count["unread_count"].as_u64().ok_or("no count")?,
        entries,
        paged,
        counts,
    })
}

fn entries_of(list: &Value) -> Result<Vec<Entry>, String> {
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

/// Compares all of it: nothing is under way any more.
pub(super) fn compare(lists: &[Listed], rooms: &Rooms) -> Result<(), String> {
    for list in lists {
        let is_theirs = |number: &u64| rooms[number].marks.contains_key(&list.person);
        let due: BTreeSet<u64> = rooms.keys().copied().filter(is_theirs).collect();
        let compared = compare_one(list, rooms, &due).and_then(|()| compare_sums(list, &due));
        compared.map_err(|fault| format!("{}: {fault}", list.person))?;
    }
    Ok(())
}

/// Compares what cannot have changed since the start: conversations that were opened before, where
/// no bot owed an answer. Openings and answers that were under way at the kill come later.
pub(super) fn compare_settled(
    lists: &[Listed],
    rooms: &Rooms,
    opened: impl Fn(&str) -> Vec<u64>,
) -> Result<(), String> {
    for list in lists {
        let due = opened(&list.person).into_iter();
        let due: BTreeSet<u64> = due.filter(|number| !rooms[number].has_bot()).collect();
        let mut settled = list.clone();
        settled.entries.retain(|entry| due.contains(&entry.number));
        compare_one(&settled, rooms, &due)
            .map_err(|fault| format!("{}, after the start: {fault}", list.person))?;
    }
    Ok(())
}

fn compare_one(list: &Listed, rooms: &Rooms, due: &BTreeSet<u64>) -> Result<(), String> {
    let shown: BTreeSet<u64> = list.entries.iter().map(|entry| entry.number).collect();
    if shown != *due || list.entries.len() != due.len() {
        let count = list.entries.len();
        return Err(format!("{count} listed: {shown:?} of {due:?}"));
    }
    for entry in &list.entries {
        let room = &rooms[&entry.number];
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
    match list.entries.windows(2).find(|pair| !is_ordered(pair)) {
        Some(wrong) => Err(format!("not the newest first: {wrong:?}")),
        None => Ok(()),
    }
}

fn compare_sums(list: &Listed, due: &BTreeSet<u64>) -> Result<(), String> {
    let sum: u64 = list.entries.iter().map(|entry| entry.unread).sum();
    if sum != list.unread {
        return Err(format!("counted {} in all, {sum} one by one", list.unread));
    }
    if list.paged != list.entries {
        return Err(format!("pages {:?}, list {:?}", list.paged, list.entries));
    }
    match list.counts.iter().all(|count| *count == due.len() as u64) {
        true => Ok(()),
        false => Err(format!("pages count {:?} of {}", list.counts, due.len())),
    }
}

/// The comparison is checked itself: what it must not let pass.
#[test]
fn a_wrong_list_is_found() {
    let room = |marks: &[(&str, u64)], authors: &[&str]| Room::of(marks, authors);
    let rooms = Rooms::from([
        (1, room(&[("a", 1), ("b", 0)], &["a", "b", "b"])),
        (2, room(&[("a", 0), ("b", 1)], &["b"])),
    ]);
    let entry = |number: u64, unread, last| Entry {
        number,
        unread,
        updated_at: format!("t{}", 9 - number),
        last_message: Some((number << SEQ_BITS) + last),
    };
    let listed = |entries: Vec<Entry>, unread| Listed {
        person: "a".to_owned(),
        unread,
        paged: entries.clone(),
        counts: BTreeSet::from([entries.len() as u64]),
        entries,
    };
    let is_right = |list| compare(&[list], &rooms).is_ok();
    let (one, two) = (entry(1, 2, 3), entry(2, 1, 1));
    let right = listed(vec![one.clone(), two.clone()], 3);
    assert_eq!(compare(std::slice::from_ref(&right), &rooms), Ok(()));
    assert!(!is_right(listed(vec![one.clone()], 2)));
    assert!(!is_right(listed(vec![two.clone(), one.clone()], 3)));
    assert!(!is_right(listed(
        vec![one.clone(), two.clone(), two.clone()],
        4
    )));
    assert!(!is_right(listed(vec![one.clone(), two.clone()], 4)));
    assert!(!is_right(listed(vec![entry(1, 3, 3), two.clone()], 4)));
    assert!(!is_right(listed(vec![entry(1, 2, 2), two], 3)));
    let paged = vec![one];
    assert!(!is_right(Listed { paged, ..right }));
}
