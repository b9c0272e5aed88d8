//! A chain in memory: blocks that can be taken back, a mempool that can be held, and the service's line to it.

use crate::{groth16::proven, ledger::Ledger, operator::Ground};
use async_trait::async_trait;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use zkpool_chain::{
    Attempt, Block, BundlePolicy, ChainError, ChainEvent, Cursor, Failure, FailureKind, Head, Key, LiveTask, Polled,
    PoolEvent, Receipt, Revert, SignerView, Simulated, Slot, Step, TxRecord, TxRequest, TxState,
};
use zkpool_protocol::{Address, B256, Bytes, Domain, Quote, TaskId, U256};
use zkpool_service::{Chain, Committee, KeyRole};
use zkpool_store::{SqliteStore, Store};

/// The one chain that all parties of a test share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) domain: Domain,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    blocks: Vec<Mined>,
    forks: u64,
    mempool: Vec<Pending>,
    receipts: BTreeMap<String, Done>,
    hold: bool,
    switches: Switches,
}

/// What a test can turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches {
    /// The endpoint does not answer.
    pub(crate) unreachable: bool,
    /// The verifier says that it is halted.
    pub(crate) halted: bool,
    /// The verifier accepts nothing.
    pub(crate) rejects: bool,
    /// The target's call fails.
    pub(crate) target_fails: bool,
    /// Addresses without code.
    pub(crate) empty: BTreeSet<Address>,
    /// What can be pulled from wallets.
    pub(crate) payable: u128,
}

struct Mined {
    head: Head,
    events: Vec<ChainEvent>,
    ledger: Ledger,
    done: Vec<String>,
}

/// Something done to the ledger at a time, and what the contract would say of it.
type Act = Box<dyn Fn(&mut Ledger, u64) -> Vec<PoolEvent> + Send>;

enum Pending {
    Call { purpose: String, from: Address, data: Bytes },
    Force(Act),
}

#[derive(Clone)]
struct Done {
    block: u64,
    hash: B256,
    failure: Option<String>,
}

impl World {
    pub(crate) fn new(domain: Domain, time: u64, ledger: Ledger) -> Self {
        let head = Head {
            number: 0,
            hash: B256::repeat_byte(1),
            parent: B256::ZERO,
            timestamp: time,
            base_fee: 0,
            gas_limit: 1,
        };
        let blocks = vec![Mined { head, events: vec![], ledger, done: vec![] }];
        let inner = Inner {
            blocks,
            forks: 0,
            mempool: vec![],
            receipts: BTreeMap::new(),
            hold: false,
            switches: Switches::default(),
        };
        Self { domain, inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(crate) fn head(&self) -> Head {
        self.lock().tip().head
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.lock().tip().ledger.clone()
    }

    pub(crate) fn switch(&self, turn: impl FnOnce(&mut Switches)) {
        turn(&mut self.lock().switches);
    }

    /// Transactions stay in the mempool.
    pub(crate) fn hold(&self, hold: bool) {
        self.lock().hold = hold;
    }

    /// Purposes of transactions that wait to be mined.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let inner = self.lock();
        let purpose = |pending: &Pending| match pending {
            Pending::Call { purpose, .. } => Some(purpose.clone()),
            Pending::Force(_) => None,
        };
        inner.mempool.iter().filter_map(purpose).collect()
    }

    /// Somebody calls the contract.
    pub(crate) fn send(&self, purpose: &str, from: Address, data: Vec<u8>) {
        let call = Pending::Call { purpose: purpose.into(), from, data: data.into() };
        self.lock().mempool.push(call);
    }

    /// The next block does this, whatever the rules say, held or not.
    pub(crate) fn force(&self, act: impl Fn(&mut Ledger, u64) -> Vec<PoolEvent> + Send + 'static) {
        self.lock().mempool.push(Pending::Force(Box::new(act)));
    }

    /// Mines a block `seconds` after the last one.
    pub(crate) fn mine(&self, seconds: u64) -> Head {
        let mut inner = self.lock();
        let tip = inner.tip();
        let (number, parent, timestamp) = (tip.head.number + 1, tip.head.hash, tip.head.timestamp + seconds);
        let mut ledger = tip.ledger.clone();
        let hash = alloy_hash(number, timestamp, inner.forks);
        let head = Head { number, hash, parent, timestamp, ..tip.head };
        let (mut events, mut done) = (Vec::new(), Vec::new());
        let hold = inner.hold;
        for pending in std::mem::take(&mut inner.mempool) {
            let happened = match pending {
                call @ Pending::Call { .. } if hold => {
                    inner.mempool.push(call);
                    continue;
                }
                Pending::Force(act) => act(&mut ledger, timestamp),
                Pending::Call { purpose, from, data } => {
                    let outcome = ledger.call(&self.domain, from, timestamp, &data);
                    let failure = outcome.as_ref().err().cloned();
                    inner.receipts.insert(purpose.clone(), Done { block: number, hash, failure });
                    done.push(purpose);
                    outcome.unwrap_or_default()
                }
            };
            events.extend(happened);
        }
        let events = (0..).zip(events).map(|(log_index, event)| ChainEvent { event, transaction: hash, log_index });
        inner.blocks.push(Mined { head, events: events.collect(), ledger, done });
        head
    }

    /// A reorganisation: blocks above `number` are gone, with all that happened in them.
    pub(crate) fn rewind(&self, number: u64) {
        let mut inner = self.lock();
        inner.forks += 1;
        inner.mempool.clear();
        while inner.tip().head.number > number {
            for purpose in inner.blocks.pop().unwrap().done {
                inner.receipts.remove(&purpose);
            }
        }
    }

    /// All that the chain says of a task.
    pub(crate) fn events_of(&self, task: TaskId) -> Vec<PoolEvent> {
        let inner = self.lock();
        let events = inner.blocks.iter().flat_map(|block| &block.events).map(|event| event.event.clone());
        events.filter(|event| event.task() == Some(task)).collect()
    }
}

impl Ground for World {
    fn time(&self) -> u64 {
        self.head().timestamp
    }

