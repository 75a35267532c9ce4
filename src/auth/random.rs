//! Random bytes for salts, passwords and keys.
//!
//! Invariants: every bit comes from the thread's cryptographic generator, which the operating
//! system seeds.
//! Never: takes part in what a test must repeat.

use uuid::Uuid;

/// Random bytes.
pub(super) fn bytes<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    for chunk in bytes.chunks_mut(size_of::<Uuid>()) {
        // A v4 UUID has six fixed bits, in its bytes 6 and 8; turned around, another's bytes 9 and
        // 7 cover them.
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        let pairs = one.as_bytes().iter().zip(two.as_bytes().iter().rev());
        for (byte, (one, two)) in chunk.iter_mut().zip(pairs) {
            *byte = one ^ two;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_sometimes_set_and_sometimes_not() {
        let (mut set, mut unset) = ([0_u8; 40], [0_u8; 40]);
        for _ in 0..200 {
            for (index, byte) in bytes::<40>().into_iter().enumerate() {
                set[index] |= byte;
                unset[index] |= !byte;
            }
        }
        assert_eq!((set, unset), ([u8::MAX; 40], [u8::MAX; 40]));
    }
}
