//! What holds for every frame and for any bytes.

use frontdesk_protocol::codec::{
    Codec, decode_client, decode_server, encode_client, encode_server,
};
use frontdesk_protocol::error::ErrorCode;
use proptest::prelude::*;

use crate::strategies::{client_frame, server_frame};

/// Decodes what may be anything: it must return, and refuse only with codes for bad frames.
fn decode_both_ways(codec: Codec, bytes: &[u8]) {
    if let Err(error) = decode_client(codec, bytes) {
        let code = error.rejection.code;
        let expected = [
            ErrorCode::BadFrame,
            ErrorCode::BadField,
            ErrorCode::UnknownType,
        ];
        assert!(expected.contains(&code), "{code} for bytes of a client");
    }
    if let Err(error) = decode_server(codec, bytes) {
        let code = error.rejection.code;
        let expected = [ErrorCode::BadFrame, ErrorCode::UnknownType];
        assert!(expected.contains(&code), "{code} for bytes of a server");
    }
}

/// Changes some bytes, and cuts or repeats the end.
fn mutate(bytes: &mut Vec<u8>, changes: &[(prop::sample::Index, u8)], length: prop::sample::Index) {
    for (index, byte) in changes {
        let index = index.index(bytes.len());
        bytes[index] = *byte;
    }
    let tail = bytes.clone();
    bytes.extend_from_slice(&tail);
    bytes.truncate(length.index(bytes.len()) + 1);
}

proptest! {
    #[test]
    fn client_frames_survive_both_codecs(frame in client_frame()) {
        for codec in Codec::ALL {
            let bytes = encode_client(codec, &frame);
            prop_assert_eq!(decode_client(codec, &bytes).unwrap(), frame.clone());
        }
    }

    #[test]
    fn server_frames_survive_both_codecs(frame in server_frame()) {
        for codec in Codec::ALL {
            let bytes = encode_server(codec, &frame);
            prop_assert_eq!(decode_server(codec, &bytes).unwrap(), frame.clone());
        }
    }

    #[test]
    fn both_codecs_say_the_same(frame in server_frame()) {
        let json: serde_json::Value =
            serde_json::from_slice(&encode_server(Codec::Json, &frame)).unwrap();
        let msgpack: serde_json::Value =
            rmp_serde::from_slice(&encode_server(Codec::Msgpack, &frame)).unwrap();
        prop_assert_eq!(json, msgpack);
    }

    #[test]
    fn no_bytes_panic_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for codec in Codec::ALL {
            decode_both_ways(codec, &bytes);
        }
    }

    #[test]
    fn no_mutation_of_a_frame_panics_a_decoder(
        client in client_frame(),
        server in server_frame(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
    ) {
        for codec in Codec::ALL {
            for mut bytes in [encode_client(codec, &client), encode_server(codec, &server)] {
                mutate(&mut bytes, &changes, length);
                decode_both_ways(codec, &bytes);
            }
        }
    }
}
