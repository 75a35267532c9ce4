//! What happened, in the past tense: the durable facts that entities journal and rooms publish.
//! Stored as MessagePack with named fields; a field is only ever added, with a default.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chat::{ChatOpening, FormAnswers, FormProgress, HandoffStep};
use crate::command::{Card, Prompt, Role};
use crate::file::SharedFile;
use crate::file::StoredFile;
use crate::ids::{Cid, ConversationNo, FileNo, PersonId, RoomId, Seq, Timestamp, UploadId};
use crate::settings::CompanySettings;

/// Who wrote a message, as known when it was written: an encoder needs nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The person.
    pub id: PersonId,
    /// The person's role then.
    pub role: Role,
    /// What was known then.
    #[serde(flatten)]
    pub card: Card,
}

/// A message as stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the room.
    pub seq: Seq,
    /// When the room accepted it.
    pub at: Timestamp,
    /// The command that made it.
    pub cid: Cid,
    /// Who wrote it.
    pub author: Author,
    /// What is said.
    pub text: Arc<str>,
    /// Structured part as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rich: Option<Arc<str>>,
    /// The event it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The file that is sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Box<SharedFile>>,
    /// The first of the messages that were sent as one, for those behind it: each has one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<Seq>,
    /// When it was taken back; known to readers, never stored with the message. What it said is
    /// empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl Message {
    /// Takes away what it said: it was taken back then.
    pub fn blank(&mut self, at: Timestamp) {
        self.text = "".into();
        self.rich = None;
        self.file = None;
        self.deleted_at = Some(at);
    }
}

/// What happened in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomEvent {
    /// The room exists. Has a pos and no seq.
    RoomCreated {
        /// When.
        at: Timestamp,
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
        title: Option<Arc<str>>,
        /// The bot among the participants that answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bot: Option<PersonId>,
        /// What makes it a chat of the first participant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat: Option<ChatOpening>,
    },
    /// A message was accepted. Has a seq.
    MessagePosted(Message),
    /// A read mark moved. Has a pos and no seq.
    ReadMarked {
        /// Whose mark.
        person: PersonId,
        /// Everything up to here is read.
        seq: Seq,
        /// When.
        at: Timestamp,
    },
    /// A file that was uploaded for the room is not shown in it. Has a pos and no seq.
    FileTurnedAway {
        /// When.
        at: Timestamp,
        /// The upload.
        upload: UploadId,
        /// The company's number for the file.
        no: FileNo,
    },
    /// A message was taken back. Has a seq of its own.
    MessageDeleted {
        /// Its place in the room.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// Who took it back.
        by: PersonId,
        /// The message.
        target: Seq,
        /// The file it showed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<FileNo>,
    },
    /// What is said about the room changed. Has a pos and no seq.
    RoomChanged {
        /// When.
        at: Timestamp,
        /// Who changed it.
        by: PersonId,
        /// The new title, if it changed; empty for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<Arc<str>>,
        /// Whether it is put away now, if that changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        archived: Option<bool>,
    },
    /// The bot had nothing to say to a message. Has a pos and no seq.
    TurnPassed {
        /// When.
        at: Timestamp,
        /// The message.
        question: Seq,
    },
    /// The bot owes an answer to a message of a chat. Has a pos and no seq.
    TurnOwed {
        /// The message.
        question: Seq,
    },
    /// A chat's form went on. Has a pos and no seq.
    FormAnswered {
        /// When.
        at: Timestamp,
        /// Where it stands.
        progress: FormProgress,
        /// The room's number for this, counted from 1; 0 in records from before there were any.
        #[serde(default)]
        no: u64,
    },
    /// What was answered to a chat's form was taken away. Has a pos and no seq.
    FormForgotten {
        /// When.
        at: Timestamp,
    },
    /// A chat is forgotten: the room is nobody's, and this is all that is still to be known of it.
    /// Has a pos and no seq.
    Forgotten {
        /// When.
        at: Timestamp,
        /// The room's number within the company, which is not given again.
        conversation: ConversationNo,
        /// Where its log ended.
        head: Seq,
        /// Whose chat it was.
        visitor: PersonId,
        /// The company's number for what they answered.
        profile: Option<u64>,
    },
    /// A chat went from the bot to people, or back. Has a seq of its own.
    HandoffMoved {
        /// Its place in the room.
        seq: Seq,
        /// When.
        at: Timestamp,
        /// Who did it.
        by: Author,
        /// What.
        step: HandoffStep,
    },
}

