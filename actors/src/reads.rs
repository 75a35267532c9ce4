//! Reads that enter no mailbox: history pages, a room's view, names. They come from the journal and
//! the index rows, which show only what is durable.
//!
//! Never: wakes an entity, writes, or reads on the event loop.

use std::sync::Arc;

use frontdesk_protocol::chat::Chat;
use frontdesk_protocol::command::{Card, Prompt};
use frontdesk_protocol::event::RoomEvent;
use frontdesk_protocol::native::{PageFrom, RoomName};
use frontdesk_protocol::{
    CompanyId, ConversationNo, HistoryId, PersonId, Pos, RoomId, Seq, Timestamp,
};
use frontdesk_storage::{Directory, EntityId, EntityKind, Journal, Record, Result};

use crate::company::tables::{self, PersonRow, RoomRow};
use crate::edge::{ChatContext, View};
use crate::entity::recover::{decode_record, recover};
use crate::limits::HISTORY_PAGE_BYTES;
use crate::node::Node;
use crate::room::RoomState;
use crate::task::blocking;

/// Records read from the journal at once.
const READ_RECORD_COUNT: usize = 128;
/// Bytes read from the journal at once.
const READ_BYTES: usize = 256 * 1024;

/// A page of a room's history.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// Events in seq order.
    pub events: Vec<RoomEvent>,
    /// The last event of the room.
    pub head: Seq,
    /// Whether more lies beyond this page, in its direction.
    pub more: bool,
}

/// A room as its people may know it.
#[derive(Debug, Clone)]
pub struct RoomFacts {
    /// The room.
    pub room: RoomId,
    /// Its number.
    pub conversation: ConversationNo,
    /// Names its log.
    pub history_id: HistoryId,
    /// The last event.
    pub head: Seq,
    /// Everyone in it, each with their read mark.
    pub marks: std::collections::BTreeMap<PersonId, Seq>,
}

/// A visitor's chat as it stands.
#[derive(Debug, Clone)]
pub struct ChatFacts {
    /// The room.
    pub room: RoomId,
    /// Its number.
    pub conversation: ConversationNo,
    /// The last event.
    pub head: Seq,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When a message or a change came last.
    pub changed_at: Timestamp,
    /// The chat.
    pub chat: Box<Chat>,
}

/// What a company knows of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquaintance {
    /// There is no such company here, or it is closed.
    NoCompany,
    /// It never heard of them.
    Stranger,
    /// This.
    Known(PersonRow),
}

impl Node {
    /// Every company that the store lists.
    pub async fn companies(self: &Arc<Self>) -> Result<Vec<CompanyId>> {
        let node = Arc::clone(self);
        blocking(move || node.directory.companies()).await
    }

    /// A room by the name a client used, if the company has one.
    pub async fn find_room(
        self: &Arc<Self>,
        company: &CompanyId,
        name: RoomName,
    ) -> Result<Option<EntityId>> {
        let (node, company) = (Arc::clone(self), company.clone());
        blocking(move || {
            let key = match name {
                RoomName::Id(room) => tables::room_key(&room),
                RoomName::Conversation(number) => tables::number_key(number),
            };
            let value = node.directory.row(&company, &key)?;
            let row = value.as_ref().and_then(tables::read::<RoomRow>);
            Ok(row.map(|row| EntityId::room(company, row.room)))
        })
        .await
    }

    /// The direct room of two people, if they have one.
    pub async fn pair_room(
        self: &Arc<Self>,
        company: &CompanyId,
        one: &PersonId,
        two: &PersonId,
    ) -> Result<Option<RoomId>> {
        let key = tables::pair_key(&tables::pair(one, two));
        let (node, company) = (Arc::clone(self), company.clone());
        let value = blocking(move || node.directory.row(&company, &key)).await?;
        let row = value.as_ref().and_then(tables::read::<RoomRow>);
        Ok(row.map(|row| row.room))
    }

