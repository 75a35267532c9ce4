//! Making lists again from the rooms: for stores that were written before there were lists, and for
//! lists that were lost or are of an older version.
//!
//! Invariants: rooms that change meanwhile are written by the same writer, and the newer position
//! wins; the version is written last, so a crash begins anew.
//! Never: wakes a room.

use std::sync::Arc;

use frontdesk_protocol::CompanyId;
use frontdesk_storage::{Directory, EntityId, Journal, Result, Row, RowsWait};

use super::{Company, Stage, WRITE_ROOM_COUNT_MAX, rows};
use crate::company::tables::{self, RoomRow, read, set};
use crate::entity::Rules;
use crate::entity::recover::recover;
use crate::node::Node;
use crate::room::RoomState;
use crate::task::{blocking, lock};

/// Version of the tables; another one is made again.
const LISTS_VERSION: u32 = 1;

impl Node {
    /// Makes the lists of a company again, as if they had been lost.
    pub async fn rebuild_lists(self: &Arc<Self>, company: &CompanyId) -> Result<()> {
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
        let (node, id) = (Arc::clone(self), company.id.clone());
        let kept = blocking(move || {
            let version = node.directory.row(&id, &rows::version_key())?;
            if version.as_ref().and_then(read::<u32>) == Some(LISTS_VERSION) {
                return Ok(());
            }
            clear(&*node.directory, &id)?;
            fill(&*node.directory, &node.journal, &id)?;
            let version = set(rows::version_key(), &LISTS_VERSION);
            node.directory
                .put_rows(&id, vec![version], RowsWait::Durable)
        })
        .await;
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
}

fn clear(directory: &dyn Directory, company: &CompanyId) -> Result<()> {
    for table in rows::tables_of_lists() {
        loop {
            let found = directory.rows(company, &[table], &[table + 1], false, 1_000)?;
            if found.is_empty() {
                break;
            }
            let gone = found.into_iter().map(|(key, _)| Row { key, value: None });
            directory.put_rows(company, gone.collect(), RowsWait::Applied)?;
        }
    }
    Ok(())
}

fn fill(directory: &dyn Directory, journal: &Arc<dyn Journal>, company: &CompanyId) -> Result<()> {
    let (mut from, to) = tables::room_bounds();
    loop {
        let found = directory.rows(company, &from, &to, false, WRITE_ROOM_COUNT_MAX)?;
        let Some((last, _)) = found.last() else {
            return Ok(());
        };
        from.clone_from(last);
        from.push(0);
        let mut summaries = Vec::with_capacity(found.len());
        for (_, value) in &found {
            let Some(row) = read::<RoomRow>(value) else {
                continue;
            };
            let entity = EntityId::room(company.clone(), row.room);
            let recovered = recover::<RoomState>(journal, &entity)?;
            let summary = recovered.rules.summarise();
            summaries.extend(summary.map(|summary| (row.room, recovered.tail.pos, summary)));
        }
        rows::write(directory, company, summaries.into_iter())?;
    }
}
