//! A daemon of the test's own, with signatures of its own, and scanners that misbehave.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use frontdesk_actors::clock::{Clock, SystemClock};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tempfile::TempDir;
use zip::CompressionMethod;

use super::super::pool::tests::somebody;
use super::super::samples::{encoded, gzip, zip, zip_with};
use super::*;

/// What the daemon takes of one file, bytes.
const STREAM_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Longest scan that is waited for.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a daemon may take to load its signatures on a busy machine, milliseconds.
const START_MS_MAX: u64 = 60_000;

/// A scanner that hangs up on its first callers, and finds nothing for those after them.
pub(in crate::files) struct Forgetful {
    address: SocketAddr,
    asked_count: Arc<AtomicUsize>,
}

impl Forgetful {
    pub(in crate::files) fn start(hung_up_count: usize) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked_count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&asked_count);
        std::thread::spawn(move || {
            for caller in listener.incoming() {
                let mut caller = caller.unwrap();
                if asked.fetch_add(1, Ordering::SeqCst) < hung_up_count {
                    continue;
                }
                let mut greeting = [0; 10];
                caller.read_exact(&mut greeting).unwrap();
                assert_eq!(&greeting, b"zINSTREAM\0");
                while let length @ 1.. = next_length(&mut caller) {
                    let mut chunk = vec![0; length];
                    caller.read_exact(&mut chunk).unwrap();
                }
                caller.write_all(b"stream: OK\0").unwrap();
            }
        });
        Self {
            address,
            asked_count,
        }
    }

    pub(in crate::files) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(in crate::files) fn asked_count(&self) -> usize {
        self.asked_count.load(Ordering::SeqCst)
    }
}

fn next_length(caller: &mut TcpStream) -> usize {
    let mut length = [0; 4];
    caller.read_exact(&mut length).unwrap();
    usize::try_from(u32::from_be_bytes(length)).unwrap()
}

/// What every scanner finds.
pub(in crate::files) fn eicar() -> Vec<u8> {
    canary()
}

/// A real daemon, which ends with this.
pub(in crate::files) struct Daemon {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; it is only this one child.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// Starts it without the signatures of the world: only the test file is known.
    pub(in crate::files) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("signatures")).unwrap();
        std::fs::create_dir(at("work")).unwrap();
        let hex: String = canary().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = format!("Test.Eicar:0:*:{hex}\n");
        std::fs::write(at("signatures/test.ndb"), signature).unwrap();
        let address = own_address();
        let configuration = format!(
            "Foreground yes\nDatabaseDirectory {}\nTemporaryDirectory {}\nTCPAddr {}\n\
             TCPSocket {}\nMaxThreads 4\nStreamMaxLength {STREAM_BYTES_MAX}\nMaxRecursion 17\n\
             MaxFiles 1000\nAlertExceedsMax yes\nAlertEncrypted yes\nAlertOLE2Macros yes\n",
            at("signatures").display(),
            at("work").display(),
            address.ip(),
            address.port(),
        );
        std::fs::write(at("clamd.conf"), configuration).unwrap();
        let said = std::fs::File::create(at("said.txt")).unwrap();
        let child = Command::new(program())
            .arg("--config-file")
            .arg(at("clamd.conf"))
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut daemon = Self {
            child,
            address,
            folder,
        };
        daemon.wait();
        daemon
    }

    /// Until it listens.
    fn wait(&mut self) {
        let clock = SystemClock::default();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            let said = || std::fs::read_to_string(self.folder.path().join("said.txt"));
            assert_eq!(ended, None, "clamd ended: {:?}", said());
            let waited_ms = clock.monotonic_ms();
            assert!(
                waited_ms < START_MS_MAX,
                "clamd does not listen: {:?}",
                said()
            );
            std::thread::yield_now();
        }
    }

    pub(in crate::files) fn address(&self) -> String {
        self.address.to_string()
    }

    fn scanner(&self) -> Scanner {
        Scanner::new(self.address().parse().unwrap(), 2, LIMIT).unwrap()
    }
}

/// A loopback address of this program's own, and a port that it has not given out yet: the daemon
/// cannot be told to take a free one.
fn own_address() -> SocketAddr {
    static PORT: AtomicU16 = AtomicU16::new(3_310);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let port = PORT.fetch_add(1, Ordering::SeqCst);
    SocketAddr::from(([127, 64 | high & 0x3F, middle, low.max(1)], port))
}

/// Where Debian puts it, which is not where everybody looks for programs.
fn program() -> &'static str {
    const PLACES: [&str; 2] = ["/usr/sbin/clamd", "/usr/local/sbin/clamd"];
    let found = PLACES.into_iter().find(|place| Path::new(place).exists());
    found.expect("clamd is not installed: run scripts/install-test-tools.sh")
}

async fn verdict(scanner: &Scanner, bytes: &[u8]) -> ScanVerdict {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("came");
    std::fs::write(&file, bytes).unwrap();
    scanner.scan(&somebody(), &file).await.unwrap()
}

