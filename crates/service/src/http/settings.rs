//! How HTTP is served.

use axum::http::uri::Authority;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// The `[http]` part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The names under which clients reach the service, `host` or `host:port`: what a sign-in message must be made for.
    /// Empty: the address that it listens on, and `localhost` if that is this machine's own.
    pub hosts: Vec<String>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Requests per second from one IP address (one /64 of IPv6), sustained; twice as many at once. Zero: no bound.
    pub requests_per_second_per_ip: u32,
    /// Seconds for which a sign-in lasts.
    pub token_lifetime: u64,
    /// Connections at once.
    pub connections: usize,
    /// Streams of task events at once.
    pub streams: usize,
    /// Uploads and downloads at once.
    pub transfers: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            requests_per_second_per_ip: 200,
            token_lifetime: 3_600,
            connections: 4_096,
            streams: 1_024,
            transfers: 64,
        }
    }
}

impl Http {
    /// The names that sign-in messages may be made for, lower case.
    pub fn accepted_hosts(&self, listening_on: SocketAddr) -> Vec<String> {
        if !self.hosts.is_empty() {
            return self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        }
        let port = listening_on.port();
        let local = [format!("127.0.0.1:{port}"), format!("[::1]:{port}"), format!("localhost:{port}")];
        let ip = listening_on.ip();
        if ip.is_unspecified() || ip.is_loopback() { local.into() } else { vec![listening_on.to_string()] }
    }

    /// What is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), String> {
        for host in &self.hosts {
            let authority: Result<Authority, _> = host.parse();
            if !authority.is_ok_and(|a| !a.host().is_empty() && !host.contains('@')) {
                return Err(format!("hosts: {host:?} is neither `host` nor `host:port`"));
            }
        }
        for (name, value) in
            [("connections", self.connections), ("streams", self.streams), ("transfers", self.transfers)]
        {
            if value == 0 {
                return Err(format!("{name} must be above zero"));
            }
        }
        if !(60..=7 * 24 * 3_600).contains(&self.token_lifetime) {
            return Err("token_lifetime must be from a minute to a week, in seconds".into());
        }
        Ok(())
    }
}

/// Bounds on waiting, which are not configured.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For a request's head, and between two requests of a connection.
    pub head: Duration,
    /// For an ordinary request, from head to answer.
    pub request: Duration,
    /// Between two parts of a body, and for a client that does not read.
    pub idle: Duration,
    /// Between pings of an event stream.
    pub ping: Duration,
    /// For what is under way when the service stops.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(45),
            request: Duration::from_secs(20),
            idle: Duration::from_secs(30),
            ping: Duration::from_secs(15),
            grace: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_names_only_the_machine_itself_is_one() {
        let http = Http::default();
        let local = ["127.0.0.1:80", "[::1]:80", "localhost:80"];
        assert_eq!(http.accepted_hosts("0.0.0.0:80".parse().unwrap()), local);
        assert_eq!(http.accepted_hosts("127.0.0.1:80".parse().unwrap()), local);
        assert_eq!(http.accepted_hosts("192.0.2.1:80".parse().unwrap()), ["192.0.2.1:80"]);
        let named = Http { hosts: vec!["Pool.Example".into()], ..Http::default() };
        assert_eq!(named.accepted_hosts("127.0.0.1:80".parse().unwrap()), ["pool.example"]);
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(Http::default().check(), Ok(()));
        for bad in [
            Http { hosts: vec!["https://pool.example".into()], ..Http::default() },
            Http { hosts: vec!["a@b".into()], ..Http::default() },
            Http { streams: 0, ..Http::default() },
            Http { token_lifetime: 1, ..Http::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
