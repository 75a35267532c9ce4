//! What proves that a chat is somebody's, what proves nothing, and what a visitor is not shown.

use frontdesk::config::Config;
use frontdesk_protocol::CompanyId;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::chats::Chat;
use crate::support::socket::Socket;
use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, installation, post, provide, text, token,
};
use crate::support::{Bus, COMPANY, Site, greeted, in_both_buses, soon};

in_both_buses!(
    a_bare_id_is_enough_where_the_company_says_so_and_gets_no_proof,
    a_visitors_second_chat_does_not_lock_the_first,
    chats_opened_from_one_address_are_limited,
    what_staff_wrote_and_where_they_log_in_is_not_shown_to_visitors,
    a_signed_id_proves_a_visit_on_every_route_and_socket,
    a_token_that_counts_no_more_is_as_none_unless_it_is_for_another_chat,
    a_first_message_that_is_repeated_with_its_key_opens_one_chat,
    a_chats_name_says_its_company_up_to_its_last_line,
);

const CHAT: &str = "/api/chatbot/chat/";

async fn shop(site: &Site) -> (String, String, u64, String) {
    let root = token(site, ROOT, ROOT_PASSWORD).await;
    let (id, admin) = company(site, &root, "Tesla").await;
    let (no, ann) = agent(site, &admin, "ann@tesla.example").await;
    (id, admin, no, ann)
}

async fn say(site: &Site, body: Value, status: u16) -> Value {
    post(site, CHAT, None, body, status).await
}

async fn a_bare_id_is_enough_where_the_company_says_so_and_gets_no_proof(bus: Bus) {
    let site = installation(bus).await;
    let (id, admin, ..) = shop(&site).await;
    let opened = say(&site, json!({"company_id": id, "message": "Hello"}), 200).await;
    let bare = json!({"session_id": opened["session_id"], "message": "Me again"});
    say(&site, bare.clone(), 404).await;
    let path = format!("/v1/companies/{id}/settings/");
    let change = |is_on: bool| json!({"legacy_anonymous": is_on});
    let (status, _) = site.http("PATCH", &path, Some(&admin), &change(true)).await;
    assert_eq!(status, 200);
    let answer = say(&site, bare.clone(), 200).await;
    assert_eq!(answer.get("session_token"), None, "{answer}");
    let (status, _) = site
        .http("PATCH", &path, Some(&admin), &change(false))
        .await;
    assert_eq!(status, 200);
    say(&site, bare, 404).await;
}

async fn a_visitors_second_chat_does_not_lock_the_first(bus: Bus) {
    let site = installation(bus).await;
    let (id, ..) = shop(&site).await;
    let first = say(&site, json!({"company_id": id, "message": "Hello"}), 200).await;
    let again = json!({"company_id": id, "session_token": first["session_token"], "message": "Hi"});
    let second = say(&site, again, 200).await;
    assert_ne!(first["session_id"], second["session_id"]);
    assert_eq!(first["persistent_user_id"], second["persistent_user_id"]);
    // A browser keeps the later proof only.
    let body = json!({"session_id": first["session_id"],
        "session_token": second["session_token"], "message": "Still here"});
    say(&site, body, 200).await;
}

async fn chats_opened_from_one_address_are_limited(bus: Bus) {
    let change = |config: &mut Config| {
        provide(config);
        config.limits.chats_per_minute_address = 2;
    };
    let site = Site::with(bus, change).await;
    let (id, ..) = shop(&site).await;
    let hello = json!({"company_id": id, "message": "Hello"});
    let opened = say(&site, hello.clone(), 200).await;
    say(&site, hello.clone(), 200).await;
    say(&site, hello.clone(), 429).await;
    let more = json!({"session_id": opened["session_id"],
        "session_token": opened["session_token"], "message": "More"});
    say(&site, more, 200).await;
    site.clock.leap_ms(60_000);
    say(&site, hello, 200).await;
}

