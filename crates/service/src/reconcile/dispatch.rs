//! `dispatch`: gives jobs to provers and takes back what they do not return, as `zkpool_scheduler` decides.

mod board;
mod worth;

pub(crate) use board::Board;
pub(crate) use worth::{Worth, bar_dear};

use crate::{
    Change, Context, OpResult,
    capacity::{presence, rules},
    metrics,
    ops::{bonds, pay, programs},
};
use std::collections::{BTreeMap, HashMap};
use zkpool_protocol::{B256, JobId, ProgramId};
use zkpool_scheduler::{Action, Candidate, Holder, LegOf, Millis, OpenJob, Standing, Typical, after};
use zkpool_store::{Grant, LeaseEnd, LeaseOutcome, LeaseRecord, ProverId, StoreError, WorkItem, Workload};

/// Decides once, and does it.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let mut kept = ctx.board.lock().await;
    // Whatever fails on the way leaves none behind: the next one is made anew.
    let mut board = kept.take().unwrap_or_default();
    let now = ctx.clock.now();
    let mut workload = ctx.store.workload().await?;
    pay::learn(ctx, &workload, &mut board.pays).await?;
    let worth = Worth::all(ctx, &workload, &board.pays);
    bar_dear(&mut workload, &worth);
    let enclaves = programs::enclaves(ctx, &workload).await?;
    pay::bar_unfunded(ctx, &mut workload, &board.pays, &enclaves).await?;
    ctx.status.keep_handed(|job, token| workload.leases.iter().any(|lease| lease.job == *job && lease.token == token));
    board.follow(rules(ctx));
    let candidates = candidates(ctx, &workload);
    let ways = ways(&workload, &Typical::of(candidates.iter().map(|(_, candidate)| candidate)));
    board.seat(candidates);
    board.post(open(&board, &workload, &worth, ways, &enclaves));
    let given = carry_out(ctx, &mut board, &workload, &worth, now).await?;
    expire_others(ctx, &board, &workload).await?;
    if given {
        ctx.changes.announce(Change::Leases);
    }
    *kept = Some(board);
    Ok(false)
}

/// Does what is decided. Each stands for itself: what does not fit any more (a result came in between) is left out.
async fn carry_out(
    ctx: &Context,
    board: &mut Board,
    workload: &Workload,
    worth: &[Worth],
    now: Millis,
) -> OpResult<bool> {
    let actions = board.decide(now);
    let worth: HashMap<JobId, &Worth> = workload.jobs.iter().map(|item| item.job.id).zip(worth).collect();
    let mut holders: HashMap<JobId, u32> = HashMap::new();
    let at_first = |job| board.job(job).map_or(0, |open| u32::try_from(open.holders.len()).unwrap_or(u32::MAX));
    let mut given = false;
    for action in actions {
        match action {
            Action::Expire { job, token, prover } => {
                let left = holders.entry(job).or_insert_with(|| at_first(job));
                *left = left.saturating_sub(1);
                let prover = prover.and_then(|(number, standing)| Some((board.prover(number)?, standing)));
                expire(ctx, job, token, prover).await?;
            }
            Action::Lease { job, prover, until, pay } => {
                let Some(prover) = board.prover(prover) else { continue };
                // As many as there were when it was decided, and this one.
                let most = holders.entry(job).or_insert_with(|| at_first(job));
                *most = most.saturating_add(1);
                let pay = worth.get(&job).and_then(|worth| worth.granted(pay));
                given |= lease(ctx, job, prover, Grant { most: *most, pay, expires_at: until }).await?;
            }
        }
    }
    Ok(given)
}

/// Who could be given something. A prover that is not present, or may not work, waits for nothing.
fn candidates(ctx: &Context, workload: &Workload) -> Vec<(ProverId, Candidate)> {
    let since = presence(ctx, ctx.clock.now());
    let candidate = |prover: &zkpool_store::ProverRecord| {
        let present = ctx.status.is_present(&prover.id, since) && !bonds::bars(ctx, prover);
        let candidate = Candidate {
            address: prover.id.address,
            present,
            waiting: if present { ctx.status.waiting(&prover.id) } else { 0 },
            concurrency: prover.description.concurrency,
            memory: prover.description.memory,
            speeds: prover.description.speeds.clone(),
            enclaves: prover.description.enclaves.clone(),
            standing: prover.standing,
            asks: prover.description.asks.clone(),
        };
        (prover.id.clone(), candidate)
    };
    workload.provers.iter().map(candidate).collect()
}

/// The jobs that can be given out, provers by their numbers on the board.
fn open(
    board: &Board,
    workload: &Workload,
    worth: &[Worth],
    ways: Vec<Millis>,
    enclaves: &BTreeMap<ProgramId, B256>,
) -> Vec<OpenJob> {
    let holder = |lease: &LeaseRecord| Holder {
        prover: board.number(&lease.prover),
        owner: lease.prover.address,
        token: lease.token,
        granted_at: lease.granted_at,
        expires_at: lease.expires_at,
        progress: lease.progress,
    };
    let mut held: BTreeMap<JobId, Vec<Holder>> = BTreeMap::new();
    for lease in &workload.leases {
        held.entry(lease.job).or_default().push(holder(lease));
    }
    let job = |((item, worth), after): ((&WorkItem, &Worth), Millis)| OpenJob {
        id: item.job.id,
        kind: item.job.job.kind,
        units: item.job.job.units,
        memory: item.job.job.memory,
        ready_at: item.job.ready_at.unwrap_or_default(),
        proof_deadline: item.proof_deadline.saturating_mul(1_000),
        liability_deadline: item.liability_deadline.saturating_mul(1_000),
        after,
        near: item.suppliers.iter().filter_map(|supplier| board.number(supplier)).collect(),
        holders: held.get(&item.job.id).cloned().unwrap_or_default(),
        barred: item.excluded.clone(),
        enclave: enclaves.get(&item.job.job.program).copied(),
        leg: item.leg.filter(|leg| leg.independent).map(|leg| LegOf { bundle: leg.bundle, leg: leg.leg }),
        deal: worth.deal(),
    };
    let all = workload.jobs.iter().zip(worth).zip(ways);
    all.filter(|((item, _), _)| item.is_open()).map(job).collect()
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

async fn lease(ctx: &Context, job: JobId, prover: &ProverId, grant: Grant) -> OpResult<bool> {
    match ctx.store.grant_lease(job, prover, grant, ctx.clock.now()).await {
        Ok(_) => {}
        Err(StoreError::Moved { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    ctx.status.served(prover);
    tracing::info!(task.id = %job.task, %prover, holders = grant.most, pay = grant.pay, "a job was given to a prover");
    announce(ctx, job).await?;
    Ok(true)
}

/// Leases on jobs that are not open (their task's publication was taken back) end by the clock, too.
async fn expire_others(ctx: &Context, board: &Board, workload: &Workload) -> OpResult<()> {
    let now = ctx.clock.now();
    for lease in &workload.leases {
        if lease.expires_at <= now && board.job(lease.job).is_none() {
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
