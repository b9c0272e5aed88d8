//! What the routes and the reconcilers share.

use crate::{
    OpError, OpResult,
    backoff::Backoff,
    chain::{Chain, Committee, KeyRole},
    clock::Clock,
    config::Config,
    executor::{ExecutionProcess, ExecutionWorker},
    ledger::RevenueLedger,
    nudge::{Changes, Nudges},
    reconcile::dispatch::Board,
    status::Status,
    worker::{PreflightWorker, WorkerProcess},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use zkpool_chain::{BundlePolicy, Head};
use zkpool_protocol::{Address, Domain, ErrorCode, ProgramId, ProofKind, pay::CapTree};
use zkpool_store::{Blobs, Owner, ProgramRecord, Store, TrancheStatus};
use zkpool_verifiers::Verifier;

/// Everything that outlives a request or a tick. There is one per process; state that must survive it is in the store.
#[non_exhaustive]
pub struct Context {
    /// The operator's configuration.
    pub config: Config,
    /// What must not be forgotten.
    pub store: Arc<dyn Store>,
    /// Programs, inputs and proofs.
    pub blobs: Blobs,
    /// The chain: reads, and transactions of this operator's keys.
    pub chain: Arc<dyn Chain>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Looks at foreign programs and inputs.
    pub worker: Arc<dyn PreflightWorker>,
    /// Runs zkVM programs to have them proven.
    pub executor: Arc<dyn ExecutionWorker>,
    /// Wake-up calls.
    pub nudges: Nudges,
    /// News.
    pub changes: Changes,
    /// What only this process knows: whether it is ready, who waits for a job.
    pub status: Status,
    /// Held while a slot is chosen and reserved and a payer's funds are counted.
    pub(crate) quoting: tokio::sync::Mutex<()>,
    /// Tasks that could not be sealed and are left alone for a while. Held by the one who seals.
    pub(crate) unsealed: tokio::sync::Mutex<Backoff>,
    /// What jobs are handed out from. Held by the one who does so.
    pub(crate) board: tokio::sync::Mutex<Option<Board>>,
    verifiers: Mutex<HashMap<(ProgramId, ProofKind), Arc<dyn Verifier>>>,
    committees: Mutex<HashMap<Address, Arc<Committee>>>,
    bundles: Mutex<HashMap<Address, Arc<BundlePolicy>>>,
    ledger: Option<Arc<dyn RevenueLedger>>,
    cap_trees: Mutex<HashMap<u64, Arc<CapTree>>>,
}

impl Context {
    /// With the configured preflight worker.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        blobs: Blobs,
        chain: Arc<dyn Chain>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let worker = Arc::new(WorkerProcess::new(&config.preflight));
        let executor = Arc::new(ExecutionProcess::new(&config.execution));
        Self {
            config,
            store,
            blobs,
            chain,
            clock,
            worker,
            executor,
            nudges: Nudges::default(),
            changes: Changes::default(),
            status: Status::default(),
            quoting: tokio::sync::Mutex::default(),
            unsealed: tokio::sync::Mutex::default(),
            board: tokio::sync::Mutex::default(),
            verifiers: Mutex::default(),
            committees: Mutex::default(),
            bundles: Mutex::default(),
            ledger: None,
            cap_trees: Mutex::default(),
        }
    }

    /// With another preflight worker.
    #[must_use]
    pub fn with_worker(mut self, worker: Arc<dyn PreflightWorker>) -> Self {
        self.worker = worker;
        self
    }

    /// With the revenue ledger that `[service.pay]` names.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Arc<dyn RevenueLedger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// With another execution worker.
    #[must_use]
    pub fn with_executor(mut self, executor: Arc<dyn ExecutionWorker>) -> Self {
        self.executor = executor;
        self
    }

    /// The revenue ledger. Fails with `Internal` if `[service.pay]` names none.
    pub(crate) fn ledger(&self) -> OpResult<&dyn RevenueLedger> {
        let none = || OpError::new(ErrorCode::Internal, "there is no revenue ledger: [service.pay] is not configured");
        self.ledger.as_deref().ok_or_else(none)
    }

    /// Whose signatures the vouchers of new tranches have. Fails with `Internal` without a key.
    pub(crate) fn voucher_signer(&self) -> OpResult<Address> {
        let none = || OpError::new(ErrorCode::Internal, "the service has no key to sign vouchers with");
        self.chain.address_of(KeyRole::Signer).ok_or_else(none)
    }

    /// The tree of a tranche's caps, which never changes; made once.
    pub(crate) async fn cap_tree(&self, tranche: u64) -> OpResult<Arc<CapTree>> {
        let known = self.cap_trees.lock().unwrap_or_else(PoisonError::into_inner).get(&tranche).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let all = self.store.tranches().await?;
        let missing = || OpError::new(ErrorCode::NotFound, format!("there is no tranche {tranche}"));
        let record = all.iter().find(|record| record.index == tranche).ok_or_else(missing)?;
        let made = Arc::new(crate::ops::pay::tree(&self.store.caps_of(tranche).await?, record.root)?);
        if record.status != TrancheStatus::Planned {
            self.cap_trees.lock().unwrap_or_else(PoisonError::into_inner).insert(tranche, made.clone());
        }
        Ok(made)
    }

    /// Chain and contract.
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.config.chain_id, pool: self.config.pool }
    }

    /// Whose store it is.
    pub fn owner(config: &Config) -> Owner {
        Owner { domain: Domain { chain_id: config.chain_id, pool: config.pool }, operator: config.operator }
    }

    /// The chain's time in seconds: that of its newest block, or the clock's if blocks are long in coming.
    pub fn chain_time(&self, head: &Head) -> u64 {
        head.timestamp.max(self.clock.now() / 1_000)
    }

    /// Checks a program's proofs of a kind; made once.
    pub fn verifier(&self, program: &ProgramRecord, kind: ProofKind) -> OpResult<Arc<dyn Verifier>> {
        let id = program.manifest.id();
        let known = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner).get(&(id, kind)).cloned();
        if let Some(verifier) = known {
            return Ok(verifier);
        }
        let made = zkpool_verifiers::verifier(kind, &program.verifying_key);
        let made: Arc<dyn Verifier> = Arc::from(made.map_err(|error| {
            OpError::caused_by(ErrorCode::BadProvingKey, format!("the verifying key of program {id}: {error}"), error)
        })?);
        self.verifiers.lock().unwrap_or_else(PoisonError::into_inner).insert((id, kind), made.clone());
        Ok(made)
    }

    /// The committee behind a verifier; `None` if it is none. What a committee is never changes, so its contract is asked
    /// once.
    pub async fn committee(&self, verifier: Address) -> OpResult<Option<Arc<Committee>>> {
        let known = self.committees.lock().unwrap_or_else(PoisonError::into_inner).get(&verifier).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let committee = self.chain.committee(verifier).await?.map(Arc::new);
        if let Some(committee) = &committee {
            self.committees.lock().unwrap_or_else(PoisonError::into_inner).insert(verifier, committee.clone());
        }
        Ok(committee)
    }

    /// The policy of a bundle's verifier; `None` if it is none. It never changes, so its contract is asked once.
    pub async fn bundle(&self, verifier: Address) -> OpResult<Option<Arc<BundlePolicy>>> {
        let known = self.bundles.lock().unwrap_or_else(PoisonError::into_inner).get(&verifier).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let policy = self.chain.bundle(verifier).await?.map(Arc::new);
        if let Some(policy) = &policy {
            self.bundles.lock().unwrap_or_else(PoisonError::into_inner).insert(verifier, policy.clone());
        }
        Ok(policy)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("pool", &self.config.pool).finish_non_exhaustive()
    }
}
