//! `dispatch`: gives jobs to provers and takes back what they do not return, as `zkpool_scheduler` decides.

use crate::{
    Change, Context, OpResult,
    capacity::{presence, rules},
    metrics,
    ops::{bonds, pay, programs},
};
use std::collections::BTreeMap;
use zkpool_protocol::{B256, JobId, JobState, Operation, ProgramId, ProgramManifest};
use zkpool_scheduler::{
    Action, Candidate, Deal, Holder, LegOf, Millis, OpenJob, Snapshot, Standing, Typical, after, decide, ends_at,
};
use zkpool_store::{LeaseEnd, LeaseOutcome, LeaseRecord, ProverId, StoreError, WorkItem, Workload};

/// Decides once, and does it.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let now = ctx.clock.now();
    let mut workload = ctx.store.workload().await?;
    pay::bar_unfunded(ctx, &mut workload).await?;
    ctx.status.keep_handed(|job, token| workload.leases.iter().any(|lease| lease.job == *job && lease.token == token));
    let enclaves = enclaves(ctx, &workload).await?;
    let snapshot = snapshot(ctx, &workload, &enclaves);
    let rules = rules(ctx);
    let mut given = false;
    for action in decide(&snapshot, now, &rules) {
        // Each stands for itself: what does not fit any more (a result came in between) is left out.
        match action {
            Action::Expire { job, token, prover } => {
                let prover = prover.map(|(index, standing)| (&workload.provers[index].id, standing));
                expire(ctx, job, token, prover).await?;
            }
            // What it is paid is for its voucher to say.
            Action::Lease { job, prover, until, pay: _ } => {
                let is_held = |open: &OpenJob| open.holders.iter().any(|h| ends_at(&snapshot, open, h, &rules) > now);
                let second = snapshot.jobs.iter().any(|open| open.id == job && is_held(open));
                given |= lease(ctx, job, &workload.provers[prover].id, second, until).await?;
            }
        }
    }
    expire_others(ctx, &snapshot, &workload).await?;
    if given {
        ctx.changes.announce(Change::Leases);
    }
    Ok(false)
}

/// What the decision is made from. A prover that is not present, or may not work, waits for nothing.
fn snapshot(ctx: &Context, workload: &Workload, enclaves: &BTreeMap<ProgramId, B256>) -> Snapshot {
    let since = presence(ctx, ctx.clock.now());
    let places: BTreeMap<&ProverId, usize> =
        workload.provers.iter().enumerate().map(|(index, prover)| (&prover.id, index)).collect();
    let holder = |lease: &LeaseRecord| Holder {
        prover: places.get(&lease.prover).copied(),
        owner: lease.prover.address,
        token: lease.token,
        granted_at: lease.granted_at,
        expires_at: lease.expires_at,
        progress: lease.progress,
    };
    let provers: Vec<Candidate> = workload
        .provers
        .iter()
        .map(|prover| (prover, ctx.status.is_present(&prover.id, since) && !bonds::bars(ctx, prover)))
        .map(|(prover, present)| Candidate {
            address: prover.id.address,
            present,
            waiting: if present { ctx.status.waiting(&prover.id) } else { 0 },
            concurrency: prover.description.concurrency,
            memory: prover.description.memory,
            speeds: prover.description.speeds.clone(),
            enclaves: prover.description.enclaves.clone(),
            standing: prover.standing,
            asks: BTreeMap::new(),
        })
        .collect();
    let mut held: BTreeMap<JobId, Vec<Holder>> = BTreeMap::new();
    for lease in &workload.leases {
        held.entry(lease.job).or_default().push(holder(lease));
    }
    let ways = ways(workload, &Typical::of(&provers));
    let job = |(item, after): (&WorkItem, Millis)| OpenJob {
        id: item.job.id,
        kind: item.job.job.kind,
        units: item.job.job.units,
        memory: item.job.job.memory,
        ready_at: item.job.ready_at.unwrap_or_default(),
        proof_deadline: item.proof_deadline.saturating_mul(1_000),
        liability_deadline: item.liability_deadline.saturating_mul(1_000),
        after,
        near: item.suppliers.iter().filter_map(|supplier| places.get(supplier).copied()).collect(),
        holders: held.get(&item.job.id).cloned().unwrap_or_default(),
        barred: item.excluded.clone(),
        enclave: enclaves.get(&item.job.job.program).copied(),
        leg: item.leg.filter(|leg| leg.independent).map(|leg| LegOf { bundle: leg.bundle, leg: leg.leg }),
        deal: Deal::default(),
    };
    // What waits cannot be given out yet, and what is the service's own never is.
    let is_open = |item: &WorkItem| item.job.state != JobState::Waiting && item.job.job.operation.is_for_provers();
    let open = workload.jobs.iter().zip(ways).filter(|(item, _)| is_open(item));
    Snapshot { jobs: open.map(job).collect(), provers }
}

