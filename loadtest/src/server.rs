//! A server of our own for a run: built in release, started on a free port with a store of its own,
//! ended with SIGTERM.
//!
//! Invariant: the process and the folder it was given are gone when a [`Server`] is dropped.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::clock::{self, Clock};
use crate::options::ServerOptions;
use crate::steady::Target;
use crate::token::{COMPANY, Tokens};

/// A server that has not said where it listens by now will not, seconds.
const START_SECONDS_MAX: u64 = 60;
/// A server that has not ended by now is killed, seconds: longer than its own drain takes.
const STOP_SECONDS_MAX: u64 = 30;
/// What the server prints before its address.
const LISTENING: &str = "listening on http://";

/// Who runs the installation, where a scenario needs somebody who does.
pub(crate) const ROOT: &str = "root@load.example";
/// Their password.
pub(crate) const ROOT_PASSWORD: &str = "a password for measuring";

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The binary.
    pub binary: PathBuf,
    /// `storage.engine`, or the server's default.
    pub engine: Option<String>,
    /// `storage.durability`, or the server's default.
    pub durability: Option<String>,
    /// More settings of the server, as variables of its environment.
    pub settings: Vec<(&'static str, String)>,
    /// The folder of its store; without one it gets its own, which is removed at the end.
    pub data: Option<PathBuf>,
}

impl Launch {
    /// As the options say; builds the server where they name no binary.
    pub fn of(options: &ServerOptions) -> Result<Self, String> {
        let binary = match &options.binary {
            Some(binary) => binary.clone(),
            None => {
                eprintln!("no --binary: building the server (cargo build --release -p frontdesk)");
                build("--bin", "frontdesk")?
            }
        };
        Ok(Self {
            binary,
            engine: options.engine.clone(),
            durability: options.durability.clone(),
            settings: Vec::new(),
            data: None,
        })
    }

    /// The same with an account of who runs the installation.
    pub(crate) fn with_root(mut self) -> Self {
        let account = json!({"email": ROOT, "password": ROOT_PASSWORD}).to_string();
        self.settings
            .push(("FRONTDESK_PROVISION__SUPERADMIN", account));
        self
    }

    /// The same over a store that stays.
    pub(crate) fn over(&self, data: &Path) -> Self {
        Self {
            data: Some(data.to_owned()),
            ..self.clone()
        }
    }
}

/// A folder in the temporary directory that is removed with what is in it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    pub(crate) fn make() -> Result<Self, String> {
        let chance = random_hex()?;
        let name = format!("frontdesk-loadtest-{}-{}", std::process::id(), &chance[..8]);
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)
            .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary directory.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Removed after the server has ended.
    own_folder: Option<Folder>,
    /// How to reach and measure it.
    pub target: Target,
    /// From the start of the process to the line that says where it listens, nanoseconds.
    pub start_ns: u64,
}

/// Builds a program of the server's package in release and says where the binary is.
pub(crate) fn build(kind: &str, name: &str) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "-p", "frontdesk", kind, name])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root)
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} does not build"));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let messages = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let binary = messages
        .filter(|message| message["target"]["name"] == name)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back();
    binary.ok_or_else(|| format!("cargo names no binary of {name}"))
}

