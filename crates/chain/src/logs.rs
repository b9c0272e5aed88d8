//! All logs of some contracts, from a block to the head: for those who look once at the whole of a history.

use crate::{ChainError, Rpc};
use alloy::{
    primitives::Address,
    providers::Provider,
    rpc::types::{Filter, Log},
};

/// Blocks that are asked for at once, at most.
const MAX_RANGE: u64 = 10_000;

/// Every log of these contracts from block `from` on, in order. Endpoints that give fewer blocks at once are asked for fewer.
///
/// # Errors
/// The endpoint cannot be used, or gives not even one block.
pub async fn logs_of(rpc: &Rpc, contracts: Vec<Address>, from: u64) -> Result<Vec<Log>, ChainError> {
    let head = rpc.head().await?.number;
    logs_between(rpc, contracts, from, head).await
}

/// The same up to block `last`.
///
/// # Errors
/// As [`logs_of`].
pub async fn logs_between(rpc: &Rpc, contracts: Vec<Address>, from: u64, last: u64) -> Result<Vec<Log>, ChainError> {
    let (mut all, mut from, mut range) = (Vec::new(), from, MAX_RANGE);
    while from <= last {
        let to = last.min(from.saturating_add(range - 1));
        let filter = Filter::new().address(contracts.clone()).from_block(from).to_block(to);
        let what = format!("read the events of blocks {from} to {to}");
        match rpc.provider().get_logs(&filter).await.map_err(|e| ChainError::rpc(&what, e)) {
            Ok(mut logs) => {
                logs.sort_by_key(|log| (log.block_number, log.log_index));
                all.extend(logs.into_iter().filter(|log| !log.removed));
                from = to + 1;
            }
            Err(error) if to == from || matches!(error, ChainError::Unreachable { .. }) => return Err(error),
            Err(_) => range = (to - from).div_ceil(2).max(1),
        }
    }
    Ok(all)
}
