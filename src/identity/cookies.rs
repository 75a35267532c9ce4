//! Cookies: what they are called, which pages may use them, and what requests carry by them.
//!
//! Owns: the agent's cookie, which holds an access token as `Authorization` would, for pages that
//! were written to send nothing; the name and attributes of a visitor's.
//!
//! Invariants: a cookie counts only for a page of this server itself or of an origin that the
//! company named; a request that changes something and has an agent's cookie says which page it
//! comes from.
//! Never: takes a host's token from a cookie.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use frontdesk_protocol::limits::TOKEN_BYTES_MAX;
use frontdesk_protocol::{CompanyId, ErrorCode, Rejection};

use crate::app::App;
use crate::auth;
use crate::auth::own::{REFRESH_TTL_S, is_own};
use crate::http::ApiError;

/// Holds the access token of somebody who is logged in.
const AGENT_COOKIE: &str = "frontdesk_agent";
/// Before the company in the name of the cookie that holds a visitor's capability.
const VISITOR_COOKIE: &str = "frontdesk_visitor_";

/// A token and how it came.
pub(crate) struct Carried<'a> {
    /// The token.
    pub(crate) token: &'a str,
    /// The browser added it by itself.
    pub(crate) is_cookie: bool,
}

/// The token of a request: its own, else that of the agent's cookie.
pub(crate) fn carried(headers: &HeaderMap) -> Option<Carried<'_>> {
    let header = headers.get(header::AUTHORIZATION);
    let own = header
        .and_then(|value| value.to_str().ok())
        .and_then(auth::from_authorization);
    if let Some(token) = own {
        let is_cookie = false;
        return Some(Carried { token, is_cookie });
    }
    let token = of_agent(headers)?;
    let is_cookie = true;
    Some(Carried { token, is_cookie })
}

/// The token of somebody who is logged in, if the request carries one that is good.
pub(super) fn access_of<'a>(app: &App, headers: &'a HeaderMap) -> Option<Carried<'a>> {
    let now = app.node.clock().now();
    let is_good = |it: &Carried<'_>| app.identity.keys.verify_access(it.token, now).is_ok();
    carried(headers).filter(is_good)
}

/// Whether a request carries the cookie of somebody who is logged in, which counts in a chat where
/// it is said to be meant.
pub(crate) fn has_agent_cookie(app: &App, headers: &HeaderMap) -> bool {
    access_of(app, headers).is_some_and(|it| it.is_cookie)
}

/// The access token of somebody who is logged in, as the browser kept it.
pub(super) fn of_agent(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, AGENT_COOKIE).filter(|token| is_own(token))
}

/// The value of a cookie; one that no token would fit into is none.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter();
    let pairs = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    let value = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(of, value)| (of == name).then_some(value))?;
    (!value.is_empty() && value.len() <= TOKEN_BYTES_MAX).then_some(value)
}

/// A visitor's capability as the browser kept it.
pub(super) fn of_visitor<'a>(headers: &'a HeaderMap, company: &CompanyId) -> Option<&'a str> {
    cookie(headers, &format!("{VISITOR_COOKIE}{company}"))
}

/// Where the page is from that has a browser ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page<'a> {
    /// The request does not say, as those that no script makes.
    Unsaid,
    /// This server.
    Own,
    /// Somewhere else.
    Of(&'a str),
}

fn page<'a>(headers: &'a HeaderMap, public_url: Option<&str>) -> Page<'a> {
    let mut all = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (all.next(), all.next()) else {
        return match headers.contains_key(header::ORIGIN) {
            true => Page::Of("null"), // two of them: somebody else's
            false => Page::Unsaid,
        };
    };
    let Ok(origin) = origin.to_str() else {
        return Page::Of("null");
    };
    let is_public = public_url.is_some_and(|url| url.trim_end_matches('/') == origin);
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let is_host = origin
        .split_once("://")
        .is_some_and(|(_, authority)| Some(authority) == host);
    match is_public || is_host {
        true => Page::Own,
        false => Page::Of(origin),
    }
}

impl App {
    /// The cookie of somebody who has logged in.
    pub(crate) fn agent_cookie(&self, access: &str) -> HeaderValue {
        // As long as the login may be renewed: a page that lost it could not be renewed either.
        self.set_cookie(AGENT_COOKIE, access, REFRESH_TTL_S)
    }

    /// The next cookie of somebody who goes on, if the browser has one of this login, or one that
    /// is over, and the page may use it.
    pub(crate) async fn agent_cookie_renewed(
        self: &Arc<Self>,
        headers: &HeaderMap,
        access: &str,
    ) -> Result<Option<HeaderValue>, Rejection> {
        let (keys, now) = (&self.identity.keys, self.node.clock().now());
        let Some(kept) = of_agent(headers) else {
            return Ok(None);
        };
        let next = keys.verify_access(access, now).map_err(Rejection::from)?;
        let next = next.grant();
        let is_others = keys
            .verify_access(kept, now)
            .is_ok_and(|kept| kept.grant().family != next.family);
        let company = next.company.clone();
        let company = company.unwrap_or_else(CompanyId::installation);
        let may_use = !is_others && self.may_use_cookies(&company, headers).await?;
        Ok(may_use.then(|| self.agent_cookie(access)))
    }

