//! Who asks too much: refused over HTTP with the time to come back, closed as a new socket, and
//! read more slowly as an open one.

use frontdesk_actors::clock::Clock;
use serde_json::{Value, json};

use crate::support::socket::Socket;
use crate::support::token::token_of;
use crate::support::{Bus, Site, in_both_buses};

in_both_buses!(
    a_person_who_asks_too_much_waits_and_others_do_not,
    an_address_that_asks_too_much_waits_with_its_new_sockets,
    a_socket_that_sends_too_quickly_is_read_slowly_and_loses_nothing,
);

/// More tries than any burst here, and what trickles in meanwhile.
const TRY_COUNT_MAX: usize = 100;

/// Asks until it is refused; the seconds to wait.
async fn refused(site: &Site, path: &str, person: &str) -> u64 {
    for _ in 0..TRY_COUNT_MAX {
        let request = site.request("GET", path).bearer_auth(token_of(person));
        let response = request.send().await.expect("an answer");
        if response.status() == 429 {
            let wait = response.headers()["retry-after"].to_str().expect("text");
            let wait = wait.parse().expect("whole seconds");
            let body: Value = response.json().await.expect("json");
            assert_eq!(
                (&body["code"], &body["retry"]),
                (&json!("rate_limited"), &json!("later"))
            );
            return wait;
        }
    }
    panic!("{TRY_COUNT_MAX} requests passed");
}

async fn a_person_who_asks_too_much_waits_and_others_do_not(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.requests_per_second_person = 1).await;
    let room = site.room(&["ann", "bob"]).await;
    let path = format!("/v1/rooms/{}/messages", room.id);
    let wait_s = refused(&site, &path, "ann").await;
    assert_eq!(wait_s, 1);
    let (status, _) = site
        .http("GET", &path, Some(&token_of("bob")), &Value::Null)
        .await;
    assert_eq!(status, 200);
    site.clock.leap_ms(wait_s * 1_000);
    let (status, _) = site
        .http("GET", &path, Some(&token_of("ann")), &Value::Null)
        .await;
    assert_eq!(status, 200);
    let (_, figures) = site.http_text("GET", "/metrics", None, &Value::Null).await;
    let counted = "frontdesk_beyond_rate_total{whose=\"person\"} ";
    let counted = figures.split_once(counted).expect("it is counted").1;
    assert_ne!(counted.lines().next(), Some("0"));
    // Sockets of the same person are another matter.
    site.join("ann", &room).await.post(&room.id, "text").await;
}

async fn an_address_that_asks_too_much_waits_with_its_new_sockets(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.requests_per_second_address = 1).await;
    assert_eq!(refused(&site, "/nowhere", "ann").await, 1);
    for path in ["/healthz", "/readyz", "/metrics"] {
        let (status, _) = site.http_text("GET", path, None, &Value::Null).await;
        assert_eq!(status, 200, "{path}");
    }
    let mut reasons = Vec::new();
    for _ in 0..TRY_COUNT_MAX {
        let mut socket = Socket::dial(site.address, "/ws/chat/1/?token=bad", &[], &[]).await;
        match socket.closed().await {
            (4029, reason) => {
                reasons.push(reason);
                break;
            }
            (code, _) => assert_eq!(code, 4001, "admitted, as a second had passed"),
        }
    }
    let reason = reasons.pop().expect("a socket was refused");
    let (text, wait_ms) = reason.split_once("; retry_after_ms=").expect("when");
    assert_eq!(text, "too many requests from this address");
    site.clock.leap_ms(wait_ms.parse().expect("a number"));
    let mut socket = Socket::dial(site.address, "/ws/chat/1/?token=bad", &[], &[]).await;
    assert_eq!(socket.closed().await.0, 4001);
}

async fn a_socket_that_sends_too_quickly_is_read_slowly_and_loses_nothing(bus: Bus) {
    const RATE: u64 = 10;
    const POST_COUNT: u64 = 20;
    let site = Site::with(bus, |config| {
        config.limits.commands_per_second_connection = RATE as u32;
    });
    let site = site.await;
    let room = site.room(&["ann"]).await;
    let start_ms = site.clock.monotonic_ms();
    let mut ann = site.join("ann", &room).await;
    let mut asked = Vec::new();
    for number in 0..POST_COUNT {
        let text = format!("m{number}");
        let mut post = json!({"type": "post_message", "room": room.id, "text": text});
        asked.push(ann.start(&mut post).await);
    }
    for (id, seq) in asked.into_iter().zip(1..) {
        assert_eq!(ann.reply(id).await.expect("posted")["seq"], seq);
    }
    let elapsed_ms = site.clock.monotonic_ms() - start_ms;
    // The last frame is dealt with before it is counted, so it is one that needs no place.
    let paid_ms = (POST_COUNT - 1 - RATE) * 1_000 / RATE;
    assert!(elapsed_ms >= paid_ms, "{elapsed_ms} ms");
}
