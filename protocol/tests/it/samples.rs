//! One frame of every kind, with values that are easy to recognise in bytes.

use frontdesk_protocol::chat::NamedPerson;
use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::event::Author;
use frontdesk_protocol::file::SharedFile;
use frontdesk_protocol::native::*;
use frontdesk_protocol::{
    Cid, ConversationNo, ErrorCode, FileNo, HistoryId, PersonId, Rejection, RoomId, Seq, Timestamp,
    UploadId,
};
use serde_json::json;

use crate::samples_of_uploads;

pub(crate) const ROOM: RoomId = RoomId::from_bits([0xab; 16]);
const HISTORY: HistoryId = HistoryId(0x0123_4567_89ab_cdef);
pub(crate) const AT: Timestamp = Timestamp(1_767_225_600_000);

pub(crate) fn cid() -> Cid {
    "019b76da-a800-7000-8000-000000000001".parse().unwrap()
}

fn person(text: &str) -> PersonId {
    text.parse().unwrap()
}

fn since() -> Since {
    Since {
        history_id: HISTORY,
        seq: Seq(41),
    }
}

pub(crate) fn client(request: ClientRequest) -> ClientFrame {
    ClientFrame {
        id: Some(FrameRef::Number(7)),
        request,
    }
}

pub(crate) fn client_frames() -> Vec<(&'static str, ClientFrame)> {
    let mut frames = places_and_messages();
    frames.extend(marks_and_reads());
    frames.extend(samples_of_uploads::requests());
    frames
}

fn places_and_messages() -> Vec<(&'static str, ClientFrame)> {
    let room = RoomName::Id(ROOM);
    let number = RoomName::Conversation(ConversationNo(12));
    let resume = [(room, since()), (number, since())].into();
    vec![
        (
            "connect with a token and two rooms to resume",
            client(ClientRequest::Connect {
                token: Some("header.claims.signature".to_owned()),
                resume,
            }),
        ),
        (
            "connect of a handshake that carried the token",
            ClientFrame {
                id: Some(FrameRef::Text("first".to_owned())),
                request: ClientRequest::Connect {
                    token: None,
                    resume: Default::default(),
                },
            },
        ),
        (
            "join at the head",
            client(ClientRequest::Join { room, since: None }),
        ),
        (
            "join by conversation number from a position",
            client(ClientRequest::Join {
                room: number,
                since: Some(since()),
            }),
        ),
        ("leave", client(ClientRequest::Leave { room })),
        (
            "post_message with everything",
            client(ClientRequest::PostMessage {
                room,
                cid: Some(cid()),
                text: "Grüße \u{1f600}\n\"quoted\"".to_owned(),
                rich: Some(json!({"buttons": [{"label": "Yes", "value": 1}], "scale": -0.5})),
                reply_to: Some(Seq(40)),
                files: Vec::new(),
            }),
        ),
        (
            "post_message with files",
            client(ClientRequest::PostMessage {
                room,
                cid: Some(cid()),
                text: String::new(),
                rich: None,
                reply_to: None,
                files: vec![FileNo(7), FileNo(8)],
            }),
        ),
        (
            "post_message without id and cid",
            ClientFrame {
                id: None,
                request: ClientRequest::PostMessage {
                    room: number,
                    cid: None,
                    text: "hi".to_owned(),
                    rich: None,
                    reply_to: None,
                    files: Vec::new(),
                },
            },
        ),
    ]
}

fn marks_and_reads() -> Vec<(&'static str, ClientFrame)> {
    let room = RoomName::Id(ROOM);
    vec![
        (
            "mark_read",
            client(ClientRequest::MarkRead { room, seq: Seq(42) }),
        ),
        (
            "typing",
            client(ClientRequest::Typing { room, active: true }),
        ),
        (
            "history before a seq",
            client(ClientRequest::History {
                room,
                from: PageFrom::Before(Seq(100)),
                limit: Some(20),
            }),
        ),
        (
            "history after a seq",
            client(ClientRequest::History {
                room,
                from: PageFrom::After(Seq(100)),
                limit: None,
            }),
        ),
        (
            "history of the newest events",
            client(ClientRequest::History {
                room,
                from: PageFrom::Latest,
                limit: None,
            }),
        ),
        ("presence", client(ClientRequest::Presence { room })),
        (
            "refresh",
            client(ClientRequest::Refresh {
                token: "header.claims.signature".to_owned(),
            }),
        ),
    ]
}

