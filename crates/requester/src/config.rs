//! What a requester needs to know.

use crate::{Discovery, Ranking};
use std::{path::PathBuf, time::Duration};
use zkpool_api::ClientOptions;
use zkpool_chain::{FeePolicy, Key, Rpc, SenderOptions};
use zkpool_protocol::Domain;

/// Who, where, and with whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chain.
    pub rpc: Rpc,
    /// Its id, and the pool's address.
    pub domain: Domain,
    /// Pays and signs. No other program may send with it at the same time.
    pub key: Key,
    /// Where quotes and transactions are remembered. One process at a time.
    pub state: PathBuf,
    /// Operators' services.
    pub operators: Vec<String>,
    /// Bounds and habits.
    pub options: Options,
}

/// Bounds and habits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Longest that one operator may take to answer, uploads and preflight included.
    pub ask_bound: Duration,
    /// Operators that are asked at the same time.
    pub asked_at_once: usize,
    /// How operators are found that are not named in [`Config::operators`]; `None`: they are not. Whoever is asked gets the
    /// input.
    pub discovery: Option<Discovery>,
    /// What makes an offer the best.
    pub ranking: Ranking,
    /// Block from which on operators' records are read: the pool's deployment, or so far back as a record should count.
    /// `None`: they are not, and nobody has one.
    pub records_from: Option<u64>,
    /// Longest that records are read before an offer is chosen with what is known.
    pub records_bound: Duration,
    /// Longest that a transaction is waited for.
    pub transaction_bound: Duration,
    /// Pause between looks at the chain.
    pub poll: Duration,
    /// A watch that has nothing to tell says so this often.
    pub quiet: Duration,
    /// How transactions are sent. Its confirmations also make a task's end final.
    pub sender: SenderOptions,
    /// How operators are talked to.
    pub client: ClientOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ask_bound: Duration::from_secs(120),
            asked_at_once: 16,
            discovery: None,
            ranking: Ranking::default(),
            records_from: None,
            records_bound: Duration::from_secs(20),
            transaction_bound: Duration::from_secs(300),
            poll: Duration::from_secs(1),
            quiet: Duration::from_secs(15),
            // Publications are worth little after a few minutes: less patience than for other transactions.
            sender: SenderOptions {
                fees: FeePolicy { bump_after: 30, ..FeePolicy::default() },
                ..SenderOptions::default()
            },
            client: ClientOptions::default(),
        }
    }
}
