//! The composition root of a node: what is started in which order, and how it ends.
//!
//! Start: open the store (which syncs what it finds), start the actors (which go on with what they
//! owe), make missing companies, bind, accept.
//! Drain, on SIGTERM or SIGINT: stop accepting and turn `/readyz` red; tell every connection to
//! leave, each in its own place of half the drain time; wait for them and for requests under way;
//! put every entity to sleep; close the store with its clean mark.
//!
//! Never: holds a rule of the chat, or goes on after the store has failed.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_actors::clock::{Clock, SystemClock};
use frontdesk_actors::task::spawn;
use frontdesk_actors::{Node, NodeOptions};
use frontdesk_protocol::{CompanyId, FileNo};
use frontdesk_storage::{Blobs, Directory, Journal, OpenOptions, Spool, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
pub use crate::app::OutboxCounts;
use crate::config::{Config, Loaded};
use crate::files::inspect::Inspector;
use crate::files::links::{Life, Variant};
use crate::files::{self, LinkOf};
use crate::http::{self, Admission, Brought, ReadyProbe};
use crate::identity::Identity;
use crate::listen::{self, UnderWay};
use crate::profiles;
use crate::profiles::files::FileAddresses;
use crate::telemetry::Metrics;
use crate::uploads::{Uploads, Works};
use crate::ws::{Wheel, speaker, upgrade};

/// Threads that read the store for those who await: reads are short and the disk is one.
const BLOCKING_THREAD_COUNT: usize = 8;
/// Time for entities to fall asleep and the store to close, after everyone has left, milliseconds.
const REST_MS: u64 = 5_000;
/// Pause between looks whether every connection has left, milliseconds.
const LEAVE_LOOK_MS: u64 = 20;
/// Pause between cleanings of the metrics' histograms and of allowances, milliseconds.
const UPKEEP_MS: u64 = 5_000;

/// Why a node did not start or end as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Storage(#[from] frontdesk_storage::Error),
    /// The actors.
    #[error(transparent)]
    Actors(#[from] frontdesk_actors::node::StartError),
    /// A listener.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Anything else of the operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The settings do not make a node.
    #[error("{0}")]
    Settings(String),
    /// The demo could not be set up.
    #[error("demo: {0}")]
    Demo(String),
    /// A second signal came while draining.
    #[error("told to stop twice; what was under way is finished at the next start")]
    ToldTwice,
    /// Something was still under way at the end of the drain time.
    #[error("stopped with work under way after {0} ms; it is finished at the next start")]
    DrainTimeout(u64),
}

impl Error {
    /// Whether the caller should change something; everything else is our side's fault. An address
    /// in use is neither's: it may be free in a moment.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Error::Settings(_) | Error::Storage(frontdesk_storage::Error::Refused(_))
        )
    }
}

/// A node that serves.
pub struct Running {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    pub(crate) app: Arc<App>,
    store: Arc<Store>,
    stop: watch::Sender<bool>,
    requests: UnderWay,
    drain_ms: u64,
}