async fn what_staff_wrote_and_where_they_log_in_is_not_shown_to_visitors(bus: Bus) {
    let site = installation(bus).await;
    let (id, admin, no, ann) = shop(&site).await;
    let chat = post(&site, "/v1/chats", None, json!({"company_id": id}), 200).await;
    let (name, proof) = (text(&chat["session_id"]), text(&chat["session_token"]));
    let wish = json!({"session_id": name, "reason": "likely fraud"});
    let path = "/api/human-handoff/escalate/";
    post(&site, path, Some(&ann), wish, 201).await;
    let assign = format!("/v1/chats/{name}/assign");
    post(&site, &assign, Some(&admin), json!({"agent": no}), 200).await;
    let mut visitor = site.connect_with(&proof).await;
    let room = text(&chat["room"]);
    visitor.join(&room).await;
    let said = json!({"session_id": name, "message": "How can I help?"});
    let send = "/api/human-handoff/agent/send-message/";
    post(&site, send, Some(&ann), said, 200).await;
    let heard = visitor.event(&room).await;
    assert_eq!(heard["author"]["name"], json!("Ann"));
    let show = format!("/v1/chats/{name}?session_token={proof}");
    let (_, shown) = site.http("GET", &show, None, &Value::Null).await;
    let wish = json!({"session_id": name, "session_token": proof});
    let second = post(&site, path, None, wish, 400).await;
    for told in [heard, shown, second] {
        let told = told.to_string();
        assert!(
            !told.contains("fraud") && !told.contains("ann@tesla"),
            "{told}"
        );
    }
}

const SECRET: &str = "a secret of sixteen bytes";
/// `printf ann@tesla.example | openssl dgst -sha256 -hmac 'a secret of sixteen bytes'`
const ANN: (&str, &str) = (
    "ann@tesla.example",
    "69ad1be70d154174a2ef3727f66018070318af876366311065f7afa9d69c5eeb",
);
const STATUS: &str = "/api/chatbot/session-status/";

/// A request without a token, and the status of its answer.
async fn sent(request: RequestBuilder) -> (u16, Value) {
    let answer = soon("an answer", request.send()).await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("an object"))
}

async fn a_signed_id_proves_a_visit_on_every_route_and_socket(bus: Bus) {
    let site = installation(bus).await;
    let (id, _, _, agent) = shop(&site).await;
    site.set(&id, json!({"visitor_secret": SECRET})).await;
    let (user_id, hash) = ANN;
    let signed = json!({"company_id": id, "user_id": user_id, "user_hash": hash});
    let with = |more: Value| {
        let mut body = signed.clone();
        body.as_object_mut()
            .expect("fields")
            .extend(more.as_object().expect("fields").clone());
        body
    };
    let opened = say(&site, with(json!({"message": "Hello"})), 200).await;
    assert_eq!(opened["persistent_user_id"], json!(user_id));
    let session = text(&opened["session_id"]);
    let query = format!("user_id={}&user_hash={hash}", user_id.replace('@', "%40"));
    let forged = query.replace(hash, &hash.replace('1', "2"));
    let socket = format!("/ws/chat/{id}/{session}/");
    let v1 = format!("/v1/chats/{session}");
    for path in [STATUS, "/api/chatbot/chat-history/", &v1] {
        let read = |query: &str| format!("{path}?session_id={session}&{query}");
        for (query, status) in [(&query, 200), (&forged, 401), (&String::new(), 404)] {
            let (found, body) = site.http("GET", &read(query), None, &Value::Null).await;
            assert_eq!(found, status, "{path} {query}: {body}");
        }
    }
    greeted(Socket::dial(site.address, &format!("{socket}?{query}"), &[], &[]).await).await;
    assert_eq!(site.closes(&format!("{socket}?{forged}"), &[]).await, 4001);
    let unreadable = format!("{socket}?user_id=5&user_id=6");
    assert_eq!(site.closes(&unreadable, &[]).await, 4001);
    let profile = json!({"session_id": session, "name": "Ann Lee", "phone": "9841234567",
        "country_code": "+977"});
    let path = "/api/chatbot/create-profile/";
    post(&site, path, None, profile.clone(), 404).await;
    post(&site, path, None, with(profile), 201).await;
    let wish = json!({"session_id": session, "reason": "a bill"});
    let path = "/api/human-handoff/escalate/";
    post(&site, path, None, wish.clone(), 404).await;
    let mut wrong = with(wish.clone());
    wrong["user_hash"] = json!("00");
    post(&site, path, None, wrong, 401).await;
    post(&site, path, None, with(wish), 201).await;
    // Nobody's else: a chat that is not the signed person's.
    let other = say(&site, json!({"company_id": id, "message": "Hello"}), 200).await;
    let other = text(&other["session_id"]);
    let read = format!("{STATUS}?session_id={other}&{query}");
    assert_eq!(site.http("GET", &read, None, &Value::Null).await.0, 404);
    let socket = format!("/ws/chat/{id}/{other}/?{query}");
    assert_eq!(site.closes(&socket, &[]).await, 4404);
    // Who has an account is no visitor.
    let (status, _) = site
        .http("GET", &format!("{v1}?{query}"), Some(&agent), &Value::Null)
        .await;
    assert_eq!(status, 403);
}

