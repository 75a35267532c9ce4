//! The messages of a run: closed or open loop, stalls, and the wait for what is due.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};

use super::Target;
use crate::clock::{self, Clock};
use crate::connection::Shared;
use crate::load::{Connection, Pace, Phase};
use crate::options::SteadyOptions;
use crate::report::Report;
use crate::usage;

/// Between two looks at what is still due.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After all is there: a second copy of a message would come by now.
const SETTLE: Duration = Duration::from_millis(300);
/// How long the server may take to close what was closed, nanoseconds (5 s).
const END_NS_MAX: u64 = 5_000_000_000;
/// Shortest time between two ticks of the open loop, nanoseconds: shorter costs more CPU than it
/// adds precision, since the thread that ticks wakes tens of microseconds late.
const TICK_NS_MIN: f64 = 250_000.0;

/// Nothing happens for so many seconds.
pub(crate) async fn rest(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}

/// Writes what sockets did not take at once. Rare: a post is small and its sender reads along.
pub(crate) async fn flush_forever(shared: Rc<Shared>) {
    loop {
        sleep(LOOK_EVERY).await;
        shared.load.borrow_mut().flush();
    }
}

/// Sends for the asked time, then waits until everything due has arrived or time is up.
pub(crate) async fn messages(
    options: &SteadyOptions,
    target: &Target,
    shared: &Rc<Shared>,
    report: &mut Report,
) {
    let stall = (options.stall > 0).then(|| {
        set_stalled(shared, true);
        tokio::task::spawn_local(end_stall(Rc::clone(shared), options.stall_secs))
    });
    let clock = shared.load.borrow().clock;
    let own_pid = std::process::id();
    let own_cpu_before_us = usage::cpu_us(own_pid).unwrap_or(0.0);
    let cpu_before_us = target.cpu_us();
    let start_ns = clock.now_ns();
    let end_ns = start_ns + (options.secs * 1e9) as u64;
    match options.rate {
        Some(rate) => open_loop(options, shared, rate, start_ns, end_ns, report).await,
        None => {
            shared.load.borrow_mut().start_closed(options.window);
            sleep_until(clock.instant(end_ns).into()).await;
        }
    }
    {
        let mut load = shared.load.borrow_mut();
        load.pace = Pace::Still;
        report.flow_ns = clock.now_ns() - start_ns;
        report.deliveries = load.checker.delivered_count();
    }
    report.server_cpu_us = target.cpu_us() - cpu_before_us;
    report.own_cpu_us = usage::cpu_us(own_pid).unwrap_or(0.0) - own_cpu_before_us;
    if let Some(stall) = stall {
        // Ends by itself; a stall is shorter than the flow.
        drop(stall.await);
    }
    drain(shared, clock, options.drain_secs).await;
}

pub(crate) async fn drain(shared: &Shared, clock: Clock, seconds: f64) {
    let deadline_ns = clock.now_ns() + (seconds * 1e9) as u64;
    while shared.load.borrow().checker.outstanding() > 0 && clock.now_ns() < deadline_ns {
        sleep(LOOK_EVERY).await;
    }
    sleep(SETTLE).await;
}

/// Closes every connection and waits for the server to agree, so that a next run finds it idle.
pub(crate) async fn end(shared: &Shared) {
    shared.load.borrow_mut().end();
    let clock = shared.load.borrow().clock;
    let deadline_ns = clock.now_ns() + END_NS_MAX;
    let is_open = |one: &Connection| one.phase != Phase::Closed;
    while shared.load.borrow().connections.iter().any(is_open) && clock.now_ns() < deadline_ns {
        sleep(LOOK_EVERY).await;
    }
}

fn set_stalled(shared: &Shared, is_stalled: bool) {
    let mut load = shared.load.borrow_mut();
    let stallers = load.connections.iter_mut().filter(|one| one.is_staller);
    stallers.for_each(|one| one.is_stalled = is_stalled);
}

async fn end_stall(shared: Rc<Shared>, seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
    set_stalled(&shared, false);
    shared.resumed.notify_waiters();
}

/// Posts by the clock, to one room after the other. A message's latency counts from its tick, so a
/// late tick, a full socket or a busy server all show in it.
async fn open_loop(
    options: &SteadyOptions,
    shared: &Rc<Shared>,
    rate: f64,
    start_ns: u64,
    end_ns: u64,
    report: &mut Report,
) {
    shared.load.borrow_mut().pace = Pace::Open;
    let clock = shared.load.borrow().clock;
    let message_ns = 1e9 / rate;
    let tick_ns = message_ns.max(TICK_NS_MIN);
    let due_ns = |message: u64| {
        let tick = (message as f64 * message_ns / tick_ns).ceil();
        start_ns + (tick * tick_ns) as u64
    };
    let pacer = Pacer::start(clock, start_ns, tick_ns as u64);
    let mut message = 0;
    while due_ns(message) < end_ns {
        pacer.tick.notified().await;
        let mut load = shared.load.borrow_mut();
        let now_ns = clock.now_ns();
        while due_ns(message) <= now_ns.min(end_ns) {
            let sent_ns = due_ns(message);
            let room = (message % options.rooms as u64) as usize;
            report.lateness.saturating_record(now_ns - sent_ns);
            load.post(room, sent_ns);
            message += 1;
        }
    }
}

/// A thread that wakes the runtime at a fixed beat; an async timer is too coarse by a millisecond.
struct Pacer {
    tick: Arc<Notify>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    fn start(clock: Clock, start_ns: u64, tick_ns: u64) -> Self {
        let tick = Arc::new(Notify::new());
        let is_over = Arc::new(AtomicBool::new(false));
        let (thread_tick, thread_is_over) = (Arc::clone(&tick), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            clock::sharpen_thread();
            let mut next_ns = start_ns;
            while !thread_is_over.load(Ordering::Relaxed) {
                thread_tick.notify_one();
                let now_ns = clock.now_ns();
                next_ns += tick_ns * (1 + now_ns.saturating_sub(next_ns) / tick_ns);
                clock::sleep_thread(Duration::from_nanos(next_ns - now_ns));
            }
        });
        Self {
            tick,
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It only sleeps and notifies: it cannot have panicked.
            drop(thread.join());
        }
    }
}