impl RoomEvent {
    /// The seq of an event that is shown; `None` for bookkeeping.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            RoomEvent::MessagePosted(message) => Some(message.seq),
            RoomEvent::MessageDeleted { seq, .. } | RoomEvent::HandoffMoved { seq, .. } => {
                Some(*seq)
            }
            RoomEvent::RoomCreated { .. }
            | RoomEvent::ReadMarked { .. }
            | RoomEvent::RoomChanged { .. }
            | RoomEvent::TurnPassed { .. }
            | RoomEvent::TurnOwed { .. }
            | RoomEvent::FormAnswered { .. }
            | RoomEvent::FormForgotten { .. }
            | RoomEvent::FileTurnedAway { .. }
            | RoomEvent::Forgotten { .. } => None,
        }
    }
}

/// What happened in a company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompanyEvent {
    /// A conversation was numbered and its room named; the room is made next.
    RoomOpened {
        /// When.
        at: Timestamp,
        /// The command that asked.
        cid: Cid,
        /// Who asked.
        by: PersonId,
        /// The new room.
        room: RoomId,
        /// Its number.
        conversation: ConversationNo,
        /// Whether it is the one room of a pair.
        direct: bool,
        /// Everyone in it, the opener first.
        participants: Vec<PersonId>,
        /// Random bits that name the room's log.
        history_base: u64,
        /// What it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<Arc<str>>,
        /// The bot that takes part and answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bot: Option<PersonId>,
        /// What makes it a chat of who opened it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat: Option<ChatOpening>,
    },
    /// A visitor's answers to a form are kept.
    ProfileKept {
        /// When they came first.
        at: Timestamp,
        /// The company's number for the profile, counted from 1.
        no: u64,
        /// Whose.
        person: PersonId,
        /// The chat's room.
        room: RoomId,
        /// What was answered.
        answers: FormAnswers,
        /// The room's number for the answers.
        #[serde(default)]
        form_no: u64,
    },
    /// A visitor's answers were taken away.
    ProfileDropped {
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// The company's number for the profile.
        no: u64,
        /// The chat's room.
        room: RoomId,
        /// The room's number for the last answers that were kept.
        #[serde(default)]
        form_no: u64,
    },
    /// An upload became a file of the company.
    FileKept {
        /// All of it; its number is counted from 1.
        file: Arc<StoredFile>,
    },
    /// A file that waited to be sent is in a room now.
    FilePlaced {
        /// All of it.
        file: Arc<StoredFile>,
        /// When it had been dropped, if it had: it counts again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped_at: Option<Timestamp>,
    },
    /// A file that waited to be sent was dropped: it counts no more and is there for nobody. What
    /// is stored of it goes later, unless a message shows it that was on its way.
    FileUnwanted {
        /// All of it.
        file: Arc<StoredFile>,
    },
    /// A file is kept no more.
    FileDropped {
        /// When.
        at: Timestamp,
        /// The company's number for it.
        no: FileNo,
        /// The upload that made it.
        upload: UploadId,
        /// Its length, bytes.
        size: u64,
        /// When it was dropped while it waited, if it was: it counts no more since then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped_at: Option<Timestamp>,
    },
    /// An administrator did something that the audit log is told of.
    ActDone {
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// How many things the audit log was told of, with this one.
        act_no: u64,
        /// What.
        act: Arc<str>,
        /// To what.
        subject: Arc<str>,
    },
    /// What was kept of a chat is forgotten. It holds all of the company's numbers, so that nothing
    /// before it need be known.
    ChatForgotten {
        /// When.
        at: Timestamp,
        /// The chat's room.
        room: RoomId,
        /// The company's number for the profile, if there was one.
        profile: Option<u64>,
        /// The last number that was given to a conversation.
        last_conversation: ConversationNo,
        /// The last number that was given to a profile.
        last_profile: u64,
        /// How many things the audit log was told of.
        act_count: u64,
        /// The last number that was given to a file.
        #[serde(default)]
        last_file: FileNo,
        /// Bytes of all files that are kept.
        #[serde(default)]
        file_bytes: u64,
    },
    /// Nothing is known of a visitor any more.
    PersonForgotten {
        /// Who.
        person: PersonId,
    },
    /// A person became known, or more became known of them.
    PersonKnown {
        /// Who.
        person: PersonId,
        /// What is known now.
        card: Card,
        /// What of it the host said itself.
        #[serde(default, skip_serializing_if = "Card::is_empty")]
        by_host: Card,
    },
    /// The prompts were replaced.
    PromptsSet {
        /// When.
        at: Timestamp,
        /// All of them.
        prompts: Vec<Prompt>,
    },
    /// The settings were changed.
    SettingsSet {
        /// When.
        at: Timestamp,
        /// Who did it.
        by: PersonId,
        /// How many things the audit log was told of, with this one.
        act_no: u64,
        /// The names of the fields that changed.
        changed: Vec<Arc<str>>,
        /// The settings as they stand.
        settings: Arc<CompanySettings>,
    },
    /// The origins among the settings were changed; all there are now.
    OriginsSet {
        /// All of them.
        origins: Vec<Arc<str>>,
    },
}
