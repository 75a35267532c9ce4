//! RFC 6455 case by case, in the order of the Autobahn suite: framing, pings, reserved bits,
//! opcodes, fragments, UTF-8, closing, limits.

use frontdesk_protocol::close::CloseCode;
use frontdesk_protocol::limits;
use frontdesk_protocol::websocket::{
    Flow, FrameReader, Incoming, Opcode, ProtocolError, client_frame, server_frame,
};

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const MESSAGE_BYTES_MAX: u32 = 100_000;

/// An [`Incoming`] that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Text(String),
    Binary(Vec<u8>),
    Piece(Vec<u8>, bool),
    Oversize(u64),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Incoming<'_>> for Item {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Message {
                text: true,
                payload,
            } => Item::Text(String::from_utf8(payload.to_vec()).unwrap()),
            Incoming::Message { payload, .. } => Item::Binary(payload.to_vec()),
            Incoming::Piece { payload, is_last } => Item::Piece(payload.to_vec(), is_last),
            Incoming::Oversize { announced_bytes } => Item::Oversize(announced_bytes),
            Incoming::Ping(payload) => Item::Ping(payload.to_vec()),
            Incoming::Pong(payload) => Item::Pong(payload.to_vec()),
            Incoming::Close { code, reason } => Item::Close(code, reason.to_owned()),
        }
    }
}

/// Items of one piece of input, and the error it ends with.
pub(crate) fn feed(
    reader: &mut FrameReader,
    bytes: &[u8],
    items: &mut Vec<Item>,
) -> Result<(), ProtocolError> {
    let mut on = |incoming: Incoming<'_>| {
        items.push(Item::from(incoming));
        Flow::Go
    };
    reader.feed(&mut bytes.to_vec(), &mut on).map(|_| ())
}

fn read(bytes: &[u8]) -> (Vec<Item>, Result<(), ProtocolError>) {
    let (mut reader, mut items) = (FrameReader::new(MESSAGE_BYTES_MAX), Vec::new());
    let result = feed(&mut reader, bytes, &mut items);
    (items, result)
}

fn items(bytes: &[u8]) -> Vec<Item> {
    let (items, result) = read(bytes);
    assert_eq!(result, Ok(()));
    items
}

fn refusal(bytes: &[u8]) -> ProtocolError {
    read(bytes).1.unwrap_err()
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    client_frame(opcode, payload, MASK)
}

/// A frame that does not end its message.
fn open_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(opcode, payload);
    bytes[0] &= 0x7f;
    bytes
}

fn text(text: &str) -> Item {
    Item::Text(text.to_owned())
}

#[test]
fn messages_of_every_length_form_are_read() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
        let payload = vec![b'*'; length];
        let expected = String::from_utf8(payload.clone()).unwrap();
        assert_eq!(
            items(&frame(Opcode::Text, &payload)),
            [Item::Text(expected)]
        );
        assert_eq!(
            items(&frame(Opcode::Binary, &payload)),
            [Item::Binary(payload)]
        );
    }
}

#[test]
fn pings_and_pongs_carry_up_to_125_bytes() {
    let payload = vec![0xfe; 125];
    let bytes = [frame(Opcode::Ping, &payload), frame(Opcode::Pong, &[])].concat();
    assert_eq!(items(&bytes), [Item::Ping(payload), Item::Pong(vec![])]);
    assert_eq!(
        refusal(&frame(Opcode::Ping, &[0; 126])),
        ProtocolError::ControlTooLong
    );
}

#[test]
fn reserved_bits_are_refused_after_what_came_before() {
    for bit in [0x40, 0x20, 0x10] {
        let mut bad = frame(Opcode::Text, b"b");
        bad[0] |= bit;
        let (items, result) = read(&[frame(Opcode::Text, b"a"), bad].concat());
        assert_eq!(items, [text("a")]);
        assert_eq!(result, Err(ProtocolError::ReservedBits));
    }
}

#[test]
fn reserved_opcodes_are_refused() {
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_eq!(
            refusal(&[0x80 | opcode, 0x80]),
            ProtocolError::ReservedOpcode
        );
    }
}

