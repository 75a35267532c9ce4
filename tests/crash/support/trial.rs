//! A trial: one folder, one server after another on it, members who talk through all of them, and
//! the ledger that says whether a promise was broken.
//!
//! Never: decides when a server dies; the tests do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::http::{Asker, token};
use super::ledger::{Figures, Ledger};
use super::member::{Member, Orders};
use super::server::{Server, Settings};
use super::wait_for;

/// People who talk; all of them in every room.
pub(crate) const MEMBER_COUNT: usize = 4;
/// Rooms they talk in.
pub(crate) const ROOM_COUNT: usize = 3;
/// Messages of one member that wait for an answer, unless a test says otherwise.
const IN_FLIGHT_MAX: usize = 6;
/// Longest time that a load may take to come about, or to come to rest.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// A room of the trial.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) number: u64,
    /// Its log's name when it was last read.
    pub(crate) history_id: String,
}

/// See the module's text.
pub(crate) struct Trial {
    pub(crate) settings: Settings,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) asker: Asker,
    pub(crate) runtime: Runtime,
    pub(crate) rooms: Vec<Room>,
    /// Messages of one member that wait for an answer.
    pub(crate) in_flight_max: usize,
    orders: watch::Sender<Orders>,
    members: Vec<JoinHandle<()>>,
    folder: TempDir,
}

impl Trial {
    /// A trial on a new folder.
    pub(crate) fn new(engine: &'static str, durability: &'static str) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let settings = Settings::new(&folder.path().join("store"), engine, durability);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            settings,
            ledger: Arc::default(),
            asker: Asker::new(token(&person(0))),
            runtime,
            rooms: Vec::new(),
            in_flight_max: IN_FLIGHT_MAX,
            orders: watch::channel(Orders::default()).0,
            members: Vec::new(),
            folder,
        }
    }

    /// A place beside the store.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a server; the first one gets the rooms and the members.
    pub(crate) fn start(&mut self) -> Result<Server, String> {
        let server = self.settings.start()?;
        if self.rooms.is_empty() {
            self.open_rooms(&server)?;
        }
        Ok(server)
    }

    fn open_rooms(&mut self, server: &Server) -> Result<(), String> {
        let people: Vec<String> = (0..MEMBER_COUNT).map(person).collect();
        for _ in 0..ROOM_COUNT {
            let opened = self.asker.open_room(server.address(), &people);
            let (id, number) = self.runtime.block_on(opened)?;
            self.rooms.push(Room {
                id,
                number,
                history_id: String::new(),
            });
        }
        let ids: Vec<String> = self.rooms.iter().map(|room| room.id.clone()).collect();
        for name in &people {
            let (ledger, orders) = (Arc::clone(&self.ledger), self.orders.subscribe());
            let member = Member::new(name, &ids, self.in_flight_max, ledger, orders);
            self.members.push(self.runtime.spawn(member.run()));
        }
        Ok(())
    }

    /// Lets the members talk to a server.
    pub(crate) fn talk(&self, server: &Server) {
        self.orders.send_modify(|orders| {
            orders.server = Some(server.address());
            orders.posting = true;
        });
    }

    /// Members post nothing new; what is unanswered goes on.
    pub(crate) fn fall_silent(&self) {
        self.orders.send_modify(|orders| orders.posting = false);
    }

    /// The server is about to go, and members shall not look for it.
    pub(crate) fn forget_server(&self) {
        self.orders.send_modify(|orders| orders.server = None);
    }

    /// Waits until so many more messages were written and acknowledged. An answer to what was sent
    /// again and had been written before does not count: it puts nothing at stake.
    pub(crate) fn wait_for_acknowledgements(&self, count: u64) -> Result<(), String> {
        let wanted = self.figures().written() + count;
        wait_for("acknowledgements", LOAD_LIMIT, || {
            let faults = self.ledger.faults().is_err();
            (faults || self.figures().written() >= wanted).then_some(())
        })?;
        self.ledger.faults()
    }

    /// Waits until so many connections were made.
    pub(crate) fn wait_for_connections(&self, count: u64) -> Result<(), String> {
        wait_for("connections", LOAD_LIMIT, || {
            (self.figures().connections >= count).then_some(())
        })
    }

    /// Compares all histories with the ledger. Answers whether each log kept its name.
    pub(crate) fn check(&mut self, server: &Server, complete: bool) -> Result<bool, String> {
        self.ledger.faults()?;
        let mut kept = true;
        for room in &mut self.rooms {
            let known = self.ledger.known(&room.id);
            let history = self.asker.history(server.address(), &room.id);
            let history = self.runtime.block_on(history)?;
            self.ledger
                .check(&room.id, &known, &history.lines, complete)?;
            kept &= room.history_id.is_empty() || room.history_id == history.history_id;
            room.history_id = history.history_id;
        }
        Ok(kept)
    }

    /// Lets the members get an answer for everything and everything delivered; checks; they leave.
    pub(crate) fn finish(&mut self, server: &Server) -> Result<(), String> {
        self.talk(server);
        self.fall_silent();
        let mut fault = String::new();
        let rested = wait_for("rest", LOAD_LIMIT, || {
            let checked = self
                .check(server, true)
                .and_then(|_| self.everyone_has_all(server));
            let is_broken = self.ledger.faults().is_err();
            match checked {
                Ok(true) => Some(Ok(())),
                Err(fault) if is_broken => Some(Err(fault)),
                Err(why) => {
                    fault = why;
                    None
                }
                Ok(false) => None,
            }
        });
        rested.map_err(|error| format!("{error}; {fault}"))??;
        self.leave();
        Ok(())
    }

    fn everyone_has_all(&self, server: &Server) -> Result<bool, String> {
        for room in &self.rooms {
            let history = self.asker.history(server.address(), &room.id);
            let head = self.runtime.block_on(history)?.lines.len() as u64;
            if !self.ledger.all_reached(&room.id, head, MEMBER_COUNT) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The members hang up.
    pub(crate) fn leave(&mut self) {
        self.orders.send_modify(|orders| orders.leave = true);
        for member in self.members.drain(..) {
            self.runtime.block_on(member).unwrap();
        }
    }

    /// The numbers so far.
    pub(crate) fn figures(&self) -> Figures {
        self.ledger.figures()
    }
}

/// A member's name.
pub(crate) fn person(index: usize) -> String {
    format!("person-{index}")
}
