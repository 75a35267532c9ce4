//! SIGTERM under load: members are told to leave, close with 1012, come back to the next server on
//! the same address, and nothing is lost, doubled or reordered.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::http::token;
use crate::support::member::connect;
use crate::support::server::Server;
use crate::support::talk::Talk;
use crate::support::trial::{MEMBER_COUNT, Trial, person};
use crate::support::{mixed, pause, setting};

/// Stops on one folder in a normal run.
const ROUNDS: u64 = 3;
/// Time that the servers get for stopping, milliseconds.
const DRAIN_MS: u64 = 3_000;
/// Messages of one member that wait for an answer: enough for load, and a short history.
const IN_FLIGHT_MAX: usize = 1;
/// Longer than a server with nothing under way takes to stop.
const NOTHING_TO_DO: Duration = Duration::from_millis(1_000);
/// Acknowledgements before a stop, at most.
const ACKNOWLEDGED_MAX: u64 = 200;

fn draining_trial(engine: &'static str, durability: &'static str) -> Trial {
    let mut trial = Trial::new(engine, durability);
    trial.in_flight_max = IN_FLIGHT_MAX;
    let drain_ms = DRAIN_MS.to_string();
    trial.settings = trial.settings.with("FRONTDESK_SERVER__DRAIN_MS", &drain_ms);
    trial
}

/// An address that was free a moment ago, for one server after another.
fn fixed_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// SIGTERM and an end in time and in order.
fn stop_in_time(server: Server) -> Result<(), String> {
    let started = Instant::now();
    let said = server.stop()?;
    let taken = started.elapsed();
    match said.is_empty() && taken <= Duration::from_millis(DRAIN_MS) {
        true => Ok(()),
        false => Err(format!("it took {taken:?} and said {said:?}")),
    }
}

fn survives_stops(engine: &'static str, durability: &'static str) -> Result<(), String> {
    let mut trial = draining_trial(engine, durability);
    trial.settings.listen = fixed_address();
    let rounds = setting("CRASH_ROUNDS", ROUNDS);
    let first = setting("CRASH_SEED", 1);
    for seed in first..first + rounds {
        let server = trial.start()?;
        trial.talk(&server);
        if !trial.check(&server, false)? {
            return Err(format!("seed {seed}: a log changed its name"));
        }
        // Everyone is back before anyone is sent away again.
        let connections = (seed - first + 1) * MEMBER_COUNT as u64;
        trial.wait_for_connections(connections)?;
        trial.wait_for_acknowledgements(1 + mixed(seed) % ACKNOWLEDGED_MAX)?;
        stop_in_time(server).map_err(|fault| format!("seed {seed}: {fault}"))?;
    }
    let server = trial.start()?;
    trial.finish(&server)?;
    let figures = trial.figures();
    println!("{engine} {durability}: {rounds} stops, {figures:?}");
    let farewells = rounds * MEMBER_COUNT as u64;
    assert_eq!(figures.drains, farewells, "{figures:?}");
    assert_eq!(figures.closes, [(1012, farewells)].into(), "{figures:?}");
    assert_eq!(figures.resets, 0, "{figures:?}");
    stop_in_time(server)
}

#[test]
fn stopping_a_synced_sled_server_loses_and_doubles_nothing() {
    survives_stops("sled", "fsync").unwrap();
}

#[test]
fn stopping_a_buffered_sled_server_loses_and_doubles_nothing() {
    survives_stops("sled", "buffered").unwrap();
}

#[test]
fn stopping_a_synced_fjall_server_loses_and_doubles_nothing() {
    survives_stops("fjall", "fsync").unwrap();
}

#[test]
fn stopping_a_buffered_fjall_server_loses_and_doubles_nothing() {
    survives_stops("fjall", "buffered").unwrap();
}

#[test]
fn a_buffered_store_keeps_its_names_when_stopped_and_changes_them_when_killed() {
    for engine in ["sled", "fjall"] {
        let mut trial = draining_trial(engine, "buffered");
        let server = trial.start().unwrap();
        trial.check(&server, false).unwrap();
        stop_in_time(server).unwrap();
        let mut server = trial.start().unwrap();
        assert!(trial.check(&server, false).unwrap(), "{engine}, stopped");
        server.kill();
        let server = trial.start().unwrap();
        assert!(!trial.check(&server, false).unwrap(), "{engine}, killed");
        stop_in_time(server).unwrap();
    }
}

