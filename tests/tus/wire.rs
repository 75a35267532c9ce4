//! HTTP/1.1 by hand: requests with any bytes in them, answers as they came.
//!
//! A well-made client would not send what this one must be able to: lengths that lie, headers that
//! stand twice, bodies that stop. It shares no code with the server under test.
//!
//! Invariants: every wait ends; a header is sent as it was given, in the order it was given.
//! Never: repairs a request, follows a redirect, or sends one again.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest wait for an answer, or for more of one: servers wait for locks of some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Longest wait for a server that nobody listens for: it may be starting, or have to start again.
const START_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);
/// Longest answer that is read, bytes: a finished upload may come back whole.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where an upload or the way to make one is: `http://` only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Host and port.
    pub(crate) authority: String,
    /// Path and query, beginning with `/`.
    pub(crate) path: String,
}

impl Place {
    /// An absolute address.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://");
        let rest = rest.ok_or_else(|| format!("`{url}` does not begin with http://"))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let authority = match authority.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => authority.to_owned(),
            _ => format!("{authority}:80"),
        };
        Ok(Self {
            authority,
            path: path.to_owned(),
        })
    }

    /// What a link on this place leads to, be it absolute or relative.
    pub(crate) fn resolve(&self, link: &str) -> Result<Self, String> {
        if link.contains("://") {
            return Self::parse(link);
        }
        if let Some(rest) = link.strip_prefix("//") {
            return Self::parse(&format!("http://{rest}"));
        }
        let path = match link.starts_with('/') {
            true => link.to_owned(),
            false => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{link}")
            }
        };
        Ok(self.at(&path))
    }

    /// Another path on the same host.
    pub(crate) fn at(&self, path: &str) -> Self {
        Self {
            authority: self.authority.clone(),
            path: path.to_owned(),
        }
    }

    /// A path below this one, as it is.
    pub(crate) fn below(&self, rest: &str) -> Self {
        self.at(&format!("{}{rest}", self.path.trim_end_matches('/')))
    }

    /// As an absolute address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }
}

/// A request on its way to being sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    pub(crate) place: Place,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the body's length is still to be said.
    is_unframed: bool,
}

impl Request {
    pub(crate) fn new(method: &str, place: &Place) -> Self {
        Self {
            method: method.to_owned(),
            place: place.clone(),
            headers: vec![("Host".to_owned(), place.authority.clone())],
            body: Vec::new(),
            is_unframed: true,
        }
    }

    /// One more header, even if there is one of this name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let frames = ["content-length", "transfer-encoding"];
        self.is_unframed &= !frames.contains(&name.to_ascii_lowercase().as_str());
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without any header of this name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        self
    }

    /// A body; its length is said unless a header above says how long it is.
    pub(crate) fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }

    /// A body in chunks, with trailers behind it.
    pub(crate) fn chunked(mut self, bytes: &[u8], trailers: &[(&str, &str)]) -> Self {
        let mut body = Vec::new();
        for piece in bytes.chunks(8 * 1024) {
            body.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            body.extend(piece);
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\n");
        for (name, value) in trailers {
            body.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        body.extend(b"\r\n");
        self = self.header("Transfer-Encoding", "chunked");
        self.body(&body)
    }

    /// The first line and the headers, with the empty line that ends them.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.place.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has_body = !self.body.is_empty() || matches!(&*self.method, "POST" | "PATCH");
        if self.is_unframed && has_body {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// Sends it on a connection of its own; the answer.
    pub(crate) fn send(self) -> Result<Answer, NoAnswer> {
        let mut wire = Wire::connect(&self.place)?;
        let head = self.head();
        // A server may answer and close before it has read everything.
        let _ = wire.write(&head).and_then(|()| wire.write(&self.body));
        wire.answer(&self.method)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The connection ended first.
    Closed,
    /// Nothing came in time.
    Late,
    /// What came is not HTTP/1.1.
    Garbled(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoAnswer::Closed => f.write_str("the connection ended without an answer"),
            NoAnswer::Late => write!(f, "no answer within {ANSWER_LIMIT:?}"),
            NoAnswer::Garbled(what) => write!(f, "the answer is not HTTP: {what}"),
        }
    }
}

impl From<std::io::Error> for NoAnswer {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => NoAnswer::Late,
            _ => NoAnswer::Closed,
        }
    }
}

