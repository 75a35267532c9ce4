//! The profile `inbox` over HTTP alone: the routes of its document in the order its page uses them,
//! and what its clients rely on.

use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::{Value, json};

use crate::support::forms::photo;
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, Site, in_both_buses, soon};

in_both_buses!(
    the_documented_routes_pass_in_the_order_of_the_page,
    whoever_polls_is_spared_what_has_not_changed,
    pages_of_messages_have_links_and_an_end,
    conversations_come_as_an_array_or_in_pages,
    a_message_is_taken_back_by_its_sender_only,
    errors_have_detail_and_error_and_a_code,
    both_forms_of_a_path_and_of_an_id_are_one,
    a_repeated_request_with_a_key_is_done_once,
    another_company_has_its_own_conversation_of_the_same_number,
    a_person_is_online_while_a_socket_is_open,
    people_are_known_by_token_by_name_and_by_what_a_host_tells,
);

fn candidate() -> String {
    let claims = json!({"email": "carl@example.com", "user_type": "candidate",
        "full_name": "Carl Candidate", "profile_picture_url": "https://example.com/carl.png"});
    token_with(&json!(5), &claims)
}

fn organization() -> String {
    let claims = json!({"email": "olga@example.com", "user_type": "organization",
        "full_name": "Olga Organization"});
    token_with(&json!(6), &claims)
}

