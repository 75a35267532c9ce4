//! The clients as programs: where they are installed, how one is run.
//!
//! Invariants: no program outlives its run; a missing one fails the test and says what to do.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::NamedTempFile;

/// Longest run of a client that is waited for.
const RUN_LIMIT: Duration = Duration::from_secs(120);
/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tus_clients");

/// A client: what runs it, and its script.
pub(crate) struct Program {
    runner: PathBuf,
    script: PathBuf,
}

/// A part of what was installed beside the build.
fn installed(path: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let target = target.expect("a folder in the target folder");
    let path = target.join("tus-clients").join(path);
    let is_there = path.exists();
    assert!(
        is_there,
        "{path:?} is missing: run scripts/install-test-tools.sh"
    );
    path
}

impl Program {
    /// A script for Node. Node looks for packages from where the script is, so it is put there.
    pub(crate) fn node(name: &str) -> Self {
        let folder = installed("node/node_modules");
        let folder = folder.parent().expect("it is in a folder").to_owned();
        let text = std::fs::read(format!("{SCRIPTS}/node/{name}")).expect("the script");
        let script = folder.join(name);
        let mut file = NamedTempFile::new_in(&folder).expect("a file");
        file.write_all(&text).expect("it is written");
        // At once, since tests beside this one may be starting the same script.
        file.persist(&script)
            .expect("it takes the place of the former");
        Self {
            runner: PathBuf::from("node"),
            script,
        }
    }

    /// A script for Python.
    pub(crate) fn python(name: &str) -> Self {
        Self {
            runner: installed("python/bin/python"),
            script: PathBuf::from(format!("{SCRIPTS}/python/{name}")),
        }
    }

    /// Runs it with a wish; what came of it.
    pub(crate) fn run(&self, wish: &Value) -> Value {
        let child = Command::new(&self.runner)
            .arg(&self.script)
            .arg(wish.to_string())
            .env("NO_PROXY", "*")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("{:?}: {error}", self.runner));
        let output = output(child);
        let (said, complaint) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let status = output.status;
        assert!(
            status.success(),
            "{:?}: {status}\n{said}\n{complaint}",
            self.script
        );
        let last = said.lines().last().unwrap_or_default();
        let outcome = serde_json::from_str(last);
        outcome.unwrap_or_else(|error| panic!("{error}: {said}\n{complaint}"))
    }
}

/// What a program said once it ended; one that does not end is ended.
fn output(mut child: Child) -> Output {
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut stderr = child.stderr.take().expect("it is piped");
    let (done, end) = mpsc::channel();
    let complaint = thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let said = thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits for it any more if it was ended.
        let _ = done.send(());
        read
    });
    if end.recv_timeout(RUN_LIMIT).is_err() {
        child.kill().expect("it runs");
    }
    let read = |thread: thread::JoinHandle<std::io::Result<Vec<u8>>>| {
        thread.join().expect("it only reads").expect("a pipe")
    };
    Output {
        status: child.wait().expect("it ends"),
        stdout: read(said),
        stderr: read(complaint),
    }
}
