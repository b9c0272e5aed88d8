//! An operator's service in this process: a real store on a real disk, started, killed and started again.

use crate::groth16::{Proven, proven};
use async_trait::async_trait;
use serde_json::json;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use tempfile::TempDir;
use zkpool_chain::Key;
use zkpool_protocol::{Address, Domain, ErrorCode, PreflightBounds, PreflightReport, PreflightRequest, WorkUnits};
use zkpool_service::{Chain, Clock, Config, Context, OpError, OpResult, PreflightWorker, RECONCILERS, reconcile_once};
use zkpool_store::{
    Blobs, SqliteStore, Store,
    faults::{Faults, Move, Side},
};

pub(crate) const DOMAIN: Domain = Domain { chain_id: 31_337, pool: Address::repeat_byte(0x11) };
pub(crate) const TOKEN: Address = Address::repeat_byte(0x33);
pub(crate) const VERIFIER: Address = Address::repeat_byte(0x44);
pub(crate) const TARGET: Address = Address::repeat_byte(0x55);
/// Work units per task; a prover with this speed takes a second.
pub(crate) const UNITS: u64 = 1_000;

/// Stands until it is moved: to the chain's time, wherever that goes.
#[derive(Debug, Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds * 1_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an operator's service stands on.
pub(crate) trait Ground: Send + Sync {
    /// Time of the newest block, in seconds.
    fn time(&self) -> u64;
    /// A service's line to the chain. Its transactions are kept in `store`.
    fn line(&self, store: &Arc<SqliteStore>, signer: &Key, owner: &Key, confirmations: u64) -> Arc<dyn Chain>;
}

/// A worker that knows the one program.
pub(crate) struct Worker {
    proven: Proven,
    pub(crate) refusal: Mutex<Option<ErrorCode>>,
    pub(crate) looked: AtomicU64,
}

#[async_trait]
impl PreflightWorker for Worker {
    fn bounds(&self) -> PreflightBounds {
        PreflightBounds { memory: 1 << 30, cpu_seconds: 10, cycles: 0 }
    }

    async fn look(&self, request: PreflightRequest) -> OpResult<PreflightReport> {
        self.looked.fetch_add(1, Ordering::Relaxed);
        if let (Some(code), true) = (*self.refusal.lock().unwrap(), request.input.is_some()) {
            return Err(OpError::new(code, "refused by the worker"));
        }
        let input = request.input.is_some();
        Ok(PreflightReport {
            units: WorkUnits(UNITS),
            memory: 1 << 20,
            verifying_key: self.proven.key.clone(),
            public_input_count: 1,
            public_inputs: if input { self.proven.public_inputs.clone() } else { vec![] },
            statement: input.then_some(self.proven.statement),
            trial_proof: request.trial_proof.then(|| self.proven.proof.clone()),
            run: None,
        })
    }
}

/// An operator, with a service that may be running.
pub(crate) struct Operator {
    pub(crate) owner: Key,
    pub(crate) signer: Key,
    pub(crate) config: Config,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) worker: Arc<Worker>,
    pub(crate) faults: Faults,
    /// What runs in a round.
    pub(crate) running: Vec<&'static str>,
    ground: Arc<dyn Ground>,
    directory: TempDir,
    ctx: Option<Arc<Context>>,
}

/// The process has died, as a test wanted it.
#[derive(Debug)]
pub(crate) struct Died;

impl Operator {
    /// An operator with four slots; `wishes` change its configuration.
    pub(crate) fn new(ground: impl Ground + 'static, owner: u8, wishes: serde_json::Value) -> Self {
        let key = |n: u8| Key::from_hex(&format!("{n:02x}").repeat(32)).unwrap();
        let (owner, signer) = (key(owner), key(owner + 1));
        let mut config = json!({
            "rpc": "http://127.0.0.1:1", "chain_id": DOMAIN.chain_id, "pool": DOMAIN.pool, "operator": owner.address(),
            "keys": { "signer": "test" }, "data": "unused",
            "tokens": [{ "address": TOKEN, "per_ether": "1000000000000000000" }],
            "slots": [{ "token": TOKEN, "count": 4, "collateral": "1000000", "honour": "1000" }],
            "verifiers": [{ "address": VERIFIER, "kind": "groth16-bn254" }],
            "pricing": { "wei_per_million_units": "1000000", "load_bps": 5000, "premium_bps": 100, "advance_bps": 1000,
                         "min_gas_price": "0" },
            "quotes": { "validity": 60, "live_per_payer": 3, "breaker_misses": 2, "breaker_window": 3600 },
            "chain": { "confirmations": 2 },
        });
        for (key, value) in wishes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config: Config = serde_json::from_value(config).unwrap();
        config.check().unwrap();
        let worker = Worker { proven: proven(), refusal: Mutex::default(), looked: AtomicU64::default() };
        Self {
            owner,
            signer,
            config,
            clock: Arc::default(),
            worker: Arc::new(worker),
            faults: Faults::default(),
            running: RECONCILERS.to_vec(),
            ground: Arc::new(ground),
            directory: tempfile::tempdir().unwrap(),
            ctx: None,
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.owner.address()
    }

    /// Starts the service.
    pub(crate) async fn start(&mut self) {
        assert!(self.ctx.is_none());
        self.clock.set(self.ground.time());
        let path = self.directory.path().join("zkpool.db");
        let store = SqliteStore::open_with_faults(&path, Context::owner(&self.config), self.faults.clone()).await;
        let store = Arc::new(store.unwrap());
        let chain = self.ground.line(&store, &self.signer, &self.owner, self.config.chain.confirmations);
        let store: Arc<dyn Store> = store;
        let blobs = Blobs::in_directory(&self.directory.path().join("blobs")).unwrap();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let worker: Arc<dyn PreflightWorker> = self.worker.clone();
        let ctx = Context::new(self.config.clone(), store, blobs, chain, clock).with_worker(worker);
        self.ctx = Some(Arc::new(ctx));
    }

    /// Kills it. Nothing is flushed, closed or said.
    pub(crate) fn kill(&mut self) {
        self.ctx = None;
        self.faults = Faults::default();
    }

    /// Kills it and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.start().await;
    }

    pub(crate) fn ctx(&self) -> &Context {
        self.ctx.as_ref().expect("the service runs")
    }

    /// Dies when the store is about to take this step, or has just taken it.
    pub(crate) fn arm(&self, step: Move, side: Side) {
        self.faults.arm(step, side, zkpool_store::faults::Death::Fail);
    }

    /// One run of what runs.
    pub(crate) async fn reconcile(&self) -> Result<(), Died> {
        self.only(&self.running).await
    }

    /// One run of these.
    pub(crate) async fn only(&self, names: &[&str]) -> Result<(), Died> {
        self.clock.set(self.ground.time());
        for name in names {
            let done = reconcile_once(self.ctx(), &[name]).await;
            self.judge(
                done.map_err(|error| OpError::caused_by(error.code, format!("{name}: {}", error.chain()), error)),
            )?;
        }
        Ok(())
    }

    /// An operation either works, or the process has died. What was refused is the caller's to look at.
    pub(crate) fn judge<T>(&self, outcome: OpResult<T>) -> Result<T, Died> {
        match outcome {
            Ok(value) => Ok(value),
            Err(_) if self.faults.is_dead() => Err(Died),
            Err(error) => panic!("{}", error.chain()),
        }
    }
}
