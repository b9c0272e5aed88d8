//! Jobs: claimed, kept alive, returned.

use super::{bonds, pay, programs, provers::device, results};
use crate::{Change, Context, OpError, OpResult, capacity::rules, metrics};
use std::time::Duration;
use tokio::time::Instant;
use zkpool_api::{
    AttestTerms, ClaimReply, ClaimRequest, ClaimedJob, FailReply, FailRequest, HeartbeatReply, HeartbeatRequest,
    JobPay, Lease, MAX_CLAIM_WAIT, MAX_FAIL_MESSAGE, MAX_PROOF, MAX_STAGE, ResultReply, ResultRequest,
};
use zkpool_protocol::{Address, B256, BlobId, ErrorCode, JobId, JobState, Operation, pay::LeasedJob};
use zkpool_scheduler::observed_speed;
use zkpool_store::{
    JobRecord, LeaseEnd, LeaseOutcome, LeaseRecord, Millis, NewResult, ProverId, ProverRecord, Renewal, StoreError,
    TaskRecord,
};

/// Longest pause between two looks of a claim that waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Waits up to `request.wait` (at most [`zkpool_api::MAX_CLAIM_WAIT`]) for a job. One that the device holds a lease on but
/// does not name is given to it again, with the same token. Fails with `Forbidden` (join first), `Excluded`, `Unbonded`.
pub async fn claim_job(ctx: &Context, who: Address, request: ClaimRequest) -> OpResult<ClaimReply> {
    let id = device(who, request.device)?;
    let began = ctx.clock.now();
    let end = Instant::now() + Duration::from_secs(request.wait.min(MAX_CLAIM_WAIT).into());
    // Before the first look: what changes after it is not missed.
    let mut news = ctx.changes.listen();
    let prover = ctx.store.prover(&id).await?.filter(|prover| prover.joined);
    let prover = prover.ok_or_else(|| OpError::new(ErrorCode::Forbidden, "this device has not joined: join first"))?;
    ctx.status.heard(&id, began);
    if let Some(job) = look(ctx, &id, &request.holding, began).await? {
        return Ok(ClaimReply { job: Some(job) });
    }
    bonds::may_work(ctx, &prover).await?;
    may_work(&prover, began)?;
    let _waiting = ctx.status.wait(&id, began);
    ctx.nudges.dispatch.wake();
    loop {
        let pause = end.min(Instant::now() + LOOK_AGAIN);
        // Of all that changes, only leases matter here; falling behind is a reason to look, too.
        let lease = async { while matches!(news.recv().await, Ok(change) if change != Change::Leases) {} };
        let _ = tokio::time::timeout_at(pause, lease).await;
        if let Some(job) = look(ctx, &id, &request.holding, began).await? {
            return Ok(ClaimReply { job: Some(job) });
        }
        if Instant::now() >= end {
            return Ok(ClaimReply { job: None });
        }
    }
}

/// Notes progress and renews the lease, or says that the job is not needed any more. Fails with `LeaseLost`, `NotFound`.
pub async fn heartbeat(ctx: &Context, who: Address, job: JobId, request: HeartbeatRequest) -> OpResult<HeartbeatReply> {
    let (_, lease) = held(ctx, who, job, request.fence).await?;
    let now = ctx.clock.now();
    let length = rules(ctx).min_lease;
    let progress = if request.progress.is_finite() { f64::from(request.progress.clamp(0.0, 1.0)) } else { 0.0 };
    let stage: String = request.stage.chars().filter(|c| !c.is_control()).take(MAX_STAGE).collect();
    ctx.status.heard(&lease.prover, now);
    let renewal = ctx.store.renew_lease(job, request.fence, now + length, progress, &stage, now).await?;
    let until_ms = lease.expires_at.max(now + length);
    let cancelled = match renewal {
        Renewal::Renewed => {
            if let Some(task) = ctx.store.task(job.task).await? {
                ctx.changes.announce(Change::Job(task.key, job));
            }
            None
        }
        Renewal::Cancelled => Some("the result is there already, or the task is over".to_owned()),
    };
    Ok(HeartbeatReply { until_ms, valid_for_ms: until_ms.saturating_sub(now), cancelled })
}

/// Takes a result: it counts only if it verifies here and now. The same result again is accepted again.
/// Fails with `LeaseLost`, `ProofInvalid`, `TooLarge`, `NotFound`, `Storage`.
pub async fn accept_result(ctx: &Context, who: Address, job: JobId, request: ResultRequest) -> OpResult<ResultReply> {
    let accepted = take_result(ctx, who, job, request).await;
    metrics::result(accepted.as_ref().map(|_| ()).map_err(|error| error.code));
    ctx.nudges.dispatch.wake();
    accepted
}

