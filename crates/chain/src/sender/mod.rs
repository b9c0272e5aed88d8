//! One key's transactions, driven from a journal.
//!
//! A sender is a reconciler: [`Sender::enqueue`] records a wish under a unique purpose, and every [`Sender::tick`]
//! compares the journal with the chain and does what is missing: signs, records, sends, sends again what was dropped,
//! raises fees, finds receipts, follows reorganisations, fills gaps. It keeps nothing in memory between ticks, so a
//! crash at any point is an ordinary tick later. What is signed is recorded before it is sent, and signed again under
//! another nonce only when the chain has given its nonce to somebody else: nothing is carried out twice.
//!
//! One writer per key: two processes must not use one key at once.

mod fees;
mod settle;
mod submit;

pub use fees::FeePolicy;

use crate::{
    ChainError, Head, Key, Rpc,
    journal::{Failure, FailureKind, TxJournal, TxRecord, TxState},
};
use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, U256},
    providers::Provider,
};
use fees::Market;
use futures::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Mutex;
use zkpool_protocol::ErrorCode;

/// EIP-7825: no transaction may have a higher gas limit.
pub(crate) const TRANSACTION_GAS_CAP: u64 = 16_777_216;
/// Receipts that are looked for at once.
const PARALLEL: usize = 8;

/// A transaction that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxRequest {
    /// What it is for; the same purpose is the same transaction, however often it is enqueued.
    pub purpose: String,
    /// Who is called.
    pub to: Address,
    /// Ether sent along, in wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Gas limit; `None`: the node's estimate with a margin, at most 16,777,216 (EIP-7825).
    pub gas: Option<u64>,
    /// How it is in a hurry.
    pub urgency: Urgency,
    /// Chain time in seconds after which it is pointless and is not sent, or is cancelled.
    pub not_after: Option<u64>,
}

impl TxRequest {
    /// The record of it before anything was sent, by this key and in this order.
    pub fn queued(self, from: Address, order: u64) -> TxRecord {
        TxRecord {
            purpose: self.purpose,
            order,
            from,
            to: self.to,
            value: self.value,
            data: self.data,
            gas: self.gas,
            urgency: self.urgency,
            not_after: self.not_after,
            nonce: None,
            attempts: Vec::new(),
            state: TxState::Queued,
            receipt: None,
            failure: None,
            complaint: None,
        }
    }

    /// A call without ether and without hurry.
    pub fn call(purpose: impl Into<String>, to: Address, data: impl Into<Bytes>) -> Self {
        Self {
            purpose: purpose.into(),
            to,
            value: U256::ZERO,
            data: data.into(),
            gas: None,
            urgency: Urgency::Normal,
            not_after: None,
        }
    }

    /// With ether, in wei.
    pub fn with_value(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// In time for `deadline` (chain time, seconds): fees rise sooner and higher as it draws near.
    pub fn by(mut self, deadline: u64) -> Self {
        self.urgency = Urgency::By(deadline);
        self
    }

    /// Pointless after this chain time, in seconds.
    pub fn not_after(mut self, time: u64) -> Self {
        self.not_after = Some(time);
        self
    }

    /// With this gas limit in place of an estimate; skips the check that it would succeed.
    pub fn with_gas(mut self, gas: u64) -> Self {
        self.gas = Some(gas);
        self
    }
}

/// How a transaction is in a hurry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Some time soon.
    #[default]
    Normal,
    /// By this chain time, in seconds: deadline-aware.
    By(u64),
}

/// How a sender works.
#[derive(Clone, Debug)]
pub struct SenderOptions {
    /// Blocks on top of and including its own that make a transaction final. At least one.
    pub confirmations: u64,
    /// How many transactions may be under way at once.
    pub max_in_flight: usize,
    /// Fees.
    pub fees: FeePolicy,
    /// Added to a gas estimate, in percent; at least 150,000.
    pub gas_margin: u64,
    /// The pause between ticks in [`Sender::wait`].
    pub poll: Duration,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self {
            confirmations: 2,
            max_in_flight: 16,
            fees: FeePolicy::default(),
            gas_margin: 20,
            poll: Duration::from_millis(500),
        }
    }
}

