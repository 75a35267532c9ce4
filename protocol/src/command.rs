//! What is asked of an entity, in the imperative, after a profile or the native codec has parsed a
//! client's frame. Commands are serialisable: between nodes they travel as bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chat::{ChatOpening, FormAnswers, Priority};
use crate::file::StoredFile;
use crate::ids::{CompanyId, ConversationNo, FileNo, PersonId, RoomId, Seq, Timestamp, UploadId};
use crate::settings::SettingsChange;

/// What a person may do, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An end customer.
    #[default]
    Visitor,
    /// A support person.
    Agent,
    /// Runs a company.
    Admin,
    /// Runs the installation.
    Superadmin,
    /// A program that answers.
    Bot,
}

impl Role {
    /// The name on the wire and in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Visitor => "visitor",
            Role::Agent => "agent",
            Role::Admin => "admin",
            Role::Superadmin => "superadmin",
            Role::Bot => "bot",
        }
    }

    /// Reads a role in any case; existing hosts write `AGENT`.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Role::Visitor,
            Role::Agent,
            Role::Admin,
            Role::Superadmin,
            Role::Bot,
        ]
        .into_iter()
        .find(|role| role.as_str().eq_ignore_ascii_case(text))
    }
}

/// What is known of a person; absent fields are unknown, not empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Card {
    /// Full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Arc<str>>,
    /// The host's own kind of user, passed through (`talker`, `organization`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_type: Option<Arc<str>>,
    /// Link to a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_url: Option<Arc<str>>,
}

impl Card {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This card with gaps filled from an older one.
    #[must_use]
    pub fn or(&self, older: &Card) -> Card {
        Card {
            name: self.name.clone().or_else(|| older.name.clone()),
            email: self.email.clone().or_else(|| older.email.clone()),
            user_type: self.user_type.clone().or_else(|| older.user_type.clone()),
            picture_url: self
                .picture_url
                .clone()
                .or_else(|| older.picture_url.clone()),
        }
    }
}

/// Who asks: proven by a token, fixed for the life of a connection. Cheap to share behind an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The company the token speaks for.
    pub company: CompanyId,
    /// The person.
    pub person: PersonId,
    /// What the person may do.
    pub role: Role,
    /// What the token or the company knows of the person.
    pub card: Card,
}

impl Principal {
    /// The installation itself, for what is done at start and what nobody in particular does.
    pub fn of_installation() -> Self {
        Self {
            company: CompanyId::installation(),
            person: PersonId::installation(),
            role: Role::Superadmin,
            card: Card::default(),
        }
    }
}

/// How someone belongs to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatKind {
    /// Opened it.
    Owner,
    /// Was named when it was opened.
    #[default]
    Member,
    /// Serves the others: a support person or a bot.
    Agent,
}

impl SeatKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            SeatKind::Owner => "owner",
            SeatKind::Member => "member",
            SeatKind::Agent => "agent",
        }
    }
}

/// What may be asked of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomCommand {
    /// Makes the room. Only its company's entity sends this; a repeat changes nothing.
    CreateRoom {
        /// Its number within the company.
        conversation: ConversationNo,
        /// Whether it is the one room of a pair.
        direct: bool,
        /// Everyone in it.
        participants: Vec<PersonId>,
        /// Random bits that name the room's log.
        history_base: u64,
        /// What it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The bot among the participants that answers every message of a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bot: Option<PersonId>,
        /// What makes it a chat of the first participant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat: Option<ChatOpening>,
    },
    /// Adds a message.
    PostMessage {
        /// What is said; at most [`crate::limits::TEXT_CHARS_MAX`] characters.
        text: String,
        /// Structured part as JSON text; at most [`crate::limits::RICH_BYTES_MAX`] bytes.
        rich: Option<String>,
        /// The event it answers.
        reply_to: Option<Seq>,
        /// Files of the caller that are in no room yet, by their numbers; at most
        /// [`crate::limits::MESSAGE_FILE_COUNT_MAX`]. Each is a message of its own, the text with
        /// the first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileNo>,
    },
    /// Adds the message of a file that was uploaded for the room. Only its company's entity sends
    /// this; a repeat changes nothing.
    PostFile {
        /// The file.
        file: Arc<StoredFile>,
    },
    /// Moves the caller's read mark forward; never back.
    MarkRead {
        /// Everything up to here is read; clamped to the head.
        seq: Seq,
    },
    /// Takes back a message of the caller: its place stays, what it said is shown no more.
    DeleteMessage {
        /// Which.
        seq: Seq,
    },
    /// Changes what is said about the room.
    ChangeRoom {
        /// A new title; empty takes it away.
        title: Option<String>,
        /// Whether it is put away.
        archived: Option<bool>,
    },
    /// Wants a person in a chat.
    Escalate {
        /// Why; at most [`crate::limits::HANDOFF_TEXT_CHARS_MAX`] characters.
        reason: String,
        /// How much it hurries.
        priority: Priority,
    },
    /// Gives a chat that waits for a person, or that one has, to this one.
    Assign {
        /// Who gets it.
        agent: PersonId,
    },
    /// Has a chat wait for a person again if this one has it and serves visitors no more. Only the
    /// company's staff sends this, and the room to itself; a repeat changes nothing.
    Release {
        /// Who may have it.
        agent: PersonId,
    },
    /// A person is done with a chat.
    Resolve {
        /// What is written down; at most [`crate::limits::HANDOFF_TEXT_CHARS_MAX`] characters.
        notes: String,
    },
    /// Answers a chat's form all at once.
    AnswerForm {
        /// By the keys of its steps.
        answers: FormAnswers,
    },
    /// Forgets what was answered to a chat's form. Only the company sends this; a repeat changes
    /// nothing.
    ForgetForm {
        /// The room's number for the answers that were taken away; later ones stay.
        form_no: u64,
    },
    /// Forgets a chat that nobody has or waits for. Only its company's entity sends this; a chat in
    /// which something happened later stays.
    Forget {
        /// Nothing happened after this.
        idle_since: Timestamp,
    },
    /// Answered once the bot owes no answer to what was said before.
    AwaitAnswer,
    /// Has a bot answer a message: what the room owes for each message of a person, taken up by
    /// the node's bots and not by an entity.
    TakeTurn {
        /// The message to answer.
        question: Seq,
    },
    /// The bot's answer to a message; only the room itself sends this, and only the first counts.
    PostAnswer {
        /// The message it answers.
        question: Seq,
        /// What the bot calls itself.
        name: Option<Arc<str>>,
        /// What it says; empty when it has nothing to say.
        text: String,
        /// Structured part as JSON text.
        rich: Option<String>,
    },
}

