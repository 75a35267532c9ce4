//! Golden vectors in `tests/vectors/`, for clients in any language. A normal run compares; to write
//! them anew after a deliberate change of the wire, run
//! `FRONTDESK_VECTORS=write cargo test -p frontdesk-protocol --test it vectors` and read the diff.

use std::collections::BTreeSet;
use std::path::PathBuf;

use frontdesk_protocol::close::CloseCode;
use frontdesk_protocol::codec::{
    Codec, decode_client, decode_server, encode_client, encode_server,
};
use frontdesk_protocol::error::ErrorCode;
use frontdesk_protocol::native::{
    Answer, ClientRequest, EphemeralKind, EventKind, FrameRef, Push, ServerFrame,
};
use frontdesk_protocol::websocket::{
    Flow, FrameReader, Incoming, Opcode, client_frame, close_frame, server_frame,
};
use serde_json::{Value, json};

use crate::invalid;
use crate::samples;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |index| u8::from_str_radix(&text[index..index + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Compares a file with what it should hold, or writes it; returns what the file holds.
fn golden(name: &str, expected: &Value) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name);
    if std::env::var("FRONTDESK_VECTORS").is_ok_and(|wish| wish == "write") {
        let text = serde_json::to_string_pretty(expected).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let found: Value = serde_json::from_str(&text).unwrap_or_default();
    let found = found.as_array().cloned().unwrap_or_default();
    let expected = expected.as_array().unwrap();
    // One by one: a file that differs is long, and the vector that does is what a reader needs.
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{name}; see the head of vectors.rs");
    }
    let counts = (found.len(), expected.len());
    assert_eq!(
        counts.0, counts.1,
        "vectors in {name}; see the head of vectors.rs"
    );
    found
}

fn vector(name: &str, json: Vec<u8>, msgpack: Vec<u8>) -> Value {
    let json = String::from_utf8(json).unwrap();
    json!({"name": name, "json": json, "msgpack": hex(&msgpack)})
}

/// The two forms of a vector, as bytes.
fn forms(vector: &Value) -> (Vec<u8>, Vec<u8>) {
    let text = |field: &str| vector[field].as_str().unwrap();
    (text("json").into(), unhex(text("msgpack")))
}

#[test]
fn client_frames_are_as_written_down() {
    let frames = samples::client_frames();
    let expected = frames.iter().map(|(name, frame)| {
        let encode = |codec| encode_client(codec, frame);
        vector(name, encode(Codec::Json), encode(Codec::Msgpack))
    });
    let found = golden("client_frames.json", &expected.collect());
    for (vector, (name, frame)) in found.iter().zip(&frames) {
        let (json, msgpack) = forms(vector);
        assert_eq!(&decode_client(Codec::Json, &json).unwrap(), frame, "{name}");
        assert_eq!(
            &decode_client(Codec::Msgpack, &msgpack).unwrap(),
            frame,
            "{name}"
        );
    }
}

#[test]
fn server_frames_are_as_written_down() {
    let frames = samples::server_frames();
    let expected = frames.iter().map(|(name, frame)| {
        let encode = |codec| encode_server(codec, frame);
        vector(name, encode(Codec::Json), encode(Codec::Msgpack))
    });
    let found = golden("server_frames.json", &expected.collect());
    for (vector, (name, frame)) in found.iter().zip(&frames) {
        let (json, msgpack) = forms(vector);
        assert_eq!(&decode_server(Codec::Json, &json).unwrap(), frame, "{name}");
        assert_eq!(
            &decode_server(Codec::Msgpack, &msgpack).unwrap(),
            frame,
            "{name}"
        );
    }
}

#[test]
fn every_kind_of_request_has_a_vector() {
    let frames = samples::client_frames();
    let found: BTreeSet<_> = frames
        .iter()
        .map(|(_, frame)| frame.request.kind())
        .collect();
    assert_eq!(found, ClientRequest::KINDS.iter().copied().collect());
}

/// A new kind of answer does not compile until it has a name here, and fails until it has a vector.
fn answer_kind(answer: &Answer) -> &'static str {
    match answer {
        Answer::Posted(_) => "posted",
        Answer::Connected(_) => "connected",
        Answer::Joined(_) => "joined",
        Answer::Page(_) => "page",
        Answer::Occupants(_) => "occupants",
        Answer::Marked(_) => "marked",
        Answer::UploadOpened(_) => "upload_opened",
        Answer::Done(_) => "done",
    }
}

