//! A way to the server that fails: it hangs up in the middle of an upload, and on whoever connects
//! next.
//!
//! Invariants: it cuts and refuses as often as it was told to, and never otherwise.
//! Never: reads what it passes on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes that are passed on at once: so small that a cut is where it was asked for.
const PIECE_BYTES: usize = 16 * 1024;

/// What is to fail, and what did.
#[derive(Debug, Default)]
struct Faults {
    /// The connection that brings the byte of this number is cut; 0 cuts none.
    cut_at: AtomicU64,
    /// Bytes that clients sent.
    sent_bytes: AtomicU64,
    /// The next connection is refused.
    refuses: AtomicBool,
    cut_count: AtomicU64,
    refused_count: AtomicU64,
    has_ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

/// A proxy.
pub(crate) struct Proxy {
    address: SocketAddr,
    faults: Arc<Faults>,
}

impl Proxy {
    /// Starts one before a server; it cuts at the byte of this number from clients.
    pub(crate) fn start(upstream: &str, cut_at: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let faults = Arc::new(Faults::default());
        faults.cut_at.store(cut_at, Ordering::SeqCst);
        let (shared, upstream) = (Arc::clone(&faults), upstream.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.has_ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    serve(client, &upstream, &shared);
                }
            }
        });
        Self { address, faults }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes that clients sent until now.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.faults.sent_bytes.load(Ordering::SeqCst)
    }

    /// How many connections were cut and how many refused.
    pub(crate) fn fault_counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (
            count(&self.faults.cut_count),
            count(&self.faults.refused_count),
        )
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.faults.has_ended.store(true, Ordering::SeqCst);
        let mut open = self.faults.open.lock().expect("nobody panics with it");
        open.drain(..).for_each(|stream| hang_up(&stream));
        // It waits for a connection: this is the last one.
        let _ = TcpStream::connect(self.address);
    }
}

fn hang_up(stream: &TcpStream) {
    // The other side may have done so already.
    let _ = stream.shutdown(Shutdown::Both);
}

fn serve(client: TcpStream, upstream: &str, faults: &Arc<Faults>) {
    if faults.refuses.swap(false, Ordering::SeqCst) {
        faults.refused_count.fetch_add(1, Ordering::SeqCst);
        return hang_up(&client);
    }
    let Ok(server) = TcpStream::connect(upstream) else {
        return hang_up(&client);
    };
    let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor is free");
    let mut open = faults.open.lock().expect("nobody panics with it");
    open.extend([clone(&client), clone(&server)]);
    drop(open);
    let (from_client, to_server) = (clone(&client), clone(&server));
    let shared = Arc::clone(faults);
    thread::spawn(move || pass(from_client, to_server, Some(&shared)));
    thread::spawn(move || pass(server, client, None));
}

/// Passes bytes on until either side hangs up, or the proxy does.
fn pass(mut from: TcpStream, mut to: TcpStream, faults: Option<&Faults>) {
    let mut piece = [0; PIECE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if faults.is_some_and(|faults| faults.cuts(count)) {
            break;
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    hang_up(&from);
    hang_up(&to);
}

impl Faults {
    /// Whether these bytes are the ones that never arrive.
    fn cuts(&self, count: usize) -> bool {
        let before = self.sent_bytes.fetch_add(count as u64, Ordering::SeqCst);
        let cut_at = self.cut_at.load(Ordering::SeqCst);
        if cut_at == 0 || before + (count as u64) < cut_at {
            return false;
        }
        self.cut_at.store(0, Ordering::SeqCst);
        self.cut_count.fetch_add(1, Ordering::SeqCst);
        self.refuses.store(true, Ordering::SeqCst);
        true
    }
}
