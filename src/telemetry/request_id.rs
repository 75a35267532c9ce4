//! Names for single answers, so that what a client was told finds its log line.

/// Hexadecimal digits of an id: 48 bits of time, 32 of chance.
const ID_CHARS: usize = 20;

/// A new id: sorts by time, and is short enough to be read out over a telephone.
pub fn request_id() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let (time, rest) = id.split_at(12);
    let chance_chars = ID_CHARS - time.len();
    format!("{time}{}", &rest[rest.len() - chance_chars..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_hexadecimal_and_different() {
        let ids: std::collections::BTreeSet<String> = (0..1_000).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert_eq!(id.len(), ID_CHARS);
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
    }
}
