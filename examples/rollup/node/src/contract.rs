//! The rollup's contract, `contracts/src/examples/Rollup.sol`.

use crate::error::NodeError;
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::{Filter, Log, TransactionReceipt},
    sol_types::{SolCall, SolEvent},
};
use zkpool_bindings::Rollup;
use zkpool_chain::Rpc;
use zkpool_protocol::Call;

/// The most blocks that are searched at once.
const RANGE: u64 = 10_000;

/// The contract on a chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Contract {
    rpc: Rpc,
    address: Address,
    /// From which block on its events are looked for.
    from_block: u64,
}

/// What never changes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Accepts batches.
    pub verifier: Address,
    /// May propose them.
    pub sequencer: Address,
    /// The state's root before the first.
    pub genesis_root: B256,
    /// Bytes of a batch's transfers.
    pub transfers_length: usize,
}

/// A batch that stands in the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Its number.
    pub batch: u32,
    /// What is to be proven of it.
    pub statement: B256,
    /// The root that it leads to.
    pub post_root: B256,
    /// Its records.
    pub transfers: Bytes,
    /// The transaction that proposed it.
    pub transaction: B256,
}

/// How far a batch is in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its bundle was accepted.
    pub proven: bool,
    /// All before it were, too: nothing can change it any more.
    pub is_final: bool,
}

/// A leg that came before its bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soft {
    /// Which leg.
    pub leg: usize,
    /// The transaction.
    pub transaction: B256,
    /// Its block's time, in seconds.
    pub at: u64,
}

/// What a transaction cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Block that has it.
    pub block: u64,
    /// Its gas.
    pub gas: u64,
    /// What its sender paid for it, in wei.
    pub fee: U256,
}

impl Contract {
    /// At this address, since this block.
    pub const fn new(rpc: Rpc, address: Address, from_block: u64) -> Self {
        Self { rpc, address, from_block }
    }

    /// Where it is.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The chain.
    pub const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    fn instance(&self) -> Rollup::RollupInstance<alloy::providers::DynProvider> {
        Rollup::new(self.address, self.rpc.provider().clone())
    }

    /// What never changes about it.
    ///
    /// # Errors
    /// [`NodeError::Away`], also if there is another contract.
    pub async fn fixed(&self) -> Result<Fixed, NodeError> {
        let (contract, away) = (self.instance(), |error: alloy::contract::Error| self.away(error));
        Ok(Fixed {
            verifier: contract.VERIFIER().call().await.map_err(away)?,
            sequencer: contract.SEQUENCER().call().await.map_err(away)?,
            genesis_root: contract.GENESIS_ROOT().call().await.map_err(away)?,
            transfers_length: contract.TRANSFERS_LENGTH().call().await.map_err(away)?.saturating_to(),
        })
    }

    /// The state's root after the last batch that is final, and how many are.
    ///
    /// # Errors
    /// [`NodeError::Away`].
    pub async fn root(&self) -> Result<(B256, u32), NodeError> {
        let (contract, away) = (self.instance(), |error: alloy::contract::Error| self.away(error));
        let finalised = contract.finalised().call().await.map_err(away)?;
        Ok((contract.root().call().await.map_err(away)?, finalised))
    }

    /// How far a batch is.
    ///
    /// # Errors
    /// [`NodeError::Away`].
    pub async fn standing(&self, batch: u32) -> Result<Standing, NodeError> {
        let (contract, away) = (self.instance(), |error: alloy::contract::Error| self.away(error));
        let proven = contract.batchOf(batch).call().await.map_err(away)?.proven;
        Ok(Standing { proven, is_final: batch < contract.finalised().call().await.map_err(away)? })
    }

    /// Calldata that proposes a batch.
    pub fn proposing(&self, post_root: B256, records: &[u8]) -> Bytes {
        let transfers = Bytes::copy_from_slice(records);
        Rollup::proposeBatchCall { postRoot: post_root, transfers }.abi_encode().into()
    }

    /// How the pool calls the contract with the bundle's proof: `proveBatch(batch, proof)`. The proof is the last argument,
    /// so a template is enough: what comes before it, and then its length and itself, which the pool adds.
    pub fn proving(&self, batch: u32) -> Call {
        let mut prefix = Rollup::proveBatchCall::SELECTOR.to_vec();
        prefix.extend(U256::from(batch).to_be_bytes::<32>());
        // Where the proof begins, counted from behind the selector.
        prefix.extend(U256::from(0x40).to_be_bytes::<32>());
        Call { prefix: prefix.into(), ..Call::default() }
    }

    /// Which batch a call proves that [`Contract::proving`] built.
    pub fn proven_by(call: &Call) -> Option<u32> {
        let words = call.prefix.strip_prefix(&Rollup::proveBatchCall::SELECTOR)?;
        u32::try_from(U256::try_from_be_slice(words.get(..32).filter(|_| words.len() == 64)?)?).ok()
    }