    /// The end of that cookie.
    pub(crate) fn agent_cookie_ended(&self) -> HeaderValue {
        self.set_cookie(AGENT_COOKIE, "", 0)
    }

    pub(super) fn visitor_cookie(
        &self,
        company: &CompanyId,
        token: &str,
        ttl_s: u64,
    ) -> HeaderValue {
        self.set_cookie(&format!("{VISITOR_COOKIE}{company}"), token, ttl_s)
    }

    /// Pages of others may carry it only where nobody can read it on its way.
    fn set_cookie(&self, name: &str, value: &str, max_age_s: u64) -> HeaderValue {
        let is_https = self
            .public_url()
            .is_some_and(|url| url.starts_with("https://"));
        let places = match is_https {
            true => "SameSite=None; Secure; Partitioned",
            false => "SameSite=Lax",
        };
        let text = format!("{name}={value}; HttpOnly; Path=/; Max-Age={max_age_s}; {places}");
        HeaderValue::from_str(&text).expect("tokens and ids are plain text")
    }

    /// Whether a browser may use cookies of a company for the page it asks for; pages do not have
    /// to be known where a request does not say.
    pub(crate) async fn may_use_cookies(
        self: &Arc<Self>,
        company: &CompanyId,
        headers: &HeaderMap,
    ) -> Result<bool, Rejection> {
        let Page::Of(origin) = page(headers, self.public_url()) else {
            return Ok(true);
        };
        let settings = self.settings(company).await?;
        Ok(settings.origins.iter().any(|named| **named == *origin))
    }

    /// Refuses what a page from elsewhere has a browser ask with the cookie of somebody who is
    /// logged in.
    pub(crate) async fn check_page(
        self: &Arc<Self>,
        company: &CompanyId,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<(), ApiError> {
        if page(headers, self.public_url()) == Page::Unsaid && !method.is_safe() {
            let why = "cookies do not count for a change by a page that does not say its Origin";
            return Err(ApiError::because(ErrorCode::Forbidden, why));
        }
        match self.may_use_cookies(company, headers).await? {
            true => Ok(()),
            false => Err(foreign_page()),
        }
    }

    /// The token of a socket that brought none of its own: that of the agent's cookie, unless the
    /// page may not use it. Whether the token counts is found out where all are.
    pub(crate) async fn socket_cookie(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<Option<String>, ApiError> {
        let Some(token) = of_agent(headers) else {
            return Ok(None);
        };
        let now = self.node.clock().now();
        if let Ok(access) = self.identity.keys.verify_access(token, now) {
            let company = access.grant().company.clone();
            let company = company.unwrap_or_else(CompanyId::installation);
            self.check_page(&company, &Method::GET, headers).await?;
        }
        Ok(Some(token.to_owned()))
    }
}

/// What pages are told whose origin the company did not name.
pub(super) fn foreign_page() -> ApiError {
    let why = "cookies do not count for this page: the company does not name its origin";
    ApiError::because(ErrorCode::Forbidden, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_among_others_and_by_its_whole_name() {
        let found = |value: &'static str| {
            let headers = headers(&[(header::COOKIE, value)]);
            cookie(&headers, AGENT_COOKIE).map(str::to_owned)
        };
        assert_eq!(found("frontdesk_agent=a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(found("x=1; frontdesk_agent=a; y=2").as_deref(), Some("a"));
        assert_eq!(found("frontdesk_agent="), None);
        assert_eq!(found("my_frontdesk_agent=a; frontdesk_agent2=b"), None);
        let two = headers(&[
            (header::COOKIE, "x=1"),
            (header::COOKIE, "frontdesk_agent=a"),
        ]);
        assert_eq!(cookie(&two, AGENT_COOKIE), Some("a"));
    }

    #[test]
    fn a_page_is_ours_by_its_host_or_by_the_public_address() {
        let host = (header::HOST, "chat.example:8080");
        let of = |origin: &'static str, url: Option<&str>| {
            let headers = headers(&[host.clone(), (header::ORIGIN, origin)]);
            page(&headers, url) == Page::Own
        };
        assert!(of("http://chat.example:8080", None));
        assert!(of("https://desk.example", Some("https://desk.example/")));
        assert!(!of("https://chat.example", None));
        assert!(!of("https://evil.example", Some("https://desk.example")));
        assert!(!of("null", None));
        let unsaid = headers(std::slice::from_ref(&host));
        assert_eq!(page(&unsaid, None), Page::Unsaid);
        let own = (header::ORIGIN, "http://chat.example:8080");
        let twice = headers(&[host, own.clone(), own]);
        assert_eq!(page(&twice, None), Page::Of("null"));
    }
}
