//! Files as clients of the profiles know them: where one is found, what is told of it, in the words
//! of each.
//!
//! Invariants: a number, a name and an address are the same in every profile; what `file_type` is,
//! a MIME type or a category, is fixed by route and frame.
//! Never: decides who may be told of a file.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use frontdesk_actors::{LastFile, RoomContext};
use frontdesk_protocol::command::Role;
use frontdesk_protocol::event::Message;
use frontdesk_protocol::file::{SharedFile, StoredFile};
use frontdesk_protocol::{CompanyId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::frame::utc;
use crate::app::App;
use crate::files::LinkOf;
use crate::files::links::{Life, Variant};
use crate::files::policy::is_shown_inline;
use crate::files::sniff::Nature;

/// Files of one chat that are listed: far more than a page shows.
pub(crate) const CHAT_FILE_COUNT_MAX: usize = 200;

/// Where files are found.
pub(crate) struct FileAddresses {
    public_url: Option<String>,
    /// Where the node listens first, for those who are told without having asked.
    first: OnceLock<SocketAddr>,
    /// It signs links.
    app: OnceLock<Weak<App>>,
}

/// A file and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) no: u64,
    pub(crate) name: String,
    pub(crate) mime: String,
    pub(crate) size: u64,
    /// Where it is on this server.
    pub(crate) path: String,
    /// The same for whoever is elsewhere.
    pub(crate) url: String,
    /// The same of a small picture.
    pub(crate) thumbnail: Option<String>,
}

impl FileAddresses {
    pub(crate) fn new(public_url: Option<&str>) -> Self {
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        Self {
            public_url,
            first: OnceLock::new(),
            app: OnceLock::new(),
        }
    }

    /// Says where the node listens; only the first counts.
    pub(crate) fn listens(&self, address: SocketAddr) {
        let _ = self.first.set(address);
    }

    /// The address of a path as clients see this server.
    pub(crate) fn absolute(&self, path: &str) -> String {
        match (&self.public_url, self.first.get()) {
            (Some(url), _) => format!("{url}{path}"),
            (None, Some(address)) => format!("http://{address}{path}"),
            (None, None) => path.to_owned(),
        }
    }

    /// Says who signs; only the first counts. Without that no link opens anything.
    pub(crate) fn serve(&self, app: &Arc<App>) {
        let _ = self.app.set(Arc::downgrade(app));
    }

    /// A link, which lives as long as clients keep it. Whether links of the company end is known
    /// where a file of it was taken in or asked for lately; else this one does.
    fn path(&self, company: &CompanyId, file: &SharedFile, variant: Variant) -> String {
        let Some(app) = self.app.get().and_then(Weak::upgrade) else {
            return format!("/media/{company}/{}", file.no.0);
        };
        let of = LinkOf {
            company,
            file,
            variant,
            life: Life::Profile,
        };
        let settings = app.node.settings_at_hand(company);
        app.files.link(&of, &settings, app.node.clock().now())
    }

    /// A file as it is found by whoever names this server otherwise.
    pub(crate) fn find_as(
        &self,
        company: &CompanyId,
        file: &SharedFile,
        absolute: impl Fn(&str) -> String,
    ) -> Found {
        let path = self.path(company, file, Variant::Original);
        let small = || self.path(company, file, Variant::Thumbnail);
        let small = file.has_thumbnail.then(small);
        Found {
            no: file.no.0,
            name: file.name.to_string(),
            mime: file.mime.to_string(),
            size: file.size,
            url: absolute(&path),
            thumbnail: small.map(|small| absolute(&small)),
            path,
        }
    }

    /// A file as it is found.
    pub(crate) fn find(&self, company: &CompanyId, file: &SharedFile) -> Found {
        self.find_as(company, file, |path| self.absolute(path))
    }

    /// The file of a message, if it has one.
    pub(crate) fn of(&self, room: &RoomContext, message: &Message) -> Option<Found> {
        let file = message.file.as_deref()?;
        Some(self.find(&room.company, file))
    }
}

impl Found {
    /// Whether it is a picture that is shown where it is.
    pub(crate) fn is_image(&self) -> bool {
        is_image(&self.mime)
    }

    /// `image` or `file`.
    pub(crate) fn message_type(&self) -> &'static str {
        message_type(&self.mime)
    }

    /// What of it `helpdesk` tells apart.
    pub(crate) fn category(&self) -> &'static str {
        category(&self.mime)
    }
}

fn is_image(mime: &str) -> bool {
    is_shown_inline(mime, Nature::Image)
}

pub(crate) fn message_type(mime: &str) -> &'static str {
    match is_image(mime) {
        true => "image",
        false => "file",
    }
}