#[test]
fn unmasked_frames_of_clients_and_masked_ones_of_servers_are_refused() {
    assert_eq!(
        refusal(&server_frame(Opcode::Text, b"hi")),
        ProtocolError::Mask
    );
    let mut reader = FrameReader::of_client(MESSAGE_BYTES_MAX);
    let mut items = Vec::new();
    feed(&mut reader, &server_frame(Opcode::Text, b"hi"), &mut items).unwrap();
    assert_eq!(items, [text("hi")]);
    let refused = feed(&mut reader, &frame(Opcode::Text, b"hi"), &mut items);
    assert_eq!(refused, Err(ProtocolError::Mask));
}

#[test]
fn lengths_must_have_their_shortest_form() {
    assert_eq!(refusal(&[0x82, 0xfe, 0, 125]), ProtocolError::Length);
    let long = |length: u64| [&[0x82, 0xff], &length.to_be_bytes()[..]].concat();
    assert_eq!(refusal(&long(65_535)), ProtocolError::Length);
    assert_eq!(refusal(&long(1 << 63)), ProtocolError::Length);
}

#[test]
fn fragments_are_joined_with_controls_between_them() {
    let bytes = [
        open_frame(Opcode::Text, b"frag"),
        frame(Opcode::Ping, b"1"),
        open_frame(Opcode::Continuation, b""),
        frame(Opcode::Pong, b"2"),
        frame(Opcode::Continuation, b"ment"),
        frame(Opcode::Binary, b"next"),
    ];
    let expected = [
        Item::Ping(b"1".to_vec()),
        Item::Pong(b"2".to_vec()),
        text("fragment"),
        Item::Binary(b"next".to_vec()),
    ];
    assert_eq!(items(&bytes.concat()), expected);
}

#[test]
fn fragments_out_of_place_are_refused() {
    let alone = frame(Opcode::Continuation, b"x");
    assert_eq!(refusal(&alone), ProtocolError::ContinuationAlone);
    let after_end = [frame(Opcode::Text, b"a"), alone].concat();
    assert_eq!(refusal(&after_end), ProtocolError::ContinuationAlone);
    let inside = [open_frame(Opcode::Text, b"a"), frame(Opcode::Text, b"b")].concat();
    assert_eq!(refusal(&inside), ProtocolError::MessageInsideMessage);
    let control = open_frame(Opcode::Ping, b"a");
    assert_eq!(refusal(&control), ProtocolError::ControlFragmented);
}

#[test]
fn fragments_beyond_their_count_are_refused() {
    let mut bytes = open_frame(Opcode::Binary, b"x");
    for _ in 1..limits::CLIENT_FRAGMENT_COUNT_MAX {
        bytes.extend(open_frame(Opcode::Continuation, b""));
    }
    assert_eq!(items(&bytes), []);
    bytes.extend(frame(Opcode::Continuation, b""));
    let refused = refusal(&bytes);
    assert_eq!(refused, ProtocolError::TooManyFragments);
    assert_eq!(refused.close_code(), CloseCode::TooBig);
}

#[test]
fn texts_must_be_utf8_as_a_whole() {
    let word = "κόσμε😀";
    let (start, end) = word.as_bytes().split_at(3);
    let split = [
        open_frame(Opcode::Text, start),
        frame(Opcode::Continuation, end),
    ];
    assert_eq!(items(&split.concat()), [text(word)]);
    for bad in [
        &[0xff][..],
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xce\xba\xe1\xbd",
    ] {
        let refused = refusal(&frame(Opcode::Text, bad));
        assert_eq!(refused, ProtocolError::InvalidUtf8);
        assert_eq!(refused.close_code(), CloseCode::InvalidUtf8);
        assert_eq!(
            items(&frame(Opcode::Binary, bad)),
            [Item::Binary(bad.to_vec())]
        );
    }
}