    /// What a transaction proposed.
    ///
    /// # Errors
    /// [`NodeError::Contract`] if it proposed nothing, [`NodeError::Away`].
    pub async fn proposed(&self, transaction: B256) -> Result<Proposed, NodeError> {
        let receipt = self.receipt(transaction).await?;
        let found = receipt.logs().iter().find_map(|log| self.proposal(log));
        found.ok_or_else(|| self.fault(format!("transaction {transaction} proposed nothing")))
    }

    /// Every batch that stands in the contract, in order. Those that were dropped do not.
    ///
    /// # Errors
    /// [`NodeError::Away`].
    pub async fn history(&self) -> Result<Vec<Proposed>, NodeError> {
        let events = [Rollup::BatchProposed::SIGNATURE_HASH, Rollup::BatchesDropped::SIGNATURE_HASH];
        let mut batches: Vec<Proposed> = Vec::new();
        for log in self.logs(Filter::new().event_signature(events.to_vec())).await? {
            if let Some(proposed) = self.proposal(&log) {
                batches.push(proposed);
            } else if let Ok(dropped) = Rollup::BatchesDropped::decode_log(&log.inner) {
                batches.retain(|batch| batch.batch < dropped.from);
            }
        }
        Ok(batches)
    }

    /// The legs of a batch that came before its bundle.
    ///
    /// # Errors
    /// [`NodeError::Away`].
    pub async fn soft(&self, batch: u32, statement: B256) -> Result<Vec<Soft>, NodeError> {
        let filter = Filter::new()
            .event_signature(Rollup::SoftConfirmed::SIGNATURE_HASH)
            .topic1(U256::from(batch))
            .topic2(statement);
        let mut soft = Vec::new();
        for log in self.logs(filter).await? {
            let (Some(transaction), Some(block)) = (log.transaction_hash, log.block_number) else { continue };
            let Ok(event) = Rollup::SoftConfirmed::decode_log(&log.inner) else { continue };
            let at = self.rpc.block(block).await?.map_or(0, |head| head.timestamp);
            soft.push(Soft { leg: event.leg.saturating_to(), transaction, at });
        }
        Ok(soft)
    }

    /// What a transaction cost.
    ///
    /// # Errors
    /// [`NodeError::Away`].
    pub async fn cost(&self, transaction: B256) -> Result<Cost, NodeError> {
        let receipt = self.receipt(transaction).await?;
        Ok(Cost {
            block: receipt.block_number.unwrap_or_default(),
            gas: receipt.gas_used,
            fee: U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price),
        })
    }

    fn proposal(&self, log: &Log) -> Option<Proposed> {
        let event = Rollup::BatchProposed::decode_log(&log.inner).ok().filter(|_| log.address() == self.address)?;
        Some(Proposed {
            batch: event.batchId,
            statement: event.statement,
            post_root: event.postRoot,
            transfers: event.transfers.clone(),
            transaction: log.transaction_hash?,
        })
    }

    /// The contract's logs, oldest first: endpoints give only so many blocks at a time.
    async fn logs(&self, filter: Filter) -> Result<Vec<Log>, NodeError> {
        let head = self.rpc.head().await?.number;
        let (mut from, mut logs) = (self.from_block, Vec::new());
        while from <= head {
            let to = head.min(from.saturating_add(RANGE - 1));
            let part = filter.clone().address(self.address).from_block(from).to_block(to);
            logs.extend(self.rpc.provider().get_logs(&part).await.map_err(|error| self.away(error))?);
            from = to + 1;
        }
        Ok(logs)
    }

    async fn receipt(&self, transaction: B256) -> Result<TransactionReceipt, NodeError> {
        let receipt = self.rpc.provider().get_transaction_receipt(transaction).await;
        let receipt = receipt.map_err(|error| self.away(error))?;
        receipt.ok_or_else(|| self.away(format!("transaction {transaction} is in no block any more")))
    }

    pub(crate) fn fault(&self, reason: String) -> NodeError {
        NodeError::Contract { address: self.address, reason }
    }

    fn away(&self, reason: impl ToString) -> NodeError {
        NodeError::Away { address: self.address, reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_calls_the_contract_with_the_proof() {
        let contract = Contract::new(Rpc::new("http://127.0.0.1:1").unwrap(), Address::ZERO, 0);
        let call = contract.proving(7);
        let proof = Bytes::from(vec![9; 33]);
        let whole = Rollup::proveBatchCall { batchId: 7, proof: proof.clone() }.abi_encode();
        assert_eq!(call.template(&proof), whole);
        assert_eq!(Contract::proven_by(&call), Some(7));
        assert_eq!(Contract::proven_by(&Call::default()), None);
    }
}
