//! A peer that writes any bytes, and reads frames by hand.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// Opcode of a frame that goes on with a message.
pub(crate) const CONTINUATION: u8 = 0;
/// Opcode of a text.
pub(crate) const TEXT: u8 = 1;
/// Opcode of a close frame.
pub(crate) const CLOSE: u8 = 8;
/// Opcode of a ping.
pub(crate) const PING: u8 = 9;
/// Opcode of a pong.
pub(crate) const PONG: u8 = 10;
/// The bit of a message's last frame.
pub(crate) const FIN: u8 = 0x80;
/// The mask of every frame here.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A TCP connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// The request of a handshake.
pub(crate) fn handshake(path: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// A masked frame: first byte (flags and opcode), payload.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, payload.len() as u64);
    let masked = payload.iter().zip(MASK.iter().cycle());
    out.extend(masked.map(|(byte, mask)| byte ^ mask));
    out
}

/// The head of a masked frame, whatever follows it.
pub(crate) fn header(first: u8, announced_bytes: u64) -> Vec<u8> {
    let mut out = vec![first];
    match announced_bytes {
        0..126 => out.push(0x80 | announced_bytes as u8),
        126..65_536 => {
            out.push(0x80 | 126);
            out.extend((announced_bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend(announced_bytes.to_be_bytes());
        }
    }
    out.extend(MASK);
    out
}

/// A whole text message.
pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_bytes())
}

impl Raw {
    /// Connects and says nothing.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connected");
        stream.set_nodelay(true).expect("a TCP socket");
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Connects and shakes hands; `behind` is sent with the request.
    pub(crate) async fn upgrade(
        address: SocketAddr,
        path: &str,
        headers: &str,
        behind: &[u8],
    ) -> Self {
        let mut raw = Self::connect(address).await;
        let mut request = handshake(path, headers);
        request.extend_from_slice(behind);
        raw.write(&request).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// A native JSON socket of this token.
    pub(crate) async fn native(address: SocketAddr, token: &str) -> Self {
        let headers = format!("Authorization: Bearer {token}\r\n");
        Self::upgrade(address, "/v1/ws", &headers, &[]).await
    }

    /// Writes bytes; the server must take them in time.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let written = soon("writing", self.stream.write_all(bytes)).await;
        written.expect("the connection is open");
    }

    /// A response's head.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.windows(4).position(|at| at == b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a head is ASCII");
            }
            assert!(self.more().await, "the connection ended in a head");
        }
    }

    async fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match soon("bytes", self.stream.read(&mut piece)).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.unread.extend_from_slice(&piece[..count]);
                true
            }
        }
    }

    /// The next frame: first byte and payload; nothing at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((used, first, payload)) = whole_frame(&self.unread) {
                self.unread.drain(..used);
                return Some((first, payload));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// The next frame, which is a JSON text.
    pub(crate) async fn next_json(&mut self) -> Value {
        let (first, payload) = self.next().await.expect("a frame");
        assert_eq!(first, FIN | TEXT, "{payload:?}");
        serde_json::from_slice(&payload).expect("frames are JSON")
    }

    /// The code of the next frame, which is a close frame, followed by the end.
    pub(crate) async fn closed(&mut self) -> u16 {
        let (first, payload) = self.next().await.expect("a close frame");
        assert_eq!(
            first,
            FIN | CLOSE,
            "{:?}",
            String::from_utf8_lossy(&payload)
        );
        let code = payload.first_chunk::<2>().expect("a code");
        assert!(
            self.next().await.is_none(),
            "a frame behind the close frame"
        );
        u16::from_be_bytes(*code)
    }

    /// Everything until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.unread)
    }

    /// The same without a deadline.
    pub(crate) async fn rest_whenever(&mut self) -> Vec<u8> {
        // An end by reset is an end.
        let _ = self.stream.read_to_end(&mut self.unread).await;
        std::mem::take(&mut self.unread)
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a TCP socket");
    }
}

/// The first frame of a server in `bytes`, if it is whole: bytes used, first byte, payload.
fn whole_frame(bytes: &[u8]) -> Option<(usize, u8, Vec<u8>)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert!(second & 0x80 == 0, "servers do not mask");
    let (start, length) = match second {
        126 => (4, u64::from(u16::from_be_bytes(*bytes[2..].first_chunk()?))),
        127 => (10, u64::from_be_bytes(*bytes[2..].first_chunk()?)),
        short => (2, u64::from(short)),
    };
    let end = start + length as usize;
    Some((end, first, bytes.get(start..end)?.to_vec()))
}
