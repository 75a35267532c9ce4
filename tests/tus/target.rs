//! What is tested: a server that is named, or our own, started for it.
//!
//! `TUS_URL` names where uploads are created, such as `http://127.0.0.1:1080/files/`. Headers that
//! each request needs come from `TUS_HEADERS`, one a line or separated by ` | `, such as
//! `Authorization: Bearer x`.

use std::env;

use crate::server::Server;
use crate::wire::{Place, Request};

/// What a server says it can do.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    pub(crate) extensions: Vec<String>,
    pub(crate) algorithms: Vec<String>,
    pub(crate) size_max: Option<u64>,
}

impl Offer {
    pub(crate) fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|held| held == extension)
    }
}

/// A server under test.
pub(crate) struct Target {
    pub(crate) base: Place,
    pub(crate) offer: Offer,
    headers: Vec<(String, String)>,
    /// Our own server, if none was named.
    ours: Option<Server>,
}

impl Target {
    /// The server that the environment names, or our own.
    pub(crate) fn find() -> Result<Self, String> {
        let named = env::var("TUS_URL").ok().filter(|url| !url.is_empty());
        let headers = headers(&env::var("TUS_HEADERS").unwrap_or_default())?;
        let (base, ours) = match named {
            Some(url) => (Place::parse(&url)?, None),
            None => {
                let server = Server::start(&[]);
                (Place::parse(&server.uploads_url())?, Some(server))
            }
        };
        let mut target = Self {
            base,
            offer: Offer::default(),
            headers,
            ours,
        };
        target.offer = target.ask()?;
        Ok(target)
    }

    /// Whether it is our own server, which must offer and pass everything.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours.is_some()
    }

    /// Ends our own server, if it is that.
    pub(crate) fn stop(self) {
        if let Some(server) = self.ours {
            server.stop();
        }
    }

    /// Who asks. Each check against our own server is somebody else, so that no check uses up what
    /// another one may do.
    pub(crate) fn headers_of(&self, check: &str) -> Vec<(String, String)> {
        match &self.ours {
            Some(server) => {
                let token = server.token(check);
                vec![("Authorization".to_owned(), format!("Bearer {token}"))]
            }
            None => self.headers.clone(),
        }
    }

    fn ask(&self) -> Result<Offer, String> {
        let request = Request::new("OPTIONS", &self.base).header("Connection", "close");
        let headers = self.headers_of("options");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        let answer = request.send();
        let answer = answer.map_err(|error| format!("{}: {error}", self.base.url()))?;
        Ok(Offer {
            extensions: answer.list("Tus-Extension"),
            algorithms: answer.list("Tus-Checksum-Algorithm"),
            size_max: answer.number("Tus-Max-Size"),
        })
    }
}

fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let lines = text.split('\n').flat_map(|line| line.split(" | "));
    let lines = lines.map(str::trim).filter(|line| !line.is_empty());
    let pair = |line: &str| match line.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("TUS_HEADERS: `{line}` is no header")),
    };
    lines.map(pair).collect()
}
