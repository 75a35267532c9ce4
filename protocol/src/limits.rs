//! Every limit of the wire: name, unit, and why it is what it is. Limits that an operator may set
//! live in the server's configuration; these are the ceilings of the protocol itself.

/// Company id, bytes: what the existing systems allow.
pub const COMPANY_ID_BYTES_MAX: usize = 64;
/// A widget's name for a chat, bytes: what the existing systems allow.
pub const CHAT_ID_BYTES_MAX: usize = 100;
/// Why a person is wanted, and what is written down at the end, characters each.
pub const HANDOFF_TEXT_CHARS_MAX: usize = 500;
/// Person id, bytes: holds a UUID, an e-mail address or a host's own key.
pub const PERSON_ID_BYTES_MAX: usize = 128;
/// Last seq of a room: 20 bits of a message number (see [`crate::MessageNo`]).
pub const ROOM_SEQ_MAX: u64 = (1 << 20) - 1;
/// Text of one message, characters: a page of prose; longer things are files.
pub const TEXT_CHARS_MAX: usize = 10_000;
/// Structured part of one message, bytes of JSON: cards and buttons, not documents.
pub const RICH_BYTES_MAX: usize = 16 * 1024;
/// Nesting of a frame, levels: deeper is never a chat message and recursion costs stack.
pub const NESTING_DEPTH_MAX: usize = 32;
/// One data message from a client, bytes, fragments joined: four times the longest text in UTF-8,
/// with room for escapes. More is skipped without being kept.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Fragments of one message: a client has no reason to split 256 KiB further.
pub const CLIENT_FRAGMENT_COUNT_MAX: u32 = 1_024;
/// Payload of a control frame, bytes: RFC 6455 section 5.5.
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;
/// Close reason, bytes: a control frame less its code.
pub const CLOSE_REASON_BYTES_MAX: usize = 123;
/// `id` of a native frame when it is a text, bytes.
pub const FRAME_REF_BYTES_MAX: usize = 64;
/// Events in one page of history: a screen or three.
pub const PAGE_EVENT_COUNT_MAX: u32 = 100;
/// Events in a page when the client names no limit.
pub const PAGE_EVENT_COUNT_DEFAULT: u32 = 50;
/// Rooms one connection may have joined: an agent's busiest day with a margin.
pub const CONNECTION_ROOM_COUNT_MAX: usize = 256;
/// Participants named when a room is opened: bounds one journal record.
pub const OPEN_PARTICIPANT_COUNT_MAX: usize = 256;
/// Title of a room, characters: one line.
pub const TITLE_CHARS_MAX: usize = 255;
/// Name of a file, characters: what the existing systems keep.
pub const FILE_NAME_CHARS_MAX: usize = 255;
/// What a client says of an upload in its own form, bytes: a name in base64 and a few more words.
pub const UPLOAD_METADATA_BYTES_MAX: usize = 4 * 1024;
/// Parts of one upload: more than clients send at once. Their addresses come in one header.
pub const UPLOAD_PART_COUNT_MAX: usize = 100;
/// Bytes of a file in one frame of a socket, at most: larger ones gain nothing, and chat waits
/// behind each.
pub const FILE_CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a file in one frame that a client may always send: smaller ones cost more than they
/// carry.
pub const FILE_CHUNK_BYTES_MIN: usize = 4 * 1024;
/// What stands before the bytes of a file in a frame, bytes.
pub const FILE_FRAME_HEADER_BYTES: usize = 16;
/// Uploads that one connection sends at once: more do not make a link faster.
pub const CONNECTION_STREAM_COUNT_MAX: usize = 8;
/// Files sent with one message: a screen of pictures.
pub const MESSAGE_FILE_COUNT_MAX: usize = 10;
/// Prompts of a company: two screens of buttons.
pub const PROMPT_COUNT_MAX: usize = 100;
/// Text of a prompt, characters: what the shortest of the clients' own limits lets through.
pub const PROMPT_CHARS_MAX: usize = 1_000;
/// Name, e-mail and the like on a person's card, bytes each.
pub const CARD_FIELD_BYTES_MAX: usize = 512;
/// Idempotency: how long a repeated cid is answered with its first outcome, milliseconds (24 h).
pub const CID_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Token in a first frame, subprotocol or query, bytes: RSA-signed tokens with claims fit.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Name, telephone number and the like of an account or a company, characters each.
pub const STAFF_TEXT_CHARS_MAX: usize = 255;
/// E-mail address, bytes: what RFC 5321 lets through.
pub const EMAIL_BYTES_MAX: usize = 254;
/// How long a login name is kept for an account that is about to be made, milliseconds (10 min):
/// many times what making one takes.
pub const NAME_RESERVED_MS: u64 = 10 * 60 * 1_000;
/// Logins of one account at a time: further ones end the oldest.
pub const FAMILY_COUNT_MAX: usize = 32;
/// Accounts of one company, those that were taken away among them: 20 bits of their numbers.
pub const ACCOUNT_COUNT_MAX: u64 = (1 << 20) - 1;
/// Companies of one installation: the other 33 bits.
pub const COMPANY_COUNT_MAX: u64 = (1 << 33) - 1;
/// Origins of one company: its sites, their stages and a few partners.
pub const ORIGIN_COUNT_MAX: usize = 50;
/// One origin, bytes: a host name of 253 with its scheme and port.
pub const ORIGIN_BYTES_MAX: usize = 267;
/// Language tag, bytes: RFC 5646 asks for room for 35.
pub const LANGUAGE_BYTES_MAX: usize = 35;
/// Types of files that a company names: more than there are kinds of documents.
pub const FILE_TYPE_COUNT_MAX: usize = 100;
/// A MIME type, bytes: RFC 6838 allows 127 on either side; none in use comes near.
pub const FILE_TYPE_BYTES_MAX: usize = 127;
/// Keys of a company's host at a time: one in use, one to come, and some that are forgotten.
pub const HOST_KEY_COUNT_MAX: usize = 8;
/// Id of a host's key, bytes: it stands in the header of every token.
pub const HOST_KEY_ID_BYTES_MAX: usize = 64;
/// A secret that a host signs with, bytes at least: whoever sees one token may try shorter ones.
pub const SHARED_SECRET_BYTES_MIN: usize = 16;
/// A secret that a host signs with, bytes at most: HMAC makes no use of more than 64.
pub const SHARED_SECRET_BYTES_MAX: usize = 512;
/// Days that a resolved chat may be kept, at most: ten years.
pub const RETENTION_DAYS_MAX: u32 = 3_650;
