//! What an operator configures: one TOML file. Keys are named here, never written.
//!
//! Only what has no sound default is required: the RPC endpoint, the contract, the operator, its keys, where to keep its
//! data, tokens, slots and verifiers.

pub mod pay;

use pay::Pay;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};
use zkpool_protocol::{Address, MAX_VALIDITY, ProgramId, ProofKind, decimal};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to ask the chain, `http(s)://…`.
    pub rpc: String,
    /// EIP-155 id of the chain that the endpoint must serve.
    pub chain_id: u64,
    /// The ZKPool contract.
    pub pool: Address,
    /// Owner of the slots; earns the rewards.
    pub operator: Address,
    /// Names of the keys.
    pub keys: Keys,
    /// Directory of the database and the blobs.
    pub data: PathBuf,
    /// Where HTTP is served.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The tokens that it takes, for rewards and liability.
    pub tokens: Vec<Token>,
    /// The slots that it keeps open.
    #[serde(default)]
    pub slots: Vec<Slots>,
    /// The verifiers that it signs for.
    #[serde(default)]
    pub verifiers: Vec<AllowedVerifier>,
    /// Targets that it trusts to be the judge of a delivery (target mode).
    #[serde(default)]
    pub trusted_targets: Vec<Address>,
    /// Programs that it signs for without a trial proof.
    #[serde(default)]
    pub trusted_programs: Vec<ProgramId>,
    /// Payers whose word it takes for what a program in an SGX enclave comes to, where nothing else tells it beforehand.
    #[serde(default)]
    pub trusted_payers: Vec<Address>,
    /// What it asks for its work.
    #[serde(default)]
    pub pricing: Pricing,
    /// How it quotes.
    #[serde(default)]
    pub quotes: Quotes,
    /// The process that looks at foreign programs and inputs.
    #[serde(default)]
    pub preflight: Preflight,
    /// The process that runs zkVM programs to have them proven.
    #[serde(default)]
    pub execution: Execution,
    /// How jobs are handed out.
    #[serde(default)]
    pub dispatch: Dispatch,
    /// How provers are paid; without it, outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<Pay>,
    /// Tasks of others.
    #[serde(default)]
    pub rescue: Rescue,
    /// Bounds on what others may ask.
    #[serde(default)]
    pub limits: Limits,
    /// How it follows the chain.
    #[serde(default)]
    pub chain: Following,
    /// How HTTP is served.
    #[serde(default)]
    pub http: crate::http::Http,
}

/// Names of keys, resolved by the command line's key options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Signs quotes, proves and rescues.
    pub signer: String,
    /// The operator's own key: opens and tops up slots. Without it the slots are opened by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its address.
    pub address: Address,
    /// What one ether is worth in its smallest unit; turns gas and prices into it.
    #[serde(with = "decimal")]
    pub per_ether: u128,
    /// Whether rewards are taken in it.
    #[serde(default = "yes")]
    pub reward: bool,
}

/// Slots of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slots {
    /// Token of their collateral.
    pub token: Address,
    /// Index of the first.
    #[serde(default)]
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Collateral of each; topped up to this while idle.
    #[serde(with = "decimal")]
    pub collateral: u128,
    /// Honour reserve of each; also what a quote promises.
    #[serde(with = "decimal")]
    pub honour: u128,
    /// The only requester that they serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedicated_to: Option<Address>,
}

/// A verifier that the operator signs for. Whether it takes a proof or the signatures of a committee, its contract says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedVerifier {
    /// Its address.
    pub address: Address,
    /// The kind of proof that it checks.
    pub kind: ProofKind,
    /// The program whose key it holds. Without it, the first proof of each program is tried on the verifier before
    /// anything is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramId>,
}

