//! Arbitrary frames of every kind.

use std::sync::Arc;

use frontdesk_protocol::chat::NamedPerson;
use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::error::Retry;
use frontdesk_protocol::event::Author;
use frontdesk_protocol::file::SharedFile;
use frontdesk_protocol::native::*;
use frontdesk_protocol::{
    Cid, ConversationNo, ErrorCode, FileNo, HistoryId, PersonId, RoomId, Seq, Timestamp, UploadId,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

fn seq() -> impl Strategy<Value = Seq> {
    any::<u64>().prop_map(Seq)
}

fn at() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp)
}

fn history_id() -> impl Strategy<Value = HistoryId> {
    any::<u64>().prop_map(HistoryId)
}

fn room() -> impl Strategy<Value = RoomId> {
    any::<[u8; 16]>().prop_map(RoomId::from_bits)
}

fn room_name() -> impl Strategy<Value = RoomName> {
    prop_oneof![
        room().prop_map(RoomName::Id),
        any::<u64>().prop_map(|number| RoomName::Conversation(ConversationNo(number))),
    ]
}

fn cid() -> impl Strategy<Value = Cid> {
    (any::<[u8; 16]>(), prop_oneof![Just(7), Just(8)]).prop_map(|(mut bits, version)| {
        bits[6] = version << 4 | bits[6] & 0x0f;
        bits[8] = 0x80 | bits[8] & 0x3f;
        Cid::from_bits(bits)
    })
}

fn person() -> impl Strategy<Value = PersonId> {
    "[a-zäß0-9@._ -]{1,20}".prop_map(|text| PersonId::new(&text).unwrap())
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::Visitor),
        Just(Role::Agent),
        Just(Role::Admin),
        Just(Role::Superadmin),
        Just(Role::Bot),
    ]
}

fn frame_ref() -> impl Strategy<Value = FrameRef> {
    prop_oneof![
        any::<u64>().prop_map(FrameRef::Number),
        "\\PC{0,16}".prop_map(FrameRef::Text),
    ]
}

/// Any JSON value but null, which means "absent". Floats are those that every reader of decimals
/// rounds alike.
fn rich() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let nullable = prop_oneof![4 => inner, 1 => Just(Value::Null)];
        prop_oneof![
            vec(nullable.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), nullable, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn since() -> impl Strategy<Value = Since> {
    (history_id(), seq()).prop_map(|(history_id, seq)| Since { history_id, seq })
}

fn page_from() -> impl Strategy<Value = PageFrom> {
    prop_oneof![
        seq().prop_map(PageFrom::Before),
        seq().prop_map(PageFrom::After),
        Just(PageFrom::Latest),
    ]
}

fn request() -> impl Strategy<Value = ClientRequest> {
    prop_oneof![
        (
            option::of(any::<String>()),
            btree_map(room_name(), since(), 0..4)
        )
            .prop_map(|(token, resume)| ClientRequest::Connect { token, resume }),
        (room_name(), option::of(since()))
            .prop_map(|(room, since)| ClientRequest::Join { room, since }),
        room_name().prop_map(|room| ClientRequest::Leave { room }),
        (
            room_name(),
            option::of(cid()),
            any::<String>(),
            option::of(rich()),
            option::of(seq()),
            vec((0..1_u64 << 50).prop_map(FileNo), 0..4),
        )
            .prop_map(|(room, cid, text, rich, reply_to, files)| {
                ClientRequest::PostMessage {
                    room,
                    cid,
                    text,
                    rich,
                    reply_to,
                    files,
                }
            }),
        (room_name(), seq()).prop_map(|(room, seq)| ClientRequest::MarkRead { room, seq }),
        (room_name(), any::<bool>())
            .prop_map(|(room, active)| ClientRequest::Typing { room, active }),
        (room_name(), page_from(), option::of(1_u32..))
            .prop_map(|(room, from, limit)| ClientRequest::History { room, from, limit }),
        room_name().prop_map(|room| ClientRequest::Presence { room }),
        any::<String>().prop_map(|token| ClientRequest::Refresh { token }),
        upload_open().prop_map(|open| ClientRequest::UploadOpen(Box::new(open))),
        (upload(), option::of(any::<String>()))
            .prop_map(|(upload, ticket)| ClientRequest::UploadResume { upload, ticket }),
        upload().prop_map(|upload| ClientRequest::UploadCancel { upload }),
    ]
}

fn upload() -> impl Strategy<Value = UploadId> {
    any::<[u8; 16]>().prop_map(UploadId::from_bits)
}

fn upload_open() -> impl Strategy<Value = UploadOpen> {
    let text = || option::of(any::<String>());
    let size = option::of(any::<u64>());
    let digest = option::of(any::<[u8; 32]>());
    (
        option::of(room_name()),
        any::<String>(),
        size,
        (text(), text()),
        digest,
        option::of(cid()),
    )
        .prop_map(
            |(room, name, size, (mime, caption), sha256, cid)| UploadOpen {
                room,
                name,
                size,
                mime,
                caption,
                sha256,
                cid,
            },
        )
}

fn upload_opened() -> impl Strategy<Value = UploadOpened> {
    let stream = option::of(any::<u16>());
    let numbers = (any::<u64>(), any::<u32>(), any::<u64>(), any::<u64>());
    (
        upload(),
        stream,
        numbers,
        at(),
        any::<String>(),
        any::<String>(),
    )
        .prop_map(
            |(
                upload,
                stream,
                (offset, chunk_max, credit, size_max),
                expires_at,
                tus_url,
                ticket,
            )| {
                UploadOpened {
                    upload,
                    stream,
                    offset,
                    chunk_max,
                    credit,
                    expires_at,
                    size_max,
                    tus_url,
                    ticket,
                }
            },
        )
}

fn upload_push() -> impl Strategy<Value = Push> {
    let word = || option::of("[a-z_]{1,9}".prop_map(Arc::from));
    let numbers = (any::<u16>(), any::<u64>(), any::<u64>(), any::<u32>());
    let reason = (0..ResetReason::ALL.len()).prop_map(|index| ResetReason::ALL[index]);
    let state = (
        upload(),
        "[a-z]{1,9}",
        word(),
        option::of(any::<bool>()),
        option::of(any::<u32>()),
        option::of(seq()),
    );
    prop_oneof![
        numbers.prop_map(|(stream, limit, _, chunk_max)| {
            Push::UploadCredit {
                stream,
                limit,
                chunk_max,
            }
        }),
        numbers.prop_map(|(stream, received, durable, _)| {
            Push::UploadAck {
                stream,
                received,
                durable,
            }
        }),
        numbers.prop_map(|(stream, expected, ..)| Push::UploadNack { stream, expected }),
        (any::<u16>(), upload(), reason).prop_map(|(stream, upload, reason)| Push::UploadReset {
            stream,
            upload,
            reason,
        }),
        state.prop_map(|(upload, state, failure, retryable, file, seq)| {
            Push::UploadState(UploadStatePush {
                upload,
                state: state.into(),
                failure,
                retryable,
                file: file.map(|file| FileNo(u64::from(file))),
                seq,
            })
        }),
    ]
}

pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    (option::of(frame_ref()), request()).prop_map(|(id, request)| ClientFrame { id, request })
}

