//! Incremental reading of one connection's frames.
//!
//! Bytes come in as pieces of a worker's scratch buffer. A frame that is complete there is unmasked
//! in place and given out as a slice of it; only the piece of a frame that is not complete is kept,
//! on the heap, until the rest comes. A message beyond the limit is announced once and its payload
//! dropped as it streams by, so that the connection can go on.
//!
//! Never: keeps a byte it does not need, or gives anything out after a close frame or an error.

mod stream;

use super::header::{Header, Opcode, ProtocolError, mask_in_place};
use crate::limits;
use stream::Streamed;

/// Fragments of a text that is given out in pieces: browsers split what is large.
const STREAMED_FRAGMENT_COUNT_MAX: u32 = 64 * 1_024;

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole message, fragments joined; a text is valid UTF-8.
    Message {
        /// Whether it came as text.
        text: bool,
        /// The bytes.
        payload: &'a [u8],
    },
    /// A part of a text longer than the limit, where such texts are streamed. It is not checked to
    /// be UTF-8.
    Piece {
        /// The bytes, perhaps none.
        payload: &'a [u8],
        /// Nothing of this text comes any more.
        is_last: bool,
    },
    /// A message longer than the limit. Its payload never comes, or no more of it.
    Oversize {
        /// How long the message is at least.
        announced_bytes: u64,
    },
    /// Answer with a pong of the same payload.
    Ping(&'a [u8]),
    /// The peer lives.
    Pong(&'a [u8]),
    /// The peer's last frame; nothing is given out after it.
    Close {
        /// Why, if it says.
        code: Option<u16>,
        /// For people.
        reason: &'a str,
    },
}

/// Whether reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Give out what comes next.
    Go,
    /// Keep the rest for a later [`FrameReader::feed`].
    Pause,
}

/// Reads one connection's frames from bytes in any pieces.
#[derive(Debug)]
pub struct FrameReader {
    partial: Option<Box<Partial>>,
    message_bytes_max: u32,
    /// Texts longer than a message are given out in pieces up to this; 0 where none are.
    streamed_bytes_max: u32,
    masked: bool,
    ended: bool,
}

/// What is kept in the middle of a frame or message.
#[derive(Debug, Default)]
struct Partial {
    /// Bytes that could not be used yet; those before `used` are spent.
    residue: Vec<u8>,
    used: usize,
    /// The message in fragments that is under way.
    fragments: Option<Fragments>,
    /// Payload to drop before the next header.
    skip_bytes: u64,
    /// The frame whose payload is given out as it comes.
    streamed: Option<Streamed>,
}

#[derive(Debug)]
struct Fragments {
    text: bool,
    oversize: bool,
    count: u32,
    /// Bytes that were given out as pieces.
    streamed_bytes: u64,
    joined: Vec<u8>,
}

