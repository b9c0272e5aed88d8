//! Typed reads of the revenue ledger, and of what the pool keeps apart for it, at the head of the chain.

use crate::{ChainError, Rpc};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, U256},
    providers::DynProvider,
    rpc::types::Log,
    sol_types::{SolCall, SolEventInterface},
};
use serde::{Deserialize, Serialize};
use zkpool_bindings::{
    IRevenueLedger::{self, IRevenueLedgerEvents as Events},
    IZKPool,
};
use zkpool_protocol::{
    Bytes, TaskId, decimal,
    pay::{CapProof, Ledger, SignedVoucher},
};

/// Reads of one revenue ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LedgerView {
    rpc: Rpc,
    ledger: Ledger,
}

/// Where a tranche stands; the names of `IRevenueLedger.TrancheState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrancheState {
    /// Pays.
    Open,
    /// Pays until it is reclaimed.
    Closing,
    /// What was left is back in the operator's fund.
    Reclaimed,
}

/// A tranche as the contract shows it. Amounts in the token's smallest unit, times in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tranche {
    /// What it pays in.
    pub token: Address,
    /// Where it stands.
    pub state: TrancheState,
    /// From then on it can be reclaimed; `None` while it is open.
    pub closes_at: Option<u64>,
    /// Signs its vouchers, for as long as it exists.
    pub signer: Address,
    /// The sum of all caps.
    #[serde(with = "decimal")]
    pub total: u128,
    /// Of that, what was paid.
    #[serde(with = "decimal")]
    pub paid: u128,
    /// Of the tree of caps.
    pub root: B256,
}

/// A prover's bond in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// In the token's smallest unit.
    #[serde(with = "decimal")]
    pub amount: u128,
    /// From this second on it can be withdrawn; `None`: it stays.
    pub leaves_at: Option<u64>,
}

/// What an operator's provers get of its rewards, in basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareView {
    /// Now.
    pub share: u16,
    /// From when on something else, if a change is pending.
    pub next: Option<(u16, u64)>,
}

impl LedgerView {
    /// Reads of `ledger` through `rpc`. Does not talk to the endpoint yet.
    pub const fn new(rpc: Rpc, ledger: Ledger) -> Self {
        Self { rpc, ledger }
    }

    /// The ledger to which a pool gives its provers' shares.
    ///
    /// # Errors
    /// [`ChainError::BadAnswer`] also for a pool that has none.
    pub async fn of_pool(rpc: &Rpc, pool: Address) -> Result<Address, ChainError> {
        let contract = IZKPool::new(pool, rpc.provider());
        contract.REVENUE_LEDGER().call().await.map_err(|e| ChainError::contract("read the pool's revenue ledger", e))
    }

    /// The ledger that is read.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The endpoint.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    fn contract(&self) -> IRevenueLedger::IRevenueLedgerInstance<&DynProvider> {
        IRevenueLedger::new(self.ledger.address, self.rpc.provider())
    }

    /// A tranche; `None` if it was never opened.
    pub async fn tranche(&self, operator: Address, index: u64) -> Result<Option<Tranche>, ChainError> {
        let what = format!("read tranche {index} of {operator}");
        let found = self.contract().trancheOf(operator, U256::from(index)).call().await;
        let found = found.map_err(|e| ChainError::contract(&what, e))?;
        let state = match found.state {
            0 => return Ok(None),
            1 => TrancheState::Open,
            2 => TrancheState::Closing,
            3 => TrancheState::Reclaimed,
            other => return Err(ChainError::BadAnswer { what, reason: format!("unknown tranche state {other}") }),
        };
        let closes_at = Some(found.closesAt.to::<u64>()).filter(|at| *at != 0);
        let IRevenueLedger::Tranche { token, signer, total, paid, root, .. } = found;
        Ok(Some(Tranche { token, state, closes_at, signer, total, paid, root }))
    }

    /// How many tranches an operator has opened: the next one's index.
    pub async fn tranche_count(&self, operator: Address) -> Result<u64, ChainError> {
        self.tranche_count_at(operator, BlockId::latest()).await
    }

    /// The same at a block.
    pub async fn tranche_count_at(&self, operator: Address, block: BlockId) -> Result<u64, ChainError> {
        let count = self.contract().trancheCount(operator).block(block).call().await;
        Ok(count.map_err(|e| self.failed(e))?.saturating_to())
    }

    /// What is an operator's for its provers and in no tranche.
    pub async fn fund(&self, operator: Address, token: Address) -> Result<U256, ChainError> {
        self.contract().fundOf(operator, token).call().await.map_err(|e| self.failed(e))
    }

    /// What a prover has been paid in a tranche.
    pub async fn paid(&self, operator: Address, tranche: u64, prover: Address) -> Result<U256, ChainError> {
        self.contract().paidOf(operator, U256::from(tranche), prover).call().await.map_err(|e| self.failed(e))
    }

    /// Whether `agent` may open and close an operator's tranches.
    pub async fn is_authorized(&self, operator: Address, agent: Address) -> Result<bool, ChainError> {
        self.contract().isAuthorized(operator, agent).call().await.map_err(|e| self.failed(e))
    }

    /// A prover's bond.
    pub async fn bond(&self, prover: Address, token: Address) -> Result<Bond, ChainError> {
        let found = self.contract().bondOf(prover, token).call().await.map_err(|e| self.failed(e))?;
        let leaves_at = Some(found.leavesAt.to::<u64>()).filter(|at| *at != 0);
        Ok(Bond { amount: found.amount, leaves_at })
    }

    /// Whether a prover has been shown to have signed two results for one job.
    pub async fn is_slashed(&self, prover: Address) -> Result<bool, ChainError> {
        self.contract().isSlashed(prover).call().await.map_err(|e| self.failed(e))
    }

    /// What an operator's provers get of its rewards.
    pub async fn share(&self, pool: Address, operator: Address) -> Result<ShareView, ChainError> {
        self.share_at(pool, operator, BlockId::latest()).await
    }

    /// The same at a block.
    pub async fn share_at(&self, pool: Address, operator: Address, block: BlockId) -> Result<ShareView, ChainError> {
        let what = "read the share of an operator's provers";
        let found = IZKPool::new(pool, self.rpc.provider()).shareOf(operator).block(block).call().await;
        let found = found.map_err(|e| ChainError::contract(what, e))?;
        let share = |word: U256| {
            u16::try_from(word).map_err(|_| ChainError::BadAnswer { what: what.into(), reason: "no share".into() })
        };
        let at = found.changesAt.saturating_to::<u64>();
        Ok(ShareView { share: share(found.share)?, next: if at == 0 { None } else { Some((share(found.next)?, at)) } })
    }

    /// What the provers get of a task's reward, in basis points, by the slot that holds it. `None`: the slot holds another
    /// task, or none, as far as this endpoint knows: it may be behind.
    pub async fn share_of_task(
        &self,
        pool: Address,
        operator: Address,
        token: Address,
        slot: u32,
        task: TaskId,
    ) -> Result<Option<u16>, ChainError> {
        let found = IZKPool::new(pool, self.rpc.provider()).slotOf(operator, token, slot).call().await;
        let found = found.map_err(|e| ChainError::contract(format!("read slot {slot} of {operator}"), e))?;
        Ok((found.state != 0 && task.starts_with(found.digest.as_slice())).then_some(found.share))
    }

    /// What a pool has kept apart for an operator's provers and the ledger has not fetched yet.
    pub async fn kept_apart(&self, pool: Address, token: Address, operator: Address) -> Result<U256, ChainError> {
        self.kept_apart_at(pool, token, operator, BlockId::latest()).await
    }

    /// The same at a block.
    pub async fn kept_apart_at(
        &self,
        pool: Address,
        token: Address,
        operator: Address,
        block: BlockId,
    ) -> Result<U256, ChainError> {
        let found = IZKPool::new(pool, self.rpc.provider()).earmarkOf(token, operator).block(block).call().await;
        found.map_err(|e| ChainError::contract("read what is kept apart for provers", e))
    }

    fn failed(&self, error: alloy::contract::Error) -> ChainError {
        ChainError::contract(format!("read the revenue ledger {}", self.ledger.address), error)
    }
}