#[test]
fn close_frames_are_read_and_nothing_after_them() {
    let bye = [&1000_u16.to_be_bytes()[..], "tschüß".as_bytes()].concat();
    let (mut reader, mut items) = (FrameReader::new(MESSAGE_BYTES_MAX), Vec::new());
    let bytes = [
        frame(Opcode::Close, &bye),
        frame(Opcode::Text, b"late"),
        vec![0xff],
    ];
    feed(&mut reader, &bytes.concat(), &mut items).unwrap();
    feed(&mut reader, b"later", &mut items).unwrap();
    assert_eq!(items, [Item::Close(Some(1000), "tschüß".to_owned())]);
    assert!(reader.has_ended());
    assert_eq!(reader.held_bytes(), 0);
    let empty = frame(Opcode::Close, &[]);
    assert_eq!(
        read(&empty),
        (vec![Item::Close(None, String::new())], Ok(()))
    );
}

#[test]
fn close_codes_that_no_one_may_send_are_refused() {
    for code in [1000, 1001, 1003, 1007, 1014, 3000, 3999, 4000, 4999_u16] {
        let bytes = frame(Opcode::Close, &code.to_be_bytes());
        assert_eq!(items(&bytes), [Item::Close(Some(code), String::new())]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535_u16] {
        let bytes = frame(Opcode::Close, &code.to_be_bytes());
        assert_eq!(refusal(&bytes), ProtocolError::BadClose, "{code}");
    }
    assert_eq!(
        refusal(&frame(Opcode::Close, &[3])),
        ProtocolError::BadClose
    );
    let bad_reason = frame(Opcode::Close, &[3, 232, 0xff]);
    assert_eq!(refusal(&bad_reason), ProtocolError::InvalidUtf8);
}

#[test]
fn an_oversize_message_is_announced_once_and_the_socket_goes_on() {
    let limit = MESSAGE_BYTES_MAX as usize;
    let bytes = [
        frame(Opcode::Text, &vec![0xff; limit + 1]),
        frame(Opcode::Text, b"next"),
    ];
    let announced = Item::Oversize(limit as u64 + 1);
    assert_eq!(items(&bytes.concat()), [announced, text("next")]);
    let bytes = [
        open_frame(Opcode::Binary, &vec![1; limit]),
        open_frame(Opcode::Continuation, b"one too many"),
        frame(Opcode::Ping, b"p"),
        open_frame(Opcode::Continuation, b"dropped"),
        frame(Opcode::Continuation, b"dropped"),
        frame(Opcode::Text, b"next"),
    ];
    let expected = [
        Item::Oversize(limit as u64 + 12),
        Item::Ping(b"p".to_vec()),
        text("next"),
    ];
    assert_eq!(items(&bytes.concat()), expected);
}

#[test]
fn an_announced_length_allocates_nothing() {
    let mut reader = FrameReader::new(u32::MAX);
    let mut items = Vec::new();
    let header = [0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    feed(&mut reader, &header, &mut items).unwrap();
    assert!(reader.held_bytes() < 1_000, "{} bytes", reader.held_bytes());
    feed(&mut reader, &[0; 4_096], &mut items).unwrap();
    assert!(
        reader.held_bytes() < 10_000,
        "{} bytes",
        reader.held_bytes()
    );
    assert_eq!(items, []);
}

#[test]
fn a_dropped_payload_is_never_held() {
    let mut reader = FrameReader::new(10);
    let mut items = Vec::new();
    let bytes = frame(Opcode::Binary, &[7; 100_000]);
    for piece in bytes.chunks(4_096) {
        feed(&mut reader, piece, &mut items).unwrap();
        assert!(reader.held_bytes() < 200, "{} bytes", reader.held_bytes());
    }
    assert_eq!(items, [Item::Oversize(100_000)]);
    assert_eq!(reader.held_bytes(), 0);
}

#[test]
fn an_idle_reader_is_small_and_holds_no_heap() {
    assert!(size_of::<FrameReader>() <= 64);
    let (mut reader, mut items) = (FrameReader::new(MESSAGE_BYTES_MAX), Vec::new());
    let bytes = [
        open_frame(Opcode::Text, b"a"),
        frame(Opcode::Continuation, b"b"),
    ];
    for byte in bytes.concat() {
        assert_eq!(
            reader.held_bytes() == 0,
            items.is_empty() && byte == bytes[0][0]
        );
        feed(&mut reader, &[byte], &mut items).unwrap();
    }
    assert_eq!(items, [text("ab")]);
    assert_eq!(reader.held_bytes(), 0);
}

#[test]
fn a_pause_keeps_the_rest_for_later() {
    let mut reader = FrameReader::new(MESSAGE_BYTES_MAX);
    let mut items = Vec::new();
    let mut on = |incoming: Incoming<'_>| {
        items.push(Item::from(incoming));
        Flow::Pause
    };
    let mut bytes = [
        frame(Opcode::Text, b"1"),
        frame(Opcode::Text, b"2"),
        frame(Opcode::Text, b"3"),
    ]
    .concat();
    let last = bytes.split_off(bytes.len() - 2);
    assert_eq!(reader.feed(&mut bytes, &mut on), Ok(Flow::Pause));
    assert_eq!(reader.feed(&mut [], &mut on), Ok(Flow::Pause));
    assert_eq!(reader.feed(&mut [], &mut on), Ok(Flow::Go));
    assert_eq!(reader.feed(&mut last.clone(), &mut on), Ok(Flow::Pause));
    assert_eq!(reader.feed(&mut [], &mut on), Ok(Flow::Go));
    assert_eq!(items, [text("1"), text("2"), text("3")]);
    assert_eq!(reader.held_bytes(), 0);
}

/// A client's frame of this payload.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0xff];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend(MASK);
    let bytes = payload.iter().zip(MASK.iter().cycle());
    frame.extend(bytes.map(|(byte, mask)| byte ^ mask));
    frame
}

