//! The OpenAPI document: what stands in it beside the routes, which bring their own parts.
//!
//! A module with routes returns an `OpenApiRouter`: a handler is documented where it is written,
//! and `routes!` adds the handler and its documentation at once.
//!
//! Invariants: the document is made of the routes at start and never changes; a path stands in it
//! without a trailing slash, whichever form a client uses.
//! Never: describes a route that is not served.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ErrorBody;

/// The document before any route: its head, the way to say who one is, the body of errors.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "frontdesk",
        description = "Rooms and messages of a customer chat. Every error is an `ErrorBody`, and \
                       every path is served with and without a trailing slash."
    ),
    components(schemas(ErrorBody)),
    tags(
        (name = "rooms", description = "Rooms and their messages"),
        (name = "uploads", description = "Resumable uploads: tus 1.0, and the IETF draft"),
        (name = "people", description = "People of a company, and what it offers them"),
        (name = "conversations", description = "The routes of inbox, crm and direct clients"),
        (name = "bot", description = "Talking to a bot over HTTP alone"),
        (name = "logins", description = "Logging in with an account"),
        (name = "companies", description = "Companies and plans, for superadmins"),
        (name = "accounts", description = "A company's accounts, for its admins and superadmins"),
        (name = "agents", description = "A company's agents, for its admins"),
        (name = "visitors", description = "What a visitor's page asks before anybody is known"),
        (name = "chats", description = "A visitor's chat with a company's bot and its people"),
        (name = "handoff", description = "From the bot to people and back"),
        (name = "profiles", description = "What a company's visitors answered, for its admins"),
        (name = "files", description = "Downloads, by links that were told"),
        (name = "sockets", description = "WebSocket upgrades; PROTOCOL.md describes the frames"),
        (name = "machines", description = "What machines ask of a node"),
    )
)]
struct Head;

/// The text of the document, once every route is known.
#[derive(Clone, Default)]
pub(super) struct DocumentText(Arc<OnceLock<Bytes>>);

impl DocumentText {
    /// Writes the document down; to be done once, when no route comes any more.
    pub(super) fn write(&self, document: &OpenApi) {
        let text = serde_json::to_vec(document).expect("its keys are texts");
        self.0.get_or_init(|| Bytes::from(text));
    }
}

/// A router that documents itself and nothing else yet.
pub(super) fn documented<S>(text: DocumentText) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let mut head = <Head as utoipa::OpenApi>::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token of the host application, HS256"))
        .build();
    let components = head.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    OpenApiRouter::with_openapi(head)
        .routes(routes!(openapi_document))
        .with_state(text)
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "machines",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn openapi_document(State(text): State<DocumentText>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        // It changes with the program, under the same name.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, text.0.get().cloned().unwrap_or_default())
}

/// Refusals that every route behind a token has, for its `responses(…)`.
pub(crate) struct BehindToken;

impl utoipa::IntoResponses for BehindToken {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let refusals = [
            (
                StatusCode::UNAUTHORIZED,
                "no token, or one that is not accepted",
            ),
            (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            (StatusCode::INTERNAL_SERVER_ERROR, "our side broke"),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy or draining; the same request may succeed",
            ),
        ];
        refusals.map(refusal).into()
    }
}

/// Refusals that every route without a token has.
pub(crate) struct Open;

impl utoipa::IntoResponses for Open {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let refusals = [
            (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            (StatusCode::INTERNAL_SERVER_ERROR, "our side broke"),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy or draining; the same request may succeed",
            ),
        ];
        refusals.map(refusal).into()
    }
}

/// Refusals of every route that administers something.
pub(crate) struct Governed;

impl utoipa::IntoResponses for Governed {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let refusals = [
            (
                StatusCode::BAD_REQUEST,
                "the path, the query or the body does not fit",
            ),
            (StatusCode::FORBIDDEN, "not somebody who may do this"),
            (StatusCode::NOT_FOUND, "not there, or not the caller's"),
        ];
        let mut all = BehindToken::responses();
        all.extend(refusals.map(refusal));
        all
    }
}