async fn take_result(ctx: &Context, who: Address, id: JobId, request: ResultRequest) -> OpResult<ResultReply> {
    if request.proof.len() > MAX_PROOF {
        return Err(OpError::new(ErrorCode::TooLarge, format!("a result has at most {MAX_PROOF} bytes")));
    }
    let (job, lease) = held(ctx, who, id, request.fence).await?;
    let task = task_of(ctx, id).await?;
    if job.state == JobState::Done && lease.ended == Some(LeaseEnd::Done) {
        let earning = ctx.store.earning(id, lease.token).await?;
        let output = B256::from(BlobId::of(&request.proof));
        if earning.as_ref().is_some_and(|earning| earning.receipt.output != output) {
            tracing::warn!(task.id = %id.task, job = id.index, prover = %lease.prover, "another result came under a lease that has ended with one");
            return Err(OpError::new(ErrorCode::LeaseLost, "another result was accepted under this lease"));
        }
        return Ok(ResultReply { job: job.state, task: task.state, paid: pay::paid(ctx, earning).await? });
    }
    // What is too late is not worth verifying. The store decides again, with the last word.
    if !matches!(lease.ended, None | Some(LeaseEnd::Expired)) {
        return Err(OpError::new(ErrorCode::LeaseLost, "the lease has ended: claim another job"));
    }
    let prover = ctx.store.prover(&lease.prover).await?;
    let prover = prover.ok_or_else(|| OpError::new(ErrorCode::Forbidden, "this device has not joined: join first"))?;
    let now = ctx.clock.now();
    ctx.status.heard(&prover.id, now);
    let leased = LeasedJob { task: id.task, index: id.index, fence: lease.token };
    let due = !prover.description.unpaid;
    let pay = pay::result_pay(ctx, &task, who, leased, &request.proof, request.signature, due).await?;
    if let Err(error) = results::verify(ctx, &task, &job, request.proof.clone()).await? {
        let operation = job.job.operation.as_str();
        tracing::warn!(task.id = %id.task, job = id.index, operation, prover = %prover.id, %error, "a result does not verify");
        end(ctx, &task, &lease, &prover, LeaseEnd::Wrong, Some(error.to_string())).await?;
        let message = format!("{error}; the job goes to somebody else");
        return Err(OpError::caused_by(ErrorCode::ProofInvalid, message, error));
    }
    let dissents = results::dissents(ctx, &task, &job, &request.proof).await?;
    // Durable before it is answered.
    let result = ctx.blobs.put_bytes(request.proof.0).await?;
    let took = now.saturating_sub(lease.granted_at);
    let known = prover.description.speeds.get(&job.job.kind).copied();
    let result = NewResult {
        job: id,
        token: lease.token,
        prover: lease.prover.clone(),
        result,
        proving_ms: request.proving_ms.map(|ms| ms.min(took)),
        // A word that differs is evidence, and most likely against who made it: no way to a better standing, or to a name for being fast.
        standing: match (dissents, lease.ended) {
            (false, None) => prover.standing.after_hit(),
            (false, Some(_)) => prover.standing.after_late(),
            (true, None) => prover.standing.after_miss(now, &rules(ctx)),
            (true, Some(_)) => prover.standing,
        },
        speed: (!dissents).then(|| observed_speed(known, job.job.units, took)),
        pay,
    };
    let done = match ctx.store.complete_job(&result, now).await {
        Ok(done) => done,
        Err(error) => {
            // Not taken unpaid: its prover sends it again.
            if matches!(error, StoreError::NothingSetApart) {
                ctx.nudges.pay.wake();
            }
            return Err(error.into());
        }
    };
    if dissents {
        metrics::miss("dissent");
        bonds::missed(ctx, &result.prover, &result.standing);
    }
    tracing::info!(
        task.id = %id.task,
        job = id.index,
        operation = job.job.operation.as_str(),
        prover = %prover.id,
        units = job.job.units.0,
        duration_ms = took,
        "a result was accepted"
    );
    metrics::proving(&job.job, Duration::from_millis(result.proving_ms.unwrap_or(took)));
    ctx.changes.announce(Change::Task(task.key));
    ctx.nudges.seal.wake();
    ctx.nudges.gather.wake();
    ctx.nudges.submit.wake();
    if done.earning.is_some() {
        ctx.nudges.pay.wake();
        if let Some(paid) = &result.pay {
            metrics::vouched(paid.pay.token, now / 1_000);
        }
    }
    Ok(ResultReply { job: done.job, task: done.task, paid: pay::paid(ctx, done.earning).await? })
}

/// Takes a job back without a result; it never returns to this prover. Fails with `LeaseLost`, `NotFound`.
pub async fn fail_job(ctx: &Context, who: Address, job: JobId, request: FailRequest) -> OpResult<FailReply> {
    let (_, lease) = held(ctx, who, job, request.fence).await?;
    let prover = ctx.store.prover(&lease.prover).await?;
    let prover = prover.ok_or_else(|| OpError::new(ErrorCode::Forbidden, "this device has not joined: join first"))?;
    ctx.status.heard(&prover.id, ctx.clock.now());
    let words: String = request.message.chars().filter(|c| !c.is_control()).take(MAX_FAIL_MESSAGE).collect();
    let task = task_of(ctx, job).await?;
    end(ctx, &task, &lease, &prover, LeaseEnd::GivenUp, Some(format!("{}: {words}", request.code))).await?;
    tracing::warn!(task.id = %job.task, prover = %prover.id, code = %request.code, "a prover gave a job up");
    let job = ctx.store.job(job).await?.ok_or_else(no_such_job)?;
    Ok(FailReply { job: job.state })
}

