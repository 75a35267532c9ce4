//! INSTREAM of clamd: the file in chunks, each with its length before it, and one line in answer.
//!
//! Invariants: every wait on the socket has an end; an answer that is not understood is none.
//! Never: tells the scanner the name or the place of a file.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::ScanVerdict;

/// A chunk of the stream, bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// An answer, bytes: the name of what was found and two words.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;

/// How long a scanner is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until it takes a connection or a chunk: it reads as fast as it is sent to, and scans at the
    /// end.
    pub(super) take: Duration,
    /// Until it has scanned what it has.
    pub(super) answer: Duration,
}

/// Longest until a scanner takes a connection or a chunk.
const TAKE_LIMIT: Duration = Duration::from_secs(20);

impl Patience {
    pub(super) fn of(answer: Duration) -> Self {
        let take = answer.min(TAKE_LIMIT);
        Self { take, answer }
    }
}

/// Where a scanner listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// The path of a socket.
    Unix(PathBuf),
}

/// What a text is that names no scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected host:port or the path of a socket")]
pub struct BadAddress;

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text.starts_with('/') {
            return Ok(Address::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadAddress)?;
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        match is_port && !host.is_empty() && !host.contains(char::is_whitespace) {
            true => Ok(Address::Tcp(text.to_owned())),
            false => Err(BadAddress),
        }
    }
}

trait Peer: Read + Write {}

impl<P: Read + Write> Peer for P {}

impl Address {
    fn connect(&self, patience: Patience) -> io::Result<Box<dyn Peer>> {
        match self {
            Address::Tcp(text) => {
                let mut last = io::Error::from(io::ErrorKind::NotFound);
                for address in text.to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, patience.take) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            stream.set_write_timeout(Some(patience.take))?;
                            stream.set_read_timeout(Some(patience.answer))?;
                            return Ok(Box::new(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            Address::Unix(path) => {
                let stream = connect_unix(path)?;
                stream.set_write_timeout(Some(patience.take))?;
                stream.set_read_timeout(Some(patience.answer))?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Connects if that takes no waiting: a scanner whose line is full does not answer now.
fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Reads a source to the scanner and takes its word.
///
/// # Errors
/// When the source cannot be read; whatever is wrong with the scanner is a verdict.
pub(super) fn scan(
    address: &Address,
    patience: Patience,
    source: &mut dyn Read,
) -> io::Result<ScanVerdict> {
    let Ok(mut scanner) = address.connect(patience) else {
        return Ok(ScanVerdict::Unavailable);
    };
    // A scanner that had enough says so and hangs up, so a failed write is no end of the talk.
    let is_sent = send(source, &mut *scanner)?;
    let mut answer = Vec::new();
    let heard = scanner.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
    let is_whole = answer.ends_with(b"\0");
    if !is_whole && (heard.is_err() || !is_sent) {
        return Ok(ScanVerdict::Unavailable);
    }
    let text = String::from_utf8_lossy(&answer);
    Ok(verdict(text.trim_end_matches('\0'), is_sent))
}

/// Sends all of it; `false` if the scanner took no more.
fn send(source: &mut dyn Read, scanner: &mut dyn Write) -> io::Result<bool> {
    const HEAD_BYTES: usize = 4;
    if scanner.write_all(b"zINSTREAM\0").is_err() {
        return Ok(false);
    }
    let mut frame = vec![0; HEAD_BYTES + CHUNK_BYTES];
    loop {
        let read = match source.read(&mut frame[HEAD_BYTES..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        };
        let length = u32::try_from(read).expect("a chunk is short");
        frame[..HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
        if scanner.write_all(&frame[..HEAD_BYTES + read]).is_err() {
            return Ok(false);
        }
        // The length of nothing is the end.
        if read == 0 {
            return Ok(true);
        }
    }
}

/// What an answer means. The limits of a scanner are reported as finds or errors, and are neither.
fn verdict(answer: &str, is_sent: bool) -> ScanVerdict {
    const LIMITS: [&str; 2] = ["Heuristics.Limits.Exceeded", "Heuristics.Encrypted"];
    let said = answer.strip_prefix("stream: ").unwrap_or(answer);
    if let Some(name) = said.strip_suffix(" FOUND") {
        return match LIMITS.iter().any(|limit| name.starts_with(limit)) {
            true => ScanVerdict::Unscannable,
            false => ScanVerdict::Infected(name.to_owned()),
        };
    }
    match said {
        // It cannot speak for what it was not sent.
        "OK" if is_sent => ScanVerdict::Clean,
        "INSTREAM size limit exceeded. ERROR" => ScanVerdict::Unscannable,
        _ => ScanVerdict::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_that_nothing_was_found_is_clean() {
        for (answer, expected) in [
            ("stream: OK", ScanVerdict::Clean),
            ("stream: Eicar FOUND", ScanVerdict::Infected("Eicar".into())),
            (
                "stream: Heuristics.Limits.Exceeded.MaxFiles FOUND",
                ScanVerdict::Unscannable,
            ),
            (
                "stream: Heuristics.Encrypted.Zip FOUND",
                ScanVerdict::Unscannable,
            ),
            (
                "INSTREAM size limit exceeded. ERROR",
                ScanVerdict::Unscannable,
            ),
            (
                "stream: Can't allocate memory ERROR",
                ScanVerdict::Unavailable,
            ),
            ("UNKNOWN COMMAND", ScanVerdict::Unavailable),
            ("", ScanVerdict::Unavailable),
        ] {
            assert_eq!(verdict(answer, true), expected, "{answer}");
        }
        assert_eq!(verdict("stream: OK", false), ScanVerdict::Unavailable);
    }

    #[test]
    fn an_address_is_a_host_with_a_port_or_a_path() {
        for good in ["127.0.0.1:3310", "clamav:3310", "[::1]:3310", "/run/clamd"] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in [
            "", "clamav", "clamav:", "clamav:0", ":3310", "a b:1", "x:70000",
        ] {
            assert_eq!(bad.parse::<Address>(), Err(BadAddress), "{bad}");
        }
    }
}
