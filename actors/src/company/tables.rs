//! The company's index tables: keys and values of the rows that are written with its records.
//!
//! Invariants: the first byte names the table; numbers are big-endian, so key order is their order.
//! Never: reads or writes; that is the store's.

use bytes::Bytes;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::{ConversationNo, PersonId, RoomId, Seq};
use frontdesk_storage::Row;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Conversation number → room.
const NUMBERS: u8 = b'n';
/// Room → conversation number.
const ROOMS: u8 = b'r';
/// Two people → their direct room.
const PAIRS: u8 = b'd';
/// Person → card.
const PEOPLE: u8 = b'p';

/// The prompts.
const PROMPTS: u8 = b'q';
/// Room and seq → when the message there was taken back.
const DELETED: u8 = b'x';
/// Room and seq of a shown event that is no message.
const SILENT: u8 = b'y';

/// What the tables by number and by pair point at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoomRow {
    /// The room.
    pub(crate) room: RoomId,
    /// Its number.
    pub(crate) conversation: ConversationNo,
}

/// What is known of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRow {
    /// Everything.
    #[serde(flatten)]
    pub card: Card,
    /// What of it the host said itself: it counts for more than what tokens say.
    #[serde(default, skip_serializing_if = "Card::is_empty")]
    pub by_host: Card,
}

/// Key of a conversation number.
pub(crate) fn number_key(conversation: ConversationNo) -> Vec<u8> {
    let mut key = vec![NUMBERS];
    key.extend_from_slice(&conversation.0.to_be_bytes());
    key
}

/// Key of a room.
pub(crate) fn room_key(room: &RoomId) -> Vec<u8> {
    let mut key = vec![ROOMS];
    key.extend_from_slice(room.bits());
    key
}

/// Key of a message that was taken back.
pub(crate) fn deleted_key(room: &RoomId, seq: Seq) -> Vec<u8> {
    event_key(DELETED, room, seq)
}

/// Key of a shown event that is no message.
pub(crate) fn silent_key(room: &RoomId, seq: Seq) -> Vec<u8> {
    event_key(SILENT, room, seq)
}

fn event_key(table: u8, room: &RoomId, seq: Seq) -> Vec<u8> {
    let mut key = vec![table];
    key.extend_from_slice(room.bits());
    key.extend_from_slice(&seq.0.to_be_bytes());
    key
}

/// The seq that ends a key of these tables.
pub(crate) fn seq_of(key: &[u8]) -> Option<Seq> {
    let (_, seq) = key.split_last_chunk::<8>()?;
    Some(Seq(u64::from_be_bytes(*seq)))
}

/// Before and behind every room.
pub(crate) fn room_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![ROOMS], vec![ROOMS + 1])
}

/// Key of a pair, the same in either order.
pub(crate) fn pair_key(pair: &(PersonId, PersonId)) -> Vec<u8> {
    let mut key = vec![PAIRS];
    key.extend_from_slice(pair.0.as_str().as_bytes());
    key.push(0); // ends the first id: ids hold no control characters
    key.extend_from_slice(pair.1.as_str().as_bytes());
    key
}

/// Key of a person.
pub(crate) fn person_key(person: &PersonId) -> Vec<u8> {
    let mut key = vec![PEOPLE];
    key.extend_from_slice(person.as_str().as_bytes());
    key
}

/// Key of the prompts.
pub(crate) fn prompts_key() -> Vec<u8> {
    vec![PROMPTS]
}

/// Two people in the order of the pair table.
pub(crate) fn pair(one: &PersonId, two: &PersonId) -> (PersonId, PersonId) {
    if one <= two {
        (one.clone(), two.clone())
    } else {
        (two.clone(), one.clone())
    }
}

/// A row that is set.
pub(crate) fn set(key: Vec<u8>, value: &impl Serialize) -> Row {
    let bytes = rmp_serde::to_vec_named(value).expect("a row always encodes");
    Row {
        key,
        value: Some(Bytes::from(bytes)),
    }
}

/// Reads a row's value; a damaged one counts as absent and is written again.
pub(crate) fn read<T: DeserializeOwned>(value: &Bytes) -> Option<T> {
    rmp_serde::from_slice(value).ok()
}

/// Reads what is known of a person from their row.
pub(crate) fn read_card(value: &Bytes) -> Option<Card> {
    read::<PersonRow>(value).map(|row| row.card)
}
