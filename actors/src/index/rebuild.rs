//! Making lists again from the rooms: for stores that were written before there were lists, and for
//! lists that were lost or are of an older version.
//!
//! Invariants: rooms that change meanwhile are written by the same writer, and the newer position
//! wins; the version is written last, so a crash begins anew.
//! Never: wakes a room.

use std::sync::Arc;

use frontdesk_protocol::CompanyId;
use frontdesk_storage::{Directory, EntityId, Result, Row, RowsWait};

use super::writer::WRITE_ROOM_COUNT_MAX;
use super::{Company, Stage, rows};
use crate::company::tables::{self, RoomRow, read as read_row, set};
use crate::entity::Rules;
use crate::entity::recover::recover;
use crate::node::Node;
use crate::room::RoomState;
use crate::task::{blocking, lock};

/// Version of the tables; another one is made again.
const LISTS_VERSION: u32 = 1;
/// Rows removed at once: one batch stays small beside a commit's.
const CLEAR_ROW_COUNT: usize = 1_000;

impl Node {
    /// Makes the lists of a company again, as if they had been lost.
    #[cfg(test)]
    pub(crate) async fn rebuild_lists(self: &Arc<Self>, company: &CompanyId) -> Result<()> {
        let (directory, id) = (Arc::clone(&self.directory), company.clone());
        blocking(move || {
            let gone = Row {
                key: rows::version_key(),
                value: None,
            };
            directory.put_rows(&id, vec![gone], RowsWait::Durable)
        })
        .await?;
        let company = self.index.of(company);
        lock(&company.state).stage = Stage::Unknown;
        self.write_lists(&company);
        Ok(())
    }

    /// Looks once whether a company has lists, and makes them if not. Called by its writer.
    pub(super) async fn keep_lists(self: &Arc<Self>, company: &Arc<Company>) -> Result<()> {
        {
            let mut state = lock(&company.state);
            if state.stage == Stage::Kept {
                return Ok(());
            }
            state.stage = Stage::Building;
        }
        let kept = self.make_lists(company).await;
        let stage = match kept {
            Ok(()) => Stage::Kept,
            Err(_) => Stage::Unknown,
        };
        let mut state = lock(&company.state);
        // Someone may have asked for another round meanwhile.
        if state.stage == Stage::Building {
            state.stage = stage;
        }
        drop(state);
        company.changed.notify_waiters();
        kept
    }

    /// Makes the lists of a company if they are not of this version: page by page, so that other
    /// companies and other readers come between.
    async fn make_lists(self: &Arc<Self>, company: &Arc<Company>) -> Result<()> {
        let read = |node: &Node, id: &CompanyId| node.directory.row(id, &rows::version_key());
        let version = self.step(company, read).await?;
        if version.as_ref().and_then(read_row::<u32>) == Some(LISTS_VERSION) {
            return Ok(());
        }
        let clear_some = |node: &Node, id: &CompanyId| clear(&*node.directory, id);
        while self.step(company, clear_some).await? {}
        let (mut from, _) = tables::room_bounds();
        loop {
            let begin = from.clone();
            let fill_some = move |node: &Node, id: &CompanyId| fill(node, id, &begin);
            match self.step(company, fill_some).await? {
                Some(next) => from = next,
                None => break,
            }
        }
        let written = |node: &Node, id: &CompanyId| {
            let version = set(rows::version_key(), &LISTS_VERSION);
            node.directory
                .put_rows(id, vec![version], RowsWait::Durable)
        };
        self.step(company, written).await
    }

    /// One piece of the work, off the event loop.
    async fn step<T: Send + 'static>(
        self: &Arc<Self>,
        company: &Arc<Company>,
        work: impl FnOnce(&Node, &CompanyId) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // The semaphore is never closed.
        let _permit = self.index.writers.acquire().await;
        let (node, id) = (Arc::clone(self), company.id.clone());
        blocking(move || work(&node, &id)).await
    }
}

/// Removes some rows of lists; false when there are none left.
fn clear(directory: &dyn Directory, company: &CompanyId) -> Result<bool> {
    for table in rows::tables_of_lists() {
        let found = directory.rows(company, &[table], &[table + 1], false, CLEAR_ROW_COUNT)?;
        if !found.is_empty() {
            let gone = found.into_iter().map(|(key, _)| Row { key, value: None });
            directory.put_rows(company, gone.collect(), RowsWait::Applied)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists some rooms, from a key on; where to go on, if there are more.
fn fill(node: &Node, company: &CompanyId, from: &[u8]) -> Result<Option<Vec<u8>>> {
    let (_, to) = tables::room_bounds();
    let directory = &*node.directory;
    let found = directory.rows(company, from, &to, false, WRITE_ROOM_COUNT_MAX)?;
    let Some((last, _)) = found.last() else {
        return Ok(None);
    };
    let mut next = last.clone();
    next.push(0);
    let mut summaries = Vec::with_capacity(found.len());
    for (_, value) in &found {
        let Some(row) = read_row::<RoomRow>(value) else {
            continue;
        };
        let entity = EntityId::room(company.clone(), row.room);
        match recover::<RoomState>(&node.journal, &entity) {
            Ok(recovered) => {
                let summary = recovered.rules.summarise().map(Arc::new);
                summaries.extend(summary.map(|summary| (row.room, recovered.tail.pos, summary)));
            }
            // Its own line is missing; everybody else's lists are there.
            Err(error) => tracing::error!(%entity, %error, "room cannot be read, is not listed"),
        }
    }
    rows::write(directory, company, summaries)?;
    Ok(Some(next))
}
