//! The `crm` profile: conversations with people and bots over one socket for each conversation,
//! `/ws/chat/{conversation_id}/?token=…`, with named events.
//!
//! Invariants: the first frame is `connection_established`; ids of messages are texts that hold a
//! number, and are taken as either; nobody is told of their own coming and going.
//! Never: sends history by itself.

pub(crate) mod dialect;
pub(crate) mod shape;

use frontdesk_actors::{Answer, Outcome};
use frontdesk_protocol::{CloseCode, ConversationNo, ErrorCode, MessageNo, Seq};
use serde_json::{Value, json};

pub(crate) use dialect::CrmDialect;

use super::chat::{self, Fields};
use crate::ws::desk::Desk;

/// Closes sockets on conversations that are not the caller's.
pub(crate) const REFUSED: CloseCode = CloseCode::Forbidden;

/// A message came.
pub(crate) fn message(desk: &mut Desk, is_text: bool, payload: &[u8]) {
    if let Some(fields) = chat::parse(desk, is_text, payload) {
        fields_came(desk, &fields);
    }
}

/// A frame came.
pub(crate) fn fields_came(desk: &mut Desk, fields: &Fields) {
    let Some(room) = chat::own_room(desk) else {
        return;
    };
    match chat::kind_of(fields) {
        "message" => chat::post(desk, room, fields),
        "typing" => chat::typing(desk, fields),
        "read" => {
            let conversation = desk.rooms.first().map(|joined| joined.conversation);
            match read_up_to(fields, conversation.unwrap_or_default()) {
                Ok(Some(seq)) => chat::mark_read(desk, room, seq),
                Ok(None) => {} // nothing of this conversation
                Err(why) => chat::refuse(desk, ErrorCode::BadField, why),
            }
        }
        // Clients are known to send back what the server says.
        "connection_established"
        | "message:new"
        | "message:ack"
        | "user_joined"
        | "user_left"
        | "error" => {}
        other => chat::unknown(desk, other),
    }
}

/// A command has an outcome. Whoever sent a message is told that it is kept.
pub(crate) fn answered(desk: &Desk, outcome: &Outcome) {
    let conversation = desk.rooms.first().map(|joined| joined.conversation);
    if let (Outcome::Done(Answer::Posted { seq, .. }), Some(conversation)) = (outcome, conversation)
        && let Some(id) = MessageNo::new(conversation, *seq)
    {
        let ack = json!({"type": "message:ack", "message_id": id.0.to_string(), "status": "sent"});
        return chat::say(desk, &ack);
    }
    chat::answered(desk, outcome);
}

/// Up to where a `read` frame reads: the highest id of this conversation, or everything when it
/// names none.
fn read_up_to(fields: &Fields, conversation: ConversationNo) -> Result<Option<Seq>, &'static str> {
    const WHY: &str = "message_ids must be a list of message ids";
    let ids = match fields.get("message_ids") {
        None | Some(Value::Null) => return Ok(Some(Seq(u64::MAX))),
        Some(Value::Array(ids)) => ids,
        Some(_) => return Err(WHY),
    };
    let mut last = None;
    for id in ids {
        let number = match id {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let (of, seq) = MessageNo(number.ok_or(WHY)?).parts();
        if of == conversation {
            last = last.max(Some(seq));
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up_to(frame: &Value) -> Result<Option<Seq>, &'static str> {
        let fields = frame.as_object().expect("an object");
        read_up_to(fields, ConversationNo(3))
    }

    #[test]
    fn the_highest_id_of_the_conversation_counts() {
        let id = |conversation: u64, seq: u64| (conversation << 20) + seq;
        let ids = json!([id(3, 4), id(3, 9).to_string(), id(2, 50), id(3, 5)]);
        assert_eq!(up_to(&json!({"message_ids": ids})), Ok(Some(Seq(9))));
        assert_eq!(up_to(&json!({"message_ids": [id(4, 1)]})), Ok(None));
        assert_eq!(up_to(&json!({"message_ids": []})), Ok(None));
        assert_eq!(up_to(&json!({})), Ok(Some(Seq(u64::MAX))));
        assert_eq!(
            up_to(&json!({"message_ids": null})),
            Ok(Some(Seq(u64::MAX)))
        );
        for bad in [
            json!("all"),
            json!([true]),
            json!(["x"]),
            json!([-1]),
            json!([1.5]),
        ] {
            assert!(up_to(&json!({ "message_ids": bad })).is_err(), "{bad}");
        }
    }
}
