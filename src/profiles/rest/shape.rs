//! The shapes of people, messages and conversations on the routes that `inbox`, `crm` and `direct`
//! share.
//!
//! A body holds the fields of all three, since none means two things: only `sender` and the type of
//! ids differ, by [`Style`].
//!
//! Invariants: a field that a profile's socket shows as well says the same there.
//! Never: reads anything; whatever is shown comes in.

use std::collections::BTreeMap;

use frontdesk_actors::{Conversation, LastMessage, SeatSummary, Summary};
use frontdesk_protocol::command::Card;
use frontdesk_protocol::event::{Author, Message};
use frontdesk_protocol::file::SharedFile;
use frontdesk_protocol::{ConversationNo, MessageNo, PersonId, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::RestStyle;
use crate::profiles::crm::shape::kind_of;
use crate::profiles::files::{self, FileAttachment, Found};
use crate::profiles::frame::{shown_name, utc};
use crate::profiles::wire::{WireId, host_id};

/// Whose clients read a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `inbox`: ids are numbers, a sender is an object.
    Inbox,
    /// `direct`: as `inbox`, and whatever has a file is a file.
    Direct,
    /// `crm`: ids are texts, a sender is an id.
    Crm,
}

impl From<RestStyle> for Style {
    fn from(style: RestStyle) -> Self {
        match style {
            RestStyle::Inbox => Style::Inbox,
            RestStyle::Direct => Style::Direct,
            RestStyle::Crm => Style::Crm,
        }
    }
}

impl Style {
    fn id(self, number: u64) -> WireId {
        match self {
            Style::Inbox | Style::Direct => WireId::Number(number),
            Style::Crm => WireId::Text(number.to_string()),
        }
    }

    fn person(self, person: &PersonId) -> WireId {
        match self {
            Style::Inbox | Style::Direct => host_id(person),
            Style::Crm => WireId::Text(person.to_string()),
        }
    }

