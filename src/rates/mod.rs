//! How much a client may ask in a time: requests of an address and of a person, commands of a
//! connection. The rule is GCRA, whose whole state is one number.
//!
//! Invariants:
//! 1. Allowances of addresses and people are at most [`ALLOWANCE_COUNT_MAX`] each; beyond,
//!    newcomers share one. An allowance that is full again is forgotten at the next tidying.
//! 2. A connection's allowance is 8 bytes within the connection; nothing is shared between two.
//! 3. Time is the node's clock, so that tests may leap.
//!
//! Never: refuses by itself; it says how long to wait.

mod allowances;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_actors::clock::Clock;
use frontdesk_protocol::command::{Principal, Role};
use frontdesk_protocol::{CompanyId, PersonId};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{NotUntil, Quota, RateLimiter};
use metrics::Counter;

use crate::config::Limits;
use crate::telemetry::RateMetrics;
use crate::uploads::Door;
use allowances::Allowances;

/// Allowances of one kind; at a hundred bytes each this bounds what a flood of addresses may take.
pub(crate) const ALLOWANCE_COUNT_MAX: usize = 100_000;
/// What an address may ask at once, in seconds of its rate: an office that opens in the morning.
const ADDRESS_BURST_S: u32 = 5;
/// What a person may ask at once, in seconds of their rate: a client that fetches what it missed.
const PERSON_BURST_S: u32 = 10;
/// What a connection may send at once, in seconds of its rate.
const CONNECTION_BURST_S: u32 = 1;

/// How long somebody who asked too much should wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSoon {
    /// Milliseconds until the next request is admitted.
    pub(crate) wait_ms: u64,
}

impl TooSoon {
    /// The same for `Retry-After`: whole seconds, at least one.
    pub(crate) fn retry_after_s(self) -> u64 {
        self.wait_ms.div_ceil(1_000).max(1)
    }
}

/// A connection's allowance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pace(Cell<u64>);

impl Hash for Pace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get().hash(state);
    }
}

/// See the module's text.
pub(crate) struct Rates {
    clock: Arc<dyn Clock>,
    metrics: RateMetrics,
    addresses: Option<Keyed<IpAddr>>,
    people: Option<Keyed<(CompanyId, PersonId)>>,
    login_names: Option<Keyed<Arc<str>>>,
    login_addresses: Option<Keyed<IpAddr>>,
    passwords: Option<Keyed<CompanyId>>,
    chats: Option<Keyed<IpAddr>>,
    widget_uploads: Option<Keyed<(CompanyId, PersonId)>>,
    uploads: Option<Keyed<(CompanyId, PersonId)>>,
    connections: Option<RateLimiter<Pace, InPace, NodeClock, NoOpMiddleware<Nanos>>>,
}

type Keyed<K> = RateLimiter<K, Allowances<K>, NodeClock, NoOpMiddleware<Nanos>>;

