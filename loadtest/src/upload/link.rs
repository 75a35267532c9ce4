//! A slow link: a proxy that lets through so many bits a second each way, and holds everything up
//! for a while.
//!
//! What does not pass yet waits in the buffers of the sockets before it, as before a real modem.
//! Runs on a thread of its own, so that neither end's work slows it.
//!
//! Never: looks at what passes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep_until;

use crate::clock::Clock;

/// Held up each way, nanoseconds: a round trip of 20 ms.
const DELAY_NS: u64 = 10_000_000;
/// What may pass at once after a rest, nanoseconds of the link's rate: timers are that coarse.
const BURST_NS: u64 = 4_000_000;
/// Read at once, nanoseconds of the link's rate.
const READ_NS: u64 = 2_000_000;
/// The most that is read at once, bytes.
const READ_BYTES_MAX: u64 = 64 * 1024;
/// The least, bytes: a packet.
const READ_BYTES_MIN: u64 = 1_448;
/// Pieces on their way: far more than the delay holds.
const PIECE_COUNT_MAX: usize = 4_096;

/// Starts a link to a server; where it begins. It lasts as long as the process.
pub(super) fn start(server: SocketAddr, megabits: u32) -> Result<SocketAddr, String> {
    let failed = |error: std::io::Error| format!("cannot make a link: {error}");
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    std::thread::spawn(move || {
        crate::clock::sharpen_thread();
        LocalSet::new().block_on(&runtime, async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            while let Ok((client, _)) = listener.accept().await {
                spawn_local(join(client, server, megabits));
            }
        });
    });
    Ok(address)
}

async fn join(client: TcpStream, server: SocketAddr, megabits: u32) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    for stream in [&client, &server] {
        // Without it the link would be slower than it says.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    spawn_local(pass(from_client, to_server, megabits));
    spawn_local(pass(from_server, to_client, megabits));
}

async fn pass(mut from: OwnedReadHalf, to: OwnedWriteHalf, megabits: u32) {
    let clock = Clock::start();
    let bytes_a_second = u64::from(megabits) * 1_000_000 / 8;
    let read_bytes = bytes_a_second * READ_NS / 1_000_000_000;
    let read_bytes = read_bytes.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
    let mut buffer = vec![0; usize::try_from(read_bytes).unwrap_or(1)];
    let (sender, receiver) = mpsc::channel(PIECE_COUNT_MAX);
    spawn_local(deliver(clock, receiver, to));
    let mut free_ns = 0;
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        let begun_ns = clock.now_ns().saturating_sub(BURST_NS).max(free_ns);
        free_ns = begun_ns + count as u64 * 1_000_000_000 / bytes_a_second;
        if free_ns > clock.now_ns() {
            sleep_until(clock.instant(free_ns).into()).await;
        }
        let due_ns = clock.now_ns() + DELAY_NS;
        if sender
            .send((due_ns, buffer[..count].to_vec()))
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn deliver(clock: Clock, mut pieces: mpsc::Receiver<(u64, Vec<u8>)>, mut to: OwnedWriteHalf) {
    while let Some((due_ns, piece)) = pieces.recv().await {
        if due_ns > clock.now_ns() {
            sleep_until(clock.instant(due_ns).into()).await;
        }
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
    // The end is passed on as well; a peer that is gone needs none.
    let _ = to.shutdown().await;
    // Nothing more comes: whoever still sends is told by the closed stream.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_as_fast_as_it_says_and_no_faster() {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        LocalSet::new().block_on(&runtime, async {
            const BYTES: usize = 250_000;
            let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = server.local_addr().expect("it is bound");
            let begin = start(address, 10).expect("a link");
            let mut client = TcpStream::connect(begin).await.expect("connected");
            let (mut peer, _) = server.accept().await.expect("a connection");
            let clock = Clock::start();
            let sending = spawn_local(async move {
                client.write_all(&vec![7; BYTES]).await.expect("taken");
                client
            });
            let mut came = vec![0; BYTES];
            peer.read_exact(&mut came).await.expect("everything comes");
            let took_ms = clock.now_ns() / 1_000_000;
            drop(sending.await);
            assert!(came.iter().all(|byte| *byte == 7));
            // 200 ms of the rate and 10 of delay, less what may pass at once.
            assert!(took_ms >= 200, "{took_ms} ms");
        });
    }
}
