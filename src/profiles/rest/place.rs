//! A conversation as the caller of a route may use it.
//!
//! Invariants: the company comes from the caller's token and from nowhere else. Within a company
//! these clients are told of a conversation that exists and is not theirs (403), as their documents
//! say; nothing of another company can be named.
//! Never: changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use frontdesk_actors::{Answer, Command, Conversation, Outcome};
use frontdesk_protocol::command::{Principal, RoomCommand};
use frontdesk_protocol::event::Message;
use frontdesk_protocol::file::SharedFile;
use frontdesk_protocol::limits::TEXT_CHARS_MAX;
use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::visible::has_visible;
use frontdesk_protocol::{Cid, ConversationNo, ErrorCode, PersonId, Rejection, RoomId, Seq};
use frontdesk_storage::EntityId;

use super::shape::{Cards, Style, message};
use super::shape::{ConversationBody, MessageBody, conversation};
use crate::app::App;
use crate::http::ApiError;

/// See the module's text.
pub(in crate::profiles) struct Place {
    pub(in crate::profiles) entity: EntityId,
    pub(in crate::profiles) room: RoomId,
    pub(in crate::profiles) conversation: ConversationNo,
    /// The last event.
    pub(in crate::profiles) head: Seq,
    /// Everyone in it, with their read marks.
    pub(in crate::profiles) marks: BTreeMap<PersonId, Seq>,
}

/// The storage is at fault.
pub(in crate::profiles) fn fault(error: frontdesk_storage::Error) -> ApiError {
    ApiError::fault(&error)
}

/// There is no such conversation.
pub(in crate::profiles) fn no_conversation() -> ApiError {
    ApiError::because(ErrorCode::UnknownRoom, "No such conversation.")
}

/// The conversation that a caller named.
pub(in crate::profiles) async fn enter(
    app: &Arc<App>,
    principal: &Principal,
    name: RoomName,
) -> Result<Place, ApiError> {
    let entity = app.node.find_room(&principal.company, name).await;
    let entity = entity.map_err(fault)?.ok_or_else(no_conversation)?;
    let facts = app.node.room_for(&entity, &principal.person).await;
    let Some(facts) = facts.map_err(fault)? else {
        let why = "You are not a participant in this conversation.";
        return Err(ApiError::because(ErrorCode::Forbidden, why));
    };
    Ok(Place {
        entity,
        room: facts.room,
        conversation: facts.conversation,
        head: facts.head,
        marks: facts.marks,
    })
}

/// The conversation of a path.
pub(in crate::profiles) async fn enter_path(
    app: &Arc<App>,
    principal: &Principal,
    text: &str,
) -> Result<Place, ApiError> {
    let name = text.parse().map_err(|_| no_conversation())?;
    enter(app, principal, name).await
}

impl Place {
    /// Asks the room, in the caller's name.
    pub(in crate::profiles) async fn ask(
        &self,
        app: &Arc<App>,
        principal: &Arc<Principal>,
        command: RoomCommand,
        cid: Cid,
    ) -> Result<Answer, ApiError> {
        let command = Command::Room(command);
        let asked = app
            .node
            .ask(self.entity.clone(), Arc::clone(principal), command, cid);
        done(asked.await)
    }

    /// The conversation as the caller sees it now. Of more people than lists hold the summary names
    /// none; that the caller is among them was checked when they entered.
    pub(in crate::profiles) async fn show(
        &self,
        app: &Arc<App>,
        principal: &Principal,
        style: Style,
    ) -> Result<ConversationBody, ApiError> {
        let (company, person) = (&principal.company, &principal.person);
        let summary = app.node.summary(company, person, &self.room).await?;
        let summary = summary.ok_or_else(no_conversation)?;
        let found = Conversation {
            room: self.room,
            summary,
        };
        let cards = cards_of(app, principal, std::slice::from_ref(&found)).await?;
        let shown = conversation(style, &found, person, &cards);
        Ok(match found.summary.people.is_empty() {
            true => shown.of_many(self.marks.len()),
            false => shown,
        })
    }