#[test]
fn every_kind_of_server_frame_has_a_vector() {
    let mut answers = BTreeSet::new();
    let (mut pushes, mut events, mut ephemerals) =
        <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
    let mut errors = 0;
    for (_, frame) in samples::server_frames() {
        match frame {
            ServerFrame::Ok { ok, .. } => drop(answers.insert(answer_kind(&ok))),
            ServerFrame::Error { .. } => errors += 1,
            ServerFrame::Push(push) => {
                pushes.insert(push.kind());
                match push {
                    Push::Event(push) => drop(events.insert(push.event.kind.kind())),
                    Push::Ephemeral(push) => drop(ephemerals.insert(push.kind.kind())),
                    _ => {}
                }
            }
        }
    }
    assert_eq!(answers.len(), 8);
    assert_eq!(errors, 2, "one with id and one without");
    assert_eq!(pushes, Push::KINDS.iter().copied().collect());
    assert_eq!(events, EventKind::KINDS.iter().copied().collect());
    assert_eq!(ephemerals, EphemeralKind::KINDS.iter().copied().collect());
}

#[test]
fn invalid_frames_are_refused_as_written_down() {
    let cases = invalid::cases();
    let expected = cases.iter().map(|case| {
        let mut vector = json!({"name": case.name, "error": case.code.as_str(), "id": case.id});
        match case.codec {
            Codec::Json => vector["json"] = String::from_utf8(case.bytes.clone()).unwrap().into(),
            Codec::Msgpack => vector["msgpack"] = hex(&case.bytes).into(),
        }
        vector
    });
    let found = golden("invalid_frames.json", &expected.collect());
    for vector in &found {
        let (codec, bytes) = match (&vector["json"], &vector["msgpack"]) {
            (Value::String(json), Value::Null) => (Codec::Json, json.clone().into_bytes()),
            (Value::Null, Value::String(msgpack)) => (Codec::Msgpack, unhex(msgpack)),
            both => panic!("one codec a vector: {both:?}"),
        };
        let name = &vector["name"];
        let error = decode_client(codec, &bytes).expect_err(name.as_str().unwrap());
        assert_eq!(
            error.rejection.code.as_str(),
            vector["error"],
            "{name}: {error}"
        );
        let id: Option<FrameRef> = serde_json::from_value(vector["id"].clone()).unwrap();
        assert_eq!(error.id, id, "{name}");
        assert!(error.rejection.message.len() < 250, "{name}: {error}");
    }
}

fn item(incoming: &Incoming<'_>) -> Value {
    match incoming {
        Incoming::Message {
            text: true,
            payload,
        } => json!({"text": std::str::from_utf8(payload).unwrap()}),
        Incoming::Message { payload, .. } => json!({"binary": hex(payload)}),
        Incoming::Piece { payload, is_last } => json!({"piece": payload, "last": is_last}),
        Incoming::Oversize { announced_bytes } => json!({"oversize": announced_bytes}),
        Incoming::Ping(payload) => json!({"ping": hex(payload)}),
        Incoming::Pong(payload) => json!({"pong": hex(payload)}),
        Incoming::Close { code, reason } => json!({"close": code, "reason": reason}),
    }
}

