//! A message as clients of the `crm` profile know it on the socket. Every id is a text. The bodies
//! over HTTP, which serve three profiles at once, are in `rest::shape`: where both show a field,
//! they show the same, and a test there compares them.
//!
//! Never: reads a store.

use frontdesk_actors::RoomContext;
use frontdesk_protocol::command::Role;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::{ConversationNo, MessageNo};
use serde::Serialize;

use crate::profiles::files::FileAddresses;
use crate::profiles::frame::{shown_name, utc};

/// A message as `message:new` carries it.
#[derive(Debug, Serialize)]
pub(crate) struct NewMessage<'a> {
    id: String,
    conversation_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    sender: &'a str,
    sender_name: &'a str,
    created_at: String,
    /// Where the file is.
    attachment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment_size: Option<u64>,
}

/// The `id` of a message; `None` for numbers that no client can hold.
fn message_id(conversation: ConversationNo, message: &Message) -> Option<String> {
    Some(MessageNo::new(conversation, message.seq)?.0.to_string())
}

/// A message for `message:new`; `None` when it was taken back, for which there is no frame.
pub(crate) fn new_message<'a>(
    files: &FileAddresses,
    room: &RoomContext,
    message: &'a Message,
) -> Option<NewMessage<'a>> {
    let id = message_id(room.conversation, message)?;
    let author = &message.author;
    let file = files.of(room, message);
    message.deleted_at.is_none().then(|| NewMessage {
        id,
        conversation_id: room.conversation.to_string(),
        kind: kind_of(author.role),
        text: &message.text,
        sender: author.id.as_str(),
        sender_name: shown_name(&author.id, &author.card),
        created_at: utc(message.at),
        attachment: file.as_ref().map(|found| found.url.clone()),
        attachment_url: file.as_ref().map(|found| found.url.clone()),
        attachment_size: file.as_ref().map(|found| found.size),
        attachment_name: file.map(|found| found.name),
    })
}

/// What these clients call the kind of a message.
pub(crate) fn kind_of(role: Role) -> &'static str {
    match role {
        Role::Bot => "bot",
        Role::Visitor | Role::Agent | Role::Admin | Role::Superadmin => "user",
    }
}
