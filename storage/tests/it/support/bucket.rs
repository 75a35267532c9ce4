//! A bucket to test with: `s3s-fs`, a server of its own that checks signatures.
//!
//! `scripts/install-test-tools.sh` puts it into the target folder.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server knows as the bucket, and those who may use it.
pub(crate) const BUCKET: &str = "files";
pub(crate) const ACCESS_KEY: &str = "tester";
pub(crate) const SECRET_KEY: &str = "tester's secret";

/// Between two looks whether the server answers.
const LOOK: Duration = Duration::from_millis(10);
/// Looks before it is given up: half a minute.
const LOOK_COUNT: usize = 3_000;

/// A server of one bucket; it ends with this.
pub(crate) struct BucketServer {
    child: Arc<Mutex<Child>>,
    root: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let program = target.expect("a target folder").join("tools/bin/s3s-fs");
    let missing = "scripts/install-test-tools.sh installs it";
    assert!(
        program.exists(),
        "{} is missing: {missing}",
        program.display()
    );
    program
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

fn spawn(root: &Path, address: SocketAddr) -> Child {
    let child = Command::new(program())
        .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
        .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
        .arg(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.expect("s3s-fs starts")
}

/// Waits until the server answers; false when it ended instead, which another's port makes it do.
fn answers(child: &mut Child, address: SocketAddr) -> bool {
    for _ in 0..LOOK_COUNT {
        if child.try_wait().expect("a state").is_some() {
            return false;
        }
        if TcpStream::connect(address).is_ok() {
            return true;
        }
        let (_sender, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(LOOK);
    }
    panic!("s3s-fs does not answer");
}

impl BucketServer {
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        loop {
            let address = free_address();
            let mut child = spawn(root.path(), address);
            if answers(&mut child, address) {
                let child = Arc::new(Mutex::new(child));
                return Self {
                    child,
                    root,
                    address,
                };
            }
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills the server where it stands.
    pub(crate) fn kill(&self) {
        kill(&self.child);
    }

    /// Starts it again, with what it has on disk.
    pub(crate) fn start_again(&self) {
        self.kill();
        let mut child = spawn(self.root.path(), self.address);
        assert!(answers(&mut child, self.address), "the port is still ours");
        *self.child.lock().expect("not poisoned") = child;
    }

    /// Files that are not objects: parts and what is noted of them.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path()).expect("a root");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.contains("upload"))
            .collect();
        names.sort();
        names
    }

    /// Loses all parts, as a bucket's rule for unfinished uploads does.
    pub(crate) fn forget_parts(&self) {
        for name in self.leftovers() {
            std::fs::remove_file(self.root.path().join(name)).expect("removed");
        }
    }

    /// An address in front of the server that kills it once so many bytes have come for it.
    pub(crate) fn killed_after(&self, bytes: u64) -> Front {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let front = Front {
            address: listener.local_addr().expect("an address"),
            came_bytes: Arc::default(),
        };
        let (came, child, server) = (
            Arc::clone(&front.came_bytes),
            Arc::clone(&self.child),
            self.address,
        );
        let _ = std::thread::Builder::new().spawn(move || {
            for client in listener.incoming().flatten() {
                let (came, child) = (Arc::clone(&came), Arc::clone(&child));
                let pass = move || pass(&client, server, &came, bytes, &child);
                let _ = std::thread::Builder::new().spawn(pass);
            }
        });
        front
    }
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address in front of the server.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) came_bytes: Arc<AtomicU64>,
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().expect("not poisoned");
    let _ = child.kill();
    child.wait().expect("it ends");
}

fn pass(
    client: &TcpStream,
    server: SocketAddr,
    came: &AtomicU64,
    bytes_max: u64,
    child: &Mutex<Child>,
) {
    let Ok(upstream) = TcpStream::connect(server) else {
        return;
    };
    let (mut down, mut answers) = (
        client.try_clone().expect("a socket"),
        upstream.try_clone().expect("a socket"),
    );
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut down);
        let _ = down.shutdown(std::net::Shutdown::Both);
    });
    let (mut client, mut upstream) = (client, &upstream);
    let mut piece = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = client.read(&mut piece) {
        let before = came.fetch_add(read as u64, Ordering::SeqCst);
        if before < bytes_max && before + read as u64 >= bytes_max {
            kill(child);
        }
        if upstream.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = upstream.shutdown(std::net::Shutdown::Both);
    back.join().expect("copied");
}
