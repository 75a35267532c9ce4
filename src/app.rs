//! What every request and every connection of this node may use: the actors, the keys, the limits.
//!
//! Invariants: a [`Known`] exists only for a token that was verified and whose company is served
//! here; whoever acts for a company holds one, or the principal taken from it.
//! Never: holds a rule of the chat.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use axum::http::{HeaderMap, header};
use dashmap::DashMap;
use frontdesk_actors::{Acquaintance, Command, DoorId, Node, Revoked};
use frontdesk_protocol::command::{CompanyCommand, Principal, Role};
use frontdesk_protocol::{ErrorCode, PersonId, Rejection, Timestamp};
use frontdesk_storage::EntityId;
use uuid::Uuid;

use crate::auth::Authenticator;
use crate::auth::own::is_own;
use crate::config::{Config, Limits, Profiles};
use crate::files::Files;
use crate::identity::Identity;
use crate::identity::revocations::concerns;
use crate::profiles::files::FileAddresses;
use crate::rates::Rates;
use crate::telemetry::ServerMetrics;
use crate::uploads::Uploads;
use crate::ws::{Bounds, Shared, Wheel};

/// See the module's text.
pub(crate) struct App {
    pub(crate) node: Arc<Node>,
    pub(crate) auth: Authenticator,
    pub(crate) identity: Identity,
    pub(crate) uploads: Arc<Uploads>,
    pub(crate) file_addresses: Arc<FileAddresses>,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) profiles: Profiles,
    pub(crate) files: Files,
    public_url: Option<String>,
    pub(crate) connect_timeout_ms: u64,
    pub(crate) wheel: Arc<Wheel>,
    pub(crate) metrics: ServerMetrics,
    drain_ms: u64,
    draining: AtomicBool,
    connections: DashMap<u64, Weak<Shared>>,
    next_connection: AtomicU64,
    addresses: DashMap<IpAddr, u32>,
}

/// A verified token whose company is served here.
pub(crate) struct Known {
    pub(crate) principal: Arc<Principal>,
    pub(crate) expires_at: Timestamp,
    /// The login of an account that it descends from; none for tokens of hosts.
    login: Option<Uuid>,
    /// Revocations there were before it was checked.
    revocation_count: u64,
}

impl Known {
    /// A visitor who was let into a chat; such a socket lives as long as it is open.
    pub(crate) fn visitor(
        principal: Principal,
        expires_at: Timestamp,
        revocation_count: u64,
    ) -> Self {
        Self {
            principal: Arc::new(principal),
            expires_at,
            login: None,
            revocation_count,
        }
    }

    /// The same person in a role that is not their token's to name.
    pub(crate) fn in_role(mut self, role: Role) -> Self {
        if self.principal.role != role {
            self.principal = Arc::new(Principal {
                role,
                ..Principal::clone(&self.principal)
            });
        }
        self
    }

    /// Whether it descends from this login; of a host's tokens all descend from none.
    pub(crate) fn is_of_login(&self, login: Option<Uuid>) -> bool {
        self.login == login
    }
}

/// What waits to be written to one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Whose connection it is, once that is known.
    pub person: Option<PersonId>,
    /// Bytes that wait now.
    pub queued_bytes: usize,
    /// The most that ever waited, bytes.
    pub peak_bytes: usize,
}

/// A connection counted; dropping it counts it out.
pub(crate) struct Counted {
    app: Arc<App>,
    number: u64,
    address: IpAddr,
}

impl App {
    pub(crate) fn new(
        node: Arc<Node>,
        identity: Identity,
        uploads: Arc<Uploads>,
        file_addresses: Arc<FileAddresses>,
        config: &Config,
    ) -> Self {
        let wheel = Arc::new(Wheel::new(node.clock().monotonic_ms()));
        let files = Files::new(Arc::clone(uploads.blobs()), &identity.keys, config);
        let rates = Rates::new(&config.limits, Arc::clone(node.clock()));
        Self {
            node,
            auth: Authenticator::new(&config.auth),
            identity,
            uploads,
            file_addresses,
            limits: config.limits.clone(),
            rates,
            profiles: config.profiles.clone(),
            files,
            public_url: config.server.public_url.clone(),
            connect_timeout_ms: config.auth.connect_timeout_ms,
            wheel,
            metrics: ServerMetrics::new(),
            drain_ms: config.server.drain_ms,
            draining: AtomicBool::new(false),
            connections: DashMap::new(),
            next_connection: AtomicU64::new(0),
            addresses: DashMap::new(),
        }
    }

    /// Who a token speaks for on a socket: as [`App::authenticate`] says, or the visitor of a chat.
    pub(crate) async fn authenticate_socket(
        self: &Arc<Self>,
        token: &str,
    ) -> Result<Known, Rejection> {
        let revocation_count = self.identity.revocations.count();
        match self.capable(token).await? {
            Some((principal, expires_at)) => Ok(Known {
                principal,
                expires_at,
                login: None,
                revocation_count,
            }),
            None => self.authenticate(token).await,
        }
    }

