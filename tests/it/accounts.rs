//! People with an account: the documented way from who runs the installation to an agent at work,
//! two companies at once; what ends a login ends its sockets; nobody acts for another company.

use serde_json::{Value, json};

use crate::support::socket::Socket;
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, Site, in_both_buses, soon, until};
use frontdesk::config::{Secret, Superadmin};

in_both_buses!(
    a_superadmin_makes_companies_whose_admins_make_agents_who_log_in,
    no_admin_reaches_what_is_another_companys,
    nobody_administers_with_a_hosts_token_or_too_small_a_role,
    a_wrong_name_is_answered_as_a_wrong_password_and_guessing_ends,
    a_refresh_token_counts_once_and_a_second_use_ends_the_login,
    whoever_is_taken_away_or_logs_out_loses_the_sockets_at_once,
    a_closed_company_is_nobodys,
    a_plan_limits_agents,
    accounts_survive_a_restart_of_everything_in_memory,
);

const ROOT: &str = "root@desk.example";
const ROOT_PASSWORD: &str = "a long first password";

async fn installation(bus: Bus) -> Site {
    Site::with(bus, |config| {
        config.provision.superadmin = Some(Superadmin {
            email: ROOT.to_owned(),
            password: Secret::new(ROOT_PASSWORD),
        });
    })
    .await
}

/// Posts and expects this status.
async fn post(site: &Site, path: &str, token: Option<&str>, body: Value, status: u16) -> Value {
    let (found, answer) = site.http("POST", path, token, &body).await;
    assert_eq!(found, status, "{path}: {answer}");
    answer
}