/// What may be asked of a company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompanyCommand {
    /// Opens a room for the caller and others, or finds the pair's existing one.
    OpenRoom {
        /// The id the room gets if it is new, made by the caller's node.
        room: RoomId,
        /// Random bits for the room's history id.
        history_base: u64,
        /// Others beside the caller; unknown ids become known people.
        participants: Vec<PersonId>,
        /// Whether the pair has one room only.
        direct: bool,
        /// What the room is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The bot that takes part and answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bot: Option<PersonId>,
        /// What makes it a chat of the caller, which is found again by its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat: Option<ChatOpening>,
    },
    /// Keeps a visitor's answers to a form. Only the chat's room sends this; later answers of the
    /// same chat take the place of earlier ones.
    KeepProfile {
        /// Whose.
        person: PersonId,
        /// What was answered.
        answers: FormAnswers,
        /// The room's number for these answers; what comes again after they were taken away is
        /// known by it.
        #[serde(default)]
        form_no: u64,
    },
    /// Takes a visitor's answers away: from the company, from the chat and from what is known of
    /// them.
    DropProfile {
        /// The company's number for them.
        no: u64,
        /// Whose they are.
        person: PersonId,
    },
    /// Forgets what is kept of a chat. Only the chat's room sends this, when it is forgotten.
    ForgetChat {
        /// Whose it was.
        visitor: PersonId,
        /// The company's number for what they answered.
        profile: Option<u64>,
    },
    /// Remembers what is known of a person, in place of what it names.
    KnowPerson {
        /// Who.
        person: PersonId,
        /// What is known now.
        card: Card,
        /// Whether the host says so, through an admin, and not a token: that counts for more than
        /// what tokens say, until it is said anew.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_host: bool,
    },
    /// Makes a file of an upload. Only the upload sends this; a repeat changes nothing.
    KeepFile {
        /// All of it but its number, which is not looked at.
        file: Arc<StoredFile>,
    },
    /// A file is in a room now. Only the room sends this; a repeat changes nothing.
    PlaceFile {
        /// The company's number for it.
        no: FileNo,
    },
    /// Keeps a file no more. Only the company itself sends this, and the room that it was shown in;
    /// a repeat changes nothing. One that waits to be sent is taken back when it turns out that a
    /// message shows it, until it is cleared.
    DropFile {
        /// The company's number for it.
        no: FileNo,
        /// The room it is in, or that it is in none: what was sent meanwhile stays.
        of: Option<RoomId>,
    },
    /// Takes away what is left of a file that was dropped while it waited to be sent. Only the
    /// company itself sends this; a repeat changes nothing.
    ClearFile {
        /// The company's number for it.
        no: FileNo,
        /// What was dropped later stays.
        dropped_until: Timestamp,
    },
    /// Takes away what is stored of a file that is kept no more: what the company owes for each,
    /// taken up by the node and not by an entity.
    EraseFile {
        /// The upload that made it.
        upload: UploadId,
    },
    /// Keeps the files of a room no more: what the company owes for a chat that was forgotten,
    /// taken up by the node and not by an entity.
    ForgetFiles {
        /// The chat's room.
        room: RoomId,
    },
    /// Replaces the prompts that clients offer before a conversation with a bot begins.
    SetPrompts {
        /// All of them.
        prompts: Vec<Prompt>,
    },
    /// Changes the company's settings.
    ChangeSettings {
        /// What of them.
        change: Box<SettingsChange>,
    },
}

/// A way to begin a conversation with a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The company's number for it.
    pub id: u64,
    /// What a button says.
    pub title: String,
    /// What is sent when it is pressed.
    pub text: String,
    /// Its place among the others, from the smallest.
    pub order: i64,
    /// Whether it is offered.
    pub active: bool,
}
