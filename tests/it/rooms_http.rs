//! Rooms over HTTP, and what machines ask of a node.

use frontdesk_actors::clock::Clock;
use serde_json::{Value, json};

use crate::support::token::{now_s, token_of, token_with};
use crate::support::{Bus, OTHER_COMPANY, Site, cid_at, in_both_buses, names_no_type};

in_both_buses!(
    anyone_opens_a_room_and_is_in_it,
    a_pair_has_one_direct_room,
    an_idempotency_key_makes_a_repeat_answer_like_the_first,
    what_does_not_fit_is_refused_by_field,
    bodies_are_objects_and_refusals_name_no_type_of_ours,
    no_valid_token_is_401,
    messages_page_both_ways,
    a_room_of_somebody_else_is_not_found,
    machines_get_their_answers,
    readiness_turns_red_when_a_sync_fails,
    unknown_paths_and_wrong_methods_are_json,
);

async fn open(site: &Site, person: &str, body: &Value) -> (u16, Value) {
    site.http("POST", "/v1/rooms", Some(&token_of(person)), body)
        .await
}

fn assert_error(answer: &(u16, Value), status: u16, code: &str) {
    let (got, body) = answer;
    assert_eq!((*got, &body["code"]), (status, &json!(code)), "{body}");
    assert!(
        body["request_id"].as_str().is_some_and(|id| !id.is_empty()),
        "{body}"
    );
    assert!(body["retry"].is_string(), "{body}");
    for key in ["error", "detail"] {
        assert_eq!(body[key], body["message"], "{body}");
    }
}

async fn anyone_opens_a_room_and_is_in_it(bus: Bus) {
    let site = Site::start(bus).await;
    let (status, opened) = open(&site, "ann", &json!({"participants": [7, "bob", "7"]})).await;
    assert_eq!(
        (status, &opened["conversation_id"]),
        (201, &json!(1)),
        "{opened}"
    );
    assert_eq!(opened["participants"], json!(["7", "ann", "bob"]));
    assert_eq!(opened["direct"], false);
    let id = opened["id"].as_str().expect("an id");
    assert!(id.len() == 34 && id.starts_with("r_"), "{id}");
    for person in ["7", "ann", "bob"] {
        let joined = site.connect(person).await.join(id).await;
        assert_eq!(joined["conversation_id"], 1);
    }
    let (status, second) = open(&site, "ann", &json!({"participants": []})).await;
    assert_eq!(
        (status, &second["conversation_id"]),
        (201, &json!(2)),
        "{second}"
    );
    let token = token_with(&json!("ann"), &json!({"company_id": OTHER_COMPANY}));
    let body = json!({"participants": ["bob"]});
    let (_, elsewhere) = site.http("POST", "/v1/rooms/", Some(&token), &body).await;
    assert_eq!(
        elsewhere["conversation_id"], 1,
        "each company counts for itself"
    );
}

async fn a_pair_has_one_direct_room(bus: Bus) {
    let site = Site::start(bus).await;
    let pair = json!({"participants": ["bob"], "direct": true});
    let (status, first) = open(&site, "ann", &pair).await;
    assert_eq!((status, &first["direct"]), (201, &json!(true)), "{first}");
    let back = json!({"participants": ["ann", "bob"], "direct": true});
    for (person, body) in [("ann", &pair), ("bob", &back)] {
        let (status, again) = open(&site, person, body).await;
        assert_eq!((status, &again["id"]), (200, &first["id"]), "{again}");
        assert_eq!(again["conversation_id"], first["conversation_id"]);
        assert_eq!(again["participants"], json!(["ann", "bob"]));
    }
    let (status, group) = open(&site, "ann", &json!({"participants": ["bob"]})).await;
    assert_eq!(status, 201);
    assert_ne!(group["id"], first["id"], "only direct rooms are shared");
    let three = json!({"participants": ["bob", "eve"], "direct": true});
    assert_eq!(open(&site, "ann", &three).await.0, 400);
}

async fn an_idempotency_key_makes_a_repeat_answer_like_the_first(bus: Bus) {
    let site = Site::start(bus).await;
    let send = async |person: &str, key: &str, body: &Value| {
        let request = site
            .request("POST", "/v1/rooms")
            .bearer_auth(token_of(person));
        let request = request.header("idempotency-key", key).json(body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.expect("JSON"))
    };
    let body = json!({"participants": ["bob"]});
    let first = send("ann", "key 1", &body).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(send("ann", "key 1", &body).await, first);
    assert_ne!(send("ann", "key 2", &body).await.1["id"], first.1["id"]);
    assert_ne!(send("bob", "key 1", &body).await.1["id"], first.1["id"]);
    let other = send("ann", "key 1", &json!({"participants": ["eve"]})).await;
    assert_error(&other, 409, "cid_reused");
    let long = "x".repeat(256);
    assert_error(&send("ann", &long, &body).await, 400, "bad_field");
}

