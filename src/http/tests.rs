//! The assembled router, asked without a socket.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use super::*;

/// An address that asks too much.
const BUSY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
/// An origin that may read answers.
const ORIGIN: &str = "https://shop.example";
/// One that a company names.
const NAMED_ORIGIN: &str = "https://named.example";

#[derive(Debug, Deserialize)]
struct Numbers {
    left: u32,
    right: u32,
}

fn app() -> Router {
    let sum =
        async |JsonBody(numbers): JsonBody<Numbers>| (numbers.left + numbers.right).to_string();
    let product =
        async |QueryOf(numbers): QueryOf<Numbers>| (numbers.left * numbers.right).to_string();
    let square = async |PathOf(side): PathOf<u32>| (side * side).to_string();
    let broken = async || -> String { panic!("a bug at /srv/secret.rs") };
    let routes = Router::new()
        .route("/sum", post(sum))
        .route("/product", axum::routing::get(product))
        .route("/square/{side}", axum::routing::get(square))
        .route("/broken", axum::routing::get(broken));
    let mut config = Config::default();
    config.limits.http_body_bytes = 64;
    config.server.cors_origins = vec![ORIGIN.to_owned()];
    router(brought(routes, ReadyProbe::new(async || Ok(()))), &config)
}

fn brought(routes: Router, ready: ReadyProbe) -> Brought {
    Brought {
        resources: routes.into(),
        sockets: OpenApiRouter::default(),
        ready,
        admit: Admission::new(|address| match address {
            BUSY => Err(TooSoon { wait_ms: 2_500 }),
            _ => Ok(()),
        }),
        names_origin: Arc::new(|origin| origin == NAMED_ORIGIN),
    }
}

async fn ask(app: Router, method: Method, path: &str, body: &str) -> (StatusCode, Response) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = app.oneshot(request).await.unwrap();
    (response.status(), response)
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn refused(method: Method, path: &str, body: &str) -> (StatusCode, Value) {
    let (status, response) = ask(app(), method, path, body).await;
    let body = text(response).await;
    (
        status,
        serde_json::from_str(&body).expect("every error is JSON"),
    )
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_answer_json() {
    let (status, body) = refused(Method::GET, "/nowhere", "").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::NOT_FOUND, &Value::from("not_found"))
    );
    for path in ["/sum", "/square/3"] {
        let (status, body) = refused(Method::DELETE, path, "").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(body["code"], "method_not_allowed");
    }
    let (status, _) = refused(Method::POST, "/healthz", "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_handler_that_panics_is_one_failed_request() {
    let (status, body) = refused(Method::GET, "/broken", "").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["code"], "internal");
    assert!(!body.to_string().contains("secret"), "{body}");
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit() {
    let (status, response) = ask(app(), Method::POST, "/sum", r#"{"left":2,"right":3}"#).await;
    assert_eq!((status, &*text(response).await), (StatusCode::OK, "5"));
    let long = format!(r#"{{"left":2,"right":3{}}}"#, " ".repeat(64));
    let (status, body) = refused(Method::POST, "/sum", &long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(body["code"], "frame_too_large");
}

#[tokio::test]
async fn what_does_not_fit_names_the_field() {
    let (status, body) = refused(Method::POST, "/sum", r#"{"left":"x","right":3}"#).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::BAD_REQUEST, &Value::from("bad_field"))
    );
    assert!(body["message"].as_str().unwrap().contains("left"), "{body}");
    let (status, body) = refused(Method::POST, "/sum", "{").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::BAD_REQUEST, &Value::from("bad_frame"))
    );
    let (status, body) = refused(Method::GET, "/product?left=1", "").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::BAD_REQUEST, &Value::from("bad_field"))
    );
    assert!(
        body["message"].as_str().unwrap().contains("right"),
        "{body}"
    );
    let (status, body) = refused(Method::GET, "/square/x", "").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::BAD_REQUEST, &Value::from("bad_field"))
    );
}