    /// The kind of a message; clients of `direct` know no pictures.
    fn message_type(self, kind: &'static str) -> String {
        match (self, kind) {
            (Style::Direct, "image") => "file".to_owned(),
            _ => kind.to_owned(),
        }
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct PersonBody {
    id: WireId,
    email: Option<String>,
    user_type: Option<String>,
    name: Option<String>,
    full_name: Option<String>,
    profile_picture_url: Option<String>,
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Sender {
    /// Everything that is known of them.
    Person(PersonBody),
    /// Their id alone.
    Id(WireId),
}

/// The message that another one answers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct RepliedBody {
    id: WireId,
    sender: Sender,
    /// What is said; empty when it was taken back.
    content: String,
    message_type: String,
    is_deleted: bool,
    created_at: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct MessageBody {
    id: WireId,
    conversation: WireId,
    sender: Sender,
    sender_username: Option<String>,
    /// The name, else the e-mail address, else the id; as on sockets.
    sender_name: Option<String>,
    /// What is said; empty when it was taken back.
    content: String,
    /// The same as `content`.
    text: String,
    /// `text`, `image` or `file`.
    message_type: String,
    /// `user` or `bot`.
    #[serde(rename = "type")]
    kind: String,
    rich: Option<serde_json::Value>,
    /// Where the file is, the same as `attachment_url`.
    attachment: Option<String>,
    attachment_url: Option<String>,
    attachment_name: Option<String>,
    attachment_size: Option<u64>,
    file_attachment: Option<FileAttachment>,
    is_image: bool,
    reply_to: Option<WireId>,
    reply_to_message: Option<RepliedBody>,
    is_deleted: bool,
    deleted_at: Option<String>,
    /// Whether everybody else has read it.
    is_read: bool,
    /// `sent` or `read`.
    status: String,
    created_at: String,
    updated_at: String,
}

/// The last message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct LastMessageBody {
    id: WireId,
    /// The beginning of what is said, at most 200 characters; of a file a sign and its name.
    content: String,
    /// The same as `content`.
    text: String,
    message_type: String,
    #[serde(rename = "type")]
    kind: String,
    attachment_name: Option<String>,
    sender_id: WireId,
    sender: WireId,
    sender_name: Option<String>,
    is_read: bool,
    created_at: String,
}

/// Someone in a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ParticipantBody {
    id: WireId,
    user: WireId,
    username: Option<String>,
    name: Option<String>,
    email: Option<String>,
    /// `owner`, `member` or `agent`.
    role: String,
    joined_at: String,
    last_read_at: Option<String>,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ConversationBody {
    id: WireId,
    title: Option<String>,
    is_archived: bool,
    participant1: Option<PersonBody>,
    participant2: Option<PersonBody>,
    other_participant: Option<PersonBody>,
    participants: Vec<ParticipantBody>,
    participant_count: u64,
    last_message: Option<LastMessageBody>,
    unread_count: u64,
    created_at: String,
    updated_at: String,
}

impl ConversationBody {
    /// Of more people than are shown.
    pub(crate) fn of_many(mut self, count: usize) -> Self {
        self.participant_count = count as u64;
        self
    }
}

/// What is known of people, by id.
pub(crate) type Cards = BTreeMap<PersonId, Card>;

/// A person as these routes show them.
pub(crate) fn person(style: Style, id: &PersonId, card: &Card) -> PersonBody {
    let text = |field: &Option<std::sync::Arc<str>>| field.as_deref().map(str::to_owned);
    PersonBody {
        id: style.person(id),
        email: text(&card.email),
        user_type: text(&card.user_type),
        name: text(&card.name),
        full_name: text(&card.name),
        profile_picture_url: text(&card.picture_url),
    }
}

/// A message; `replied` is the one it answers, `marks` are the read marks of everyone in the room.
pub(crate) fn message(
    style: Style,
    conversation: ConversationNo,
    message: &Message,
    replied: Option<&Message>,
    marks: &BTreeMap<PersonId, Seq>,
    cards: &Cards,
    find: &dyn Fn(&SharedFile) -> Found,
) -> MessageBody {
    let author = &message.author;
    let card = card_of(author, cards);
    let number = |seq| MessageNo::new(conversation, seq).map_or(0, |number| number.0);
    let is_read = is_read(message.seq, &author.id, marks.iter());
    let replied = replied.map(|replied| RepliedBody {
        id: style.id(number(replied.seq)),
        sender: sender(style, &replied.author.id, &card_of(&replied.author, cards)),
        content: replied.text.to_string(),
        message_type: style.message_type(kind_of_file(replied.file.as_deref())),
        is_deleted: replied.deleted_at.is_some(),
        created_at: utc(replied.at),
    });
    let name = shown_name(&author.id, &card);
    let rich = message.rich.as_deref();
    let changed_at = message.deleted_at.unwrap_or(message.at);
    let file = message.file.as_deref();
    let found = file.map(find);
    let url = found.as_ref().map(|found| found.url.clone());
    MessageBody {
        id: style.id(number(message.seq)),
        conversation: style.id(conversation.0),
        sender: sender(style, &author.id, &card),
        sender_username: Some(name.to_owned()),
        sender_name: Some(name.to_owned()),
        content: message.text.to_string(),
        text: message.text.to_string(),
        message_type: style.message_type(kind_of_file(file)),
        kind: kind_of(author.role).to_owned(),
        rich: rich.and_then(|rich| serde_json::from_str(rich).ok()),
        attachment: url.clone(),
        attachment_url: url,
        attachment_name: found.as_ref().map(|found| found.name.clone()),
        attachment_size: found.as_ref().map(|found| found.size),
        is_image: found.as_ref().is_some_and(Found::is_image),
        file_attachment: found.map(|found| FileAttachment::new(found, message.at)),
        reply_to: message.reply_to.map(|seq| style.id(number(seq))),
        reply_to_message: replied,
        is_deleted: message.deleted_at.is_some(),
        deleted_at: message.deleted_at.map(utc),
        is_read,
        status: if is_read { "read" } else { "sent" }.to_owned(),
        created_at: utc(message.at),
        updated_at: utc(changed_at),
    }
}

/// The kind of a message by its file.
fn kind_of_file(file: Option<&SharedFile>) -> &'static str {
    file.map_or("text", |file| files::message_type(&file.mime))
}

/// What is known of an author: as when it was written, and gaps filled from what is known now.
fn card_of(author: &Author, cards: &Cards) -> Card {
    match cards.get(&author.id) {
        Some(known) => author.card.or(known),
        None => author.card.clone(),
    }
}

fn sender(style: Style, id: &PersonId, card: &Card) -> Sender {
    match style {
        Style::Inbox | Style::Direct => Sender::Person(person(style, id, card)),
        Style::Crm => Sender::Id(style.person(id)),
    }
}

/// A conversation as one of its people sees it.
pub(crate) fn conversation(
    style: Style,
    found: &Conversation,
    viewer: &PersonId,
    cards: &Cards,
) -> ConversationBody {
    let summary = &found.summary;
    let unknown = Card::default();
    let card_of = |id: &PersonId| cards.get(id).unwrap_or(&unknown);
    let shown = |seat: &SeatSummary| person(style, &seat.person, card_of(&seat.person));
    let owner = owner(summary);
    let people = || summary.people.iter();
    let others = || people().filter(|seat| !is_same(Some(*seat), owner));
    let viewers_own = summary.people.iter().find(|seat| seat.person == *viewer);
    let other = summary.people.iter().find(|seat| seat.person != *viewer);
    ConversationBody {
        id: style.id(summary.conversation.0),
        title: summary.title.as_deref().map(str::to_owned),
        is_archived: summary.archived,
        participant1: owner.map(shown),
        participant2: others().next().map(shown),
        other_participant: other.map(shown),
        participants: summary
            .people
            .iter()
            .map(|seat| participant(style, seat, card_of(&seat.person)))
            .collect(),
        participant_count: summary.people.len() as u64,
        last_message: summary
            .last
            .as_ref()
            .map(|last| last_message(style, summary, last, card_of(&last.author))),
        unread_count: viewers_own.map_or(0, |seat| seat.unread),
        created_at: utc(summary.created_at),
        updated_at: utc(summary.changed_at),
    }
}

fn owner(summary: &Summary) -> Option<&SeatSummary> {
    use frontdesk_protocol::command::SeatKind;
    summary
        .people
        .iter()
        .find(|seat| seat.kind == SeatKind::Owner)
}

fn is_same(one: Option<&SeatSummary>, two: Option<&SeatSummary>) -> bool {
    one.map(|seat| &seat.person) == two.map(|seat| &seat.person)
}

fn participant(style: Style, seat: &SeatSummary, card: &Card) -> ParticipantBody {
    ParticipantBody {
        id: style.person(&seat.person),
        user: style.person(&seat.person),
        username: Some(shown_name(&seat.person, card).to_owned()),
        name: card.name.as_deref().map(str::to_owned),
        email: card.email.as_deref().map(str::to_owned),
        role: seat.kind.as_str().to_owned(),
        joined_at: utc(seat.joined_at),
        last_read_at: seat.read_at.map(utc),
    }
}

fn last_message(
    style: Style,
    summary: &Summary,
    last: &LastMessage,
    card: &Card,
) -> LastMessageBody {
    let number = MessageNo::new(summary.conversation, last.seq).map_or(0, |number| number.0);
    let marks = summary.people.iter().map(|seat| (&seat.person, &seat.read));
    let file = last.file.as_ref();
    let content = file.map_or_else(|| last.preview.to_string(), files::preview);
    LastMessageBody {
        id: style.id(number),
        content: content.clone(),
        text: content,
        message_type: style.message_type(files::kind_of_last(file)),
        kind: kind_of(last.role).to_owned(),
        attachment_name: file.map(|file| file.name.to_string()),
        sender_id: style.person(&last.author),
        sender: style.person(&last.author),
        sender_name: Some(shown_name(&last.author, card).to_owned()),
        is_read: is_read(last.seq, &last.author, marks),
        created_at: utc(last.at),
    }
}

/// Whether everybody else has read a message; nobody has where there is nobody else. Bots read
/// nothing.
fn is_read<'a>(
    seq: Seq,
    author: &PersonId,
    marks: impl Iterator<Item = (&'a PersonId, &'a Seq)>,
) -> bool {
    let mut others = marks
        .filter(|(person, _)| *person != author && !person.is_bot())
        .peekable();
    others.peek().is_some() && others.all(|(_, mark)| *mark >= seq)
}