/// Seconds since 1970, for the age of attempts. Tests give their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self(Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()))
    }

    /// Whatever `now` says.
    pub fn from_fn(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Seconds since 1970.
    pub fn now(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// Sends the transactions of one key.
pub struct Sender {
    rpc: Rpc,
    chain_id: u64,
    key: Key,
    journal: Arc<dyn TxJournal>,
    options: SenderOptions,
    clock: Clock,
    /// One writer: held while the journal is compared with the chain.
    working: Mutex<()>,
}

/// What one tick sees of the chain.
struct Sight {
    head: Head,
    market: Market,
    /// Transactions of this account in the chain, up to its head.
    count: u64,
}

impl Sender {
    /// A sender for `key` on chain `chain_id`.
    pub fn new(rpc: Rpc, chain_id: u64, key: Key, journal: Arc<dyn TxJournal>, options: SenderOptions) -> Self {
        Self { rpc, chain_id, key, journal, options, clock: Clock::system(), working: Mutex::new(()) }
    }

    /// With another clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Who sends.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Records a transaction to be sent; does not send it. Idempotent by purpose: what was recorded first stays, and
    /// is returned.
    ///
    /// # Errors
    /// [`ChainError::Journal`].
    pub async fn enqueue(&self, request: TxRequest) -> Result<TxRecord, ChainError> {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let order = u64::try_from(micros).unwrap_or(u64::MAX);
        Ok(self.journal.insert(request.queued(self.address(), order)).await?)
    }

    /// Queues a failed transaction again, with this request's content. A transaction that has not failed stays as it
    /// is; an unknown purpose is enqueued.
    ///
    /// # Errors
    /// [`ChainError::Journal`].
    pub async fn retry(&self, request: TxRequest) -> Result<TxRecord, ChainError> {
        let _alone = self.working.lock().await;
        let stored = self.enqueue(request.clone()).await?;
        if stored.state != TxState::Failed {
            return Ok(stored);
        }
        let record = TxRecord {
            to: request.to,
            value: request.value,
            data: request.data,
            gas: request.gas,
            urgency: request.urgency,
            not_after: request.not_after,
            nonce: None,
            // Kept: what was signed once is looked for as long as the record is open.
            attempts: stored.attempts,
            state: TxState::Queued,
            receipt: None,
            failure: None,
            complaint: None,
            purpose: stored.purpose,
            order: stored.order,
            from: stored.from,
        };
        self.journal.save(&record).await?;
        Ok(record)
    }

    /// The record of a purpose.
    ///
    /// # Errors
    /// [`ChainError::Journal`].
    pub async fn get(&self, purpose: &str) -> Result<Option<TxRecord>, ChainError> {
        Ok(self.journal.get(purpose).await?)
    }

    /// Compares the journal with the chain and does what is missing. Returns the records that changed.
    ///
    /// # Errors
    /// The endpoint or the journal cannot be used now; nothing is lost, tick again. Faults of single transactions are
    /// not errors: they are in the records.
    pub async fn tick(&self) -> Result<Vec<TxRecord>, ChainError> {
        let _alone = self.working.lock().await;
        let before = self.journal.open(self.address()).await?;
        let head = self.rpc.head().await?;
        let count = self.count(BlockId::latest()).await?;
        let highest = self.journal.highest_nonce(self.address()).await?;
        if before.is_empty() && highest.is_none_or(|highest| highest < count) {
            return Ok(Vec::new());
        }
        let market = Market::read(&self.rpc, &head).await?;
        let sight = Sight { head, market, count };

        let mut changed = Vec::new();
        // Boxed, or the compiler does not see that the futures can be sent between threads.
        let settling = before.iter().cloned().map(|record| self.settled(record, &sight).boxed());
        let settled: Vec<_> = stream::iter(settling).buffered(PARALLEL).collect().await;
        for (record, result) in before.iter().zip(settled) {
            self.keep(record, result?, &mut changed).await?;
        }
        self.heal(&sight, highest, &mut changed).await?;
        for record in self.journal.open(self.address()).await? {
            if record.state == TxState::Sent {
                let mut now = record.clone();
                self.push(&mut now, &sight).await?;
                self.keep(&record, now, &mut changed).await?;
            }
        }
        self.admit(&sight, &mut changed).await?;
        Ok(changed)
    }

    async fn settled(&self, mut record: TxRecord, sight: &Sight) -> Result<TxRecord, ChainError> {
        self.settle(&mut record, sight).await?;
        Ok(record)
    }

    /// Ticks until the transaction is final.
    ///
    /// # Errors
    /// [`ChainError::Transaction`] if it failed; [`ChainError::TimedOut`] after `bound`, with the transaction still
    /// recorded and possibly under way; what [`Sender::tick`] returns, unless it may pass.
    pub async fn wait(&self, purpose: &str, bound: Duration) -> Result<TxRecord, ChainError> {
        self.wait_until(purpose, bound, |record| record.state == TxState::Succeeded).await
    }

    /// Ticks until the transaction is in a block and has succeeded there, which a reorganisation can still undo.
    ///
    /// # Errors
    /// As [`Sender::wait`].
    pub async fn wait_mined(&self, purpose: &str, bound: Duration) -> Result<TxRecord, ChainError> {
        self.wait_until(purpose, bound, |record| {
            matches!(record.state, TxState::Mined | TxState::Succeeded) && record.failure.is_none()
        })
        .await
    }

    async fn wait_until(
        &self,
        purpose: &str,
        bound: Duration,
        enough: impl Fn(&TxRecord) -> bool,
    ) -> Result<TxRecord, ChainError> {
        let end = tokio::time::Instant::now() + bound;
        let mut complaint = None;
        loop {
            match self.tick().await {
                Ok(_) => {}
                Err(error) if error.is_transient() => complaint = Some(error.to_string()),
                Err(error) => return Err(error),
            }
            let record = self.get(purpose).await?.ok_or_else(|| ChainError::Transaction {
                purpose: purpose.into(),
                reason: "nothing of this purpose was enqueued".into(),
                code: ErrorCode::Internal,
            })?;
            if enough(&record) {
                return Ok(record);
            }
            if record.state == TxState::Failed {
                let (reason, code) = match &record.failure {
                    Some(failure) => (failure.reason.clone(), failure.kind.code()),
                    None => ("for an unknown reason".into(), ErrorCode::TransactionFailed),
                };
                return Err(ChainError::Transaction { purpose: purpose.into(), reason, code });
            }
            if tokio::time::Instant::now() + self.options.poll > end {
                let why = record.complaint.or(complaint).map(|why| format!("; last: {why}")).unwrap_or_default();
                return Err(ChainError::TimedOut {
                    what: format!("transaction {purpose:?} ({}{why})", record.state),
                    after: bound,
                });
            }
            tokio::time::sleep(self.options.poll).await;
        }
    }

    /// Enqueues, and waits until it is final.
    ///
    /// # Errors
    /// As [`Sender::wait`].
    pub async fn send(&self, request: TxRequest, bound: Duration) -> Result<TxRecord, ChainError> {
        let purpose = request.purpose.clone();
        self.enqueue(request).await?;
        self.wait(&purpose, bound).await
    }

    async fn keep(&self, old: &TxRecord, new: TxRecord, changed: &mut Vec<TxRecord>) -> Result<(), ChainError> {
        if *old != new {
            self.journal.save(&new).await?;
            changed.push(new);
        }
        Ok(())
    }

    async fn count(&self, block: BlockId) -> Result<u64, ChainError> {
        let what = format!("count the transactions of {}", self.address());
        let request = self.rpc.provider().get_transaction_count(self.address()).block_id(block);
        request.await.map_err(|error| ChainError::rpc(what, error))
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("rpc", &self.rpc).field("key", &self.key).finish_non_exhaustive()
    }
}

fn fail(record: &mut TxRecord, kind: FailureKind, reason: impl Into<String>, error: Option<String>) {
    record.state = TxState::Failed;
    record.complaint = None;
    record.failure = Some(Failure { kind, reason: reason.into(), error });
}
