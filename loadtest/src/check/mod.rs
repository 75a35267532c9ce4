//! The checks: what every member of every room must receive, and what it did receive.
//!
//! Owns: per room what was posted and acknowledged, per member what arrived.
//! Invariants:
//! 1. A message posted to a room is due once at every member of it, the sender included.
//! 2. A room has one sender at a time, so its numbers must arrive as 1, 2, 3, …
//! 3. The server's seq of message `n` is the room's head at joining plus `n`, less the posts that
//!    were refused before it; the acknowledgement says the same seq.
//!
//! Never: reads a clock or a socket, decides when enough was awaited.

use std::collections::VecDeque;

use crate::marker::Marker;

macro_rules! violations {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A way in which a server can break its word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Violation { $($(#[$doc])* $name,)* }

        impl Violation {
            /// Every kind, in the order of reports.
            pub const ALL: &'static [Violation] = &[$(Violation::$name,)*];

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self { $(Violation::$name => $text,)* }
            }
        }
    };
}

violations! {
    /// A member never got a message.
    Missing = "missing";
    /// A member got a message again.
    Double = "double";
    /// A member got a message after a later one.
    OutOfOrder = "out_of_order";
    /// A member got another room's message.
    WrongRoom = "wrong_room";
    /// A member got a message that this run did not post.
    NeverPosted = "never_posted";
    /// A delivery's seq is not the one that its message must have.
    WrongSeq = "wrong_seq";
    /// An acknowledgement names another seq than the deliveries, or comes twice.
    AckDisagrees = "ack_disagrees";
    /// A message was posted and neither acknowledged nor refused.
    Unacknowledged = "unacknowledged";
    /// The server refused a command that is allowed.
    Refused = "refused";
    /// The server closed a connection.
    Closed = "closed";
    /// The server sent bytes that its protocol does not allow.
    BadFrame = "bad_frame";
    /// A list lacks a conversation, names one twice or stands in the wrong order.
    WrongList = "wrong_list";
    /// An unread count is not what was posted.
    WrongCount = "wrong_count";
    /// A figure is beyond the scenario's bar, where bars were asked for.
    TooSlow = "too_slow";
}

/// Examples kept for the report: enough to see a pattern, few enough to read.
const EXAMPLES_MAX: usize = 12;

/// A message as it arrived at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// What its text says.
    pub marker: Marker,
    /// What the server says, in dialects that have a seq.
    pub seq: Option<u64>,
}

/// What was found, counted and with the first few places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    counts: [u64; Violation::ALL.len()],
    examples: Vec<String>,
}

impl Findings {
    /// How often.
    pub fn count(&self, violation: Violation) -> u64 {
        self.counts[violation as usize]
    }

    /// Every kind that was found, with its count.
    pub fn found(&self) -> impl Iterator<Item = (Violation, u64)> + '_ {
        let all = Violation::ALL.iter().copied();
        all.map(|violation| (violation, self.count(violation)))
            .filter(|(_, count)| *count > 0)
    }

    /// Whether the server kept its word.
    pub fn is_clean(&self) -> bool {
        self.found().next().is_none()
    }

    /// The first places, each a line that says what and where.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }

    /// Adds another run's findings to these.
    pub fn merge(&mut self, other: &Findings) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples
            .extend(other.examples.iter().take(room).cloned());
    }

    /// Adds what was found outside of deliveries.
    pub(crate) fn note(&mut self, violation: Violation, what: String) {
        self.add(violation, 1, || what);
    }

    /// Says of each example what it was found in.
    #[must_use]
    pub(crate) fn within(mut self, place: &str) -> Self {
        for example in &mut self.examples {
            *example = format!("{place}: {example}");
        }
        self
    }

    fn add(&mut self, violation: Violation, count: u64, what: impl FnOnce() -> String) {
        self.counts[violation as usize] += count;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples
                .push(format!("{}: {}", violation.name(), what()));
        }
    }
}

/// What one room owes its members.
#[derive(Debug, Default)]
struct RoomCheck {
    member_count: u64,
    posted: u64,
    /// Seq of the last event before the first message; unknown until someone joined.
    head: Option<u64>,
    /// Numbers that were refused, ascending; empty in a sound run.
    refused: Vec<u64>,
    /// Numbers posted and not answered yet, in dialects that answer.
    unanswered: VecDeque<u64>,
}

impl RoomCheck {
    fn seq_due(&self, number: u64) -> Option<u64> {
        let refused_before = self.refused.partition_point(|refused| *refused < number) as u64;
        Some(self.head? + number - refused_before)
    }
}

/// A seq that was not the one due when it came.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    /// Who got it; `None` for an acknowledgement.
    member: Option<usize>,
    room: usize,
    number: u64,
    seq: u64,
}