#[cfg(test)]
mod tests {
    use frontdesk_actors::Dialect;
    use frontdesk_protocol::Timestamp;
    use frontdesk_protocol::command::Role;
    use frontdesk_protocol::event::RoomEvent;
    use serde_json::{Value, json};

    use super::*;
    use crate::profiles::crm::CrmDialect;
    use crate::profiles::files::tests::{addresses, file};
    use crate::profiles::frame::tests::{hello, payloads, room, talker};
    use crate::profiles::inbox::InboxDialect;

    /// Each field of the one is in the other and says the same, objects in it field by field.
    fn agrees(socket: &Value, http: &Value) {
        for (name, shown) in socket.as_object().expect("an object") {
            match shown.is_object() {
                true => agrees(shown, &http[name]),
                false => assert_eq!(http.get(name), Some(shown), "{name}"),
            }
        }
    }

    #[test]
    fn sockets_and_routes_show_the_same_of_a_message() {
        let unnamed = Card {
            name: None,
            ..talker()
        };
        for card in [talker(), unnamed, Card::default()] {
            for (role, attached) in [
                (Role::Visitor, None),
                (Role::Bot, None),
                (Role::Visitor, Some(file("a.png", "image/png"))),
                (Role::Visitor, Some(file("a.pdf", "application/pdf"))),
            ] {
                let mut said = hello();
                said.file = attached;
                (said.author.card, said.author.role) = (card.clone(), role);
                said.reply_to = Some(Seq(1));
                let event = RoomEvent::MessagePosted(said.clone());
                let of_routes = |style| {
                    let none = (BTreeMap::new(), Cards::new());
                    let body = message(
                        style,
                        room().conversation,
                        &said,
                        None,
                        &none.0,
                        &none.1,
                        &|file| addresses().find(&room().company, file),
                    );
                    serde_json::to_value(body).expect("json")
                };
                let crm = CrmDialect {
                    echo_to_sender: true,
                    files: addresses(),
                };
                let inbox = InboxDialect { files: addresses() };
                let of_crm = payloads(&crm.event(&room(), &event).expect("shown"));
                let mut of_crm = of_crm[0]["message"].clone();
                // The socket's own word for the conversation.
                let number = of_crm["conversation_id"].take();
                of_crm["conversation"] = number;
                of_crm
                    .as_object_mut()
                    .expect("fields")
                    .remove("conversation_id");
                agrees(&of_crm, &of_routes(Style::Crm));
                let of_inbox = payloads(&inbox.event(&room(), &event).expect("shown"));
                agrees(&of_inbox[0]["message"], &of_routes(Style::Inbox));
            }
        }
    }

    #[test]
    fn a_conversation_of_more_people_than_lists_hold_is_shown_without_them() {
        let author = PersonId::new("5").expect("valid");
        let found = Conversation {
            room: room().room,
            summary: Summary {
                gone: false,
                conversation: room().conversation,
                direct: false,
                title: Some("All hands".into()),
                archived: false,
                created_at: Timestamp(1),
                changed_at: Timestamp(2),
                head: Seq(1),
                silent_count: 0,
                last: Some(LastMessage::from(&hello())),
                chat: None,
                people: Vec::new(),
            },
        };
        let cards = Cards::from([(author.clone(), talker())]);
        let body = conversation(Style::Crm, &found, &author, &cards).of_many(300);
        let body = serde_json::to_value(body).expect("json");
        assert_eq!(body["title"], "All hands");
        assert_eq!(body["participant_count"], 300);
        assert_eq!(body["participants"], json!([]));
        assert_eq!(body["other_participant"], Value::Null);
        assert_eq!(body["last_message"]["sender_name"], "John Talker");
    }
}