/// The same of those that take a body.
pub(crate) struct GovernedBody;

impl utoipa::IntoResponses for GovernedBody {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        let mut all = Governed::responses();
        all.extend([refusal(too_large)]);
        all
    }
}

fn refusal((status, why): (StatusCode, &str)) -> (String, RefOr<utoipa::openapi::Response>) {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ErrorBody")))
        .build();
    let mut response = ResponseBuilder::new()
        .description(why)
        .content("application/json", body);
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1));
        let header = HeaderBuilder::new()
            .schema(Some(seconds))
            .description(Some("Seconds to wait before the next try"))
            .build();
        response = response.header("Retry-After", header);
    }
    (status.as_u16().to_string(), response.build().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::{ReadyProbe, health};
    use super::*;

    /// Routes that are no resources: what means nothing is answered there, by ours and by axum's
    /// own two.
    const NO_RESOURCES: [&str; 3] = ["/ws/{*path}", "/", "/{*__private__axum_fallback}"];

    fn every_route() -> OpenApiRouter<Arc<crate::app::App>> {
        let ready = ReadyProbe::new(async || Ok(()));
        documented(DocumentText::default())
            .merge(health::routes(ready))
            .merge(health::metrics_routes())
            .merge(crate::node::resources())
            .merge(crate::ws::upgrade::routes())
    }

    fn whole_document() -> Value {
        serde_json::to_value(every_route().into_openapi()).unwrap()
    }

    /// What the router itself says of its paths.
    fn routed_paths(router: &axum::Router<Arc<crate::app::App>>) -> BTreeSet<String> {
        let shown = format!("{router:?}");
        let texts = shown.split('"').skip(1).step_by(2);
        let paths = texts.filter(|text| text.starts_with('/'));
        paths.map(str::to_owned).collect()
    }

    #[test]
    fn every_route_stands_in_the_document() {
        let (router, document) = every_route().split_for_parts();
        let routed = routed_paths(&router);
        assert!(routed.contains("/v1/rooms"), "{routed:?}");
        let mut documented: BTreeSet<String> = document.paths.paths.into_keys().collect();
        documented.extend(NO_RESOURCES.map(str::to_owned));
        assert_eq!(routed, documented);
    }

    #[test]
    fn no_path_ends_in_a_slash() {
        let document = every_route().into_openapi();
        for path in document.paths.paths.keys() {
            assert!(path.starts_with('/') && !path.ends_with('/'), "{path}");
        }
    }

    fn operations(document: &Value) -> Vec<(String, &Value)> {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                operations.push((format!("{method} {path}"), operation));
            }
        }
        operations
    }

    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    found.insert(reference);
                }
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn the_document_is_openapi_3_1_and_complete_in_itself() {
        let document = whole_document();
        assert_eq!(document["openapi"], "3.1.0");
        assert!(document["info"]["version"].is_string());
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 5, "{found:?}");
        for reference in found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference}");
        }
        let schemes = &document["components"]["securitySchemes"];
        for (name, operation) in operations(&document) {
            let needs = operation["security"].as_array().into_iter().flatten();
            for scheme in needs.flat_map(|need| need.as_object().unwrap().keys()) {
                assert!(schemes[scheme].is_object(), "{name}: {scheme}");
            }
        }
    }

    #[test]
    fn every_operation_has_a_name_a_text_its_path_s_parts_and_answers() {
        let document = whole_document();
        let tags = document["tags"].as_array().unwrap();
        let mut names = BTreeSet::new();
        for (name, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(names.insert(id.to_owned()), "{name}: {id} stands twice");
            assert!(operation["summary"].is_string(), "{name}");
            let tag = &operation["tags"][0];
            assert!(
                tags.iter().any(|known| known["name"] == *tag),
                "{name}: {tag}"
            );
            let in_path: BTreeSet<&str> = name
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap())
                .collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let described: BTreeSet<&str> = parameters
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            assert_eq!(in_path, described, "{name}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(!responses.is_empty(), "{name}");
            for response in responses.values() {
                assert!(response["description"].is_string(), "{name}");
            }
        }
    }
}
