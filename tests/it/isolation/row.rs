//! One row of the table of routes: an attack, and for whom it is none.

use super::world::Kind;

/// One attack on one route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) method: &'static str,
    /// As it stands in the document, with what each parameter is aimed at behind a `=`.
    path: &'static str,
    /// What else is aimed; empty for nothing.
    query: &'static str,
    /// A JSON object; empty for nothing.
    pub(super) body: &'static str,
    /// The body goes as a form with a file.
    pub(super) is_form: bool,
    /// Header fields, the values aimed like the rest.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// Who may be answered with 2xx, and why that is no way across.
    pub(super) own: (&'static [Kind], &'static str),
    /// Whose it is, who would only do what they may.
    pub(super) skips: &'static [Kind],
    /// Words that anybody may be answered with.
    pub(super) shows: &'static [&'static str],
}

/// An attack of this method.
pub(super) const fn row(method: &'static str, path: &'static str, body: &'static str) -> Row {
    Row {
        method,
        path,
        query: "",
        body,
        is_form: false,
        headers: &[],
        own: (&[], ""),
        skips: &[],
        shows: &[],
    }
}

/// Something that is read.
pub(super) const fn get(path: &'static str) -> Row {
    row("GET", path, "")
}

/// Something that is done.
pub(super) const fn post(path: &'static str, body: &'static str) -> Row {
    row("POST", path, body)
}

/// A file that is sent, with these fields before it.
pub(super) const fn file(path: &'static str, body: &'static str) -> Row {
    let mut row = row("POST", path, body);
    row.is_form = true;
    row
}

impl Row {
    /// With a query.
    pub(super) const fn with(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    /// With these header fields.
    pub(super) const fn heads(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        self.headers = headers;
        self
    }

    /// These may be answered.
    pub(super) const fn own(mut self, who: &'static [Kind], why: &'static str) -> Self {
        self.own = (who, why);
        self
    }

    /// These do not try.
    pub(super) const fn skips(mut self, whose: &'static [Kind]) -> Self {
        self.skips = whose;
        self
    }

    /// These words are for everybody.
    pub(super) const fn shows(mut self, words: &'static [&'static str]) -> Self {
        self.shows = words;
        self
    }

    /// The path as the document has it.
    pub(super) fn route(&self) -> String {
        let parts = self.path.split('/').map(|part| match part.split_once('=') {
            Some((name, _)) => format!("{name}}}"),
            None => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Where the attack goes, with names still to be put in.
    pub(super) fn aim(&self) -> String {
        let parts = self.path.split('/').map(|part| match part.split_once('=') {
            Some((_, aim)) => format!("<{}>", aim.trim_end_matches('}')),
            None => part.to_owned(),
        });
        format!("{}{}", parts.collect::<Vec<_>>().join("/"), self.query)
    }
}
