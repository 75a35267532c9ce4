//! The OpenAPI document against the server that serves it: schemathesis makes requests from the
//! document, fitting ones and others, and checks each answer against it. No answer may be a fault
//! of ours, have another status or shape than documented, or accept what the document forbids.
//!
//! The seed is fixed and printed; `SCHEMATHESIS_SEED` and `SCHEMATHESIS_CASES` ask for others.
//!
//! Invariants: the server is the program itself, with a store on disk; the tool is the one that
//! `scripts/install-test-tools.sh` puts beside the build, and a missing one fails the test.

mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use server::Server;

/// Cases of one run of the tests; `make schemathesis` asks for more.
const CASE_COUNT: u64 = 1_000;
/// Makes the same cases each time.
const SEED: u64 = 20_261_121;
/// Rooms there are before the first case: documented examples name the last of them.
const ROOM_COUNT: usize = 12;
/// Messages in the last room, so that a page of it has some.
const MESSAGE_COUNT: usize = 3;
/// Time for anything that must happen at all.
const DEADLINE: Duration = Duration::from_secs(30);

/// A number that the caller may have set.
fn asked(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text.parse().expect("a whole number"),
        _ => default,
    }
}

/// Where the tool was installed: in the folder that cargo builds into.
fn tool() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let path = target
        .expect("a folder in the target folder")
        .join("schemathesis/bin/schemathesis");
    assert!(
        path.exists(),
        "{path:?} is missing: run scripts/install-test-tools.sh"
    );
    path
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let (seed, case_count) = (
        asked("SCHEMATHESIS_SEED", SEED),
        asked("SCHEMATHESIS_CASES", CASE_COUNT),
    );
    let tool = tool();
    let server = Server::start();
    let token = server.token("ann");
    fill(&server, &token).await;
    let each = case_count.div_ceil(varied_operation_count(&server).await);
    let output = tokio::task::spawn_blocking({
        let url = format!("http://{}/openapi.json", server.address);
        move || run(&tool, &url, &token, seed, each)
    });
    let (succeeded, report) = output.await.expect("the run ends");
    println!("{report}");
    assert!(succeeded, "seed {seed}:\n{report}");
    let generated = generated_count(&report);
    assert!(
        generated >= case_count,
        "{generated} cases, {case_count} were asked for"
    );
    server.stop();
}

/// Rooms with a message or two, for answers that are more than empty lists.
async fn fill(server: &Server, token: &str) {
    let http = reqwest::Client::new();
    let mut room = Value::Null;
    for _ in 0..ROOM_COUNT {
        let url = format!("http://{}/v1/rooms", server.address);
        let request = http.post(url).bearer_auth(token);
        let request = request.json(&json!({"participants": ["bob"]}));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 201);
        room = response.json::<Value>().await.expect("json")["id"].take();
    }
    let url = format!("ws://{}/v1/ws", server.address);
    let (mut socket, _) = tokio_tungstenite::connect_async(url)
        .await
        .expect("a socket");
    let mut frames = vec![
        json!({"type": "connect", "token": token, "id": 0}),
        json!({"type": "join", "room": room, "id": 1}),
    ];
    for number in 0..MESSAGE_COUNT {
        let id = frames.len();
        let text = format!("message {number}");
        frames.push(json!({"type": "post_message", "room": room, "text": text, "id": id}));
    }
    for frame in frames {
        let message = Message::text(frame.to_string());
        socket.send(message).await.expect("the socket is open");
        let answered = async {
            loop {
                let message = socket.next().await.expect("open").expect("a message");
                let text = message.into_text().expect("text");
                let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                if answer["id"] == frame["id"] {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(DEADLINE, answered)
            .await
            .expect("an answer");
        assert!(answer.get("ok").is_some(), "{answer}");
    }
}

/// Operations with anything to vary; the others, and sockets, have a few cases each.
async fn varied_operation_count(server: &Server) -> u64 {
    let url = format!("http://{}/openapi.json", server.address);
    let document = reqwest::get(url).await.expect("the document");
    let document: Value = document.json().await.expect("json");
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths
        .values()
        .flat_map(|path| path.as_object().expect("operations").values());
    let varied = operations.filter(|operation| operation["tags"][0] != "sockets");
    let varied = varied.filter(|operation| {
        operation.get("requestBody").is_some() || operation.get("parameters").is_some()
    });
    varied.count().try_into().expect("few")
}

fn run(tool: &Path, url: &str, token: &str, seed: u64, each: u64) -> (bool, String) {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let settings = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/openapi/schemathesis.toml"
    );
    let output = Command::new(tool)
        .current_dir(folder.path())
        .env("NO_PROXY", "*")
        .args(["--config-file", settings, "--no-color", "run", url])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", "all", "--seed", &seed.to_string()])
        .args(["--max-examples", &each.to_string()])
        .output()
        .expect("the tool starts");
    let report = [output.stdout, output.stderr].concat();
    let report = String::from_utf8_lossy(&report).into_owned();
    (output.status.success(), report)
}

/// Cases of a run, from the line of the summary below `Test cases:`, `  2187 generated, …`.
fn generated_count(report: &str) -> u64 {
    let mut lines = report.lines();
    let line = lines
        .find(|line| *line == "Test cases:")
        .and_then(|_| lines.next());
    let count = line.and_then(|line| line.split_whitespace().next());
    let count = count.and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("no count of cases in:\n{report}"))
}