async fn a_token_that_counts_no_more_is_as_none_unless_it_is_for_another_chat(bus: Bus) {
    let site = Site::start(bus).await;
    let mine = site.chat_of(COMPANY, "visitor:1", "TES001_abc").await;
    let theirs = site.chat_of(COMPANY, "visitor:2", "TES001_xyz").await;
    let old = |chat: &Chat, who: &str| site.capability(COMPANY, who, &chat.id, 1);
    let (of_mine, of_theirs) = (old(&mine, "visitor:1"), old(&theirs, "visitor:1"));
    site.clock.leap_ms(120_000);
    let mine = Chat {
        token: site.capability(COMPANY, "visitor:1", &mine.id, 3_600),
        ..mine
    };
    let foreign = site.capability(COMPANY, "visitor:2", &theirs.id, 3_600);
    let cookie = format!("frontdesk_visitor_{COMPANY}={}", mine.token);
    let cases = [
        ("rubbish", 200, 401),
        (&of_mine, 200, 401),
        (&of_theirs, 401, 401),
        (&foreign, 404, 404),
    ];
    for is_believed in [false, true] {
        site.set(COMPANY, json!({"legacy_anonymous": is_believed}))
            .await;
        for (token, with_cookie, bare) in cases {
            let bare = if is_believed { with_cookie } else { bare };
            let path = format!("{STATUS}?session_id={}&session_token={token}", mine.id);
            let request = site.request("GET", &path).header("cookie", &cookie);
            assert_eq!(sent(request).await.0, with_cookie, "{is_believed}: {token}");
            let found = sent(site.request("GET", &path)).await;
            assert_eq!(found.0, bare, "{is_believed}: {token}: {}", found.1);
            let socket = format!("{}?session_token={token}", mine.path());
            let code = match with_cookie {
                404 => 4404,
                _ => 4001,
            };
            if bare == 200 {
                site.desk(&socket).await;
            } else {
                assert_eq!(
                    site.closes(&socket, &[]).await,
                    code,
                    "{is_believed}: {token}"
                );
            }
            let kept = [("cookie", cookie.as_str())];
            if with_cookie == 401 {
                assert_eq!(site.closes(&socket, &kept).await, 4001, "{token}");
            } else if with_cookie == 200 {
                greeted(Socket::dial(site.address, &socket, &[], &kept).await).await;
            }
        }
    }
}