fn wire_error() -> impl Strategy<Value = WireError> {
    let code = (0..ErrorCode::ALL.len()).prop_map(|index| ErrorCode::ALL[index]);
    let retry = prop_oneof![
        Just(Retry::No),
        Just(Retry::Later),
        Just(Retry::Resume),
        Just(Retry::OtherNode),
    ];
    (code, any::<String>(), retry, "[0-9a-f]{8}").prop_map(|(code, message, retry, request_id)| {
        WireError {
            code,
            message,
            retry,
            request_id,
        }
    })
}

fn card() -> impl Strategy<Value = Card> {
    let field = || option::of(any::<String>().prop_map(Arc::from));
    (field(), field(), field(), field()).prop_map(|(name, email, user_type, picture_url)| Card {
        name,
        email,
        user_type,
        picture_url,
    })
}

fn file() -> impl Strategy<Value = Box<SharedFile>> {
    let pixels = option::of((1..9_000_u32, 1..9_000_u32));
    (any::<u32>(), any::<[u8; 16]>(), any::<String>(), pixels).prop_map(
        |(number, bits, name, pixels)| {
            Box::new(SharedFile {
                no: FileNo(u64::from(number)),
                upload: UploadId::from_bits(bits),
                name: name.into(),
                mime: "image/png".into(),
                size: u64::from(number) << 8,
                pixels,
                has_thumbnail: pixels.is_some(),
            })
        },
    )
}

