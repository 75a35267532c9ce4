//! The sockets of those who serve visitors: a chat on its way from the bot to an agent, to another
//! agent and back, and who hears of it.

use serde_json::{Value, json};

use crate::support::chats::{Chat, board_of, desk_of, site_of, staffed, waiting};
use crate::support::socket::Socket;
use crate::support::staff::{get, post, text};
use crate::support::token::token_with;
use crate::support::{Bus, Site, greeted, in_both_buses, soon};

in_both_buses!(
    a_chat_goes_from_the_bot_to_an_agent_and_back,
    visitor_and_agent_hear_and_see_each_other,
    a_transfer_puts_the_first_agent_out,
    colleagues_hear_who_has_a_chat_and_nothing_of_its_visitor,
    whoever_has_a_chat_may_join_it_on_the_visitors_address_and_nobody_else,
    only_a_companys_people_with_an_account_are_let_in,
    an_agents_own_company_as_the_path_is_their_desk,
    a_status_is_ones_own_and_connecting_changes_none,
    errors_say_what_is_wrong_and_the_socket_goes_on,
    nothing_of_one_company_reaches_another,
    sockets_of_a_removed_agent_close,
    a_closed_company_has_neither_agents_nor_visitors,
);

fn join(chat: &Chat) -> Value {
    json!({"type": "agent_join", "token": "of no use", "session_id": chat.id})
}

fn say(chat: &Chat, text: &str) -> Value {
    json!({"type": "chat_message", "session_id": chat.id, "message": text,
        "sender_type": "bot", "sender_info": {"name": "nobody"}})
}

fn update(chat: &Chat, action: &str) -> Value {
    json!({"type": "session_update", "session_id": chat.id, "action": action})
}

/// The next update of a chat must be this one.
async fn updated(desk: &mut Socket, chat: &Chat, action: &str) -> Value {
    let update = desk.push("session_update").await;
    let found = (&update["session_id"], &update["action"]);
    assert_eq!(found, (&json!(chat.id), &json!(action)), "{update}");
    update
}

async fn a_chat_goes_from_the_bot_to_an_agent_and_back(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let mut desk = desk_of(&site, &tesla.ann).await;
    let mut board = board_of(&site, &tesla.ann).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    let wanted = updated(&mut desk, &chat, "escalate").await;
    assert_eq!(wanted["handoff_id"], chat.number(1));
    let held = board.push("session_escalated").await;
    for (name, value) in [
        ("session_id", json!(chat.id)),
        ("status", json!("escalated")),
        ("escalation_reason", json!("a bill")),
        ("priority", json!("medium")),
        ("agent_id", json!(null)),
    ] {
        assert_eq!(
            (&held["data"][name], &wanted[name]),
            (&value, &value),
            "{name}"
        );
    }
    page.say("help").await;
    page.hears("help").await;
    desk.send(&join(&chat)).await;
    let taken = updated(&mut desk, &chat, "assign").await;
    assert_eq!(taken["agent_id"], tesla.ann.0);
    let joined = desk.push("agent_joined").await;
    assert_eq!(
        joined["agent_info"],
        json!({"id": tesla.ann.0, "name": "Ann"})
    );
    assert_eq!(
        board.push("session_assigned").await["data"]["status"],
        "assigned"
    );
    // The bot, which knows an answer to that, was silent.
    let joined = json!({"type": "agent_joined", "agent_name": "Ann"});
    assert_eq!(page.next().await, joined);
    let mut done = update(&chat, "resolve");
    done["notes"] = json!("paid");
    desk.send(&done).await;
    page.told(&["agent_left", "system_message"]).await;
    updated(&mut desk, &chat, "resolve").await;
    let held = board.push("session_update").await;
    assert_eq!(held["data"]["status"], "resolved");
    page.say("help").await;
    page.hears("help").await;
    assert_eq!(page.next().await["sender_type"], "bot");
}