/// Seqs kept to be judged at the end; a sound run has none, a broken server may have any number.
const SUSPECTS_MAX: usize = 10_000;

/// What one member has received.
#[derive(Debug)]
struct MemberCheck {
    room: u32,
    /// The greatest number received.
    last: u64,
    /// Ranges below `last` that have not come, ascending, ends included; empty in a sound run.
    gaps: Vec<(u64, u64)>,
}

impl MemberCheck {
    /// Takes a number out of the gaps; `false` when it is in none.
    fn fill_gap(&mut self, number: u64) -> bool {
        let holds = |(first, last): &(u64, u64)| (*first..=*last).contains(&number);
        let Some(at) = self.gaps.iter().position(holds) else {
            return false;
        };
        let (first, last) = self.gaps.remove(at);
        if number < last {
            self.gaps.insert(at, (number + 1, last));
        }
        if first < number {
            self.gaps.insert(at, (first, number - 1));
        }
        true
    }
}

/// Compares what arrives with what is due. Rooms and members are named by their index.
#[derive(Debug)]
pub struct Checker {
    run: u32,
    expects_acks: bool,
    rooms: Vec<RoomCheck>,
    members: Vec<MemberCheck>,
    suspects: Vec<Suspect>,
    findings: Findings,
    delivered: u64,
    deliveries_due: u64,
    acks_due: u64,
}

impl Checker {
    /// For one run; `expects_acks` in dialects that answer a post.
    pub fn new(run: u32, expects_acks: bool) -> Self {
        Self {
            run,
            expects_acks,
            rooms: Vec::new(),
            members: Vec::new(),
            suspects: Vec::new(),
            findings: Findings::default(),
            delivered: 0,
            deliveries_due: 0,
            acks_due: 0,
        }
    }

    /// Adds a room with as many members; their indices follow those of the rooms before.
    pub fn add_room(&mut self, member_count: usize) {
        let room = u32::try_from(self.rooms.len()).expect("fewer than 2^32 rooms fit in memory");
        self.rooms.push(RoomCheck {
            member_count: member_count as u64,
            ..RoomCheck::default()
        });
        self.members.extend((0..member_count).map(|_| MemberCheck {
            room,
            last: 0,
            gaps: Vec::new(),
        }));
    }

    /// A member joined its room at this head, before anything was posted.
    pub fn joined(&mut self, member: usize, head: u64) {
        let room = self.members[member].room as usize;
        let known = *self.rooms[room].head.get_or_insert(head);
        if known != head {
            self.findings.add(Violation::WrongSeq, 1, || {
                format!("member {member} joined room {room} at head {head}, others at {known}")
            });
        }
    }

    /// The number of the next message of a room, which is due from now on.
    pub fn post(&mut self, room: usize) -> u64 {
        let check = &mut self.rooms[room];
        check.posted += 1;
        self.deliveries_due += check.member_count;
        if self.expects_acks {
            check.unanswered.push_back(check.posted);
            self.acks_due += 1;
        }
        check.posted
    }

    /// The server acknowledged a post.
    pub fn acked(&mut self, room: usize, number: u64, seq: u64, dup: bool) {
        if !self.answer(room, number) {
            return;
        }
        if dup {
            self.findings.add(Violation::AckDisagrees, 1, || {
                format!("room {room} message {number}: called a repetition, was sent once")
            });
        }
        self.check_seq(None, room, number, seq);
    }

    /// The server refused a post: it is due nowhere.
    pub fn refused(&mut self, room: usize, number: u64, why: &str) {
        if self.answer(room, number) {
            let check = &mut self.rooms[room];
            let at = check.refused.partition_point(|refused| *refused < number);
            check.refused.insert(at, number);
            self.deliveries_due -= check.member_count;
        }
        self.findings.add(Violation::Refused, 1, || {
            format!("room {room} message {number}: {why}")
        });
    }

    /// Takes a post out of those that wait for their answer; `false` when it was not among them.
    fn answer(&mut self, room: usize, number: u64) -> bool {
        let waiting = &mut self.rooms[room].unanswered;
        let Some(at) = waiting.iter().position(|posted| *posted == number) else {
            self.findings.add(Violation::AckDisagrees, 1, || {
                format!("room {room} message {number}: answered twice or never posted")
            });
            return false;
        };
        waiting.remove(at);
        self.acks_due -= 1;
        true
    }

    /// A message arrived at a member. `true` when it is one that was due there.
    #[inline]
    pub fn delivered(&mut self, member: usize, delivery: &Delivery) -> bool {
        let marker = &delivery.marker;
        let check = &mut self.members[member];
        let room = check.room as usize;
        let is_next = marker.run == self.run
            && marker.room == check.room
            && marker.number == check.last + 1
            && marker.number <= self.rooms[room].posted;
        if is_next {
            check.last = marker.number;
        } else if !self.out_of_line(member, marker) {
            return false;
        }
        if let Some(seq) = delivery.seq {
            self.check_seq(Some(member), room, marker.number, seq);
        }
        self.delivered += 1;
        true
    }

