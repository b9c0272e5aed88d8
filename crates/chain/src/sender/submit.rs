//! Signing, recording, sending, and sending again.

use super::{Sender, Sight, TRANSACTION_GAS_CAP, fail, fees::Fees};
use crate::{
    ChainError,
    journal::{Attempt, FailureKind, TxRecord, TxState},
};
use alloy::{
    consensus::TxEip1559,
    eips::{BlockId, eip2718::Encodable2718},
    network::TransactionBuilder,
    primitives::{Bytes, TxKind, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
};

/// What a plain transfer costs.
pub(super) const TRANSFER_GAS: u64 = 21_000;

/// What the endpoint said to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has it, now or already.
    Taken,
    /// The nonce is used: the next tick finds out by whom.
    NonceUsed,
    /// The fees are too low for the market, or to replace what it has: raise them.
    FeesTooLow,
    /// Something else; sent again at the next tick.
    Complaint,
}

/// Nodes word it differently and number it hardly at all.
pub(super) fn read_answer(message: &str) -> Answer {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["already known", "known transaction", "already imported", "already exists", "already in mempool"]) {
        Answer::Taken
    } else if has(&["nonce too low", "old nonce", "nonce is too low", "invalid nonce"]) {
        Answer::NonceUsed
    } else if has(&["underpriced", "less than block base fee", "feetoolow", "fee too low", "replacement"]) {
        Answer::FeesTooLow
    } else {
        Answer::Complaint
    }
}

/// Gas added to an estimate at least. The state may change before the transaction is mined, and with it the way it
/// takes: a publication that was accepted when it was estimated can be dishonoured, which writes fresh words.
const LEAST_MARGIN: u64 = 150_000;

impl Sender {
    /// Brings a signed transaction nearer to a block: cancels it when it is pointless, raises it when it is stuck,
    /// sends it again when it was dropped.
    pub(super) async fn push(&self, record: &mut TxRecord, sight: &Sight) -> Result<(), ChainError> {
        if record.nonce.is_none_or(|nonce| nonce < sight.count) {
            return Ok(());
        }
        let now = sight.head.timestamp;
        let policy = &self.options.fees;
        let Some(last) = record.attempt().cloned() else {
            // A gap being filled, or a crash after the nonce was taken back.
            let fees = policy.first(&sight.market, record.urgency, now);
            return self.sign_and_send(record, fees, false).await;
        };
        let too_late = record.not_after.is_some_and(|end| now > end);
        let cancel = last.cancels || too_late;
        let age = self.clock.now().saturating_sub(last.signed_at);
        let stuck = age >= policy.patience(record.urgency, now) || last.max_fee < sight.market.base_fee;
        if stuck || cancel != last.cancels {
            let offered = Fees { max_fee: last.max_fee, tip: last.priority_fee };
            match policy.raised(offered, &sight.market, record.urgency, now) {
                Some(fees) => return self.sign_and_send(record, fees, cancel).await,
                None => record.complaint = Some(format!("the fee limit of {} wei is reached", policy.max_fee)),
            }
        }
        if self.is_known(last.hash).await? {
            return Ok(());
        }
        tracing::info!(purpose = %record.purpose, hash = %last.hash, "sending a dropped transaction again");
        if self.broadcast(record, &last.raw).await? == Answer::FeesTooLow {
            let offered = Fees { max_fee: last.max_fee, tip: last.priority_fee };
            if let Some(fees) = policy.raised(offered, &sight.market, record.urgency, now) {
                return self.sign_and_send(record, fees, cancel).await;
            }
        }
        Ok(())
    }

    /// Gives nonces to queued transactions, in order, as long as there is room.
    pub(super) async fn admit(&self, sight: &Sight, changed: &mut Vec<TxRecord>) -> Result<(), ChainError> {
        let open = self.journal.open(self.address()).await?;
        let mut room = self
            .options
            .max_in_flight
            .max(1)
            .saturating_sub(open.iter().filter(|record| record.state == TxState::Sent).count());
        let highest = self.journal.highest_nonce(self.address()).await?;
        let mut next = highest.map_or(sight.count, |highest| sight.count.max(highest + 1));
        let mut purse = None;
        for record in open.into_iter().filter(|record| record.state == TxState::Queued) {
            if room == 0 {
                break;
            }
            let mut now = record.clone();
            if now.not_after.is_some_and(|end| sight.head.timestamp > end) {
                fail(&mut now, FailureKind::Expired, "it was too late before it could be sent", None);
                self.keep(&record, now, changed).await?;
                continue;
            }
            let fees = self.options.fees.first(&sight.market, now.urgency, sight.head.timestamp);
            if self.prepare(&mut now, fees, sight, &mut purse).await? {
                now.nonce = Some(next);
                self.sign_and_send(&mut now, fees, false).await?;
                next += 1;
                room -= 1;
            }
            self.keep(&record, now, changed).await?;
        }
        Ok(())
    }

