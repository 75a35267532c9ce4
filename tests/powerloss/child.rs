//! The process that loses its power: this test binary again, running one scenario under the
//! library.
//!
//! Owns: starting it, reading what it says, killing it.
//!
//! Never: lets one outlive its test.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::{env, thread};

use crate::loss::PowerLoss;
use crate::scenarios;

/// Marks the child's own lines among those of the test harness.
const MARK: &str = "said: ";
/// Names the scenario; set in children only.
const SCENARIO: &str = "POWERLOSS_CHILD";

/// A running child.
pub(crate) struct Watched {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watched {
    /// Starts this binary with a scenario.
    pub(crate) fn start(loss: &PowerLoss, scenario: &str, extra: &[(&str, String)]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "child::scenarios_run_under_the_library_only",
                "--exact",
                "--nocapture",
            ])
            .envs(extra.iter().map(|(name, value)| (*name, value)))
            .env(SCENARIO, scenario);
        Self::spawn(loss, command)
    }

    /// Starts a program under the library.
    pub(crate) fn spawn(loss: &PowerLoss, mut command: Command) -> Self {
        command
            .envs(loss.env())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stdout = process.stdout.take().expect("it is piped");
        Self {
            process,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// The next thing it says; `None` when it ended.
    pub(crate) fn next(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.ok()?;
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Reads until it says `word`; answers what it said before.
    pub(crate) fn until(&mut self, word: &str) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(line) = self.next() {
            if line == word {
                return said;
            }
            said.push(line);
        }
        panic!("the child ended without `{word}`; it said {said:?}");
    }

    /// SIGKILL; answers once nothing of it runs any more. What it had said can still be read.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }

    /// Waits for its own end; true when it succeeded.
    pub(crate) fn ended_well(&mut self) -> bool {
        while self.next().is_some() {}
        self.process.wait().unwrap().success()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says one line to the test, at once and whole.
pub(crate) fn say(line: &str) {
    println!("{MARK}{line}");
}

/// Waits to be killed.
pub(crate) fn wait_for_the_end() -> ! {
    say("done");
    loop {
        thread::park();
    }
}

#[test]
fn scenarios_run_under_the_library_only() {
    match env::var(SCENARIO) {
        Ok(scenario) => scenarios::run(&scenario),
        Err(_) => assert!(
            env::var("POWERLOSS_DIR").is_err(),
            "the suite itself is not watched"
        ),
    }
}