impl Site {
    async fn get(&self, token: &str, path: &str) -> Value {
        let (status, body) = self.http("GET", path, Some(token), &Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn refused(&self, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, body) = self.http(method, path, Some(token), &body).await;
        assert!(status >= 400, "{path}: {body}");
        let detail = body["detail"].as_str().expect("a detail");
        assert_eq!(body["error"], detail);
        assert!(
            body["code"].is_string() && body["request_id"].is_string(),
            "{body}"
        );
        (status, body)
    }

    async fn say(&self, token: &str, conversation: u64, text: &str) -> Value {
        let path = format!("/api/chat/conversations/{conversation}/messages/");
        let (status, body) = self
            .http("POST", &path, Some(token), &json!({"content": text}))
            .await;
        assert_eq!(status, 201, "{body}");
        body
    }

    async fn unread(&self, token: &str) -> u64 {
        let body = self.get(token, "/api/chat/unread-count/").await;
        body["unread_count"].as_u64().expect("a count")
    }

    /// The number of the one conversation of these two.
    async fn pair(&self, token: &str, other: &str) -> u64 {
        let path = format!("/api/chat/conversations/{other}/");
        let (status, body) = self.http("POST", &path, Some(token), &Value::Null).await;
        assert!(status == 201 || status == 200, "{body}");
        body["id"].as_u64().expect("a number")
    }
}

async fn the_documented_routes_pass_in_the_order_of_the_page(bus: Bus) {
    let site = Site::start(bus).await;
    let (carl, olga) = (candidate(), organization());
    assert_eq!(site.get(&carl, "/api/chat/conversations/").await, json!([]));
    let path = "/api/chat/conversations/6/";
    let (status, opened) = site.http("POST", path, Some(&carl), &Value::Null).await;
    assert_eq!((status, &opened["id"]), (201, &json!(1)));
    let (status, again) = site.http("POST", path, Some(&carl), &Value::Null).await;
    assert_eq!((status, &again["id"]), (200, &json!(1)));
    let sent = site.say(&carl, 1, "Hello").await;
    let person = json!({"id": 5, "email": "carl@example.com", "user_type": "candidate",
        "name": "Carl Candidate", "full_name": "Carl Candidate",
        "profile_picture_url": "https://example.com/carl.png"});
    for (key, value) in [
        ("id", json!((1 << 20) + 1)),
        ("conversation", json!(1)),
        ("sender", person.clone()),
        ("content", json!("Hello")),
        ("message_type", json!("text")),
        ("attachment_url", json!(null)),
        ("is_read", json!(false)),
        ("is_deleted", json!(false)),
    ] {
        assert_eq!(sent[key], value, "{key}");
    }
    assert!(sent["created_at"].as_str().expect("a time").ends_with('Z'));
    assert_eq!(site.unread(&olga).await, 1);
    assert_eq!(site.unread(&carl).await, 0, "one's own words are read");
    let list = site.get(&olga, "/api/chat/conversations/").await;
    let listed = &list[0];
    assert_eq!(listed["unread_count"], 1);
    assert_eq!(listed["other_participant"], person);
    assert_eq!(listed["participant1"]["id"], 5);
    assert_eq!(listed["participant2"]["id"], 6);
    let last = &listed["last_message"];
    assert_eq!(
        (&last["content"], &last["sender_id"]),
        (&json!("Hello"), &json!(5))
    );
    assert_eq!(
        (&last["is_read"], &last["message_type"]),
        (&json!(false), &json!("text"))
    );
    let page = site.get(&olga, "/api/chat/conversations/1/messages/").await;
    assert_eq!(
        (&page["count"], &page["next"], &page["previous"]),
        (&json!(1), &json!(null), &json!(null))
    );
    assert_eq!(page["results"][0]["id"], sent["id"]);
    let path = "/api/chat/conversations/1/mark-read/";
    let (status, marked) = site.http("POST", path, Some(&olga), &Value::Null).await;
    assert_eq!(status, 200);
    assert!(marked["detail"].is_string());
    assert_eq!(site.unread(&olga).await, 0);
    let page = site.get(&carl, "/api/chat/conversations/1/messages/").await;
    assert_eq!(page["results"][0]["is_read"], true);
    let reply_path = "/api/chat/conversations/1/messages/";
    let reply = json!({"content": "Hi", "reply_to": sent["id"]});
    let (status, reply) = site.http("POST", reply_path, Some(&olga), &reply).await;
    assert_eq!((status, &reply["reply_to"]), (201, &sent["id"]));
    assert_eq!(reply["reply_to_message"]["content"], "Hello");
    let path = "/api/chat/conversations/1/send-file/";
    let form = photo().behind(&[("caption", "My desk")]);
    let (status, shown) = site.form(path, Some(&carl), form).await;
    assert_eq!((status, &shown["message_type"]), (201, &json!("image")));
    assert_eq!(shown["content"], "My desk");
    // What is no form is refused, however large it is.
    let large = json!({"file": "x".repeat(2 << 20)});
    assert_eq!(site.refused(&carl, "POST", path, large).await.0, 400);
    assert_eq!(site.refused(&carl, "POST", path, Value::Null).await.0, 400);
}

async fn whoever_polls_is_spared_what_has_not_changed(bus: Bus) {
    let site = Site::start(bus).await;
    let (carl, olga) = (candidate(), organization());
    let number = site.pair(&carl, "6").await;
    site.say(&carl, number, "one").await;
    // Whoever asks for the first time becomes known by their token, which lists show too.
    let known = async { while site.get(&olga, "/v1/users/6").await["name"].is_null() {} };
    soon("being known", known).await;
    let paths = [
        "/api/chat/conversations/".to_owned(),
        format!("/api/chat/conversations/{number}/messages/"),
        "/api/chat/unread-count/".to_owned(),
    ];
    for path in paths {
        let ask = |tag: Option<&str>| {
            let request = site.request("GET", &path).bearer_auth(&olga);
            match tag {
                Some(tag) => request.header(IF_NONE_MATCH, tag),
                None => request,
            }
        };
        let first = ask(None).send().await.expect("an answer");
        let tag = first.headers()[ETAG].to_str().expect("a tag").to_owned();
        let again = ask(Some(&tag)).send().await.expect("an answer");
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(again.headers()[ETAG], *tag);
        assert_eq!(again.bytes().await.expect("a body").len(), 0);
        site.say(&carl, number, "another").await;
        let changed = ask(Some(&tag)).send().await.expect("an answer");
        assert_eq!(changed.status(), 200, "{path}");
    }
}

async fn pages_of_messages_have_links_and_an_end(bus: Bus) {
    let site = Site::start(bus).await;
    let carl = candidate();
    let number = site.pair(&carl, "6").await;
    for text in 1..=7 {
        site.say(&carl, number, &text.to_string()).await;
    }
    let base = format!("/api/chat/conversations/{number}/messages/");
    let mut shown = Vec::new();
    let mut next = Some(format!("{base}?page_size=3"));
    while let Some(path) = next {
        let page = site.get(&carl, &path).await;
        assert_eq!(page["count"], 7);
        let results = page["results"].as_array().expect("results");
        shown.extend(
            results
                .iter()
                .map(|result| result["content"].as_str().expect("text").to_owned()),
        );
        next = page["next"].as_str().map(|url| {
            let here = format!("http://{}", site.address);
            url.strip_prefix(&here).expect("a link to here").to_owned()
        });
    }
    assert_eq!(shown, ["7", "6", "5", "4", "3", "2", "1"]);
    let beyond = format!("{base}?page=4&page_size=3");
    assert_eq!(
        site.refused(&carl, "GET", &beyond, Value::Null).await.0,
        404
    );
    let array = site.get(&carl, &format!("{base}?limit=2&offset=5")).await;
    let oldest_first: Vec<&Value> = array
        .as_array()
        .expect("an array")
        .iter()
        .map(|it| &it["content"])
        .collect();
    assert_eq!(oldest_first, ["6", "7"]);
    assert_eq!(array[0]["sender"], "5", "an id where ids are texts");
}

async fn conversations_come_as_an_array_or_in_pages(bus: Bus) {
    let site = Site::start(bus).await;
    let carl = candidate();
    for other in 10..17 {
        site.pair(&carl, &other.to_string()).await;
    }
    let array = site.get(&carl, "/api/chat/conversations/").await;
    assert_eq!(array.as_array().expect("an array").len(), 7);
    let mut seen = Vec::new();
    let mut path = "/api/chat/conversations/?limit=3".to_owned();
    loop {
        let page = site.get(&carl, &path).await;
        assert_eq!(page["count"], 7);
        let results = page["results"].as_array().expect("results");
        seen.extend(
            results
                .iter()
                .map(|found| found["id"].as_str().expect("a text").to_owned()),
        );
        assert_eq!(page["previous"].is_null(), seen.len() <= 3);
        let Some(next) = page["next"].as_str() else {
            break;
        };
        let here = format!("http://{}", site.address);
        path = next.strip_prefix(&here).expect("a link to here").to_owned();
    }
    assert_eq!(seen, ["7", "6", "5", "4", "3", "2", "1"]);
    let second = site
        .get(&carl, "/api/chat/conversations/?page=2&page_size=5")
        .await;
    assert_eq!(second["results"].as_array().map(Vec::len), Some(2));
    let path = "/api/chat/conversations/?cursor=nonsense";
    assert_eq!(site.refused(&carl, "GET", path, Value::Null).await.0, 400);
}

async fn a_message_is_taken_back_by_its_sender_only(bus: Bus) {
    let site = Site::start(bus).await;
    let (carl, olga) = (candidate(), organization());
    let number = site.pair(&carl, "6").await;
    let sent = site.say(&carl, number, "secret").await;
    let path = format!("/api/chat/messages/{}/delete/", sent["id"]);
    assert_eq!(
        site.refused(&olga, "DELETE", &path, Value::Null).await.0,
        403
    );
    let (status, done) = site.http("DELETE", &path, Some(&carl), &Value::Null).await;
    assert_eq!(status, 200, "{done}");
    let page = site
        .get(
            &olga,
            &format!("/api/chat/conversations/{number}/messages/"),
        )
        .await;
    let shown = &page["results"][0];
    assert_eq!(
        (&shown["content"], &shown["is_deleted"]),
        (&json!(""), &json!(true))
    );
    assert!(shown["deleted_at"].is_string());
    let list = site.get(&olga, "/api/chat/conversations/").await;
    assert_eq!(list[0]["last_message"]["content"], "");
    let text = site
        .http_text("GET", "/api/chat/conversations/", Some(&olga), &Value::Null)
        .await
        .1;
    assert!(!text.contains("secret"), "{text}");
}

/// What is asked that cannot be done, and the status it is refused with: `N` is a conversation of
/// the candidate, `A` asks as them and `E` as somebody else.
const REFUSED: [(&str, &str, &str, &str, u16); 15] = [
    ("A", "POST", "conversations/5/", "null", 400),
    (
        "A",
        "POST",
        "conversations/N/messages/",
        r#"{"content": "  "}"#,
        400,
    ),
    ("A", "POST", "conversations/N/messages/", "{}", 400),
    (
        "A",
        "POST",
        "conversations/N/messages/",
        r#"{"content": 7}"#,
        400,
    ),
    (
        "A",
        "POST",
        "conversations/N/messages/",
        r#"{"content": "a", "reply_to": 5}"#,
        400,
    ),
    (
        "A",
        "POST",
        "conversations/N/messages/",
        r#"{"content": "LONG"}"#,
        400,
    ),
    ("E", "GET", "conversations/N/messages/", "null", 403),
    (
        "E",
        "POST",
        "conversations/N/messages/",
        r#"{"content": "a"}"#,
        403,
    ),
    ("E", "POST", "conversations/N/mark-read/", "null", 403),
    ("A", "GET", "conversations/99/messages/", "null", 404),
    ("A", "GET", "conversations/0/messages/", "null", 404),
    ("A", "DELETE", "messages/77/delete/", "null", 404),
    ("A", "POST", "messages/1048599/read/", "null", 404),
    ("A", "GET", "status/nobody/", "null", 404),
    ("A", "PUT", "conversations/", "null", 405),
];

async fn errors_have_detail_and_error_and_a_code(bus: Bus) {
    let site = Site::start(bus).await;
    let (carl, eve) = (candidate(), token_of("eve"));
    let number = site.pair(&carl, "6").await.to_string();
    let long = "x".repeat(10_001);
    for (who, method, path, body, status) in REFUSED {
        let token = if who == "A" { &carl } else { &eve };
        let path = format!("/api/chat/{}", path.replace('N', &number));
        let body = serde_json::from_str(&body.replace("LONG", &long)).expect("json");
        let (refused, answer) = site.refused(token, method, &path, body).await;
        assert_eq!(refused, status, "{method} {path}: {answer}");
    }
    let path = "/api/chat/conversations/";
    let (status, _) = site.http("GET", path, None, &Value::Null).await;
    assert_eq!(status, 401);
}

async fn both_forms_of_a_path_and_of_an_id_are_one(bus: Bus) {
    let site = Site::start(bus).await;
    let carl = candidate();
    let number = site.pair(&carl, "6").await;
    let with = site
        .get(&carl, &format!("/api/chat/conversations/{number}/"))
        .await;
    let without = site
        .get(&carl, &format!("/api/chat/conversations/{number}"))
        .await;
    assert_eq!(with, without);
    // A conversation first, and a person where there is none of this number.
    let by_person = site.get(&carl, "/api/chat/conversations/6/").await;
    assert_eq!(by_person["id"], number);
}

async fn a_repeated_request_with_a_key_is_done_once(bus: Bus) {
    let site = Site::start(bus).await;
    let carl = candidate();
    let number = site.pair(&carl, "6").await;
    let path = format!("/api/chat/conversations/{number}/messages/");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let request = site.request("POST", &path).bearer_auth(&carl);
        let request = request
            .header("Idempotency-Key", "once")
            .json(&json!({"content": "a"}));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        let body: Value = answer.json().await.expect("json");
        ids.push(body["id"].clone());
    }
    assert_eq!(ids[0], ids[2]);
    let page = site.get(&carl, &path).await;
    assert_eq!(page["count"], 1);
}

