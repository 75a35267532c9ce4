//! Frames of clients that are refused, with the error and the id that the answer carries.

use frontdesk_protocol::ErrorCode;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::limits;
use serde_json::{Value, json};

/// One refused frame.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) codec: Codec,
    pub(crate) bytes: Vec<u8>,
    pub(crate) code: ErrorCode,
    /// As in JSON; null when it cannot be read.
    pub(crate) id: Value,
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = bad_json();
    cases.extend(bad_msgpack());
    cases.extend(bad_fields());
    cases
}

fn json_case(name: &'static str, text: &str, code: ErrorCode, id: Value) -> Case {
    Case {
        name,
        codec: Codec::Json,
        bytes: text.as_bytes().to_vec(),
        code,
        id,
    }
}

fn bad_json() -> Vec<Case> {
    let bad = |name, text: &str, id| json_case(name, text, ErrorCode::BadFrame, id);
    let levels = limits::NESTING_DEPTH_MAX;
    let deep = format!(
        r#"{{"id":1,"type":"post_message","room":1,"text":"a","rich":{}{}}}"#,
        "[".repeat(levels),
        "]".repeat(levels)
    );
    let deep_unknown = format!(
        r#"{{"id":1,"x":{}{}}}"#,
        "[".repeat(levels),
        "]".repeat(levels)
    );
    vec![
        bad("nothing", "", Value::Null),
        bad("not json", "hello", Value::Null),
        bad("an array", "[]", Value::Null),
        bad("a number", "7", Value::Null),
        bad("null", "null", Value::Null),
        bad(
            "cut short after the id",
            r#"{"id":7,"type":"pres"#,
            json!(7),
        ),
        bad(
            "trailing garbage",
            r#"{"id":7,"type":"presence","room":1}x"#,
            json!(7),
        ),
        bad(
            "two frames in one",
            r#"{"id":7,"type":"expired"}{"id":8}"#,
            json!(7),
        ),
        bad("rich nested too deep", &deep, json!(1)),
        bad("an unknown field nested too deep", &deep_unknown, json!(1)),
        bad(
            "half a surrogate pair",
            r#"{"id":7,"type":"\ud800"}"#,
            json!(7),
        ),
    ]
}

fn bad_msgpack() -> Vec<Case> {
    let bad = |name, bytes: &[u8], id| Case {
        name,
        codec: Codec::Msgpack,
        bytes: bytes.to_vec(),
        code: ErrorCode::BadFrame,
        id,
    };
    let field = |name, bytes: &[u8]| Case {
        code: ErrorCode::BadField,
        ..bad(name, bytes, json!(7))
    };
    let deep = [
        b"\x82\xa2id\x07\xa1x".to_vec(),
        vec![0x91; limits::NESTING_DEPTH_MAX],
        vec![0xc0],
    ];
    let with = |rest: &[u8]| [b"\x83\xa2id\x07\xa4type\xa8presence\xa4room", rest].concat();
    vec![
        bad("msgpack: nothing", b"", Value::Null),
        bad("msgpack: the byte that is never used", b"\xc1", Value::Null),
        bad("msgpack: an array", b"\x90", Value::Null),
        bad(
            "msgpack: a map that is cut short",
            b"\x82\xa2id\x07",
            json!(7),
        ),
        bad(
            "msgpack: a map of four billion entries",
            b"\xdf\xff\xff\xff\xff",
            Value::Null,
        ),
        bad("msgpack: trailing bytes", &with(b"\x01\x00"), json!(7)),
        bad(
            "msgpack: a number as key",
            b"\x82\xa2id\x07\x01\x02",
            json!(7),
        ),
        bad(
            "msgpack: a text that is not utf-8",
            &with(b"\xa1\xff"),
            json!(7),
        ),
        bad("msgpack: nested too deep", &deep.concat(), json!(7)),
        field("msgpack: bytes where a text belongs", &with(b"\xc4\x011")),
        field(
            "msgpack: an extension where a text belongs",
            &with(b"\xd4\x01\x00"),
        ),
        field("msgpack: a negative number", &with(b"\xff")),
        field(
            "msgpack: a number with a fraction",
            &with(b"\xcb\x3f\xf8\0\0\0\0\0\0"),
        ),
    ]
}

