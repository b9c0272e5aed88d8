//! Who is asking: sign-in with Ethereum (EIP-4361) and bearer tokens.
//!
//! A nonce is a random number and an expiry under a MAC, so handing out any number of them costs no memory; it is
//! remembered once it has been used. Tokens are 256 random bits, kept as their hash, and forgotten on a restart: clients
//! sign in again by themselves.

use hmac::{Hmac, Mac};
use rand::{RngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use siwe::Message;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use time::{Duration, OffsetDateTime};
use zkpool_api::{ApiError, LoginReply, LoginRequest, NonceReply};
use zkpool_protocol::{Address, ErrorCode};

/// Seconds for which a nonce can be used.
const NONCE_LIFE: u64 = 300;
/// Seconds by which clocks may differ.
const SKEW: i64 = 120;
/// Longest message, in bytes.
const MAX_MESSAGE: usize = 4096;
/// Sign-ins of one address that are good at once; the oldest gives way.
const MAX_PER_ADDRESS: usize = 64;
/// Sign-ins that are good at once.
const MAX_SESSIONS: usize = 200_000;

/// Signs people in and knows who is signed in.
pub(crate) struct Auth {
    nonce_key: [u8; 32],
    hosts: Vec<String>,
    chain_id: u64,
    token_life: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the token's hash.
    sessions: HashMap<[u8; 32], Session>,
    by_address: HashMap<Address, VecDeque<[u8; 32]>>,
    /// Used nonces, until they expire.
    used: HashMap<String, u64>,
    sweep_at: usize,
}

struct Session {
    address: Address,
    expires_at: u64,
}

impl Auth {
    /// `hosts`: what a message may be made for; `token_life` in seconds.
    pub(crate) fn new(hosts: Vec<String>, chain_id: u64, token_life: u64) -> Self {
        let mut nonce_key = [0; 32];
        OsRng.fill_bytes(&mut nonce_key);
        Self { nonce_key, hosts, chain_id, token_life, state: Mutex::default() }
    }

    /// What the next message is made of. `now` in seconds.
    pub(crate) fn nonce(&self, now: u64) -> NonceReply {
        let expires_at = now + NONCE_LIFE;
        let mut body = [0; 24];
        OsRng.fill_bytes(&mut body[8..]);
        body[..8].copy_from_slice(&expires_at.to_be_bytes());
        let nonce = hex::encode(body) + &hex::encode(&self.mac(&body).finalize().into_bytes()[..16]);
        NonceReply { nonce, chain_id: self.chain_id, issued_at: now, expires_at }
    }

    /// A token for whoever signed the message. `now` in seconds.
    pub(crate) fn login(&self, now: u64, request: &LoginRequest) -> Result<LoginReply, ApiError> {
        let refused = |reason: String| ApiError::new(ErrorCode::Unauthorized, format!("not signed in: {reason}"));
        if request.message.len() > MAX_MESSAGE {
            return Err(ApiError::new(ErrorCode::TooLarge, format!("the message is longer than {MAX_MESSAGE} bytes")));
        }
        let malformed = |reason: &str| {
            ApiError::new(
                ErrorCode::BadRequest,
                format!("the message is not of EIP-4361 ({reason}): sign one as it says"),
            )
        };
        let message: Message = request.message.parse().map_err(|e: siwe::ParseError| malformed(&e.to_string()))?;
        // What is signed is what was parsed, to the byte.
        if message.to_string() != request.message {
            return Err(malformed("it has parts that do not belong there"));
        }
        let domain = message.domain.as_str().to_ascii_lowercase();
        if !self.hosts.contains(&domain) {
            let hosts = self.hosts.join(", ");
            return Err(refused(format!(
                "the message is for {domain}, this service is {hosts}; reach it under that name, or have the operator add \
                 yours to `http.hosts`"
            )));
        }
        if authority(message.uri.as_str()).is_none_or(|authority| authority.to_ascii_lowercase() != domain) {
            return Err(refused("the message's URI is not at its domain".into()));
        }
        if message.chain_id != self.chain_id {
            let reason = format!(
                "the message is for chain {}, this operator works on chain {}",
                message.chain_id, self.chain_id
            );
            return Err(ApiError::new(ErrorCode::WrongChain, format!("not signed in: {reason}")));
        }
        let nonce_expires = self.nonce_expiry(&message.nonce).ok_or_else(|| {
            refused("the nonce is not of this service (it may have been restarted): ask for a new one".into())
        })?;
        if nonce_expires < now {
            return Err(refused("the nonce has expired: ask for a new one".into()));
        }
        check_times(&message, now).map_err(|reason| refused(reason.into()))?;
        let signature: &[u8; 65] =
            request.signature.as_ref().try_into().map_err(|_| refused("the signature must have 65 bytes".into()))?;
        message
            .verify_eip191(signature)
            .map_err(|_| refused("the signature is not by the address that the message names".into()))?;
        self.open(now, Address::from(message.address), message.nonce, nonce_expires)
    }

    /// Whose token this is, if it is still good. `now` in seconds.
    pub(crate) fn who(&self, now: u64, token: &str) -> Option<Address> {
        let hash = hash(token);
        let state = self.state();
        let session = state.sessions.get(&hash)?;
        (now < session.expires_at).then_some(session.address)
    }

    fn open(&self, now: u64, address: Address, nonce: String, nonce_expires: u64) -> Result<LoginReply, ApiError> {
        let mut state = self.state();
        state.sweep(now);
        if state.used.contains_key(&nonce) {
            let message = "not signed in: the nonce was used before: ask for a new one";
            return Err(ApiError::new(ErrorCode::Unauthorized, message));
        }
        if state.sessions.len() >= MAX_SESSIONS {
            return Err(ApiError::new(ErrorCode::RateLimited, "too many are signed in: try again in some minutes"));
        }
        state.used.insert(nonce, nonce_expires);
        let mut secret = [0; 32];
        OsRng.fill_bytes(&mut secret);
        let token = hex::encode(secret);
        let expires_at = now + self.token_life;
        let hash = hash(&token);
        state.sessions.insert(hash, Session { address, expires_at });
        let own = state.by_address.entry(address).or_default();
        own.push_back(hash);
        let oldest = if own.len() > MAX_PER_ADDRESS { own.pop_front() } else { None };
        if let Some(oldest) = oldest {
            state.sessions.remove(&oldest);
        }
        Ok(LoginReply { token, address, expires_at, expires_in: self.token_life })
    }

    fn nonce_expiry(&self, nonce: &str) -> Option<u64> {
        let mut bytes = [0; 40];
        hex::decode_to_slice(nonce, &mut bytes).ok()?;
        // One nonce has one spelling, or it could be used once per spelling.
        if nonce.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let (body, mac) = bytes.split_at(24);
        self.mac(body).verify_truncated_left(mac).ok()?;
        Some(u64::from_be_bytes(body[..8].try_into().ok()?))
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.nonce_key).expect("HMAC takes keys of any length").chain_update(body)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets what has expired, whenever there is twice as much as there was after the last time.
    fn sweep(&mut self, now: u64) {
        if self.sessions.len() + self.used.len() < self.sweep_at {
            return;
        }
        self.used.retain(|_, expires_at| *expires_at >= now);
        self.sessions.retain(|_, session| session.expires_at > now);
        let sessions = &self.sessions;
        self.by_address.retain(|_, tokens| {
            tokens.retain(|token| sessions.contains_key(token));
            !tokens.is_empty()
        });
        self.sweep_at = 1024.max(2 * (self.sessions.len() + self.used.len()));
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn check_times(message: &Message, now: u64) -> Result<(), &'static str> {
    let now = i64::try_from(now).ok().and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok());
    let now = now.ok_or("the service's clock is wrong")?;
    let skew = Duration::seconds(SKEW);
    let expires = message.expiration_time.as_ref().ok_or("the message must have an expiration time")?;
    if *expires.as_ref() < now {
        return Err("the message has expired: sign a new one");
    }
    if message.not_before.as_ref().is_some_and(|time| *time.as_ref() > now + skew) {
        return Err("the message is not valid yet");
    }
    let issued = *message.issued_at.as_ref();
    if issued > now + skew {
        return Err("the message was issued in the future: check the clock");
    }
    if issued < now - Duration::seconds(NONCE_LIFE.cast_signed()) - skew {
        return Err("the message was issued too long ago: sign a new one");
    }
    Ok(())
}

/// The authority of an `http` or `https` URI.
fn authority(uri: &str) -> Option<&str> {
    let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
    rest.split(['/', '?', '#']).next()
}

#[cfg(test)]
mod tests;
