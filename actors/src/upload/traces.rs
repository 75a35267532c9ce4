//! What is left for a while of uploads that are over: a file that waits to be sent; of one that was
//! dropped, since a message that shows it may be on its way; of an upload that ended without a
//! file, so that whoever began it hears why. Rows in the order of time say what is left; once it
//! was there for long enough it goes.
//!
//! Invariants: a row stands from the record that leaves something until the one that takes it
//! away, whatever crashes in between; only rows of what is due are read.
//! Never: decides by itself what goes; the upload and the company do.

use std::sync::Arc;

use frontdesk_protocol::command::CompanyCommand;
use frontdesk_protocol::upload::{UploadCommand, UploadEvent};
use frontdesk_protocol::{CompanyId, FileNo, Timestamp};
use frontdesk_storage::{EntityId, EntityKind, Result, Row};
use tracing::warn;

use crate::company::tables;
use crate::entity::{Command, Outcome};
use crate::node::Node;
use crate::task::blocking;

/// Rows read from the store at once.
const READ_COUNT: usize = 500;

/// What stands of an upload that ended without a file, until it is forgotten.
pub(super) fn rows(entity: &EntityId, event: &UploadEvent) -> Vec<Row> {
    let EntityKind::Upload(upload) = entity.kind else {
        return Vec::new();
    };
    match event {
        UploadEvent::Ended { at, .. } => {
            vec![tables::set(tables::ended_upload_key(*at, &upload), &())]
        }
        UploadEvent::Forgotten {
            ended_at: Some(at), ..
        } => vec![Row {
            key: tables::ended_upload_key(*at, &upload),
            value: None,
        }],
        _ => Vec::new(),
    }
}

impl Node {
    /// Drops files that wait to be sent since before a time.
    ///
    /// # Errors
    /// When the store cannot be read; what waits then is found the next time.
    pub async fn drop_unsent_files(
        self: &Arc<Self>,
        company: &CompanyId,
        since: Timestamp,
    ) -> Result<()> {
        let bounds = tables::waiting_file_bounds(since);
        let of = None;
        let command = |no| CompanyCommand::DropFile { no, of };
        self.tell_of_each(company, bounds, command).await
    }

    /// Takes away what is left of files that waited and were dropped up to a time. One that a
    /// message shows is in its room instead.
    ///
    /// # Errors
    /// When the store cannot be read; what is left then is found the next time.
    pub async fn clear_dropped_files(
        self: &Arc<Self>,
        company: &CompanyId,
        dropped_until: Timestamp,
    ) -> Result<()> {
        let bounds = tables::unwanted_file_bounds(dropped_until);
        let command = |no| CompanyCommand::ClearFile { no, dropped_until };
        self.tell_of_each(company, bounds, command).await
    }

    /// Has the company do something about each file that rows name.
    async fn tell_of_each(
        self: &Arc<Self>,
        company: &CompanyId,
        (mut from, to): (Vec<u8>, Vec<u8>),
        command: impl Fn(FileNo) -> CompanyCommand,
    ) -> Result<()> {
        let own = EntityId::company(company.clone());
        loop {
            let (rows, next) = self.traces(company, from, to.clone()).await?;
            for no in rows.iter().filter_map(|(_, value)| tables::read(value)) {
                let command = Command::Company(command(no));
                let outcome = self.ask_as(own.clone(), own.clone(), command).await;
                complain(&own, &outcome);
            }
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Has uploads forgotten that ended without a file up to a time.
    ///
    /// # Errors
    /// When the store cannot be read; what is left then is found the next time.
    pub async fn forget_ended_uploads(
        self: &Arc<Self>,
        company: &CompanyId,
        ended_until: Timestamp,
    ) -> Result<()> {
        let own = EntityId::company(company.clone());
        let (mut from, to) = tables::ended_upload_bounds(ended_until);
        loop {
            let (rows, next) = self.traces(company, from, to.clone()).await?;
            for upload in rows.iter().filter_map(|(key, _)| tables::upload_of(key)) {
                let entity = EntityId::upload(company.clone(), upload);
                let command = Command::Upload(UploadCommand::Forget);
                let outcome = self.ask_as(own.clone(), entity.clone(), command).await;
                complain(&entity, &outcome);
            }
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Some rows from a key on, and where to go on if there may be more.
    async fn traces(
        self: &Arc<Self>,
        company: &CompanyId,
        from: Vec<u8>,
        to: Vec<u8>,
    ) -> Result<(Vec<(Vec<u8>, bytes::Bytes)>, Option<Vec<u8>>)> {
        let (node, company) = (Arc::clone(self), company.clone());
        blocking(move || {
            let directory = &node.directory;
            let rows = directory.rows(&company, &from, &to, false, READ_COUNT)?;
            let last = rows.last().filter(|_| rows.len() == READ_COUNT);
            let next = last.map(|(key, _)| {
                let mut next = key.clone();
                next.push(0);
                next
            });
            Ok((rows, next))
        })
        .await
    }
}

/// It is asked again with the next look.
fn complain(entity: &EntityId, outcome: &Outcome) {
    if !matches!(outcome, Outcome::Done(_)) {
        warn!(%entity, ?outcome, "what is left of an upload stays for now");
    }
}