fn bad(name: &'static str, text: &str) -> Case {
    json_case(name, text, ErrorCode::BadField, json!(7))
}

fn bad_fields() -> Vec<Case> {
    let mut cases = bad_rooms_and_texts();
    cases.extend(bad_positions_and_tokens());
    cases.extend(bad_ids_and_types());
    cases
}

fn bad_rooms_and_texts() -> Vec<Case> {
    let room = "r_000102030405060708090a0b0c0d0e0f";
    vec![
        bad("no type", r#"{"id":7}"#),
        bad("a type that is a number", r#"{"type":3,"id":7}"#),
        bad("no room", r#"{"type":"join","id":7}"#),
        bad("a null room", r#"{"type":"leave","room":null,"id":7}"#),
        bad(
            "a room that is an object",
            r#"{"type":"presence","room":{"a":[1]},"id":7}"#,
        ),
        bad(
            "a room id in capitals",
            &format!(
                r#"{{"type":"join","room":"{}","id":7}}"#,
                room.to_uppercase()
            ),
        ),
        bad("a negative room", r#"{"type":"join","room":-1,"id":7}"#),
        bad(
            "a text that is a number",
            r#"{"type":"post_message","room":1,"text":5,"id":7}"#,
        ),
        bad("no text", r#"{"type":"post_message","room":1,"id":7}"#),
        bad(
            "a cid of version 4",
            r#"{"type":"post_message","room":1,"text":"a","id":7,
                "cid":"c56a4180-65aa-42ec-a945-5fd21dec0538"}"#,
        ),
    ]
}

fn bad_positions_and_tokens() -> Vec<Case> {
    let long_token = format!(
        r#"{{"type":"refresh","token":"{}","id":7}}"#,
        "x".repeat(8_193)
    );
    vec![
        bad("no seq", r#"{"type":"mark_read","room":1,"id":7}"#),
        bad(
            "a seq with a fraction",
            r#"{"type":"mark_read","room":1,"seq":1.5,"id":7}"#,
        ),
        bad(
            "active as text",
            r#"{"type":"typing","room":1,"active":"yes","id":7}"#,
        ),
        bad(
            "both ends of a page",
            r#"{"type":"history","room":1,"before_seq":9,"after_seq":1,"id":7}"#,
        ),
        bad(
            "a limit of nothing",
            r#"{"type":"history","room":1,"limit":0,"id":7}"#,
        ),
        bad(
            "a limit beyond 32 bits",
            r#"{"type":"history","room":1,"limit":4294967296,"id":7}"#,
        ),
        bad(
            "since without history_id",
            r#"{"type":"join","room":1,"since":{"seq":1},"id":7}"#,
        ),
        bad(
            "resume of a bad room",
            r#"{"type":"connect","resume":{"x":{"history_id":"0123456789abcdef","seq":1}},"id":7}"#,
        ),
        bad("no token to refresh", r#"{"type":"refresh","id":7}"#),
        bad("a token too long", &long_token),
    ]
}

fn bad_ids_and_types() -> Vec<Case> {
    let long_ref = format!(
        r#"{{"id":"{}","type":"presence","room":1}}"#,
        "x".repeat(65)
    );
    let no_id = |name, text: &str| json_case(name, text, ErrorCode::BadField, Value::Null);
    vec![
        no_id("an id too long", &long_ref),
        no_id(
            "an id that is a list",
            r#"{"id":[1],"type":"presence","room":1}"#,
        ),
        json_case(
            "an unknown type",
            r#"{"type":"dance","id":"a"}"#,
            ErrorCode::UnknownType,
            json!("a"),
        ),
    ]
}