/// The SGX programs of which jobs take an enclave.
async fn enclaves(ctx: &Context, workload: &Workload) -> OpResult<BTreeMap<ProgramId, B256>> {
    let mut enclaves = BTreeMap::new();
    for item in workload.jobs.iter().filter(|item| item.job.job.operation == Operation::Attest) {
        let id = item.job.job.program;
        if let ProgramManifest::Sgx { enclave } = programs::known(ctx, id).await?.manifest {
            enclaves.insert(id, enclave);
        }
    }
    Ok(enclaves)
}

/// For each job how long the longest way from its end to its task's end takes. A task's jobs stand together, in order.
fn ways(workload: &Workload, typical: &Typical) -> Vec<Millis> {
    let mut ways = Vec::with_capacity(workload.jobs.len());
    for task in workload.jobs.chunk_by(|left, right| left.job.id.task == right.job.id.task) {
        let jobs: Vec<_> = task.iter().map(|item| (item.job.id.index, &item.job.job)).collect();
        ways.extend(after(&jobs, typical));
    }
    ways
}

async fn expire(ctx: &Context, job: JobId, token: u64, prover: Option<(&ProverId, Standing)>) -> OpResult<()> {
    let outcome =
        LeaseOutcome { end: LeaseEnd::Expired, note: None, standing: prover.as_ref().map(|(_, standing)| *standing) };
    match ctx.store.end_lease(job, token, &outcome, ctx.clock.now()).await {
        Ok(()) => {}
        Err(StoreError::LeaseLost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    metrics::miss(LeaseEnd::Expired.as_str());
    if let Some((id, standing)) = &prover {
        bonds::missed(ctx, id, standing);
    }
    let prover = prover.map(|(id, _)| id.to_string());
    tracing::warn!(task.id = %job.task, prover, "a lease has expired: the job goes to somebody else");
    announce(ctx, job).await
}

async fn lease(ctx: &Context, job: JobId, prover: &ProverId, second: bool, until: u64) -> OpResult<bool> {
    match ctx.store.grant_lease(job, prover, second, until, ctx.clock.now()).await {
        Ok(_) => {}
        Err(StoreError::Moved { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    ctx.status.served(prover);
    tracing::info!(task.id = %job.task, %prover, second, "a job was given to a prover");
    announce(ctx, job).await?;
    Ok(true)
}

/// Leases on jobs that are not open (their task's publication was taken back) end by the clock, too.
async fn expire_others(ctx: &Context, snapshot: &Snapshot, workload: &Workload) -> OpResult<()> {
    let now = ctx.clock.now();
    for lease in &workload.leases {
        if lease.expires_at <= now && !snapshot.jobs.iter().any(|job| job.id == lease.job) {
            expire(ctx, lease.job, lease.token, None).await?;
        }
    }
    Ok(())
}

async fn announce(ctx: &Context, job: JobId) -> OpResult<()> {
    if let Some(task) = ctx.store.task(job.task).await? {
        ctx.changes.announce(Change::Task(task.key));
    }
    Ok(())
}
