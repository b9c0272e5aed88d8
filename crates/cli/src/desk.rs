//! The chain as a prover's agent asks it about its pay, and the key that it signs and claims with.

use crate::chain::{SendArgs, sender};
use async_trait::async_trait;
use std::{fmt, time::Duration};
use zkpool_chain::{ChainError, Key, LedgerView, Rpc, TrancheState, TxRequest, claim_call};
use zkpool_protocol::{Address, B256, Bytes, Domain, ErrorCode, U256, pay::Ledger};
use zkpool_prover::{DeskError, Holding, PayDesk, TrancheOnChain};

/// The longest that a claim is waited for.
const CLAIM_BOUND: Duration = Duration::from_secs(300);

/// A key, and perhaps a chain.
pub(crate) struct Desk {
    key: Key,
    chain: Option<Rpc>,
}

impl Desk {
    /// With an endpoint, which nobody has asked anything yet, or without one.
    pub(crate) const fn new(key: Key, chain: Option<Rpc>) -> Self {
        Self { key, chain }
    }

    fn chain(&self) -> Result<&Rpc, DeskError> {
        let none = || DeskError { message: "no RPC endpoint is set".into(), code: ErrorCode::RpcUnreachable };
        self.chain.as_ref().ok_or_else(none)
    }

    fn view(&self, ledger: &Ledger) -> Result<LedgerView, DeskError> {
        Ok(LedgerView::new(self.chain()?.clone(), *ledger))
    }
}

fn failed(error: ChainError) -> DeskError {
    DeskError { code: error.code(), message: error.to_string() }
}

#[async_trait]
impl PayDesk for Desk {
    fn sign(&self, digest: &B256) -> Result<Bytes, DeskError> {
        self.key
            .sign_digest(digest)
            .map_err(|error| DeskError { message: error.to_string(), code: ErrorCode::Internal })
    }

    fn sees_chain(&self) -> bool {
        self.chain.is_some()
    }

    async fn ledger_of(&self, chain_id: u64, pool: Address) -> Result<Address, DeskError> {
        let rpc = self.chain()?;
        rpc.check(&Domain { chain_id, pool }).await.map_err(failed)?;
        LedgerView::of_pool(rpc, pool).await.map_err(failed)
    }

    async fn tranche(
        &self,
        ledger: &Ledger,
        operator: Address,
        index: u64,
    ) -> Result<Option<TrancheOnChain>, DeskError> {
        let found = self.view(ledger)?.tranche(operator, index).await.map_err(failed)?;
        Ok(found.map(|found| TrancheOnChain {
            token: found.token,
            open: found.state == TrancheState::Open,
            reclaimed: found.state == TrancheState::Reclaimed,
            closes_at: found.closes_at.filter(|_| found.state != TrancheState::Reclaimed),
            signer: found.signer,
            total: found.total,
            root: found.root,
        }))
    }

    async fn paid(&self, ledger: &Ledger, operator: Address, index: u64, prover: Address) -> Result<u128, DeskError> {
        let paid: U256 = self.view(ledger)?.paid(operator, index, prover).await.map_err(failed)?;
        Ok(paid.saturating_to())
    }

    async fn claim(&self, holding: &Holding) -> Result<B256, DeskError> {
        let nothing = || DeskError { message: "nothing was earned in this tranche".into(), code: ErrorCode::NotFound };
        let signed = holding.best().ok_or_else(nothing)?;
        let purpose = format!("claim:{}:{}:{}", holding.operator, holding.tranche, signed.voucher.count);
        let data = claim_call(signed, holding.cap, &holding.proof);
        let sender = sender(self.chain()?.clone(), holding.ledger.chain_id, &self.key, &SendArgs::default());
        let request = TxRequest::call(purpose, holding.ledger.address, data.to_vec());
        let record = sender.send(request, CLAIM_BOUND).await.map_err(failed)?;
        Ok(record.receipt.map(|receipt| receipt.hash).unwrap_or_default())
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("key", &self.key).field("sees_chain", &self.chain.is_some()).finish()
    }
}