    fn line(&self, store: &Arc<SqliteStore>, signer: &Key, owner: &Key, confirmations: u64) -> Arc<dyn Chain> {
        let (signer, owner) = (signer.clone(), owner.clone());
        Arc::new(Line { world: self.clone(), store: store.clone(), signer, owner, confirmations })
    }
}

impl Inner {
    fn tip(&self) -> &Mined {
        self.blocks.last().unwrap()
    }
}

fn alloy_hash(number: u64, timestamp: u64, fork: u64) -> B256 {
    B256::from(U256::from(number) << 128 | U256::from(timestamp) << 64 | U256::from(fork + 1))
}

/// One operator's line to the world: its keys, and its journal in its own store.
struct Line {
    world: World,
    store: Arc<dyn Store>,
    signer: Key,
    owner: Key,
    confirmations: u64,
}

impl Line {
    fn reach(&self) -> Result<MutexGuard<'_, Inner>, ChainError> {
        let inner = self.world.lock();
        if inner.switches.unreachable {
            return Err(ChainError::Unreachable { what: "reach the world".into(), reason: "the line is cut".into() });
        }
        Ok(inner)
    }

    fn from(&self, key: KeyRole) -> Address {
        match key {
            KeyRole::Signer => self.signer.address(),
            KeyRole::Owner => self.owner.address(),
        }
    }

