//! Identifiers and positions as newtypes, so that a seq is never passed for a pos nor a person for
//! a company. Each knows its own syntax: what does not parse here is never looked up.
//!
//! Never: makes an id by itself. Randomness and time come in as parameters.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits;

/// Why a text is not the id it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: {why}")]
pub struct BadId {
    /// The kind of id that was expected.
    pub what: &'static str,
    /// The rule that the text breaks.
    pub why: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the syntax and makes the id.
            pub fn new(text: &str) -> Result<Self, BadId> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(text).map_err(|why| BadId { what: $what, why })?;
                Ok(Self(Arc::from(text)))
            }

            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A customer organisation, for example `TES001`: 1 to 64 of `A-Z a-z 0-9 _`.
    CompanyId,
    "company id",
    |text| {
        if text.is_empty() || text.len() > limits::COMPANY_ID_BYTES_MAX {
            return Err("1 to 64 characters");
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("only letters, digits and underscores");
        }
        Ok(())
    }
);

text_id!(
    /// Someone a company knows. Hosts write it as number or text; both become this text, so `5` and
    /// `"5"` are one person. 1 to 128 bytes without control characters.
    PersonId,
    "person id",
    |text| {
        if text.is_empty() || text.len() > limits::PERSON_ID_BYTES_MAX {
            return Err("1 to 128 bytes");
        }
        if text.chars().any(char::is_control) {
            return Err("no control characters");
        }
        Ok(())
    }
);