/// What a server said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter();
        let found = named.find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All headers of this name that hold a list, in lower case.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let held = self.headers.iter();
        let held = held.filter(|(held, _)| held.eq_ignore_ascii_case(name));
        let items = held.flat_map(|(_, value)| value.split(','));
        let items = items.map(|item| item.trim().to_ascii_lowercase());
        items.filter(|item| !item.is_empty()).collect()
    }

    /// A header that holds a number: digits and nothing else.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let value = self.header(name)?;
        let is_plain = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| value.parse().ok()).flatten()
    }
}

/// Looks until there is something to see, or time is up.
pub(crate) fn soon<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (_never, end) = std::sync::mpsc::channel::<()>();
    for _ in 0..limit.as_millis() / LOOK.as_millis() {
        if let Some(seen) = look() {
            return Some(seen);
        }
        // Nobody ever sends: it is a pause.
        let _ = end.recv_timeout(LOOK);
    }
    None
}

/// A connection, or why there is none; nothing yet if nobody listens.
fn connect(address: SocketAddr) -> Option<std::io::Result<TcpStream>> {
    match TcpStream::connect_timeout(&address, ANSWER_LIMIT) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        other => Some(other),
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(place: &Place) -> Result<Self, NoAnswer> {
        let mut addresses = place.authority.to_socket_addrs()?;
        let address = addresses.next().ok_or(NoAnswer::Closed)?;
        let connected = soon(START_LIMIT, || connect(address));
        let stream = connected.ok_or(NoAnswer::Closed)??;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let unread = Vec::new();
        Ok(Self { stream, unread })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), NoAnswer> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Says that nothing more will be sent, and waits until the other side has hung up too: by
    /// then it has read everything that came.
    pub(crate) fn cut(mut self) {
        // It may be cut from the other side already.
        let _ = self.stream.shutdown(Shutdown::Write);
        while self.read_more().is_ok() {}
    }

    /// The next answer that is not an interim one.
    pub(crate) fn answer(&mut self, method: &str) -> Result<Answer, NoAnswer> {
        loop {
            let answer = self.any_answer(method)?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    /// The next answer, which may be an interim one.
    pub(crate) fn any_answer(&mut self, method: &str) -> Result<Answer, NoAnswer> {
        let head = loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => break self.take(end + 4),
                None => self.read_more()?,
            }
        };
        let mut answer = parse_head(&head)?;
        let has_body = method != "HEAD" && !matches!(answer.status, 100..=199 | 204 | 304);
        if has_body {
            answer.body = self.body(&answer)?;
        }
        Ok(answer)
    }

    fn body(&mut self, answer: &Answer) -> Result<Vec<u8>, NoAnswer> {
        if answer.list("Transfer-Encoding") == ["chunked"] {
            return self.chunks();
        }
        if let Some(length) = answer.number("Content-Length") {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            return self.exactly(length);
        }
        loop {
            match self.read_more() {
                Ok(()) => {}
                Err(NoAnswer::Closed) => return Ok(std::mem::take(&mut self.unread)),
                Err(other) => return Err(other),
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, NoAnswer> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16);
            let size = size.map_err(|_| NoAnswer::Garbled(format!("a chunk of `{line}`")))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            self.line()?;
        }
    }

    fn line(&mut self) -> Result<String, NoAnswer> {
        loop {
            match self.unread.windows(2).position(|two| two == b"\r\n") {
                Some(end) => {
                    let line = self.take(end + 2);
                    return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
                }
                None => self.read_more()?,
            }
        }
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, NoAnswer> {
        while self.unread.len() < count {
            self.read_more()?;
        }
        Ok(self.take(count))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.unread.split_off(count);
        std::mem::replace(&mut self.unread, rest)
    }

    fn read_more(&mut self) -> Result<(), NoAnswer> {
        if self.unread.len() > ANSWER_BYTES_MAX {
            return Err(NoAnswer::Garbled("it does not end".to_owned()));
        }
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(NoAnswer::Closed),
            count => {
                self.unread.extend(&buffer[..count]);
                Ok(())
            }
        }
    }
}

fn parse_head(head: &[u8]) -> Result<Answer, NoAnswer> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    let status = status.and_then(|digits| digits.parse().ok());
    let status = status.ok_or_else(|| NoAnswer::Garbled(format!("it begins with `{first}`")))?;
    let mut headers = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let pair = line.split_once(':');
        let (name, value) = pair.ok_or_else(|| NoAnswer::Garbled(format!("`{line}`")))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let body = Vec::new();
    Ok(Answer {
        status,
        headers,
        body,
    })
}
