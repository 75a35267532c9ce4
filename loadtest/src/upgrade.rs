//! The client's side of the WebSocket handshake, as text: lean enough to be made thousands of times
//! a second. Frames are the protocol crate's.

/// The key and its answer from RFC 6455 section 1.3: the check is the same for every connection.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A response head longer than this is not one.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The upgrade request.
pub(crate) fn upgrade_request(host: &str, path: &str, subprotocol: Option<&str>) -> String {
    let subprotocol = subprotocol.map_or_else(String::new, |name| {
        format!("Sec-WebSocket-Protocol: {name}\r\n")
    });
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\
         Origin: http://{host}\r\n\r\n"
    )
}

/// Reads the answer to an upgrade request: its length once it is whole.
pub(crate) fn upgrade_answer(
    bytes: &[u8],
    subprotocol: Option<&str>,
) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return match bytes.len() {
            0..HEAD_BYTES_MAX => Ok(None),
            _ => Err("endless response head".to_owned()),
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        return Err(format!("upgrade answered {status}"));
    }
    let mut accept = None;
    let mut chosen = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        match name.to_ascii_lowercase().as_str() {
            "sec-websocket-accept" => accept = Some(value.trim()),
            "sec-websocket-protocol" => chosen = Some(value.trim()),
            _ => {}
        }
    }
    if accept != Some(ACCEPT) {
        return Err("upgrade with a wrong accept key".to_owned());
    }
    if chosen != subprotocol {
        return Err(format!(
            "asked for {subprotocol:?}, the server chose {chosen:?}"
        ));
    }
    Ok(Some(end + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(accept: &str, more: &str) -> String {
        format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\n")
    }

    #[test]
    fn an_answer_is_used_once_it_is_whole() {
        let head = answer(ACCEPT, "");
        let (early, _) = head.split_at(head.len() - 1);
        assert_eq!(upgrade_answer(early.as_bytes(), None), Ok(None));
        let with_frame = format!("{head}frame");
        let used = upgrade_answer(with_frame.as_bytes(), None);
        assert_eq!(used, Ok(Some(head.len())));
    }

    #[test]
    fn a_wrong_key_status_or_subprotocol_is_refused() {
        let refused = |head: String, asked| upgrade_answer(head.as_bytes(), asked).is_err();
        assert!(refused(answer("bm8=", ""), None));
        assert!(refused("HTTP/1.1 429 Too Many\r\n\r\n".to_owned(), None));
        assert!(refused(answer(ACCEPT, ""), Some("a")));
        assert!(refused(
            answer(ACCEPT, "Sec-WebSocket-Protocol: b\r\n"),
            Some("a")
        ));
        assert!(refused("x".repeat(HEAD_BYTES_MAX), None));
    }
}