    /// One of its messages as the caller sees it.
    pub(in crate::profiles) async fn show_message(
        &self,
        app: &Arc<App>,
        principal: &Principal,
        (style, headers): (Style, &HeaderMap),
        seq: Seq,
    ) -> Result<MessageBody, ApiError> {
        let found = app.node.message(&self.entity, seq).await.map_err(fault)?;
        let no_message = || ApiError::because(ErrorCode::NotFound, "No such message.");
        let found = found.ok_or_else(no_message)?;
        let shown = self
            .show_messages(app, principal, (style, headers), vec![found])
            .await?;
        shown.into_iter().next().ok_or_else(no_message)
    }

    /// Some of its messages as the caller sees them, each with the one it answers.
    pub(in crate::profiles) async fn show_messages(
        &self,
        app: &Arc<App>,
        principal: &Principal,
        (style, headers): (Style, &HeaderMap),
        messages: Vec<Message>,
    ) -> Result<Vec<MessageBody>, ApiError> {
        let by_seq = |found: &Message| (found.seq, found.clone());
        let mut known: BTreeMap<Seq, Message> = messages.iter().map(by_seq).collect();
        for answered in messages.iter().filter_map(|found| found.reply_to) {
            if !known.contains_key(&answered) {
                let found = app.node.message(&self.entity, answered).await;
                known.extend(found.map_err(fault)?.map(|found| (answered, found)));
            }
        }
        let authors = known.values().map(|found| found.author.id.clone());
        let cards = app.node.cards(&principal.company, authors).await;
        let cards = cards.map_err(fault)?;
        let find = |file: &SharedFile| {
            let absolute = |path: &str| app.absolute(headers, path);
            let addresses = &app.file_addresses;
            addresses.find_as(&principal.company, file, absolute)
        };
        let shown = messages.iter().map(|found| {
            let replied = found.reply_to.and_then(|seq| known.get(&seq));
            message(
                style,
                self.conversation,
                found,
                replied,
                &self.marks,
                &cards,
                &find,
            )
        });
        Ok(shown.collect())
    }
}

/// What is known of everyone in these conversations.
pub(in crate::profiles) async fn cards_of(
    app: &Arc<App>,
    principal: &Principal,
    conversations: &[Conversation],
) -> Result<Cards, ApiError> {
    let summaries = || conversations.iter().map(|found| &found.summary);
    let people = summaries().flat_map(|summary| &summary.people);
    let people = people.map(|seat| &seat.person);
    let authors = summaries().filter_map(|summary| summary.last.as_ref());
    let shown = people.chain(authors.map(|last| &last.author)).cloned();
    let cards = app.node.cards(&principal.company, shown).await;
    cards.map_err(fault)
}

/// Refuses a text that no room takes, in the words in which a room's refusal is shown.
pub(in crate::profiles) fn check_text(text: &str) -> Result<(), ApiError> {
    if !has_visible(text) {
        return Err(no_text());
    }
    Ok(check_length(text)?)
}

/// Refuses a text that is longer than any room takes.
pub(in crate::profiles) fn check_length(text: &str) -> Result<(), Rejection> {
    let count = text.chars().count();
    if count > TEXT_CHARS_MAX {
        let why = format!("text too long: {count} characters, limit {TEXT_CHARS_MAX}");
        return Err(Rejection::because(ErrorCode::TextTooLong, why));
    }
    Ok(())
}

/// A message says nothing.
pub(in crate::profiles) fn no_text() -> ApiError {
    ApiError::because(ErrorCode::TextEmpty, "Message content cannot be empty.")
}

/// What was done, or why not.
pub(in crate::profiles) fn done(outcome: Outcome) -> Result<Answer, ApiError> {
    match outcome {
        Outcome::Done(answer) => Ok(answer),
        Outcome::Refused(why) => Err(why.into()),
        Outcome::Unknown => Err(ApiError::new(ErrorCode::Unavailable)),
    }
}
