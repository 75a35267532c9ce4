//! Forms with files, as browsers and scripts send them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use super::{Site, soon};

/// A picture of one pixel.
pub(crate) const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\
    +M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Its bytes.
pub(crate) fn pixel() -> Vec<u8> {
    STANDARD.decode(PIXEL).expect("base64")
}

/// A file to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) name: &'static str,
    pub(crate) mime: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// A picture.
pub(crate) fn photo() -> Sending {
    Sending {
        name: "photo.png",
        mime: "image/png",
        bytes: pixel(),
    }
}

/// A document of a few words.
pub(crate) fn document() -> Sending {
    Sending {
        name: "notes.txt",
        mime: "text/plain",
        bytes: b"A few plain words.\n".to_vec(),
    }
}

impl Sending {
    fn part(&self) -> Part {
        let part = Part::bytes(self.bytes.clone()).file_name(self.name);
        part.mime_str(self.mime).expect("a type")
    }

    /// With these fields before it.
    pub(crate) fn behind(&self, fields: &[(&'static str, &str)]) -> Form {
        self.among(fields, &[])
    }

    /// With these fields behind it.
    pub(crate) fn before(&self, fields: &[(&'static str, &str)]) -> Form {
        self.among(&[], fields)
    }

    /// With some fields before it and some behind it.
    pub(crate) fn among(
        &self,
        before: &[(&'static str, &str)],
        behind: &[(&'static str, &str)],
    ) -> Form {
        let with =
            |form: Form, (name, text): &(&'static str, &str)| form.text(*name, (*text).to_owned());
        let form = before.iter().fold(Form::new(), with);
        let form = form.part("file", self.part());
        behind.iter().fold(form, with)
    }
}

impl Site {
    /// Sends a form; status and JSON of the answer.
    pub(crate) async fn form(&self, path: &str, token: Option<&str>, form: Form) -> (u16, Value) {
        let request = self.request("POST", path).multipart(form);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = soon("an answer", request.send()).await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        let parsed = serde_json::from_str(&text);
        (status, parsed.unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    /// Where uploads under way are.
    pub(crate) fn spool(&self) -> std::path::PathBuf {
        self.files.path().join("spool")
    }

    /// What is behind a link that was told.
    pub(crate) async fn linked(&self, url: &Value) -> Vec<u8> {
        let url = url.as_str().expect("a link");
        let path = url.strip_prefix(&format!("http://{}", self.address));
        let path = path.unwrap_or_else(|| panic!("not of this server: {url}"));
        let request = self.request("GET", path).send();
        let answer = soon("an answer", request).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.bytes().await.expect("a body").to_vec()
    }
}