impl Server {
    /// Starts one and waits until it listens.
    pub fn start(launch: &Launch) -> Result<Self, String> {
        let secret = random_hex()?;
        let (own_folder, data) = match &launch.data {
            Some(data) => (None, data.clone()),
            None => {
                let folder = Folder::make()?;
                let data = folder.path().to_owned();
                (Some(folder), data)
            }
        };
        let mut command = Command::new(&launch.binary);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .env("FRONTDESK_AUTH__JWT_SECRET", &secret)
            .env("FRONTDESK_PROVISION__COMPANIES", format!("[\"{COMPANY}\"]"))
            .env("FRONTDESK_LIMITS__CONNECTIONS_PER_ADDRESS", "0")
            .env("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_ADDRESS", "0")
            .env("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_PERSON", "0")
            .envs(launch.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let settings = [
            ("FRONTDESK_STORAGE__ENGINE", &launch.engine),
            ("FRONTDESK_STORAGE__DURABILITY", &launch.durability),
        ];
        for (name, value) in settings {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let clock = Clock::start();
        let child = command.spawn();
        let child =
            child.map_err(|error| format!("cannot start {}: {error}", launch.binary.display()))?;
        let target = Target {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            pid: Some(child.id()),
            tokens: Tokens::Secret(secret),
        };
        // From here on dropping it ends the process and removes the folder.
        let mut server = Self {
            child,
            own_folder,
            target,
            start_ns: 0,
        };
        server.target.address = server.address()?;
        server.start_ns = clock.now_ns();
        Ok(server)
    }

    /// Waits for the line with the address; everything the server prints later is read and dropped.
    fn address(&mut self) -> Result<SocketAddr, String> {
        let stdout = self
            .child
            .stdout
            .take()
            .expect("stdout is piped at the start");
        let (sender, receiver) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let address = lines.find_map(|line| {
                let (_, address) = line.split_once(LISTENING)?;
                Some(address.trim_end_matches('/').trim().to_owned())
            });
            // The receiver may have given up: then nobody needs the address.
            drop(sender.send(address));
            lines.for_each(drop);
        });
        let address = receiver.recv_timeout(Duration::from_secs(START_SECONDS_MAX));
        let address = address.map_err(|_| "the server does not say where it listens")?;
        let address = address.ok_or("the server ended before it listened")?;
        address
            .parse()
            .map_err(|_| format!("the server listens on {address}, which is no address"))
    }

    fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let clock = Clock::start();
        while clock.now_ns() < STOP_SECONDS_MAX * 1_000_000_000 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            clock::sleep_thread(Duration::from_millis(20));
        }
        eprintln!("the server has not ended {STOP_SECONDS_MAX} s after SIGTERM and is killed");
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        drop(self.own_folder.take());
    }
}

fn random_hex() -> Result<String, String> {
    let mut bytes = [0; 32];
    let source = std::fs::File::open("/dev/urandom");
    source
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|error| format!("no randomness: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that prints some lines and then runs until SIGTERM.
    fn program(name: &str, line: &str) -> Launch {
        let file = format!("loadtest-{name}-{}", std::process::id());
        let binary = std::env::temp_dir().join(file);
        let script = format!("#!/bin/sh\necho starting\n{line}\nexec sleep 60\n");
        // By another process: whoever forks while this one has it open keeps it from being run.
        let write = "printf '%s' \"$1\" > \"$0\" && chmod 700 \"$0\"";
        let written = std::process::Command::new("sh")
            .args(["-c", write])
            .arg(&binary)
            .arg(script)
            .status();
        assert!(written.expect("a shell runs").success());
        Launch {
            binary,
            engine: Some("fjall".to_owned()),
            durability: None,
            settings: Vec::new(),
            data: None,
        }
    }

    #[test]
    fn a_server_is_found_by_its_line_and_leaves_nothing() {
        let line = "echo listening on http://127.0.0.1:4711/";
        let launch = program("listens", line);
        let server = Server::start(&launch).expect("it says where it listens");
        let own = server.own_folder.as_ref().expect("it has a folder");
        let directory = own.path().to_owned();
        assert!(server.start_ns > 0);
        let stat = format!("/proc/{}", server.child.id());
        assert_eq!(
            server.target.address,
            SocketAddr::from(([127, 0, 0, 1], 4711))
        );
        assert!(directory.is_dir() && Path::new(&stat).exists());
        drop(server);
        assert!(!directory.exists() && !Path::new(&stat).exists());
        std::fs::remove_file(launch.binary).expect("the file is ours");
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error() {
        let launch = program("ends", "exit 1");
        let error = Server::start(&launch).expect_err("it does not listen");
        assert_eq!(error, "the server ended before it listened");
        std::fs::remove_file(launch.binary).expect("the file is ours");
    }
}
