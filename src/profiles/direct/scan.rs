//! A `file_message` that is too large to be held, read as it comes: a flat JSON object whose `file`
//! is decoded piece by piece, and whose few other texts are kept.
//!
//! Invariants: what is held is a few short texts and the bytes that were decoded since they were
//! taken last, whatever comes; the pieces in which a text comes never change what is read.
//! Never: decides what becomes of a file.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A key of these frames, bytes as written.
const KEY_BYTES_MAX: usize = 64;
/// A text of these frames, bytes as written: the longest text of a message, all of it escaped.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Levels of what is skipped.
const DEPTH_MAX: usize = 32;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is no JSON object.
    NoJson,
    /// A text is too long.
    LongText,
    /// The file is not base64.
    NoBase64,
}

/// Which of a frame's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Kind,
    Name,
    Message,
    File,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Before a key; the first may be missing.
    Key {
        is_first: bool,
    },
    InKey,
    Colon,
    Value,
    InText,
    /// A number, `true` and the like.
    InWord,
    /// Within brackets that mean nothing here.
    Skipped {
        depth: usize,
        is_text: bool,
    },
    Comma,
    End,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    place: Place,
    is_escaped: bool,
    /// A key or text as it is written so far.
    raw: Vec<u8>,
    /// Base64 that is not decoded yet: less than two groups of four.
    rest: Vec<u8>,
    decoded: Vec<u8>,
    flaw: Option<Flaw>,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) message: String,
    /// Whether there is anything in `file`.
    pub(super) has_file: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Start,
            place: Place::Other,
            is_escaped: false,
            raw: Vec::new(),
            rest: Vec::new(),
            decoded: Vec::new(),
            flaw: None,
            kind: String::new(),
            name: String::new(),
            message: String::new(),
            has_file: false,
        }
    }
}

impl Scanner {
    /// Reads a piece.
    pub(super) fn feed(&mut self, mut piece: &[u8]) {
        while self.flaw != Some(Flaw::NoJson) && !piece.is_empty() {
            let used = match self.state {
                State::InText if self.place == Place::File && !self.is_escaped => {
                    self.take_file(piece)
                }
                _ => 0,
            };
            if used > 0 {
                piece = &piece[used..];
                continue;
            }
            self.step(piece[0]);
            piece = &piece[1..];
        }
    }

