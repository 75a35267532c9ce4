//! Files that are being sent with a message: a file that waits is sent in one room, although two
//! rooms would decide at the same moment on what neither has written down.
//!
//! Invariant: from a command's way to its room until its outcome is known, no other room is asked
//! to send one of its files. What is in the journal by then the other room reads. An outcome that
//! nobody was told is waited for, and counts as known after [`DECIDED_MS`].
//! Never: knows whose a file is, or whether there is one.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use frontdesk_protocol::command::RoomCommand;
use frontdesk_protocol::{CompanyId, ErrorCode, FileNo, Rejection};
use frontdesk_storage::EntityId;
use tokio::time::timeout;

use crate::bus::BusMessage;
use crate::entity::{Command, Envelope, Outcome, ReplyTo};
use crate::limits::DECIDED_MS;
use crate::node::{ASK_DOOR, ASK_TIMEOUT_MS, Node};
use crate::task::spawn;

/// The files of a command that sends some.
pub(crate) fn files_of(command: &Command) -> &[FileNo] {
    match command {
        Command::Room(RoomCommand::PostMessage { files, .. }) => files,
        _ => &[],
    }
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Sending {
    /// By which room, and by how many of its commands.
    rooms: DashMap<(CompanyId, FileNo), (EntityId, usize)>,
}

impl Sending {
    /// Files that are claimed now.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.rooms.len()
    }

    /// All of them for a room, or none.
    fn claim(&self, room: &EntityId, files: &[FileNo]) -> bool {
        for (index, no) in files.iter().enumerate() {
            if !self.claim_one(room, *no) {
                self.release(room, &files[..index]);
                return false;
            }
        }
        true
    }

    fn claim_one(&self, room: &EntityId, no: FileNo) -> bool {
        match self.rooms.entry((room.company.clone(), no)) {
            Entry::Vacant(free) => {
                free.insert((room.clone(), 1));
                true
            }
            Entry::Occupied(mut taken) if taken.get().0 == *room => {
                taken.get_mut().1 += 1;
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    fn release(&self, room: &EntityId, files: &[FileNo]) {
        for no in files {
            let entry = self.rooms.entry((room.company.clone(), *no));
            if let Entry::Occupied(mut taken) = entry {
                taken.get_mut().1 -= 1;
                if taken.get().1 == 0 {
                    taken.remove();
                }
            }
        }
    }
}

impl Node {
    /// Takes a message with files to its room, unless another room is sending one of them.
    pub(crate) fn send_files(self: &Arc<Self>, room: EntityId, envelope: Envelope) {
        let files = files_of(&envelope.command).to_vec();
        let reply_to = envelope.reply_to;
        if !self.sending.claim(&room, &files) {
            let why = "a file is being sent in another room";
            let why = Rejection::because(ErrorCode::Busy, why);
            return self.answer(reply_to, Outcome::Refused(why));
        }
        let (cseq, mut outcome) = self.ask.expect();
        let asked = Envelope {
            reply_to: ReplyTo {
                boot: self.boot(),
                door: ASK_DOOR,
                cseq,
            },
            ..envelope
        };
        self.send(BusMessage::Request(room.clone(), Arc::new(asked)));
        let node = Arc::clone(self);
        spawn(async move {
            let limit = Duration::from_millis(ASK_TIMEOUT_MS);
            let early = timeout(limit, &mut outcome).await;
            if let Ok(Ok(known)) = &early
                && *known != Outcome::Unknown
            {
                node.sending.release(&room, &files);
                return node.answer(reply_to, known.clone());
            }
            node.answer(reply_to, Outcome::Unknown);
            // A node that is over is not held for it.
            let (sending, ask) = (Arc::clone(&node.sending), Arc::clone(&node.ask));
            drop(node);
            let known = async {
                let late = match early {
                    Ok(_) => Outcome::Unknown,
                    Err(_) => outcome.await.unwrap_or(Outcome::Unknown),
                };
                if late == Outcome::Unknown {
                    pending::<()>().await;
                }
            };
            // Known by now or not, it is in the journal or never will be.
            let _ = timeout(Duration::from_millis(DECIDED_MS), known).await;
            ask.forget(cseq);
            sending.release(&room, &files);
        });
    }
}