async fn a_first_message_that_is_repeated_with_its_key_opens_one_chat(bus: Bus) {
    let site = installation(bus).await;
    let (id, ..) = shop(&site).await;
    let keyed = |key: &str, message: &str| {
        let body = json!({"company_id": id, "message": message});
        let request = site.request("POST", CHAT).header("idempotency-key", key);
        request.json(&body)
    };
    let key = "4f9d8c1e-3a52-4b6f-9d55-0c4d9c2f8a11";
    let (status, first) = sent(keyed(key, "Hello")).await;
    assert_eq!(status, 200, "{first}");
    let (status, mut again) = sent(keyed(key, "Hello")).await;
    assert_eq!(status, 200, "{again}");
    // Both prove the chat; only the time of signing may differ.
    let proof = again["session_token"].take();
    let mut expected = first.clone();
    expected["session_token"] = Value::Null;
    assert_eq!(again, expected);
    for token in [&first["session_token"], &proof] {
        let path = format!(
            "/api/chatbot/chat-history/?session_id={}&session_token={}",
            text(&first["session_id"]),
            text(token)
        );
        let (status, history) = sent(site.request("GET", &path)).await;
        assert_eq!(status, 200);
        let said = history["messages"].as_array().expect("messages");
        assert_eq!(said.len(), 2, "said once and answered once: {history}");
    }
    // Another text is another request; another key another visitor.
    assert_eq!(sent(keyed(key, "Good evening")).await.0, 409);
    let (_, other) = sent(keyed("4f9d8c1e-3a52-4b6f-9d55-0c4d9c2f8a12", "Hello")).await;
    assert_ne!(other["session_id"], first["session_id"]);
    assert_ne!(other["persistent_user_id"], first["persistent_user_id"]);
    // A key that anybody may come upon proves nothing; of somebody known it need not.
    assert_eq!(sent(keyed("1", "Hello")).await.0, 400);
    let cookie = format!("frontdesk_visitor_{id}={}", text(&first["session_token"]));
    let (status, known) = sent(keyed("1", "Hello").header("cookie", &cookie)).await;
    assert_eq!(
        (status, &known["persistent_user_id"]),
        (200, &first["persistent_user_id"])
    );
    assert_ne!(known["session_id"], first["session_id"]);
    let (_, repeated) = sent(keyed("1", "Hello").header("cookie", &cookie)).await;
    assert_eq!(repeated["session_id"], known["session_id"]);
    let native = json!({"company_id": id});
    let key = "4f9d8c1e-3a52-4b6f-9d55-0c4d9c2f8a13";
    let open = || {
        site.request("POST", "/v1/chats")
            .header("idempotency-key", key)
    };
    let (_, opened) = sent(open().json(&native)).await;
    let (_, found) = sent(open().json(&native)).await;
    assert_eq!(found["session_id"], opened["session_id"]);
    site.clock.leap_ms(25 * 60 * 60 * 1_000);
    assert_eq!(sent(open().json(&native)).await.0, 409);
}

async fn a_chats_name_says_its_company_up_to_its_last_line(bus: Bus) {
    let change = |config: &mut Config| {
        let company = |text: &str| CompanyId::new(text).expect("valid");
        config.provision.companies.extend(["A", "A_B"].map(company));
    };
    let site = Site::with(bus, change).await;
    let mut opened = Vec::new();
    for id in ["A", "A_B"] {
        let chat = say(&site, json!({"company_id": id, "message": "Hello"}), 200).await;
        let session = text(&chat["session_id"]);
        let random = session
            .strip_prefix(&format!("{id}_"))
            .expect("the company first");
        assert!(!random.contains('_'), "{session}");
        let more = json!({"session_id": session, "session_token": chat["session_token"],
            "message": "Hi"});
        let more = say(&site, more, 200).await;
        assert_eq!(
            (&more["company_id"], &more["session_id"]),
            (&json!(id), &chat["session_id"])
        );
        opened.push(chat);
    }
    // Whoever names no company, and no chat that does, is told so and lands nowhere.
    let (session, proof) = (&opened[0]["session_id"], &opened[0]["session_token"]);
    let bare = text(session).replace('_', "");
    for (session, status) in [(json!(bare), 400), (json!("_x"), 400), (json!("C_x"), 404)] {
        let body = json!({"session_id": session, "session_token": proof, "message": "Hi"});
        say(&site, body, status).await;
        let path = format!("{STATUS}?session_id={}", text(&session));
        assert_eq!(sent(site.request("GET", &path)).await.0, status);
    }
    let theirs = text(session).replacen("A_", "A_B_", 1);
    let body = json!({"session_id": theirs, "session_token": proof, "message": "Hi"});
    say(&site, body, 403).await;
}