async fn another_company_has_its_own_conversation_of_the_same_number(bus: Bus) {
    let site = Site::start(bus).await;
    let (here, there) = (
        candidate(),
        token_with(&json!(5), &json!({"company_id": "SPA001"})),
    );
    assert_eq!(site.pair(&here, "6").await, 1);
    assert_eq!(site.pair(&there, "6").await, 1);
    site.say(&here, 1, "here").await;
    site.say(&there, 1, "there").await;
    for (token, text) in [(&here, "here"), (&there, "there")] {
        let page = site.get(token, "/api/chat/conversations/1/messages/").await;
        assert_eq!(page["count"], 1);
        assert_eq!(page["results"][0]["content"], text);
        let list = site.get(token, "/api/chat/conversations/").await;
        assert_eq!(list[0]["last_message"]["content"], text);
    }
}

async fn a_person_is_online_while_a_socket_is_open(bus: Bus) {
    let site = Site::start(bus).await;
    let (carl, olga) = (candidate(), organization());
    site.pair(&carl, "6").await;
    let status = site.get(&carl, "/api/chat/status/6/").await;
    assert_eq!(
        (&status["is_online"], &status["last_seen"]),
        (&json!(false), &json!(null))
    );
    let socket = site.inbox(&olga).await;
    let status = site.get(&carl, "/api/chat/status/6/").await;
    assert_eq!(status["is_online"], true);
    assert_eq!(status["user"]["id"], 6);
    socket.close().await;
    site.until_left().await;
    site.clock.leap_ms(6_000);
    let gone = async {
        loop {
            let status = site.get(&carl, "/api/chat/status/6/").await;
            if status["is_online"] == false && status["last_seen"].is_string() {
                return;
            }
        }
    };
    soon("going offline", gone).await;
}

