//! Working for one operator: signing in, joining, claiming one job at a time, handing back.

use crate::{
    Attempts, ProverError,
    agent::Shared,
    journal::Record,
    lease::printable,
    pay::{Holding, Till, Withheld},
    report::Event,
    work,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use zkpool_api::{
    ClaimRequest, ClaimedJob, Client, ClientError, ClientOptions, Identity, Info, JoinRequest, KindAsk, KindSpeed,
    LeaveRequest, MAX_CLAIM_WAIT,
};
use zkpool_protocol::{ErrorCode, JobId, pay::Ledger};

/// How long a claim waits when several operators share the machine: each gets its turn.
const SHARED_CLAIM_WAIT: u32 = 3;
/// The longest wait before an exclusion is looked at again.
const MAX_EXCLUSION_WAIT: Duration = Duration::from_secs(300);
/// Bound on handing jobs back when stopping.
const LEAVE_BOUND: Duration = Duration::from_secs(5);

/// What a job that this machine holds is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Working,
    Returning,
}

/// One operator, and the jobs that are held for it.
pub(crate) struct Operator {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) shared: Arc<Shared>,
    held: Mutex<BTreeMap<JobId, Held>>,
    changed: Notify,
    /// Cancelled when the operator does not pay as it should.
    halted: CancellationToken,
    reason: OnceLock<String>,
    /// Cancelled when it is known how the operator pays.
    agreed: CancellationToken,
}

/// Why claiming stopped.
enum Pause {
    /// The agent is told to stop.
    Stop,
    /// The operator must be asked anew, after this time.
    Rejoin(Duration),
}

impl Operator {
    pub(crate) fn new(url: &str, identity: Identity, shared: Arc<Shared>) -> Result<Arc<Self>, ProverError> {
        let options = ClientOptions {
            chain_id: shared.config.chain_id,
            request_timeout: Duration::from_secs(15),
            // What fails is tried again here, where the owner hears of it.
            retries: 0,
            ..ClientOptions::default()
        };
        let client = Client::new(url, identity, options).map_err(ProverError::Url)?;
        let url = client.url().to_owned();
        Ok(Arc::new(Self {
            url,
            client,
            shared,
            held: Mutex::default(),
            changed: Notify::new(),
            halted: CancellationToken::new(),
            reason: OnceLock::new(),
            agreed: CancellationToken::new(),
        }))
    }

    /// Works until told to stop. Fails only if the operator refuses from the first: what worked once is waited for.
    pub(crate) async fn run(self: Arc<Self>, speeds: Vec<KindSpeed>, left: Vec<Record>) -> Result<(), ProverError> {
        let mut jobs = JoinSet::new();
        self.resume(left, &mut jobs);
        let outcome = self.work(&speeds, &mut jobs).await;
        if outcome.is_err() {
            // Finished proofs stay on disk.
            jobs.abort_all();
        } else {
            self.wind_down(&mut jobs).await;
        }
        match self.reason.get() {
            Some(reason) => Err(ProverError::Withheld { operator: self.url.clone(), reason: reason.clone() }),
            None => outcome,
        }
    }

    /// Waits until it is known how this operator pays.
    pub(crate) async fn agreed(&self) {
        self.agreed.cancelled().await;
    }

    /// How this operator pays; `None`: outside.
    pub(crate) fn till(&self) -> Option<Arc<Till>> {
        self.shared.till(&self.url)
    }

    /// Whether a job was promised pay that the owner insists on: whatever the operator says of itself later.
    pub(crate) fn owes(&self, record: &Record) -> bool {
        let insists = self.shared.config.pay.as_ref().is_none_or(|pay| !pay.unpaid);
        insists && record.job.pay.is_some_and(|pay| pay.amount > 0)
    }

    /// Nothing more is done for this operator.
    pub(crate) fn halt(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.halted.cancel();
    }

    /// Takes up what an earlier run left.
    fn resume(self: &Arc<Self>, left: Vec<Record>, jobs: &mut JoinSet<()>) {
        for record in left {
            let state = if record.finished.is_some() { Held::Returning } else { Held::Working };
            self.lock().insert(record.job.id, state);
            self.shared.observer.on(&Event::Resumed {
                job: record.job.id,
                operator: self.url.clone(),
                finished: record.finished.is_some(),
            });
            jobs.spawn(work::carry_out(Arc::clone(self), record, true, None));
        }
    }