    /// One step of a transaction, as the real sender would take it.
    async fn push(&self, mut record: TxRecord) -> Result<Option<TxRecord>, ChainError> {
        let before = record.clone();
        {
            let mut inner = self.reach()?;
            let head = inner.tip().head;
            // Operators have the same purposes.
            let name = format!("{}/{}", record.from, record.purpose);
            match inner.receipts.get(&name).cloned() {
                Some(done) => {
                    let receipt = Receipt {
                        hash: done.hash,
                        block: done.block,
                        block_hash: done.hash,
                        success: done.failure.is_none(),
                        gas_used: 100,
                        gas_price: 1,
                    };
                    record.failure = done.failure.map(|reason| failure(FailureKind::Reverted, reason));
                    let deep = head.number + 1 >= done.block + self.confirmations;
                    record.receipt = Some(receipt);
                    record.state = match (deep, &record.failure) {
                        (false, _) => TxState::Mined,
                        (true, None) => TxState::Succeeded,
                        (true, Some(_)) => TxState::Failed,
                    };
                }
                None if record.not_after.is_some_and(|end| head.timestamp > end) => {
                    record.failure = Some(failure(FailureKind::Expired, "too late".into()));
                    record.state = TxState::Failed;
                }
                None if record.state == TxState::Queued => {
                    let mut draft = inner.tip().ledger.clone();
                    match draft.call(&self.world.domain, record.from, head.timestamp + 1, &record.data) {
                        Err(reason) => {
                            record.failure = Some(failure(FailureKind::Refused, reason));
                            record.state = TxState::Failed;
                        }
                        Ok(_) => {
                            record.nonce = Some(record.order);
                            record.attempts.push(attempt(&record));
                            record.state = TxState::Sent;
                        }
                    }
                }
                // Sent again whenever it is not to be seen.
                None => {
                    record.state = TxState::Sent;
                    record.receipt = None;
                    let known = inner
                        .mempool
                        .iter()
                        .any(|pending| matches!(pending, Pending::Call { purpose, .. } if *purpose == record.purpose));
                    if !known {
                        let (from, data) = (record.from, record.data.clone());
                        inner.mempool.push(Pending::Call { purpose: name, from, data });
                    }
                }
            }
        }
        if record == before {
            return Ok(None);
        }
        self.store.save(&record).await?;
        Ok(Some(record))
    }
}

fn failure(kind: FailureKind, reason: String) -> Failure {
    Failure { kind, reason, error: None }
}

fn attempt(record: &TxRecord) -> Attempt {
    Attempt {
        hash: alloy_hash(record.order, 0, 9),
        nonce: record.order,
        raw: record.data.clone(),
        max_fee: 2,
        priority_fee: 1,
        signed_at: 1,
        cancels: false,
    }
}

#[async_trait]
impl Chain for Line {
    async fn poll(&self, cursor: &Cursor) -> Result<Polled, ChainError> {
        let inner = self.reach()?;
        let head = inner.tip().head;
        let value = serde_json::to_value(cursor).unwrap();
        let first = value["first"].as_u64().unwrap();
        let mut recent: Vec<(u64, B256)> = value["recent"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| (block["number"].as_u64().unwrap(), block["hash"].as_str().unwrap().parse().unwrap()))
            .collect();
        let known = recent.len();
        recent.retain(|(number, hash)| inner.blocks.iter().any(|b| b.head.number == *number && b.head.hash == *hash));
        let mut steps = Vec::new();
        if recent.len() < known {
            let to = recent.last().map_or(first.saturating_sub(1), |(number, _)| *number);
            steps.push(Step::Rollback { to });
        } else {
            let next = recent.last().map_or(first, |(number, _)| number + 1);
            for block in inner.blocks.iter().filter(|block| block.head.number >= next) {
                let Head { number, hash, timestamp, .. } = block.head;
                steps.push(Step::Block(Block { number, hash, timestamp, events: block.events.clone() }));
                recent.push((number, hash));
            }
        }
        let recent: Vec<_> = recent.iter().map(|(number, hash)| json!({ "number": number, "hash": hash })).collect();
        let cursor = serde_json::from_value(json!({ "first": first, "recent": recent })).unwrap();
        Ok(Polled { steps, cursor, head })
    }

    async fn head(&self) -> Result<Head, ChainError> {
        Ok(self.reach()?.tip().head)
    }

    async fn slot(&self, operator: Address, _: Address, index: u32) -> Result<Slot, ChainError> {
        Ok(self.reach()?.tip().ledger.slot(operator, index))
    }

    async fn signer_of(&self, operator: Address) -> Result<SignerView, ChainError> {
        let signer = self.reach()?.tip().ledger.signers.get(&operator).copied();
        Ok(SignerView { signer, next: None, frozen: false })
    }

    async fn published_quote(&self, task: TaskId, _: B256) -> Result<Option<Quote>, ChainError> {
        Ok(self.reach()?.tip().ledger.quote_of(task))
    }

