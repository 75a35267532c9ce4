//! Whether a file may be taken: its bytes, its name and its declared type judged together, by what
//! the company takes.
//!
//! Invariants: a file that runs, in a browser or on a computer, is taken only where a company takes
//! everything; a claim can make a file be refused or, where its bytes may be words, be taken for
//! words, and for nothing else.
//!
//! Never: looks at bytes; that is `sniff`'s.

use std::sync::Arc;

use frontdesk_protocol::upload::UploadFailure;

use super::names;
use super::sniff::{self, Nature, Sniffed};

/// What a company takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Every kind of file: to be kept and given out, never shown.
    Everything,
    /// What neither runs nor has something run.
    Harmless,
    /// Of that, these MIME types.
    Only(Vec<Arc<str>>),
}

/// Extensions of what runs or has something run when it is opened, whatever its bytes are.
const REFUSED_EXTENSIONS: [&str; 56] = [
    "ade", "apk", "app", "appx", "bat", "chm", "class", "cmd", "com", "cpl", "deb", "desktop",
    "dex", "dll", "dmg", "exe", "gadget", "hta", "htm", "html", "ins", "inf", "iso", "jar", "js",
    "jse", "jsp", "lnk", "mht", "mhtml", "msc", "msi", "msp", "mst", "php", "phtml", "pif", "pl",
    "ps1", "psm1", "py", "reg", "rpm", "scf", "scr", "sct", "sh", "svg", "swf", "url", "vb", "vbe",
    "vbs", "wsf", "xhtml", "xsl",
];
/// Extensions of documents that carry programs.
const MACRO_EXTENSIONS: [&str; 8] = [
    "docm", "dotm", "potm", "ppsm", "pptm", "xlam", "xlsm", "xltm",
];

/// Extensions that promise what the bytes are, and the types that keep the promise.
const PROMISES: [(&[&str], &[&str]); 22] = [
    (&["png"], &["image/png", "image/apng"]),
    (&["jpg", "jpeg", "jfif"], &["image/jpeg"]),
    (&["gif"], &["image/gif"]),
    (&["webp"], &["image/webp"]),
    (&["bmp"], &["image/bmp"]),
    (&["tif", "tiff"], &["image/tiff"]),
    (
        &["heic", "heif"],
        &["image/heic", "image/heif", "image/heic-sequence"],
    ),
    (&["avif"], &["image/avif"]),
    (&["pdf"], &["application/pdf"]),
    (&["docx"], &[DOCX, "application/zip"]),
    (&["xlsx"], &[XLSX, "application/zip"]),
    (&["pptx"], &[PPTX, "application/zip"]),
    (
        &["doc"],
        &[
            "application/msword",
            "application/rtf",
            "application/x-ole-storage",
            "application/x-cfb",
        ],
    ),
    (
        &["xls"],
        &[
            "application/vnd.ms-excel",
            "application/x-ole-storage",
            "application/x-cfb",
        ],
    ),
    (
        &["ppt"],
        &[
            "application/vnd.ms-powerpoint",
            "application/x-ole-storage",
            "application/x-cfb",
        ],
    ),
    (&["zip"], &["application/zip"]),
    (&["gz", "tgz"], &["application/gzip"]),
    (&["7z"], &["application/x-7z-compressed"]),
    (
        &["rar"],
        &["application/vnd.rar", "application/x-rar-compressed"],
    ),
    (&["mp3"], &["audio/mpeg"]),
    (&["mp4", "m4v"], &["video/mp4", "video/x-m4v"]),
    (&["txt", "csv", "log", "md"], &[sniff::PLAIN]),
];
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";

/// What a file is once its name is heard: words, if it may be and its name says so. What its sender
/// declared is judged afterwards, as for any words.
pub(super) fn heard(sniffed: Sniffed, shown: &str) -> Sniffed {
    let extension = names::kind_of_name(shown).unwrap_or_default();
    match sniffed.may_be_text && promise(&extension) == Some(&[sniff::PLAIN][..]) {
        true => Sniffed {
            mime: sniff::PLAIN.into(),
            nature: Nature::Document,
            may_be_text: true,
        },
        false => sniffed,
    }
}

