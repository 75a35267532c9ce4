//! The `inbox` profile: one socket for each person, `/ws/chat/?token=…`, on which everything of all
//! their conversations comes; frames name the conversation.
//!
//! Invariants: the first frame is `connection_established`, and from then on nothing that is said
//! in the person's conversations is missed; an author gets `message_sent`, the others
//! `new_message`.
//! Never: sends history by itself; these clients read it over HTTP.

pub(crate) mod dialect;
pub(crate) mod shape;

use std::sync::Arc;

use frontdesk_protocol::native::RoomName;
use frontdesk_protocol::{CloseCode, ErrorCode, Seq};
use frontdesk_storage::EntityId;
use serde_json::Value;

pub(crate) use dialect::InboxDialect;

use super::chat::{self, Fields};
use crate::ws::desk::{Continuation, Desk};

/// A socket was opened.
pub(crate) fn open(desk: &mut Desk, token: Option<String>) {
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let known = chat::authenticate(&app, &shared, token).await;
        let go_on: Continuation = Box::new(move |desk| match known {
            Ok(()) => {
                desk.open_feed();
                chat::greet(desk);
            }
            Err(why) => chat::close(desk, &why, CloseCode::Forbidden),
        });
        go_on
    });
}

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    let Some(fields) = chat::parse(desk, is_text, payload) else {
        return;
    };
    match chat::kind_of(&fields) {
        "chat_message" => in_room(desk, fields, |desk, room, fields| {
            chat::post(desk, room, fields);
        }),
        "typing" => in_room(desk, fields, |desk, room, fields| {
            desk.type_in(room, chat::is_typing(fields));
        }),
        "mark_read" => in_room(desk, fields, |desk, room, _| {
            chat::mark_read(desk, room, Seq(u64::MAX));
        }),
        // Clients are known to send back what the server says.
        "connection_established"
        | "new_message"
        | "message_sent"
        | "messages_read"
        | "user_status"
        | "error" => {}
        other => chat::unknown(desk, other),
    }
}

/// Does something in the conversation that a frame names; whose it is, is the room's to say.
fn in_room(
    desk: &mut Desk,
    fields: Fields,
    act: impl FnOnce(&mut Desk, EntityId, &Fields) + Send + 'static,
) {
    let Some(name) = conversation_of(&fields) else {
        let why = "conversation_id is required";
        return chat::refuse(desk, ErrorCode::BadField, why);
    };
    if let Some(joined) = desk.room(name) {
        let room = joined.edge().entity().clone();
        return act(desk, room, &fields);
    }
    let (app, shared) = (Arc::clone(&desk.app), Arc::clone(&desk.shared));
    desk.start(async move {
        let found = chat::find(&app, &shared, name).await;
        let go_on: Continuation = Box::new(move |desk| match found {
            Ok(room) => act(desk, room, &fields),
            Err(why) => chat::refuse(desk, why.code, &why.message),
        });
        go_on
    });
}

/// The conversation a frame names, as number or text.
fn conversation_of(fields: &Fields) -> Option<RoomName> {
    let named = ["conversation_id", "conversation", "session_id"];
    match named.iter().find_map(|name| fields.get(*name))? {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_protocol::ConversationNo;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_conversation_is_named_by_number_or_text() {
        let named = |value: Value| {
            let frame = json!({ "conversation_id": value });
            conversation_of(frame.as_object().expect("an object"))
        };
        let twelve = Some(RoomName::Conversation(ConversationNo(12)));
        assert_eq!(named(json!(12)), twelve);
        assert_eq!(named(json!("12")), twelve);
        for bad in [json!(null), json!(-1), json!(1.5), json!("x"), json!([12])] {
            assert_eq!(named(bad.clone()), None, "{bad}");
        }
    }
}