async fn get(site: &Site, path: &str, token: &str, status: u16) -> Value {
    let (found, answer) = site.http("GET", path, Some(token), &Value::Null).await;
    assert_eq!(found, status, "{path}: {answer}");
    answer
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

async fn log_in(site: &Site, email: &str, password: &str) -> Value {
    let body = json!({"username": email, "password": password});
    post(site, "/api/auth/login/", None, body, 200).await
}

async fn token(site: &Site, email: &str, password: &str) -> String {
    text(&log_in(site, email, password).await["access"])
}

/// A company, its id, and its admin's token.
async fn company(site: &Site, root: &str, name: &str) -> (String, String) {
    let email = format!("admin@{}.example", name.to_lowercase());
    let body = json!({"name": name, "email": email, "address": "1 Road", "contact_person": "C",
        "contact_number": "1", "phone_number": "2"});
    let made = post(site, "/api/auth/create-admin/", Some(root), body, 201).await;
    let admin = token(site, &email, made["password"].as_str().expect("text")).await;
    (text(&made["company_id"]), admin)
}

/// An agent with a password of their own: id and token.
async fn agent(site: &Site, admin: &str, email: &str) -> (u64, String) {
    let body = json!({"name": "Ann", "email": email, "phone": "1", "specialization": "all"});
    let made = post(
        site,
        "/api/admin-dashboard/create-agent/",
        Some(admin),
        body,
        201,
    )
    .await;
    let first = text(&made["password"]);
    let told = log_in(site, email, &first).await;
    assert_eq!(told["is_first_login"], json!(true));
    assert_eq!(told.get("access"), None);
    let own = "a password of my own";
    let body = json!({"email": email, "current_password": first, "new_password": own,
        "confirm_password": own});
    post(
        site,
        "/api/admin-dashboard/agent-first-login/",
        None,
        body,
        200,
    )
    .await;
    let id = made["agent"]["id"].as_u64().expect("a number");
    (id, token(site, email, own).await)
}

async fn a_superadmin_makes_companies_whose_admins_make_agents_who_log_in(bus: Bus) {
    let site = installation(bus).await;
    let root = log_in(&site, "ROOT@desk.example", ROOT_PASSWORD).await;
    assert_eq!(root["user"]["role"], json!("SUPERADMIN"));
    assert_eq!(root["user"]["company_id"], Value::Null);
    let root = text(&root["access"]);
    let (tesla, tesla_admin) = company(&site, &root, "Tesla").await;
    let (spacex, spacex_admin) = company(&site, &root, "SpaceX").await;
    // The site's own companies have the first number of each.
    assert_eq!((tesla.as_str(), spacex.as_str()), ("TES002", "SPA002"));
    let (_, ann) = agent(&site, &tesla_admin, "ann@tesla.example").await;
    let (_, bob) = agent(&site, &spacex_admin, "bob@spacex.example").await;
    for (company, admin, token) in [(&tesla, &tesla_admin, &ann), (&spacex, &spacex_admin, &bob)] {
        let profile = get(&site, "/api/auth/profile/", token, 200).await;
        assert_eq!(profile["role"], json!("AGENT"));
        assert_eq!(profile["company_id"], json!(company));
        let agents = get(&site, "/api/admin-dashboard/list-agents/", admin, 200).await;
        let listed = agents.as_array().expect("a list");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["company_id"], json!(company));
        assert_eq!(listed[0]["status"], json!("OFFLINE"));
    }
    let busy = json!({"status": "busy"});
    let path = "/api/admin-dashboard/update-agent-status/";
    assert_eq!(
        post(&site, path, Some(&ann), busy, 200).await["status"],
        json!("BUSY")
    );
    let listed = get(
        &site,
        "/api/auth/list-admins/?search=space&page_size=1",
        &root,
        200,
    )
    .await;
    assert_eq!(
        (&listed["count"], &listed["total_pages"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(listed["results"][0]["company_id"], json!(spacex));
    // An account is a person of its company, with sockets and rooms as everybody else.
    site.connect_with(&ann).await.close().await;
    // Nothing of a password is ever shown.
    for (path, token) in [
        ("/api/admin-dashboard/list-agents/", &tesla_admin),
        ("/api/auth/list-admins/", &root),
    ] {
        let shown = get(&site, path, token, 200).await.to_string();
        assert!(
            !shown.contains("argon2") && !shown.contains("password"),
            "{shown}"
        );
    }
}

async fn no_admin_reaches_what_is_another_companys(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (_, tesla_admin) = company(&site, &root, "Tesla").await;
    let (spacex, spacex_admin) = company(&site, &root, "SpaceX").await;
    let (bob, bob_token) = agent(&site, &spacex_admin, "bob@spacex.example").await;
    let put = json!({"name": "Mine"});
    let tries = [
        (
            "PUT",
            format!("/api/admin-dashboard/update-agent/{bob}/"),
            put.clone(),
        ),
        (
            "PUT",
            format!("/api/admin-dashboard/update-agent/{bob}/?company_id={spacex}"),
            put,
        ),
        (
            "DELETE",
            format!("/api/admin-dashboard/delete-agent/{bob}/"),
            Value::Null,
        ),
        (
            "DELETE",
            format!("/api/admin-dashboard/delete-agent/{bob}/?company_id={spacex}"),
            Value::Null,
        ),
        (
            "POST",
            "/api/admin-dashboard/reset-agent-password/".to_owned(),
            json!({"agent_id": bob}),
        ),
    ];
    for (method, path, body) in tries {
        let (status, answer) = site.http(method, &path, Some(&tesla_admin), &body).await;
        assert_eq!(
            (status, &answer["code"]),
            (404, &json!("not_found")),
            "{method} {path}"
        );
        assert!(!answer.to_string().contains("bob@"), "{answer}");
    }
    let listed = "/api/admin-dashboard/list-agents/";
    let of_other = format!("{listed}?company_id={spacex}");
    assert_eq!(get(&site, &of_other, &tesla_admin, 200).await, json!([]));
    // An address of another company is taken, and nothing more is said of it.
    let body = json!({"name": "Bob", "email": "BOB@spacex.example"});
    let path = "/api/admin-dashboard/create-agent/";
    let taken = post(&site, path, Some(&tesla_admin), body, 409).await;
    assert_eq!(taken["code"], json!("name_taken"));
    // Bob is as he was; who runs the installation reaches both.
    assert_eq!(
        get(&site, "/api/auth/profile/", &bob_token, 200).await["name"],
        json!("Ann")
    );
    assert_eq!(get(&site, &of_other, &root, 200).await[0]["id"], json!(bob));
    assert_eq!(
        get(&site, listed, &root, 400).await["code"],
        json!("bad_field")
    );
}

async fn nobody_administers_with_a_hosts_token_or_too_small_a_role(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (_, admin) = company(&site, &root, "Tesla").await;
    let (_, agent) = agent(&site, &admin, "ann@tesla.example").await;
    let host_admin = token_with(&json!("host"), &json!({"role": "admin"}));
    let host_root = token_with(&json!("host"), &json!({"role": "superadmin"}));
    let of_admins = [
        (
            "POST",
            "/api/admin-dashboard/create-agent/",
            json!({"name": "x", "email": "x@x.example"}),
        ),
        ("GET", "/api/admin-dashboard/list-agents/", Value::Null),
        ("PUT", "/api/admin-dashboard/update-agent/1/", json!({})),
        (
            "DELETE",
            "/api/admin-dashboard/delete-agent/1/",
            Value::Null,
        ),
        (
            "POST",
            "/api/admin-dashboard/reset-agent-password/",
            json!({"agent_id": 1}),
        ),
    ];
    let of_root = [
        (
            "POST",
            "/api/auth/create-admin/",
            json!({"name": "x", "email": "x@x.example"}),
        ),
        ("GET", "/api/auth/list-admins/", Value::Null),
        ("PUT", "/api/auth/update-admin/1/", json!({})),
        ("PATCH", "/api/auth/update-admin/1/", json!({})),
        ("DELETE", "/api/auth/delete-admin/1/", Value::Null),
        (
            "POST",
            "/api/auth/create-plan/",
            json!({"plan_name": "x", "max_agents": 1}),
        ),
        ("GET", "/api/auth/list-plans/", Value::Null),
    ];
    let strangers = [&host_admin, &host_root, &agent];
    for (method, path, body) in of_admins.iter().chain(&of_root) {
        for token in strangers {
            let (status, answer) = site.http(method, path, Some(token), body).await;
            assert_eq!(
                (status, &answer["code"]),
                (403, &json!("forbidden")),
                "{method} {path}"
            );
        }
        let (status, _) = site.http(method, path, None, body).await;
        assert_eq!(status, 401, "{method} {path}");
    }
    for (method, path, body) in &of_root {
        let (status, _) = site.http(method, path, Some(&admin), body).await;
        assert_eq!(status, 403, "{method} {path}");
    }
    for path in ["/api/auth/profile/"] {
        assert_eq!(
            get(&site, path, &host_root, 403).await["code"],
            json!("forbidden")
        );
    }
}

async fn a_wrong_name_is_answered_as_a_wrong_password_and_guessing_ends(bus: Bus) {
    let site = installation(bus).await;
    let wrong = json!({"username": ROOT, "password": "not this one"});
    let nobody = json!({"username": "no@desk.example", "password": "not this one"});
    let mut said = Vec::new();
    for body in [wrong.clone(), nobody] {
        let mut answer = post(&site, "/api/auth/login/", None, body, 404).await;
        answer["request_id"] = Value::Null;
        said.push(answer);
    }
    assert_eq!(said[0], said[1]);
    let blank = json!({"username": " ", "password": "x"});
    let answer = post(&site, "/api/auth/login/", None, blank, 400).await;
    assert!(answer["username"].is_array(), "{answer}");
    // Nine more of this name are refused as wrong, then for a while the right one too.
    for _ in 0..9 {
        post(&site, "/api/auth/login/", None, wrong.clone(), 404).await;
    }
    let right = json!({"username": ROOT, "password": ROOT_PASSWORD});
    let request = site.request("POST", "/api/auth/login/").json(&right);
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 429);
    let wait_s: u64 = response.headers()["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("seconds");
    site.clock.leap_ms(wait_s * 1_000);
    token(&site, ROOT, ROOT_PASSWORD).await;
    // As a form too, as these clients send it.
    site.clock.leap_ms(60_000);
    let form = format!(
        "username={ROOT}&password={}",
        ROOT_PASSWORD.replace(' ', "+")
    );
    let request = site
        .request("POST", "/api/auth/login/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

async fn a_refresh_token_counts_once_and_a_second_use_ends_the_login(bus: Bus) {
    let site = installation(bus).await;
    let path = "/api/auth/token/refresh/";
    let first = log_in(&site, ROOT, ROOT_PASSWORD).await;
    let other = token(&site, ROOT, ROOT_PASSWORD).await;
    let stolen = json!({"refresh": first["refresh"]});
    let second = post(&site, path, None, stolen.clone(), 200).await;
    let mine = text(&second["access"]);
    get(&site, "/api/auth/profile/", &mine, 200).await;
    let refused = post(&site, path, None, stolen, 401).await;
    assert_eq!(refused["code"], json!("unauthenticated"));
    // Neither of the two who had it goes on; another login does.
    let body = json!({"refresh": second["refresh"]});
    post(&site, path, None, body, 401).await;
    get(&site, "/api/auth/profile/", &mine, 401).await;
    get(&site, "/api/auth/profile/", &other, 200).await;
    // One kind of token is not another.
    let access = json!({"refresh": other});
    post(&site, path, None, access, 401).await;
    get(
        &site,
        "/api/auth/profile/",
        first["refresh"].as_str().expect("text"),
        401,
    )
    .await;
    post(&site, path, None, json!({"refresh": token_of("ann")}), 401).await;
}

async fn closed(mut socket: Socket) -> u16 {
    soon("it is closed", socket.closed()).await.0
}

async fn whoever_is_taken_away_or_logs_out_loses_the_sockets_at_once(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (_, admin) = company(&site, &root, "Tesla").await;
    let (_, ann) = agent(&site, &admin, "ann@tesla.example").await;
    let (bob, bob_token) = agent(&site, &admin, "bob@tesla.example").await;
    let (cy, cy_token) = agent(&site, &admin, "cy@tesla.example").await;
    let stays = site.connect_with(&admin).await;
    let [out, gone, reset] = [
        site.connect_with(&ann).await,
        site.connect_with(&bob_token).await,
        site.connect_with(&cy_token).await,
    ];
    let request = site.request("POST", "/api/auth/logout/").bearer_auth(&ann);
    assert_eq!(request.send().await.expect("an answer").status(), 204);
    let path = format!("/api/admin-dashboard/delete-agent/{bob}/");
    site.http("DELETE", &path, Some(&admin), &Value::Null).await;
    let path = "/api/admin-dashboard/reset-agent-password/";
    post(&site, path, Some(&admin), json!({"agent_id": cy}), 200).await;
    for socket in [out, gone, reset] {
        assert_eq!(closed(socket).await, 4001);
    }
    for token in [&ann, &bob_token, &cy_token] {
        get(&site, "/api/auth/profile/", token, 401).await;
        let mut late = Socket::open(site.address, &[]).await;
        late.send(&json!({"type": "connect", "id": 1, "token": token}))
            .await;
        assert_eq!(closed(late).await, 4001);
    }
    stays.close().await;
}

async fn a_closed_company_is_nobodys(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let guest = token_with(&json!("guest"), &json!({"company_id": tesla}));
    let [of_host, of_admin] = [
        site.connect_with(&guest).await,
        site.connect_with(&admin).await,
    ];
    let stays = site.connect("ann").await;
    let listed = get(&site, "/api/auth/list-admins/?search=tesla", &root, 200).await;
    let id = listed["results"][0]["id"].as_u64().expect("a number");
    let path = format!("/api/auth/delete-admin/{id}/");
    for _ in 0..2 {
        let (status, answer) = site.http("DELETE", &path, Some(&root), &Value::Null).await;
        assert_eq!(
            (status, &answer["deleted_admin"]["company_id"]),
            (200, &json!(tesla))
        );
    }
    for socket in [of_host, of_admin] {
        assert_eq!(closed(socket).await, 4001);
    }
    let rooms = site
        .http("GET", "/v1/rooms/1/messages", Some(&guest), &Value::Null)
        .await;
    assert_eq!(
        (rooms.0, &rooms.1["code"]),
        (401, &json!("unknown_company"))
    );
    // The other company goes on.
    stays.close().await;
}

async fn a_plan_limits_agents(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let plan = json!({"plan_name": "Small", "max_agents": 1, "price": "9.00"});
    let plan = post(&site, "/api/auth/create-plan/", Some(&root), plan, 201).await;
    let body = json!({"name": "Tesla", "email": "admin@tesla.example", "plan_id": plan["id"]});
    let made = post(&site, "/api/auth/create-admin/", Some(&root), body, 201).await;
    assert_eq!(
        made["plan"],
        json!({"id": 1, "name": "Small", "max_agents": 1, "price": "9.00"})
    );
    let admin = token(
        &site,
        "admin@tesla.example",
        made["password"].as_str().expect("text"),
    )
    .await;
    let (first, _) = agent(&site, &admin, "a1@tesla.example").await;
    let path = "/api/admin-dashboard/create-agent/";
    let body = json!({"name": "Two", "email": "a2@tesla.example"});
    let full = post(&site, path, Some(&admin), body.clone(), 409).await;
    assert_eq!(full["code"], json!("limit_reached"));
    let gone = format!("/api/admin-dashboard/delete-agent/{first}/");
    site.http("DELETE", &gone, Some(&admin), &Value::Null).await;
    // The address that was refused for the plan is kept for ten minutes, for nobody.
    site.clock.leap_ms(10 * 60 * 1_000);
    let admin = token(
        &site,
        "admin@tesla.example",
        made["password"].as_str().expect("text"),
    )
    .await;
    post(&site, path, Some(&admin), body, 201).await;
}

async fn accounts_survive_a_restart_of_everything_in_memory(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (_, admin) = company(&site, &root, "Tesla").await;
    agent(&site, &admin, "ann@tesla.example").await;
    site.clock.leap_ms(10 * 60 * 1_000);
    until("everyone sleeps", || site.counts().actors == 0).await;
    let agents = get(&site, "/api/admin-dashboard/list-agents/", &admin, 200).await;
    assert_eq!(agents.as_array().map(Vec::len), Some(1));
    token(&site, "ann@tesla.example", "a password of my own").await;
}
