//! What a requester needs to know.

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
