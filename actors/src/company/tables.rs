//! The company's index tables: keys and values of the rows that are written with its records.
//!
//! Invariants: the first byte names the table; numbers are big-endian, so key order is their order.
//! Never: reads or writes; that is the store's.

use bytes::Bytes;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::{
    AccountNo, ChatId, CompanyId, ConversationNo, FileNo, PersonId, RoomId, Seq, Timestamp,
    UploadId,
};
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
/// The company's settings.
const SETTINGS: u8 = b'S';
/// A widget's name for a chat → room.
const CHATS: u8 = b'c';
/// Number → what a visitor answered.
const PROFILES: u8 = b'f';
/// A chat's room → its profile's number and how it stands with it.
const PROFILE_ROOMS: u8 = b'g';
/// Room and seq → when the message there was taken back.
const DELETED: u8 = b'x';
/// Room and seq of a shown event that is no message.
const SILENT: u8 = b'y';
/// Number → file.
const FILES: u8 = b'1';
/// Upload → the number of its file.
const FILE_UPLOADS: u8 = b'2';
/// Room and file → the message that shows it there.
const SHOWN_FILES: u8 = b'3';
/// Number of a file → the room whose message shows it, written with the message.
const CLAIMED_FILES: u8 = b'4';
/// Time and upload → the number of its file, which was dropped then while it waited to be sent.
const UNWANTED_FILES: u8 = b'5';
/// Time and upload, which ended then without a file.
const ENDED_UPLOADS: u8 = b'6';
/// Time and upload → the number of its file, which is from then and waits to be sent.
const WAITING_FILES: u8 = b'7';
/// Account → who it is, what they may do.
const ACCOUNTS: u8 = b'A';
/// Account → its logins.
const FAMILIES: u8 = b'F';
/// Number → what was done by whom.
const AUDIT: u8 = b'J';
/// A chat's room → the last event in it that the log was told of.
const CHAT_ACTS: u8 = b'j';
/// Number → what was done to a company or a plan; the installation's own staff has the other log.
const COMPANY_AUDIT: u8 = b'I';
/// Company → what is known of it; the installation's.
const COMPANIES: u8 = b'C';
/// Number → company; the installation's.
const COMPANY_NUMBERS: u8 = b'O';
/// Three letters → the last number that was given to a company whose id begins so; the
/// installation's.
const PREFIXES: u8 = b'B';
/// Company → origins that it named; the installation's.
const ORIGINS: u8 = b'G';
/// Number → plan; the installation's.
const PLANS: u8 = b'K';
/// Login name → who has it; the installation's.
const NAMES: u8 = b'N';
/// What tokens of ours are signed with; the installation's.
const SECRET: u8 = b'Z';
/// Says that every company there was has its number; the installation's.
const ALL_NUMBERED: u8 = b'Y';

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

/// Before and behind every conversation, in the order they were opened.
pub(crate) fn number_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![NUMBERS], vec![NUMBERS + 1])
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
    number_of(key).map(Seq)
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

/// Key of the settings.
pub(crate) fn settings_key() -> Vec<u8> {
    vec![SETTINGS]
}

/// Key of a chat by the widget's name for it.
pub(crate) fn chat_key(chat: &ChatId) -> Vec<u8> {
    named(CHATS, chat.as_str())
}

/// Key of a visitor's profile.
pub(crate) fn profile_key(no: u64) -> Vec<u8> {
    numbered(PROFILES, no)
}

/// Before and behind every profile, the oldest first.
pub(crate) fn profile_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![PROFILES], vec![PROFILES + 1])
}

/// Key of a chat's profile.
pub(crate) fn profile_room_key(room: &RoomId) -> Vec<u8> {
    let mut key = vec![PROFILE_ROOMS];
    key.extend_from_slice(room.bits());
    key
}

/// Key of a file.
pub(crate) fn file_key(no: FileNo) -> Vec<u8> {
    numbered(FILES, no.0)
}

/// Key of an upload's file.
pub(crate) fn file_upload_key(upload: &UploadId) -> Vec<u8> {
    let mut key = vec![FILE_UPLOADS];
    key.extend_from_slice(upload.bits());
    key
}

/// Key of a file that a room shows.
pub(crate) fn shown_file_key(room: &RoomId, no: FileNo) -> Vec<u8> {
    event_key(SHOWN_FILES, room, Seq(no.0))
}

/// Before and behind every file that a room shows, in the order of their numbers.
pub(crate) fn shown_file_bounds(room: &RoomId) -> (Vec<u8>, Vec<u8>) {
    let from = shown_file_key(room, FileNo(0));
    let to = shown_file_key(room, FileNo(u64::MAX));
    (from, to)
}

/// Key of the room whose message shows a file.
pub(crate) fn claimed_file_key(no: FileNo) -> Vec<u8> {
    numbered(CLAIMED_FILES, no.0)
}

/// Key of a file that was dropped while it waited to be sent.
pub(crate) fn unwanted_file_key(at: Timestamp, upload: &UploadId) -> Vec<u8> {
    timed(UNWANTED_FILES, at, upload)
}

/// Before and behind every file that was dropped up to a time, the longest ago first.
pub(crate) fn unwanted_file_bounds(until: Timestamp) -> (Vec<u8>, Vec<u8>) {
    (vec![UNWANTED_FILES], after(UNWANTED_FILES, until))
}

