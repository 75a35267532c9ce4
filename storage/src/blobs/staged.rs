//! What was being written into a folder when it broke off: files named as a blob with `#` and a
//! number behind, which a listing of blobs does not show.
//!
//! Blocks: to be called on threads that may. Never: touches a blob.

use std::io::ErrorKind;
use std::path::Path;

use frontdesk_protocol::CompanyId;

use crate::files;
use crate::journal::Result;
use crate::keys::BlobKey;

/// The name of the blob that such a file was to be.
fn blob_name(name: &str) -> Option<&str> {
    let (blob, number) = name.rsplit_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(blob)
}

/// The blobs that were to be.
pub(super) fn list(root: &Path) -> Result<Vec<BlobKey>> {
    names_by_company(root, |company, name| {
        BlobKey::new(company.clone(), blob_name(name)?).ok()
    })
}

/// Removes what was to be this blob; false when there was nothing.
pub(super) fn remove(root: &Path, key: &BlobKey) -> Result<bool> {
    let folder = root.join(key.company().as_str());
    let listing = files::failed("list a folder of files");
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(listing(error)),
    };
    let mut found = false;
    for entry in entries {
        let entry = entry.map_err(&listing)?;
        let name = entry.file_name();
        if name.to_str().and_then(blob_name) == Some(key.name()) {
            std::fs::remove_file(entry.path()).map_err(files::failed("remove half a file"))?;
            found = true;
        }
    }
    Ok(found)
}

/// What a closure makes of the names in the folders of companies below a folder, in their order.
pub(super) fn names_by_company(
    folder: &Path,
    mut made_of: impl FnMut(&CompanyId, &str) -> Option<BlobKey>,
) -> Result<Vec<BlobKey>> {
    let listing = files::failed("list a folder of files");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&listing)? {
        let entry = entry.map_err(&listing)?;
        let name = entry.file_name();
        let company = name.to_str().and_then(|name| CompanyId::new(name).ok());
        let Some(company) = company.filter(|_| entry.path().is_dir()) else {
            continue;
        };
        for file in std::fs::read_dir(entry.path()).map_err(&listing)? {
            let name = file.map_err(&listing)?.file_name();
            found.extend(name.to_str().and_then(|name| made_of(&company, name)));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