fn websocket_cases() -> Vec<(&'static str, Vec<u8>)> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let frame = |opcode, payload: &[u8]| client_frame(opcode, payload, mask);
    let open = |opcode, payload: &[u8]| {
        let mut bytes = frame(opcode, payload);
        bytes[0] &= 0x7f;
        bytes
    };
    let interleaved = [
        open(Opcode::Text, b"Hel"),
        frame(Opcode::Ping, b"p"),
        frame(Opcode::Continuation, b"lo"),
    ];
    let oversize = [frame(Opcode::Binary, &[1; 65]), frame(Opcode::Text, b"on")];
    vec![
        ("a text", frame(Opcode::Text, b"Hello")),
        ("an empty text", frame(Opcode::Text, b"")),
        ("bytes", frame(Opcode::Binary, &[0, 255])),
        ("a pong nobody asked for", frame(Opcode::Pong, b"x")),
        ("fragments with a ping between", interleaved.concat()),
        (
            "one byte over the limit of 64, then a text",
            oversize.concat(),
        ),
        ("close without code", frame(Opcode::Close, b"")),
        (
            "close with code and reason",
            frame(Opcode::Close, b"\x03\xe8bye"),
        ),
        ("close of one byte", frame(Opcode::Close, b"\x03")),
        ("close with code 1005", frame(Opcode::Close, b"\x03\xed")),
        (
            "close with a reason that is not utf-8",
            frame(Opcode::Close, b"\x03\xe8\xff"),
        ),
        ("a text that is not utf-8", frame(Opcode::Text, b"\xff")),
        (
            "an unmasked text",
            server_frame(Opcode::Text, b"Hello").to_vec(),
        ),
        ("a reserved bit", vec![0xc1, 0x80, 0, 0, 0, 0]),
        ("a reserved opcode", vec![0x83, 0x80, 0, 0, 0, 0]),
        ("a ping in fragments", open(Opcode::Ping, b"")),
        ("a ping of 126 bytes", frame(Opcode::Ping, &[0; 126])),
        (
            "a continuation of nothing",
            frame(Opcode::Continuation, b"x"),
        ),
        (
            "a message inside a message",
            [open(Opcode::Text, b"a"), frame(Opcode::Text, b"b")].concat(),
        ),
        ("a length of 125 in two bytes", vec![0x82, 0xfe, 0, 125]),
        (
            "a length with the top bit",
            vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ),
    ]
}

#[test]
fn websocket_frames_are_read_as_written_down() {
    let cases = websocket_cases().into_iter().map(|(name, bytes)| {
        let mut items = Vec::new();
        let mut on = |incoming: Incoming<'_>| {
            items.push(item(&incoming));
            Flow::Go
        };
        let result = FrameReader::new(64).feed(&mut bytes.clone(), &mut on);
        let close_code = result.err().map(|error| error.close_code().number());
        json!({
            "name": name,
            "message_bytes_max": 64,
            "bytes": hex(&bytes),
            "items": items,
            "close_code": close_code,
        })
    });
    let found = golden("websocket_in.json", &cases.collect());
    let refused = found
        .iter()
        .filter(|vector| !vector["close_code"].is_null());
    assert_eq!(refused.count(), 13);
}

#[test]
fn websocket_frames_are_written_as_written_down() {
    let frame = |name: &str, opcode: Opcode, payload: &[u8]| {
        let frame = server_frame(opcode, payload);
        let (payload, frame) = (hex(payload), hex(&frame));
        json!({"name": name, "opcode": opcode.bits(), "payload": payload, "frame": frame})
    };
    let close = close_frame(CloseCode::Restart, "retry_after_ms=1500");
    let expected = json!([
        frame("a text", Opcode::Text, b"Hello"),
        frame("an empty binary frame: native ping", Opcode::Binary, b""),
        frame("126 bytes", Opcode::Binary, &[7; 126]),
        frame("a ping", Opcode::Ping, b""),
        {"name": "a close", "opcode": 8, "payload": hex(&close[2..]), "frame": hex(&close)},
    ]);
    assert_eq!(golden("websocket_out.json", &expected).len(), 5);
}

#[test]
fn error_codes_are_as_written_down() {
    let expected = ErrorCode::ALL
        .iter()
        .map(|code| json!({"code": code, "retry": code.retry(), "text": code.text()}));
    let found = golden("error_codes.json", &expected.collect());
    let unique: BTreeSet<_> = found.iter().map(|row| row["code"].to_string()).collect();
    assert_eq!(unique.len(), ErrorCode::ALL.len());
}

#[test]
fn close_codes_are_as_written_down() {
    let expected = CloseCode::ALL.iter().map(|code| {
        let (number, reconnect) = (code.number(), code.reconnect());
        json!({"code": number, "reconnect": reconnect, "reason": code.reason()})
    });
    let found = golden("close_codes.json", &expected.collect());
    let unique: BTreeSet<_> = found.iter().map(|row| row["code"].as_u64()).collect();
    assert_eq!(unique.len(), CloseCode::ALL.len());
}
