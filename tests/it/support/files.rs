//! Files as they are when their upload has ended.

#[cfg(feature = "s3")]
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
#[cfg(feature = "s3")]
use frontdesk::config::Config;
use frontdesk::files::store::{object_key, thumbnail_key};
use frontdesk_actors::clock::fresh_cid;
use frontdesk_actors::{Command, Outcome};
use frontdesk_protocol::command::{Card, Principal, Role};
use frontdesk_protocol::upload::{
    FileFacts, FileKind, Kinds, UploadCommand, UploadTerms, UploadWish,
};
use frontdesk_protocol::{CompanyId, FileNo, PersonId, Timestamp, UploadId};
use frontdesk_storage::{EntityId, PutKind};

use super::{Site, soon};

/// A file to be there.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub(crate) company: &'a str,
    pub(crate) name: &'a str,
    pub(crate) mime: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) small: Option<&'a [u8]>,
}

fn done(outcome: Outcome) {
    assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
}

impl Site {
    /// A company's next file, which differs from others by its name; its number.
    pub(crate) async fn keep(&self, kept: &Kept<'_>) -> FileNo {
        let company = CompanyId::new(kept.company).expect("valid");
        let mut bits = [7_u8; 16];
        let named = kept.name.bytes().chain(kept.company.bytes());
        named.enumerate().for_each(|(i, byte)| {
            bits[i % 16] = bits[i % 16].wrapping_mul(31).wrapping_add(byte);
        });
        let upload = UploadId::from_bits(bits);
        let blobs = self.running.blobs();
        let pairs = [
            (object_key(&company, &upload), Some(kept.bytes)),
            (thumbnail_key(&company, &upload), kept.small),
        ];
        for (key, bytes) in pairs {
            let Some(bytes) = bytes else { continue };
            let put = blobs.put(&key, Bytes::copy_from_slice(bytes), PutKind::Create);
            assert!(put.await.expect("stored"), "the name is new");
        }
        self.publish(&company, upload, kept).await;
        let node = self.running.node();
        let numbered = async {
            let mut tick = tokio::time::interval(std::time::Duration::from_millis(5));
            loop {
                tick.tick().await;
                let no = node.file_of_upload(&company, &upload).await;
                if let Some(no) = no.expect("read") {
                    return no;
                }
            }
        };
        soon("a number", numbered).await
    }

    async fn publish(&self, company: &CompanyId, upload: UploadId, kept: &Kept<'_>) {
        let node = self.running.node();
        let entity = EntityId::upload(company.clone(), upload);
        let owner = Arc::new(Principal {
            company: company.clone(),
            person: PersonId::new("ann").expect("valid"),
            role: Role::Visitor,
            card: Card::default(),
        });
        let size = kept.bytes.len() as u64;
        let wish = UploadWish {
            name: kept.name.into(),
            size: Some(size),
            ..UploadWish::default()
        };
        let terms = UploadTerms {
            size_max: size,
            expires_at: Timestamp(u64::MAX),
            kinds: Kinds::Harmless,
        };
        let reserve = Command::Upload(UploadCommand::Reserve { wish, terms });
        done(node.ask(entity.clone(), owner, reserve, fresh_cid()).await);
        let facts = FileFacts {
            size,
            blake3: [upload.bits()[0]; 32],
            sha256: None,
        };
        let kind = FileKind {
            mime: kept.mime.into(),
            pixels: None,
            has_thumbnail: kept.small.is_some(),
            stored_size: size,
            is_rewritten: false,
            is_packed: false,
        };
        // A folder where its bytes would be: the node, which does its own work meanwhile, can
        // neither read it nor say that nothing is there.
        let spool = self.folder().join("spool").join(company.as_str());
        let bytes = spool.join(format!("{upload}.bytes"));
        std::fs::create_dir_all(&bytes).expect("a folder");
        for command in [
            UploadCommand::Seal { facts },
            UploadCommand::Pass { kind },
            UploadCommand::Publish,
        ] {
            done(node.tell_upload(&entity, command).await);
        }
        std::fs::remove_dir(&bytes).expect("it is empty");
    }
}

/// Has a node's files in the bucket that answers at this address.
#[cfg(feature = "s3")]
pub(crate) fn in_bucket(config: &mut Config, address: SocketAddr) {
    use super::bucket::{ACCESS_KEY, BUCKET, SECRET_KEY};
    use frontdesk::config::{FileStore, Secret};

    config.files.store = FileStore::S3;
    config.files.s3.endpoint = Some(format!("http://{address}"));
    config.files.s3.bucket = BUCKET.to_owned();
    config.files.s3.access_key = Some(Secret::new(ACCESS_KEY));
    config.files.s3.secret_key = Some(Secret::new(SECRET_KEY));
    config.files.s3.allow_http = true;
}