#[tokio::test]
async fn machines_are_told_health_readiness_and_figures() {
    let (status, response) = ask(app(), Method::GET, "/healthz", "").await;
    assert_eq!((status, &*text(response).await), (StatusCode::OK, "ok\n"));
    let (status, _) = ask(app(), Method::GET, "/readyz", "").await;
    assert_eq!(status, StatusCode::OK);
    let red = ReadyProbe::new(async || Err("sync failed".to_owned()));
    let red = router(brought(Router::new(), red), &Config::default());
    let (status, response) = ask(red, Method::GET, "/readyz", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(response).await.contains("sync failed"));
    metrics::counter!("frontdesk_http_test_total").increment(1);
    let (status, response) = ask(app(), Method::GET, "/metrics", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
}

#[tokio::test]
async fn the_page_and_its_parts_are_served() {
    let (status, response) = ask(app(), Method::GET, "/", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        response
            .headers()
            .contains_key(header::CONTENT_SECURITY_POLICY)
    );
    let page = text(response).await;
    let parts = page
        .split('"')
        .filter(|part| part.starts_with('/') && part.len() > 1);
    let parts: Vec<&str> = parts.collect();
    assert!(parts.len() >= 3, "{parts:?}");
    let modules = ["/chat.js", "/files.js", "/profiles.js", "/upload.js"];
    for part in parts.into_iter().chain(modules) {
        let (status, _) = ask(app(), Method::GET, part, "").await;
        assert_eq!(status, StatusCode::OK, "{part}");
    }
}

#[tokio::test]
async fn a_trailing_slash_changes_nothing() {
    for path in [
        "/square/3",
        "/square/3/",
        "/product?left=3&right=3",
        "/product/?left=3&right=3",
    ] {
        let (status, response) = ask(app(), Method::GET, path, "").await;
        assert_eq!(
            (status, &*text(response).await),
            (StatusCode::OK, "9"),
            "{path}"
        );
    }
    for path in ["/square/3//", "//square/3", "//"] {
        let (status, _) = ask(app(), Method::GET, path, "").await;
        let expected = if path == "//" {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        assert_eq!(status, expected, "{path}");
    }
}

#[tokio::test]
async fn the_interface_page_carries_its_own_script() {
    let (status, response) = ask(app(), Method::GET, "/docs/", "").await;
    assert_eq!(status, StatusCode::OK);
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].clone();
    assert!(policy.to_str().unwrap().contains("script-src 'self';"));
    let page = text(response).await;
    let parts: BTreeSet<&str> = page
        .split('"')
        .filter(|part| part.starts_with("/docs/"))
        .collect();
    assert_eq!(parts.len(), 3, "{parts:?}");
    for part in parts {
        let (status, response) = ask(app(), Method::GET, part, "").await;
        assert_eq!(status, StatusCode::OK, "{part}");
        let is_packed = response.headers().contains_key(header::CONTENT_ENCODING);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(
            !body.is_empty() && is_packed == body.starts_with(&[0x1f, 0x8b]),
            "{part}"
        );
    }
}

async fn from_origin(app: Router, method: Method, path: &str, origin: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(" ".repeat(65)))
        .unwrap();
    app.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn answers_and_refusals_may_be_read_by_the_origins_of_the_settings() {
    for (path, method) in [
        ("/healthz", Method::GET),
        ("/nowhere", Method::GET),
        ("/sum", Method::DELETE),
        ("/sum", Method::POST),
        ("/sum/", Method::OPTIONS),
    ] {
        let response = from_origin(app(), method.clone(), path, ORIGIN).await;
        let headers = response.headers();
        let allowed = headers[header::ACCESS_CONTROL_ALLOW_ORIGIN]
            .to_str()
            .unwrap();
        assert_eq!(allowed, ORIGIN, "{method} {path}");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        let other = from_origin(app(), method.clone(), path, "https://other.example").await;
        let headers = other.headers();
        assert!(
            !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN),
            "{method} {path}"
        );
    }
    let figures = from_origin(app(), Method::GET, "/metrics", ORIGIN).await;
    assert!(
        !figures
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    );
}

#[tokio::test]
async fn a_preflight_needs_no_token_and_names_what_pages_use() {
    let response = from_origin(app(), Method::OPTIONS, "/sum", ORIGIN).await;
    assert_eq!(response.status(), StatusCode::OK);
    let list = |name| {
        let text = response.headers()[name].to_str().unwrap();
        text.to_lowercase()
            .split(',')
            .map(|word| word.trim().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let headers = list(header::ACCESS_CONTROL_ALLOW_HEADERS);
    for name in [
        "authorization",
        "content-type",
        "idempotency-key",
        "if-none-match",
    ] {
        assert!(headers.contains(name), "{headers:?}");
    }
    let methods = list(header::ACCESS_CONTROL_ALLOW_METHODS);
    assert_eq!(methods.len(), 6, "{methods:?}");
}

#[tokio::test]
async fn any_origin_reads_without_credentials() {
    let mut config = Config::default();
    config.server.cors_origins = vec!["*".to_owned()];
    let any = router(
        brought(Router::new(), ReadyProbe::new(async || Ok(()))),
        &config,
    );
    let response = from_origin(any, Method::GET, "/healthz", ORIGIN).await;
    let headers = response.headers();
    assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN);
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    let none = router(
        brought(Router::new(), ReadyProbe::new(async || Ok(()))),
        &Config::default(),
    );
    let response = from_origin(none.clone(), Method::OPTIONS, "/healthz", ORIGIN).await;
    assert!(
        !response
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    );
    // What a company names needs no setting of the installation.
    for method in [Method::OPTIONS, Method::GET] {
        let response = from_origin(none.clone(), method, "/healthz", NAMED_ORIGIN).await;
        let headers = response.headers();
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], NAMED_ORIGIN);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }
}

#[tokio::test]
async fn an_address_that_asks_too_much_is_refused_but_machines_are_not() {
    let from = async |path: &str, address: IpAddr| {
        let request = Request::builder()
            .uri(path)
            .header(header::ORIGIN, ORIGIN)
            .extension(SocketAddr::new(address, 5))
            .body(Body::empty())
            .unwrap();
        app().oneshot(request).await.unwrap()
    };
    for path in ["/", "/square/3", "/nowhere", "/openapi.json", "/docs/"] {
        let response = from(path, BUSY).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_eq!(response.headers()[header::RETRY_AFTER], "3");
        assert_eq!(
            response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            ORIGIN
        );
        let other = from(path, IpAddr::from([10, 0, 0, 2])).await;
        assert_ne!(other.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    for path in ["/healthz", "/readyz/", "/metrics"] {
        assert_eq!(from(path, BUSY).await.status(), StatusCode::OK, "{path}");
    }
}