/// Key of a file that waits to be sent.
pub(crate) fn waiting_file_key(at: Timestamp, upload: &UploadId) -> Vec<u8> {
    timed(WAITING_FILES, at, upload)
}

/// Before and behind every file that waits since before a time, the oldest first.
pub(crate) fn waiting_file_bounds(since: Timestamp) -> (Vec<u8>, Vec<u8>) {
    (vec![WAITING_FILES], numbered(WAITING_FILES, since.0))
}

/// Key of an upload that ended without a file.
pub(crate) fn ended_upload_key(at: Timestamp, upload: &UploadId) -> Vec<u8> {
    timed(ENDED_UPLOADS, at, upload)
}

/// Before and behind every upload that ended without a file up to a time, the longest ago first.
pub(crate) fn ended_upload_bounds(until: Timestamp) -> (Vec<u8>, Vec<u8>) {
    (vec![ENDED_UPLOADS], after(ENDED_UPLOADS, until))
}

fn timed(table: u8, at: Timestamp, upload: &UploadId) -> Vec<u8> {
    let mut key = numbered(table, at.0);
    key.extend_from_slice(upload.bits());
    key
}

fn after(table: u8, until: Timestamp) -> Vec<u8> {
    numbered(table, until.0.saturating_add(1))
}

/// The upload that ends a key of these tables.
pub(crate) fn upload_of(key: &[u8]) -> Option<UploadId> {
    let (_, bits) = key.split_last_chunk::<16>()?;
    Some(UploadId::from_bits(*bits))
}

fn numbered(table: u8, number: u64) -> Vec<u8> {
    let mut key = vec![table];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn named(table: u8, name: &str) -> Vec<u8> {
    let mut key = vec![table];
    key.extend_from_slice(name.as_bytes());
    key
}

/// The number that ends a key of these tables.
pub(crate) fn number_of(key: &[u8]) -> Option<u64> {
    let (_, number) = key.split_last_chunk::<8>()?;
    Some(u64::from_be_bytes(*number))
}

/// Key of an account.
pub(crate) fn account_key(account: AccountNo) -> Vec<u8> {
    numbered(ACCOUNTS, account.0)
}

/// Before and behind every account, in the order they were made.
pub(crate) fn account_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![ACCOUNTS], vec![ACCOUNTS + 1])
}

/// Key of an account's logins.
pub(crate) fn families_key(account: AccountNo) -> Vec<u8> {
    numbered(FAMILIES, account.0)
}

/// Key of an entry of the audit log.
pub(crate) fn audit_key(number: u64) -> Vec<u8> {
    numbered(AUDIT, number)
}

/// Before and behind every entry of the audit log, the oldest first.
pub(crate) fn audit_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![AUDIT], vec![AUDIT + 1])
}

/// Key of the last event in a chat that the audit log was told of.
pub(crate) fn chat_act_key(room: &RoomId) -> Vec<u8> {
    let mut key = vec![CHAT_ACTS];
    key.extend_from_slice(room.bits());
    key
}

/// Key of an entry of the log of companies and plans.
pub(crate) fn company_audit_key(number: u64) -> Vec<u8> {
    numbered(COMPANY_AUDIT, number)
}

/// Before and behind every entry of the log of companies and plans, the oldest first.
pub(crate) fn company_audit_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![COMPANY_AUDIT], vec![COMPANY_AUDIT + 1])
}

/// Key of a company.
pub(crate) fn company_key(company: &CompanyId) -> Vec<u8> {
    named(COMPANIES, company.as_str())
}

/// Key of a company by its number.
pub(crate) fn company_number_key(number: u64) -> Vec<u8> {
    numbered(COMPANY_NUMBERS, number)
}

/// Before and behind every company by its number.
pub(crate) fn company_number_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![COMPANY_NUMBERS], vec![COMPANY_NUMBERS + 1])
}

/// Key of the last number that was given to three letters.
pub(crate) fn prefix_key(letters: &str) -> Vec<u8> {
    named(PREFIXES, letters)
}

/// Key of the origins that a company named.
pub(crate) fn origins_key(company: &CompanyId) -> Vec<u8> {
    named(ORIGINS, company.as_str())
}

/// Behind the origins of a company, and behind those of all.
pub(crate) fn origins_after(company: Option<&CompanyId>) -> (Vec<u8>, Vec<u8>) {
    let from = company.map_or_else(
        || vec![ORIGINS],
        |company| {
            let mut key = origins_key(company);
            key.push(0); // the next key there could be: ids hold no control characters
            key
        },
    );
    (from, vec![ORIGINS + 1])
}

/// The company that ends a key of these tables.
pub(crate) fn company_of(key: &[u8]) -> Option<CompanyId> {
    let (_, id) = key.split_first()?;
    CompanyId::new(std::str::from_utf8(id).ok()?).ok()
}

/// Key of a plan.
pub(crate) fn plan_key(number: u64) -> Vec<u8> {
    numbered(PLANS, number)
}

/// Before and behind every plan.
pub(crate) fn plan_bounds() -> (Vec<u8>, Vec<u8>) {
    (vec![PLANS], vec![PLANS + 1])
}

/// Key of a login name.
pub(crate) fn name_key(name: &str) -> Vec<u8> {
    named(NAMES, name)
}

/// Key of the mark that every company there was has its number.
pub(crate) fn all_numbered_key() -> Vec<u8> {
    vec![ALL_NUMBERED]
}

/// Key of the secret.
pub(crate) fn secret_key() -> Vec<u8> {
    vec![SECRET]
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
