//! docs/PROTOCOL.md says what the tables and limits of this crate say.

use frontdesk_protocol::close::CloseCode;
use frontdesk_protocol::error::ErrorCode;
use frontdesk_protocol::limits;
use frontdesk_protocol::native::{ClientRequest, EphemeralKind, EventKind, Push, ResetReason};

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROTOCOL.md");
    std::fs::read_to_string(path).unwrap()
}

/// The cells of each row of the page's tables.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| row.split(" | ").collect()).collect()
}

#[test]
fn every_error_code_is_documented_with_its_retry() {
    let document = document();
    let rows = rows(&document);
    for code in ErrorCode::ALL {
        let name = format!("`{code}`");
        let row = rows.iter().find(|row| row[0] == name);
        let retry = serde_json::to_value(code.retry()).unwrap();
        assert_eq!(row.map(|row| row[1]), retry.as_str(), "{code}");
    }
}

#[test]
fn every_close_code_is_documented_with_its_reconnect() {
    let document = document();
    let rows = rows(&document);
    for code in CloseCode::ALL {
        let number = code.number().to_string();
        let row = rows.iter().find(|row| row[0] == number);
        let reconnect = if code.reconnect() { "yes" } else { "no" };
        assert_eq!(row.map(|row| row[1]), Some(reconnect), "{number}");
    }
}

#[test]
fn every_kind_of_frame_is_documented() {
    let document = document();
    for kind in ClientRequest::KINDS {
        assert!(document.contains(&format!("\n### {kind}\n")), "{kind}");
    }
    for kind in [Push::KINDS, EventKind::KINDS, EphemeralKind::KINDS].concat() {
        assert!(document.contains(&format!("\n| `{kind}` | ")), "{kind}");
    }
}

#[test]
fn every_reason_for_a_reset_is_documented() {
    let document = document();
    for reason in ResetReason::ALL {
        let shown = serde_json::to_value(reason).unwrap();
        assert_eq!(shown, reason.as_str());
        let row = format!("\n| `{}` | ", reason.as_str());
        assert!(document.contains(&row), "{}", reason.as_str());
    }
}

/// Name and value of every limit, as they stand in the source.
macro_rules! limits {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), limits::$name as u64)),*]
    };
}

#[test]
fn every_limit_is_documented_with_its_value() {
    let known = limits![
        COMPANY_ID_BYTES_MAX,
        CHAT_ID_BYTES_MAX,
        HANDOFF_TEXT_CHARS_MAX,
        PERSON_ID_BYTES_MAX,
        ROOM_SEQ_MAX,
        TEXT_CHARS_MAX,
        RICH_BYTES_MAX,
        NESTING_DEPTH_MAX,
        CLIENT_MESSAGE_BYTES_MAX,
        CLIENT_FRAGMENT_COUNT_MAX,
        CONTROL_PAYLOAD_BYTES_MAX,
        CLOSE_REASON_BYTES_MAX,
        FRAME_REF_BYTES_MAX,
        PAGE_EVENT_COUNT_MAX,
        PAGE_EVENT_COUNT_DEFAULT,
        CONNECTION_ROOM_COUNT_MAX,
        OPEN_PARTICIPANT_COUNT_MAX,
        TITLE_CHARS_MAX,
        FILE_NAME_CHARS_MAX,
        FILE_CHUNK_BYTES_MAX,
        FILE_CHUNK_BYTES_MIN,
        FILE_FRAME_HEADER_BYTES,
        CONNECTION_STREAM_COUNT_MAX,
        MESSAGE_FILE_COUNT_MAX,
        UPLOAD_METADATA_BYTES_MAX,
        UPLOAD_PART_COUNT_MAX,
        PROMPT_COUNT_MAX,
        PROMPT_CHARS_MAX,
        CARD_FIELD_BYTES_MAX,
        CID_KEPT_MS,
        TOKEN_BYTES_MAX,
        STAFF_TEXT_CHARS_MAX,
        EMAIL_BYTES_MAX,
        NAME_RESERVED_MS,
        FAMILY_COUNT_MAX,
        ACCOUNT_COUNT_MAX,
        COMPANY_COUNT_MAX,
        ORIGIN_COUNT_MAX,
        ORIGIN_BYTES_MAX,
        LANGUAGE_BYTES_MAX,
        FILE_TYPE_COUNT_MAX,
        FILE_TYPE_BYTES_MAX,
        HOST_KEY_COUNT_MAX,
        HOST_KEY_ID_BYTES_MAX,
        SHARED_SECRET_BYTES_MIN,
        SHARED_SECRET_BYTES_MAX,
        RETENTION_DAYS_MAX,
    ];
    let source = include_str!("../../src/limits.rs");
    assert_eq!(
        source.matches("pub const ").count(),
        known.len(),
        "a limit is not listed here"
    );
    let document = document();
    let rows = rows(&document);
    for (name, value) in known {
        let cell = format!("`{name}` |");
        let row = rows.iter().find(|row| row.len() == 3 && row[2] == cell);
        let shown: String = row.map_or(String::new(), |row| {
            let digits = row[1]
                .chars()
                .take_while(|char| char.is_ascii_digit() || *char == ',');
            digits.filter(char::is_ascii_digit).collect()
        });
        assert_eq!(shown, value.to_string(), "{name}");
    }
}