fn event_body() -> impl Strategy<Value = EventBody> {
    let author = (person(), role(), card()).prop_map(|(id, role, card)| Author { id, role, card });
    let message = (
        at(),
        cid(),
        author,
        any::<String>(),
        option::of(rich()),
        option::of(seq()),
        (option::of(file()), option::of(seq())),
        option::of(at()),
    )
        .prop_map(
            |(at, cid, author, text, rich, reply_to, (file, part_of), deleted_at)| {
                EventKind::Message {
                    at,
                    cid,
                    author,
                    text: text.into(),
                    rich,
                    reply_to,
                    file,
                    part_of,
                    deleted_at,
                }
            },
        );
    let deleted = (at(), seq()).prop_map(|(at, target)| EventKind::MessageDeleted { at, target });
    let by = (person(), role(), card()).prop_map(|(id, role, card)| Author { id, role, card });
    let step = prop_oneof![Just("escalated"), Just("assigned"), Just("resolved")];
    let agent = option::of((person(), option::of("[a-z ]{0,9}")));
    let handoff = (at(), by, step, agent).prop_map(|(at, author, step, agent)| {
        EventKind::Handoff(HandoffMove {
            at,
            author,
            step: step.into(),
            agent: agent.map(|(id, name)| NamedPerson {
                id,
                name: name.map(Into::into),
            }),
        })
    });
    let kind = prop_oneof![
        4 => message,
        1 => deleted,
        1 => handoff,
        1 => Just(EventKind::Hidden {})
    ];
    (seq(), kind).prop_map(|(seq, kind)| EventBody { seq, kind })
}

fn joined() -> impl Strategy<Value = Joined> {
    let resume = prop_oneof![Just(Resume::Ok), Just(Resume::Page), Just(Resume::Reset)];
    (
        room(),
        any::<u64>().prop_map(ConversationNo),
        resume,
        history_id(),
        seq(),
        btree_map(person(), seq(), 0..3),
    )
        .prop_map(
            |(room, conversation_id, resume, history_id, head, marks)| Joined {
                room,
                conversation_id,
                resume,
                history_id,
                head,
                marks,
            },
        )
}

fn rejoined() -> impl Strategy<Value = Rejoined> {
    prop_oneof![
        joined().prop_map(Rejoined::Joined),
        wire_error().prop_map(|error| Rejoined::Refused { error }),
    ]
}

fn connected() -> impl Strategy<Value = Connected> {
    (
        person(),
        role(),
        any::<u64>(),
        option::of(at()),
        btree_map("[0-9]{1,5}", rejoined(), 0..3),
    )
        .prop_map(|(person, role, ping_ms, expires_at, rooms)| Connected {
            person,
            role,
            ping_ms,
            expires_at,
            rooms,
        })
}

fn answer() -> impl Strategy<Value = Answer> {
    let page = (history_id(), seq(), vec(event_body(), 0..3), any::<bool>());
    prop_oneof![
        (seq(), at(), any::<bool>()).prop_map(|(seq, at, dup)| Answer::Posted(Posted {
            seq,
            at,
            dup
        })),
        connected().prop_map(Answer::Connected),
        joined().prop_map(Answer::Joined),
        page.prop_map(|(history_id, head, events, more)| Answer::Page(Page {
            history_id,
            head,
            events,
            more,
        })),
        vec(person(), 0..3).prop_map(|present| Answer::Occupants(Occupants { present })),
        seq().prop_map(|read| Answer::Marked(Marked { read })),
        upload_opened().prop_map(Answer::UploadOpened),
        Just(Answer::Done(Done {})),
    ]
}

fn ephemeral_kind() -> impl Strategy<Value = EphemeralKind> {
    prop_oneof![
        (person(), any::<bool>())
            .prop_map(|(person, active)| EphemeralKind::Typing { person, active }),
        (vec(person(), 0..3), vec(person(), 0..3))
            .prop_map(|(joined, left)| EphemeralKind::Presence { joined, left }),
        (person(), seq()).prop_map(|(person, seq)| EphemeralKind::Read { person, seq }),
        (
            person(),
            upload(),
            any::<String>(),
            any::<u64>(),
            option::of(any::<u64>())
        )
            .prop_map(|(person, upload, name, received, size)| {
                EphemeralKind::UploadProgress {
                    person,
                    upload,
                    name: name.into(),
                    received,
                    size,
                }
            }),
    ]
}

fn push() -> impl Strategy<Value = Push> {
    prop_oneof![
        (room(), event_body()).prop_map(|(room, event)| Push::Event(RoomPush { room, event })),
        (room(), ephemeral_kind())
            .prop_map(|(room, kind)| Push::Ephemeral(EphemeralPush { room, kind })),
        vec(room(), 0..3).prop_map(|rooms| Push::Lag { rooms }),
        any::<u64>().prop_map(|after_ms| Push::Drain { after_ms }),
        Just(Push::Expired {}),
        upload_push(),
    ]
}

pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        (frame_ref(), answer()).prop_map(|(id, ok)| ServerFrame::Ok { id, ok }),
        (option::of(frame_ref()), wire_error())
            .prop_map(|(id, error)| ServerFrame::Error { id, error }),
        push().prop_map(ServerFrame::Push),
    ]
}