type Receiver<'a> = &'a mut dyn FnMut(Incoming<'_>) -> Flow;

impl FrameReader {
    /// For a server: reads masked frames, messages up to `message_bytes_max`.
    pub const fn new(message_bytes_max: u32) -> Self {
        Self {
            partial: None,
            message_bytes_max,
            streamed_bytes_max: 0,
            masked: true,
            ended: false,
        }
    }

    /// For a client: reads unmasked frames, messages up to `message_bytes_max`.
    pub const fn of_client(message_bytes_max: u32) -> Self {
        Self {
            partial: None,
            message_bytes_max,
            streamed_bytes_max: 0,
            masked: false,
            ended: false,
        }
    }

    /// The same, which gives out longer texts in pieces as they come, up to so many bytes.
    #[must_use]
    pub const fn streaming(mut self, streamed_bytes_max: u32) -> Self {
        self.streamed_bytes_max = streamed_bytes_max;
        self
    }

    /// Reads `input` and gives what is complete to `on`. When `on` answers [`Flow::Pause`] the rest
    /// of the input is kept and `Pause` is returned: go on with `feed(&mut [], on)`. The input is
    /// used up in any case. After an error or a close frame everything is ignored.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        on: &mut dyn FnMut(Incoming<'_>) -> Flow,
    ) -> Result<Flow, ProtocolError> {
        let result = self.read(input, on);
        if result.is_err() {
            self.ended = true;
        }
        if self.ended
            || self
                .partial
                .as_ref()
                .is_some_and(|partial| partial.is_empty())
        {
            self.partial = None;
        }
        result
    }

    /// Heap bytes held now.
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let joined = partial
                .fragments
                .as_ref()
                .map(|fragments| fragments.joined.capacity());
            size_of::<Partial>() + partial.residue.capacity() + joined.unwrap_or(0)
        })
    }

    /// Whether the peer has sent its close frame, or broken the rules.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn read(&mut self, mut input: &mut [u8], on: Receiver<'_>) -> Result<Flow, ProtocolError> {
        while !self.ended {
            let flow = if self.has_residue() {
                let (mut residue, used) = self.take_residue();
                let taken = self.complete(&mut residue, used, input)?;
                input = &mut input[taken..];
                let (bytes, flow) = self.read_one(&mut residue[used..], on)?;
                self.put_residue(residue, used + bytes);
                bytes.ne(&0).then_some(flow)
            } else {
                let (bytes, flow) = self.read_one(input, on)?;
                input = &mut input[bytes..];
                bytes.ne(&0).then_some(flow)
            };
            match flow {
                Some(Flow::Go) => {}
                Some(Flow::Pause) => {
                    self.keep(input);
                    return Ok(Flow::Pause);
                }
                // Nothing can be used without more bytes.
                None => {
                    self.keep(input);
                    break;
                }
            }
        }
        Ok(Flow::Go)
    }

    /// Uses one frame, or payload to be dropped, at the start of `bytes`; returns how many bytes
    /// that was. Nothing is used of a frame that is not complete.
    fn read_one(
        &mut self,
        bytes: &mut [u8],
        on: Receiver<'_>,
    ) -> Result<(usize, Flow), ProtocolError> {
        let skipped = self.skip(bytes.len());
        if skipped > 0 {
            return Ok((skipped, Flow::Go));
        }
        if let Some(given) = self.stream(bytes, on) {
            return Ok(given);
        }
        let Some(header) = Header::parse(bytes, self.masked)? else {
            return Ok((0, Flow::Go));
        };
        if let Some(announced_bytes) = self.check(&header)? {
            if self.is_streamed(&header, announced_bytes) {
                return Ok((header.header_bytes, self.start_stream(&header, on)));
            }
            return Ok((
                header.header_bytes,
                self.drop_payload(&header, announced_bytes, on),
            ));
        }
        let end = header.header_bytes + header.payload_bytes as usize;
        let Some(payload) = bytes.get_mut(header.header_bytes..end) else {
            return Ok((0, Flow::Go));
        };
        if self.masked {
            mask_in_place(payload, header.mask);
        }
        let flow = if header.opcode.is_control() {
            self.on_control(header.opcode, payload, on)?
        } else {
            self.on_payload(&header, payload, on)?
        };
        Ok((end, flow))
    }

    /// Checks a header against what is under way. `Some` when the message is to be dropped, with
    /// its length so far. Changes nothing: a frame in pieces is checked with every piece.
    fn check(&self, header: &Header) -> Result<Option<u64>, ProtocolError> {
        if header.opcode.is_control() {
            return Ok(None);
        }
        let fragments = self.fragments();
        match (header.opcode, fragments) {
            (Opcode::Continuation, None) => return Err(ProtocolError::ContinuationAlone),
            (Opcode::Continuation, Some(fragments)) => {
                let limit = match fragments.streamed_bytes {
                    0 => limits::CLIENT_FRAGMENT_COUNT_MAX,
                    _ => STREAMED_FRAGMENT_COUNT_MAX,
                };
                if fragments.count >= limit {
                    return Err(ProtocolError::TooManyFragments);
                }
            }
            (_, Some(_)) => return Err(ProtocolError::MessageInsideMessage),
            (_, None) => {}
        }
        let before = fragments.map_or(0, |fragments| {
            fragments.streamed_bytes + fragments.joined.len() as u64
        });
        let announced_bytes = before + header.payload_bytes;
        let dropped = fragments.is_some_and(|fragments| fragments.oversize);
        let over = announced_bytes > u64::from(self.message_bytes_max);
        Ok((dropped || over).then_some(announced_bytes))
    }

    /// Starts to drop a frame's payload and, the first time in a message, says so.
    fn drop_payload(&mut self, header: &Header, announced_bytes: u64, on: Receiver<'_>) -> Flow {
        let partial = self.partial.get_or_insert_default();
        partial.skip_bytes = header.payload_bytes;
        let known = partial.fragments.take();
        let announced = known.as_ref().is_some_and(|fragments| fragments.oversize);
        if !header.fin {
            partial.fragments = Some(Fragments {
                text: false,
                oversize: true,
                count: known.map_or(0, |fragments| fragments.count) + 1,
                streamed_bytes: 0,
                joined: Vec::new(),
            });
        }
        match announced {
            true => Flow::Go,
            false => on(Incoming::Oversize { announced_bytes }),
        }
    }

    fn on_payload(
        &mut self,
        header: &Header,
        payload: &[u8],
        on: Receiver<'_>,
    ) -> Result<Flow, ProtocolError> {
        if header.fin && header.opcode != Opcode::Continuation {
            return give_message(header.opcode == Opcode::Text, payload, on);
        }
        let partial = self.partial.get_or_insert_default();
        let fragments = partial.fragments.get_or_insert_with(|| Fragments {
            text: header.opcode == Opcode::Text,
            oversize: false,
            count: 0,
            streamed_bytes: 0,
            joined: Vec::new(),
        });
        fragments.count += 1;
        fragments.joined.extend_from_slice(payload);
        if !header.fin {
            return Ok(Flow::Go);
        }
        match partial.fragments.take() {
            Some(fragments) => give_message(fragments.text, &fragments.joined, on),
            None => Ok(Flow::Go),
        }
    }

    fn on_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        on: Receiver<'_>,
    ) -> Result<Flow, ProtocolError> {
        match opcode {
            Opcode::Ping => Ok(on(Incoming::Ping(payload))),
            Opcode::Pong => Ok(on(Incoming::Pong(payload))),
            _ => {
                let (code, reason) = parse_close(payload)?;
                self.ended = true;
                Ok(on(Incoming::Close { code, reason }))
            }
        }
    }
}