async fn visitor_and_agent_hear_and_see_each_other(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let mut desk = desk_of(&site, &tesla.ann).await;
    let mut board = board_of(&site, &tesla.ann).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    desk.send(&join(&chat)).await;
    page.told(&["agent_joined"]).await;
    desk.send(&say(&chat, "How may I help?")).await;
    let heard = page.hears("How may I help?").await;
    let sender = (&heard["sender_type"], &heard["sender_name"]);
    assert_eq!(sender, (&json!("agent"), &json!("Ann")));
    let own = desk.push("chat_message").await;
    assert_eq!(own["message_id"], heard["message_id"]);
    let sender = json!({"id": tesla.ann.0, "name": "Ann", "type": "agent"});
    assert_eq!(own["sender_info"], sender);
    board.push("chat_message").await;
    let mut typing = json!({"type": "typing", "is_typing": true, "session_id": chat.id});
    page.send(&typing).await;
    let seen = desk.push("typing").await;
    let of_visitor = (&seen["session_id"], &seen["sender_info"]["type"]);
    assert_eq!(of_visitor, (&json!(chat.id), &json!("user")));
    assert_eq!(board.push("typing_indicator").await["sender_type"], "user");
    desk.send(&typing).await;
    let shown = json!({"type": "typing_indicator", "sender_type": "agent", "is_typing": true});
    assert_eq!(page.next().await, shown);
    typing["is_typing"] = json!(false);
    desk.send(&typing).await;
    assert_eq!(page.next().await["is_typing"], false);
    page.say("A bill is wrong").await;
    page.hears("A bill is wrong").await;
    let said = desk.push("chat_message").await;
    let shown = (&said["message"], &said["sender_type"]);
    assert_eq!(shown, (&json!("A bill is wrong"), &json!("user")));
    let held = board.push("chat_message").await;
    assert_eq!(held["data"]["message_id"], said["message_id"]);
}

async fn a_transfer_puts_the_first_agent_out(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let mut ann = desk_of(&site, &tesla.ann).await;
    let mut bob = desk_of(&site, &tesla.bob).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    ann.send(&update(&chat, "assign")).await;
    page.told(&["agent_joined"]).await;
    ann.send(&say(&chat, "one")).await;
    assert_eq!(ann.push("chat_message").await["message"], "one");
    page.hears("one").await;
    // On the visitor's address as well.
    let path = format!("{}?token={}", chat.path(), tesla.ann.1);
    let mut beside = site.desk(&path).await;
    let mut transfer = update(&chat, "transfer");
    ann.send(&transfer).await;
    assert_eq!(ann.push("error").await["code"], "bad_field", "to whom?");
    transfer["agent_id"] = json!(tesla.bob.0);
    ann.send(&transfer).await;
    page.told(&["agent_joined"]).await;
    let moved = bob.next_that(|frame| frame["action"] == "transfer").await;
    assert_eq!(moved["agent_id"], tesla.bob.0);
    bob.send(&say(&chat, "two")).await;
    page.hears("two").await;
    let first = bob.push("chat_message").await;
    assert_eq!(first["message"], "two", "and nothing from before");
    ann.send(&say(&chat, "still here?")).await;
    assert_eq!(ann.push("error").await["code"], "unknown_room");
    ann.send(&json!({"type": "typing", "session_id": chat.id, "is_typing": true}))
        .await;
    assert_eq!(beside.told(&["agent_joined"]).await.len(), 1);
    beside
        .send(&json!({"type": "typing", "is_typing": true}))
        .await;
    assert_eq!(soon("it is closed", beside.closed()).await.0, 4404);
    bob.send(&say(&chat, "three")).await;
    page.hears("three").await;
    // Of another chat ann hears again, and what comes before it is all she was told.
    let (next, _page) = waiting(&site, &tesla, "TES001_next").await;
    ann.send(&join(&next)).await;
    ann.next_that(|frame| frame["type"] == "agent_joined" && frame["session_id"] == next.id)
        .await;
    ann.send(&say(&next, "four")).await;
    assert_eq!(ann.push("chat_message").await["message"], "four");
}

async fn colleagues_hear_who_has_a_chat_and_nothing_of_its_visitor(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let mut bob = desk_of(&site, &tesla.bob).await;
    let mut boss = desk_of(&site, &(0, tesla.admin.clone())).await;
    let (chat, _page) = waiting(&site, &tesla, "TES001_abc").await;
    let of = |update: Value| {
        let reason = update["escalation_reason"].clone();
        (reason, update["user_profile"]["name"].clone())
    };
    assert_eq!(of(updated(&mut bob, &chat, "escalate").await).0, "a bill");
    updated(&mut boss, &chat, "escalate").await;
    let profile = json!({"company_id": tesla.id, "session_id": chat.id,
        "session_token": chat.token, "name": "Vera",
        "phone": "9841234567", "country_code": "+977", "email": "vera@x.example"});
    post(&site, "/api/chatbot/create-profile/", None, profile, 201).await;
    let mut ann = desk_of(&site, &tesla.ann).await;
    for action in ["assign", "resolve"] {
        ann.send(&update(&chat, action)).await;
        let whole = (json!("a bill"), json!("Vera"));
        assert_eq!(of(updated(&mut ann, &chat, action).await), whole);
        assert_eq!(of(updated(&mut boss, &chat, action).await), whole);
        let seen = updated(&mut bob, &chat, action).await;
        assert_eq!(seen["agent_id"], tesla.ann.0);
        assert_eq!(of(seen), (json!(""), json!(null)));
    }
}