fn category(mime: &str) -> &'static str {
    let archives = ["zip", "gzip", "x-7z-compressed", "vnd.rar", "x-tar"];
    match mime.split_once('/') {
        Some(("image", _)) => "image",
        Some(("audio", _)) => "audio",
        Some(("video", _)) => "video",
        Some(("text", _)) => "document",
        Some(("application", kind)) if archives.contains(&kind) => "archive",
        Some(("application", kind)) if is_document(kind) => "document",
        _ => "other",
    }
}

fn is_document(kind: &str) -> bool {
    let begins = ["vnd.openxmlformats-", "vnd.ms-", "vnd.oasis.", "x-ole-"];
    matches!(kind, "pdf" | "msword" | "rtf" | "json" | "x-cfb")
        || begins.iter().any(|begin| kind.starts_with(begin))
}

/// What lists show of a file that was sent last: a sign and its name.
pub(crate) fn preview(file: &LastFile) -> String {
    let sign = match is_image(&file.mime) {
        true => '\u{1f4f7}',
        false => '\u{1f4ce}',
    };
    format!("{sign} {}", file.name)
}

/// The kind of message that lists show of it.
pub(crate) fn kind_of_last(file: Option<&LastFile>) -> &'static str {
    file.map_or("text", |file| message_type(&file.mime))
}

/// `100.0 KB`, as `direct` shows sizes.
pub(crate) fn size_display(bytes: u64) -> String {
    const STEP: f64 = 1_024.0;
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit behind the point is shown"
    )]
    let mut size = bytes as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if size < STEP {
            return format!("{size:.1} {unit}");
        }
        size /= STEP;
    }
    format!("{size:.1} TB")
}

/// A file of a message, as clients of `direct` know it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct FileAttachment {
    id: u64,
    /// Where it is on this server.
    file: String,
    file_url: String,
    filename: String,
    file_size: u64,
    /// For people: `100.0 KB`.
    file_size_display: String,
    /// A MIME type.
    file_type: String,
    uploaded_at: String,
}

impl FileAttachment {
    pub(crate) fn new(found: Found, at: Timestamp) -> Self {
        Self {
            id: found.no,
            file: found.path,
            file_url: found.url,
            filename: found.name,
            file_size: found.size,
            file_size_display: size_display(found.size),
            file_type: found.mime,
            uploaded_at: utc(at),
        }
    }
}

/// A file of a chat, as clients of `widget` know it: under every name that any of them reads.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct ChatFile {
    id: u64,
    company_id: String,
    session_id: String,
    /// `user` or `agent`.
    uploader: &'static str,
    url: String,
    file_url: String,
    name: String,
    original_name: String,
    filename: String,
    file_name: String,
    mime_type: String,
    /// The same as `mime_type`.
    file_type: String,
    size: u64,
    file_size: u64,
    /// Where a small picture of it is.
    thumbnail: Option<String>,
    created_at: String,
}

/// Of which chat a file is, whose and since when.
pub(crate) struct Sent<'a> {
    pub(crate) company: &'a CompanyId,
    pub(crate) session: &'a str,
    pub(crate) role: Role,
    pub(crate) at: Timestamp,
}

/// Who sent a file, as these clients tell people apart.
pub(crate) fn uploader(role: Role) -> &'static str {
    match role {
        Role::Visitor => "user",
        Role::Bot | Role::Agent | Role::Admin | Role::Superadmin => "agent",
    }
}

impl ChatFile {
    pub(crate) fn new(found: Found, sent: &Sent<'_>) -> Self {
        Self {
            id: found.no,
            company_id: sent.company.to_string(),
            session_id: sent.session.to_owned(),
            uploader: uploader(sent.role),
            file_url: found.url.clone(),
            url: found.url,
            original_name: found.name.clone(),
            filename: found.name.clone(),
            file_name: found.name.clone(),
            name: found.name,
            file_type: found.mime.clone(),
            mime_type: found.mime,
            size: found.size,
            file_size: found.size,
            thumbnail: found.thumbnail,
            created_at: utc(sent.at),
        }
    }

    /// As `helpdesk` answers an upload: where it is on this server, and a category for a type.
    pub(crate) fn of_helpdesk(self, category: &'static str, path: String) -> Self {
        Self {
            file_type: category.to_owned(),
            file_url: path,
            ..self
        }
    }

    /// A file that a company keeps, in a chat of this name.
    pub(crate) fn kept(
        found: Found,
        company: &CompanyId,
        session: &str,
        file: &StoredFile,
    ) -> Self {
        let sent = Sent {
            company,
            session,
            role: file.owner.role,
            at: file.at,
        };
        Self::new(found, &sent)
    }
}

