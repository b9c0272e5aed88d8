//! What a node is told.

use rand::Rng;
use std::{path::PathBuf, time::Duration};
use zkpool_protocol::Address;

/// How a node works.
#[derive(Clone, Debug)]
pub struct Config {
    /// URLs of the operators that are asked.
    pub operators: Vec<String>,
    /// EIP-155 id of the committee's chain.
    pub chain_id: u64,
    /// The committee's contract.
    pub committee: Address,
    /// Where the node keeps what it has signed. Every committee and key has a directory of its own in it.
    pub state_dir: PathBuf,
    /// Whether this is meant to be the key's first run: without it a member that has a stake already does not start where
    /// nothing says what it has signed.
    pub new_state: bool,
    /// The largest receipt that is fetched, in bytes. Each operator can make the node hold one.
    pub max_receipt: u64,
    /// New claims that are signed for one operator within an hour. What was signed before is signed again without limit.
    pub per_hour: usize,
    /// How much disk the receipts that were signed may take, in bytes; at least one receipt.
    pub keep: u64,
    /// How many receipts are checked at once.
    pub checks: usize,
    /// How long an operator may take to answer when there is nothing to sign, in seconds; at most 30.
    pub wait: u32,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// How long what is being signed is waited for when the node is told to stop.
    pub grace: Duration,
}

impl Config {
    /// The largest receipt by default: the largest that an operator's service makes. A smaller one would leave tasks
    /// unsigned that were sold.
    pub const MAX_RECEIPT: u64 = zkpool_verifiers::risc0::MAX_RECEIPT as u64;
    /// New claims for one operator within an hour by default: one every six seconds, all day.
    pub const PER_HOUR: usize = 600;
    /// The disk space for receipts by default.
    pub const KEEP: u64 = 4 << 30;

    /// With everything else by default.
    pub fn new(operators: Vec<String>, chain_id: u64, committee: Address, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            operators,
            chain_id,
            committee,
            state_dir: state_dir.into(),
            new_state: false,
            max_receipt: Self::MAX_RECEIPT,
            per_hour: Self::PER_HOUR,
            keep: Self::KEEP,
            checks: 1,
            wait: zkpool_api::MAX_ATTESTATION_WAIT,
            backoff: Backoff::default(),
            grace: Duration::from_secs(10),
        }
    }
}

/// Exponential backoff with jitter, so that a committee that lost the same operator does not come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first wait.
    pub first: Duration,
    /// Upper bound of every wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after so many failures in a row: between half of the bound and the bound.
    pub(crate) fn wait(self, failures: u32) -> Duration {
        let bound = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.max);
        bound.mul_f64(rand::thread_rng().gen_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1) };
        for (failures, bound) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            let wait = backoff.wait(failures);
            assert!(wait <= Duration::from_millis(bound) && wait >= Duration::from_millis(bound / 2), "{wait:?}");
        }
    }
}