/// What the ledger says. Amounts in the token's smallest unit, times in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the fields are named and documented in IRevenueLedger.sol
#[non_exhaustive]
pub enum LedgerEvent {
    /// A fund grew from outside.
    Deposited { operator: Address, token: Address, amount: U256 },
    /// A fund grew by what a pool had kept apart.
    Swept { operator: Address, token: Address, pool: Address, amount: U256 },
    /// A tranche was opened.
    TrancheOpened { operator: Address, tranche: u64, token: Address, root: B256, total: U256, signer: Address },
    /// A tranche will be reclaimed.
    TrancheClosing { operator: Address, tranche: u64, closes_at: u64 },
    /// What was left of a tranche is back in its operator's fund.
    TrancheReclaimed { operator: Address, tranche: u64, amount: U256 },
    /// A voucher was paid.
    Claimed { operator: Address, tranche: u64, prover: Address, paid: U256, amount: U256, count: u64, head: B256 },
}

impl LedgerEvent {
    /// Reads a log of the ledger. `None`: not one of these events, or none at all.
    pub fn decode(log: &Log) -> Option<Self> {
        let index = |word: U256| u64::try_from(word).ok();
        Some(match Events::decode_log(&log.inner).ok()?.data {
            Events::Deposited(e) => Self::Deposited { operator: e.operator, token: e.token, amount: e.amount },
            Events::Swept(e) => Self::Swept { operator: e.operator, token: e.token, pool: e.pool, amount: e.amount },
            Events::TrancheOpened(e) => Self::TrancheOpened {
                operator: e.operator,
                tranche: index(e.tranche)?,
                token: e.token,
                root: e.root,
                total: e.total,
                signer: e.signer,
            },
            Events::TrancheClosing(e) => Self::TrancheClosing {
                operator: e.operator,
                tranche: index(e.tranche)?,
                closes_at: e.closesAt.saturating_to(),
            },
            Events::TrancheReclaimed(e) => {
                Self::TrancheReclaimed { operator: e.operator, tranche: index(e.tranche)?, amount: e.amount }
            }
            Events::Claimed(e) => Self::Claimed {
                operator: e.operator,
                tranche: index(e.tranche)?,
                prover: e.prover,
                paid: e.paid,
                amount: e.amount,
                count: index(e.count)?,
                head: e.head,
            },
            _ => return None,
        })
    }
}

/// The call that has a voucher paid, with the proof of its prover's cap.
pub fn claim_call(signed: &SignedVoucher, cap: u128, proof: &CapProof) -> Bytes {
    let voucher = &signed.voucher;
    let siblings = proof.siblings.iter().map(|at| IRevenueLedger::Sibling { node: at.hash, sum: at.sum }).collect();
    let claim_ = IRevenueLedger::Claim {
        voucher: IRevenueLedger::Voucher {
            operator: voucher.operator,
            tranche: U256::from(voucher.tranche),
            prover: voucher.prover,
            amount: voucher.amount,
            count: voucher.count,
            head: voucher.head,
        },
        signature: signed.signature.clone(),
        cap,
        index: U256::from(proof.index),
        siblings,
    };
    IRevenueLedger::claimCall { claim_ }.abi_encode().into()
}