text_id!(
    /// A widget's name for a visitor's chat: 1 to 100 of `A-Z a-z 0-9 _ -`.
    ChatId,
    "session id",
    |text| {
        if text.is_empty() || text.len() > limits::CHAT_ID_BYTES_MAX {
            return Err("1 to 100 characters");
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !text.bytes().all(is_plain) {
            return Err("only letters, digits, underscores and hyphens");
        }
        Ok(())
    }
);

/// What ids of bots begin with; no token speaks for such a person.
const BOT_PREFIX: &str = "bot:";
/// What ids of people with an account begin with; only tokens of ours speak for them.
const ACCOUNT_PREFIX: &str = "agent:";
/// What ids of visitors who came without a host begin with; only tokens of ours speak for them.
const VISITOR_PREFIX: &str = "visitor:";

/// The company of the installation itself: of those who run it, and of what all companies share.
const INSTALLATION: &str = "__frontdesk";

impl CompanyId {
    /// The installation itself. No host's token speaks for it.
    pub fn installation() -> Self {
        Self(Arc::from(INSTALLATION))
    }

    /// Whether this is the installation itself.
    pub fn is_installation(&self) -> bool {
        self.as_str() == INSTALLATION
    }
}

impl PersonId {
    /// The id of a bot by its name, for example `bot:echo`.
    pub fn bot(name: &str) -> Result<Self, BadId> {
        Self::new(&format!("{BOT_PREFIX}{name}"))
    }

    /// The id of a visitor who came without a host.
    pub fn visitor(random: &str) -> Result<Self, BadId> {
        Self::new(&format!("{VISITOR_PREFIX}{random}"))
    }

    /// The installation itself, where nobody in particular acts.
    pub fn installation() -> Self {
        Self(Arc::from(INSTALLATION))
    }

    /// The id of somebody who has an account.
    pub fn of_account(account: AccountNo) -> Self {
        Self(Arc::from(format!("{ACCOUNT_PREFIX}{account}")))
    }

    /// The account of somebody who has one.
    pub fn account(&self) -> Option<AccountNo> {
        let digits = self.as_str().strip_prefix(ACCOUNT_PREFIX)?;
        let is_canonical =
            !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
        let no = digits.parse().ok().filter(|_| is_canonical)?;
        Some(AccountNo(no))
    }

    /// Whether hosts have no say about this person: one with an account, or a visitor of ours.
    pub fn is_ours(&self) -> bool {
        let ours = [ACCOUNT_PREFIX, VISITOR_PREFIX];
        ours.iter().any(|prefix| self.as_str().starts_with(prefix))
    }

    /// Whether this is a visitor who came without a host.
    pub fn is_visitor(&self) -> bool {
        self.as_str().starts_with(VISITOR_PREFIX)
    }

    /// Whether this is a bot's id.
    pub fn is_bot(&self) -> bool {
        self.as_str().starts_with(BOT_PREFIX)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after this.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Position of an event shown in a room: gapless, the first is 1. `Seq(0)` is "before all".
    Seq
);
number!(
    /// Position of a record in an entity's journal; the compare-and-swap value. Never on the wire.
    Pos
);
number!(
    /// Ownership term of an entity. On one machine `boot_count * 2^32 + activation`.
    Epoch
);
number!(
    /// Number of a conversation within its company, counted from 1.
    ConversationNo
);
number!(
    /// Number of a file within its company, counted from 1.
    FileNo
);
number!(
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp
);
number!(
    /// Number of an account in its installation: `company_no * 2^20 + n`, 53 bits, so that a
    /// JavaScript number holds it. The installation's own accounts are those of company 0.
    AccountNo
);

impl AccountNo {
    /// Joins a company's number and the account's within it, counted from 1; `None` when either is
    /// out of its bits.
    pub fn of(company_no: u64, number: u64) -> Option<Self> {
        let fits = company_no <= limits::COMPANY_COUNT_MAX && number <= limits::ACCOUNT_COUNT_MAX;
        (fits && number > 0).then_some(Self(company_no << 20 | number))
    }

    /// The company's number in the installation.
    pub fn company_no(self) -> u64 {
        self.0 >> 20
    }

    /// The account's number within its company.
    pub fn number(self) -> u64 {
        self.0 & limits::ACCOUNT_COUNT_MAX
    }
}

/// Integer name of a message for clients that want one: `conversation_no * 2^20 + seq`, 53 bits, so
/// that a JavaScript number holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageNo(pub u64);

impl MessageNo {
    /// Joins conversation and seq; `None` when either is out of its bits.
    pub fn new(conversation: ConversationNo, seq: Seq) -> Option<Self> {
        (conversation.0 < 1 << 33 && seq.0 <= limits::ROOM_SEQ_MAX)
            .then_some(Self(conversation.0 << 20 | seq.0))
    }

    /// The conversation and the seq that make this number.
    pub fn parts(self) -> (ConversationNo, Seq) {
        (
            ConversationNo(self.0 >> 20),
            Seq(self.0 & limits::ROOM_SEQ_MAX),
        )
    }
}

/// The longest text of 128 bits as an id, bytes: a hyphenated UUID.
const ID_TEXT_BYTES: usize = 36;

macro_rules! bits_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its 128 bits.
            pub const fn from_bits(bits: [u8; 16]) -> Self {
                Self(bits)
            }

            /// Its 128 bits, big-endian.
            pub const fn bits(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.write(&mut [0; ID_TEXT_BYTES]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

bits_id!(
    /// A room, made by the server: `r_` and 32 hexadecimal digits. Never all digits, so that it is
    /// never taken for a conversation number.
    RoomId
);
bits_id!(
    /// An upload, made by the server: `u_` and 32 hexadecimal digits, 122 bits of them random, so
    /// that nobody guesses one.
    UploadId
);
bits_id!(
    /// A client's own name for a command, so that sending it twice does it once. A UUIDv7 carries
    /// its time; a UUIDv8 is made from an `Idempotency-Key` and carries none.
    Cid
);

macro_rules! prefixed_id {
    ($name:ident, $prefix:literal, $what:literal, $why:literal) => {
        impl $name {
            /// Writes the text without the heap: every pushed frame names its room.
            fn write<'a>(&self, buffer: &'a mut [u8; ID_TEXT_BYTES]) -> &'a str {
                buffer[..2].copy_from_slice($prefix);
                let digits = uuid::Uuid::from_bytes(self.0).simple();
                let length = 2 + digits.encode_lower(&mut buffer[2..]).len();
                std::str::from_utf8(&buffer[..length]).expect("hexadecimal digits are ascii")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.write(&mut [0; ID_TEXT_BYTES]))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let digits = text.as_bytes().strip_prefix($prefix);
                let bits = digits.and_then(lower_hex_bits).ok_or(BadId {
                    what: $what,
                    why: $why,
                })?;
                Ok(Self(bits))
            }
        }
    };
}

prefixed_id!(
    RoomId,
    b"r_",
    "room id",
    "r_ and 32 lower-case hexadecimal digits"
);
prefixed_id!(
    UploadId,
    b"u_",
    "upload id",
    "u_ and 32 lower-case hexadecimal digits"
);

/// 128 bits of 32 digits, each written in the one way there is.
fn lower_hex_bits(digits: &[u8]) -> Option<[u8; 16]> {
    let is_lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let text = std::str::from_utf8(digits).ok()?;
    let bits = u128::from_str_radix(text, 16).ok()?;
    (digits.len() == 32 && digits.iter().all(is_lower)).then_some(bits.to_be_bytes())
}

impl Cid {
    /// Writes the text without the heap: every pushed message names its cid.
    fn write<'a>(&self, buffer: &'a mut [u8; ID_TEXT_BYTES]) -> &'a str {
        let hyphenated = uuid::Uuid::from_bytes(self.0).hyphenated();
        hyphenated.encode_lower(buffer)
    }

    /// The time a UUIDv7 carries; `None` for a UUIDv8.
    pub fn time(&self) -> Option<Timestamp> {
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&self.0[..6]);
        (self.0[6] >> 4 == 7).then(|| Timestamp(u64::from_be_bytes(millis)))
    }

    /// A UUIDv8 of 122 bits of a digest, for clients whose key is a text of their own.
    pub fn from_digest(digest: [u8; 16]) -> Self {
        Self(
            uuid::Builder::from_custom_bytes(digest)
                .into_uuid()
                .into_bytes(),
        )
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; ID_TEXT_BYTES]))
    }
}

impl FromStr for Cid {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId {
            what: "cid",
            why: "a UUID of version 7",
        };
        let uuid = uuid::Uuid::try_parse(text).map_err(|_| bad.clone())?;
        match uuid.get_version_num() {
            7 | 8 => Ok(Self(uuid.into_bytes())),
            _ => Err(bad),
        }
    }
}

/// Names a room's log; a client that resumes with another one starts over. 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryId(pub u64);

impl fmt::Display for HistoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for HistoryId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId {
            what: "history id",
            why: "16 hexadecimal digits",
        };
        if text.len() != 16 {
            return Err(bad);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| bad)
    }
}

impl Serialize for HistoryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HistoryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
