//! One task's events, read again and again: for those who care about a single task and not for the whole pool.

use crate::{ChainError, Head, PoolEvent, Rpc, event};
use alloy::{
    primitives::{Address, B256},
    providers::Provider,
    rpc::types::Filter,
};
use zkpool_protocol::TaskId;

/// An event of a task, where it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// What happened.
    pub event: PoolEvent,
    /// Block number.
    pub block: u64,
    /// Block hash.
    pub block_hash: B256,
    /// The transaction that did it.
    pub transaction: B256,
}

/// Reads a task's events. Blocks that can still be reorganised are read anew every time, older ones once.
#[derive(Clone, Debug)]
pub struct TaskHistory {
    rpc: Rpc,
    pool: Address,
    task: TaskId,
    settled: Vec<TaskEvent>,
    next: u64,
    range: u64,
}

/// Blocks at most this far below the head are read anew.
const UNSETTLED: u64 = 64;
const MAX_RANGE: u64 = 10_000;

impl TaskHistory {
    /// The history of `task` from block `from` on.
    pub const fn new(rpc: Rpc, pool: Address, task: TaskId, from: u64) -> Self {
        Self { rpc, pool, task, settled: Vec::new(), next: from, range: MAX_RANGE }
    }

    /// All events of the task up to the head, in order, and the head.
    ///
    /// # Errors
    /// The endpoint cannot be used now. What was read is kept: read again.
    pub async fn read(&mut self) -> Result<(Head, Vec<TaskEvent>), ChainError> {
        let head = self.rpc.head().await?;
        let settled = head.number.saturating_sub(UNSETTLED);
        while self.next <= settled {
            let (to, events) = self.stretch(self.next, settled).await?;
            self.settled.extend(events);
            self.next = to + 1;
        }
        let mut events = self.settled.clone();
        let mut from = self.next;
        while from <= head.number {
            let (to, more) = self.stretch(from, head.number).await?;
            events.extend(more);
            from = to + 1;
        }
        Ok((head, events))
    }

    /// As many blocks from `from` to `end` as the endpoint gives at once.
    async fn stretch(&mut self, from: u64, end: u64) -> Result<(u64, Vec<TaskEvent>), ChainError> {
        loop {
            let to = end.min(from.saturating_add(self.range - 1));
            let filter = Filter::new()
                .address(self.pool)
                .event_signature(event::topics())
                .topic1(self.task)
                .from_block(from)
                .to_block(to);
            let what = format!("read the task's events of blocks {from} to {to}");
            let logs = match self.rpc.provider().get_logs(&filter).await.map_err(|e| ChainError::rpc(&what, e)) {
                Ok(logs) => logs,
                Err(error) if to == from || matches!(error, ChainError::Unreachable { .. }) => return Err(error),
                Err(_) => {
                    // More than one block, or it would have been given up above.
                    self.range = (to - from).div_ceil(2);
                    continue;
                }
            };
            let mut events = Vec::with_capacity(logs.len());
            for log in logs {
                let place = (|| Some((log.block_number?, log.block_hash?, log.transaction_hash?, log.log_index?)))();
                let (Some((block, block_hash, transaction, index)), Some(event)) =
                    (place.filter(|_| !log.removed), PoolEvent::decode(&log.inner))
                else {
                    return Err(ChainError::BadAnswer { what, reason: "a log is not of this pool".into() });
                };
                events.push((block, index, TaskEvent { event, block, block_hash, transaction }));
            }
            events.sort_by_key(|(block, index, _)| (*block, *index));
            return Ok((to, events.into_iter().map(|(_, _, event)| event).collect()));
        }
    }
}