    /// What was decoded since it was taken last.
    pub(super) fn take_decoded(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.decoded)
    }

    /// How much that is.
    pub(super) fn decoded_bytes(&self) -> usize {
        self.decoded.len()
    }

    /// What is wrong with what came, once all of it did.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        let is_whole = self.state == State::End;
        self.flaw.or((!is_whole).then_some(Flaw::NoJson))
    }

    fn wrong(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
        if flaw == Flaw::NoJson {
            self.flaw = Some(flaw);
        }
    }

    /// Takes what is base64 at the start of a piece; how much that is.
    fn take_file(&mut self, piece: &[u8]) -> usize {
        let end = piece.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let run = &piece[..end.unwrap_or(piece.len())];
        self.take_base64(run);
        run.len()
    }

    fn take_base64(&mut self, run: &[u8]) {
        self.has_file |= !run.is_empty();
        self.rest.extend_from_slice(run);
        // The last group may be padded: it waits for what comes.
        let groups = self.rest.len().saturating_sub(1) / 4;
        let rest = self.rest.split_off(groups * 4);
        let whole = std::mem::replace(&mut self.rest, rest);
        // Something follows these: only the last group is padded.
        if whole.contains(&b'=') {
            return self.wrong(Flaw::NoBase64);
        }
        self.decode(&whole);
    }

    fn decode(&mut self, text: &[u8]) {
        if self.flaw.is_some() || text.is_empty() {
            return;
        }
        if BASE64.decode_vec(text, &mut self.decoded).is_err() {
            self.wrong(Flaw::NoBase64);
        }
    }

    fn step(&mut self, byte: u8) {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match self.state {
            State::InKey | State::InText => self.in_text(byte),
            State::Skipped { depth, is_text } => self.in_skipped(byte, depth, is_text),
            _ if is_space && self.state != State::InWord => {}
            State::Start if byte == b'{' => self.state = State::Key { is_first: true },
            State::Key { .. } if byte == b'"' => self.begin(State::InKey),
            State::Key { is_first: true } if byte == b'}' => self.state = State::End,
            State::Colon if byte == b':' => self.state = State::Value,
            State::Value => self.begin_value(byte),
            State::InWord if is_space => self.state = State::Comma,
            State::InWord | State::Comma if byte == b',' => {
                self.state = State::Key { is_first: false };
            }
            State::InWord | State::Comma if byte == b'}' => self.state = State::End,
            State::InWord if is_of_word(byte) => {}
            _ => self.wrong(Flaw::NoJson),
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.raw.clear();
        self.is_escaped = false;
    }

    fn begin_value(&mut self, byte: u8) {
        match byte {
            b'"' => self.begin(State::InText),
            b'{' | b'[' => {
                self.state = State::Skipped {
                    depth: 1,
                    is_text: false,
                }
            }
            byte if is_of_word(byte) => self.state = State::InWord,
            _ => self.wrong(Flaw::NoJson),
        }
    }

    fn in_text(&mut self, byte: u8) {
        if self.is_escaped {
            self.is_escaped = false;
            return self.escaped(byte);
        }
        match byte {
            b'\\' => self.is_escaped = true,
            b'"' => self.end_text(),
            0..0x20 => self.wrong(Flaw::NoJson),
            byte => self.keep(&[byte]),
        }
    }

    /// Base64 has a slash that some writers escape, and lines that others end.
    fn escaped(&mut self, byte: u8) {
        let is_file = self.state == State::InText && self.place == Place::File;
        match byte {
            b'/' if is_file => self.take_base64(b"/"),
            b'n' | b'r' if is_file => {}
            _ if is_file => self.wrong(Flaw::NoBase64),
            byte => self.keep(&[b'\\', byte]),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let limit = match self.state {
            State::InKey => KEY_BYTES_MAX,
            _ if self.place == Place::Other => 0,
            _ => TEXT_BYTES_MAX,
        };
        if self.raw.len() + bytes.len() <= limit {
            self.raw.extend_from_slice(bytes);
        } else if self.state == State::InText && self.place != Place::Other {
            self.wrong(Flaw::LongText);
        } else if self.state == State::InKey {
            // Longer than all that are known: it is none of them.
            self.raw.truncate(0);
            self.raw.extend_from_slice(b"?");
        }
    }

    fn end_text(&mut self) {
        if self.state == State::InText && self.place == Place::File {
            let rest = std::mem::take(&mut self.rest);
            self.decode(&rest);
            self.state = State::Comma;
            return;
        }
        let quoted = [b"\"", &*self.raw, b"\""].concat();
        let Ok(text) = serde_json::from_slice::<String>(&quoted) else {
            return self.wrong(Flaw::NoJson);
        };
        if self.state == State::InKey {
            self.place = match &*text {
                "type" => Place::Kind,
                "filename" => Place::Name,
                "message" | "content" | "text" => Place::Message,
                "file" => Place::File,
                _ => Place::Other,
            };
            self.state = State::Colon;
            return;
        }
        match self.place {
            Place::Kind => self.kind = text,
            Place::Name => self.name = text,
            Place::Message => self.message = text,
            Place::File | Place::Other => {}
        }
        self.state = State::Comma;
    }

    fn in_skipped(&mut self, byte: u8, depth: usize, is_text: bool) {
        if is_text {
            match byte {
                _ if std::mem::take(&mut self.is_escaped) => {}
                b'\\' => self.is_escaped = true,
                b'"' => {
                    self.state = State::Skipped {
                        depth,
                        is_text: false,
                    }
                }
                _ => {}
            }
            return;
        }
        self.state = match byte {
            b'"' => State::Skipped {
                depth,
                is_text: true,
            },
            b'{' | b'[' if depth < DEPTH_MAX => State::Skipped {
                depth: depth + 1,
                is_text,
            },
            b'{' | b'[' => return self.wrong(Flaw::NoJson),
            b'}' | b']' if depth == 1 => State::Comma,
            b'}' | b']' => State::Skipped {
                depth: depth - 1,
                is_text,
            },
            _ => return,
        };
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;
    use serde_json::json;

    use super::*;

    /// What is read of a text in pieces of so many bytes.
    fn scanned(text: &str, step: usize) -> (Scanner, Vec<u8>) {
        let mut scanner = Scanner::default();
        let mut bytes = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            scanner.feed(piece);
            bytes.extend(scanner.take_decoded());
        }
        (scanner, bytes)
    }

    #[test]
    fn the_pieces_in_which_a_frame_comes_change_nothing() {
        for length in [0_usize, 1, 2, 3, 4, 5, 100, 3_000] {
            let file: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            let text = general_purpose::STANDARD.encode(&file);
            let frame = json!({"type": "file_message", "filename": "a \"b\" \u{e9}.pdf",
                "file": text, "message": "Hello\n", "more": {"x": [1, "}\"", null]}, "n": -1.5});
            for frame in [frame.to_string(), format!("{frame:#}").replace('/', "\\/")] {
                for step in [1, 2, 3, 7, 4_096] {
                    let (scanner, bytes) = scanned(&frame, step);
                    assert_eq!(scanner.flaw(), None, "{frame}");
                    assert_eq!(scanner.kind, "file_message");
                    assert_eq!(scanner.name, "a \"b\" \u{e9}.pdf");
                    assert_eq!(scanner.message, "Hello\n");
                    assert_eq!(bytes, file);
                    assert_eq!(scanner.has_file, length > 0);
                }
            }
        }
    }

    #[test]
    fn what_is_no_such_frame_is_told_apart() {
        let long = format!("{{\"filename\":\"{}\"}}", "x".repeat(TEXT_BYTES_MAX + 1));
        let deep = format!("{{\"x\":{}", "[".repeat(DEPTH_MAX + 1));
        for (frame, flaw) in [
            ("", Flaw::NoJson),
            ("[]", Flaw::NoJson),
            ("{\"file\":\"QUFB\"", Flaw::NoJson),
            ("{\"file\" \"QUFB\"}", Flaw::NoJson),
            ("{\"type\":\"\\x\"}", Flaw::NoJson),
            ("{} x", Flaw::NoJson),
            ("{,}", Flaw::NoJson),
            ("{\"file\":\"QUFB\"},", Flaw::NoJson),
            (&*deep, Flaw::NoJson),
            ("{\"file\":\"Q\"}", Flaw::NoBase64),
            ("{\"file\":\"QQ==QUFB\"}", Flaw::NoBase64),
            ("{\"file\":\"QU FB\"}", Flaw::NoBase64),
            ("{\"file\":\"\\u0041\"}", Flaw::NoBase64),
            (&*long, Flaw::LongText),
        ] {
            for step in [1, 1_000_000] {
                let (scanner, _) = scanned(frame, step);
                assert_eq!(scanner.flaw(), Some(flaw), "{:.60}", frame);
            }
        }
        for frame in ["{}", " {\"a\" : 1 , \"file\":null}\n", "{\"file\":\"QQ\"}"] {
            assert_eq!(scanned(frame, 1).0.flaw(), None, "{frame}");
        }
    }

    #[test]
    fn nothing_is_held_of_what_means_nothing() {
        let frame = format!("{{\"other\":\"{}\",\"file\":\"", "x".repeat(1_000_000));
        let (mut scanner, _) = scanned(&frame, 64 * 1024);
        scanner.feed("QUFB".repeat(16 * 1024).as_bytes());
        assert!(scanner.decoded_bytes() <= 48 * 1024);
        let held = scanner.raw.capacity() + scanner.rest.len();
        assert!(held < 1_024, "{held}");
    }
}