    /// Who a token speaks for, completed with what the company knows of them.
    pub(crate) async fn authenticate(self: &Arc<Self>, token: &str) -> Result<Known, Rejection> {
        let revocation_count = self.identity.revocations.count();
        if is_own(token) {
            let (logged_in, access) = self.logged_in(token).await?;
            let principal = logged_in.principal();
            let is_news = match self.acquaintance(principal).await? {
                Acquaintance::Known(row) => row.card != principal.card,
                Acquaintance::Stranger => true,
                // The installation itself has nobody who talks.
                Acquaintance::NoCompany => false,
            };
            if is_news {
                self.remember(principal);
            }
            return Ok(Known {
                principal: Arc::clone(logged_in.principal()),
                expires_at: access.expires_at(),
                login: Some(logged_in.login()),
                revocation_count,
            });
        }
        let verified = self.verified(token).await?;
        let claimed = verified.principal();
        let stored = match self.acquaintance(claimed).await? {
            Acquaintance::NoCompany => {
                self.metrics.refused_token();
                return Err(Rejection::new(ErrorCode::UnknownCompany));
            }
            Acquaintance::Stranger => None,
            Acquaintance::Known(row) => Some(row),
        };
        let known = stored.clone().unwrap_or_default();
        let card = known.by_host.or(&claimed.card.or(&known.card));
        let principal = Arc::new(Principal {
            card,
            ..Principal::clone(claimed)
        });
        if stored.map(|known| known.card).as_ref() != Some(&principal.card) {
            self.remember(&principal);
        }
        Ok(Known {
            principal,
            expires_at: verified.expires_at(),
            login: None,
            revocation_count,
        })
    }

    async fn acquaintance(&self, who: &Principal) -> Result<Acquaintance, Rejection> {
        let found = self.node.acquaintance(&who.company, &who.person).await;
        found.map_err(|error| {
            tracing::error!(%error, "people cannot be read");
            Rejection::new(ErrorCode::Unavailable)
        })
    }

    /// Says whose connection this is; true the first time. What was revoked since the token was
    /// checked closes it.
    pub(crate) fn settle(&self, shared: &Shared, known: &Known) -> bool {
        let is_first = shared.set_principal(Arc::clone(&known.principal), known.login);
        let (since, who) = (known.revocation_count, &known.principal);
        let revocations = &self.identity.revocations;
        if revocations.concern(since, who, known.login) {
            shared.revoke();
        }
        is_first
    }

    /// Closes what void tokens opened.
    pub(crate) fn heed_revoked(&self, revoked: &Revoked) {
        // First: a connection that is being opened looks there after it said whose it is.
        self.identity.revocations.note(revoked);
        for entry in &self.connections {
            let Some(connection) = entry.value().upgrade() else {
                continue;
            };
            let is_concerned = connection
                .principal()
                .is_some_and(|who| concerns(revoked, who, connection.login()));
            if is_concerned {
                connection.revoke();
            }
        }
    }

    /// Has the company know what the token says. Nobody waits for it: the next token says it again.
    fn remember(&self, principal: &Arc<Principal>) {
        let company = EntityId::company(principal.company.clone());
        let (person, card) = (principal.person.clone(), principal.card.clone());
        let command = Command::Company(CompanyCommand::KnowPerson {
            person,
            card,
            by_host: false,
        });
        let cid = frontdesk_actors::clock::fresh_cid();
        self.node.submit(
            company,
            Arc::clone(principal),
            command,
            cid,
            DoorId::NOBODY,
            0,
        );
    }

    /// How clients see this server, where the settings say so.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// The address of a path as clients see this server: `server.public_url`, else the `Host` they
    /// sent.
    pub(crate) fn absolute(&self, headers: &HeaderMap, path: &str) -> String {
        if let Some(url) = &self.public_url {
            return format!("{}{path}", url.trim_end_matches('/'));
        }
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        match host {
            Some(host) => format!("http://{host}{path}"),
            None => path.to_owned(),
        }
    }

    /// Bounds of every outbox.
    pub(crate) fn outbox_bounds(&self) -> Bounds {
        Bounds {
            soft_bytes: self.limits.outbox_soft_bytes,
            hard_bytes: self.limits.outbox_hard_bytes,
        }
    }

    /// Counts a connection in; `None` when its address has too many.
    pub(crate) fn count_in(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let count_max = self.limits.connections_per_address;
        let mut count = self.addresses.entry(address).or_insert(0);
        if count_max > 0 && *count >= count_max {
            return None;
        }
        *count += 1;
        drop(count);
        let number = self.next_connection.fetch_add(1, Ordering::Relaxed);
        self.metrics.connections.increment(1.0);
        Some(Counted {
            app: Arc::clone(self),
            number,
            address,
        })
    }

    /// Tells every connection to leave, each in its own place of the time there is.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
        let window_ms = self.drain_window_ms();
        let count = self.connections.len().max(1) as u64;
        for (index, entry) in self.connections.iter().enumerate() {
            if let Some(connection) = entry.value().upgrade() {
                connection.drain(window_ms * index as u64 / count);
            }
        }
    }

    /// Whether the node is on its way out.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Connections open now.
    pub(crate) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// What waits to be written to each connection open now.
    pub(crate) fn outboxes(&self) -> Vec<OutboxCounts> {
        let open = self.connections.iter();
        open.filter_map(|entry| entry.value().upgrade())
            .map(|connection| {
                let (queued_bytes, peak_bytes) = connection.queued_bytes();
                OutboxCounts {
                    person: connection.principal().map(|who| who.person.clone()),
                    queued_bytes,
                    peak_bytes,
                }
            })
            .collect()
    }

    /// When a client that was told to leave should come back, milliseconds.
    pub(crate) fn retry_after_ms(&self) -> u64 {
        self.drain_window_ms()
    }

    /// Half of the time is for leaving, the rest for what is under way.
    fn drain_window_ms(&self) -> u64 {
        self.drain_ms / 2
    }
}

impl Counted {
    /// Lets the drain find the connection.
    pub(crate) fn announce(&self, shared: &Arc<Shared>) {
        self.app
            .connections
            .insert(self.number, Arc::downgrade(shared));
        if self.app.is_draining() {
            shared.drain(0);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.app.addresses.remove_if_mut(&self.address, |_, count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        self.app.metrics.connections.decrement(1.0);
        // Last: whoever waits until the connection is gone finds its place free.
        self.app.connections.remove(&self.number);
    }
}
