//! Each check is proven by a server that breaks exactly one promise, and by one that breaks none.

mod room_server;

use clap::Parser;
use frontdesk_loadtest::check::Violation;
use frontdesk_loadtest::crm;
use frontdesk_loadtest::options::{CrmOptions, SteadyOptions};
use frontdesk_loadtest::report::Report;
use frontdesk_loadtest::steady::{self, Target};
use frontdesk_loadtest::token::Tokens;
use room_server::{Fault, RoomServer};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: SteadyOptions,
}

#[derive(Parser)]
struct CrmLine {
    #[command(flatten)]
    options: CrmOptions,
}

/// Four messages under way a room, so that a fault in one finds others beside it.
const SMALL: &str = "--rooms 2 --members 3 --window 4 --secs 0.3 --drain-secs 0.5";
const ALL_DIALECTS: [&str; 4] = ["direct", "crm", "native-json", "native-msgpack"];

fn target(server: &RoomServer) -> Target {
    Target {
        address: server.address,
        pid: None,
        tokens: Tokens::Secret("secret".to_owned()),
    }
}

fn run(fault: Fault, arguments: &str) -> Report {
    let server = RoomServer::start(fault);
    let line = std::iter::once("steady").chain(arguments.split(' '));
    let options = Line::parse_from(line).options;
    steady::run(&options, &target(&server)).expect("the server can be loaded")
}

fn run_small(fault: Fault, dialect: &str) -> Report {
    run(fault, &format!("{SMALL} --dialect {dialect}"))
}

/// Conversations with a bot, over HTTP and sockets.
fn run_crm(fault: Fault) -> Report {
    let server = RoomServer::start(fault);
    let line = "crm --sockets 6 --members 3 --rate 400 --secs 0.3 --drain-secs 0.5";
    let options = CrmLine::parse_from(line.split(' ')).options;
    crm::run(&options, &target(&server)).expect("the server can be loaded")
}

fn assert_found_in_crm(fault: Fault, expected: &[(Violation, u64)]) {
    let report = run_crm(fault);
    let found: Vec<_> = report.findings().found().collect();
    assert_eq!(found, expected, "{:?}", report.findings().examples());
}

fn figure(report: &Report, name: &str) -> f64 {
    let figures = report.figures();
    let found = figures.iter().find(|figure| figure.name == name);
    found.unwrap_or_else(|| panic!("no figure {name}")).value
}

/// The fault is found as this violation, once, and as nothing else, in each of these dialects.
fn assert_found(fault: Fault, violation: Violation, dialects: &[&str]) {
    std::thread::scope(|scope| {
        for dialect in dialects {
            scope.spawn(move || {
                let report = run_small(fault, dialect);
                let found: Vec<_> = report.findings().found().collect();
                let examples = report.findings().examples();
                assert_eq!(found, [(violation, 1)], "{dialect}: {examples:?}");
            });
        }
    });
}

#[test]
fn a_server_that_keeps_its_word_passes_in_every_dialect() {
    for dialect in ALL_DIALECTS {
        let report = run_small(Fault::None, dialect);
        let examples = report.findings().examples();
        assert!(report.findings().is_clean(), "{dialect}: {examples:?}");
        assert_eq!(figure(&report, "connected_count"), 6.0);
        let posts = figure(&report, "posts_count");
        assert!(posts > 100.0, "{dialect}: only {posts} posts");
        assert_eq!(figure(&report, "deliveries_count"), posts * 3.0);
        assert!(figure(&report, "latency_p99_us") > 0.0);
    }
}

#[test]
fn a_lost_delivery_is_missing() {
    assert_found(Fault::Drop, Violation::Missing, &ALL_DIALECTS);
}

#[test]
fn a_repeated_delivery_is_double() {
    assert_found(Fault::Double, Violation::Double, &ALL_DIALECTS);
}

#[test]
fn a_late_delivery_is_out_of_order() {
    assert_found(Fault::Swap, Violation::OutOfOrder, &ALL_DIALECTS);
}

#[test]
fn a_delivery_to_another_room_is_in_the_wrong_room() {
    assert_found(Fault::WrongRoom, Violation::WrongRoom, &ALL_DIALECTS);
}

#[test]
fn a_delivery_under_another_seq_is_seen() {
    assert_found(Fault::WrongSeq, Violation::WrongSeq, &ALL_DIALECTS[2..]);
}

#[test]
fn an_ack_that_names_another_seq_is_seen() {
    assert_found(Fault::LyingAck, Violation::AckDisagrees, &ALL_DIALECTS[2..]);
}

