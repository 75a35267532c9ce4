//! Export and import between engines: clients of the copy resume as if nothing had happened, or are
//! told that it is a restore; a store in use is left alone.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::http::token;
use crate::support::server::{Settings, program, run};
use crate::support::talk::Talk;
use crate::support::trial::{Trial, person};

/// Acknowledgements before a store is moved.
const ACKNOWLEDGED: u64 = 100;

fn export(data: &Path, out: &Path) -> Output {
    let mut command = program();
    command.args(["export", "--data"]).arg(data);
    run(command.arg("--out").arg(out))
}

fn import(input: &Path, data: &Path, engine: &str, more: &[&str]) -> Output {
    let mut command = program();
    command.args(["import", "--engine", engine, "--data"]);
    run(command.arg(data).arg("--in").arg(input).args(more))
}

fn assert_done(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn assert_refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.starts_with("frontdesk: ") && said.contains(why),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}

/// The store is killed under load before it is exported: what its clients did not hear is
/// unanswered, and they send it again to the copy.
fn members_go_on_with_the_copy(from: &'static str, to: &'static str) -> Result<(), String> {
    let mut trial = Trial::new(from, "fsync");
    let mut server = trial.start()?;
    trial.check(&server, false)?;
    trial.talk(&server);
    trial.wait_for_acknowledgements(ACKNOWLEDGED)?;
    trial.forget_server();
    server.kill();
    let (out, copy) = (trial.beside("export"), trial.beside("copy"));
    assert_done(&export(&trial.settings.data, &out));
    assert_done(&import(&out, &copy, to, &[]));
    trial.settings = Settings::new(&copy, to, "fsync");
    let server = trial.start()?;
    assert!(trial.check(&server, false)?, "a log changed its name");
    trial.talk(&server);
    trial.wait_for_acknowledgements(ACKNOWLEDGED)?;
    trial.finish(&server)?;
    let figures = trial.figures();
    // A member that was starved of CPU may have missed enough to ask for pages.
    assert_eq!(figures.resets, 0, "{figures:?}");
    server.stop().map(drop)
}

#[test]
fn members_of_a_sled_store_go_on_with_its_fjall_copy() {
    members_go_on_with_the_copy("sled", "fjall").unwrap();
}

#[test]
fn members_of_a_fjall_store_go_on_with_its_sled_copy() {
    members_go_on_with_the_copy("fjall", "sled").unwrap();
}

/// What a client knows of a room with two messages, the second of which it has not seen.
struct Before {
    room: String,
    since: Value,
    post: Value,
}

/// Two messages by hand; the server ends in order.
fn written(trial: &mut Trial) -> Before {
    let server = trial.start().unwrap();
    let token = token(&person(0));
    let room = trial.rooms[0].id.clone();
    let cid = Uuid::now_v7().to_string();
    let post = json!({"type": "post_message", "room": room, "cid": cid, "text": "kept"});
    let since = trial.runtime.block_on(async {
        let (mut talk, _) = Talk::connect(server.address(), &token, json!({})).await;
        let joined = talk
            .ask(json!({"type": "join", "room": room}))
            .await
            .unwrap();
        let first = json!({"type": "post_message", "room": room, "text": "seen"});
        assert_eq!(talk.ask(first).await.unwrap()["seq"], 1);
        let second = talk.ask(post.clone()).await.unwrap();
        assert_eq!((&second["seq"], &second["dup"]), (&json!(2), &json!(false)));
        json!({"history_id": joined["history_id"], "seq": 1})
    });
    server.stop().unwrap();
    Before { room, since, post }
}

#[test]
fn a_copy_resumes_after_the_same_seq_and_answers_a_known_cid_as_before() {
    for (from, to) in [("sled", "fjall"), ("fjall", "sled")] {
        let mut trial = Trial::new(from, "buffered");
        let Before { room, since, post } = written(&mut trial);
        let (out, copy) = (trial.beside("export"), trial.beside("copy"));
        assert_done(&export(&trial.settings.data, &out));
        assert_done(&import(&out, &copy, to, &[]));
        trial.settings = Settings::new(&copy, to, "buffered");
        let server = trial.start().unwrap();
        trial.runtime.block_on(async {
            let resume = json!({&room: since});
            let (mut talk, rooms) =
                Talk::connect(server.address(), &token(&person(0)), resume).await;
            assert_eq!(rooms[&room]["resume"], "ok", "{rooms}");
            assert_eq!(rooms[&room]["history_id"], since["history_id"]);
            let again = talk.ask(post.clone()).await.unwrap();
            assert_eq!((&again["seq"], &again["dup"]), (&json!(2), &json!(true)));
            while talk.pushes.is_empty() {
                let push = talk.next().await.unwrap();
                talk.pushes.push(push);
            }
            let missed = &talk.pushes[0];
            assert_eq!((&missed["seq"], &missed["cid"]), (&json!(2), &post["cid"]));
        });
        server.stop().unwrap();
    }
}

#[test]
fn clients_of_a_restore_are_told_to_reset() {
    let mut trial = Trial::new("sled", "fsync");
    let Before { room, since, post } = written(&mut trial);
    let (out, copy) = (trial.beside("export"), trial.beside("copy"));
    assert_done(&export(&trial.settings.data, &out));
    assert_done(&import(&out, &copy, "fjall", &["--as-restore"]));
    trial.settings = Settings::new(&copy, "fjall", "fsync");
    let server = trial.start().unwrap();
    trial.runtime.block_on(async {
        let resume = json!({&room: since});
        let (mut talk, rooms) = Talk::connect(server.address(), &token(&person(0)), resume).await;
        assert_eq!(rooms[&room]["resume"], "reset", "{rooms}");
        assert_ne!(rooms[&room]["history_id"], since["history_id"]);
        assert_eq!(rooms[&room]["head"], 2);
        let again = talk.ask(post).await.unwrap();
        assert_eq!((&again["seq"], &again["dup"]), (&json!(2), &json!(true)));
    });
    server.stop().unwrap();
}

#[test]
fn a_store_in_use_is_neither_exported_nor_filled_nor_served_twice() {
    for engine in ["sled", "fjall"] {
        let mut trial = Trial::new(engine, "buffered");
        written(&mut trial);
        let (out, late) = (trial.beside("export"), trial.beside("late"));
        assert_done(&export(&trial.settings.data, &out));
        let server = trial.start().unwrap();
        let data = &trial.settings.data;
        assert_refused(&export(data, &late), "in use");
        assert!(!late.exists());
        assert_refused(&import(&out, data, engine, &[]), "in use");
        let second = trial.settings.start().map(drop).unwrap_err();
        assert!(second.contains("in use by another process"), "{second}");
        server.stop().unwrap();
        assert_refused(&import(&out, data, engine, &[]), "not empty");
    }
}

#[test]
fn an_altered_export_leaves_no_store() {
    let mut trial = Trial::new("fjall", "buffered");
    written(&mut trial);
    let (out, copy) = (trial.beside("export"), trial.beside("copy"));
    assert_done(&export(&trial.settings.data, &out));
    let mut bytes = std::fs::read(&out).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&out, bytes).unwrap();
    assert_refused(&import(&out, &copy, "sled", &[]), "nothing was imported");
    assert!(!copy.exists());
}