    /// Finds the gas limit and checks that it would succeed on the newest block and can be paid for. What is only in the
    /// mempool does not count: it may never happen. False: not now, or never; the record says why.
    async fn prepare(
        &self,
        record: &mut TxRecord,
        fees: Fees,
        sight: &Sight,
        purse: &mut Option<U256>,
    ) -> Result<bool, ChainError> {
        let gas = match record.gas {
            Some(gas) => gas,
            None => {
                let request = TransactionRequest::default()
                    .with_from(record.from)
                    .with_to(record.to)
                    .with_value(record.value)
                    .with_input(record.data.clone());
                let estimate = self.rpc.provider().estimate_gas(request).block(BlockId::latest()).await;
                match estimate.map_err(|error| ChainError::rpc("estimate the gas", error)) {
                    Ok(estimate) => estimate,
                    Err(ChainError::Reverted { revert, .. }) => {
                        let name = Some(revert.name.clone()).filter(|name| !name.is_empty());
                        fail(record, FailureKind::Refused, format!("not sent: {revert}"), name);
                        return Ok(false);
                    }
                    Err(ChainError::Refused { message, .. }) if is_about_funds(&message) => {
                        fail(record, FailureKind::Unfunded, format!("not sent: {message}"), None);
                        return Ok(false);
                    }
                    Err(ChainError::Refused { message, .. }) => {
                        record.complaint = Some(message);
                        return Ok(false);
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let cap = TRANSACTION_GAS_CAP.min(sight.head.gas_limit);
        if gas > cap {
            fail(record, FailureKind::Refused, format!("not sent: it needs {gas} gas, the cap is {cap}"), None);
            return Ok(false);
        }
        let gas = match record.gas {
            Some(gas) => gas,
            None => {
                let margin = (gas.saturating_mul(self.options.gas_margin) / 100).max(LEAST_MARGIN);
                gas.saturating_add(margin).min(cap)
            }
        };
        let cost = record.value.saturating_add(U256::from(gas).saturating_mul(U256::from(fees.max_fee)));
        let ether = match *purse {
            Some(left) => left,
            None => self.rpc.ether(record.from).await?,
        };
        let Some(left) = ether.checked_sub(cost) else {
            let reason = format!("not sent: {} has {ether} wei and it may cost up to {cost}", record.from);
            fail(record, FailureKind::Unfunded, reason, None);
            return Ok(false);
        };
        *purse = Some(left);
        record.gas = Some(gas);
        Ok(true)
    }

    /// Signs, records, and only then sends.
    async fn sign_and_send(&self, record: &mut TxRecord, fees: Fees, cancel: bool) -> Result<(), ChainError> {
        let Some(nonce) = record.nonce else { return Ok(()) };
        let (to, value, input, gas_limit) = if cancel {
            (self.address(), U256::ZERO, Bytes::new(), TRANSFER_GAS)
        } else {
            (record.to, record.value, record.data.clone(), record.gas.unwrap_or(TRANSACTION_GAS_CAP))
        };
        let envelope = self.key.sign_transaction(TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee,
            max_priority_fee_per_gas: fees.tip,
            to: TxKind::Call(to),
            value,
            access_list: Default::default(),
            input,
        })?;
        let raw = Bytes::from(envelope.encoded_2718());
        record.attempts.push(Attempt {
            hash: *envelope.tx_hash(),
            nonce,
            raw: raw.clone(),
            max_fee: fees.max_fee,
            priority_fee: fees.tip,
            signed_at: self.clock.now(),
            cancels: cancel,
        });
        record.state = TxState::Sent;
        record.complaint = None;
        self.journal.save(record).await?;
        tracing::info!(
            purpose = %record.purpose, nonce, hash = %envelope.tx_hash(), max_fee = fees.max_fee, tip = fees.tip,
            attempt = record.attempts.len(), cancel, "sending a transaction"
        );
        self.broadcast(record, &raw).await?;
        Ok(())
    }

    async fn broadcast(&self, record: &mut TxRecord, raw: &Bytes) -> Result<Answer, ChainError> {
        let sent = self.rpc.provider().send_raw_transaction(raw).await;
        match sent.map_err(|error| ChainError::rpc(format!("send {:?}", record.purpose), error)) {
            Ok(_) => Ok(Answer::Taken),
            Err(ChainError::Refused { message, .. }) => {
                let answer = read_answer(&message);
                if answer != Answer::Taken {
                    tracing::debug!(purpose = %record.purpose, %message, "the endpoint does not take it");
                    record.complaint = Some(message);
                }
                Ok(answer)
            }
            // It may have arrived all the same; the next tick looks.
            Err(error) => Err(error),
        }
    }
}

fn is_about_funds(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("insufficient funds") || message.contains("exceeds allowance")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_geth_nethermind_erigon_reth_and_anvil_are_understood() {
        for (message, answer) in [
            ("already known", Answer::Taken),
            ("transaction already imported", Answer::Taken),
            ("ALREADY_EXISTS: already known", Answer::Taken),
            ("AlreadyKnown, already known", Answer::Taken),
            ("nonce too low: next nonce 5, tx nonce 4", Answer::NonceUsed),
            ("OldNonce, Current nonce: 5, nonce of rejected tx: 4: old nonce", Answer::NonceUsed),
            ("replacement transaction underpriced", Answer::FeesTooLow),
            ("transaction underpriced", Answer::FeesTooLow),
            ("max fee per gas less than block base fee: address 0x…", Answer::FeesTooLow),
            ("FeeTooLowToCompete", Answer::FeesTooLow),
            ("txpool is full", Answer::Complaint),
        ] {
            assert_eq!(read_answer(message), answer, "{message}");
        }
    }
}
