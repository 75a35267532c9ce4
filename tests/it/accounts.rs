//! People with an account: the documented way from who runs the installation to an agent at work,
//! two companies at once; what ends a login ends its sockets; nobody acts for another company.

use serde_json::{Value, json};

use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, get, installation, log_in, post, provide, text, token,
};
use crate::support::token::token_with;
use crate::support::{Bus, Site, in_both_buses, soon, until};
use frontdesk_protocol::CompanyId;
use frontdesk_storage::Directory;

in_both_buses!(
    a_superadmin_makes_companies_whose_admins_make_agents_who_log_in,
    no_admin_reaches_what_is_another_companys,
    nobody_administers_with_a_hosts_token_or_too_small_a_role,
    a_wrong_name_is_answered_as_a_wrong_password_and_guessing_ends,
    a_plan_limits_agents,
    accounts_survive_a_restart_of_everything_in_memory,
    a_company_from_before_there_were_numbers_is_not_given_to_a_new_one,
    what_is_refused_leaves_nothing_behind,
    an_agent_is_not_taken_for_the_admin_of_a_company_that_has_none,
    a_company_of_the_settings_gets_an_admin,
    a_change_that_is_refused_changes_nothing_and_a_plan_can_be_taken_away,
    an_admin_cannot_fill_the_threads_that_hash,
    companies_are_listed_page_by_page_in_either_order,
    an_account_that_opens_a_conversation_is_shown_by_name,
);

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
        let expected = match path.contains("company_id") {
            true => (403, json!("forbidden")),
            false => (404, json!("not_found")),
        };
        assert_eq!(
            (status, answer["code"].clone()),
            expected,
            "{method} {path}"
        );
        assert!(!answer.to_string().contains("bob@"), "{answer}");
    }
    let listed = "/api/admin-dashboard/list-agents/";
    let of_other = format!("{listed}?company_id={spacex}");
    get(&site, &of_other, &tesla_admin, 403).await;
    assert_eq!(get(&site, listed, &tesla_admin, 200).await, json!([]));
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
    // The address that was refused for the plan is free at once, as is that of an admin whose plan
    // there is not.
    post(&site, path, Some(&admin), body, 201).await;
    let path = "/api/auth/create-admin/";
    let mut body = json!({"name": "Acme", "email": "admin@acme.example", "plan_id": 99});
    post(&site, path, Some(&root), body.clone(), 404).await;
    body["plan_id"] = plan["id"].clone();
    post(&site, path, Some(&root), body, 201).await;
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

async fn a_company_from_before_there_were_numbers_is_not_given_to_a_new_one(bus: Bus) {
    let older = |store: &frontdesk_storage::Store| {
        let id = CompanyId::new("ACM001").expect("valid");
        assert!(store.create_company(&id).expect("made"));
    };
    let site = Site::over(bus, older, provide).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (made, _) = company(&site, &root, "Acme").await;
    assert_eq!(made, "ACM002");
    let listed = get(&site, "/api/auth/list-admins/?search=acm001", &root, 200).await;
    assert_eq!(listed["count"], json!(1));
}

async fn what_is_refused_leaves_nothing_behind(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let before = get(&site, "/api/auth/list-admins/", &root, 200).await["count"].clone();
    let huge = format!("{}@x.example", "x".repeat(70_000));
    let path = "/api/auth/create-admin/";
    for email in ["no address", "root@localhost", huge.as_str()] {
        let body = json!({"name": "Acme", "email": email});
        let refused = post(&site, path, Some(&root), body, 400).await;
        assert_eq!(refused["code"], json!("bad_field"), "{refused}");
    }
    let taken = json!({"name": "Acme", "email": ROOT});
    post(&site, path, Some(&root), taken, 409).await;
    assert_eq!(
        get(&site, "/api/auth/list-admins/", &root, 200).await["count"],
        before
    );
    // A card that is refused keeps no address.
    let (_, admin) = company(&site, &root, "Tesla").await;
    let path = "/api/admin-dashboard/create-agent/";
    let phone = "1".repeat(256);
    let body = json!({"name": "Ann", "email": "ann@tesla.example", "phone": phone});
    post(&site, path, Some(&admin), body, 400).await;
    agent(&site, &admin, "ann@tesla.example").await;
    // Whoever tries a name that no account can have is told as any other.
    let body = json!({"username": huge, "password": "x"});
    post(&site, "/api/auth/login/", None, body, 404).await;
}

async fn an_agent_is_not_taken_for_the_admin_of_a_company_that_has_none(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    // A company of the settings has no admin; its first account is this agent.
    let path = "/api/admin-dashboard/create-agent/?company_id=TES001";
    let body = json!({"name": "Ann", "email": "ann@tes.example"});
    let made = post(&site, path, Some(&root), body, 201).await;
    let id = made["agent"]["id"].as_u64().expect("a number");
    let change = json!({"name": "Tesla Inc"});
    let path = format!("/api/auth/update-admin/{id}/");
    let (status, changed) = site.http("PUT", &path, Some(&root), &change).await;
    assert_eq!((status, &changed["name"]), (200, &json!("Tesla Inc")));
    let path = "/api/admin-dashboard/list-agents/?company_id=TES001";
    assert_eq!(get(&site, path, &root, 200).await[0]["name"], json!("Ann"));
}

