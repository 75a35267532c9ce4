//! A visitor on the company's address, `/ws/chat/{company_id}/`: the chat that is opened for them
//! or found again, what they are shown of it, and who is let in.

use frontdesk::config::Config;
use serde_json::{Value, json};

use crate::support::chats::{desk_of, site_of};
use crate::support::socket::Socket;
use crate::support::staff::{get, provide, text};
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, COMPANY, OTHER_COMPANY, Site, in_both_buses};

in_both_buses!(
    a_socket_on_a_company_opens_a_chat_and_says_which,
    whoever_comes_back_with_the_proof_is_in_the_same_chat,
    whom_the_host_vouches_for_does_not_come_into_what_another_left,
    a_visitors_proof_counts_beside_the_cookie_of_a_login,
    a_visitor_is_served_by_an_agent_on_it_and_learns_no_number,
    only_visitors_are_let_in_and_each_to_their_own,
    chats_opened_from_one_address_are_limited_as_over_http,
    a_frame_that_names_another_chat_does_nothing,
);

fn path() -> String {
    format!("/ws/chat/{COMPANY}/")
}

/// A socket and its greeting.
async fn arrive(site: &Site, path: &str, headers: &[(&'static str, &str)]) -> (Socket, Value) {
    let mut socket = Socket::dial(site.address, path, &[], headers).await;
    let greeting = socket.next().await;
    assert_eq!(greeting["type"], "connection_established", "{greeting}");
    (socket, greeting)
}

async fn plain(bus: Bus) -> Site {
    let site = Site::start(bus).await;
    site.set(COMPANY, json!({"form": "off"})).await;
    site
}

async fn a_socket_on_a_company_opens_a_chat_and_says_which(bus: Bus) {
    let site = Site::start(bus).await;
    let (mut page, greeting) = arrive(&site, &path(), &[]).await;
    let session = text(&greeting["session_id"]);
    assert!(session.starts_with(&format!("{COMPANY}_")), "{session}");
    assert_eq!(greeting["company_id"], json!(COMPANY));
    // As these clients write it; who speaks is not theirs to say.
    let said = json!({"type": "chat_message", "message": "Hello", "session_id": session,
        "sender_type": "agent", "sender_info": {"name": "The boss"}});
    page.send(&said).await;
    let own = page.hears("Hello").await;
    assert_eq!(own["session_id"], json!(session));
    assert_eq!(own["sender_info"], json!({"name": null, "type": "user"}));
    let asked = page.next().await;
    assert_eq!(asked["sender_info"]["type"], "bot", "{asked}");
    assert!(asked["suggestions"].is_array(), "the form: {asked}");
    // The same chat over HTTP.
    let proof = text(&greeting["session_token"]);
    let history = format!("/api/chatbot/chat-history/?session_id={session}&session_token={proof}");
    let (status, history) = site.http("GET", &history, None, &Value::Null).await;
    assert_eq!(
        (status, history["messages"].as_array().map(Vec::len)),
        (200, Some(2))
    );
    page.send(&json!({"type": "ping", "timestamp": 7})).await;
    assert_eq!(page.next().await["timestamp"], 7);
}

async fn whoever_comes_back_with_the_proof_is_in_the_same_chat(bus: Bus) {
    let site = plain(bus).await;
    let (_first, greeting) = arrive(&site, &path(), &[]).await;
    let (session, proof) = (&greeting["session_id"], text(&greeting["session_token"]));
    let cookie = format!("frontdesk_visitor_{COMPANY}={proof}");
    let bearer = format!("Bearer {proof}");
    let own = format!("http://{}", site.address);
    let cookies = [("cookie", &cookie[..]), ("origin", &own[..])];
    let query = format!("{}?session_token={proof}", path());
    for (path, headers) in [
        (&query, &[][..]),
        (&path(), &[("authorization", bearer.as_str())]),
        (&path(), &cookies),
    ] {
        let (_again, greeting) = arrive(&site, path, headers).await;
        assert_eq!(&greeting["session_id"], session);
    }
    // Nothing, and a cookie on a page that may not use it, are somebody new.
    let foreign = [("cookie", &cookie[..]), ("origin", "https://evil.example")];
    for headers in [&[][..], &foreign] {
        let (_other, greeting) = arrive(&site, &path(), headers).await;
        assert_ne!(&greeting["session_id"], session);
    }
    let named = format!("{}?session_id={}", path(), text(session));
    assert_eq!(site.closes(&named, &[]).await, 4404);
    site.set(COMPANY, json!({"legacy_anonymous": true})).await;
    let (_legacy, greeting) = arrive(&site, &named, &[]).await;
    assert_eq!(&greeting["session_id"], session);
    assert_eq!(
        greeting.get("session_token"),
        None,
        "the id alone proves nothing"
    );
}

async fn whom_the_host_vouches_for_does_not_come_into_what_another_left(bus: Bus) {
    let site = plain(bus).await;
    let secret = json!({"visitor_secret": "a secret of sixteen bytes"});
    site.set(COMPANY, secret).await;
    let (_left, greeting) = arrive(&site, &path(), &[]).await;
    let proof = text(&greeting["session_token"]);
    let cookie = format!("frontdesk_visitor_{COMPANY}={proof}");
    let own = format!("http://{}", site.address);
    let cookies = [("cookie", &cookie[..]), ("origin", &own[..])];
    let signed = "user_id=ann%40tesla.example&user_hash=\
                  69ad1be70d154174a2ef3727f66018070318af876366311065f7afa9d69c5eeb";
    let vouched = format!("{}?{signed}", path());
    let (_ann, hers) = arrive(&site, &vouched, &cookies).await;
    assert_ne!(hers["session_id"], greeting["session_id"]);
    let (_again, same) = arrive(&site, &path(), &cookies).await;
    assert_eq!(
        same["session_id"], greeting["session_id"],
        "without her it is"
    );
}

async fn a_visitors_proof_counts_beside_the_cookie_of_a_login(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let path = format!("/ws/chat/{}/", tesla.id);
    let (_page, greeting) = arrive(&site, &path, &[]).await;
    let cookie = format!("frontdesk_agent={}", tesla.ann.1);
    let own = format!("http://{}", site.address);
    let cookies = [("cookie", &cookie[..]), ("origin", &own[..])];
    let (session, proof) = (
        text(&greeting["session_id"]),
        text(&greeting["session_token"]),
    );
    let proven = format!("{path}?session_id={session}&session_token={proof}");
    let (_visitor, same) = arrive(&site, &proven, &cookies).await;
    assert_eq!(same["session_id"], greeting["session_id"]);
    let (_desk, desk) = arrive(&site, &path, &cookies).await;
    assert_eq!(
        desk["agent_id"],
        json!(tesla.ann.0),
        "the cookie alone is theirs"
    );
}

async fn a_visitor_is_served_by_an_agent_on_it_and_learns_no_number(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let mut desk = desk_of(&site, &tesla.ann).await;
    let (mut page, greeting) = arrive(&site, &format!("/ws/chat/{}/", tesla.id), &[]).await;
    let session = text(&greeting["session_id"]);
    page.send(&json!({"type": "escalate_to_human", "reason": "likely fraud"}))
        .await;
    let mut told = vec![page.push("system_message").await];
    desk.push("session_update").await;
    desk.send(&json!({"type": "agent_join", "session_id": session}))
        .await;
    let joined = page.push("agent_joined").await;
    assert_eq!(joined["agent_info"], json!({"name": "Ann"}));
    desk.send(&json!({"type": "typing", "session_id": session, "is_typing": true}))
        .await;
    let typing = page.push("typing").await;
    assert_eq!(typing["sender_info"]["type"], "agent");
    desk.send(&json!({"type": "chat_message", "session_id": session, "message": "How?"}))
        .await;
    let said = page.hears("How?").await;
    assert_eq!(said["sender_info"], json!({"name": "Ann", "type": "agent"}));
    page.say("Like this").await;
    page.hears("Like this").await;
    desk.next_that(|frame| frame["message"] == "Like this")
        .await;
    let mut done = json!({"type": "session_update", "session_id": session, "action": "resolve"});
    done["notes"] = json!("fraud it was");
    desk.send(&done).await;
    told.extend([joined, typing, said, page.push("system_message").await]);
    for frame in &told {
        assert_eq!(frame["session_id"], json!(session), "{frame}");
        let shown = frame.to_string();
        assert!(!shown.contains("fraud"), "{shown}");
        assert!(frame["sender_info"].get("id").is_none(), "{shown}");
        assert!(frame["timestamp"].is_string(), "{shown}");
    }
}

async fn only_visitors_are_let_in_and_each_to_their_own(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let theirs = format!("/ws/chat/{}/", tesla.id);
    // Accounts of other companies, and who runs all, are no visitors.
    for token in [&tesla.ann.1, &tesla.admin, &root] {
        assert_eq!(
            site.closes(&format!("{}?token={token}", path()), &[]).await,
            4404
        );
    }
    // Whom the company's host vouches for, and nobody else's.
    let (mut page, greeting) =
        arrive(&site, &format!("{}?token={}", path(), token_of("ann")), &[]).await;
    page.say("hello").await;
    assert_eq!(page.hears("hello").await["sender_type"], "user");
    let mine = text(&greeting["session_id"]);
    let of_ann = format!("{}?session_id={mine}&token={}", path(), token_of("ann"));
    let (_again, found) = arrive(&site, &of_ann, &[]).await;
    assert_eq!(found["session_id"], json!(mine));
    let of_bob = format!("{}?session_id={mine}&token={}", path(), token_of("bob"));
    assert_eq!(site.closes(&of_bob, &[]).await, 4404);
    let elsewhere = token_with(&json!("ann"), &json!({"company_id": OTHER_COMPANY}));
    assert_eq!(
        site.closes(&format!("{}?token={elsewhere}", path()), &[])
            .await,
        4404
    );
    // What proves nothing, and what proves a chat of another company.
    assert_eq!(
        site.closes(&format!("{}?session_token=rubbish", path()), &[])
            .await,
        4001
    );
    let foreign = site.capability(OTHER_COMPANY, "visitor:1", "SPA001_abc", 60);
    assert_eq!(
        site.closes(&format!("{}?session_token={foreign}", path()), &[])
            .await,
        4404
    );
    // A company that is not there is none, and one that was closed is none any more.
    assert_eq!(site.closes("/ws/chat/NONE/", &[]).await, 4001);
    let (mut page, _) = arrive(&site, &theirs, &[]).await;
    let list = get(&site, "/api/auth/list-admins/", &root, 200).await;
    let of_tesla = list["results"].as_array().expect("a list").iter();
    let of_tesla = of_tesla.filter(|it| it["company_id"] == json!(tesla.id));
    let id = of_tesla.map(|it| it["id"].clone()).next().expect("listed");
    let close = format!("/api/auth/delete-admin/{id}/");
    let (status, _) = site.http("DELETE", &close, Some(&root), &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(page.closed().await.0, 4001);
    assert_eq!(site.closes(&theirs, &[]).await, 4001);
}

async fn chats_opened_from_one_address_are_limited_as_over_http(bus: Bus) {
    let change = |config: &mut Config| {
        provide(config);
        config.limits.chats_per_minute_address = 2;
    };
    let site = Site::with(bus, change).await;
    let (_page, greeting) = arrive(&site, &path(), &[]).await;
    let body = json!({"company_id": COMPANY, "message": "Hello"});
    let (status, _) = site.http("POST", "/api/chatbot/chat/", None, &body).await;
    assert_eq!(status, 200);
    assert_eq!(site.closes(&path(), &[]).await, 4029);
    let known = format!(
        "{}?session_token={}",
        path(),
        text(&greeting["session_token"])
    );
    arrive(&site, &known, &[]).await;
    site.clock.leap_ms(60_000);
    arrive(&site, &path(), &[]).await;
}

async fn a_frame_that_names_another_chat_does_nothing(bus: Bus) {
    let site = plain(bus).await;
    let (mut other, theirs) = arrive(&site, &path(), &[]).await;
    let (mut page, mine) = arrive(&site, &path(), &[]).await;
    let named = |kind: &str| {
        json!({"type": kind, "session_id": theirs["session_id"], "message": "mine",
            "is_typing": true, "reason": "mine"})
    };
    for kind in ["chat_message", "typing", "escalate_to_human"] {
        page.send(&named(kind)).await;
        let refused = page.next().await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!("unknown_room"))
        );
    }
    page.send(&json!({"type": "agent_join", "session_id": mine["session_id"]}))
        .await;
    assert_eq!(page.next().await["code"], "unknown_type");
    for socket in [&mut page, &mut other] {
        socket.say("still here").await;
        socket.hears("still here").await;
    }
}
