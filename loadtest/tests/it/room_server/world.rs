//! Rooms, who is in them, and what each is sent: where the one promise is broken.
//!
//! Never: reads a socket.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use frontdesk_protocol::CloseCode;
use frontdesk_protocol::codec::Codec;
use frontdesk_protocol::websocket::{Opcode, close_frame, server_frame};
use tokio::net::tcp::OwnedWriteHalf;

use super::Fault;
use super::frames::crm_message;

/// Where the fault is.
pub(super) const FAULT_SEQ: u64 = 20;
/// Whom it hits, in the order of joining.
pub(super) const VICTIM: usize = 1;

pub(super) struct World {
    pub(super) fault: Fault,
    pub(super) rooms: Vec<Room>,
}

#[derive(Default)]
pub(super) struct Room {
    pub(super) head: u64,
    pub(super) has_bot: bool,
    pub(super) members: Vec<Member>,
}

/// What is spoken on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Native(Codec),
    Direct,
    Crm,
}

pub(super) struct Member {
    pub(super) writer: Rc<Writer>,
    pub(super) dialect: Spoken,
    /// The frame that the swap holds back.
    pub(super) held: Option<Bytes>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            fault: Fault::None,
            rooms: Vec::new(),
        }
    }
}

/// A socket and what it is to get at the end of the current read.
pub(super) struct Writer {
    pub(super) half: OwnedWriteHalf,
    pub(super) unsent: RefCell<Vec<u8>>,
}

impl Writer {
    pub(super) fn push(&self, bytes: &[u8]) {
        self.unsent.borrow_mut().extend_from_slice(bytes);
    }

    pub(super) fn flush(&self) {
        let mut unsent = self.unsent.borrow_mut();
        if !unsent.is_empty() {
            // A closed socket takes nothing, and its reader ends.
            let taken = self.half.try_write(&unsent).unwrap_or(0);
            unsent.drain(..taken);
        }
    }
}

impl World {
    pub(super) fn flush(&self, room: usize) {
        let members = self.rooms.get(room).map(|room| &room.members);
        members
            .into_iter()
            .flatten()
            .for_each(|member| member.writer.flush());
    }

    /// A message of a `crm` client, and the bot's answer, which takes no seq here.
    pub(super) fn say(&mut self, room: usize, text: &str) -> u64 {
        let seq = self.rooms[room].head + 1;
        self.publish(room, seq, |seq| crm_message(room, seq, "user", text));
        let is_at = |at: Fault| room == 0 && seq == FAULT_SEQ && self.fault == at;
        let count = match self.rooms[room].has_bot {
            false => 0,
            true if is_at(Fault::NoAnswer) => 0,
            true if is_at(Fault::TwoAnswers) => 2,
            true => 1,
        };
        let answer = format!("You said: \"{text}\".");
        let frame = crm_message(room, 0, "bot", &answer);
        for _ in 0..count {
            let members = self.rooms[room].members.iter();
            members.for_each(|member| member.writer.push(&frame));
        }
        seq
    }
    pub(super) fn publish(&mut self, room: usize, seq: u64, encode: impl Fn(u64) -> Bytes) {
        let frame = encode(seq);
        self.rooms[room].head = seq;
        let is_faulty = room == 0 && self.fault != Fault::None;
        for member in 0..self.rooms[room].members.len() {
            if is_faulty && member == VICTIM && (FAULT_SEQ..=FAULT_SEQ + 1).contains(&seq) {
                self.publish_faulty(seq, &frame, &encode);
            } else {
                self.rooms[room].members[member].writer.push(&frame);
            }
        }
    }

    fn publish_faulty(&mut self, seq: u64, frame: &Bytes, encode: &impl Fn(u64) -> Bytes) {
        let fault = self.fault;
        let neighbour = self.rooms.get(1).and_then(|room| room.members.first());
        let neighbour = neighbour.map(|member| Rc::clone(&member.writer));
        let victim = &mut self.rooms[0].members[VICTIM];
        if seq > FAULT_SEQ {
            victim.writer.push(frame);
            if let Some(held) = victim.held.take() {
                victim.writer.push(&held);
            }
            return;
        }
        match fault {
            Fault::Drop => return,
            Fault::Swap => {
                victim.held = Some(frame.clone());
                return;
            }
            Fault::WrongSeq => {
                victim.writer.push(&encode(seq + 1));
                return;
            }
            _ => victim.writer.push(frame),
        }
        match fault {
            Fault::Double => victim.writer.push(frame),
            Fault::WrongRoom => {
                let neighbour = neighbour.expect("the test has two rooms");
                neighbour.push(frame);
                neighbour.flush();
            }
            Fault::Close => victim.writer.push(&close_frame(CloseCode::Internal, "")),
            Fault::Garbage => {
                let opcode = match victim.dialect {
                    Spoken::Native(Codec::Msgpack) => Opcode::Binary,
                    _ => Opcode::Text,
                };
                victim.writer.push(&server_frame(opcode, b"{\"type\":"));
            }
            _ => {}
        }
    }
}