async fn a_company_of_the_settings_gets_an_admin(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    // Its first account is an agent, so its admin has another number than it was known by.
    let path = "/api/admin-dashboard/create-agent/?company_id=TES001";
    let body = json!({"name": "Ann", "email": "ann@tes.example"});
    let made = post(&site, path, Some(&root), body, 201).await;
    let id = made["agent"]["id"].as_u64().expect("a number");
    let path = format!("/api/auth/update-admin/{id}/");
    let body = json!({"email": "boss@tes.example", "phone_number": "7"});
    let (status, changed) = site.http("PATCH", &path, Some(&root), &body).await;
    assert_eq!(status, 200, "{changed}");
    let password = text(&changed["password"]);
    let admin = token(&site, "boss@tes.example", &password).await;
    let listed = get(&site, "/api/admin-dashboard/list-agents/", &admin, 200).await;
    assert_eq!(listed[0]["name"], json!("Ann"));
    let path = "/api/auth/list-admins/?search=tes001";
    let listed = get(&site, path, &root, 200).await;
    let found = &listed["results"][0];
    assert_ne!(found["id"], json!(id));
    assert_eq!(found.get("password"), None);
    let path = format!("/api/auth/delete-admin/{}/", found["id"]);
    site.http("DELETE", &path, Some(&root), &Value::Null).await;
    get(&site, "/api/auth/profile/", &admin, 401).await;
}

async fn a_change_that_is_refused_changes_nothing_and_a_plan_can_be_taken_away(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let plan = json!({"plan_name": "Small", "max_agents": 1, "price": "9.00"});
    let plan = post(&site, "/api/auth/create-plan/", Some(&root), plan, 201).await;
    let body = json!({"name": "Tesla", "email": "admin@tesla.example", "plan_id": plan["id"]});
    let made = post(&site, "/api/auth/create-admin/", Some(&root), body, 201).await;
    let path = format!("/api/auth/update-admin/{}/", made["id"]);
    let put = async |body: Value| site.http("PUT", &path, Some(&root), &body).await;
    let (status, _) = put(json!({"name": "Other", "plan_id": 99})).await;
    assert_eq!(status, 404);
    let (status, same) = put(json!({})).await;
    assert_eq!(
        (status, &same["name"], &same["plan"]["name"]),
        (200, &json!("Tesla"), &json!("Small"))
    );
    let (status, without) = put(json!({"plan_id": null})).await;
    assert_eq!((status, &without["plan"]), (200, &Value::Null));
}

async fn an_admin_cannot_fill_the_threads_that_hash(bus: Bus) {
    let site = Site::with(bus, |config| {
        provide(config);
        config.limits.passwords_per_minute_company = 3;
    })
    .await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (_, tesla) = company(&site, &root, "Tesla").await;
    let (_, spacex) = company(&site, &root, "SpaceX").await;
    let (id, _) = agent(&site, &tesla, "ann@tesla.example").await;
    let path = "/api/admin-dashboard/reset-agent-password/";
    let body = json!({"agent_id": id});
    for _ in 0..2 {
        post(&site, path, Some(&tesla), body.clone(), 200).await;
    }
    let request = site.request("POST", path).bearer_auth(&tesla).json(&body);
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    // The other company's admins go on, and so does this one after a while.
    agent(&site, &spacex, "bob@spacex.example").await;
    site.clock.leap_ms(20_000);
    post(&site, path, Some(&tesla), body, 200).await;
}

async fn companies_are_listed_page_by_page_in_either_order(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    company(&site, &root, "Acme").await;
    let ids = async |query: &str| {
        let path = format!("/api/auth/list-admins/?{query}");
        let page = get(&site, &path, &root, 200).await;
        assert_eq!(page["count"], json!(3), "{page}");
        let results = page["results"].as_array().expect("a list").clone();
        let id = |shown: &Value| text(&shown["company_id"]);
        results.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids("page_size=2").await, ["TES001", "SPA001"]);
    assert_eq!(ids("page_size=2&page=2").await, ["ACM001"]);
    assert_eq!(ids("page_size=2&page=3").await, [""; 0]);
    let latest = "page_size=2&ordering=-created_at";
    assert_eq!(ids(latest).await, ["ACM001", "SPA001"]);
    assert_eq!(ids(&format!("{latest}&page=2")).await, ["TES001"]);
    let by_name = ids("ordering=-company_id").await;
    assert_eq!(by_name, ["TES001", "SPA001", "ACM001"]);
}

async fn an_account_that_opens_a_conversation_is_shown_by_name(bus: Bus) {
    let site = installation(bus).await;
    let root = token(&site, ROOT, ROOT_PASSWORD).await;
    let (tesla, admin) = company(&site, &root, "Tesla").await;
    let (_, ann) = agent(&site, &admin, "ann@tesla.example").await;
    let guest = token_with(&json!("guest"), &json!({"company_id": tesla}));
    let body = json!({"participants": ["guest"], "direct": true});
    post(&site, "/v1/rooms", Some(&ann), body, 201).await;
    let named = async {
        let path = "/api/chat/conversations/";
        while get(&site, path, &guest, 200).await[0]["other_participant"]["name"] != "Ann" {}
    };
    soon("her name is shown", named).await;
}