#[test]
fn a_post_that_is_not_acknowledged_is_seen() {
    assert_found(Fault::NoAck, Violation::Unacknowledged, &ALL_DIALECTS[2..]);
}

#[test]
fn a_refused_post_is_reported_and_due_nowhere() {
    assert_found(Fault::Refuse, Violation::Refused, &ALL_DIALECTS[2..]);
}

#[test]
fn a_closed_connection_is_reported_with_its_code() {
    let report = run_small(Fault::Close, "native-json");
    let findings = report.findings();
    assert_eq!(findings.count(Violation::Closed), 1);
    assert!(findings.examples()[0].contains("1011"), "{findings:?}");
}

#[test]
fn bytes_that_are_no_frame_are_reported() {
    for dialect in ALL_DIALECTS {
        let report = run_small(Fault::Garbage, dialect);
        assert_eq!(report.findings().count(Violation::BadFrame), 1, "{dialect}");
    }
}

#[test]
fn the_sender_changes_when_one_message_is_under_way() {
    let report = run(Fault::None, "--rooms 2 --members 3 --secs 0.2");
    let examples = report.findings().examples();
    assert!(report.findings().is_clean(), "{examples:?}");
    let posts = figure(&report, "posts_count");
    assert_eq!(figure(&report, "deliveries_count"), posts * 3.0);
}

#[test]
fn an_open_loop_sends_at_its_rate_and_tells_how_late() {
    let report = run(
        Fault::None,
        "--rooms 2 --members 2 --secs 0.5 --rate 400 --dialect direct",
    );
    assert!(report.findings().is_clean());
    let posts = figure(&report, "posts_count");
    assert!((190.0..=200.0).contains(&posts), "{posts} posts");
    assert!(figure(&report, "send_lateness_p50_us") > 0.0);
}

#[test]
fn a_stalled_connection_gets_everything_in_order_afterwards() {
    let report = run(
        Fault::None,
        "--rooms 2 --members 3 --secs 0.8 --rate 200 --stall 2 --stall-secs 0.4 --drain-secs 5",
    );
    let examples = report.findings().examples();
    assert!(report.findings().is_clean(), "{examples:?}");
    let posts = figure(&report, "posts_count");
    assert_eq!(figure(&report, "deliveries_count"), posts * 3.0);
    let stalled_us = figure(&report, "stalled_latency_max_us");
    assert!(stalled_us > 300_000.0, "stalled for {stalled_us} us only");
}

#[test]
fn idle_connections_join_and_send_nothing() {
    let report = run(
        Fault::None,
        "--rooms 30 --members 10 --secs 0 --idle 0.1 --connect-rate 3000",
    );
    assert!(report.findings().is_clean());
    assert_eq!(figure(&report, "joined_count"), 300.0);
    let names: Vec<_> = report.figures().iter().map(|figure| figure.name).collect();
    assert!(!names.contains(&"posts_count"), "{names:?}");
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_not_a_report() {
    let gone = RoomServer::start(Fault::None).address;
    let target = Target {
        address: gone,
        pid: None,
        tokens: Tokens::Secret("secret".to_owned()),
    };
    let options = Line::parse_from(["steady"]).options;
    let error = steady::run(&options, &target).expect_err("nobody listens");
    assert!(error.contains("cannot reach"), "{error}");
}

#[test]
fn conversations_with_a_bot_pass_and_each_message_is_answered_at_everyone() {
    let report = run_crm(Fault::None);
    let examples = report.findings().examples();
    assert!(report.findings().is_clean(), "{examples:?}");
    let posts = figure(&report, "posts_count");
    assert!(posts >= 60.0, "only {posts} posts");
    assert_eq!(figure(&report, "deliveries_count"), posts * 3.0);
    for name in ["latency", "post_latency", "answer_latency"] {
        assert!(figure(&report, &format!("{name}_p99_us")) > 0.0, "{name}");
    }
}

#[test]
fn an_event_that_is_lost_doubled_or_late_is_found_in_conversations_with_a_bot() {
    assert_found_in_crm(Fault::Drop, &[(Violation::Missing, 1)]);
    assert_found_in_crm(Fault::Double, &[(Violation::Double, 1)]);
    assert_found_in_crm(Fault::Swap, &[(Violation::OutOfOrder, 1)]);
}

#[test]
fn a_bot_that_does_not_answer_once_is_found() {
    assert_found_in_crm(Fault::NoAnswer, &[(Violation::Missing, 3)]);
    assert_found_in_crm(Fault::TwoAnswers, &[(Violation::Double, 3)]);
}
