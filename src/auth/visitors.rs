//! Ids that a company's host signs for its visitors.
//!
//! Invariant: a signature is compared in the same time whether its first byte differs or its last.
//! Never: knows whose secret it is.

use jsonwebtoken::{Algorithm, DecodingKey};

/// Bytes of an HMAC-SHA256.
const MAC_BYTES: usize = 32;
/// The characters of base64url.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Whether `hash` is the HMAC-SHA256 of an id under a secret, as hexadecimal digits.
pub fn is_signed_id(secret: &str, id: &str, hash: &str) -> bool {
    let Some(mac) = bytes_of(hash) else {
        return false;
    };
    let key = DecodingKey::from_secret(secret.as_bytes());
    let checked =
        jsonwebtoken::crypto::verify(&base64_of(&mac), id.as_bytes(), &key, Algorithm::HS256);
    checked.unwrap_or(false)
}

fn bytes_of(hash: &str) -> Option<[u8; MAC_BYTES]> {
    let digits = hash.as_bytes();
    if digits.len() != 2 * MAC_BYTES {
        return None;
    }
    let mut mac = [0; MAC_BYTES];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(mac)
}

/// The form in which the library compares: without padding.
fn base64_of(mac: &[u8]) -> String {
    let mut text = String::with_capacity(mac.len().div_ceil(3) * 4);
    for chunk in mac.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_u32, |bits, (index, byte)| {
            bits | u32::from(*byte) << (16 - 8 * index)
        });
        for place in 0..=chunk.len() {
            let six = bits >> (18 - 6 * place) & 0x3f;
            text.push(char::from(BASE64[six as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf what do ya want for nothing? | openssl dgst -sha256 -hmac Jefe`, RFC 4231 case 2.
    const HASH: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn a_hash_of_the_id_under_the_secret_signs_it() {
        let id = "what do ya want for nothing?";
        assert!(is_signed_id("Jefe", id, HASH));
        assert!(is_signed_id("Jefe", id, &HASH.to_uppercase()));
        assert!(!is_signed_id("jefe", id, HASH));
        assert!(!is_signed_id("Jefe", "somebody else", HASH));
        for wrong in [
            "",
            &HASH[2..],
            &HASH.replace('5', "6"),
            &HASH.replace('5', "g"),
        ] {
            assert!(!is_signed_id("Jefe", id, wrong), "{wrong}");
        }
    }
}