/// Judges a file by its shown name, the type its sender declared, and what its bytes are.
///
/// # Errors
/// Why it is refused.
pub fn judge(
    taken: &Taken,
    shown: &str,
    declared: &str,
    sniffed: &Sniffed,
) -> Result<(), UploadFailure> {
    if *taken == Taken::Everything {
        return Ok(());
    }
    let extension = names::kind_of_name(shown);
    let extension = extension.as_deref().unwrap_or_default();
    if is_refused_extension(extension) || sniffed.nature.is_dangerous() {
        return Err(UploadFailure::RefusedType);
    }
    if !is_kept(extension, sniffed) || !agrees(declared, sniffed) {
        return Err(UploadFailure::Mismatched);
    }
    match taken {
        Taken::Only(types) if !types.iter().any(|one| is_of(sniffed, one)) => {
            Err(UploadFailure::RefusedType)
        }
        _ => Ok(()),
    }
}

/// Whether an extension is one of what runs or has something run when it is opened.
pub(super) fn is_refused_extension(extension: &str) -> bool {
    REFUSED_EXTENSIONS.contains(&extension) || MACRO_EXTENSIONS.contains(&extension)
}

/// Whether it is one of pages and drawings, of which books and documents consist.
pub(super) fn is_page_extension(extension: &str) -> bool {
    ["htm", "html", "xhtml", "svg", "mht", "xsl"].contains(&extension)
}

/// The types of which an extension promises one, if it promises anything.
fn promise(extension: &str) -> Option<&'static [&'static str]> {
    let made = PROMISES.iter().find(|(ends, _)| ends.contains(&extension));
    made.map(|(_, types)| *types)
}

/// Whether an extension's promise is kept, if it makes one.
fn is_kept(extension: &str, sniffed: &Sniffed) -> bool {
    promise(extension).is_none_or(|types| {
        let is_text = types == [sniff::PLAIN] && sniffed.mime.starts_with("text/");
        is_text || types.contains(&&*sniffed.mime)
    })
}

/// Whether a declared type may be of these bytes: of the same family, or of one that bytes do not
/// tell. Nobody has to declare one.
fn agrees(declared: &str, sniffed: &Sniffed) -> bool {
    let declared = declared.split(';').next().unwrap_or_default().trim();
    let family = |mime: &str| mime.split('/').next().unwrap_or_default().to_lowercase();
    match &*family(declared) {
        shown @ ("image" | "audio" | "video") => {
            let found = family(&sniffed.mime);
            // One container holds sound or pictures.
            found == shown || matches!((shown, &*found), ("audio", "video") | ("video", "audio"))
        }
        _ => true,
    }
}

/// Whether a file is of a type that a company names; what bytes do not tell apart is one type.
fn is_of(sniffed: &Sniffed, named: &str) -> bool {
    let is_text = |mime: &str| mime.starts_with("text/");
    *named == *sniffed.mime || is_text(named) && is_text(&sniffed.mime)
}

