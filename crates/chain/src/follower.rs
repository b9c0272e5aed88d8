//! The pool's events, block by block.
//!
//! A follower has no memory of its own worth keeping: every [`Follower::poll`] takes the caller's [`Cursor`] and gives
//! back steps and the next cursor, which the caller stores *together* (one database transaction). Whoever dies in
//! between polls again from the old cursor and gets the same steps.
//!
//! No gaps, no silent streams: it asks, it is never told. Blocks that can still be reorganised are read one by one,
//! linked by their parent hashes, and their logs are asked for by block *hash*, so that a node that lags behind or has
//! switched to another branch cannot answer for the wrong block. Older blocks are read in ranges whose size follows
//! what the endpoint takes.

use crate::{
    ChainError, ChainEvent, Head, Rpc,
    event::{self},
};
use alloy::{
    primitives::{Address, B256},
    providers::Provider,
    rpc::types::{Filter, Log},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A block by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// Where a follower stands. Stored by the caller, as JSON or however it likes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    first: u64,
    /// Ascending; the last one is the position. Not every block between is there.
    recent: Vec<BlockRef>,
}

/// What happened since the last poll, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The chain grew. Blocks without events can be left out.
    Block(Block),
    /// Everything above block `to` is no longer part of the chain: undo it.
    Rollback {
        /// The highest block that remains.
        to: u64,
    },
}

/// A block with the pool's events in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// In order.
    pub events: Vec<ChainEvent>,
}

/// The outcome of one poll.
#[derive(Clone, Debug)]
pub struct Polled {
    /// To be applied in order.
    pub steps: Vec<Step>,
    /// To be stored with them.
    pub cursor: Cursor,
    /// The chain's newest block, as the endpoint sees it.
    pub head: Head,
}

/// How a follower reads.
#[derive(Clone, Debug)]
pub struct FollowerOptions {
    /// Blocks at most this far below the head can still be reorganised and are read one by one.
    pub unsettled: u64,
    /// The widest range of older blocks asked for at once.
    pub max_range: u64,
    /// How many unsettled blocks one poll reads at most.
    pub batch: u64,
    /// How many blocks a cursor remembers, to find the fork after a reorganisation.
    pub remember: usize,
}

impl Default for FollowerOptions {
    fn default() -> Self {
        Self { unsettled: 64, max_range: 10_000, batch: 32, remember: 256 }
    }
}

/// Requests in flight at once.
const PARALLEL: usize = 8;

impl Cursor {
    /// A follower that has seen nothing yet and begins with block `first` (the pool's deployment).
    pub const fn starting_at(first: u64) -> Self {
        Self { first, recent: Vec::new() }
    }

    /// The last block seen.
    pub fn position(&self) -> Option<BlockRef> {
        self.recent.last().copied()
    }

    /// The next block to be read.
    pub fn next(&self) -> u64 {
        self.position().map_or(self.first, |block| block.number + 1)
    }

    fn push(&mut self, block: BlockRef, remember: usize) {
        self.recent.push(block);
        let excess = self.recent.len().saturating_sub(remember.max(1));
        self.recent.drain(..excess);
    }
}

impl Polled {
    /// Whether the cursor has reached the head: if not, poll again at once.
    pub fn caught_up(&self) -> bool {
        self.cursor.next() > self.head.number
    }
}

/// Follows one pool contract.
#[derive(Debug)]
pub struct Follower {
    rpc: Rpc,
    pool: Address,
    options: FollowerOptions,
    range: u64,
}

impl Follower {
    /// A follower of the contract at `pool`.
    pub fn new(rpc: Rpc, pool: Address) -> Self {
        Self::with_options(rpc, pool, FollowerOptions::default())
    }

    /// A follower with other bounds.
    pub fn with_options(rpc: Rpc, pool: Address, options: FollowerOptions) -> Self {
        let range = options.max_range.clamp(1, 1_000);
        Self { rpc, pool, options, range }
    }

    /// Reads on from `cursor`: at most one rollback, or one stretch of blocks. Poll again at once unless
    /// [`Polled::caught_up`].
    ///
    /// An endpoint whose head is below the cursor but on the same branch lags behind: no steps, no error.
    ///
    /// # Errors
    /// All are worth another poll with the same cursor; [`ChainError::Unreachable`] mostly.
    pub async fn poll(&mut self, cursor: &Cursor) -> Result<Polled, ChainError> {
        let head = self.rpc.head().await?;
        if let Some(position) = cursor.position()
            && !self.is_canonical(position, &head, cursor).await?
        {
            return self.roll_back(cursor, head).await;
        }
        let from = cursor.next();
        let settled = head.number.saturating_sub(self.options.unsettled);
        let blocks = if from > head.number {
            Vec::new()
        } else if from <= settled {
            self.read_range(from, settled).await?
        } else {
            self.read_unsettled(cursor, &head).await?
        };
        let mut cursor = cursor.clone();
        for block in &blocks {
            cursor.push(BlockRef { number: block.number, hash: block.hash }, self.options.remember);
        }
        Ok(Polled { steps: blocks.into_iter().map(Step::Block).collect(), cursor, head })
    }

    /// Whether the cursor's position is on the endpoint's branch.
    async fn is_canonical(&self, position: BlockRef, head: &Head, cursor: &Cursor) -> Result<bool, ChainError> {
        if head.number < position.number {
            // Behind, or on a shorter branch: compare where both have a block.
            let same_height = cursor.recent.iter().find(|block| block.number == head.number);
            return Ok(same_height.is_none_or(|block| block.hash == head.hash));
        }
        Ok(self.canonical_hash(position.number, head).await? == position.hash)
    }

