//! Names in archives: where they lead and what they announce.
//!
//! Never: becomes a path.

/// Whether a program that unpacks it as it is named writes outside the folder it was told.
pub(super) fn leaves_folder(name: &str) -> bool {
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    let is_root = name.starts_with(['/', '\\']);
    name.contains('\0') || is_root || is_drive || name.split(['/', '\\']).any(|part| part == "..")
}

/// The extension of the last part, in lower case, as the system that opens it reads it: dots and
/// spaces at the end fall away, and so does what follows a colon.
pub(super) fn extension(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = super::super::names::shown(last.split(':').next().unwrap_or_default());
    super::super::names::kind_of_name(&shown).unwrap_or_default()
}

/// What a packed file is called once it is unpacked.
pub(super) fn without_extension(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, end)) if end.eq_ignore_ascii_case("tgz") => format!("{stem}.tar"),
        Some((stem, _)) => stem.to_owned(),
        None => name.to_owned(),
    }
}

/// Whether it is a program in a document: of Microsoft's offices wherever it stands, of others by
/// its folder.
pub(super) fn is_macro(name: &str, is_document: bool) -> bool {
    const FILES: [&str; 3] = ["vbaproject.bin", "vbadata.xml", "vbaprojectsignature.bin"];
    const FOLDERS: [&str; 4] = ["basic/", "scripts/", "xl/macrosheets/", "word/macrosheets/"];
    let name = name.replace('\\', "/").to_lowercase();
    let last = name.rsplit('/').next().unwrap_or_default();
    let is_in = |folder: &&str| name.starts_with(folder);
    FILES.contains(&last) || is_document && FOLDERS.iter().any(is_in)
}
