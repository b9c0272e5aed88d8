//! What the chain has made of what was sent.

use super::{Sender, Sight, fail};
use crate::{
    ChainError,
    journal::{Failure, FailureKind, Receipt, TxRecord, TxState},
};
use alloy::{
    eips::BlockId,
    network::TransactionBuilder,
    primitives::{B256, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
};
use zkpool_bindings::Revert;

/// A nonce counts as taken by somebody else only when that is at least this deep in the chain: an endpoint may know the
/// account's count before it knows the receipt.
const FOREIGN_DEPTH: u64 = 3;
/// More missing nonces than this are no gap but another chain.
const LONGEST_GAP: u64 = 256;

impl Sender {
    /// Follows a signed transaction into the chain, and out of it after a reorganisation.
    pub(super) async fn settle(&self, record: &mut TxRecord, sight: &Sight) -> Result<(), ChainError> {
        let Some(nonce) = record.nonce else { return Ok(()) };
        let receipt = match &record.receipt {
            None if nonce >= sight.count => return Ok(()),
            _ => self.find_receipt(record).await?,
        };
        let Some(receipt) = receipt else {
            // Not mined, or not any more.
            record.state = TxState::Sent;
            record.receipt = None;
            record.failure = None;
            if nonce < sight.count && self.is_foreign(nonce, sight).await? {
                tracing::warn!(purpose = %record.purpose, nonce, "the nonce went to another transaction, signing again");
                record.nonce = None;
                record.state = TxState::Queued;
            }
            return Ok(());
        };
        if record.receipt.as_ref() != Some(&receipt) {
            record.failure = self.failure_of(record, &receipt).await?;
            record.complaint = None;
            record.state = TxState::Mined;
            record.receipt = Some(receipt.clone());
        }
        let deep = sight.head.number + 1 >= receipt.block + self.options.confirmations.max(1);
        if deep {
            match record.failure.clone() {
                Some(failure) => fail(record, failure.kind, failure.reason, failure.error),
                None => record.state = TxState::Succeeded,
            }
        }
        Ok(())
    }

    async fn find_receipt(&self, record: &TxRecord) -> Result<Option<Receipt>, ChainError> {
        for attempt in record.attempts.iter().rev() {
            let what = format!("read the receipt of {:?}", record.purpose);
            let found = self.rpc.provider().get_transaction_receipt(attempt.hash).await;
            if let Some(found) = found.map_err(|error| ChainError::rpc(what, error))?
                && let (Some(block), Some(block_hash)) = (found.block_number, found.block_hash)
            {
                return Ok(Some(Receipt {
                    hash: attempt.hash,
                    block,
                    block_hash,
                    success: found.status(),
                    gas_used: found.gas_used,
                    gas_price: found.effective_gas_price,
                }));
            }
        }
        Ok(None)
    }

    async fn failure_of(&self, record: &TxRecord, receipt: &Receipt) -> Result<Option<Failure>, ChainError> {
        if record.attempts.iter().any(|attempt| attempt.hash == receipt.hash && attempt.cancels) {
            let reason = "it was too late and has been cancelled".into();
            return Ok(Some(Failure { kind: FailureKind::Expired, reason, error: None }));
        }
        if receipt.success {
            return Ok(None);
        }
        let revert = self.reason(record, receipt).await?;
        let (reason, error) = match revert {
            Some(revert) => (revert.to_string(), Some(revert.name).filter(|name| !name.is_empty())),
            None if Some(receipt.gas_used) == record.gas => ("it ran out of gas".into(), None),
            None => ("it reverted in its place in the block, but not when called again".into(), None),
        };
        Ok(Some(Failure { kind: FailureKind::Reverted, reason, error }))
    }

    /// Calls again what reverted: with the block's own time, then on the state before it.
    async fn reason(&self, record: &TxRecord, receipt: &Receipt) -> Result<Option<Revert>, ChainError> {
        let mut request = TransactionRequest::default()
            .with_from(record.from)
            .with_to(record.to)
            .with_value(record.value)
            .with_input(record.data.clone());
        request.set_gas_limit(record.gas.unwrap_or(super::TRANSACTION_GAS_CAP));
        for block in [receipt.block, receipt.block.saturating_sub(1)] {
            let result = self.rpc.provider().call(request.clone()).block(BlockId::number(block)).await;
            match result.map_err(|error| ChainError::rpc("find out why it reverted", error)) {
                Ok(_) => {}
                Err(ChainError::Reverted { revert, .. }) => return Ok(Some(revert)),
                // Old state may be gone from the endpoint; the reason is a convenience.
                Err(ChainError::Refused { message, .. }) => {
                    tracing::debug!(purpose = %record.purpose, %message, "cannot find out why it reverted");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Whether the nonce is used up, deep in the chain, though none of our own attempts is there.
    async fn is_foreign(&self, nonce: u64, sight: &Sight) -> Result<bool, ChainError> {
        let depth = self.options.confirmations.max(FOREIGN_DEPTH);
        let Some(block) = sight.head.number.checked_sub(depth) else { return Ok(false) };
        Ok(self.count(BlockId::number(block)).await? > nonce)
    }

    /// Sees to it that every nonce from the chain's count up to the highest one used is held by an open record: a
    /// record whose transaction was reorganised out after it had become final is opened again, a nonce that nobody
    /// knows of is used up by a transfer of nothing to oneself.
    pub(super) async fn heal(
        &self,
        sight: &Sight,
        highest: Option<u64>,
        changed: &mut Vec<TxRecord>,
    ) -> Result<(), ChainError> {
        let Some(highest) = highest.filter(|highest| *highest >= sight.count) else { return Ok(()) };
        if highest - sight.count > LONGEST_GAP {
            return Err(ChainError::BadAnswer {
                what: format!("count the transactions of {}", self.address()),
                reason: format!(
                    "the chain has seen {}, the journal has used {}: another chain with the same id, or a reset one?",
                    sight.count,
                    highest + 1
                ),
            });
        }
        for nonce in sight.count..=highest {
            match self.journal.at_nonce(self.address(), nonce).await? {
                Some(record) if !record.state.is_final() => {}
                Some(record) => {
                    tracing::warn!(purpose = %record.purpose, nonce, "a final transaction left the chain, sending it again");
                    let mut now = record.clone();
                    // What had failed is not to succeed now: its nonce is used up by a cancellation.
                    if now.state == TxState::Failed {
                        now.not_after = Some(0);
                    }
                    now.state = TxState::Sent;
                    now.receipt = None;
                    now.failure = None;
                    self.keep(&record, now, changed).await?;
                }
                None => {
                    tracing::warn!(nonce, "nobody holds this nonce, using it up");
                    changed.push(self.fill(nonce).await?);
                }
            }
        }
        Ok(())
    }

    async fn fill(&self, nonce: u64) -> Result<TxRecord, ChainError> {
        let purpose = format!("fill-nonce:{}:{nonce}", self.address());
        let request = super::TxRequest {
            purpose,
            to: self.address(),
            value: U256::ZERO,
            data: Bytes::new(),
            gas: Some(super::submit::TRANSFER_GAS),
            urgency: super::Urgency::Normal,
            not_after: None,
        };
        let mut record = self.enqueue(request).await?;
        record.nonce = Some(nonce);
        record.state = TxState::Sent;
        record.receipt = None;
        record.failure = None;
        self.journal.save(&record).await?;
        Ok(record)
    }

    /// Whether the endpoint knows the transaction, in its mempool or in a block.
    pub(super) async fn is_known(&self, hash: B256) -> Result<bool, ChainError> {
        let found = self.rpc.provider().get_transaction_by_hash(hash).await;
        Ok(found.map_err(|error| ChainError::rpc("look for a transaction", error))?.is_some())
    }
}