/// What is kept between pieces.
impl FrameReader {
    fn fragments(&self) -> Option<&Fragments> {
        self.partial
            .as_ref()
            .and_then(|partial| partial.fragments.as_ref())
    }

    fn has_residue(&self) -> bool {
        self.partial
            .as_ref()
            .is_some_and(|partial| partial.used < partial.residue.len())
    }

    fn take_residue(&mut self) -> (Vec<u8>, usize) {
        self.partial.as_mut().map_or((Vec::new(), 0), |partial| {
            (std::mem::take(&mut partial.residue), partial.used)
        })
    }

    /// Spent bytes are cleared away once they are the greater part, so that clearing stays cheap.
    fn put_residue(&mut self, mut residue: Vec<u8>, mut used: usize) {
        if used == residue.len() {
            (residue, used) = (Vec::new(), 0);
        } else if used > residue.len() / 2 {
            residue.drain(..used);
            used = 0;
        }
        let partial = self.partial.get_or_insert_default();
        (partial.residue, partial.used) = (residue, used);
    }

    fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() && !self.ended {
            let partial = self.partial.get_or_insert_default();
            partial.residue.extend_from_slice(rest);
        }
    }

    /// How much of `available` is payload to be dropped; it counts as dropped.
    fn skip(&mut self, available: usize) -> usize {
        let Some(partial) = self.partial.as_mut() else {
            return 0;
        };
        let skipped =
            usize::try_from(partial.skip_bytes).map_or(available, |skip| skip.min(available));
        partial.skip_bytes -= skipped as u64;
        skipped
    }

    /// Moves from `input` to the residue what its first frame still needs; returns how much.
    fn complete(
        &self,
        residue: &mut Vec<u8>,
        used: usize,
        input: &[u8],
    ) -> Result<usize, ProtocolError> {
        if self
            .partial
            .as_ref()
            .is_some_and(|partial| partial.skip_bytes > 0 || partial.streamed.is_some())
        {
            return Ok(0);
        }
        let mut taken = 0;
        loop {
            let held = residue.len() - used;
            let missing = match Header::parse(&residue[used..], self.masked)? {
                // One more byte at a time, at most fourteen times a frame.
                None => 1,
                Some(header) if self.check(&header)?.is_some() => 0,
                Some(header) => {
                    (header.header_bytes + header.payload_bytes as usize).saturating_sub(held)
                }
            };
            let piece = missing.min(input.len() - taken);
            if piece == 0 {
                return Ok(taken);
            }
            residue.extend_from_slice(&input[taken..taken + piece]);
            taken += piece;
        }
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.used == self.residue.len()
            && self.fragments.is_none()
            && self.skip_bytes == 0
            && self.streamed.is_none()
    }
}

fn give_message(text: bool, payload: &[u8], on: Receiver<'_>) -> Result<Flow, ProtocolError> {
    if text && simdutf8::basic::from_utf8(payload).is_err() {
        return Err(ProtocolError::InvalidUtf8);
    }
    Ok(on(Incoming::Message { text, payload }))
}

fn parse_close(payload: &[u8]) -> Result<(Option<u16>, &str), ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return match payload.is_empty() {
            true => Ok((None, "")),
            false => Err(ProtocolError::BadClose),
        };
    };
    let code = u16::from_be_bytes(*code);
    // RFC 6455 section 7.4 and the registry: the gaps may never be sent.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(ProtocolError::BadClose);
    }
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
    Ok((Some(code), reason))
}