/// Whether a browser may show it where it is: a picture of pixels that every browser knows.
pub fn is_shown_inline(sniffed_mime: &str, nature: Nature) -> bool {
    const SHOWN: [&str; 6] = [
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "image/bmp",
    ];
    nature == Nature::Image && SHOWN.contains(&sniffed_mime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniffed(mime: &'static str, nature: Nature) -> Sniffed {
        Sniffed {
            mime: mime.into(),
            nature,
            may_be_text: false,
        }
    }

    fn png() -> Sniffed {
        sniffed("image/png", Nature::Image)
    }

    #[test]
    fn name_type_and_bytes_must_agree() {
        let pdf = sniffed("application/pdf", Nature::Document);
        let text = sniffed("text/plain", Nature::Document);
        let program = sniffed("application/x-elf", Nature::Executable);
        use UploadFailure::{Mismatched, RefusedType};
        for (name, declared, bytes, expected) in [
            ("a.png", "image/png", &png(), Ok(())),
            ("a.PNG", "", &png(), Ok(())),
            ("a.png", "application/octet-stream", &png(), Ok(())),
            ("a.png", "image/jpeg", &png(), Ok(())),
            ("a.jpg", "image/jpeg", &png(), Err(Mismatched)),
            ("a.png", "image/png", &pdf, Err(Mismatched)),
            ("report", "image/png; x=1", &pdf, Err(Mismatched)),
            ("a.csv", "text/csv", &text, Ok(())),
            ("notes.abc", "", &text, Ok(())),
            ("x.jpg.exe", "image/jpeg", &png(), Err(RefusedType)),
            ("x.php.jpg", "image/jpeg", &program, Err(RefusedType)),
            ("a.svg", "image/svg+xml", &text, Err(RefusedType)),
            (
                "letter.docm",
                "",
                &sniffed("application/zip", Nature::Archive),
                Err(RefusedType),
            ),
            ("run.bat", "text/plain", &text, Err(RefusedType)),
        ] {
            let judged = judge(&Taken::Harmless, name, declared, bytes);
            assert_eq!(judged, expected, "{name} {declared}");
        }
    }

    #[test]
    fn what_may_be_text_is_if_its_name_says_so() {
        let unknown = sniffed("application/octet-stream", Nature::Other);
        let may_be_text = Sniffed {
            may_be_text: true,
            ..unknown.clone()
        };
        for name in ["a.txt", "a.CSV", "a.log", "a.md"] {
            let heard = heard(may_be_text.clone(), name);
            assert_eq!(&*heard.mime, "text/plain", "{name}");
            assert_eq!(heard.nature, Nature::Document);
            assert_eq!(judge(&Taken::Harmless, name, "text/csv", &heard), Ok(()));
            let as_sheet = judge(&Taken::Harmless, name, "application/vnd.ms-excel", &heard);
            assert_eq!(as_sheet, Ok(()), "as some browsers call tables");
            let as_picture = judge(&Taken::Harmless, name, "image/png", &heard);
            assert_eq!(as_picture, Err(UploadFailure::Mismatched));
        }
        for (sniffed, name) in [
            (&may_be_text, "a"),
            (&may_be_text, "a.png"),
            (&unknown, "a.txt"),
        ] {
            assert_eq!(heard(sniffed.clone(), name), *sniffed, "{name}");
        }
    }

    #[test]
    fn a_company_may_take_less_or_everything() {
        let only = Taken::Only(vec!["image/png".into(), "text/csv".into()]);
        let pdf = sniffed("application/pdf", Nature::Document);
        let text = sniffed("text/plain", Nature::Document);
        let page = sniffed("text/html", Nature::Active);
        assert_eq!(judge(&only, "a.png", "", &png()), Ok(()));
        assert_eq!(judge(&only, "a.csv", "", &text), Ok(()));
        let refused = Err(UploadFailure::RefusedType);
        assert_eq!(judge(&only, "a.pdf", "", &pdf), refused);
        assert_eq!(
            judge(&only, "a.csv", "", &page),
            refused,
            "also where text is taken"
        );
        assert_eq!(
            judge(&Taken::Everything, "x.exe", "image/png", &page),
            Ok(())
        );
    }

    #[test]
    fn only_pictures_of_pixels_are_shown_inline() {
        assert!(is_shown_inline("image/png", Nature::Image));
        assert!(!is_shown_inline("image/svg+xml", Nature::Active));
        assert!(!is_shown_inline("application/pdf", Nature::Document));
        assert!(
            !is_shown_inline("image/png", Nature::Active),
            "a page in disguise"
        );
    }
}