fn author() -> Author {
    Author {
        id: person("5"),
        role: Role::Agent,
        card: Card {
            name: Some("Ann Smith".into()),
            email: Some("ann@example.com".into()),
            user_type: Some("organization".into()),
            picture_url: Some("https://example.com/ann.png".into()),
        },
    }
}

fn message() -> EventBody {
    EventBody {
        seq: Seq(42),
        kind: EventKind::Message {
            at: AT,
            cid: cid(),
            author: author(),
            text: "Grüße".into(),
            rich: Some(json!([1, "two", null])),
            reply_to: Some(Seq(40)),
            file: None,
            part_of: None,
            deleted_at: None,
        },
    }
}

fn shared_file() -> EventBody {
    EventBody {
        seq: Seq(45),
        kind: EventKind::Message {
            at: AT,
            cid: cid(),
            author: author(),
            text: "".into(),
            rich: None,
            reply_to: None,
            file: Some(Box::new(SharedFile {
                no: FileNo(7),
                upload: UploadId::from_bits([9; 16]),
                name: "Gr\u{fc}n.png".into(),
                mime: "image/png".into(),
                size: 20_480,
                pixels: Some((640, 480)),
                has_thumbnail: true,
            })),
            part_of: Some(Seq(44)),
            deleted_at: None,
        },
    }
}

fn deleted_message() -> EventBody {
    EventBody {
        seq: Seq(43),
        kind: EventKind::Message {
            at: AT,
            cid: cid(),
            author: author(),
            text: "".into(),
            rich: None,
            reply_to: None,
            file: None,
            part_of: None,
            deleted_at: Some(AT),
        },
    }
}

fn deletion() -> EventBody {
    EventBody {
        seq: Seq(44),
        kind: EventKind::MessageDeleted {
            at: AT,
            target: Seq(43),
        },
    }
}

fn handoff() -> EventBody {
    EventBody {
        seq: Seq(45),
        kind: EventKind::Handoff(HandoffMove {
            at: AT,
            author: Author {
                id: person("agent:1048577"),
                role: Role::Agent,
                card: Card::default(),
            },
            step: "assigned".into(),
            agent: Some(NamedPerson {
                id: person("agent:1048577"),
                name: Some("Ann".into()),
            }),
        }),
    }
}

fn short_message() -> EventBody {
    EventBody {
        seq: Seq(43),
        kind: EventKind::Message {
            at: AT,
            cid: cid(),
            author: Author {
                id: person("visitor-1"),
                role: Role::Visitor,
                card: Card::default(),
            },
            text: "hi".into(),
            rich: None,
            reply_to: None,
            file: None,
            part_of: None,
            deleted_at: None,
        },
    }
}

fn hidden() -> EventBody {
    EventBody {
        seq: Seq(44),
        kind: EventKind::Hidden {},
    }
}

fn wire_error(code: ErrorCode) -> WireError {
    let rejection = Rejection::new(code);
    WireError {
        code,
        retry: rejection.retry(),
        message: rejection.message,
        request_id: "5f3a".to_owned(),
    }
}

fn joined(resume: Resume) -> Joined {
    Joined {
        room: ROOM,
        conversation_id: ConversationNo(12),
        resume,
        history_id: HISTORY,
        head: Seq(44),
        marks: [(person("5"), Seq(44)), (person("visitor-1"), Seq(3))].into(),
    }
}

pub(crate) fn ok(ok: Answer) -> ServerFrame {
    ServerFrame::Ok {
        id: FrameRef::Number(7),
        ok,
    }
}