    async fn canonical_hash(&self, number: u64, head: &Head) -> Result<B256, ChainError> {
        if number == head.number {
            return Ok(head.hash);
        }
        if number + 1 == head.number {
            return Ok(head.parent);
        }
        Ok(self.existing(number).await?.hash)
    }

    async fn existing(&self, number: u64) -> Result<Head, ChainError> {
        self.rpc.block(number).await?.ok_or_else(|| ChainError::BadAnswer {
            what: format!("read block {number}"),
            reason: "it is missing below the head".into(),
        })
    }

    async fn roll_back(&self, cursor: &Cursor, head: Head) -> Result<Polled, ChainError> {
        let mut cursor = cursor.clone();
        while let Some(block) = cursor.position() {
            if block.number <= head.number && self.canonical_hash(block.number, &head).await? == block.hash {
                break;
            }
            cursor.recent.pop();
        }
        // None is left: deeper than anything remembered, so everything is read again. Unless it is another chain.
        if cursor.recent.is_empty() && !self.rpc.has_code(self.pool).await? {
            return Err(ChainError::NoContract { address: self.pool, chain_id: self.rpc.chain_id().await? });
        }
        let to = cursor.position().map_or(cursor.first.saturating_sub(1), |block| block.number);
        tracing::info!(to, head = head.number, "the chain was reorganised");
        Ok(Polled { steps: vec![Step::Rollback { to }], cursor, head })
    }

    /// Blocks that will not change any more, those without events left out except the last.
    async fn read_range(&mut self, from: u64, settled: u64) -> Result<Vec<Block>, ChainError> {
        let (to, logs) = loop {
            let to = settled.min(from.saturating_add(self.range - 1));
            let filter = self.filter().from_block(from).to_block(to);
            match self.logs(&filter, &format!("read the pool's events of blocks {from} to {to}")).await {
                Ok(logs) => {
                    self.range = (self.range * 2).min(self.options.max_range.max(1));
                    break (to, logs);
                }
                Err(error) => {
                    let wider_than_one = self.range > 1;
                    self.range = (self.range / 2).max(1);
                    // Down or too slow: the caller decides when to ask again, and it will be for less.
                    if !wider_than_one || matches!(error, ChainError::Unreachable { .. }) {
                        return Err(error);
                    }
                    tracing::debug!(range = self.range, %error, "asking for the events of fewer blocks");
                }
            }
        };
        let mut by_block: BTreeMap<u64, Vec<Log>> = BTreeMap::from([(to, Vec::new())]);
        for log in logs {
            let number = log.block_number.filter(|number| (from..=to).contains(number)).ok_or_else(out_of_place)?;
            by_block.entry(number).or_default().push(log);
        }
        let this = &*self;
        stream::iter(by_block)
            .map(|(number, logs)| async move { block_of(&this.existing(number).await?, &logs) })
            .buffered(PARALLEL)
            .try_collect()
            .await
    }

    /// The next blocks, linked to the cursor and to each other. None if the branch changed meanwhile: the next poll
    /// finds out where.
    async fn read_unsettled(&self, cursor: &Cursor, head: &Head) -> Result<Vec<Block>, ChainError> {
        let from = cursor.next();
        let to = head.number.min(from.saturating_add(self.options.batch.max(1) - 1));
        let headers: Vec<Head> = stream::iter(from..=to)
            .map(|number| async move { if number == head.number { Ok(*head) } else { self.existing(number).await } })
            .buffered(PARALLEL)
            .try_collect()
            .await?;
        let mut parent = cursor.position().map(|block| block.hash);
        for header in &headers {
            if parent.is_some_and(|parent| parent != header.parent) {
                return Ok(Vec::new());
            }
            parent = Some(header.hash);
        }
        stream::iter(headers)
            .map(|header| async move {
                let filter = self.filter().at_block_hash(header.hash);
                let logs = self.logs(&filter, &format!("read the pool's events of block {}", header.number)).await?;
                block_of(&header, &logs)
            })
            .buffered(PARALLEL)
            .try_collect()
            .await
    }

    fn filter(&self) -> Filter {
        Filter::new().address(self.pool).event_signature(event::topics())
    }

    async fn logs(&self, filter: &Filter, what: &str) -> Result<Vec<Log>, ChainError> {
        self.rpc.provider().get_logs(filter).await.map_err(|error| ChainError::rpc(what, error))
    }
}

fn block_of(header: &Head, logs: &[Log]) -> Result<Block, ChainError> {
    let mut events = Vec::with_capacity(logs.len());
    for log in logs {
        if log.block_hash != Some(header.hash) || log.removed {
            return Err(out_of_place());
        }
        events.push(ChainEvent::from_log(log).ok_or_else(|| ChainError::BadAnswer {
            what: "read the pool's events".into(),
            reason: format!("a log of block {} cannot be decoded: is this the pool contract?", header.number),
        })?);
    }
    events.sort_by_key(|event| event.log_index);
    Ok(Block { number: header.number, hash: header.hash, timestamp: header.timestamp, events })
}

fn out_of_place() -> ChainError {
    ChainError::BadAnswer {
        what: "read the pool's events".into(),
        reason: "a log does not belong to the block that was asked for".into(),
    }
}