    async fn live_task(&self, quote: &Quote) -> Result<Option<LiveTask>, ChainError> {
        let task: TaskId = quote.id(&self.world.domain);
        Ok(self.reach()?.tip().ledger.live_task(task))
    }

    async fn balance(&self, _: Address, account: Address) -> Result<U256, ChainError> {
        Ok(U256::from(self.reach()?.tip().ledger.balances.get(&account).copied().unwrap_or_default()))
    }

    async fn payable(&self, _: Address, _: Address) -> Result<U256, ChainError> {
        Ok(U256::from(self.reach()?.switches.payable))
    }

    async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        Ok(!self.reach()?.switches.empty.contains(&address))
    }

    async fn verifies(&self, _: Address, statement: B256, proof: &Bytes) -> Result<bool, ChainError> {
        let good = proven();
        Ok(!self.reach()?.switches.rejects && statement == good.statement && *proof == good.proof)
    }

    async fn committee(&self, _: Address) -> Result<Option<Committee>, ChainError> {
        self.reach().map(|_| None)
    }

    async fn question_bytes(&self, _: Address, _: B256) -> Result<Option<u32>, ChainError> {
        self.reach().map(|_| None)
    }

    async fn is_live_member(&self, _: Address, _: Address) -> Result<bool, ChainError> {
        self.reach().map(|_| false)
    }

    async fn bundle(&self, _: Address) -> Result<Option<BundlePolicy>, ChainError> {
        self.reach().map(|_| None)
    }

    async fn leg_statement(&self, _: Address, _: Address, output: B256) -> Result<B256, ChainError> {
        self.reach().map(|_| output)
    }

    async fn leg_window(&self, _: Address, _: B256, _: u32) -> Result<Option<(u64, u64)>, ChainError> {
        self.reach().map(|_| None)
    }

    async fn is_halted(&self, _: Address) -> Result<bool, ChainError> {
        Ok(self.reach()?.switches.halted)
    }

    async fn encode(&self, _: Address, data: &Bytes, proof: &Bytes) -> Result<Bytes, ChainError> {
        Ok([data.as_ref(), proof.as_ref()].concat().into())
    }

    async fn simulate_target(&self, _: Address, _: Bytes, _: u32) -> Result<Simulated, ChainError> {
        let fails = self.reach()?.switches.target_fails;
        Ok(if fails { Simulated::Reverted(Revert::decode(&[])) } else { Simulated::Ok(Bytes::new()) })
    }

    async fn simulate_own(&self, target: Address, data: Bytes, _: u64) -> Result<Simulated, ChainError> {
        self.simulate_target(target, data, 0).await
    }

    fn address_of(&self, key: KeyRole) -> Option<Address> {
        Some(self.from(key))
    }

    fn sign(&self, digest: &B256) -> Result<Bytes, ChainError> {
        Ok(self.signer.sign_digest(digest)?)
    }

    async fn enqueue(&self, key: KeyRole, request: TxRequest) -> Result<TxRecord, ChainError> {
        let order = self.world.lock().blocks.len() as u64;
        let record = request.queued(self.from(key), order);
        let stored = self.store.insert(record.clone()).await?;
        if stored.state != TxState::Failed {
            return Ok(stored);
        }
        self.world.lock().receipts.remove(&format!("{}/{}", record.from, record.purpose));
        self.store.save(&record).await?;
        Ok(record)
    }

    async fn transaction(&self, purpose: &str) -> Result<Option<TxRecord>, ChainError> {
        Ok(self.store.get(purpose).await?)
    }

    async fn drive(&self) -> Result<Vec<TxRecord>, ChainError> {
        let mut changed = Vec::new();
        for from in [self.signer.address(), self.owner.address()] {
            for record in self.store.open(from).await? {
                if let Some(pushed) = self.push(record).await? {
                    let sent = pushed.state == TxState::Sent;
                    changed.push(pushed.clone());
                    // What was signed goes out.
                    if sent && let Some(again) = self.push(pushed).await? {
                        changed.push(again);
                    }
                }
            }
        }
        Ok(changed)
    }
}
