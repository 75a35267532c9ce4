//! Our own server, started on a free port with a store of its own.
//!
//! Invariants: it is killed when the run gives it up, and ends cleanly when it is told to.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tempfile::TempDir;

/// Secret of the tokens here.
const SECRET: &str = "a secret of the host, long enough";
/// The only company.
const COMPANY: &str = "TES001";
/// A page that may read answers.
pub(crate) const ORIGIN: &str = "https://shop.example";
/// What stands before the address.
const LISTENING: &str = "listening on http://";
/// How long a token is good, seconds: longer than any run.
const TOKEN_S: u64 = 60 * 60;

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// Starts one with these variables besides its own, and waits until it listens.
    pub(crate) fn start(further: &[(&str, String)]) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .env("FRONTDESK_AUTH__JWT_SECRET", SECRET)
            .env("FRONTDESK_PROVISION__COMPANIES", COMPANY)
            .env("FRONTDESK_SERVER__CORS_ORIGINS", format!("[\"{ORIGIN}\"]"))
            // All checks come from one address.
            .env("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_ADDRESS", "0")
            .env("FRONTDESK_LIMITS__REQUESTS_PER_SECOND_PERSON", "0")
            .envs(further.iter().map(|(name, value)| (*name, value)))
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

    /// Where uploads are created.
    pub(crate) fn uploads_url(&self) -> String {
        format!("http://{}/v1/uploads", self.address)
    }

    /// A token of this person, as the host application would mint it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a token is made for the time outside"
    )]
    pub(crate) fn token(&self, person: &str) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let claims = json!({
            "user_id": person,
            "company_id": COMPANY,
            "role": "agent",
            "full_name": "Ann",
            "exp": now.expect("after 1970").as_secs() + TOKEN_S,
        });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("claims are plain")
    }

    /// Ends it; a fault while it served would show in its exit code.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
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
