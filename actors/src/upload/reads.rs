//! Reads of uploads and files that enter no mailbox: from journals and index rows, which show only
//! what is durable.
//!
//! Never: wakes an entity, or says who may see what it reads.

use std::sync::Arc;

use bytes::Bytes;
use frontdesk_protocol::command::CompanyCommand;
use frontdesk_protocol::event::Author;
use frontdesk_protocol::file::StoredFile;
use frontdesk_protocol::upload::{FileFacts, FileKind, UploadTerms, UploadWish};
use frontdesk_protocol::{CompanyId, FileNo, RoomId, Timestamp, UploadId};
use frontdesk_storage::{EntityId, Result, Row, RowsWait};

use super::{UploadStage, UploadState};
use crate::company::{CompanyState, tables};
use crate::entity::recover::recover;
use crate::entity::{Command, Outcome};
use crate::node::Node;
use crate::task::blocking;

/// Files read from the store at once.
const READ_COUNT: usize = 500;

/// An upload as its journal tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadView {
    /// Where it stands.
    pub stage: UploadStage,
    /// When it was begun.
    pub at: Timestamp,
    /// Whose it is.
    pub owner: Author,
    /// What was wanted; its size as it was said last.
    pub wish: UploadWish,
    /// What it may come to.
    pub terms: UploadTerms,
    /// What came, once all of it did.
    pub facts: Option<FileFacts>,
    /// What it is, once it was inspected.
    pub kind: Option<FileKind>,
}

impl UploadState {
    pub(crate) fn view(self) -> Option<UploadView> {
        let begun = self.begun?;
        Some(UploadView {
            stage: self.stage,
            at: begun.at,
            owner: begun.owner,
            wish: begun.wish,
            terms: begun.terms,
            facts: self.facts,
            kind: self.kind,
        })
    }
}

/// A file, unless it was dropped.
fn there(value: &Bytes) -> Option<StoredFile> {
    tables::read(value).filter(|file: &StoredFile| file.dropped_at.is_none())
}

impl Node {
    /// An upload; `None` when nobody began it.
    pub async fn upload(
        self: &Arc<Self>,
        company: &CompanyId,
        upload: &UploadId,
    ) -> Result<Option<UploadView>> {
        let entity = EntityId::upload(company.clone(), *upload);
        let journal = Arc::clone(&self.journal);
        let recovered = blocking(move || recover::<UploadState>(&journal, &entity)).await?;
        Ok(recovered.rules.view())
    }

    /// A file by its number; one that was dropped is not there.
    pub async fn file(
        self: &Arc<Self>,
        company: &CompanyId,
        no: FileNo,
    ) -> Result<Option<StoredFile>> {
        let (node, company) = (Arc::clone(self), company.clone());
        blocking(move || {
            let value = node.directory.row(&company, &tables::file_key(no))?;
            Ok(value.as_ref().and_then(there))
        })
        .await
    }

    /// The file that an upload made.
    pub async fn file_of_upload(
        self: &Arc<Self>,
        company: &CompanyId,
        upload: &UploadId,
    ) -> Result<Option<FileNo>> {
        let key = tables::file_upload_key(upload);
        let (node, company) = (Arc::clone(self), company.clone());
        let value = blocking(move || node.directory.row(&company, &key)).await?;
        Ok(value.as_ref().and_then(tables::read))
    }

    /// The last files that a room shows, the newest first, at most so many; those taken back are
    /// not among them.
    pub async fn files_of_room(
        self: &Arc<Self>,
        company: &CompanyId,
        room: &RoomId,
        count: usize,
    ) -> Result<Vec<StoredFile>> {
        let (node, company) = (Arc::clone(self), company.clone());
        let (from, to) = tables::shown_file_bounds(room);
        blocking(move || {
            let shown = node.directory.rows(&company, &from, &to, true, count)?;
            let numbers = shown
                .iter()
                .filter_map(|(key, _)| tables::number_of(key))
                .map(FileNo);
            let mut files = Vec::with_capacity(shown.len());
            for no in numbers {
                let value = node.directory.row(&company, &tables::file_key(no))?;
                files.extend(value.as_ref().and_then(there));
            }
            Ok(files)
        })
        .await
    }

    /// Numbers of files that a room showed, some at a time.
    pub(super) async fn shown_files(
        self: &Arc<Self>,
        company: &CompanyId,
        room: &RoomId,
    ) -> Result<Vec<FileNo>> {
        let (node, company) = (Arc::clone(self), company.clone());
        let (from, to) = tables::shown_file_bounds(room);
        blocking(move || {
            let rows = node
                .directory
                .rows(&company, &from, &to, false, READ_COUNT)?;
            let numbers = rows.iter().filter_map(|(key, _)| tables::number_of(key));
            Ok(numbers.map(FileNo).collect())
        })
        .await
    }

    /// Takes away the rows of files that a forgotten room showed.
    pub(super) async fn show_no_more(
        self: &Arc<Self>,
        company: &CompanyId,
        room: &RoomId,
        files: Vec<FileNo>,
    ) -> Result<()> {
        let (node, company, room) = (Arc::clone(self), company.clone(), *room);
        blocking(move || {
            let gone = |no| Row {
                key: tables::shown_file_key(&room, no),
                value: None,
            };
            let rows = files.into_iter().map(gone).collect();
            node.directory.put_rows(&company, rows, RowsWait::Durable)
        })
        .await
    }

    /// Takes a file away that waits to be sent.
    pub async fn drop_waiting_file(self: &Arc<Self>, company: &CompanyId, no: FileNo) -> Outcome {
        self.drop_file(company, no, None).await
    }

    /// Takes a file away from where it is, which is nowhere or a forgotten room.
    pub(super) async fn drop_file(
        self: &Arc<Self>,
        company: &CompanyId,
        no: FileNo,
        of: Option<RoomId>,
    ) -> Outcome {
        let own = EntityId::company(company.clone());
        let command = Command::Company(CompanyCommand::DropFile { no, of });
        self.ask_as(own.clone(), own, command).await
    }

    /// Bytes of all files that a company keeps.
    pub async fn file_bytes(self: &Arc<Self>, company: &CompanyId) -> Result<u64> {
        let entity = EntityId::company(company.clone());
        let journal = Arc::clone(&self.journal);
        let recovered = blocking(move || recover::<CompanyState>(&journal, &entity)).await?;
        Ok(recovered.rules.file_bytes)
    }
}
