//! Frames of files: what they look like, and that no bytes confuse their reader.

use frontdesk_protocol::codec::{Codec, encode_client};
use frontdesk_protocol::file_frame::{FILE_FRAME_MARK, FileFrame, FileFrameKind};
use proptest::prelude::*;

use crate::strategies::client_frame;

#[test]
fn a_frame_is_laid_out_as_documented() {
    let frame = FileFrame::new(
        FileFrameKind::End,
        0x0102,
        0x0304_0506_0708_090a,
        b"123456789",
    );
    let expected = [
        &[0xc1, 2, 0x01, 0x02][..],
        // The check value of CRC-32C.
        &[0xe3, 0x06, 0x92, 0x83],
        &[3, 4, 5, 6, 7, 8, 9, 10],
        b"123456789",
    ];
    assert_eq!(frame.encode(), expected.concat());
}

#[test]
fn a_frame_that_is_cut_short_or_of_no_kind_is_none() {
    let whole = FileFrame::new(FileFrameKind::Bytes, 1, 0, b"").encode();
    assert!(FileFrame::parse(&whole).is_some());
    for length in 0..whole.len() {
        assert_eq!(FileFrame::parse(&whole[..length]), None, "{length}");
    }
    for kind in [0, 4, 255] {
        let mut odd = whole.clone();
        odd[1] = kind;
        assert_eq!(FileFrame::parse(&odd), None, "{kind}");
    }
}

#[test]
fn no_frame_ends_behind_the_last_offset() {
    let last = FileFrame::new(FileFrameKind::Bytes, 1, u64::MAX, b"");
    assert_eq!(last.end(), Some(u64::MAX));
    let beyond = FileFrame::new(FileFrameKind::Bytes, 1, u64::MAX, b"x");
    assert_eq!(beyond.end(), None);
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        kind in (0..FileFrameKind::ALL.len()).prop_map(|index| FileFrameKind::ALL[index]),
        stream in any::<u16>(),
        offset in any::<u64>(),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let frame = FileFrame::new(kind, stream, offset, &payload);
        let bytes = frame.encode();
        prop_assert!(FileFrame::is_one(&bytes));
        let read = FileFrame::parse(&bytes).unwrap();
        prop_assert_eq!(read, frame);
        prop_assert!(read.is_whole());
    }

    #[test]
    fn a_changed_payload_is_noticed(
        payload in prop::collection::vec(any::<u8>(), 1..300),
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let mut bytes = FileFrame::new(FileFrameKind::Bytes, 1, 7, &payload).encode();
        let at = bytes.len() - payload.len() + at.index(payload.len());
        bytes[at] ^= change;
        prop_assert!(!FileFrame::parse(&bytes).unwrap().is_whole());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some(frame) = FileFrame::parse(&bytes) {
            prop_assert_eq!(bytes[0], FILE_FRAME_MARK);
            prop_assert_eq!(frame.payload.len() + 16, bytes.len());
        }
    }

    #[test]
    fn no_frame_of_the_chat_is_taken_for_one(frame in client_frame()) {
        for codec in Codec::ALL {
            prop_assert!(!FileFrame::is_one(&encode_client(codec, &frame)));
        }
    }
}
