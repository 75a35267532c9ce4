//! One connection's task: connect, upgrade, then read into a buffer that all tasks share.
//!
//! Owns: the reading half and the bytes of a frame that is not whole yet; nothing else is kept a
//! connection, so that thousands of them cost little.
//! Invariant: a stalled connection is not read from, not even once its socket is readable.
//!
//! Never: looks into a frame.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use frontdesk_protocol::websocket::FrameReader;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpSocket;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;

use crate::check::Violation;
use crate::load::{CLOSED_BY_SERVER, Load, REFUSED};
use crate::upgrade;

/// Shared read buffer, bytes: one read takes what a socket usually holds.
const SCRATCH_BYTES: usize = 128 * 1024;

/// Receive buffer of a stalling connection, bytes: small, so that the server feels the stall and
/// not only the kernel.
const STALLER_RECEIVE_BYTES: u32 = 8 * 1024;

/// Connections from one loopback address: well below its 28,000 ports, some of which wait out
/// earlier runs.
const CONNECTIONS_PER_SOURCE: usize = 5_000;

/// Longest message a server may send, bytes: a page of the longest texts stays below.
const MESSAGE_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// What the tasks of a run share on their one thread.
pub(crate) struct Shared {
    pub(crate) load: RefCell<Load>,
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// Wakes the stalled connections.
    pub(crate) resumed: Notify,
    pub(crate) address: SocketAddr,
}

impl Shared {
    pub(crate) fn new(load: Load, address: SocketAddr) -> Rc<Self> {
        Rc::new(Self {
            load: RefCell::new(load),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
            resumed: Notify::new(),
            address,
        })
    }
}

/// How the end of a connection begins to be told when the network broke it.
const READ_FAILED: &str = "read failed";

/// How a connection's task goes on after a poll.
enum Step {
    /// The server closed the stream.
    Eof,
    /// The connection is to stop reading.
    Stalled,
}

/// Runs one connection from its first packet to its end.
pub(crate) async fn run(shared: Rc<Shared>, member: usize, token: String) {
    let (violation, why) = match open(&shared, member, &token).await {
        Err(why) => (Violation::Refused, why),
        Ok((reader, residue)) => {
            drop(token);
            read(&shared, member, reader, residue).await
        }
    };
    shared.load.borrow_mut().closed(member, violation, &why);
}

/// Connects and upgrades. What came behind the upgrade's answer is handed over with the reader.
async fn open(
    shared: &Shared,
    member: usize,
    token: &str,
) -> Result<(OwnedReadHalf, Vec<u8>), String> {
    let failed = |error: std::io::Error| format!("cannot connect: {error}");
    let socket = TcpSocket::new_v4().map_err(failed)?;
    let is_staller = shared.load.borrow().connections[member].is_staller;
    if is_staller {
        let set = socket.set_recv_buffer_size(STALLER_RECEIVE_BYTES);
        set.map_err(failed)?;
    }
    if let Some(source) = source(shared.address, member) {
        socket.bind(source).map_err(failed)?;
    }
    let stream = socket.connect(shared.address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (request, subprotocol) = {
        let load = shared.load.borrow();
        let subprotocol = load.dialect.subprotocol();
        let path = load.dialect.path(load.target(member), token);
        let host = shared.address.to_string();
        (
            upgrade::upgrade_request(&host, &path, subprotocol),
            subprotocol,
        )
    };
    let sent = stream.try_write(request.as_bytes()).map_err(failed)?;
    if sent < request.len() {
        return Err("a new socket did not take the upgrade request".to_owned());
    }
    let (mut reader, writer) = stream.into_split();
    let mut head = Vec::new();
    let used = loop {
        if let Some(used) = upgrade::upgrade_answer(&head, subprotocol)? {
            break used;
        }
        let count = poll_fn(|context| read_more(shared, &mut reader, &mut head, context));
        if count.await.map_err(failed)? == 0 {
            return Err("the server closed the stream before the upgrade".to_owned());
        }
    };
    head.drain(..used);
    head.shrink_to_fit();
    shared.load.borrow_mut().upgraded(member, writer, token);
    Ok((reader, head))
}

/// The source address of a loopback connection: several of them have ports for everyone.
fn source(address: SocketAddr, member: usize) -> Option<SocketAddr> {
    let block = u8::try_from(member / CONNECTIONS_PER_SOURCE).unwrap_or(u8::MAX);
    let source = Ipv4Addr::new(127, 0, 1 + block / 250, 1 + block % 250);
    address
        .ip()
        .is_loopback()
        .then(|| SocketAddr::from((source, 0)))
}

fn read_more(
    shared: &Shared,
    reader: &mut OwnedReadHalf,
    into: &mut Vec<u8>,
    context: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    let mut scratch = shared.scratch.borrow_mut();
    let mut buffer = ReadBuf::new(&mut scratch);
    ready!(Pin::new(reader).poll_read(context, &mut buffer))?;
    into.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Reads until the connection ends; says how it did.
async fn read(
    shared: &Shared,
    member: usize,
    mut stream: OwnedReadHalf,
    mut early: Vec<u8>,
) -> (Violation, String) {
    let mut frames = FrameReader::of_client(MESSAGE_BYTES_MAX);
    let taken = shared
        .load
        .borrow_mut()
        .received(member, &mut frames, &mut early);
    if let Err(why) = taken {
        return ended(why);
    }
    drop(early);
    loop {
        let step = poll_fn(|context| {
            loop {
                let polled = poll_chunk(shared, member, &mut stream, &mut frames, context);
                match ready!(polled) {
                    Ok(None) => {}
                    Ok(Some(step)) => return Poll::Ready(Ok(step)),
                    Err(why) => return Poll::Ready(Err(why)),
                }
            }
        });
        match step.await {
            Ok(Step::Eof) => return ended(format!("{CLOSED_BY_SERVER} without a close frame")),
            Ok(Step::Stalled) => {
                let resumed = shared.resumed.notified();
                if shared.load.borrow().connections[member].is_stalled {
                    resumed.await;
                }
            }
            Err(why) => return ended(why),
        }
    }
}

/// Which promise an end breaks.
fn ended(why: String) -> (Violation, String) {
    let violation = match why {
        _ if why.starts_with(CLOSED_BY_SERVER) || why.starts_with(READ_FAILED) => Violation::Closed,
        _ if why.starts_with(REFUSED) => Violation::Refused,
        _ => Violation::BadFrame,
    };
    (violation, why)
}

/// One read and what it brings. `Ok(None)` to go on.
fn poll_chunk(
    shared: &Shared,
    member: usize,
    stream: &mut OwnedReadHalf,
    frames: &mut FrameReader,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Step>, String>> {
    if shared.load.borrow().connections[member].is_stalled {
        return Poll::Ready(Ok(Some(Step::Stalled)));
    }
    let mut scratch = shared.scratch.borrow_mut();
    let mut buffer = ReadBuf::new(&mut scratch);
    match ready!(Pin::new(stream).poll_read(context, &mut buffer)) {
        Err(error) => return Poll::Ready(Err(format!("{READ_FAILED}: {error}"))),
        Ok(()) if buffer.filled().is_empty() => return Poll::Ready(Ok(Some(Step::Eof))),
        Ok(()) => {}
    }
    let mut load = shared.load.borrow_mut();
    let taken = load.received(member, frames, buffer.filled_mut());
    Poll::Ready(taken.map(|()| None))
}