    /// A delivery that is not simply the next one. `true` when it was due at all.
    #[cold]
    fn out_of_line(&mut self, member: usize, marker: &Marker) -> bool {
        let check = &mut self.members[member];
        let (room, last, number) = (check.room, check.last, marker.number);
        let place = move || format!("member {member} of room {room} got message {number}");
        if marker.run == self.run && marker.room != room {
            let of = marker.room;
            self.findings.add(Violation::WrongRoom, 1, || {
                format!("{} of room {of}", place())
            });
            return false;
        }
        if marker.run != self.run || number == 0 || number > self.rooms[room as usize].posted {
            self.findings.add(Violation::NeverPosted, 1, || {
                format!("{} of run {:x}", place(), marker.run)
            });
            return false;
        }
        if number > last {
            check.gaps.push((last + 1, number - 1));
            check.last = number;
            return true;
        }
        let (violation, due) = if check.fill_gap(number) {
            (Violation::OutOfOrder, true)
        } else {
            (Violation::Double, false)
        };
        self.findings
            .add(violation, 1, || format!("{} after {last}", place()));
        due
    }

    #[inline]
    fn check_seq(&mut self, member: Option<usize>, room: usize, number: u64, seq: u64) {
        let due = self.rooms[room].seq_due(number);
        if due.is_some_and(|due| due != seq) {
            self.suspect(Suspect {
                member,
                room,
                number,
                seq,
            });
        }
    }

    /// A refusal may be read after deliveries that it explains, so a seq is judged at the end.
    #[cold]
    fn suspect(&mut self, suspect: Suspect) {
        match self.suspects.len() {
            0..SUSPECTS_MAX => self.suspects.push(suspect),
            _ => self.judge(&suspect),
        }
    }

    fn judge(&mut self, suspect: &Suspect) {
        let Suspect {
            member,
            room,
            number,
            seq,
        } = *suspect;
        let Some(due) = self.rooms[room].seq_due(number).filter(|due| *due != seq) else {
            return;
        };
        let violation = match member {
            Some(_) => Violation::WrongSeq,
            None => Violation::AckDisagrees,
        };
        self.findings.add(violation, 1, || {
            let place = format!("message {number} of room {room} has seq {seq}, due is {due}");
            match member {
                Some(member) => format!("{place}, at member {member}"),
                None => format!("{place}, in its acknowledgement"),
            }
        });
    }

    /// The server refused a command other than a post, closed a connection, or broke its protocol.
    pub fn broke(&mut self, violation: Violation, member: usize, why: &str) {
        let room = self.members[member].room;
        self.findings.add(violation, 1, || {
            format!("member {member} of room {room}: {why}")
        });
    }

    /// Messages posted to a room and not refused.
    pub(crate) fn kept_count(&self, room: usize) -> u64 {
        let check = &self.rooms[room];
        check.posted - check.refused.len() as u64
    }

    /// Deliveries that were due, so far.
    pub fn delivered_count(&self) -> u64 {
        self.delivered
    }

    /// Deliveries and acknowledgements that are due and have not come.
    pub fn outstanding(&self) -> u64 {
        self.deliveries_due.saturating_sub(self.delivered) + self.acks_due
    }

    /// Counts what never came and hands over everything found.
    pub fn finish(mut self) -> Findings {
        for suspect in std::mem::take(&mut self.suspects) {
            self.judge(&suspect);
        }
        for (member, check) in self.members.iter().enumerate() {
            let room = &self.rooms[check.room as usize];
            let mut gaps = check.gaps.clone();
            if check.last < room.posted {
                gaps.push((check.last + 1, room.posted));
            }
            for (first, last) in gaps {
                let refused = room.refused.iter();
                let refused = refused.filter(|number| (first..=last).contains(number));
                let missing = last + 1 - first - refused.count() as u64;
                if missing > 0 {
                    self.findings.add(Violation::Missing, missing, || {
                        let room = check.room;
                        format!("member {member} of room {room} lacks messages {first} to {last}")
                    });
                }
            }
        }
        for (room, check) in self.rooms.iter().enumerate() {
            if let (Some(first), count) = (check.unanswered.front(), check.unanswered.len()) {
                self.findings
                    .add(Violation::Unacknowledged, count as u64, || {
                        format!("room {room}: {count} posts, the first is message {first}")
                    });
            }
        }
        self.findings
    }
}

#[cfg(test)]
mod tests;
