//! A revenue ledger in memory, and a line to it that carries out what is recorded when it is told to.

use crate::support::{NoChain, OPERATOR, Service};
use alloy::sol_types::SolCall;
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use zkpool_bindings::{IERC20, IRevenueLedger, IZKPool};
use zkpool_chain::{Bond, ChainError, ShareView, Tranche, TrancheState, TxRecord, TxState};
use zkpool_protocol::{Address, TaskId, U256};
use zkpool_service::{ProverBond, RevenueLedger};

/// What stands on chain; one token.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) share: u16,
    /// The endpoint shows what slots held before.
    pub(crate) behind: bool,
    pub(crate) kept: u128,
    pub(crate) fund: u128,
    pub(crate) wallet: u128,
    pub(crate) approved: bool,
    pub(crate) tranches: Vec<Tranche>,
    pub(crate) bonds: BTreeMap<Address, ProverBond>,
    /// How often a bond was asked for.
    pub(crate) looks: u32,
}

/// See the module.
#[derive(Debug, Default, Clone)]
pub(crate) struct FakeLedger(pub(crate) Arc<Mutex<Books>>);

impl FakeLedger {
    /// Gives a prover a bond of so much in all.
    pub(crate) fn bond(&self, prover: Address, amount: u128) {
        let bond = Bond { amount, leaves_at: None };
        self.books().bonds.insert(prover, ProverBond { bond, slashed: false });
    }

    pub(crate) fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    /// Carries out everything that is recorded and open; says what it was.
    pub(crate) fn mine(&self, chain: &NoChain) -> Vec<String> {
        let mut done = Vec::new();
        for record in chain.records.lock().unwrap().values_mut().filter(|record| !record.state.is_final()) {
            let fits = self.carry_out(record);
            record.state = if fits { TxState::Succeeded } else { TxState::Failed };
            done.push(format!("{}{}", record.purpose.split(':').next().unwrap(), if fits { "" } else { " failed" }));
        }
        done
    }

    fn carry_out(&self, record: &TxRecord) -> bool {
        let (mut books, data) = (self.books(), record.data.as_ref());
        if let Ok(call) = IZKPool::setShareCall::abi_decode(data) {
            books.share = call.share;
        } else if IRevenueLedger::sweepCall::abi_decode(data).is_ok() {
            books.fund += std::mem::take(&mut books.kept);
        } else if IERC20::approveCall::abi_decode(data).is_ok() {
            books.approved = true;
        } else if let Ok(call) = IRevenueLedger::depositCall::abi_decode(data) {
            let amount: u128 = call.amount.to();
            books.wallet -= amount;
            books.fund += amount;
        } else if let Ok(call) = IRevenueLedger::openTrancheCall::abi_decode(data) {
            if call.total > books.fund {
                return false;
            }
            books.fund -= call.total;
            let IRevenueLedger::openTrancheCall { token, root, total, signer, .. } = call;
            let state = TrancheState::Open;
            books.tranches.push(Tranche { token, state, closes_at: None, signer, total, paid: 0, root });
        } else if let Ok(call) = IRevenueLedger::closeTrancheCall::abi_decode(data) {
            let tranche = &mut books.tranches[call.tranche.to::<usize>()];
            (tranche.state, tranche.closes_at) = (TrancheState::Closing, Some(1));
        } else if let Ok(call) = IRevenueLedger::reclaimCall::abi_decode(data) {
            let tranche = &mut books.tranches[call.tranche.to::<usize>()];
            tranche.state = TrancheState::Reclaimed;
            let total = tranche.total;
            books.fund += total;
        } else {
            return false;
        }
        true
    }
}

#[async_trait]
impl RevenueLedger for FakeLedger {
    async fn share(&self) -> Result<ShareView, ChainError> {
        Ok(ShareView { share: self.books().share, next: None })
    }
    async fn share_of(&self, _: u32, _: Address, _: TaskId) -> Result<Option<u16>, ChainError> {
        let books = self.books();
        Ok((!books.behind).then_some(books.share))
    }
    async fn kept_apart(&self, _: Address) -> Result<U256, ChainError> {
        Ok(U256::from(self.books().kept))
    }
    async fn fund(&self, _: Address) -> Result<U256, ChainError> {
        Ok(U256::from(self.books().fund))
    }
    async fn tranche(&self, index: u64) -> Result<Option<Tranche>, ChainError> {
        Ok(self.books().tranches.get(usize::try_from(index).unwrap()).copied())
    }
    async fn tranche_count(&self) -> Result<u64, ChainError> {
        Ok(self.books().tranches.len() as u64)
    }
    async fn may_open(&self, account: Address) -> Result<bool, ChainError> {
        Ok(account == OPERATOR)
    }
    async fn payable(&self, _: Address, _: Address) -> Result<U256, ChainError> {
        let books = self.books();
        Ok(U256::from(if books.approved { books.wallet } else { 0 }))
    }
    async fn bond(&self, prover: Address, _: Address) -> Result<ProverBond, ChainError> {
        let mut books = self.books();
        books.looks += 1;
        let none = ProverBond { bond: Bond { amount: 0, leaves_at: None }, slashed: false };
        Ok(books.bonds.get(&prover).copied().unwrap_or(none))
    }
}

impl Service {
    /// Runs the `pay` reconciler and mines what it sends, until it wants nothing more; says what was sent.
    pub(crate) async fn settle_pay(&self) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..10 {
            zkpool_service::reconcile_once(&self.ctx, &["pay"]).await.unwrap();
            let done = self.ledger.mine(&self.chain);
            if done.is_empty() {
                return all;
            }
            all.extend(done);
        }
        panic!("it goes on for ever: {all:?}");
    }
}
