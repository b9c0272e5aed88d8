//! How often one may ask, and how much at once.

use super::{App, Http, error::Fault};
use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zkpool_protocol::{Address, ErrorCode};

/// How many places share all connections, at the least: none can take more than this part of them.
const PLACES: usize = 8;

/// Rates and counts.
pub(crate) struct Rates {
    per_ip: Option<Rate<IpAddr>>,
    per_address: Option<Rate<Address>>,
    streams: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
    connections: Connections,
}

/// Connections at once: of all together, and of one place.
struct Connections {
    all: Arc<Semaphore>,
    most_of_one: usize,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The right to one connection, for as long as it is held.
pub(crate) struct ConnectionPermit {
    _one_of_all: OwnedSemaphorePermit,
    of_each: Arc<Mutex<HashMap<IpAddr, usize>>>,
    network: IpAddr,
}

type Rate<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>;

impl Rates {
    /// As configured; requests per second and address are not part of [`Http`].
    pub(crate) fn new(settings: &Http, per_address: u32) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            per_ip: rate(settings.requests_per_second_per_ip),
            per_address: rate(per_address),
            streams: semaphore(settings.streams),
            transfers: semaphore(settings.transfers),
            connections: Connections {
                all: semaphore(settings.connections),
                most_of_one: settings.connections.div_ceil(PLACES),
                of_each: Arc::default(),
            },
        }
    }

    pub(crate) fn check_ip(&self, ip: IpAddr) -> Result<(), Fault> {
        check(self.per_ip.as_ref(), &network(ip), "from your IP address")
    }

    pub(crate) fn check_address(&self, address: Address) -> Result<(), Fault> {
        check(self.per_address.as_ref(), &address, "by your address")
    }

    /// The right to one event stream, for as long as it is held.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Fault::busy("event streams"))
    }

    /// The right to one transfer, for as long as it is held.
    pub(crate) fn transfer(&self) -> Result<OwnedSemaphorePermit, Fault> {
        Arc::clone(&self.transfers).try_acquire_owned().map_err(|_| Fault::busy("uploads and downloads"))
    }

    /// The right to one connection from `ip`; waits while there are too many of all, `None` if there are too many of its
    /// own, unless it speaks for others.
    pub(crate) async fn connection(&self, ip: IpAddr, speaks_for_others: bool) -> Option<ConnectionPermit> {
        let Connections { all, most_of_one, of_each } = &self.connections;
        let permit = Arc::clone(all).acquire_owned().await.ok()?;
        let network = network(ip);
        let mut counts = of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count >= *most_of_one && !speaks_for_others {
            return None;
        }
        *count += 1;
        Some(ConnectionPermit { _one_of_all: permit, of_each: Arc::clone(of_each), network })
    }

    /// Forgets those who have not asked lately.
    pub(crate) fn sweep(&self) {
        if let Some(rate) = &self.per_ip {
            rate.retain_recent();
        }
        if let Some(rate) = &self.per_address {
            rate.retain_recent();
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = counts.entry(self.network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

fn rate<K: Hash + Eq + Clone>(per_second: u32) -> Option<Rate<K>> {
    let per_second = NonZeroU32::new(per_second)?;
    let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    Some(RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)))
}

fn check<K: Hash + Eq + Clone>(rate: Option<&Rate<K>>, key: &K, whose: &str) -> Result<(), Fault> {
    let Some(rate) = rate else { return Ok(()) };
    rate.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(rate.clock().now());
        let message = format!("too many requests {whose}: come back in {:.1} s", wait.as_secs_f64());
        Fault::new(ErrorCode::RateLimited, message).retry_after(wait)
    })
}

/// Whoever has one address of an IPv6 /64 has them all.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

/// Refuses those who ask too often, before anything else is done for them.
pub(crate) async fn per_ip(State(app): State<App>, request: Request, next: Next) -> Result<Response, Fault> {
    app.rates().check_ip(client_ip(&request, &app.settings().trusted_proxies))?;
    Ok(next.run(request).await)
}

/// The peer; or whom a trusted proxy names as its own peer, which is the last address that it added.
fn client_ip(request: &Request, trusted: &[IpAddr]) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let mut ip = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical());
    let forwarded = request.headers().get_all("x-forwarded-for");
    let mut hops: Vec<_> =
        forwarded.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).collect();
    while trusted.contains(&ip) {
        let Some(hop) = hops.pop().and_then(|hop| hop.trim().parse::<IpAddr>().ok()) else { break };
        ip = hop.to_canonical();
    }
    ip
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(peer: &str, forwarded: &[&str]) -> Request {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(format!("{peer}:1").parse().unwrap()));
        for value in forwarded {
            request.headers_mut().append("x-forwarded-for", value.parse().unwrap());
        }
        request
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxy = [ip("10.0.0.1"), ip("10.0.0.2")];
        assert_eq!(client_ip(&request("192.0.2.1", &["198.51.100.1"]), &proxy), ip("192.0.2.1"));
        assert_eq!(client_ip(&request("10.0.0.1", &["198.51.100.1"]), &proxy), ip("198.51.100.1"));
        // What the client wrote itself stands before what the proxy added.
        assert_eq!(client_ip(&request("10.0.0.1", &["1.2.3.4, 198.51.100.1"]), &proxy), ip("198.51.100.1"));
        assert_eq!(client_ip(&request("10.0.0.1", &["1.2.3.4", "198.51.100.1, 10.0.0.2"]), &proxy), ip("198.51.100.1"));
        assert_eq!(client_ip(&request("10.0.0.1", &["nonsense"]), &proxy), ip("10.0.0.1"));
        assert_eq!(client_ip(&request("10.0.0.1", &[]), &proxy), ip("10.0.0.1"));
    }

    #[test]
    fn a_whole_ipv6_network_has_one_rate() {
        let rates = rates(1, 1);
        let ok = |ip: &str| rates.check_ip(ip.parse().unwrap()).is_ok();
        assert!(ok("2001:db8::1") && ok("2001:db8::2"), "a burst of two");
        assert!(!ok("2001:db8::3"), "the same /64");
        assert!(ok("2001:db8:0:1::1"), "another /64");
        assert!(ok("192.0.2.1") && ok("::ffff:192.0.2.1") && !ok("192.0.2.1"), "a mapped address is the same");
    }

    fn rates(per_ip: u32, connections: usize) -> Rates {
        Rates::new(
            &Http { requests_per_second_per_ip: per_ip, streams: 1, transfers: 1, connections, ..Http::default() },
            0,
        )
    }

    #[tokio::test]
    async fn no_place_takes_all_connections() {
        let rates = rates(0, 16);
        let ip = |last: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let held = [rates.connection(ip(1), false).await.unwrap(), rates.connection(ip(1), false).await.unwrap()];
        assert!(rates.connection(ip(1), false).await.is_none());
        assert!(rates.connection(ip(1), true).await.is_some(), "a proxy speaks for many");
        assert!(rates.connection(ip(2), false).await.is_some());
        drop(held);
        assert!(rates.connection(ip(1), false).await.is_some());
        assert!(rates.connections.of_each.lock().unwrap().is_empty(), "nothing is remembered of who has left");
    }

    #[test]
    fn zero_is_no_bound_and_counts_are_given_back() {
        let rates = rates(0, 1);
        assert!((0..10_000).all(|_| rates.check_ip(IpAddr::V4(Ipv4Addr::LOCALHOST)).is_ok()));
        let held = rates.stream().unwrap();
        assert!(rates.stream().is_err());
        drop(held);
        assert!(rates.stream().is_ok());
    }
}
