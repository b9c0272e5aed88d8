//! The revenue ledger as the service sees it: what it reads. Its transactions go the way of all others.
//!
//! [`LiveLedger`] is the real one; tests bring their own.

use async_trait::async_trait;
use zkpool_chain::{Bond, ChainError, LedgerView, PoolView, Rpc, ShareView, Tranche};
use zkpool_protocol::{Address, Domain, TaskId, U256, pay::Ledger};

/// What a prover has put up in one token, and whether it was shown to have signed two results for one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProverBond {
    /// What is there, and whether it is announced for withdrawal.
    pub bond: Bond,
    /// It can never bond again; what it has in other tokens may still be there.
    pub slashed: bool,
}

/// Reads at the head of the chain, for one operator. Every method is bounded in time.
#[async_trait]
pub trait RevenueLedger: Send + Sync {
    /// What its provers get of its rewards.
    async fn share(&self) -> Result<ShareView, ChainError>;
    /// What its provers get of the reward of a task that a slot of its holds, in basis points; `None` if the slot does not
    /// hold this task, as far as the endpoint knows.
    async fn share_of(&self, slot: u32, token: Address, task: TaskId) -> Result<Option<u16>, ChainError>;
    /// What the pool has kept apart for its provers, in the token's smallest unit.
    async fn kept_apart(&self, token: Address) -> Result<U256, ChainError>;
    /// What is in the ledger for its provers, and in no tranche.
    async fn fund(&self, token: Address) -> Result<U256, ChainError>;
    /// A tranche of its own; `None` if it was never opened.
    async fn tranche(&self, index: u64) -> Result<Option<Tranche>, ChainError>;
    /// How many tranches it has opened.
    async fn tranche_count(&self) -> Result<u64, ChainError>;
    /// Whether an account may open and close its tranches.
    async fn may_open(&self, account: Address) -> Result<bool, ChainError>;
    /// What an account could pay the ledger out of its wallet: the smaller of its balance and its approval.
    async fn payable(&self, token: Address, account: Address) -> Result<U256, ChainError>;
    /// What a prover has put up.
    async fn bond(&self, prover: Address, token: Address) -> Result<ProverBond, ChainError>;
}

/// The ledger behind an RPC endpoint.
#[derive(Debug)]
pub struct LiveLedger {
    view: LedgerView,
    pool: PoolView,
    operator: Address,
}

impl LiveLedger {
    /// The ledger of a pool, for one of its operators.
    pub fn new(rpc: Rpc, domain: Domain, ledger: Ledger, operator: Address) -> Self {
        Self { view: LedgerView::new(rpc.clone(), ledger), pool: PoolView::new(rpc, domain), operator }
    }
}

#[async_trait]
impl RevenueLedger for LiveLedger {
    async fn share(&self) -> Result<ShareView, ChainError> {
        self.view.share(self.pool.domain().pool, self.operator).await
    }

    async fn share_of(&self, slot: u32, token: Address, task: TaskId) -> Result<Option<u16>, ChainError> {
        self.view.share_of_task(self.pool.domain().pool, self.operator, token, slot, task).await
    }

    async fn kept_apart(&self, token: Address) -> Result<U256, ChainError> {
        self.view.kept_apart(self.pool.domain().pool, token, self.operator).await
    }

    async fn fund(&self, token: Address) -> Result<U256, ChainError> {
        self.view.fund(self.operator, token).await
    }

    async fn tranche(&self, index: u64) -> Result<Option<Tranche>, ChainError> {
        self.view.tranche(self.operator, index).await
    }

    async fn tranche_count(&self) -> Result<u64, ChainError> {
        self.view.tranche_count(self.operator).await
    }

    async fn may_open(&self, account: Address) -> Result<bool, ChainError> {
        Ok(account == self.operator || self.view.is_authorized(self.operator, account).await?)
    }

    async fn payable(&self, token: Address, account: Address) -> Result<U256, ChainError> {
        let allowance = self.pool.allowance(token, account, self.view.ledger().address).await?;
        if allowance.is_zero() {
            return Ok(allowance);
        }
        Ok(allowance.min(self.pool.token_balance(token, account).await?))
    }

    async fn bond(&self, prover: Address, token: Address) -> Result<ProverBond, ChainError> {
        let (bond, slashed) = tokio::try_join!(self.view.bond(prover, token), self.view.is_slashed(prover))?;
        Ok(ProverBond { bond, slashed })
    }
}
