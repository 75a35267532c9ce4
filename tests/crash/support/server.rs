//! A server as a process: how it is started, what it says, how it ends.
//!
//! Invariants: no server outlives its handle; every wait has an end.
//! Never: kills what it did not start.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;
use std::{env, thread};

use rustix::process::{Pid, Signal};

use super::wait_for;

/// The secret that tokens of these tests are signed with.
pub(crate) const SECRET: &str = "a secret of the crash tests, long enough";
/// The company of these tests.
pub(crate) const COMPANY: &str = "TES001";
/// Longest start that is waited for: a debug build under a loaded machine and a trapping library.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longest end that is waited for.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(30);
const LISTENING: &str = "listening on http://";

/// How a server is started.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) data: PathBuf,
    pub(crate) engine: &'static str,
    pub(crate) durability: &'static str,
    pub(crate) listen: String,
    /// Further variables.
    pub(crate) env: Vec<(String, String)>,
    /// Files that it may open, if not as many as this process.
    pub(crate) file_count_max: Option<u64>,
}

impl Settings {
    /// A server on this folder and a free port.
    pub(crate) fn new(data: &Path, engine: &'static str, durability: &'static str) -> Self {
        Self {
            data: data.to_owned(),
            engine,
            durability,
            listen: "127.0.0.1:0".to_owned(),
            env: Vec::new(),
            file_count_max: None,
        }
    }

    /// With one more variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = match self.file_count_max {
            None => program(),
            Some(count) => limited(&program(), count),
        };
        command
            .args(["serve", "--listen", &self.listen, "--data"])
            .arg(&self.data)
            .env("FRONTDESK_AUTH__JWT_SECRET", SECRET)
            .env("FRONTDESK_PROVISION__COMPANIES", format!("[\"{COMPANY}\"]"))
            .env("FRONTDESK_STORAGE__ENGINE", self.engine)
            .env("FRONTDESK_STORAGE__DURABILITY", self.durability)
            .envs(self.env.iter().cloned());
        command
    }

    /// Starts it; what it said on standard error when it ended instead of listening.
    pub(crate) fn start(&self) -> Result<Server, String> {
        let mut server = self.spawn();
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// Starts it and does not wait.
    pub(crate) fn spawn(&self) -> Server {
        Server::spawn(self.command())
    }
}

/// The same command for a process that may open so many files.
fn limited(command: &Command, file_count_max: u64) -> Command {
    let mut limited = Command::new("prlimit");
    limited
        .arg(format!("--nofile={file_count_max}:{file_count_max}"))
        .arg("--")
        .arg(command.get_program());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// The program under test without arguments, and without the settings of whoever runs the tests.
pub(crate) fn program() -> Command {
    let default = env!("CARGO_BIN_EXE_frontdesk");
    let path = env::var("FRONTDESK_BIN").unwrap_or_else(|_| default.to_owned());
    let mut command = Command::new(path);
    let inherited = env::vars().map(|(name, _)| name);
    for name in inherited.filter(|name| name.starts_with("FRONTDESK_")) {
        command.env_remove(name);
    }
    command.env("FRONTDESK_TELEMETRY__LOG", "warn");
    command
}

/// Runs a command of the program to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut ended = Server::spawn_ref(command);
    let status = ended.wait_for_end().unwrap();
    Output {
        status,
        stdout: ended.stdout.rest().into_bytes(),
        stderr: ended.stderr.rest().into_bytes(),
    }
}

/// What a process says, line by line, read as it comes.
struct Lines(Receiver<String>);

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (line, lines) = mpsc::channel();
        thread::spawn(move || {
            let read = BufReader::new(pipe).lines().map_while(Result::ok);
            for text in read {
                if line.send(text).is_err() {
                    return; // nobody listens any more
                }
            }
        });
        Self(lines)
    }

    fn next(&self, limit: Duration) -> Result<String, RecvTimeoutError> {
        self.0.recv_timeout(limit)
    }

    /// Everything until the pipe's end; the process has ended.
    fn rest(&self) -> String {
        let mut text = String::new();
        while let Ok(line) = self.0.recv_timeout(END_LIMIT) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    address: Option<SocketAddr>,
    was_told: Cell<bool>,
}

impl Server {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn spawn(mut command: Command) -> Self {
        Self::spawn_ref(&mut command)
    }

    /// Starts any command of the program.
    pub(crate) fn spawn_ref(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
            address: None,
            was_told: Cell::new(false),
        }
    }

    /// Waits until it says where it listens.
    pub(crate) fn wait_until_it_listens(&mut self) -> Result<SocketAddr, String> {
        loop {
            match self.stdout.next(START_LIMIT) {
                Ok(line) => {
                    if let Some(address) = line.strip_prefix(LISTENING) {
                        let address = address.parse().unwrap();
                        self.address = Some(address);
                        return Ok(address);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err("it does not listen".to_owned()),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.wait_for_end()?;
                    return Err(format!("it ended with {status}: {}", self.stderr.rest()));
                }
            }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it was waited for")
    }

    /// The next line on standard output.
    pub(crate) fn next_line(&self) -> String {
        self.stdout.next(START_LIMIT).unwrap()
    }

    /// SIGKILL; answers once it is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        self.was_told.set(true); // a second time would cut the drain short
    }

    /// Whether it has ended, and how.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) fn wait_for_end(&mut self) -> Result<ExitStatus, String> {
        wait_for("the process's end", END_LIMIT, || self.has_ended())
    }

    /// SIGTERM, its end, and what it said on standard error: nothing, if all went well.
    pub(crate) fn stop(mut self) -> Result<String, String> {
        if !self.was_told.get() && self.has_ended().is_none() {
            self.terminate();
        }
        let status = self.wait_for_end()?;
        let said = self.stderr.rest();
        match status.success() {
            true => Ok(said),
            false => Err(format!("it ended with {status}: {said}")),
        }
    }

    /// What it said on standard error; it has ended.
    pub(crate) fn complaint(&self) -> String {
        self.stderr.rest()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