#[tokio::test]
async fn the_daemon_finds_the_test_file_wherever_it_hides() {
    let daemon = Daemon::start();
    let scanner = daemon.scanner();
    let eicar = canary();
    let photo = encoded(image::ImageFormat::Png, 40, 20);
    let mut late = vec![b'x'; 3 * 1024 * 1024];
    late.extend_from_slice(&eicar);
    for (what, bytes) in [
        ("alone", eicar.clone()),
        ("behind words", [b"0123456789", &eicar[..]].concat()),
        (
            "across two chunks",
            [&vec![b'x'; 64 * 1024 - 30], &eicar[..]].concat(),
        ),
        ("at the end of much", late),
        ("deflated", zip(&[("a.txt", &eicar)])),
        (
            "stored",
            zip_with(CompressionMethod::Stored, &[("a.txt", &eicar)]),
        ),
        (
            "in an archive in an archive",
            zip(&[("a.zip", &zip(&[("a.txt", &eicar)]))]),
        ),
        ("packed", gzip(&eicar)),
        ("behind a picture", [&photo[..], &eicar].concat()),
    ] {
        let found = ScanVerdict::Infected("Test.Eicar.UNOFFICIAL".to_owned());
        assert_eq!(verdict(&scanner, &bytes).await, found, "{what}");
    }
    for bytes in [b"words".to_vec(), photo, zip(&[("a.txt", b"words")])] {
        assert_eq!(verdict(&scanner, &bytes).await, ScanVerdict::Clean);
    }
}

#[tokio::test]
async fn what_is_beyond_the_limits_of_the_daemon_is_neither_clean_nor_infected() {
    let daemon = Daemon::start();
    let scanner = daemon.scanner();
    let mut nested = zip(&[("a.txt", b"words")]);
    for _ in 0..20 {
        nested = zip_with(CompressionMethod::Stored, &[("a.zip", &nested)]);
    }
    let names: Vec<String> = (0..2_000).map(|index| format!("{index}.txt")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"words"[..])).collect();
    let large = vec![b'x'; usize::try_from(STREAM_BYTES_MAX).unwrap() + 1024 * 1024];
    for (what, bytes) in [
        ("nested", nested),
        ("entries", zip(&many)),
        ("length", large),
    ] {
        assert_eq!(
            verdict(&scanner, &bytes).await,
            ScanVerdict::Unscannable,
            "{what}"
        );
    }
    assert!(scanner.takes(STREAM_BYTES_MAX / 2).await);
    assert!(!scanner.takes(STREAM_BYTES_MAX * 2).await);
}

#[tokio::test]
async fn the_canary_tells_whether_a_scanner_answers_and_finds() {
    let daemon = Daemon::start();
    assert_eq!(daemon.scanner().canary().await, Canary::Finds);
    let blind = Forgetful::start(0).address().parse().unwrap();
    let blind = Scanner::new(blind, 1, LIMIT).unwrap();
    assert_eq!(blind.canary().await, Canary::Blind);
    let folder = tempfile::tempdir().unwrap();
    let silent = Address::Unix(folder.path().join("socket"));
    assert_eq!(
        Scanner::new(silent, 1, LIMIT).unwrap().canary().await,
        Canary::Silent
    );
}

#[tokio::test]
async fn a_daemon_that_hangs_is_not_waited_for_without_end() {
    // Connections are taken by the system and never by anybody.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let scanner = Scanner::new(address, 1, Duration::from_millis(50)).unwrap();
    assert_eq!(verdict(&scanner, b"words").await, ScanVerdict::Unavailable);
    let much = vec![0; 32 * 1024 * 1024];
    assert_eq!(verdict(&scanner, &much).await, ScanVerdict::Unavailable);
}

#[tokio::test]
async fn a_daemon_whose_line_is_full_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let address = SocketAddrUnix::new(&path).unwrap();
    let stream = |flags| net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let listener = stream(SocketFlags::CLOEXEC).unwrap();
    net::bind(&listener, &address).unwrap();
    net::listen(&listener, 0).unwrap();
    // As many as the system lets wait, which is more than one.
    let mut waiting = Vec::new();
    loop {
        let caller = stream(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).unwrap();
        match net::connect(&caller, &address) {
            Ok(()) => waiting.push(caller),
            Err(error) => break assert_eq!(error, rustix::io::Errno::AGAIN),
        }
    }
    let scanner = Scanner::new(Address::Unix(path), 1, LIMIT).unwrap();
    assert_eq!(verdict(&scanner, b"words").await, ScanVerdict::Unavailable);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_no_verdict() {
    let scanner = Forgetful::start(0).address().parse().unwrap();
    let scanner = Scanner::new(scanner, 1, LIMIT).unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert!(
        scanner
            .scan(&somebody(), &folder.path().join("gone"))
            .await
            .is_err()
    );
}
