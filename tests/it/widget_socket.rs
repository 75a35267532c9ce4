//! The profile `widget` on its socket: what a visitor's page is told of its chat, and who is let
//! in.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::chats::Chat;
use crate::support::socket::Socket;
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, greeted, in_both_buses};

in_both_buses!(
    a_visitor_answers_the_form_and_then_talks_to_the_bot,
    who_wants_a_person_is_told_so_and_the_bot_says_no_more,
    a_page_may_ask_for_files_and_for_a_sign_of_life,
    errors_say_what_is_wrong_and_the_socket_goes_on,
    only_the_visitor_of_this_very_chat_is_let_in,
    whom_the_host_vouches_for_is_let_into_their_own_chats_as_a_visitor,
    a_cookie_counts_on_pages_that_the_company_knows,
    old_clients_are_let_in_by_the_name_alone_where_the_company_says_so,
    a_strict_company_hears_visitors_on_sockets_once_a_person_is_wanted,
    nothing_of_a_chat_reaches_another_visitor,
    everything_is_given_up_when_the_socket_closes,
);

const VISITOR: &str = "visitor:1";

async fn chat(site: &Site) -> Chat {
    site.chat_of(COMPANY, VISITOR, "TES001_abc").await
}

/// A chat of a company that asks its visitors nothing.
async fn plain_chat(site: &Site) -> Chat {
    site.set(COMPANY, json!({"form": "off"})).await;
    chat(site).await
}

async fn a_visitor_answers_the_form_and_then_talks_to_the_bot(bus: Bus) {
    let site = Site::start(bus).await;
    let chat = chat(&site).await;
    let path = format!("{}?session_token={}", chat.path(), chat.token);
    let mut page = Socket::dial(site.address, &path, &[], &[]).await;
    let greeting = json!({"type": "connection_established", "message": "Connected to chat",
        "session_id": "TES001_abc", "company_id": COMPANY});
    assert_eq!(page.next().await, greeting);
    let steps = [
        ("Hello", "name", false),
        ("Ada Lovelace", "country_code", true),
        ("+977", "phone", false),
        ("12", "phone", false),
        ("9841234567", "email", true),
        ("Skip", "address", false),
        ("1 Road, Kathmandu", "complete", false),
    ];
    for (index, (text, step, _)) in steps.into_iter().enumerate() {
        // What a frame says of its sender is not read.
        let frame = json!({"type": "chat_message", "message": text, "sender_type": "agent",
            "sender_name": "The boss", "session_id": "another"});
        page.send(&frame).await;
        let mut own = page.hears(text).await;
        assert!(
            own["timestamp"]
                .take()
                .as_str()
                .is_some_and(|at| at.ends_with('Z'))
        );
        let seq = 2 * index as u64 + 1;
        let expected = json!({"type": "chat_message", "message": text, "sender_type": "user",
            "session_id": "TES001_abc", "message_id": chat.number(seq), "timestamp": null});
        assert_eq!(own, expected);
        let asked = page.next().await;
        assert_eq!(asked["sender_type"], "bot", "after {text}: {asked}");
        assert_eq!(asked["message_id"], chat.number(seq + 1));
        assert!(asked["suggestions"].is_array(), "{step}: {asked}");
        let offers = asked["suggestions"].as_array().map_or(0, Vec::len);
        assert_eq!(
            step == "email",
            asked["suggestions"] == json!(["Skip"]),
            "{asked}"
        );
        assert!(step != "country_code" || offers > 1, "{asked}");
    }
    page.say("Do you ship?").await;
    page.hears("Do you ship?").await;
    let answer = page.next().await;
    assert_eq!(answer["sender_type"], "bot");
    assert_eq!(answer["sender_name"], "CRM Assistant");
    assert_eq!(answer.get("suggestions"), None);
}

async fn who_wants_a_person_is_told_so_and_the_bot_says_no_more(bus: Bus) {
    let site = Site::start(bus).await;
    let chat = plain_chat(&site).await;
    let mut page = site.visit(&chat).await;
    page.say("help").await;
    page.hears("help").await;
    assert_eq!(page.next().await["sender_type"], "bot");
    let escalate = json!({"type": "escalate_to_human", "reason": "a bill"});
    page.send(&escalate).await;
    let told = page.told(&["system_message", "escalation_confirmed"]).await;
    assert!(told[0]["message"].is_string());
    assert_eq!(told[1]["session_id"], "TES001_abc");
    assert_eq!(told[1]["handoff_id"], chat.number(3));
    assert!(
        told.iter()
            .all(|frame| !frame.to_string().contains("a bill"))
    );
    page.send(&escalate).await;
    let again = page.next().await;
    assert_eq!(
        again,
        json!({"type": "error", "message": "Session is already escalated", "code": "wrong_stage"})
    );
    for text in ["hello", "anybody?"] {
        page.say(text).await;
        page.hears(text).await;
    }
}