    /// What the company knows of a person.
    pub async fn card(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<Option<Card>> {
        Ok(match self.acquaintance(company, person).await? {
            Acquaintance::Known(row) => Some(row.card),
            Acquaintance::NoCompany | Acquaintance::Stranger => None,
        })
    }

    /// What a company knows of a person, if there is such a company.
    pub async fn acquaintance(
        self: &Arc<Self>,
        company: &CompanyId,
        person: &PersonId,
    ) -> Result<Acquaintance> {
        let (node, company, key) = (
            Arc::clone(self),
            company.clone(),
            tables::person_key(person),
        );
        blocking(move || {
            if !node.directory.has_company(&company)? || node.is_closed(&company)? {
                return Ok(Acquaintance::NoCompany);
            }
            let value = node.directory.row(&company, &key)?;
            let row = value.as_ref().and_then(tables::read);
            Ok(row.map_or(Acquaintance::Stranger, Acquaintance::Known))
        })
        .await
    }

    /// The prompts that are offered, in their order.
    pub async fn prompts(self: &Arc<Self>, company: &CompanyId) -> Result<Vec<Prompt>> {
        let mut prompts = self.all_prompts(company).await?;
        prompts.retain(|prompt| prompt.active);
        Ok(prompts)
    }

    /// The prompts, those that are not offered among them, in their order.
    pub async fn all_prompts(self: &Arc<Self>, company: &CompanyId) -> Result<Vec<Prompt>> {
        let (node, company) = (Arc::clone(self), company.clone());
        let row = blocking(move || node.directory.row(&company, &tables::prompts_key())).await?;
        let read = row.as_ref().and_then(tables::read::<Vec<Prompt>>);
        let mut prompts = read.unwrap_or_default();
        prompts.sort_by_key(|prompt| (prompt.order, prompt.id));
        Ok(prompts)
    }

    /// A room for one of its people; `None` for everyone else.
    pub async fn room_for(
        self: &Arc<Self>,
        entity: &EntityId,
        person: &PersonId,
    ) -> Result<Option<RoomFacts>> {
        let EntityKind::Room(room) = entity.kind else {
            return Ok(None);
        };
        let view = match self.edges.get(entity).and_then(|edge| edge.loaded_view()) {
            Some(view) => view,
            None => self.room_view(entity).await?,
        };
        if !view.exists || !view.marks.contains_key(person) {
            return Ok(None);
        }
        Ok(Some(RoomFacts {
            room,
            conversation: view.conversation,
            history_id: view.history_id.unwrap_or(HistoryId(0)),
            head: view.head,
            marks: view.marks,
        }))
    }

    /// A visitor's chat; `None` for other rooms. The caller checks who may see it.
    pub async fn chat(self: &Arc<Self>, entity: &EntityId) -> Result<Option<ChatFacts>> {
        let EntityKind::Room(room) = entity.kind else {
            return Ok(None);
        };
        let (node, entity) = (Arc::clone(self), entity.clone());
        blocking(move || {
            let rules = recover::<RoomState>(&node.journal, &entity)?.rules;
            Ok(rules.chat.map(|chat| ChatFacts {
                room,
                conversation: rules.conversation,
                head: rules.head,
                created_at: rules.created_at,
                changed_at: rules.changed_at,
                chat,
            }))
        })
        .await
    }

    /// A page of history; `count` events at most, fewer when they are large. The caller has checked
    /// that it may be read.
    pub async fn history(
        self: &Arc<Self>,
        entity: &EntityId,
        from: PageFrom,
        count: usize,
    ) -> Result<HistoryPage> {
        let (node, entity) = (Arc::clone(self), entity.clone());
        blocking(move || {
            let mut page = history(&node.journal, &entity, from, count)?;
            blank_deleted(&*node.directory, &entity, &mut page.events)?;
            Ok(page)
        })
        .await
    }

    pub(crate) async fn events_after(
        self: &Arc<Self>,
        entity: &EntityId,
        after: Seq,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<RoomEvent>> {
        let (node, entity) = (Arc::clone(self), entity.clone());
        blocking(move || {
            let mut events = events_after(&node.journal, &entity, after, count, bytes)?;
            blank_deleted(&*node.directory, &entity, &mut events)?;
            Ok(events)
        })
        .await
    }

    pub(crate) async fn room_view(self: &Arc<Self>, entity: &EntityId) -> Result<View> {
        let (node, entity) = (Arc::clone(self), entity.clone());
        blocking(move || {
            let rules = recover::<RoomState>(&node.journal, &entity)?.rules;
            if !rules.created {
                return Ok(View::none());
            }
            Ok(View {
                exists: true,
                conversation: rules.conversation,
                history_id: Some(node.history_id(rules.history_base)),
                head: rules.head,
                marks: rules
                    .seats
                    .into_iter()
                    .map(|(person, seat)| (person, seat.read))
                    .collect(),
                bot: rules.bot,
                chat: rules.chat.map(|chat| {
                    let Chat { id, visitor, .. } = *chat;
                    Arc::new(ChatContext { id, visitor })
                }),
            })
        })
        .await
    }
}

fn history(
    journal: &Arc<dyn Journal>,
    entity: &EntityId,
    from: PageFrom,
    count: usize,
) -> Result<HistoryPage> {
    let head = journal.tail(entity)?.seq;
    let (events, more) = match from {
        PageFrom::After(after) if after >= head => (Vec::new(), false),
        PageFrom::After(after) => {
            let events = events_after(journal, entity, after, count, HISTORY_PAGE_BYTES)?;
            let last = events
                .iter()
                .rev()
                .find_map(RoomEvent::seq)
                .unwrap_or(after);
            (events, last < head)
        }
        PageFrom::Before(before) => events_before(journal, entity, before, count)?,
        PageFrom::Latest => events_before(journal, entity, head.next(), count)?,
    };
    Ok(HistoryPage { events, head, more })
}

fn events_after(
    journal: &Arc<dyn Journal>,
    entity: &EntityId,
    after: Seq,
    count_max: usize,
    bytes_max: usize,
) -> Result<Vec<RoomEvent>> {
    let mut events = Vec::new();
    let Some(first) = journal.pos_of_seq(entity, after.next())? else {
        return Ok(events);
    };
    let mut from = Pos(first.0 - 1);
    let mut read_bytes = 0;
    loop {
        let records = journal.read_after(entity, from, READ_RECORD_COUNT, READ_BYTES)?;
        let Some(last) = records.last() else {
            return Ok(events);
        };
        from = last.pos;
        for record in &records {
            read_bytes += record.payload.len();
            for event in shown(record)? {
                if event.seq().is_some_and(|seq| seq > after) {
                    events.push(event);
                }
                if events.len() >= count_max {
                    return Ok(events);
                }
            }
            if read_bytes >= bytes_max {
                return Ok(events);
            }
        }
    }
}

/// In seq order, and whether older ones are left.
fn events_before(
    journal: &Arc<dyn Journal>,
    entity: &EntityId,
    before: Seq,
    count_max: usize,
) -> Result<(Vec<RoomEvent>, bool)> {
    let tail = journal.tail(entity)?;
    let mut below = match journal.pos_of_seq(entity, before)? {
        Some(pos) => pos.next(),
        None => tail.pos.next(),
    };
    let mut newest_first = Vec::new();
    let mut read_bytes = 0;
    'read: loop {
        let records = journal.read_before(entity, below, READ_RECORD_COUNT, READ_BYTES)?;
        let Some(last) = records.last() else { break };
        below = last.pos;
        for record in &records {
            let mut events = shown(record)?;
            events.retain(|event| event.seq().is_some_and(|seq| seq < before));
            if !events.is_empty() {
                read_bytes += record.payload.len();
            }
            newest_first.extend(events.into_iter().rev());
            if newest_first.len() >= count_max || read_bytes >= HISTORY_PAGE_BYTES {
                break 'read;
            }
        }
    }
    newest_first.truncate(count_max);
    newest_first.reverse();
    let first = newest_first.iter().find_map(RoomEvent::seq);
    Ok((newest_first, first.is_some_and(|seq| seq.0 > 1)))
}

/// Takes away what messages said that were taken back.
fn blank_deleted(
    directory: &dyn Directory,
    entity: &EntityId,
    events: &mut [RoomEvent],
) -> Result<()> {
    let seqs = || events.iter().filter_map(RoomEvent::seq);
    let EntityKind::Room(room) = entity.kind else {
        return Ok(());
    };
    let Some((first, last)) = seqs().min().zip(seqs().max()) else {
        return Ok(());
    };
    let from = tables::deleted_key(&room, first);
    let to = tables::deleted_key(&room, last.next());
    let rows = directory.rows(&entity.company, &from, &to, false, events.len())?;
    for (key, value) in rows {
        let at = tables::read::<Timestamp>(&value).unwrap_or_default();
        let deleted = tables::seq_of(&key);
        for event in events.iter_mut() {
            if let RoomEvent::MessagePosted(message) = event
                && Some(message.seq) == deleted
            {
                message.blank(at);
            }
        }
    }
    Ok(())
}

fn shown(record: &Record) -> Result<Vec<RoomEvent>> {
    let mut events = decode_record::<RoomEvent>(record)?.events;
    events.retain(|event| event.seq().is_some());
    Ok(events)
}
