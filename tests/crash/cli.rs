//! What the program prints and exits with: 0 for done, 2 when the caller should change something, 1
//! when we failed; standard output carries only what was asked for.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;

use crate::support::http::Asker;
use crate::support::server::{SECRET, Server, program, run};
use crate::support::talk::Talk;
use crate::support::trial::{Trial, person};

fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn with(words: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = program();
    command.args(words.split_whitespace());
    command.envs(variables.iter().copied());
    command
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.code(), text)
}

/// It exits with this code, says each of these words on standard error, nothing on standard output.
fn assert_refused(command: &mut Command, code: i32, words: &[&str]) {
    let output = run(command);
    let (found, text) = said(&output);
    assert_eq!(found, Some(code), "{text}");
    assert!(output.stdout.is_empty());
    assert!(text.starts_with("frontdesk: "), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[test]
fn a_printed_token_opens_a_socket_of_its_person() {
    let mut trial = Trial::new("fjall", "buffered");
    let server = trial.start().unwrap();
    let words = format!(
        "token --company TES001 --user {} --role agent --name Ann --ttl 5m",
        person(1)
    );
    let printed = run(&mut with(&words, &[("FRONTDESK_AUTH__JWT_SECRET", SECRET)]));
    assert_eq!(said(&printed), (Some(0), String::new()));
    let token = String::from_utf8(printed.stdout).unwrap();
    trial.runtime.block_on(async {
        let mut talk = Talk::open(server.address(), "/v1/ws", token.trim_end()).await;
        let connected = talk.ask(json!({"type": "connect"})).await.unwrap();
        assert_eq!(connected["person"], person(1));
        assert_eq!(connected["role"], "agent");
        let room = &trial.rooms[0].id;
        let joined = talk
            .ask(json!({"type": "join", "room": room}))
            .await
            .unwrap();
        assert_eq!(joined["head"], 0);
    });
    server.stop().unwrap();
}

#[test]
fn a_token_of_another_key_or_company_is_refused_after_the_handshake() {
    let mut trial = Trial::new("fjall", "buffered");
    let server = trial.start().unwrap();
    for (company, secret) in [("TES001", "another secret"), ("SPA001", SECRET)] {
        let words = format!("token --company {company} --user 5");
        let printed = run(&mut with(&words, &[("FRONTDESK_AUTH__JWT_SECRET", secret)]));
        let token = String::from_utf8(printed.stdout).unwrap();
        trial.runtime.block_on(async {
            let mut talk = Talk::open(server.address(), "/v1/ws", token.trim_end()).await;
            assert_eq!(talk.until_closed().await.1, 4001, "{company}");
        });
    }
    server.stop().unwrap();
}

#[test]
fn config_shows_each_setting_with_its_origin_and_no_secret() {
    let folder = folder();
    let file = folder.path().join("frontdesk.toml");
    fs::write(&file, "[server]\ndrain_ms = 1234\n").unwrap();
    let words = format!("config --config {}", file.display());
    let variables = [
        ("FRONTDESK_STORAGE__ENGINE", "sled"),
        ("FRONTDESK_AUTH__JWT_SECRET", SECRET),
    ];
    let shown = run(&mut with(&words, &variables));
    assert_eq!(said(&shown), (Some(0), String::new()));
    let shown = String::from_utf8(shown.stdout).unwrap();
    let origin_of = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(key));
        let line = line.unwrap_or_else(|| panic!("{key} is not in {shown}"));
        line.split_once("  # ").unwrap().1.to_owned()
    };
    assert!(shown.contains("server.drain_ms = 1234"), "{shown}");
    assert_eq!(
        origin_of("server.drain_ms"),
        format!("file {}:2", file.display())
    );
    assert_eq!(origin_of("storage.engine"), "env FRONTDESK_STORAGE__ENGINE");
    assert_eq!(origin_of("storage.durability"), "default");
    assert_eq!(
        origin_of("auth.jwt_secret"),
        "env FRONTDESK_AUTH__JWT_SECRET"
    );
    assert!(!shown.contains(SECRET), "{shown}");
}

/// What is run, with which variables, and the words of its complaint.
type Case<'text> = (
    &'text str,
    &'text [(&'text str, &'text str)],
    &'text [&'text str],
);

