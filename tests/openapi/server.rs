//! The program, started on a free port with a store of its own.
//!
//! Invariants: it is killed when the test gives it up, and ends cleanly when it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Secret of the tokens here.
const SECRET: &str = "a secret of the host";
/// The only company.
const COMPANY: &str = "TES001";
/// What stands before the address.
const LISTENING: &str = "listening on http://";

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    _folder: TempDir,
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    program
        .env("FRONTDESK_AUTH__JWT_SECRET", SECRET)
        .env("FRONTDESK_PROVISION__COMPANIES", COMPANY)
        // All cases are one person's, from one address.
        .env("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_ADDRESS", "0")
        .env("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_PERSON", "0");
    program
}

impl Server {
    /// Starts one and waits until it listens.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("store"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("text");
            line.strip_prefix(LISTENING).map(str::to_owned)
        });
        Self {
            child,
            address: address.expect("it listens before it ends"),
            _folder: folder,
        }
    }

    /// A token of this person.
    pub(crate) fn token(&self, person: &str) -> String {
        let output = program()
            .args(["token", "--company", COMPANY, "--user", person])
            .args(["--role", "agent", "--name", "Ann"])
            .output()
            .expect("a token is made");
        let token = String::from_utf8(output.stdout).expect("text");
        token.trim_end().to_owned()
    }

    /// Ends it; a fault while it served would show in its exit code.
    pub(crate) fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("it was started");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