async fn a_page_may_ask_for_files_and_for_a_sign_of_life(bus: Bus) {
    let site = Site::start(bus).await;
    let mut page = site.visit(&chat(&site).await).await;
    let ask = json!({"type": "request_file_list", "session_id": "x", "company_id": "y"});
    page.send(&ask).await;
    let list = json!({"type": "file_list", "files": [], "session_id": "TES001_abc",
        "company_id": COMPANY});
    assert_eq!(page.next().await, list);
    page.send(&json!({"type": "ping", "timestamp": 12})).await;
    assert_eq!(
        page.next().await,
        json!({"type": "pong", "message": "pong", "timestamp": 12})
    );
    page.send(&json!({"type": "ping"})).await;
    assert!(page.next().await["timestamp"].is_string());
}

async fn errors_say_what_is_wrong_and_the_socket_goes_on(bus: Bus) {
    let site = Site::start(bus).await;
    let mut page = site.visit(&plain_chat(&site).await).await;
    for (frame, code) in [
        ("{", "bad_frame"),
        ("[]", "bad_frame"),
        (r#"{"type":"chat_message"}"#, "bad_field"),
        (r#"{"type":"chat_message","message":" "}"#, "text_empty"),
        (r#"{"type":"config_update","config":{}}"#, "unknown_type"),
        (r#"{"type":"dance"}"#, "unknown_type"),
    ] {
        page.send_message(Message::text(frame)).await;
        let refused = page.next().await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code)),
            "{frame}"
        );
        assert!(refused["message"].is_string(), "{refused}");
    }
    for echo in ["system_message", "agent_joined", "file_shared", "pong"] {
        page.send(&json!({"type": echo, "message": "x"})).await;
    }
    page.say("still here").await;
    page.hears("still here").await;
}

async fn only_the_visitor_of_this_very_chat_is_let_in(bus: Bus) {
    let site = Site::start(bus).await;
    let mine = chat(&site).await;
    let theirs = site.chat_of(COMPANY, "visitor:2", "TES001_xyz").await;
    let foreign = site.chat_of(OTHER_COMPANY, VISITOR, "TES001_abc").await;
    let path = mine.path();
    let with = |token: &str| format!("{path}?session_token={token}");
    assert_eq!(site.closes(&path, &[]).await, 4001);
    assert_eq!(site.closes(&with("rubbish"), &[]).await, 4001);
    let other_person = site.capability(COMPANY, "visitor:2", &mine.id, 60);
    for token in [&theirs.token, &foreign.token, &other_person] {
        assert_eq!(site.closes(&with(token), &[]).await, 4404);
    }
    for id in ["TES001_none", "no%20name"] {
        let token = site.capability(COMPANY, VISITOR, id, 60);
        let path = format!("/ws/chat/{COMPANY}/{id}?session_token={token}");
        assert_eq!(site.closes(&path, &[]).await, 4404, "{id}");
    }
    let elsewhere = format!("/ws/chat/NONE/{}/?session_token={}", mine.id, mine.token);
    assert_eq!(site.closes(&elsewhere, &[]).await, 4404);
    // Wherever it is written, and without the slash.
    let bearer = format!("Bearer {}", mine.token);
    let header = [("authorization", bearer.as_str())];
    let by_header = Socket::dial(site.address, &path, &[], &header).await;
    greeted(by_header).await;
    let plain = path.trim_end_matches('/');
    site.desk(&format!("{plain}?token={}", mine.token)).await;
    let short = site.capability(COMPANY, VISITOR, &mine.id, 1);
    site.clock.leap_ms(120_000);
    assert_eq!(site.closes(&with(&short), &[]).await, 4001);
}

async fn whom_the_host_vouches_for_is_let_into_their_own_chats_as_a_visitor(bus: Bus) {
    let site = Site::start(bus).await;
    site.set(COMPANY, json!({"form": "off"})).await;
    let chat = site.chat_of(COMPANY, "ann", "TES001_ann").await;
    let role = token_with(&json!("ann"), &json!({"role": "AGENT"}));
    let mut page = site.desk(&format!("{}?token={role}", chat.path())).await;
    page.say("hello").await;
    assert_eq!(page.hears("hello").await["sender_type"], "user");
    let path = format!("{}?token={}", chat.path(), token_of("bob"));
    assert_eq!(site.closes(&path, &[]).await, 4404);
}

async fn a_cookie_counts_on_pages_that_the_company_knows(bus: Bus) {
    let site = Site::start(bus).await;
    let chat = chat(&site).await;
    let path = chat.path();
    let cookie = format!("x=1; frontdesk_visitor_{COMPANY}={}", chat.token);
    let cookie = ("cookie", cookie.as_str());
    let host = format!("http://{}", site.address);
    for headers in [&[cookie][..], &[cookie, ("origin", host.as_str())][..]] {
        let socket = Socket::dial(site.address, &path, &[], headers).await;
        greeted(socket).await;
    }
    let foreign = [cookie, ("origin", "https://shop.example")];
    assert_eq!(site.closes(&path, &foreign).await, 4001);
    let other = format!("frontdesk_visitor_{OTHER_COMPANY}={}", chat.token);
    assert_eq!(site.closes(&path, &[("cookie", &other)]).await, 4001);
    let origins = json!({"origins": ["https://shop.example"]});
    site.set(COMPANY, origins).await;
    greeted(Socket::dial(site.address, &path, &[], &foreign).await).await;
}

async fn old_clients_are_let_in_by_the_name_alone_where_the_company_says_so(bus: Bus) {
    let site = Site::start(bus).await;
    let chat = plain_chat(&site).await;
    assert_eq!(site.closes(&chat.path(), &[]).await, 4001);
    site.set(COMPANY, json!({"legacy_anonymous": true})).await;
    let mut page = site.desk(&chat.path()).await;
    page.say("hello").await;
    assert_eq!(page.hears("hello").await["sender_type"], "user");
    let unknown = format!("/ws/chat/{COMPANY}/TES001_none/");
    assert_eq!(site.closes(&unknown, &[]).await, 4404);
}

async fn a_strict_company_hears_visitors_on_sockets_once_a_person_is_wanted(bus: Bus) {
    let site = Site::start(bus).await;
    let chat = plain_chat(&site).await;
    site.set(COMPANY, json!({"is_socket_strict": true})).await;
    let mut page = site.visit(&chat).await;
    page.say("too early").await;
    assert_eq!(
        page.next().await,
        json!({"type": "error", "message": "Session not escalated. Use DRF API",
            "code": "wrong_stage"})
    );
    page.send(&json!({"type": "escalate_to_human"})).await;
    page.told(&["system_message", "escalation_confirmed"]).await;
    page.say("now").await;
    assert_eq!(page.hears("now").await["message_id"], chat.number(2));
}

async fn nothing_of_a_chat_reaches_another_visitor(bus: Bus) {
    let site = Site::start(bus).await;
    let mine = plain_chat(&site).await;
    let theirs = site.chat_of(COMPANY, "visitor:2", "TES001_xyz").await;
    site.set(OTHER_COMPANY, json!({"form": "off"})).await;
    let foreign = site.chat_of(OTHER_COMPANY, VISITOR, "TES001_abc").await;
    let mut page = site.visit(&mine).await;
    let mut second = site.visit(&mine).await;
    let mut others = [site.visit(&theirs).await, site.visit(&foreign).await];
    page.send(&json!({"type": "typing_indicator", "is_typing": true}))
        .await;
    page.send(&json!({"type": "escalate_to_human"})).await;
    page.told(&["system_message", "escalation_confirmed"]).await;
    page.say("mine").await;
    page.hears("mine").await;
    // The same visitor elsewhere is not told that they write.
    second
        .told(&["system_message", "escalation_confirmed"])
        .await;
    second.hears("mine").await;
    for other in &mut others {
        other.say("hello").await;
        let first: Value = other.hears("hello").await;
        assert_eq!(first["sender_type"], "user");
    }
}

async fn everything_is_given_up_when_the_socket_closes(bus: Bus) {
    let site = Site::start(bus).await;
    let mut page = site.visit(&plain_chat(&site).await).await;
    page.say("hello").await;
    page.hears("hello").await;
    page.close().await;
    site.until_left().await;
}
