//! Who is believed, for how long, and how a socket is told that it is not.

use serde_json::{Value, json};

use crate::support::socket::{JSON, Socket};
use crate::support::token::{now_s, signed, token_of, token_with};
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, in_both_buses};

in_both_buses!(
    a_token_may_come_in_the_frame_the_subprotocol_or_the_header,
    nothing_but_connect_is_understood_before_a_token,
    a_socket_that_never_says_who_it_is_closes_with_4001,
    a_bad_token_closes_with_4001_after_the_handshake,
    a_token_is_for_one_company_only,
    a_socket_is_one_persons_for_its_life,
    a_token_that_ends_is_announced_and_may_be_refreshed,
    a_token_that_ends_and_is_not_refreshed_closes_the_socket,
    a_socket_that_takes_no_such_frame_closes_with_1003,
    people_are_shown_as_their_tokens_describe_them,
);

async fn native(site: &Site, offered: &[&str], headers: &[(&'static str, &str)]) -> Socket {
    Socket::dial(site.address, "/v1/ws", offered, headers).await
}

async fn a_token_may_come_in_the_frame_the_subprotocol_or_the_header(bus: Bus) {
    let site = Site::start(bus).await;
    let token = token_of("ann");
    let entry = format!("frontdesk.token.{token}");
    let bearer = format!("Bearer {token}");
    let mut by_list = native(&site, &[JSON, &entry], &[]).await;
    assert_eq!(
        by_list.chosen.as_deref(),
        Some(JSON),
        "the token is never selected"
    );
    let mut by_header = native(&site, &[JSON], &[("authorization", &bearer)]).await;
    let mut by_frame = native(&site, &[], &[]).await;
    assert_eq!(by_frame.chosen, None);
    for (socket, token) in [
        (&mut by_list, Value::Null),
        (&mut by_header, Value::Null),
        (&mut by_frame, json!(token)),
    ] {
        let hello = socket.ask(json!({"type": "connect", "token": token})).await;
        let hello = hello.expect("connected");
        assert_eq!(
            (&hello["person"], &hello["role"]),
            (&json!("ann"), &json!("visitor"))
        );
        assert_eq!(
            (&hello["ping_ms"], &hello["rooms"]),
            (&json!(25_000), &json!({}))
        );
        let expires_at = hello["expires_at"].as_u64().expect("a time");
        assert!((now_s() + 3_500..now_s() + 3_700).contains(&(expires_at / 1_000)));
    }
}

async fn nothing_but_connect_is_understood_before_a_token(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut nobody = native(&site, &[JSON], &[]).await;
    for frame in [
        json!({"type": "join", "room": room.id}),
        json!({"type": "post_message", "room": room.id, "text": "text"}),
        json!({"type": "history", "room": room.id}),
        json!({"type": "refresh", "token": token_of("ann")}),
    ] {
        let refused = nobody.ask(frame).await.expect_err("unknown");
        assert_eq!(refused["code"], "unauthenticated");
    }
    let connect = json!({"type": "connect", "token": token_of("ann")});
    nobody.ask(connect).await.expect("connected");
    nobody.join(&room.id).await;
    let mut silent = native(&site, &[JSON], &[]).await;
    silent.send(&json!({"type": "connect", "id": 1})).await;
    assert_eq!(silent.closed().await.0, 4001, "no token anywhere");
}

async fn a_socket_that_never_says_who_it_is_closes_with_4001(bus: Bus) {
    let site = Site::with(bus, |config| config.auth.connect_timeout_ms = 300).await;
    let mut nobody = native(&site, &[JSON], &[]).await;
    let mut ann = site.connect("ann").await;
    assert_eq!(nobody.closed().await, (4001, "no token in time".to_owned()));
    let presence = ann.ask(json!({"type": "presence", "room": 1})).await;
    assert_eq!(
        presence.expect_err("no room")["code"],
        "not_joined",
        "who did is still there"
    );
}

async fn a_bad_token_closes_with_4001_after_the_handshake(bus: Bus) {
    let site = Site::start(bus).await;
    let usual = json!({"user_id": "ann", "company_id": COMPANY, "exp": now_s() + 60});
    let cases = [
        ("not-a-token".to_owned(), "malformed"),
        (signed("another secret", &usual), "signature"),
        (
            token_with(&json!("ann"), &json!({"exp": now_s() - 60})),
            "expired",
        ),
        (token_with(&json!("ann"), &json!({"exp": null})), "exp"),
        (
            token_with(&json!("ann"), &json!({"nbf": now_s() + 600})),
            "not",
        ),
        (
            token_with(&json!("ann"), &json!({"company_id": "NOBODY"})),
            "unknown company",
        ),
        (
            token_with(&json!("ann"), &json!({"company_id": null})),
            "company",
        ),
        (token_with(&Value::Null, &json!({})), "user_id"),
        (
            token_with(&json!("ann"), &json!({"token_type": "refresh"})),
            "refresh",
        ),
    ];
    for (token, why) in cases {
        let mut in_frame = native(&site, &[JSON], &[]).await;
        in_frame
            .send(&json!({"type": "connect", "token": token}))
            .await;
        let entry = format!("frontdesk.token.{token}");
        let mut in_list = native(&site, &[JSON, &entry], &[]).await;
        for socket in [&mut in_frame, &mut in_list] {
            let (code, reason) = socket.closed().await;
            assert_eq!(code, 4001, "{why}: {reason}");
            assert!(reason.contains(why), "{why}: {reason}");
        }
    }
    site.until_left().await;
}

async fn a_token_is_for_one_company_only(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut stranger = native(&site, &[JSON], &[]).await;
    let token = token_with(&json!("ann"), &json!({"company_id": OTHER_COMPANY}));
    let connect = json!({"type": "connect", "token": token});
    stranger.ask(connect).await.expect("connected");
    for name in [json!(room.id), json!(room.number)] {
        let refused = stranger.ask(json!({"type": "join", "room": name})).await;
        assert_eq!(refused.expect_err("elsewhere")["code"], "unknown_room");
    }
}

async fn a_socket_is_one_persons_for_its_life(bus: Bus) {
    let site = Site::start(bus).await;
    let mut ann = site.connect("ann").await;
    let other_company = token_with(&json!("ann"), &json!({"company_id": OTHER_COMPANY}));
    for token in [token_of("bob"), other_company] {
        for kind in ["refresh", "connect"] {
            let refused = ann.ask(json!({"type": kind, "token": token})).await;
            assert_eq!(refused.expect_err("another's")["code"], "forbidden");
        }
    }
    let bad = ann.ask(json!({"type": "refresh", "token": "a.b.c"})).await;
    assert_eq!(bad.expect_err("no token")["code"], "unauthenticated");
    let good = ann
        .ask(json!({"type": "refresh", "token": token_of("ann")}))
        .await;
    assert_eq!(good.expect("refreshed"), json!({}));
}

fn ends_in_s(person: &str, ttl_s: u64) -> String {
    token_with(&json!(person), &json!({"exp": now_s() + ttl_s}))
}

async fn a_token_that_ends_is_announced_and_may_be_refreshed(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = native(&site, &[JSON], &[]).await;
    let connect = json!({"type": "connect", "token": ends_in_s("ann", 20)});
    ann.ask(connect).await.expect("connected");
    ann.join(&room.id).await;
    site.clock.leap_ms(19_000);
    assert_eq!(ann.push("expired").await, json!({"type": "expired"}));
    let token = ends_in_s("ann", 60);
    let refreshed = ann.ask(json!({"type": "refresh", "token": token})).await;
    assert_eq!(refreshed.expect("refreshed"), json!({}));
    site.clock.leap_ms(30_000);
    let frames = ann.settled(&room.id).await;
    assert!(
        frames.iter().all(|frame| frame["type"] != "expired"),
        "{frames:?}"
    );
    site.clock.leap_ms(15_000);
    ann.push("expired").await;
}

async fn a_token_that_ends_and_is_not_refreshed_closes_the_socket(bus: Bus) {
    let site = Site::start(bus).await;
    let mut ann = native(&site, &[JSON], &[]).await;
    let connect = json!({"type": "connect", "token": ends_in_s("ann", 5)});
    ann.ask(connect).await.expect("connected");
    site.clock.leap_ms(5_000);
    ann.push("expired").await;
    // The look for this ping is not the last one before the grace ends.
    site.clock.leap_ms(20_500);
    ann.next_empty().await;
    site.clock.leap_ms(5_000);
    assert_eq!(ann.closed().await, (4001, "token expired".to_owned()));
}

async fn a_socket_that_takes_no_such_frame_closes_with_1003(bus: Bus) {
    use tokio_tungstenite::tungstenite::Message;
    let site = Site::start(bus).await;
    let mut ann = site.connect("ann").await;
    ann.send_message(Message::binary(vec![0x80])).await;
    assert_eq!(ann.closed().await.0, 1003);
}

async fn people_are_shown_as_their_tokens_describe_them(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["7", "bob"]).await;
    let card = json!({"role": "agent", "full_name": "Ann Smith", "email": "ann@example.com",
        "user_type": "talker", "profile_picture_url": "https://example.com/a.png"});
    let mut ann = native(&site, &[JSON], &[]).await;
    let token = token_with(&json!(7), &card);
    let hello = ann.ask(json!({"type": "connect", "token": token})).await;
    let hello = hello.expect("connected");
    assert_eq!(
        (&hello["person"], &hello["role"]),
        (&json!("7"), &json!("agent"))
    );
    ann.join(&room.id).await;
    ann.post(&room.id, "text").await;
    let author = &ann.events(&room.id, 1, 1).await[0]["author"];
    let expected = json!({"id": "7", "role": "agent", "name": "Ann Smith",
        "email": "ann@example.com", "user_type": "talker",
        "picture_url": "https://example.com/a.png"});
    assert_eq!(*author, expected);
    // A later token says nothing of this: what the company knows stands in.
    let mut again = site.join("7", &room).await;
    again.post(&room.id, "text").await;
    let author = &ann.events(&room.id, 2, 1).await[0]["author"];
    assert_eq!(
        (&author["name"], &author["email"]),
        (&expected["name"], &expected["email"])
    );
}