impl Rates {
    /// As the settings say; a rate of 0 is no limit.
    pub(crate) fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        let time = || NodeClock(Arc::clone(&clock));
        let addresses = quota(limits.requests_per_second_address, ADDRESS_BURST_S);
        let people = quota(limits.requests_per_second_person, PERSON_BURST_S);
        let connections = quota(limits.commands_per_second_connection, CONNECTION_BURST_S);
        Self {
            addresses: addresses.map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            people: people.map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            login_names: per_minute(limits.logins_per_minute_name)
                .map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            login_addresses: per_minute(limits.logins_per_minute_address)
                .map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            passwords: per_minute(limits.passwords_per_minute_company)
                .map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            chats: per_minute(limits.chats_per_minute_address)
                .map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            widget_uploads: per_minute(Door::Widget.per_minute(limits))
                .map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            uploads: per_minute(Door::Native.per_minute(limits))
                .map(|quota| RateLimiter::new(quota, Allowances::new(), time())),
            connections: connections.map(|quota| RateLimiter::new(quota, InPace, time())),
            clock,
            metrics: RateMetrics::new(),
        }
    }

    /// A request came from this address.
    pub(crate) fn take_address(&self, address: IpAddr) -> Result<(), TooSoon> {
        let Some(addresses) = &self.addresses else {
            return Ok(());
        };
        let taken = addresses.check_key(&network(address));
        taken.map_err(|refused| self.too_soon(&refused, &self.metrics.addresses))
    }

    /// A request came with this person's token.
    pub(crate) fn take_person(&self, principal: &Principal) -> Result<(), TooSoon> {
        let Some(people) = &self.people else {
            return Ok(());
        };
        let key = (principal.company.clone(), principal.person.clone());
        let taken = people.check_key(&key);
        taken.map_err(|refused| self.too_soon(&refused, &self.metrics.people))
    }

    /// Somebody tries a password for this name, in its normal form, from this address.
    pub(crate) fn take_login(&self, name: &Arc<str>, address: IpAddr) -> Result<(), TooSoon> {
        let of_address = self.login_addresses.as_ref().map(|addresses| {
            let taken = addresses.check_key(&network(address));
            taken.map_err(|refused| self.too_soon(&refused, &self.metrics.logins))
        });
        of_address.transpose()?;
        let of_name = self.login_names.as_ref().map(|names| {
            let taken = names.check_key(name);
            taken.map_err(|refused| self.too_soon(&refused, &self.metrics.logins))
        });
        of_name.transpose().map(|_| ())
    }

    /// Somebody has a password made for an account of a company. Who runs the installation is not
    /// counted: the threads are theirs.
    pub(crate) fn take_password(&self, by: &Principal) -> Result<(), TooSoon> {
        let Some(passwords) = &self.passwords else {
            return Ok(());
        };
        if by.role == Role::Superadmin {
            return Ok(());
        }
        let taken = passwords.check_key(&by.company);
        taken.map_err(|refused| self.too_soon(&refused, &self.metrics.passwords))
    }

    /// A visitor from this address opens a chat: a room that lasts, made for nobody known.
    pub(crate) fn take_chat(&self, address: IpAddr) -> Result<(), TooSoon> {
        let Some(chats) = &self.chats else {
            return Ok(());
        };
        let taken = chats.check_key(&network(address));
        taken.map_err(|refused| self.too_soon(&refused, &self.metrics.chats))
    }

    /// A person begins an upload. The widget's clients have an allowance of their own.
    pub(crate) fn take_upload(&self, who: &Principal, door: Door) -> Result<(), TooSoon> {
        let uploads = match door {
            Door::Widget => &self.widget_uploads,
            _ => &self.uploads,
        };
        let Some(uploads) = uploads else {
            return Ok(());
        };
        let taken = uploads.check_key(&(who.company.clone(), who.person.clone()));
        taken.map_err(|refused| self.too_soon(&refused, &self.metrics.uploads))
    }

    /// A command came over the connection with this allowance.
    pub(crate) fn take_command(&self, pace: &Pace) -> Result<(), TooSoon> {
        let Some(connections) = &self.connections else {
            return Ok(());
        };
        let taken = connections.check_key(pace);
        taken.map_err(|refused| self.too_soon(&refused, &self.metrics.connections))
    }

    /// Forgets whoever has asked nothing for long enough to be as new.
    pub(crate) fn tidy(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.retain_recent();
            addresses.shrink_to_fit();
        }
        if let Some(people) = &self.people {
            people.retain_recent();
            people.shrink_to_fit();
        }
        if let Some(names) = &self.login_names {
            names.retain_recent();
            names.shrink_to_fit();
        }
        if let Some(addresses) = &self.login_addresses {
            addresses.retain_recent();
            addresses.shrink_to_fit();
        }
        if let Some(passwords) = &self.passwords {
            passwords.retain_recent();
            passwords.shrink_to_fit();
        }
        for uploads in [&self.widget_uploads, &self.uploads].into_iter().flatten() {
            uploads.retain_recent();
            uploads.shrink_to_fit();
        }
        if let Some(chats) = &self.chats {
            chats.retain_recent();
            chats.shrink_to_fit();
        }
    }

    fn too_soon(&self, refused: &NotUntil<Nanos>, count: &Counter) -> TooSoon {
        count.increment(1);
        let now = Nanos::from(Duration::from_millis(self.clock.monotonic_ms()));
        let wait = refused.wait_time_from(now);
        let wait_ms = wait.as_nanos().div_ceil(1_000_000);
        TooSoon {
            wait_ms: u64::try_from(wait_ms).unwrap_or(u64::MAX).max(1),
        }
    }
}

fn quota(per_second: u32, burst_s: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(per_second)?;
    let burst = NonZeroU32::new(per_second.saturating_mul(burst_s))?;
    Some(Quota::per_second(rate).allow_burst(burst))
}

/// A minute's worth at once.
fn per_minute(count: u32) -> Option<Quota> {
    NonZeroU32::new(count).map(Quota::per_minute)
}

/// One subscriber has as many addresses of the sixth version as they like, all within a /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let host_bits = u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !host_bits))
        }
        address => address,
    }
}

/// The node's clock as the limiters read it.
struct NodeClock(Arc<dyn Clock>);

impl governor::clock::Clock for NodeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(Duration::from_millis(self.0.monotonic_ms()))
    }
}

/// The state of a connection's limiter lies in its key.
struct InPace;

impl StateStore for InPace {
    type Key = Pace;

    fn measure_and_replace<T, F, E>(&self, pace: &Pace, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let seen = pace.0.get();
        let (outcome, next) = decide((seen != 0).then(|| Nanos::from(seen)))?;
        pace.0.set(next.into());
        Ok(outcome)
    }
}