fn answers() -> Vec<(&'static str, ServerFrame)> {
    let connected = Connected {
        person: person("5"),
        role: Role::Agent,
        ping_ms: 25_000,
        expires_at: Some(AT),
        rooms: [
            ("12".to_owned(), Rejoined::Joined(joined(Resume::Ok))),
            (
                ROOM.to_string(),
                Rejoined::Refused {
                    error: wire_error(ErrorCode::Unavailable),
                },
            ),
        ]
        .into(),
    };
    let page = Page {
        history_id: HISTORY,
        head: Seq(44),
        events: vec![message(), short_message(), hidden()],
        more: true,
    };
    let posted = |dup| {
        Answer::Posted(Posted {
            seq: Seq(42),
            at: AT,
            dup,
        })
    };
    let present = vec![person("5"), person("visitor-1")];
    vec![
        ("answer to connect", ok(Answer::Connected(connected))),
        ("answer to join", ok(Answer::Joined(joined(Resume::Page)))),
        ("answer to post_message", ok(posted(false))),
        ("answer to a repeated post_message", ok(posted(true))),
        ("answer to history", ok(Answer::Page(page))),
        (
            "answer to presence",
            ok(Answer::Occupants(Occupants { present })),
        ),
        (
            "answer to mark_read",
            ok(Answer::Marked(Marked { read: Seq(42) })),
        ),
        (
            "answer to leave, typing, refresh and upload_cancel",
            ServerFrame::Ok {
                id: FrameRef::Text("last".to_owned()),
                ok: Answer::Done(Done {}),
            },
        ),
        (
            "error",
            ServerFrame::Error {
                id: Some(FrameRef::Number(7)),
                error: wire_error(ErrorCode::Busy),
            },
        ),
        (
            "error of a frame whose id could not be read",
            ServerFrame::Error {
                id: None,
                error: wire_error(ErrorCode::BadFrame),
            },
        ),
    ]
}

pub(crate) fn server_frames() -> Vec<(&'static str, ServerFrame)> {
    let event = |event| ServerFrame::Push(Push::Event(RoomPush { room: ROOM, event }));
    let ephemeral = |kind| ServerFrame::Push(Push::Ephemeral(EphemeralPush { room: ROOM, kind }));
    let mut frames = answers();
    frames.extend(samples_of_uploads::answers());
    frames.extend([
        ("event: message with everything", event(message())),
        ("event: message of a visitor", event(short_message())),
        ("event: message of a file", event(shared_file())),
        (
            "event: message that was taken back",
            event(deleted_message()),
        ),
        ("event: message_deleted", event(deletion())),
        ("event: handoff", event(handoff())),
        ("event: hidden", event(hidden())),
        (
            "ephemeral: typing",
            ephemeral(EphemeralKind::Typing {
                person: person("5"),
                active: true,
            }),
        ),
        (
            "ephemeral: presence",
            ephemeral(EphemeralKind::Presence {
                joined: vec![person("visitor-1")],
                left: vec![],
            }),
        ),
        (
            "ephemeral: read",
            ephemeral(EphemeralKind::Read {
                person: person("5"),
                seq: Seq(42),
            }),
        ),
        (
            "ephemeral: upload_progress",
            ephemeral(EphemeralKind::UploadProgress {
                person: person("5"),
                upload: UploadId::from_bits([9; 16]),
                name: "Gr\u{fc}n.png".into(),
                received: 4_096,
                size: Some(20_480),
            }),
        ),
        ("lag", ServerFrame::Push(Push::Lag { rooms: vec![ROOM] })),
        ("drain", ServerFrame::Push(Push::Drain { after_ms: 1_500 })),
        ("expired", ServerFrame::Push(Push::Expired {})),
    ]);
    let pushes = samples_of_uploads::pushes();
    frames.extend(pushes.map(|(name, push)| (name, ServerFrame::Push(push))));
    frames
}