/// Prices; in wei, turned into the reward token by [`Token::per_ether`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pricing {
    /// For a million work units, with every prover idle.
    #[serde(with = "decimal")]
    pub wei_per_million_units: u128,
    /// What is added when all provers are busy, in hundredths of a percent.
    pub load_bps: u32,
    /// For the liability, bond and burn that a task puts at stake, in hundredths of a percent of them.
    pub premium_bps: u32,
    /// How often, in hundredths of a percent, a job is failed by its prover and nobody makes up for it in time. Where the
    /// requester does not choose, a task at whose failure so much would be lost that more provers are worth it is raced
    /// for. With 0 never.
    pub miss_bps: u32,
    /// Part of the reward paid at publication, in hundredths of a percent; only if reward and liability are in one token.
    pub advance_bps: u32,
    /// Gas price at least assumed, in wei.
    #[serde(with = "decimal")]
    pub min_gas_price: u128,
}

/// How quotes are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotes {
    /// Seconds for which a quote can be published; at most 300.
    pub validity: u64,
    /// Live quotes of one payer.
    pub live_per_payer: u32,
    /// Tasks that were not delivered on time, within the window, at which quoting stops.
    pub breaker_misses: u32,
    /// Seconds that such a task counts.
    pub breaker_window: u64,
}

/// The preflight worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preflight {
    /// Program and arguments. Empty: this program with `preflight-worker`.
    pub command: Vec<String>,
    /// Seconds until it is killed.
    pub timeout: u64,
    /// Bytes of memory that it may use.
    pub memory: u64,
    /// Cycles of a zkVM program at most.
    pub cycles: u64,
    /// Workers at once.
    pub workers: u32,
}

/// The worker that runs zkVM programs whose tasks were published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Execution {
    /// Program and arguments. Empty: this program with `execute-worker`.
    pub command: Vec<String>,
    /// Seconds until it is killed.
    pub timeout: u64,
    /// Bytes of memory that it may use.
    pub memory: u64,
    /// Cycles at most.
    pub cycles: u64,
    /// Programs that run at once.
    pub workers: u32,
    /// Segments that it may be ahead of the service.
    pub ahead: u32,
}

/// How jobs are handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dispatch {
    /// Seconds of a lease at least; without a heartbeat for so long it ends.
    pub min_lease: u64,
    /// Seconds of a lease at most, however long the job takes: so long a dead prover holds it up.
    pub max_lease: u64,
    /// Seconds after which a prover that says nothing counts as gone.
    pub presence: u64,
    /// Seconds of the first exclusion after a miss; each further one doubles it.
    pub exclusion: u64,
    /// Misses in a row that put a prover out: until it bonds anew, or the operator lets it in.
    pub strikes: u32,
}

/// Tasks of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rescue {
    /// Whether to take over late tasks of others.
    pub enabled: bool,
    /// Least gain, in wei.
    #[serde(with = "decimal")]
    pub min_gain: u128,
    /// Tasks watched at once; of one address.
    pub watched_per_address: u32,
}

/// Bounds on what others may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest JSON body, in bytes.
    pub json: u64,
    /// Largest blob, in bytes.
    pub blob: u64,
    /// Largest envelope, in bytes.
    pub input: u64,
    /// Bytes that one address may have stored.
    pub stored_per_address: u64,
    /// Requests per second and address, sustained.
    pub requests_per_second: u32,
    /// Pending requests for quotes of all together.
    pub pending_quotes: u32,
    /// Longest liability window of a task, in seconds.
    pub liability_window: u32,
}

/// How the chain is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Following {
    /// Milliseconds between looks at the chain.
    pub poll_ms: u64,
    /// Blocks on top of a publication before its proof is revealed; of a transaction before it counts as done.
    pub confirmations: u64,
    /// First block of interest: that of the contract's creation, or later.
    pub start_block: u64,
    /// The most that a transaction pays per gas, in wei.
    #[serde(with = "decimal")]
    pub max_gas_price: u128,
}

impl Config {
    /// The token with this address.
    pub fn token(&self, address: Address) -> Option<&Token> {
        self.tokens.iter().find(|token| token.address == address)
    }