    async fn work(self: &Arc<Self>, speeds: &[KindSpeed], jobs: &mut JoinSet<()>) -> Result<(), ProverError> {
        let mut attempts = self.shared.config.backoff.start();
        let mut known = false;
        while !self.shared.stop.is_winding_down() {
            let wait = match self.unless_stopping(self.join(speeds)).await {
                None => break,
                Some(Ok(excluded_for)) => {
                    known = true;
                    match excluded_for {
                        Some(time) => time.min(MAX_EXCLUSION_WAIT),
                        None => match self.claim_jobs(jobs, &mut attempts).await {
                            Pause::Stop => break,
                            Pause::Rejoin(wait) => wait,
                        },
                    }
                }
                Some(Err(error)) if !known && is_hopeless(&error) => return Err(error),
                Some(Err(error)) => {
                    let asked = match &error {
                        ProverError::Refused { source, .. } => source.retry_after(),
                        _ => None,
                    };
                    let wait = attempts.failed().max(asked.unwrap_or_default());
                    self.shared.observer.on(&Event::OperatorTrouble {
                        operator: self.url.clone(),
                        error: error.to_string(),
                        code: error.code(),
                        retry_in: wait,
                    });
                    wait
                }
            };
            if self.unless_stopping(tokio::time::sleep(wait)).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Checks who the operator is, and offers the machine. Returns for how long it is excluded, if it is.
    async fn join(&self, speeds: &[KindSpeed]) -> Result<Option<Duration>, ProverError> {
        let refused = |source| ProverError::Refused { operator: self.url.clone(), source };
        let config = &self.shared.config;
        let info = self.client.info().await.map_err(refused)?;
        if let Some(ours) = config.chain_id
            && ours != info.chain_id
        {
            let host = self.url.clone();
            return Err(refused(ClientError::WrongChain { host, theirs: info.chain_id, ours }));
        }
        if let Some(ours) = config.pool
            && ours != info.pool
        {
            return Err(ProverError::WrongPool { operator: self.url.clone(), theirs: info.pool, ours });
        }
        self.agree_on_pay(&info).await?;
        self.agreed.cancel();
        // Anew each time: what the machine is up to can change.
        let (engine, measured) = (self.shared.engine.clone(), speeds.to_vec());
        let now = tokio::task::spawn_blocking(move || engine.speeds(&measured)).await;
        let speeds = now.unwrap_or_else(|_| speeds.to_vec());
        let is_wanted = |kind| info.kinds.iter().any(|offered| offered.work().contains(&kind));
        let kinds: Vec<_> = speeds.iter().filter(|speed| is_wanted(speed.kind)).cloned().collect();
        if kinds.is_empty() {
            let kinds = speeds.iter().map(|speed| speed.kind.to_string()).collect::<Vec<_>>().join(", ");
            return Err(ProverError::NoCommonKind { operator: self.url.clone(), kinds });
        }
        let request = JoinRequest {
            device: config.device.clone(),
            cpus: u32::try_from(config.capacity.threads * config.capacity.jobs).unwrap_or(u32::MAX),
            memory: config.memory_per_job(),
            kinds,
            asks: config.asks.iter().map(|(kind, ask)| KindAsk { kind: *kind, wei_per_million_units: *ask }).collect(),
            concurrency: u32::try_from(config.capacity.jobs).unwrap_or(u32::MAX),
            enclaves: config.enclaves.clone(),
            unpaid: config.pay.as_ref().is_some_and(|pay| pay.unpaid),
        };
        let reply = self.client.join(&request).await.map_err(refused)?;
        let excluded_for = reply.excluded_until_ms.and_then(|until| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Duration::from_millis(until).checked_sub(now).filter(|wait| !wait.is_zero())
        });
        let (operator, prover) = (self.url.clone(), reply.prover);
        self.shared.observer.on(&Event::Joined { operator, prover, excluded_for });
        Ok(excluded_for)
    }

    /// How the operator pays, and whether the agent can look after it.
    async fn agree_on_pay(&self, info: &Info) -> Result<(), ProverError> {
        // What it has paid with before is kept: something may still be due.
        let Some(pay) = info.pay else { return self.may_be_paid_outside(info) };
        let ledger = Ledger { chain_id: info.chain_id, address: pay.ledger };
        let cannot = || ProverError::CannotCheckPay { operator: self.url.clone(), ledger: pay.ledger };
        let config = self.shared.config.pay.clone().ok_or_else(cannot)?;
        if config.desk.sees_chain() {
            let named = config.desk.ledger_of(info.chain_id, info.pool).await;
            let named = named.map_err(|error| ProverError::PayDesk { operator: self.url.clone(), source: error })?;
            if named != pay.ledger {
                let (operator, theirs, ours) = (self.url.clone(), pay.ledger, named);
                return Err(ProverError::WrongLedger { operator, theirs, ours });
            }
        } else if !config.unpaid {
            return Err(cannot());
        }
        let known = self.till().filter(|till| till.ledger == ledger && till.operator == info.operator);
        let rates = info.tokens.iter().map(|token| (token.address, token.per_ether)).collect();
        if let Some(till) = known {
            till.price_by(rates);
        } else {
            let kept = (Arc::clone(&self.shared.book), Arc::clone(&self.shared.signed));
            let till = Till::new(config, ledger, info.operator, self.client.clone(), kept).ok_or_else(cannot)?;
            till.price_by(rates);
            self.shared.set_till(&self.url, Some(Arc::new(till)));
            // What is due from before is looked at now.
            self.shared.earned.notify_one();
        }
        Ok(())
    }

    /// Whether an operator that names no ledger may be worked for: not if it has paid out of one, and not if the owner wants
    /// to see pay on chain. Otherwise an operator could have its provers work unpaid by no longer naming it.
    fn may_be_paid_outside(&self, info: &Info) -> Result<(), ProverError> {
        let Some(config) = self.shared.config.pay.as_ref().filter(|pay| !pay.unpaid) else { return Ok(()) };
        let who = self.client.address();
        let is_theirs = |held: &Holding| held.url == self.url || held.operator == info.operator;
        let has_paid = self.shared.book.all().iter().any(|held| Some(held.prover) == who && is_theirs(held));
        if has_paid || self.till().is_some() || config.desk.sees_chain() {
            return Err(ProverError::PaidOutside { operator: self.url.clone() });
        }
        Ok(())
    }

    /// Claims jobs, one claim at a time: what is named as held must never be older than the claim before.
    async fn claim_jobs(self: &Arc<Self>, jobs: &mut JoinSet<()>, attempts: &mut Attempts) -> Pause {
        loop {
            while jobs.try_join_next().is_some() {}
            let Some(()) = self.unless_stopping(self.room()).await else { return Pause::Stop };
            let acquired = self.unless_stopping(Arc::clone(&self.shared.slots).acquire_owned()).await;
            let Some(Ok(permit)) = acquired else { return Pause::Stop };
            if let Some(till) = self.till() {
                match self.unless_stopping(till.ready()).await {
                    None => return Pause::Stop,
                    Some(Ok(())) => {}
                    Some(Err(why)) => {
                        drop(permit);
                        let wait = attempts.failed();
                        self.tell_trouble(&why, wait);
                        return Pause::Rejoin(wait);
                    }
                }
            }
            let request = ClaimRequest {
                device: self.shared.config.device.clone(),
                holding: self.lock().keys().copied().collect(),
                wait: if self.shared.config.operators.len() > 1 { SHARED_CLAIM_WAIT } else { MAX_CLAIM_WAIT },
            };
            let asked_at = Instant::now();
            let answer = self.unless_stopping(self.client.claim(&request)).await;
            if matches!(answer, Some(Ok(_))) {
                attempts.succeeded();
            }
            match answer {
                // A job that was given out in this moment is handed back by leaving.
                None => return Pause::Stop,
                Some(Ok(reply)) => match reply.job {
                    Some(job) => {
                        if let Some(record) = self.take(job).await {
                            jobs.spawn(work::carry_out(Arc::clone(self), record, false, Some(permit)));
                        }
                    }
                    None => {
                        drop(permit);
                        // An operator that does not wait must not be asked without a pause.
                        let pause = self.shared.config.backoff.first.saturating_sub(asked_at.elapsed());
                        if self.unless_stopping(tokio::time::sleep(pause)).await.is_none() {
                            return Pause::Stop;
                        }
                    }
                },
                Some(Err(error)) => {
                    drop(permit);
                    // `Forbidden`: the operator does not know the device (any more); joining says what is the matter.
                    let wait = attempts.failed().max(error.retry_after().unwrap_or_default());
                    self.trouble(&error, wait);
                    return Pause::Rejoin(wait);
                }
            }
        }
    }

    /// Notes a job before working on it. One that cannot be noted is not taken: the operator gives it out again.
    async fn take(&self, job: ClaimedJob) -> Option<Record> {
        let id = job.id;
        if self.lock().contains_key(&id) {
            tracing::warn!(job.id = %id, operator = self.url, "the operator gave out a job that is in hand already");
            return None;
        }
        let units = job.units;
        let record = Record { operator: self.url.clone(), job, claimed_at: crate::unix_now(), finished: None };
        if let Err(error) = self.save(&record).await {
            tracing::error!(job.id = %id, %error, "cannot write to the state directory: the job is not taken");
            tokio::time::sleep(self.shared.config.backoff.start().failed()).await;
            return None;
        }
        self.lock().insert(id, Held::Working);
        self.shared.observer.on(&Event::Claimed { job: id, operator: self.url.clone(), units });
        Some(record)
    }

    /// Waits while as many proofs wait to be returned as jobs may run: an operator that takes no results gets no work.
    async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            let returning = self.lock().values().filter(|held| **held == Held::Returning).count();
            if returning < self.shared.config.capacity.jobs.max(2) {
                return;
            }
            changed.await;
        }
    }

    /// Waits for the jobs in hand, within the bound, and hands the rest back. For an operator that does not pay none is
    /// waited for.
    async fn wind_down(&self, jobs: &mut JoinSet<()>) {
        while jobs.try_join_next().is_some() {}
        let (stop, grace) = (&self.shared.stop, self.shared.config.grace);
        if self.halted.is_cancelled() {
            jobs.shutdown().await;
        } else if !jobs.is_empty() {
            self.shared.observer.on(&Event::Stopping { jobs: jobs.len(), grace });
            tokio::select! {
                () = async { while jobs.join_next().await.is_some() {} } => {}
                () = tokio::time::sleep(grace) => {}
                () = stop.now() => return jobs.abort_all(),
            }
        }
        jobs.shutdown().await;
        let request = LeaveRequest { device: self.shared.config.device.clone() };
        let left = tokio::select! {
            left = tokio::time::timeout(LEAVE_BOUND, self.client.leave(&request)) => matches!(left, Ok(Ok(()))),
            () = stop.now() => false,
        };
        if left {
            // Handed back. Finished proofs stay: they may still be wanted.
            let unfinished: Vec<_> =
                self.lock().iter().filter(|(_, held)| **held == Held::Working).map(|(job, _)| *job).collect();
            for job in unfinished {
                let _ = self.shared.journal.remove(&self.url, job);
            }
        }
    }

    async fn unless_stopping<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = wait => Some(done),
            () = self.shared.stop.winding_down() => None,
            () = self.halted.cancelled() => None,
        }
    }

    /// Writes a record, durably.
    pub(crate) async fn save(&self, record: &Record) -> std::io::Result<()> {
        let (shared, record) = (Arc::clone(&self.shared), record.clone());
        tokio::task::spawn_blocking(move || shared.journal.save(&record)).await.map_err(std::io::Error::other)?
    }

    /// The proof is made and on its way.
    pub(crate) fn returning(&self, job: JobId) {
        self.lock().insert(job, Held::Returning);
        self.changed.notify_waiters();
    }

    /// The job has come to its end.
    pub(crate) async fn forget(&self, record: &Record) {
        let (shared, operator, job) = (Arc::clone(&self.shared), self.url.clone(), record.job.id);
        let removed = tokio::task::spawn_blocking(move || shared.journal.remove(&operator, job)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(job.id = %job, %error, "cannot remove a job's record; it will be asked about again");
        }
        self.lock().remove(&job);
        self.changed.notify_waiters();
    }

    /// Tells the owner.
    pub(crate) fn trouble(&self, error: &ClientError, retry_in: Duration) {
        self.shared.observer.on(&Event::OperatorTrouble {
            operator: self.url.clone(),
            error: error.to_string(),
            code: error.code(),
            retry_in,
        });
    }

    /// Tells the owner why there is no work for now.
    pub(crate) fn tell_trouble(&self, why: &Withheld, retry_in: Duration) {
        self.shared.observer.on(&Event::OperatorTrouble {
            operator: self.url.clone(),
            error: printable(&why.to_string()),
            code: why.code(),
            retry_in,
        });
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing but a change of the settings can help.
fn is_hopeless(error: &ProverError) -> bool {
    match error {
        ProverError::Refused { source: ClientError::WrongChain { .. } | ClientError::BadUrl { .. }, .. } => true,
        ProverError::Refused { source: ClientError::Api { error, .. }, .. } => matches!(
            error.code,
            ErrorCode::BadRequest | ErrorCode::Forbidden | ErrorCode::Unauthorized | ErrorCode::WrongChain
        ),
        ProverError::Refused { .. } | ProverError::PayDesk { .. } => false,
        _ => true,
    }
}
