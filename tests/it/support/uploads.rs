//! Uploads as their clients send them, one request at a time.

use std::path::PathBuf;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::{COMPANY, DEADLINE_MS, LOOK_MS, Site, soon};

/// Where uploads begin.
pub(crate) const UPLOADS: &str = "/v1/uploads";

/// What was answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// A field's text; empty without it.
    pub(crate) fn text(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        let shown = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", shown()))
    }

    /// The path of an upload that was begun.
    pub(crate) fn place(&self) -> String {
        assert_eq!(self.status, 201, "{}", String::from_utf8_lossy(&self.body));
        let place = self.text("location");
        let (_, id) = place.rsplit_once('/').expect("a path");
        format!("{UPLOADS}/{id}")
    }
}

impl Site {
    /// A request of an upload.
    pub(crate) async fn send(
        &self,
        token: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Said {
        let request = self.request(method, path).bearer_auth(token);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let answer = soon("an answer", request.body(body.to_vec()).send()).await;
        let answer = answer.expect("an answer");
        Said {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.expect("a body").to_vec(),
        }
    }

    /// A request of tus.
    pub(crate) async fn tus(
        &self,
        token: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Said {
        let headers: Vec<_> = [("tus-resumable", "1.0.0")]
            .iter()
            .chain(headers)
            .copied()
            .collect();
        self.send(token, (method, path), &headers, body).await
    }

    /// An upload over tus of so many bytes, with this metadata beside its name.
    pub(crate) async fn begin_tus(&self, token: &str, length: u64, metadata: &str) -> String {
        let (length, metadata) = (length.to_string(), format!("filename YS50eHQ=,{metadata}"));
        let metadata = metadata.trim_end_matches(',');
        let headers = [("upload-length", &*length), ("upload-metadata", metadata)];
        let begun = self.tus(token, ("POST", UPLOADS), &headers, b"").await;
        begun.place()
    }

    /// Bytes for an upload over tus.
    pub(crate) async fn patch_tus(
        &self,
        token: &str,
        place: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Said {
        let headers = [
            ("upload-offset", &*offset.to_string()),
            ("content-type", "application/offset+octet-stream"),
        ];
        self.tus(token, ("PATCH", place), &headers, bytes).await
    }

    /// What an upload has come to.
    pub(crate) async fn upload_status(&self, token: &str, place: &str) -> Value {
        let path = format!("{place}/status");
        let (status, said) = self.http("GET", &path, Some(token), &Value::Null).await;
        assert_eq!(status, 200, "{said}");
        said
    }

    /// Waits until an upload has come to this.
    pub(crate) async fn until_upload(&self, token: &str, place: &str, state: &str) -> Value {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(LOOK_MS));
        let mut last = Value::Null;
        for _ in 0..DEADLINE_MS / LOOK_MS {
            last = self.upload_status(token, place).await;
            if last["state"] == state {
                return last;
            }
            looks.tick().await;
        }
        panic!("it is not {state}: {last}");
    }

    /// What lies on the disk of the usual company's uploads under way.
    pub(crate) fn spooled(&self) -> Vec<PathBuf> {
        let folder = self.folder().join("spool").join(COMPANY);
        match std::fs::read_dir(folder) {
            Ok(entries) => entries
                .map(|entry| entry.expect("an entry").path())
                .collect(),
            Err(_) => Vec::new(),
        }
    }
}
