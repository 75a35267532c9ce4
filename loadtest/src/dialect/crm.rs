//! The `crm` dialect: one socket a conversation, joined by its path; events have names, a post is
//! acknowledged without saying which, and a bot repeats what it answers.

use serde_json::{Value, json};

use super::Received;
use crate::check::Delivery;
use crate::marker::Marker;

pub(super) fn post(text: &str) -> Vec<u8> {
    json!({"type": "message", "text": text})
        .to_string()
        .into_bytes()
}

pub(super) fn read(payload: &[u8]) -> Result<Received, String> {
    let frame: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    match frame["type"].as_str() {
        Some("connection_established") => Ok(Received::Joined { head: 0 }),
        Some("message:new") => message(&frame["message"]),
        Some("message:ack") => Ok(Received::Kept),
        Some("error") => Ok(Received::Refused {
            number: None,
            why: frame["message"].as_str().unwrap_or_default().to_owned(),
        }),
        Some("typing" | "read" | "user_joined" | "user_left") => Ok(Received::Other),
        _ => Err(format!("a frame of no known type: {frame}")),
    }
}

fn message(message: &Value) -> Result<Received, String> {
    let text = message["text"].as_str().ok_or("a message without text")?;
    let is_answer = message["type"] == "bot";
    let marker = match is_answer {
        true => Marker::find(text),
        false => Marker::parse(text),
    };
    let marker = marker.ok_or("a message without a marker")?;
    let delivery = Delivery { marker, seq: None };
    Ok(match is_answer {
        true => Received::Answer(delivery),
        false => Received::Delivery(delivery),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = Marker {
        run: 1,
        room: 2,
        number: 3,
        sent_ns: 4,
    };

    fn shown(kind: &str, text: &str) -> Result<Received, String> {
        let message = json!({"id": "9", "conversation_id": "2", "type": kind, "text": text});
        let frame = json!({"type": "message:new", "message": message});
        read(frame.to_string().as_bytes())
    }

    #[test]
    fn a_posted_text_is_read_back_and_so_is_a_bots_answer_to_it() {
        let posted: Value =
            serde_json::from_slice(&post(&MARKER.text(64))).expect("a post is JSON");
        let text = posted["text"].as_str().expect("a text");
        let delivery = Delivery {
            marker: MARKER,
            seq: None,
        };
        assert_eq!(shown("user", text), Ok(Received::Delivery(delivery)));
        let answer = format!("You said: \"{text}\".");
        assert_eq!(shown("bot", &answer), Ok(Received::Answer(delivery)));
        assert!(shown("user", &answer).is_err());
        assert!(shown("bot", "Hello!").is_err());
    }

    #[test]
    fn an_ack_is_kept_presence_is_nothing_and_an_error_is_a_refusal() {
        let ack = br#"{"type":"message:ack","message_id":"9","status":"sent"}"#;
        assert_eq!(read(ack), Ok(Received::Kept));
        let came = br#"{"type":"user_joined","user_id":"1","username":"a"}"#;
        assert_eq!(read(came), Ok(Received::Other));
        let error = read(br#"{"type":"error","message":"no"}"#).expect("an error");
        assert!(matches!(error, Received::Refused { number: None, .. }));
        assert!(read(b"{").is_err() && read(br#"{"type":"news"}"#).is_err());
    }
}