async fn whoever_has_a_chat_may_join_it_on_the_visitors_address_and_nobody_else(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    let path = |token: &str| format!("{}?token={token}", chat.path());
    for token in [&tesla.ann.1, &tesla.bob.1, &tesla.admin] {
        assert_eq!(site.closes(&path(token), &[]).await, 4404);
    }
    let mut desk = desk_of(&site, &tesla.ann).await;
    desk.send(&join(&chat)).await;
    page.told(&["agent_joined"]).await;
    let mut beside = site.desk(&path(&tesla.ann.1)).await;
    beside
        .send(&json!({"type": "chat_message", "message": "Hello", "sender_type": "user"}))
        .await;
    assert_eq!(beside.hears("Hello").await["sender_type"], "agent");
    assert_eq!(page.hears("Hello").await["sender_name"], "Ann");
    for token in [&tesla.bob.1, &tesla.admin] {
        assert_eq!(site.closes(&path(token), &[]).await, 4404);
    }
    // Who is not let in by an account is not let in as a visitor of an old client either.
    site.set(&tesla.id, json!({"legacy_anonymous": true})).await;
    assert_eq!(site.closes(&path(&tesla.bob.1), &[]).await, 4404);
}

/// The status of a handshake that a page of somebody else has a browser begin.
async fn asked_from_evil(site: &Site, path: &str, cookie: &str) -> u16 {
    let headers = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "https://evil.example"),
        ("cookie", cookie),
    ];
    let request = site.request("GET", path);
    let with = |request: reqwest::RequestBuilder, (name, value)| request.header(name, value);
    let request = headers.into_iter().fold(request, with);
    let answer = soon("an answer", request.send()).await;
    answer.expect("an answer").status().as_u16()
}

async fn only_a_companys_people_with_an_account_are_let_in(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spacex = staffed(&site, &root, "Spacex").await;
    let chat = site.chat_of(&tesla.id, "visitor:1", "TES001_abc").await;
    let of_host = token_with(
        &json!("ann"),
        &json!({"company_id": tesla.id, "role": "AGENT"}),
    );
    let own = format!("/ws/agent/{}/", tesla.ann.0);
    let handoff = format!("/ws/handoff/{}/", tesla.id);
    for path in [own.as_str(), handoff.as_str(), "/ws/agents/", "/ws/agents"] {
        let with = |token: &str| format!("{path}?token={token}");
        assert_eq!(site.closes(path, &[]).await, 4001, "{path}");
        assert_eq!(site.closes(&with("rubbish"), &[]).await, 4001, "{path}");
        assert_eq!(site.closes(&with(&chat.token), &[]).await, 4001, "{path}");
        assert_eq!(site.closes(&with(&of_host), &[]).await, 4002, "{path}");
        assert_eq!(site.closes(&with(&root), &[]).await, 4002, "{path}");
        site.desk(&with(&tesla.ann.1)).await;
        let cookie = format!("frontdesk_agent={}", tesla.ann.1);
        let cookie = ("cookie", cookie.as_str());
        greeted(Socket::dial(site.address, path, &[], &[cookie]).await).await;
        assert_eq!(asked_from_evil(&site, path, cookie.1).await, 403, "{path}");
        // A cookie is no place for a host's token.
        let of_host = format!("frontdesk_agent={of_host}");
        assert_eq!(
            site.closes(path, &[("cookie", &of_host)]).await,
            4001,
            "{path}"
        );
    }
    let agent_path = |id: &str, token: &str| format!("/ws/agent/{id}/?token={token}");
    let (ann, bob) = (tesla.ann.0.to_string(), tesla.bob.0.to_string());
    for (id, token) in [
        (&ann, &tesla.bob.1),
        (&ann, &spacex.ann.1),
        (&ann, &spacex.admin),
        (&"12".to_owned(), &tesla.admin),
        (&"x".to_owned(), &tesla.admin),
    ] {
        assert_eq!(site.closes(&agent_path(id, token), &[]).await, 4404, "{id}");
    }
    for id in [ann, bob] {
        site.desk(&agent_path(&id, &tesla.admin)).await;
    }
    let elsewhere = format!("/ws/handoff/{}/?token={}", spacex.id, tesla.ann.1);
    assert_eq!(site.closes(&elsewhere, &[]).await, 4404);
    for path in ["config", "users", "subscription"] {
        let path = format!("/ws/{path}/{}/?token={}", tesla.id, tesla.ann.1);
        assert_eq!(site.closes(&path, &[]).await, 4000, "{path}");
    }
}

