//! The page at `/`: a few plain files, part of the program, so that a first try needs nothing
//! else.
//!
//! Invariants: the page runs no inline script or style, talks to its own server only, and is never
//! framed; the address of a page may hold a token, so it is sent to nobody.
//! Never: renders anything; what the page shows it asks over the socket.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const PAGE: &str = include_str!("../web/index.html");
const SCRIPT: &str = include_str!("../web/demo.js");
const CLIENT: &str = include_str!("../web/chat.js");
const FILES: &str = include_str!("../web/files.js");
const PROFILES: &str = include_str!("../web/profiles.js");
const UPLOAD: &str = include_str!("../web/upload.js");
const ICON: &str = include_str!("../web/icon.svg");
const STYLE: &str = include_str!("../web/demo.css");

/// `'self'` covers a socket to the own host in current browsers only; `ws:` and `wss:` serve the
/// others.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
     object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of this file.
pub fn routes() -> Router {
    let file = |content_type, body| get(async move || asset(content_type, body));
    Router::new()
        .route("/", file("text/html; charset=utf-8", PAGE))
        .route("/demo.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/chat.js", file("text/javascript; charset=utf-8", CLIENT))
        .route(
            "/profiles.js",
            file("text/javascript; charset=utf-8", PROFILES),
        )
        .route("/files.js", file("text/javascript; charset=utf-8", FILES))
        .route("/upload.js", file("text/javascript; charset=utf-8", UPLOAD))
        .route("/demo.css", file("text/css; charset=utf-8", STYLE))
        .route("/icon.svg", file("image/svg+xml", ICON))
}

fn asset(content_type: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The files change with the program, under the same names.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_no_inline_script_or_style_and_names_no_other_host() {
        let page = PAGE.to_lowercase();
        for inline in [
            "<style",
            " style=",
            " onclick=",
            " onload=",
            " onsubmit=",
            "javascript:",
        ] {
            assert!(!page.contains(inline), "{inline}");
        }
        let own_scripts = page.matches("<script type=\"module\" src=\"/").count();
        assert_eq!(page.matches("<script").count(), own_scripts);
        assert!(!page.contains("data:"));
        for text in [PAGE, SCRIPT, CLIENT, FILES, PROFILES, UPLOAD, STYLE] {
            assert!(!text.contains("https://") && !text.contains("http://"));
        }
    }

    #[test]
    fn the_page_is_served_with_its_policy() {
        let response = asset("text/html; charset=utf-8", PAGE);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
    }
}
