//! The `direct` dialect: one socket a conversation, joined by its path; a message comes as a bare
//! object with `content` and without `type`, and a post has no answer of its own.

use serde_json::{Value, json};

use super::Received;
use crate::check::Delivery;
use crate::marker::Marker;

pub(super) fn post(text: &str) -> Vec<u8> {
    json!({"type": "chat_message", "message": text})
        .to_string()
        .into_bytes()
}

pub(super) fn read(payload: &[u8]) -> Result<Received, String> {
    let frame: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let text_of = |field: &str| frame.get(field).and_then(Value::as_str);
    match text_of("type") {
        Some("connection_established") => Ok(Received::Joined { head: 0 }),
        Some("error") => Ok(Received::Refused {
            number: None,
            why: text_of("message").unwrap_or_default().to_owned(),
        }),
        Some(_) => Ok(Received::Other),
        None => {
            let content = text_of("content").ok_or("a message without content")?;
            let marker = Marker::parse(content).ok_or("a message without a marker")?;
            Ok(Received::Delivery(Delivery { marker, seq: None }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posted_text_is_read_back_from_its_content() {
        let marker = Marker {
            run: 1,
            room: 2,
            number: 3,
            sent_ns: 4,
        };
        let posted: Value =
            serde_json::from_slice(&post(&marker.text(64))).expect("a post is JSON");
        let shown = json!({"id": 9, "conversation": 2, "sender": {"id": "a"},
            "content": posted["message"], "message_type": "text"});
        let received = read(shown.to_string().as_bytes()).expect("a message");
        assert_eq!(received, Received::Delivery(Delivery { marker, seq: None }));
    }

    #[test]
    fn typing_is_nothing_and_an_error_is_a_refusal() {
        let typing = br#"{"type":"typing","user_id":1,"is_typing":true}"#;
        assert_eq!(read(typing), Ok(Received::Other));
        let error = read(br#"{"type":"error","message":"Invalid JSON"}"#).expect("an error");
        assert!(matches!(error, Received::Refused { number: None, .. }));
        assert!(read(b"{").is_err());
        assert!(read(br#"{"content":"no marker"}"#).is_err());
    }
}