async fn an_agents_own_company_as_the_path_is_their_desk(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spacex = staffed(&site, &root, "Spacex").await;
    let path = format!("/ws/chat/{}/?token={}", tesla.id, tesla.ann.1);
    let mut desk = site.desk(&path).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    updated(&mut desk, &chat, "escalate").await;
    desk.send(&join(&chat)).await;
    page.told(&["agent_joined"]).await;
    desk.send(&say(&chat, "Hello")).await;
    page.hears("Hello").await;
    assert_eq!(desk.push("chat_message").await["session_id"], chat.id);
    // To others it names a conversation that is not there.
    for token in [&spacex.ann.1, &spacex.admin, &root] {
        let path = format!("/ws/chat/{}/?token={token}", tesla.id);
        assert_eq!(site.closes(&path, &[]).await, 4404);
    }
    // Without a token it is a visitor's.
    let mut page = site.desk(&format!("/ws/chat/{}/", tesla.id)).await;
    page.send(&say(&chat, "mine")).await;
    assert_eq!(page.next().await["code"], "unknown_room");
}

async fn a_status_is_ones_own_and_connecting_changes_none(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let path = "/api/admin-dashboard/list-agents/";
    let listed = async || {
        let list = get(&site, path, &tesla.admin, 200).await;
        let list = list.as_array().expect("a list").clone();
        let status = |no: u64| {
            let found = list.iter().find(|agent| agent["id"] == no);
            text(&found.expect("listed")["status"])
        };
        (status(tesla.ann.0), status(tesla.bob.0))
    };
    let before = listed().await;
    assert_eq!(before.0, "OFFLINE");
    let mut desk = desk_of(&site, &tesla.ann).await;
    let mut admin = site
        .desk(&format!("/ws/agent/{}/?token={}", tesla.bob.0, tesla.admin))
        .await;
    assert_eq!(listed().await, before);
    let set = |status: &str| json!({"type": "status_update", "status": status});
    desk.send(&set("BUSY")).await;
    let told = desk.push("agent_status_update").await;
    assert_eq!(
        (&told["agent_id"], &told["agent_name"], &told["status"]),
        (&json!(tesla.ann.0), &json!("Ann"), &json!("BUSY"))
    );
    assert_eq!(listed().await, ("BUSY".to_owned(), before.1));
    desk.send(&set("ASLEEP")).await;
    assert_eq!(desk.push("error").await["code"], "bad_field");
    admin.send(&set("BUSY")).await;
    assert_eq!(admin.push("error").await["code"], "forbidden");
}

async fn errors_say_what_is_wrong_and_the_socket_goes_on(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let quiet = site.chat_of(&tesla.id, "visitor:9", "TES001_quiet").await;
    let mut desk = desk_of(&site, &tesla.ann).await;
    let nowhere = json!({"type": "agent_join", "session_id": "TES001_none"});
    let mut stranger = update(&quiet, "transfer");
    stranger["agent_id"] = json!(999);
    for (frame, code) in [
        (json!([]), "bad_frame"),
        (json!({"type": "chat_message", "message": "x"}), "bad_field"),
        (json!({"type": "agent_join", "session_id": 7}), "bad_field"),
        (nowhere, "unknown_room"),
        (say(&quiet, "hi"), "unknown_room"),
        (join(&quiet), "wrong_stage"),
        (stranger, "wrong_stage"),
        (update(&quiet, "resolve"), "forbidden"),
        (update(&quiet, "forget"), "bad_field"),
        (json!({"type": "dance"}), "unknown_type"),
    ] {
        desk.send(&frame).await;
        let refused = desk.next().await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("error"), &json!(code)),
            "{frame}"
        );
    }
    let (chat, _page) = waiting(&site, &tesla, "TES001_abc").await;
    let mut bob = desk_of(&site, &tesla.bob).await;
    bob.send(&join(&chat)).await;
    bob.push("agent_joined").await;
    desk.send(&join(&chat)).await;
    assert_eq!(desk.push("error").await["code"], "forbidden", "bob has it");
    desk.send(&json!({"type": "ping"})).await;
    desk.push("pong").await;
}