#[test]
fn sockets_of_each_kind_are_sent_away_with_1012() {
    let mut trial = draining_trial("fjall", "buffered");
    let server = trial.start().unwrap();
    let (address, token) = (server.address(), token(&person(0)));
    let path = format!("/ws/chat/{}/?token={token}", trial.rooms[0].number);
    let ended = trial.runtime.block_on(async {
        let (mut native, _) = Talk::connect(address, &token, json!({})).await;
        let mut direct = Talk::open(address, &path, &token).await;
        let hello = direct.next().await.unwrap();
        assert_eq!(hello["type"], "connection_established");
        server.terminate();
        (native.until_closed().await, direct.until_closed().await)
    });
    let ((pushed, native), (silence, direct)) = ended;
    assert_eq!((native, direct), (1012, 1012));
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    assert_eq!(pushed[0]["type"], "drain");
    assert!(pushed[0]["after_ms"].as_u64().unwrap() <= DRAIN_MS);
    assert!(silence.is_empty(), "{silence:?}");
    stop_in_time(server).unwrap();
}

#[test]
fn a_peer_that_does_not_hang_up_does_not_keep_the_server() {
    let mut trial = draining_trial("fjall", "buffered");
    let server = trial.start().unwrap();
    let token = token(&person(0));
    let connected = connect(server.address(), "/v1/ws", &token);
    let silent = trial.runtime.block_on(connected).unwrap();
    stop_in_time(server).unwrap();
    drop(silent);
}

/// Sends a request's head and waits until the server asks for its body: it is under way.
async fn request_under_way(server: &Server, body: &str) -> TcpStream {
    let mut asking = TcpStream::connect(server.address()).await.unwrap();
    let token = token(&person(0));
    let head = format!(
        "POST /v1/rooms HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    asking.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    in_time(asking.read_exact(&mut go_on)).await.unwrap();
    asking
}

/// Sends the body and expects what was asked for: the request was let in before the node was told
/// to go.
async fn assert_done(mut asking: TcpStream, body: &str) {
    asking.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    in_time(asking.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

const BODY: &str = "{\"participants\": [1]}";

/// While sockets have not left yet a probe finds nobody who listens, which is as red as can be, and
/// a request that was under way is done.
#[test]
fn readyz_is_red_while_draining_and_nobody_new_is_accepted() {
    let mut trial = draining_trial("fjall", "buffered");
    let server = trial.start().unwrap();
    let (address, token) = (server.address(), token(&person(0)));
    trial.runtime.block_on(async {
        assert_eq!(trial.asker.status(address, "/readyz").await, Ok(200));
        let asking = request_under_way(&server, BODY).await;
        let (mut first, _) = Talk::connect(address, &token, json!({})).await;
        let (mut second, _) = Talk::connect(address, &token, json!({})).await;
        server.terminate();
        assert_eq!(first.next().await.unwrap()["type"], "drain");
        assert_eq!(second.next().await.unwrap()["type"], "drain");
        trial.asker.status(address, "/readyz").await.unwrap_err();
        assert_done(asking, BODY).await;
        // Only now do the sockets hang up, so the server was still draining.
        assert_eq!(first.until_closed().await.1, 1012);
        assert_eq!(second.until_closed().await.1, 1012);
    });
    stop_in_time(server).unwrap();
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let mut trial = draining_trial("fjall", "buffered");
    let mut server = trial.start().unwrap();
    let _asking = trial.runtime.block_on(request_under_way(&server, BODY));
    server.terminate();
    trial.runtime.block_on(in_time(async {
        while TcpStream::connect(server.address()).await.is_ok() {}
    }));
    assert!(server.has_ended().is_none(), "it waits for the request");
    server.terminate();
    assert_eq!(server.wait_for_end().unwrap().code(), Some(1));
    assert!(server.complaint().contains("told to stop twice"));
}

#[test]
fn a_request_that_is_under_way_is_waited_for() {
    let mut trial = draining_trial("fjall", "buffered");
    let mut server = trial.start().unwrap();
    let asking = trial.runtime.block_on(request_under_way(&server, BODY));
    server.terminate();
    trial.runtime.block_on(in_time(async {
        while TcpStream::connect(server.address()).await.is_ok() {}
    }));
    // Nothing else holds it: a server that does not wait is gone by the end of this.
    pause(NOTHING_TO_DO);
    assert!(server.has_ended().is_none(), "it did not wait");
    trial.runtime.block_on(assert_done(asking, BODY));
    stop_in_time(server).unwrap();
}

#[test]
fn a_request_that_is_never_finished_does_not_keep_the_server() {
    let mut trial = draining_trial("fjall", "buffered");
    let server = trial.start().unwrap();
    let asking = trial.runtime.block_on(request_under_way(&server, BODY));
    stop_in_time(server).unwrap();
    drop(asking);
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(10), work).await;
    done.expect("an answer in time")
}