async fn what_does_not_fit_is_refused_by_field(bus: Bus) {
    let site = Site::with(bus, |config| config.limits.http_body_bytes = 4_096).await;
    let many: Vec<u32> = (0..257).collect();
    for body in [
        json!({}),
        json!({"participants": "bob"}),
        json!({"participants": [1.5]}),
        json!({"participants": [-1]}),
        json!({"participants": [""]}),
        json!({"participants": ["x".repeat(129)]}),
        json!({"participants": [{"id": 1}]}),
        json!({"participants": many}),
        json!({"participants": [], "direct": "yes"}),
        json!({"participants": [], "direct": true}),
        json!([1]),
    ] {
        assert_error(&open(&site, "ann", &body).await, 400, "bad_field");
    }
    let request = site
        .request("POST", "/v1/rooms")
        .bearer_auth(token_of("ann"));
    let request = request.header("content-type", "application/json").body("{");
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    assert_error(
        &(status, response.json().await.expect("JSON")),
        400,
        "bad_frame",
    );
    let large = json!({"participants": [], "more": "x".repeat(5_000)});
    assert_error(&open(&site, "ann", &large).await, 413, "frame_too_large");
    let most: Vec<u32> = (0..256).collect();
    assert_eq!(
        open(&site, "ann", &json!({"participants": most})).await.0,
        201
    );
}

async fn bodies_are_objects_and_refusals_name_no_type_of_ours(bus: Bus) {
    let site = Site::start(bus).await;
    let bodies = [
        (json!([["bob"], true]), "body: expected an object"),
        (json!([["bob"]]), "body: expected an object"),
        (json!([]), "body: expected an object"),
        (json!("bob"), "body: expected an object"),
        (json!(7), "body: expected an object"),
        (json!({}), "participants is missing"),
        (
            json!({"participants": null}),
            "participants: expected a list",
        ),
        (
            json!({"participants": {"0": "bob"}}),
            "participants: expected a list",
        ),
        (
            json!({"participants": "bob"}),
            "participants: expected a list",
        ),
        (
            json!({"participants": [["bob"]]}),
            "participants[0]: expected a person id",
        ),
        (
            json!({"participants": [1, 1.5]}),
            "participants[1]: expected a person id",
        ),
        (
            json!({"participants": [-1]}),
            "participants[0]: expected a person id",
        ),
        (json!({"participants": ["ann", ""]}), "participants[1]: "),
        (
            json!({"participants": [], "direct": [true]}),
            "direct: expected a boolean",
        ),
    ];
    for (body, text) in bodies {
        let answer = open(&site, "ann", &body).await;
        assert_error(&answer, 400, "bad_field");
        let message = answer.1["message"].as_str().expect("a text");
        assert!(message.starts_with(text), "{body}: {message}");
        names_no_type(message);
    }
    let room = site.room(&["ann"]).await;
    for (query, text) in [
        ("limit=x", "limit: expected a whole number"),
        ("limit=-1", "limit: expected a whole number"),
        ("limit=", "limit: expected a whole number"),
        ("limit=0", "limit: expected a number of at least 1"),
        ("before_seq=1.5", "before_seq: expected a whole number"),
        ("after_seq=%00", "after_seq: expected a whole number"),
        ("limit=1&limit=2", "limit stands twice"),
    ] {
        let path = format!("/v1/rooms/{}/messages?{query}", room.id);
        let answer = site
            .http("GET", &path, Some(&token_of("ann")), &Value::Null)
            .await;
        assert_error(&answer, 400, "bad_field");
        let message = answer.1["message"].as_str().expect("a text");
        assert!(message.starts_with(text), "{query}: {message}");
        names_no_type(message);
    }
}

async fn no_valid_token_is_401(bus: Bus) {
    let site = Site::start(bus).await;
    let expired = token_with(&json!("ann"), &json!({"exp": now_s() - 60}));
    let nowhere = token_with(&json!("ann"), &json!({"company_id": "NOBODY"}));
    let cases = [
        (None, "unauthenticated"),
        (Some("a.b.c"), "unauthenticated"),
        (Some(expired.as_str()), "token_expired"),
        (Some(nowhere.as_str()), "unknown_company"),
    ];
    for (token, code) in cases {
        let body = json!({"participants": []});
        assert_error(
            &site.http("POST", "/v1/rooms", token, &body).await,
            401,
            code,
        );
        let read = site
            .http("GET", "/v1/rooms/1/messages", token, &Value::Null)
            .await;
        assert_error(&read, 401, code);
    }
    let response = site
        .request("GET", "/v1/rooms/1/messages")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert!(response.headers().contains_key("x-request-id"));
}