async fn nothing_of_one_company_reaches_another(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spacex = staffed(&site, &root, "Spacex").await;
    let mut tesla_desk = desk_of(&site, &tesla.ann).await;
    let mut spacex_desk = desk_of(&site, &spacex.ann).await;
    let path = format!("/ws/handoff/{}/?token={}", spacex.id, spacex.admin);
    let mut spacex_board = site.desk(&path).await;
    // One name for two chats of two companies.
    let (chat, mut page) = waiting(&site, &tesla, "SAME").await;
    tesla_desk.send(&join(&chat)).await;
    page.told(&["agent_joined"]).await;
    tesla_desk.send(&say(&chat, "ours")).await;
    page.hears("ours").await;
    for frame in [say(&chat, "theirs"), join(&chat), update(&chat, "resolve")] {
        spacex_desk.send(&frame).await;
        assert_eq!(spacex_desk.next().await["code"], "unknown_room", "{frame}");
    }
    let mut transfer = update(&chat, "transfer");
    transfer["agent_id"] = json!(spacex.ann.0);
    tesla_desk.send(&transfer).await;
    assert_eq!(tesla_desk.push("error").await["code"], "not_found");
    let (own, mut own_page) = waiting(&site, &spacex, "SAME").await;
    spacex_desk.send(&join(&own)).await;
    own_page.told(&["agent_joined"]).await;
    spacex_desk.send(&say(&own, "mine")).await;
    own_page.hears("mine").await;
    // The first of anything that each of them was told is of their own chat.
    let first = spacex_desk.push("chat_message").await;
    assert_eq!(first["message"], "mine");
    let name = spacex_desk.push("agent_joined").await;
    assert_eq!(name["agent_info"]["id"], spacex.ann.0);
    let seen = spacex_board.next().await;
    assert_eq!(seen["data"]["handoff_id"], own.number(1), "{seen}");
    page.say("still only ours").await;
    page.hears("still only ours").await;
    assert_eq!(tesla_desk.push("chat_message").await["message"], "ours");
    let second = tesla_desk.push("chat_message").await;
    assert_eq!(second["message"], "still only ours");
}

async fn sockets_of_a_removed_agent_close(bus: Bus) {
    let (site, tesla, _) = site_of(bus).await;
    let (chat, mut page) = waiting(&site, &tesla, "TES001_abc").await;
    let mut desk = desk_of(&site, &tesla.ann).await;
    desk.send(&join(&chat)).await;
    page.told(&["agent_joined"]).await;
    let beside = site
        .desk(&format!("{}?token={}", chat.path(), tesla.ann.1))
        .await;
    let board = board_of(&site, &tesla.ann).await;
    let mut bob = desk_of(&site, &tesla.bob).await;
    let request = site.request("POST", "/api/auth/logout/");
    let left = request.bearer_auth(&tesla.ann.1).send().await;
    assert_eq!(left.expect("an answer").status(), 204);
    for mut socket in [desk, beside, board] {
        assert_eq!(soon("it is closed", socket.closed()).await.0, 4001);
    }
    // The visitor and the others go on.
    page.say("hello?").await;
    page.hears("hello?").await;
    let reset = json!({"agent_id": tesla.bob.0});
    let path = "/api/admin-dashboard/reset-agent-password/";
    post(&site, path, Some(&tesla.admin), reset, 200).await;
    assert_eq!(soon("it is closed", bob.closed()).await.0, 4001);
}

async fn a_closed_company_has_neither_agents_nor_visitors(bus: Bus) {
    let (site, tesla, root) = site_of(bus).await;
    let spacex = staffed(&site, &root, "Spacex").await;
    let (chat, page) = waiting(&site, &tesla, "TES001_abc").await;
    let desk = desk_of(&site, &tesla.ann).await;
    let (own, mut own_page) = waiting(&site, &spacex, "SPA001_abc").await;
    let listed = get(&site, "/api/auth/list-admins/?search=tesla", &root, 200).await;
    let id = &listed["results"][0]["id"];
    let path = format!("/api/auth/delete-admin/{id}/");
    let closed = site.http("DELETE", &path, Some(&root), &Value::Null).await;
    assert_eq!(closed.0, 200);
    for mut socket in [page, desk] {
        assert_eq!(soon("it is closed", socket.closed()).await.0, 4001);
    }
    let path = format!("{}?session_token={}", chat.path(), chat.token);
    assert_eq!(site.closes(&path, &[]).await, 4001);
    own_page.say("we go on").await;
    own_page.hears("we go on").await;
    assert_eq!(own.company, spacex.id);
}