async fn people_are_known_by_token_by_name_and_by_what_a_host_tells(bus: Bus) {
    let site = Site::start(bus).await;
    let carl = candidate();
    let boss = token_with(&json!("boss"), &json!({"role": "admin"}));
    site.pair(&carl, "77").await;
    let named = site.get(&carl, "/v1/users/77").await;
    assert_eq!((&named["id"], &named["name"]), (&json!("77"), &json!(null)));
    let facts = json!({"name": "Sue Seven", "email": "sue@example.com"});
    let (status, _) = site.http("PUT", "/v1/users/77", Some(&carl), &facts).await;
    assert_eq!(status, 403);
    let (status, known) = site.http("PUT", "/v1/users/77", Some(&boss), &facts).await;
    assert_eq!((status, &known["name"]), (200, &json!("Sue Seven")));
    let facts = json!({"user_type": "candidate"});
    let (_, known) = site.http("PUT", "/v1/users/77", Some(&boss), &facts).await;
    assert_eq!(known["email"], "sue@example.com", "what is not named stays");
    let list = site.get(&carl, "/api/chat/conversations/").await;
    assert_eq!(list[0]["other_participant"]["name"], "Sue Seven");
    for bad in [
        json!({"name": ""}),
        json!({"name": "x".repeat(513)}),
        json!({"name": 5}),
    ] {
        let (status, _) = site.http("PUT", "/v1/users/77", Some(&boss), &bad).await;
        assert_eq!(status, 400, "{bad}");
    }
    let known_by_token = site.get(&carl, "/v1/users/5").await;
    assert_eq!(known_by_token["name"], "Carl Candidate");
    let facts = json!({"name": "Carlo"});
    site.http("PUT", "/v1/users/5", Some(&boss), &facts).await;
    for _ in 0..3 {
        let known = site.get(&carl, "/v1/users/5").await;
        assert_eq!(known["name"], "Carlo", "what the host says counts for more");
    }
}
