//! `/docs`: the OpenAPI document as a page to read and to try routes from. The page's script is
//! Swagger UI, part of this program: nothing is fetched from another host.
//!
//! Invariants: the page runs no inline script and talks to its own server only.
//! Never: renders anything by itself.

mod archive;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

use archive::Entry;

const PAGE: &str = include_str!("../../../web/docs.html");
const START: &str = include_str!("../../../web/docs.js");

const SCRIPT_ENTRY: Entry = archive::find(SWAGGER_UI_VENDORED, "/dist/swagger-ui-bundle.js");
const STYLE_ENTRY: Entry = archive::find(SWAGGER_UI_VENDORED, "/dist/swagger-ui.css");
/// Only these two files of the archive become part of the program.
static SCRIPT: [u8; SCRIPT_ENTRY.gzip_bytes()] = SCRIPT_ENTRY.gzip(SWAGGER_UI_VENDORED);
static STYLE: [u8; STYLE_ENTRY.gzip_bytes()] = STYLE_ENTRY.gzip(SWAGGER_UI_VENDORED);

/// Swagger UI draws its icons as `data:` images.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// The routes of this folder. Holds no async closure itself: their types need its own, which needs
/// the files' sizes, which an optimising compiler cannot compute before it knows all closures.
pub(super) fn routes() -> Router {
    Router::new()
        .route("/docs", plain(HTML, PAGE))
        .route("/docs/start.js", plain(JAVASCRIPT, START))
        .route("/docs/swagger-ui-bundle.js", packed(JAVASCRIPT, &SCRIPT))
        .route("/docs/swagger-ui.css", packed(CSS, &STYLE))
}

fn plain(content_type: &'static str, body: &'static str) -> MethodRouter {
    get(async move || with_headers(content_type, body.into_response()))
}

fn packed(content_type: &'static str, body: &'static [u8]) -> MethodRouter {
    get(async move || {
        // As it lies in the archive. A browser unpacks it; what cannot has no use for the page.
        let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        with_headers(content_type, ([encoding], body).into_response())
    })
}

fn with_headers(content_type: &'static str, mut response: Response) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The files change with the program, under the same names.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_no_inline_script_or_style_and_names_no_other_host() {
        for inline in ["<style", " style=", " onload=", "javascript:"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        let own_scripts = PAGE.matches("<script src=\"/docs/").count();
        assert_eq!((own_scripts, PAGE.matches("<script").count()), (2, 2));
        for text in [PAGE, START] {
            assert!(!text.contains("://"), "{text}");
        }
    }

    #[test]
    fn the_policy_allows_scripts_of_this_server_only() {
        let policy = CONTENT_SECURITY_POLICY;
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert!(
            !policy.contains("http") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
}