/// A file of a message, as clients of `helpdesk` know it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Attachment {
    id: u64,
    file_id: u64,
    file_url: String,
    url: String,
    original_name: String,
    file_name: String,
    file_size: u64,
    /// `image`, `document`, `audio`, `video`, `archive` or `other`.
    file_type: &'static str,
    mime_type: String,
    thumbnail: Option<String>,
}

impl From<Found> for Attachment {
    fn from(found: Found) -> Self {
        Self {
            id: found.no,
            file_id: found.no,
            file_type: found.category(),
            file_url: found.url.clone(),
            url: found.url,
            original_name: found.name.clone(),
            file_name: found.name,
            file_size: found.size,
            mime_type: found.mime,
            thumbnail: found.thumbnail,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use frontdesk_protocol::{FileNo, UploadId};
    use serde_json::json;

    use super::*;

    /// Files at `http://localhost`.
    pub(crate) fn addresses() -> Arc<FileAddresses> {
        Arc::new(FileAddresses::new(Some("http://localhost/")))
    }

    /// The file of direct's document, or a picture.
    pub(crate) fn file(name: &str, mime: &str) -> Box<SharedFile> {
        Box::new(SharedFile {
            no: FileNo(1),
            upload: UploadId::from_bits([1; 16]),
            name: name.into(),
            mime: mime.into(),
            size: 102_400,
            pixels: None,
            has_thumbnail: false,
        })
    }

    #[test]
    fn sizes_are_shown_as_people_read_them() {
        for (bytes, shown) in [
            (0, "0.0 B"),
            (1_023, "1023.0 B"),
            (102_400, "100.0 KB"),
            (26_214_400, "25.0 MB"),
            (u64::MAX, "16777216.0 TB"),
        ] {
            assert_eq!(size_display(bytes), shown);
        }
    }

    #[test]
    fn kinds_of_files_are_told_apart_by_type() {
        for (mime, expected) in [
            ("image/png", "image"),
            ("application/pdf", "document"),
            ("text/plain", "document"),
            ("application/msword", "document"),
            (
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "document",
            ),
            ("audio/mpeg", "audio"),
            ("video/mp4", "video"),
            ("application/zip", "archive"),
            ("application/octet-stream", "other"),
            ("", "other"),
        ] {
            assert_eq!(category(mime), expected, "{mime}");
        }
    }

    #[test]
    fn lists_show_a_sign_and_the_name() {
        let last = |name: &str, mime: &str| LastFile {
            name: name.into(),
            mime: mime.into(),
        };
        let (photo, pdf) = (last("a.png", "image/png"), last("b.pdf", "application/pdf"));
        assert_eq!(preview(&photo), "\u{1f4f7} a.png");
        assert_eq!(preview(&pdf), "\u{1f4ce} b.pdf");
        assert_eq!(kind_of_last(Some(&photo)), "image");
        assert_eq!(kind_of_last(Some(&pdf)), "file");
        assert_eq!(kind_of_last(None), "text");
        let vector = last("c.svg", "image/svg+xml");
        assert_eq!(kind_of_last(Some(&vector)), "file", "not shown in place");
    }

    #[test]
    fn an_address_begins_with_what_the_settings_say_or_where_the_node_listens() {
        let unset = FileAddresses::new(None);
        assert_eq!(unset.absolute("/media/1"), "/media/1");
        unset.listens("127.0.0.1:8080".parse().expect("an address"));
        assert_eq!(unset.absolute("/a"), "http://127.0.0.1:8080/a");
        assert_eq!(addresses().absolute("/a"), "http://localhost/a");
    }

    #[test]
    fn a_file_of_a_chat_stands_under_every_name() {
        let company = CompanyId::new("TES001").expect("valid");
        let found = addresses().find(&company, &file("a.pdf", "application/pdf"));
        let sent = Sent {
            company: &company,
            session: "TES001_abc",
            role: Role::Visitor,
            at: Timestamp(1_768_384_800_000),
        };
        let url = found.url.clone();
        let shown = serde_json::to_value(ChatFile::new(found, &sent)).expect("json");
        let expected = json!({"id": 1, "company_id": "TES001", "session_id": "TES001_abc",
            "uploader": "user", "url": url, "file_url": url, "name": "a.pdf",
            "original_name": "a.pdf", "filename": "a.pdf", "file_name": "a.pdf",
            "mime_type": "application/pdf", "file_type": "application/pdf", "size": 102_400,
            "file_size": 102_400, "thumbnail": null, "created_at": "2026-01-14T10:00:00.000Z"});
        assert_eq!(shown, expected);
    }
}
