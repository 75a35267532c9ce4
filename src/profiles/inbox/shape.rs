//! A message as clients of the `inbox` profile know it on the socket. The bodies over HTTP, which
//! serve three profiles at once, are in `rest::shape`: where both show a field, they show the same,
//! and a test there compares them.
//!
//! Never: reads a store.

use frontdesk_actors::RoomContext;
use frontdesk_protocol::command::Card;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::{MessageNo, PersonId};
use serde::Serialize;

use crate::profiles::files::{FileAddresses, Found};
use crate::profiles::frame::{HostId, host_id, utc};

/// A person.
#[derive(Debug, Serialize)]
pub(crate) struct PersonShape<'a> {
    id: HostId<'a>,
    email: Option<&'a str>,
    user_type: Option<&'a str>,
    name: Option<&'a str>,
    profile_picture_url: Option<&'a str>,
}

/// A message.
#[derive(Debug, Serialize)]
pub(crate) struct MessageShape<'a> {
    id: u64,
    conversation: u64,
    sender: PersonShape<'a>,
    content: &'a str,
    message_type: &'static str,
    /// Where the file is.
    attachment: Option<String>,
    attachment_url: Option<String>,
    attachment_name: Option<String>,
    attachment_size: Option<u64>,
    is_image: bool,
    reply_to: Option<u64>,
    /// These clients read what is answered from their list.
    reply_to_message: Option<()>,
    is_deleted: bool,
    deleted_at: Option<String>,
    is_read: bool,
    created_at: String,
    updated_at: String,
}

/// A person with what is known of them.
fn person<'a>(person: &'a PersonId, card: &'a Card) -> PersonShape<'a> {
    PersonShape {
        id: host_id(person),
        email: card.email.as_deref(),
        user_type: card.user_type.as_deref(),
        name: card.name.as_deref(),
        profile_picture_url: card.picture_url.as_deref(),
    }
}

/// A message that was said just now, so that nobody else has read it. `None` for numbers that no
/// client can hold.
pub(crate) fn message<'a>(
    files: &FileAddresses,
    room: &RoomContext,
    message: &'a Message,
) -> Option<MessageShape<'a>> {
    let conversation = room.conversation;
    let number = |seq| MessageNo::new(conversation, seq).map(|number| number.0);
    let file = files.of(room, message);
    Some(MessageShape {
        id: number(message.seq)?,
        conversation: conversation.0,
        sender: person(&message.author.id, &message.author.card),
        content: &message.text,
        message_type: file.as_ref().map_or("text", Found::message_type),
        attachment: file.as_ref().map(|found| found.url.clone()),
        attachment_url: file.as_ref().map(|found| found.url.clone()),
        attachment_size: file.as_ref().map(|found| found.size),
        is_image: file.as_ref().is_some_and(Found::is_image),
        attachment_name: file.map(|found| found.name),
        reply_to: message.reply_to.and_then(number),
        reply_to_message: None,
        is_deleted: message.deleted_at.is_some(),
        deleted_at: message.deleted_at.map(utc),
        is_read: false,
        created_at: utc(message.at),
        updated_at: utc(message.deleted_at.unwrap_or(message.at)),
    })
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::{Seq, Timestamp};
    use serde_json::{Value, json};

    use super::*;
    use crate::profiles::files::tests::{addresses, file};
    use crate::profiles::frame::tests::{hello, room};

    fn shown(one: &Message) -> Value {
        let (files, room) = (addresses(), room());
        let shape = message(&files, &room, one).expect("shown");
        serde_json::to_value(&shape).expect("json")
    }

    #[test]
    fn a_message_has_the_documented_shape() {
        let sender = json!({"id": 5, "email": "talker@example.com", "user_type": "talker",
            "name": "John Talker", "profile_picture_url": null});
        let expected = json!({
            "id": 1_048_577,
            "conversation": 1,
            "sender": sender,
            "content": "Hello, how are you?",
            "message_type": "text",
            "attachment": null,
            "attachment_url": null,
            "attachment_name": null,
            "attachment_size": null,
            "is_image": false,
            "reply_to": null,
            "reply_to_message": null,
            "is_deleted": false,
            "deleted_at": null,
            "is_read": false,
            "created_at": "2026-01-14T10:00:00.000Z",
            "updated_at": "2026-01-14T10:00:00.000Z"
        });
        assert_eq!(shown(&hello()), expected);
    }

    #[test]
    fn a_picture_is_an_image_and_anything_else_a_file() {
        for (name, mime, kind, is_image) in [
            ("photo.png", "image/png", "image", true),
            ("offer.pdf", "application/pdf", "file", false),
        ] {
            let mut said = hello();
            said.file = Some(file(name, mime));
            let shown = shown(&said);
            assert_eq!(shown["message_type"], kind);
            assert_eq!(shown["is_image"], is_image);
            assert_eq!(shown["attachment_name"], name);
            assert_eq!(shown["attachment_size"], 102_400);
            let url = shown["attachment_url"].as_str().expect("a link");
            assert!(url.starts_with("http://localhost/media/"), "{url}");
            assert_eq!(shown["attachment"], url);
        }
    }

    #[test]
    fn a_reply_names_what_it_answers_and_what_was_taken_back_says_nothing() {
        let mut reply = hello();
        (reply.seq, reply.reply_to) = (Seq(2), Some(Seq(1)));
        assert_eq!(shown(&reply)["reply_to"], 1_048_577);
        reply.blank(Timestamp(1_768_384_801_000));
        let gone = shown(&reply);
        assert_eq!(
            (&gone["content"], &gone["is_deleted"]),
            (&json!(""), &json!(true))
        );
        assert_eq!(gone["deleted_at"], "2026-01-14T10:00:01.000Z");
        assert_eq!(gone["updated_at"], gone["deleted_at"]);
    }
}
