//! What ends a login, an account or a company ends its tokens and closes its sockets.

use serde_json::{Value, json};

use crate::support::socket::Socket;
use crate::support::staff::{
    ROOT, ROOT_PASSWORD, agent, company, get, installation, log_in, post, text, token,
};
use crate::support::token::{token_of, token_with};
use crate::support::{Bus, in_both_buses, soon};

in_both_buses!(
    a_refresh_token_counts_once_and_a_second_use_ends_the_login,
    whoever_is_taken_away_or_logs_out_loses_the_sockets_at_once,
    a_closed_company_is_nobodys,
);

async fn closed(mut socket: Socket) -> u16 {
    soon("it is closed", socket.closed()).await.0
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