#[test]
fn a_wrong_setting_is_named_with_its_origin() {
    let folder = folder();
    let file = folder.path().join("frontdesk.toml");
    fs::write(&file, "[limits]\nping_ms = \"often\"\n").unwrap();
    let in_file = format!("serve --config {}", file.display());
    let at = format!("{}:2", file.display());
    let cases: [Case; 5] = [
        (&in_file, &[], &["limits.ping_ms", "often", &at]),
        (
            "serve",
            &[("FRONTDESK_STORAGE__ENGINE", "rocks")],
            &[
                "storage.engine",
                "sled or fjall",
                "FRONTDESK_STORAGE__ENGINE",
            ],
        ),
        (
            "config",
            &[("FRONTDESK_SERVER__DRAIN_MSX", "1")],
            &["drain_msx", "unknown setting", "FRONTDESK_SERVER__DRAIN_MS"],
        ),
        (
            "serve --listen nowhere",
            &[],
            &["server.listen", "flag --listen"],
        ),
        (
            "import --in x --engine rocks",
            &[],
            &["storage.engine", "rocks", "flag --engine"],
        ),
    ];
    for (words, variables, expected) in cases {
        assert_refused(&mut with(words, variables), 2, expected);
    }
}

/// A server on a new folder, as a command that can still be changed.
struct Wanted {
    _folder: TempDir,
    data: PathBuf,
    command: Command,
}

fn serve(words: &str, variables: &[(&str, &str)]) -> Wanted {
    let folder = folder();
    let data = folder.path().join("store");
    let mut command = with(&format!("serve {words}"), variables);
    command.arg("--data").arg(&data);
    Wanted {
        _folder: folder,
        data,
        command,
    }
}

#[test]
fn without_a_key_nothing_is_served_or_made() {
    let mut wanted = serve("--listen 127.0.0.1:0", &[]);
    let words = ["auth.jwt_secret", "FRONTDESK_AUTH__JWT_SECRET"];
    assert_refused(&mut wanted.command, 2, &words);
    assert!(!wanted.data.exists(), "a store was made");
    let words = "token --company TES001 --user 5";
    assert_refused(&mut with(words, &[]), 2, &["FRONTDESK_AUTH__JWT_SECRET"]);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let key = [("FRONTDESK_AUTH__JWT_SECRET", SECRET)];
    let mut wanted = serve(&format!("--listen {address}"), &key);
    assert_refused(&mut wanted.command, 1, &[&address, "in use"]);
}

#[test]
fn a_store_of_the_other_engine_is_refused_and_the_way_out_named() {
    let mut trial = Trial::new("sled", "buffered");
    trial.start().unwrap().stop().unwrap();
    let mut other = with("serve --listen 127.0.0.1:0", &[]);
    other
        .env("FRONTDESK_AUTH__JWT_SECRET", SECRET)
        .env("FRONTDESK_STORAGE__ENGINE", "fjall")
        .arg("--data")
        .arg(&trial.settings.data);
    assert_refused(&mut other, 2, &["was made with sled", "fjall", "`export`"]);
}

/// Reads the two links that the demo prints: token and room of each.
fn links(server: &Server) -> Vec<(String, String)> {
    let mut links = Vec::new();
    while links.len() < 2 {
        let line = server.next_line();
        if let Some((_, rest)) = line.split_once("#token=") {
            let (token, room) = rest.split_once("&room=").unwrap();
            links.push((token.to_owned(), room.to_owned()));
        }
    }
    links
}

#[test]
fn the_two_links_of_the_demo_open_one_room_as_two_people() {
    let mut wanted = serve("--demo --listen 127.0.0.1:0", &[]);
    let mut server = Server::spawn_ref(&mut wanted.command);
    server.wait_until_it_listens().unwrap();
    let [(ann, room), (bob, other)] = links(&server).try_into().unwrap();
    assert_eq!(room, other);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let join = json!({"type": "join", "room": room});
        let (mut ann, _) = Talk::connect(server.address(), &ann, json!({})).await;
        let (mut bob, _) = Talk::connect(server.address(), &bob, json!({})).await;
        ann.ask(join.clone()).await.unwrap();
        bob.ask(join).await.unwrap();
        let post = json!({"type": "post_message", "room": room, "text": "hello Bob"});
        ann.ask(post).await.unwrap();
        loop {
            let push = bob.next().await.unwrap();
            if push["type"] == "event" {
                assert_eq!(push["text"], "hello Bob");
                assert_eq!(push["author"]["name"], "Ann Visitor");
                break;
            }
        }
        let metrics = Asker::new(String::new())
            .text(server.address(), "/metrics")
            .await
            .unwrap();
        for line in [
            "frontdesk_connections_count 2",
            "frontdesk_journal_appends_total{outcome=\"ok\"}",
            "frontdesk_deliveries_total 2",
        ] {
            assert!(metrics.contains(line), "{line} is not in {metrics}");
        }
    });
    drop(runtime);
    server.stop().unwrap();
}

/// The demo still opens its room when the first line is read: signals must be waited for by then.
#[test]
fn a_server_that_is_told_to_stop_at_its_first_line_stops_in_order() {
    let mut wanted = serve("--demo --listen 127.0.0.1:0", &[]);
    let mut server = Server::spawn_ref(&mut wanted.command);
    server.wait_until_it_listens().unwrap();
    server.terminate();
    let status = server.wait_for_end().unwrap();
    assert!(status.success(), "{status}");
}