/// A lease of this device that the claim may have.
async fn look(ctx: &Context, id: &ProverId, holding: &[JobId], began: Millis) -> OpResult<Option<ClaimedJob>> {
    let now = ctx.clock.now();
    for lease in ctx.store.held_by(id).await? {
        if !holding.contains(&lease.job) && ctx.status.hand_out(lease.job, lease.token, began, now) {
            return Ok(Some(assignment(ctx, &lease, now).await?));
        }
    }
    Ok(None)
}

async fn assignment(ctx: &Context, lease: &LeaseRecord, now: Millis) -> OpResult<ClaimedJob> {
    let job = ctx.store.job(lease.job).await?.ok_or_else(no_such_job)?;
    let task = task_of(ctx, lease.job).await?;
    let (_, quote) = task.quote.as_ref().ok_or_else(no_such_job)?;
    let program = programs::known(ctx, job.job.program).await?;
    let is_whole = job.job.operation.is_whole();
    let witness = match job.job.input.filter(|_| is_whole) {
        Some(input) => ctx.store.input(input).await?.and_then(|input| input.attached.first().copied()),
        None => None,
    };
    let inputs = results::needed(ctx, &job).await?.into_iter().chain(job.job.input).collect();
    let earns = pay::task_pay(ctx, &task).await?;
    let earns =
        earns.map(|pay| JobPay { token: pay.token, amount: lease.pay.unwrap_or_else(|| pay.amount(job.job.units)) });
    let lease = Lease {
        fence: lease.token,
        until_ms: lease.expires_at,
        valid_for_ms: lease.expires_at.saturating_sub(now),
        renew_every_ms: renew_every(ctx),
    };
    Ok(ClaimedJob {
        id: job.id,
        lease,
        operation: job.job.operation,
        kind: job.job.kind,
        program: program.manifest,
        inputs,
        witness,
        attest: (job.job.operation == Operation::Attest).then_some(AttestTerms {
            chain_id: ctx.config.chain_id,
            verifier: task.ask.verifier,
            payee: ctx.config.operator,
        }),
        statement: if is_whole { Some(quote.task.statement) } else { job.job.statement },
        deadline: task.chain.proof_deadline,
        units: job.job.units,
        memory: job.job.memory,
        pay: earns,
    })
}

/// Three heartbeats in the shortest lease: one may be lost.
fn renew_every(ctx: &Context) -> Millis {
    rules(ctx).min_lease / 3
}

fn may_work(prover: &ProverRecord, now: Millis) -> OpResult<()> {
    let standing = &prover.standing;
    if standing.excluded_until > now {
        let seconds = (standing.excluded_until - now).div_ceil(1_000);
        return Err(OpError::new(ErrorCode::Excluded, format!("excluded for another {seconds} s after a miss")));
    }
    Ok(())
}

/// A job and a lease on it that belongs, or belonged, to `who`.
async fn held(ctx: &Context, who: Address, id: JobId, token: u64) -> OpResult<(JobRecord, LeaseRecord)> {
    let job = ctx.store.job(id).await?.ok_or_else(no_such_job)?;
    let lease = ctx.store.lease(id, token).await?.filter(|lease| lease.prover.address == who);
    let lease = lease.ok_or_else(|| OpError::new(ErrorCode::LeaseLost, "the lease is not yours: claim a job"))?;
    Ok((job, lease))
}

async fn task_of(ctx: &Context, job: JobId) -> OpResult<TaskRecord> {
    ctx.store.task(job.task).await?.ok_or_else(no_such_job)
}

fn no_such_job() -> OpError {
    OpError::new(ErrorCode::NotFound, "there is no such job")
}

/// Ends a lease against its prover.
async fn end(
    ctx: &Context,
    task: &TaskRecord,
    lease: &LeaseRecord,
    prover: &ProverRecord,
    end: LeaseEnd,
    note: Option<String>,
) -> OpResult<()> {
    let now = ctx.clock.now();
    // One miss per lease: an expired one has counted already.
    let standing = match lease.ended {
        None => prover.standing.after_miss(now, &rules(ctx)),
        Some(_) => prover.standing,
    };
    let outcome = LeaseOutcome { end, note, standing: Some(standing) };
    ctx.store.end_lease(lease.job, lease.token, &outcome, now).await?;
    metrics::miss(end.as_str());
    if lease.ended.is_none() {
        bonds::missed(ctx, &prover.id, &standing);
    }
    ctx.changes.announce(Change::Task(task.key));
    ctx.nudges.dispatch.wake();
    Ok(())
}
