//! The sequencer: transfers in, batches out.

use crate::{Batch, Domain, State, batch::Parts};
use rollup_core::{Account, Fault, Refusal, Transfer};
use std::collections::VecDeque;

/// Transfers that may wait.
const MAX_WAITING: usize = 10_000;

/// Why a rollup cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// There are more accounts than the tree has places.
    #[error("{accounts} accounts at genesis, but the tree has room for {room}")]
    TooMany {
        /// How many there are.
        accounts: usize,
        /// How many there may be.
        room: usize,
    },
    /// An account's key is none, so that what it has could never be spent.
    #[error("the key of account {place} at genesis is no point of prime order")]
    Key {
        /// Its place.
        place: usize,
    },
}

/// Why a transfer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too many wait already.
    #[error("{MAX_WAITING} transfers are waiting: try again later")]
    Full,
    /// The receiver's place is nobody's, and what goes there would be lost.
    #[error("place {place} is nobody's")]
    Nobody {
        /// The place.
        place: u32,
    },
    /// It is not valid after those that wait.
    #[error("{0}")]
    Invalid(Fault),
}

/// Keeps the state of a rollup of 2^`DEPTH` accounts, and makes batches of up to `TRANSFERS` transfers.
///
/// It is a library without a clock, a disk or a network: whoever runs it decides when a batch is made and what becomes of
/// it. A batch that was made counts as done.
#[derive(Clone, Debug)]
pub struct Sequencer<const DEPTH: usize, const TRANSFERS: usize> {
    domain: Domain,
    /// After the last batch that was made.
    state: State<DEPTH>,
    /// After all transfers that wait.
    pending: State<DEPTH>,
    waiting: VecDeque<Transfer>,
    /// The next batch's number.
    next: u32,
}

impl<const DEPTH: usize, const TRANSFERS: usize> Sequencer<DEPTH, TRANSFERS> {
    /// A rollup that begins with these accounts, at the first places. Its first batch has number `first`.
    pub fn new(domain: Domain, genesis: &[Account], first: u32) -> Result<Self, GenesisError> {
        let too_many = GenesisError::TooMany { accounts: genesis.len(), room: State::<DEPTH>::ACCOUNTS };
        let state = State::new(genesis).ok_or(too_many)?;
        for (place, account) in genesis.iter().enumerate() {
            if *account != Account::default() && rollup_core::Portable::eighth_of(&account.key).is_none() {
                return Err(GenesisError::Key { place });
            }
        }
        Ok(Self { domain, pending: state.clone(), state, waiting: VecDeque::new(), next: first })
    }

    /// Which rollup it is.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The state after the last batch; before the first, it has the genesis root.
    pub fn state(&self) -> &State<DEPTH> {
        &self.state
    }

    /// The state after all transfers that were taken: what a wallet takes its next nonce from.
    pub fn pending(&self) -> &State<DEPTH> {
        &self.pending
    }

    /// How many transfers wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a transfer that is valid after all those that wait.
    pub fn submit(&mut self, transfer: Transfer) -> Result<(), SubmitError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(SubmitError::Full);
        }
        let mut after = self.pending.clone();
        // As a batch of its own, so that only the core decides. What it signs does not name a batch.
        let alone = Parts::<DEPTH, 1>::new(self.domain.context(0), &[transfer], &mut after);
        match alone.apply() {
            Ok(_) => (),
            Err(Refusal::Transfer { fault, .. }) => return Err(SubmitError::Invalid(fault)),
            // A transfer of zeros, the only thing besides that can be wrong with an input made here.
            Err(_) => return Err(SubmitError::Invalid(Fault::Same)),
        }
        if self.pending.account(transfer.to) == Some(&Account::default()) {
            return Err(SubmitError::Nobody { place: transfer.to });
        }
        self.pending = after;
        self.waiting.push_back(transfer);
        Ok(())
    }

    /// Makes a batch of the transfers that wait, as many as fit; none if there are none, or no number is left.
    pub fn next_batch(&mut self) -> Option<Batch> {
        let next = self.next.checked_add(1)?;
        let count = self.waiting.len().min(TRANSFERS);
        let transfers: Vec<Transfer> = self.waiting.iter().take(count).copied().collect();
        let mut after = self.state.clone();
        let parts = Parts::<DEPTH, TRANSFERS>::new(self.domain.context(self.next), &transfers, &mut after);
        // Refused only if there are no transfers: each was applied when it was taken, after the same ones.
        let journal = parts.apply().ok()?;
        let input = parts.input();
        self.waiting.drain(..count);
        self.next = next;
        self.state = after;
        Some(Batch {
            transfers,
            records: parts.records(),
            journal,
            sgx_input: input.clone(),
            zkvm_input: input,
            circuit_input: parts.circuit_input(),
        })
    }
}