/// What pieces of a text say together, and the items that are none.
fn streamed(bytes: &[u8], step: usize, limit: u32) -> (Vec<u8>, usize, Vec<Item>) {
    let mut reader = FrameReader::new(MESSAGE_BYTES_MAX).streaming(limit);
    let (mut text, mut last_count, mut others) = (Vec::new(), 0, Vec::new());
    for part in bytes.chunks(step) {
        let mut pausing = false;
        let mut on = |incoming: Incoming<'_>| {
            match Item::from(incoming) {
                Item::Piece(bytes, is_last) => {
                    text.extend(bytes);
                    last_count += usize::from(is_last);
                }
                other => others.push(other),
            }
            // Every second one wants a pause, which must lose nothing.
            pausing = !pausing;
            if pausing { Flow::Pause } else { Flow::Go }
        };
        let mut flow = reader.feed(&mut part.to_vec(), &mut on).expect("lawful");
        while flow == Flow::Pause {
            flow = reader.feed(&mut [], &mut on).expect("lawful");
        }
    }
    assert_eq!(reader.held_bytes(), 0, "nothing is held at the end");
    (text, last_count, others)
}

#[test]
fn a_text_beyond_the_limit_is_given_out_in_pieces_however_it_comes() {
    let long: Vec<u8> = (0..400_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
    let short = masked(0x81, &vec![b'x'; 66_000]);
    let whole = [masked(0x81, &long), short.clone()].concat();
    let ping = [0x89, 0x80, 0, 0, 0, 0].to_vec();
    let fragments = [
        masked(0x01, &long[..70_000]),
        masked(0x00, &long[70_000..140_001]),
        ping,
        masked(0x00, &long[140_001..300_001]),
        masked(0x80, &long[300_001..]),
        short,
    ];
    for bytes in [whole, fragments.concat()] {
        for step in [1_000, 4_099, 65_536, 1_000_000] {
            let (text, last_count, others) = streamed(&bytes, step, 400_000);
            assert!(text == long, "{step}");
            assert_eq!(last_count, 1);
            assert!(matches!(others.last(), Some(Item::Text(text)) if text.len() == 66_000));
        }
    }
}

#[test]
fn a_text_that_is_longer_than_may_be_streamed_is_dropped_when_that_is_known() {
    let bytes = [
        masked(0x01, &vec![b'a'; 150_000]),
        masked(0x80, &vec![b'a'; 150_000]),
        masked(0x82, &vec![b'a'; 150_000]),
        masked(0x81, &vec![b'x'; 66_000]),
    ];
    let (text, last_count, others) = streamed(&bytes.concat(), 10_000, 200_000);
    assert_eq!((text.len(), last_count), (150_000, 0));
    let expected = [Item::Oversize(300_000), Item::Oversize(150_000)];
    assert_eq!(others[..2], expected, "a longer text, and bytes");
    assert_eq!(others.len(), 3);
}