    /// Refuses what contradicts itself; says what to change.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field: &'static str, reason: String| Err(ConfigError { field, reason });
        if !self.rpc.starts_with("http://") && !self.rpc.starts_with("https://") {
            return wrong("rpc", "it must begin with http:// or https://".into());
        }
        for (field, address) in [("pool", self.pool), ("operator", self.operator)] {
            if address.is_zero() {
                return wrong(field, "it must not be the zero address".into());
            }
        }
        if self.tokens.is_empty() {
            return wrong("tokens", "at least one token is needed to be paid in".into());
        }
        if let Some(token) = self.tokens.iter().find(|token| token.per_ether == 0) {
            return wrong("tokens.per_ether", format!("token {} needs a value above zero", token.address));
        }
        for slots in &self.slots {
            if self.token(slots.token).is_none() {
                return wrong("slots.token", format!("{} is not among [[tokens]]", slots.token));
            }
            if slots.first.checked_add(slots.count).is_none() {
                return wrong("slots.count", "the last index does not fit 32 bits".into());
            }
        }
        let ranges: Vec<_> = self.slots.iter().map(|s| (s.token, s.first, s.first.saturating_add(s.count))).collect();
        for (i, a) in ranges.iter().enumerate() {
            if ranges[..i].iter().any(|b| a.0 == b.0 && a.1 < b.2 && b.1 < a.2) {
                return wrong("slots", format!("two groups of token {} overlap", a.0));
            }
        }
        if self.quotes.validity == 0 || self.quotes.validity > MAX_VALIDITY {
            return wrong("quotes.validity", format!("it must be from 1 to {MAX_VALIDITY} seconds"));
        }
        if self.pricing.advance_bps > 10_000 {
            return wrong("pricing.advance_bps", "at most 10000 (the whole reward)".into());
        }
        if self.pricing.miss_bps > 10_000 {
            return wrong("pricing.miss_bps", "at most 10000 (every time)".into());
        }
        if let Some(pay) = &self.pay {
            pay.check(self)?;
        }
        if self.dispatch.min_lease == 0 || self.dispatch.max_lease < self.dispatch.min_lease {
            return wrong("dispatch.min_lease", "it must be above zero and at most max_lease".into());
        }
        if let Err(reason) = self.http.check() {
            return wrong("http", reason);
        }
        if self.preflight.timeout == 0 || self.preflight.workers == 0 {
            return wrong("preflight", "timeout and workers must be above zero".into());
        }
        if self.execution.timeout == 0 || self.execution.workers == 0 || self.execution.ahead == 0 {
            return wrong("execution", "timeout, workers and ahead must be above zero".into());
        }
        if self.execution.cycles < self.preflight.cycles {
            return wrong(
                "execution.cycles",
                "what passes the preflight must be able to run (preflight.cycles)".into(),
            );
        }
        Ok(())
    }
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {field}: {reason}")]
pub struct ConfigError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Default for Pricing {
    fn default() -> Self {
        Self {
            wei_per_million_units: 2_000_000_000_000_000,
            load_bps: 5_000,
            premium_bps: 50,
            miss_bps: 0,
            advance_bps: 1_000,
            min_gas_price: 10_000_000,
        }
    }
}

impl Default for Quotes {
    fn default() -> Self {
        Self { validity: 60, live_per_payer: 8, breaker_misses: 3, breaker_window: 3_600 }
    }
}

impl Default for Preflight {
    fn default() -> Self {
        Self { command: Vec::new(), timeout: 120, memory: 4 << 30, cycles: 1 << 31, workers: 1 }
    }
}

impl Default for Execution {
    fn default() -> Self {
        Self { command: Vec::new(), timeout: 3_600, memory: 4 << 30, cycles: 1 << 31, workers: 1, ahead: 4 }
    }
}

impl Default for Dispatch {
    fn default() -> Self {
        Self { min_lease: 15, max_lease: 60, presence: 60, exclusion: 60, strikes: 3 }
    }
}

impl Default for Rescue {
    fn default() -> Self {
        Self { enabled: true, min_gain: 0, watched_per_address: 64 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json: 1 << 20,
            blob: 1 << 30,
            input: 64 << 20,
            stored_per_address: 8 << 30,
            requests_per_second: 50,
            pending_quotes: 256,
            liability_window: 7 * 24 * 3_600,
        }
    }
}

impl Default for Following {
    fn default() -> Self {
        Self { poll_ms: 1_000, confirmations: 2, start_block: 0, max_gas_price: 500_000_000_000 }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8700))
}

fn yes() -> bool {
    true
}
