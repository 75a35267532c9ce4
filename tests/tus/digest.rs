//! Checksums of bodies, as far as this suite knows how to make them.
//!
//! Invariants: an algorithm that is not known here is reported as such, never taken for granted.
//! Never: decides what a server offers.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Castagnoli's polynomial, bits reversed.
const CRC32C: u32 = 0x82F6_3B78;
/// The polynomial of Ethernet and zip, bits reversed.
const CRC32: u32 = 0xEDB8_8320;

/// Bytes as headers carry them.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The checksum by this algorithm; `None` if this suite does not know it.
pub(crate) fn of(algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let by = |algorithm| digest::digest(algorithm, bytes).as_ref().to_vec();
    match algorithm {
        "sha1" => Some(by(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
        "sha256" => Some(by(&digest::SHA256)),
        "sha384" => Some(by(&digest::SHA384)),
        "sha512" => Some(by(&digest::SHA512)),
        "blake3" => Some(blake3::hash(bytes).as_bytes().to_vec()),
        "crc32" => Some(crc(CRC32, bytes).to_be_bytes().to_vec()),
        "crc32c" => Some(crc(CRC32C, bytes).to_be_bytes().to_vec()),
        _ => None,
    }
}

/// The value of an `Upload-Checksum` header.
pub(crate) fn header(algorithm: &str, bytes: &[u8]) -> Option<String> {
    let sum = of(algorithm, bytes)?;
    Some(format!("{algorithm} {}", base64(&sum)))
}

/// Bit by bit: bodies here are short.
fn crc(polynomial: u32, bytes: &[u8]) -> u32 {
    let mut sum = !0;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (polynomial & (sum & 1).wrapping_neg());
        }
    }
    !sum
}