async fn messages_page_both_ways(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let mut ann = site.join("ann", &room).await;
    for number in 1..=60 {
        let text = format!("m{number}");
        ann.send(&json!({"type": "post_message", "room": room.id, "text": text}))
            .await;
    }
    let pushed = ann.events(&room.id, 1, 60).await;
    let token = token_of("bob");
    let cases = [
        ("", 11..61, true),
        ("?limit=60", 1..61, false),
        ("?limit=5000", 1..61, false),
        ("?before_seq=11&limit=4", 7..11, true),
        ("?before_seq=5", 1..5, false),
        ("?after_seq=58", 59..61, false),
        ("?after_seq=0&limit=2", 1..3, true),
    ];
    for (query, seqs, more) in cases {
        for name in [room.id.clone(), room.number.to_string()] {
            let path = format!("/v1/rooms/{name}/messages{query}");
            let (status, page) = site.http("GET", &path, Some(&token), &Value::Null).await;
            assert_eq!(status, 200, "{page}");
            let events = page["events"].as_array().expect("a list").iter();
            let shown: Vec<u64> = events.filter_map(|event| event["seq"].as_u64()).collect();
            assert_eq!(shown, seqs.clone().collect::<Vec<u64>>(), "{query}");
            assert_eq!(
                (&page["more"], &page["head"]),
                (&json!(more), &json!(60)),
                "{query}"
            );
        }
    }
    let path = format!("/v1/rooms/{}/messages/?after_seq=59", room.id);
    let (_, page) = site.http("GET", &path, Some(&token), &Value::Null).await;
    let mut last = pushed[59].clone();
    last.as_object_mut()
        .expect("an object")
        .retain(|name, _| name != "type" && name != "room");
    assert_eq!(
        page["events"],
        json!([last]),
        "the body is the answer of `history`"
    );
    let by_socket = ann
        .ask(json!({"type": "history", "room": room.id, "after_seq": 59}))
        .await;
    assert_eq!(page, by_socket.expect("a page"));
    for query in ["?before_seq=1&after_seq=1", "?limit=x", "?after_seq=-1"] {
        let path = format!("/v1/rooms/{}/messages{query}", room.id);
        let refused = site.http("GET", &path, Some(&token), &Value::Null).await;
        assert_error(&refused, 400, "bad_field");
    }
}

async fn a_room_of_somebody_else_is_not_found(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann", "bob"]).await;
    let elsewhere = token_with(&json!("ann"), &json!({"company_id": OTHER_COMPANY}));
    let missing = format!("r_{:032x}", 5);
    let number = room.number.to_string();
    for (name, token) in [
        (&room.id, token_of("eve")),
        (&number, token_of("eve")),
        (&room.id, elsewhere.clone()),
        (&number, elsewhere),
        (&missing, token_of("ann")),
        (&"nonsense".to_owned(), token_of("ann")),
    ] {
        let path = format!("/v1/rooms/{name}/messages");
        let refused = site.http("GET", &path, Some(&token), &Value::Null).await;
        assert_error(&refused, 404, "unknown_room");
        assert_eq!(
            refused.1["message"], "unknown room",
            "the answer tells nothing more"
        );
    }
}

async fn machines_get_their_answers(bus: Bus) {
    let site = Site::start(bus).await;
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = site.http_text("GET", path, None, &Value::Null).await;
        assert_eq!(answer, (200, text.to_owned()));
    }
    let (status, page) = site.http_text("GET", "/", None, &Value::Null).await;
    assert!(status == 200 && page.contains("<html"), "{page}");
}

async fn readiness_turns_red_when_a_sync_fails(bus: Bus) {
    let site = Site::start(bus).await;
    let room = site.room(&["ann"]).await;
    let mut ann = site.join("ann", &room).await;
    site.faults().fail_next_sync();
    // With a cid of its own the client is told; without one the server would send it again itself.
    let cid = cid_at(site.clock.now(), 1);
    let post = json!({"type": "post_message", "room": room.id, "text": "lost", "cid": cid});
    let refused = ann.ask(post).await.expect_err("not on disk");
    assert_eq!(
        (&refused["code"], &refused["retry"]),
        (&json!("unavailable"), &json!("later"))
    );
    site.clock.leap_ms(1_000);
    let (status, why) = site.http_text("GET", "/readyz", None, &Value::Null).await;
    assert!(status == 503 && why.starts_with("not ready: "), "{why}");
    let healthy = site.http_text("GET", "/healthz", None, &Value::Null).await;
    assert_eq!(healthy.0, 200);
    let frames = ann.settled(&room.id).await;
    assert!(
        frames.iter().all(|frame| frame["type"] != "event"),
        "shown: {frames:?}"
    );
}

async fn unknown_paths_and_wrong_methods_are_json(bus: Bus) {
    let site = Site::start(bus).await;
    for path in ["/nowhere", "/v1", "/v1/rooms/1", "/v2/ws"] {
        let answer = site.http("GET", path, None, &Value::Null).await;
        assert_error(&answer, 404, "not_found");
    }
    for (method, path) in [
        ("GET", "/v1/rooms"),
        ("DELETE", "/v1/rooms/1/messages"),
        ("POST", "/healthz"),
        ("POST", "/v1/ws"),
    ] {
        let answer = site.http(method, path, None, &Value::Null).await;
        assert_error(&answer, 405, "method_not_allowed");
    }
    let sockets = ["/v1/ws", "/v1/ws/", "/ws/chat/1", "/ws/chat/1/"];
    for path in sockets.into_iter().chain(["/ws/chat/", "/ws/chat/1/2/3"]) {
        let answer = site.http("GET", path, None, &Value::Null).await;
        assert_error(&answer, 426, "bad_field");
    }
}
