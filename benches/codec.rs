//! What a frame costs: the messages of a busy room in both codecs, to bytes and back, and the
//! server's reading of masked client frames.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use frontdesk_protocol::codec::{self, Codec};
use frontdesk_protocol::command::{Card, Role};
use frontdesk_protocol::event::Author;
use frontdesk_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;
use frontdesk_protocol::native::{
    ClientFrame, ClientRequest, EventBody, EventKind, FrameRef, Push, RoomName, RoomPush,
    ServerFrame,
};
use frontdesk_protocol::websocket::{Flow, FrameReader, Opcode, client_frame, server_message};
use frontdesk_protocol::{Cid, PersonId, RoomId, Seq, Timestamp};

/// Two lines of chat.
const TEXT: &str = "My order 4711 has not come yet, and the tracking page shows nothing since \
                    Monday. Could you please have a look?";

/// Frames of one read of a busy socket.
const FRAMES_A_READ: usize = 64;

fn room() -> RoomId {
    RoomId::from_bits([7; 16])
}

fn cid() -> Cid {
    let text = "01890a5d-ac96-774b-bcce-b302099a8057";
    text.parse().expect("a UUID of version 7")
}

fn event() -> ServerFrame {
    let kind = EventKind::Message {
        at: Timestamp(1_700_000_000_000),
        cid: cid(),
        author: Author {
            id: PersonId::new("5").expect("a valid id"),
            role: Role::Visitor,
            card: Card {
                name: Some(Arc::from("Ada Lovelace")),
                email: Some(Arc::from("ada@example.org")),
                ..Card::default()
            },
        },
        text: Arc::from(TEXT),
        rich: None,
        reply_to: None,
        file: None,
        part_of: None,
        deleted_at: None,
    };
    ServerFrame::Push(Push::Event(RoomPush {
        room: room(),
        event: EventBody {
            seq: Seq(4_711),
            kind,
        },
    }))
}

fn post() -> ClientFrame {
    ClientFrame {
        id: Some(FrameRef::Number(7)),
        request: ClientRequest::PostMessage {
            room: RoomName::Id(room()),
            cid: Some(cid()),
            text: TEXT.to_owned(),
            rich: None,
            reply_to: None,
            files: Vec::new(),
        },
    }
}

fn server_frames(criterion: &mut Criterion) {
    let frame = event();
    for codec in Codec::ALL {
        let mut group = criterion.benchmark_group(format!("server_event_{codec:?}"));
        let bytes = codec::encode_server(codec, &frame);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| codec::encode_server(codec, black_box(&frame)));
        });
        group.bench_function("encode_with_header", |bencher| {
            bencher.iter(|| server_message(codec, black_box(&frame)));
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| codec::decode_server(codec, black_box(&bytes)));
        });
        group.finish();
    }
}

fn client_frames(criterion: &mut Criterion) {
    let frame = post();
    for codec in Codec::ALL {
        let mut group = criterion.benchmark_group(format!("client_post_{codec:?}"));
        let bytes = codec::encode_client(codec, &frame);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("encode", |bencher| {
            bencher.iter(|| codec::encode_client(codec, black_box(&frame)));
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| codec::decode_client(codec, black_box(&bytes)));
        });
        group.finish();
    }
}

fn reading(criterion: &mut Criterion) {
    let payload = codec::encode_client(Codec::Json, &post());
    let frame = client_frame(Opcode::Text, &payload, [1, 2, 3, 4]);
    let read = frame.repeat(FRAMES_A_READ);
    let mut group = criterion.benchmark_group("frame_reader");
    group.throughput(Throughput::Elements(FRAMES_A_READ as u64));
    // Unmasking is done in place, so every round needs its own copy.
    group.bench_function("whole_frames", |bencher| {
        let mut reader = FrameReader::new(CLIENT_MESSAGE_BYTES_MAX as u32);
        bencher.iter_batched_ref(
            || read.clone(),
            |bytes| {
                reader.feed(bytes, &mut |incoming| {
                    black_box(incoming);
                    Flow::Go
                })
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, server_frames, client_frames, reading);
criterion_main!(benches);
