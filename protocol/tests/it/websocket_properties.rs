//! What holds for any frames in any pieces, and for any bytes.

use frontdesk_protocol::limits;
use frontdesk_protocol::websocket::{Flow, FrameReader, Incoming, Opcode, client_frame};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::websocket::{Item, feed};

const MESSAGE_BYTES_MAX: u32 = 300;
/// What a reader holds beside the bytes it keeps: its own fields, and vectors grow by doubling.
const FIXED_BYTES: usize = 320;

fn opcode() -> impl Strategy<Value = Opcode> {
    prop_oneof![
        3 => Just(Opcode::Text),
        3 => Just(Opcode::Binary),
        4 => Just(Opcode::Continuation),
        1 => Just(Opcode::Ping),
        1 => Just(Opcode::Pong),
    ]
}

/// Frames that mostly make sense: fragments, controls, texts, too long ones, a wrong bit at times.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "\\PC{0,40}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..20),
        (100_usize..700).prop_map(|length| vec![b'x'; length]),
    ];
    let frame = (opcode(), payload, any::<[u8; 4]>(), any::<bool>(), 0..40_u8);
    vec(frame, 0..12).prop_map(|frames| {
        let mut bytes = Vec::new();
        let mut inside = false;
        for (mut opcode, payload, mask, fin, luck) in frames {
            if !opcode.is_control() {
                opcode = match (inside, opcode) {
                    (true, _) => Opcode::Continuation,
                    (false, Opcode::Continuation) => Opcode::Text,
                    (false, opcode) => opcode,
                };
                inside = !fin;
            }
            let fin = fin || opcode.is_control();
            let length = if opcode.is_control() {
                payload.len().min(125)
            } else {
                payload.len()
            };
            let start = bytes.len();
            bytes.extend(client_frame(opcode, &payload[..length], mask));
            if !fin {
                bytes[start] &= 0x7f;
            }
            if luck == 0 {
                bytes[start] ^= 0x40;
            }
        }
        bytes
    })
}

/// Reads in pieces, pausing after every item where asked to, and checks memory at each step.
fn read_in_pieces(bytes: &[u8], mut cuts: Vec<usize>, pause: bool) -> (Vec<Item>, bool) {
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let (mut reader, mut items) = (FrameReader::new(MESSAGE_BYTES_MAX), Vec::new());
    let mut longest = 0;
    for cut in cuts.windows(2) {
        let mut piece = bytes[cut[0]..cut[1]].to_vec();
        let mut on = |incoming: Incoming<'_>| {
            items.push(Item::from(incoming));
            if pause { Flow::Pause } else { Flow::Go }
        };
        let mut result = reader.feed(&mut piece, &mut on);
        while result == Ok(Flow::Pause) {
            result = reader.feed(&mut [], &mut on);
        }
        if result.is_err() {
            return (items, true);
        }
        let kept = (cut[1]).min(MESSAGE_BYTES_MAX as usize + limits::CONTROL_PAYLOAD_BYTES_MAX);
        let held = reader.held_bytes();
        // What is left of a piece keeps its room until it is spent.
        longest = longest.max(piece.len());
        let limit = FIXED_BYTES + 2 * kept + 2 * longest;
        assert!(held <= limit, "{held} of {limit}");
    }
    (items, false)
}

proptest! {
    #[test]
    fn pieces_and_pauses_never_change_what_is_read(
        bytes in frames(),
        cuts in vec(any::<Index>(), 0..12),
        pause in any::<bool>(),
    ) {
        let whole = read_in_pieces(&bytes, Vec::new(), false);
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        prop_assert_eq!(&whole, &read_in_pieces(&bytes, cuts, pause));
        let every_byte = (0..bytes.len()).collect();
        prop_assert_eq!(&whole, &read_in_pieces(&bytes, every_byte, pause));
    }

    #[test]
    fn no_bytes_panic_the_reader(pieces in vec(vec(any::<u8>(), 0..64), 0..8)) {
        for mut reader in [FrameReader::new(300), FrameReader::of_client(300)] {
            let mut items = Vec::new();
            let mut failed = false;
            for piece in &pieces {
                let result = feed(&mut reader, piece, &mut items);
                prop_assert!(!failed || result.is_ok(), "an ended reader ignores everything");
                failed |= result.is_err();
            }
            prop_assert!(!failed || reader.held_bytes() == 0);
        }
    }
}