/// Serves until it is told to stop. `demo` prints links to open.
pub fn run(mut loaded: Loaded, demo: bool) -> Result<(), Error> {
    raise_file_limit();
    if demo {
        crate::demo::prepare(&mut loaded.config);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(worker_count(loaded.config.server.worker_threads))
        .max_blocking_threads(BLOCKING_THREAD_COUNT)
        .build()
        .map_err(|source| Error::Io {
            what: "cannot start the runtime",
            source,
        })?;
    check_keys(&loaded.config)?;
    // Handles that are made before the recorder is there record nothing, for ever.
    let _ = Metrics::of_program();
    let ended = runtime.block_on(async {
        // Before anything is opened: a signal nobody waits for ends the process as a kill does.
        let mut signals = Signals::take()?;
        let store = open_store(&loaded.config)?;
        let running = start_on(&loaded.config, store).await?;
        for address in &running.addresses {
            say(&format!("listening on http://{address}"))?;
        }
        if demo {
            crate::demo::open(&running, &loaded.config).await?;
        }
        signals.next().await;
        tracing::info!("draining");
        tokio::select! {
            drained = running.drain() => drained,
            () = signals.next() => Err(Error::ToldTwice),
        }
    });
    // What did not end in its time, a sync that hangs among it, is not waited for.
    runtime.shutdown_background();
    ended
}

/// Uploads under way beside the store, and where files stand.
fn open_uploads(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<Uploads>, Error> {
    let (path, durability) = (&config.storage.path, config.storage.durability);
    let spool = Spool::open(&path.join("spool"), durability)?;
    let blobs = files::store::open(config)?;
    let inspector =
        Inspector::new(&config.files, Arc::clone(clock)).map_err(|source| Error::Io {
            what: "cannot start what inspects files",
            source,
        })?;
    let uploads = Uploads::new(spool, blobs, inspector, &config.limits, Arc::clone(clock));
    Ok(Arc::new(uploads))
}

/// Opens the store of the settings. A failed write or sync ends the process: going on would lie.
pub fn open_store(config: &Config) -> Result<Arc<Store>, Error> {
    let options = OpenOptions {
        path: config.storage.path.clone(),
        engine: config.storage.engine,
        durability: config.storage.durability,
        cache_bytes: config.storage.cache_bytes,
        clock: Arc::new(|| SystemClock::default().now()),
        fatal: Arc::new(|why| {
            eprintln!("frontdesk: {why}");
            std::process::exit(1);
        }),
    };
    Ok(frontdesk_storage::open(&options)?)
}

/// Whether anyone can be let in; asked before a store is made.
fn check_keys(config: &Config) -> Result<(), Error> {
    if config.auth.jwt_secret.is_none() && config.auth.keys.is_empty() {
        let why = "no key to check tokens with: set auth.jwt_secret or FRONTDESK_AUTH__JWT_SECRET";
        return Err(Error::Settings(why.to_owned()));
    }
    Ok(())
}

/// Starts a node on a store that is open.
pub async fn start_on(config: &Config, store: Arc<Store>) -> Result<Running, Error> {
    start_with(config, store, Arc::new(SystemClock::default())).await
}

/// Starts a node that lives by this clock, for tests of what happens after a while.
pub async fn start_with(
    config: &Config,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
) -> Result<Running, Error> {
    check_keys(config)?;
    let uploads = open_uploads(config, &clock)?;
    let file_addresses = Arc::new(FileAddresses::new(config.server.public_url.as_deref()));
    let node = Node::start(NodeOptions {
        journal: Arc::clone(&store) as Arc<dyn Journal>,
        directory: Arc::clone(&store) as Arc<dyn Directory>,
        clock: Arc::clone(&clock),
        dialects: speaker::dialects(&config.profiles, &clock, &file_addresses),
        limits: actor_limits(config),
        bots: crate::bots::known(),
        uploads: Some(Arc::new(Works(Arc::clone(&uploads)))),
        bus_serialize: config.bus.serialize,
    })
    .await?;
    uploads.serve(&node);
    let identity = Identity::open(&*store, &config.auth)?;
    let app = Arc::new(App::new(node, identity, uploads, file_addresses, config));
    app.file_addresses.serve(&app);
    let heeding = Arc::downgrade(&app);
    app.node.heed_revoked(move |revoked| {
        if let Some(app) = heeding.upgrade() {
            app.heed_revoked(revoked);
        }
    });
    app.set_up(&config.provision).await?;
    spawn(Wheel::run(Arc::downgrade(&app.wheel), clock));
    spawn(Arc::clone(&app.uploads).tidy_up());
    let (stop, stopped) = watch::channel(false);
    spawn(upkeep(Arc::clone(&app), stopped.clone()));
    let router = router(&app, config);
    let mut addresses = Vec::new();
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in &config.server.listen {
        let listener = listen::bind(*address, config.server.backlog_connections)
            .and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (bound, listener) = listener.map_err(|source| Error::Listen {
            address: *address,
            source,
        })?;
        app.file_addresses.listens(bound);
        addresses.push(bound);
        listeners.push(listener);
    }
    let requests = UnderWay::default();
    let stall_limit = Duration::from_millis(config.limits.response_stall_ms);
    for listener in listeners {
        let (router, stopped) = (router.clone(), stopped.clone());
        let (limit, counted) = (stall_limit, requests.clone());
        spawn(listen::accept(listener, router, stopped, (limit, counted)));
    }
    Ok(Running {
        addresses,
        app,
        store,
        stop,
        requests,
        drain_ms: config.server.drain_ms,
    })
}

impl Running {
    /// Stops as written in the module's text: sockets and requests have the drain time, entities
    /// and the store a little more.
    pub async fn drain(self) -> Result<(), Error> {
        let drain_ms = self.drain_ms + REST_MS;
        let limit = Duration::from_millis(drain_ms);
        let drained = tokio::time::timeout(limit, self.drain_at_leisure()).await;
        drained.unwrap_or(Err(Error::DrainTimeout(drain_ms)))
    }

    async fn drain_at_leisure(self) -> Result<(), Error> {
        // Without a receiver nothing listens any more, which is what is wanted.
        let _ = self.stop.send(true);
        self.app.begin_drain();
        let limit = Duration::from_millis(self.drain_ms);
        let look = || tokio::time::sleep(Duration::from_millis(LEAVE_LOOK_MS));
        let everyone_left = async {
            while self.app.connection_count() > 0 {
                look().await;
            }
        };
        let requests_done = async {
            while self.requests.count() > 0 {
                look().await;
            }
        };
        // Whoever does not finish a request gets no answer; that is no fault of ours.
        let (all_left, _) = tokio::join!(
            tokio::time::timeout(limit, everyone_left),
            tokio::time::timeout(limit / 2, requests_done),
        );
        let all_asleep = self
            .app
            .node
            .drain(Duration::from_millis(REST_MS / 2))
            .await;
        let store = Arc::clone(&self.store);
        let closed = tokio::task::spawn_blocking(move || store.close());
        closed
            .await
            .map_err(|_| Error::DrainTimeout(self.drain_ms))??;
        match all_left.is_ok() && all_asleep {
            true => Ok(()),
            false => Err(Error::DrainTimeout(self.drain_ms)),
        }
    }

    /// What waits to be written, for tests that look at bounds.
    pub fn outboxes(&self) -> Vec<OutboxCounts> {
        self.app.outboxes()
    }

    /// A link to a file or to its small picture, as path and query, for tests of what it opens;
    /// `None` when there is no such file.
    pub async fn file_link(
        &self,
        company: &CompanyId,
        no: FileNo,
        is_small: bool,
        is_profile: bool,
    ) -> Result<Option<String>, Error> {
        let Some(file) = self.app.node.file(company, no).await? else {
            return Ok(None);
        };
        let settings = self.app.node.settings(company).await?;
        let of = LinkOf {
            company,
            file: &file.shared,
            variant: match is_small {
                true => Variant::Thumbnail,
                false => Variant::Original,
            },
            life: match is_profile {
                true => Life::Profile,
                false => Life::Native,
            },
        };
        let now = self.app.node.clock().now();
        Ok(Some(self.app.files.link(&of, &settings, now)))
    }

    /// Where files are, for tests that look at what is kept.
    pub fn blobs(&self) -> &Arc<dyn Blobs> {
        &self.app.files.blobs
    }

    /// The actors, for tests that look at what runs.
    pub fn node(&self) -> &Arc<Node> {
        &self.app.node
    }
}

fn router(app: &Arc<App>, config: &Config) -> axum::Router {
    let probed = Arc::clone(app);
    let ready = ReadyProbe::new(move || {
        let app = Arc::clone(&probed);
        async move {
            match app.is_draining() {
                true => Err("draining".to_owned()),
                false => app.node.probe().await,
            }
        }
    });
    let names = Arc::clone(&app.node);
    let brought = Brought {
        names_origin: Arc::new(move |origin| names.is_origin_named(origin)),
        resources: resources().with_state(Arc::clone(app)),
        sockets: upgrade::routes().with_state(Arc::clone(app)),
        ready,
        admit: admission(app),
    };
    http::router(brought, config)
}

fn admission(app: &Arc<App>) -> Admission {
    let app = Arc::clone(app);
    Admission::new(move |address| app.rates.take_address(address))
}

/// Every route that acts for a company.
pub(crate) fn resources() -> OpenApiRouter<Arc<App>> {
    http::rooms::routes()
        .merge(http::chats::routes())
        .merge(http::files::routes())
        .merge(http::people::routes())
        .merge(http::settings::routes())
        .merge(http::uploads::routes())
        .merge(crate::native::admin::routes())
        .merge(profiles::doors::routes())
        .merge(profiles::rest::routes())
        .merge(profiles::helpdesk::routes())
}

fn actor_limits(config: &Config) -> frontdesk_actors::Limits {
    frontdesk_actors::Limits {
        entity_waiting_bytes: config.limits.room_waiting_bytes,
        entity_idle_ms: config.limits.room_idle_ms,
        ..frontdesk_actors::Limits::default()
    }
}

async fn upkeep(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(Duration::from_millis(UPKEEP_MS));
    while !*stop.borrow_and_update() {
        tokio::select! {
            _ = interval.tick() => {
                Metrics::of_program().run_upkeep();
                app.rates.tidy();
            }
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// The signals that tell a node to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes them from now on.
    fn take() -> Result<Self, Error> {
        let listen_for = |kind| {
            signal(kind).map_err(|source| Error::Io {
                what: "cannot listen for signals",
                source,
            })
        };
        Ok(Self {
            terminate: listen_for(SignalKind::terminate())?,
            interrupt: listen_for(SignalKind::interrupt())?,
        })
    }

    /// Ends with the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn worker_count(wanted: usize) -> usize {
    let core_count = std::thread::available_parallelism().map_or(1, usize::from);
    if wanted > 0 {
        wanted
    } else {
        core_count.saturating_sub(1).max(1)
    }
}

/// Each connection is a file: as many as the system allows.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Prints one line for whoever started the program, at once even into a pipe.
pub(crate) fn say(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|source| Error::Io {
            what: "cannot print",
            source,
        })
}
