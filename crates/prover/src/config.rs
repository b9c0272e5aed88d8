//! What the owner can set.

use crate::{Backoff, Capacity, PayConfig};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use zkpool_protocol::{Address, B256, ProofKind};

/// The agent's settings.
#[derive(Debug, Clone)]
pub struct ProverConfig {
    /// URLs of the operators to work for.
    pub operators: Vec<String>,
    /// The chain that they must be on, if the owner cares.
    pub chain_id: Option<u64>,
    /// The pool that they must work for, if the owner cares.
    pub pool: Option<Address>,
    /// Where jobs in hand, finished proofs, programs and the benchmark are kept.
    pub state_dir: PathBuf,
    /// Name of the device among those of the same address.
    pub device: String,
    /// What jobs may use.
    pub capacity: Capacity,
    /// The kinds of work to take; if it is empty, all that the machine is up to.
    pub kinds: Vec<ProofKind>,
    /// What is asked for a million work units, in wei, of the kinds for which something in particular is asked: where provers
    /// compete a bid, and everywhere the least that a job must pay.
    pub asks: BTreeMap<ProofKind, u128>,
    /// The SGX programs that there is an enclave of, by the names under which their verifiers know them.
    pub enclaves: Vec<B256>,
    /// Bytes of programs, segments and results to keep on disk.
    pub cache_bytes: u64,
    /// Largest input or program part to accept, in bytes.
    pub max_blob_bytes: u64,
    /// How long jobs in hand are waited for when the agent is told to stop.
    pub grace: Duration,
    /// Waits after failures.
    pub backoff: Backoff,
    /// How the owner wants to be paid by operators that pay out of the revenue ledger; without it, the agent does not work
    /// for them.
    pub pay: Option<PayConfig>,
    /// Where the owner's Prometheus finds the agent's metrics; without it, nowhere.
    pub metrics: Option<SocketAddr>,
}

impl ProverConfig {
    /// Default bytes of programs, segments and results to keep on disk.
    pub const CACHE_BYTES: u64 = 20 << 30;
    /// Default largest input or program part.
    pub const MAX_BLOB_BYTES: u64 = 2 << 30;
    /// Default wait for jobs in hand when stopping.
    pub const GRACE: Duration = Duration::from_secs(60);

    /// Settings for `operators`, everything else by default.
    pub fn new(operators: Vec<String>, state_dir: PathBuf, device: String, capacity: Capacity) -> Self {
        Self {
            operators,
            chain_id: None,
            pool: None,
            state_dir,
            device,
            capacity,
            kinds: Vec::new(),
            asks: BTreeMap::new(),
            enclaves: Vec::new(),
            cache_bytes: Self::CACHE_BYTES,
            max_blob_bytes: Self::MAX_BLOB_BYTES,
            grace: Self::GRACE,
            backoff: Backoff::default(),
            pay: None,
            metrics: None,
        }
    }

    /// The memory of one job: every job that is taken at the same time has the same share.
    pub fn memory_per_job(&self) -> u64 {
        self.capacity.memory / self.capacity.jobs.max(1) as u64
    }
}
