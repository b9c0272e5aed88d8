//! What the chain says of a task, read straight from the contract's events.

use crate::{
    error::{Attempt, Result},
    stage::Stage,
};
use alloy::{
    primitives::{Address, B256},
    rpc::types::{Log, TransactionReceipt},
    sol_types::SolEvent,
};
use serde_json::json;
use std::collections::BTreeMap;
use zkpool_bindings::IZKPool;
use zkpool_protocol::TaskId;

/// An event of a task.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event's name.
    pub name: &'static str,
    /// The transaction that caused it.
    pub tx: B256,
    /// The event as it was logged.
    pub log: Log,
}

const EVENTS: [(B256, &str); 8] = [
    (IZKPool::Published::SIGNATURE_HASH, "publish"),
    (IZKPool::Dishonoured::SIGNATURE_HASH, "dishonoured"),
    (IZKPool::Delivered::SIGNATURE_HASH, "prove"),
    (IZKPool::TargetFailed::SIGNATURE_HASH, "target_failed"),
    (IZKPool::RescueAnnounced::SIGNATURE_HASH, "rescue"),
    (IZKPool::Novated::SIGNATURE_HASH, "novate"),
    (IZKPool::Defaulted::SIGNATURE_HASH, "collect"),
    (IZKPool::Unwound::SIGNATURE_HASH, "unwind"),
];

/// The task's events so far, oldest first.
pub async fn of(stage: &Stage, task: TaskId) -> Result<Vec<Entry>> {
    let what = "reading the pool's events";
    let filter = json!([{ "address": stage.domain.pool, "fromBlock": "0x0", "topics": [null, task] }]);
    let logs: Vec<Log> = stage.anvil.request("eth_getLogs", filter).await.attempt(what)?;
    let entry = |log: Log| {
        let name = EVENTS.iter().find(|(hash, _)| Some(hash) == log.topic0())?.1;
        Some(Entry { name, tx: log.transaction_hash?, log })
    };
    Ok(logs.into_iter().filter_map(entry).collect())
}

/// Every task that has been delivered so far.
pub async fn delivered(stage: &Stage) -> Result<Vec<TaskId>> {
    let topics = json!([IZKPool::Delivered::SIGNATURE_HASH]);
    let filter = json!([{ "address": stage.domain.pool, "fromBlock": "0x0", "topics": topics }]);
    let logs: Vec<Log> = stage.anvil.request("eth_getLogs", filter).await.attempt("reading the pool's events")?;
    Ok(logs.iter().filter_map(|log| log.topics().get(1).copied()).collect())
}

/// Gas of each step's transaction; several steps of one transaction (a novation inside a delivery) count once, under the
/// last one's name. A dishonoured publication is a publication.
pub async fn gas(stage: &Stage, entries: &[Entry]) -> Result<BTreeMap<String, u64>> {
    let mut by_tx = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.name != "target_failed") {
        by_tx.insert(entry.tx, if entry.name == "dishonoured" { "publish" } else { entry.name });
    }
    let mut gas = BTreeMap::new();
    for (tx, name) in by_tx {
        let what = "reading a receipt";
        let receipt: TransactionReceipt =
            stage.anvil.request("eth_getTransactionReceipt", json!([tx])).await.attempt(what)?;
        gas.insert(name.to_owned(), receipt.gas_used);
    }
    Ok(gas)
}

/// Whether `contract` logged `event` in the transaction `tx`.
pub async fn logged(stage: &Stage, tx: B256, contract: Address, event: B256) -> Result<bool> {
    let receipt: TransactionReceipt =
        stage.anvil.request("eth_getTransactionReceipt", json!([tx])).await.attempt("reading a receipt")?;
    Ok(receipt.logs().iter().any(|log| log.address() == contract && log.topic0() == Some(&event)))
}
