//! What anyone who knows a task's id may see of it.

use crate::{Change, Clock, Context, OpError, OpResult};
use futures::stream::{self, BoxStream, StreamExt};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use zkpool_api::{
    ApiError, EventKind, ExecutionView, FailedAttempt, FailureKind, JobCount, JobView, LegView, MAX_PROOF,
    MAX_TASK_JOBS, SealView, TaskEvent, TaskRole, TaskView, Timings, TxState, TxView,
};
use zkpool_chain::{TxRecord, TxState as Stage};
use zkpool_protocol::{ErrorCode, JobState, Operation, ProofKind, TaskId, TaskState};
use zkpool_store::{
    AttestationRecord, Blobs, JobCensus, JobRecord, LeaseEnd, LeaseRecord, LogEntry, Role, Store, TaskKey, TaskRecord,
};
use zkpool_verifiers::shown as output_of;

/// A task. Fails with `NotFound`.
pub async fn task(ctx: &Context, id: TaskId) -> OpResult<TaskView> {
    let store = ctx.store.as_ref();
    Ok(view(store, &ctx.blobs, &known(store, id).await?).await?.task)
}

/// A task as it is, then again whenever it changes, until it is over. Events at or below `after` (`Last-Event-ID`) are
/// left out. Fails with `NotFound`.
pub async fn task_events(
    ctx: &Context,
    id: TaskId,
    after: Option<u64>,
) -> OpResult<BoxStream<'static, OpResult<TaskEvent>>> {
    // Before the first look: what changes after it is not missed.
    let news = ctx.changes.listen();
    let (store, clock) = (ctx.store.clone(), ctx.clock.clone());
    let key = known(store.as_ref(), id).await?.key;
    let pause = Duration::ZERO;
    let blobs = ctx.blobs.clone();
    let watch = Watch { store, blobs, clock, id, keys: vec![key], news, after, seen: None, over: false, pause };
    Ok(stream::unfold(watch, |mut watch| async { watch.next().await.map(|event| (event, watch)) }).boxed())
}

/// A reader of a task's events.
struct Watch {
    store: Arc<dyn Store>,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    id: TaskId,
    /// Of the task, and of its legs.
    keys: Vec<TaskKey>,
    news: Receiver<Change>,
    after: Option<u64>,
    seen: Option<u64>,
    over: bool,
    /// Between two events.
    pause: Duration,
}

/// Events of a task of up to so many jobs come at once.
const FEW_JOBS: u32 = 32;
/// Those of a larger one come no faster than so long for each job...
const PER_JOB: Duration = Duration::from_millis(1);
/// ... and this in all.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Watch {
    async fn next(&mut self) -> Option<OpResult<TaskEvent>> {
        while !self.over {
            if self.seen.is_some() {
                if !self.changed().await {
                    return None;
                }
                // A task of many jobs is many bytes: what changes meanwhile goes into the same event.
                tokio::time::sleep(self.pause).await;
            }
            let event = match self.look().await {
                Ok(event) => event,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            };
            self.over = event.kind == EventKind::Final;
            // News that changed nothing is none; and a reader that comes back has seen what it has seen, though perhaps
            // not that it was the end.
            let seen = self.seen.replace(event.seq).or(self.after);
            if self.over || seen.is_none_or(|seen| event.seq > seen) {
                return Some(Ok(event));
            }
        }
        None
    }

    /// Waits until the task has changed; false when the service goes away.
    async fn changed(&mut self) -> bool {
        loop {
            match self.news.recv().await {
                Ok(Change::Task(key) | Change::Job(key, _)) if self.keys.contains(&key) => return true,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return true,
                Err(RecvError::Closed) => return false,
            }
        }
    }

    async fn look(&mut self) -> OpResult<TaskEvent> {
        let store = self.store.as_ref();
        let known = known(store, self.id).await?;
        let Seen { task, version } = view(store, &self.blobs, &known).await?;
        let legs = if task.legs.is_empty() { vec![] } else { store.legs_of(known.key).await? };
        self.keys = [known.key].into_iter().chain(legs.iter().map(|leg| leg.key)).collect();
        let many = u32::try_from(task.jobs.len()).unwrap_or(u32::MAX);
        self.pause = if many > FEW_JOBS { LONGEST_PAUSE.min(PER_JOB * many) } else { Duration::ZERO };
        let kind = match (task.state.is_final(), self.seen) {
            (true, _) => EventKind::Final,
            (false, None) => EventKind::Snapshot,
            (false, Some(_)) => EventKind::Changed,
        };
        Ok(TaskEvent { seq: version, at_ms: self.clock.now(), kind, task })
    }
}

/// A view with the version that it shows.
struct Seen {
    task: TaskView,
    version: u64,
}

async fn known(store: &dyn Store, id: TaskId) -> OpResult<TaskRecord> {
    let task = store.task(id).await?;
    task.ok_or_else(|| OpError::new(ErrorCode::NotFound, format!("this operator knows no task {id}")))
}

async fn view(store: &dyn Store, blobs: &Blobs, task: &TaskRecord) -> OpResult<Seen> {
    let (id, terms) = match &task.quote {
        Some((id, quote)) => (*id, Some(quote.terms.clone())),
        None => return Err(OpError::new(ErrorCode::NotFound, "the task has no quote yet")),
    };
    let census = store.job_census(task.key).await?;
    let shown = shown(&census);
    let jobs = store.jobs_in(task.key, shown.clone()).await?;
    let mut leases: BTreeMap<u32, Vec<LeaseRecord>> = BTreeMap::new();
    for lease in store.leases_of_task(task.key, shown.clone()).await? {
        leases.entry(lease.job.index).or_default().push(lease);
    }
    let before = match shown.start > task.first_job {
        true => store.segments_before(task.key, shown.start).await?,
        false => 0,
    };
    let places = segments(&jobs, task.first_job, before);
    let log = store.task_log(task.key).await?;
    let txs = store.transactions_of(id).await?;
    let published = task.chain.published.map(|(_, time)| time);
    let timings = timings(task, &log, &census, &jobs, &txs);
    let view = TaskView {
        id,
        state: task.state,
        role: match task.role {
            Role::Own => TaskRole::Own,
            Role::Rescue => TaskRole::Rescue,
            Role::Leg => TaskRole::Leg,
        },
        terms,
        published_at: published,
        proof_deadline: published.map(|_| task.chain.proof_deadline),
        liability_deadline: published.map(|_| task.chain.liability_deadline),
        kind: Some(task.ask.kind),
        strategy: task.strategy(),
        execution: task.segment_limit.map(|segment_limit| ExecutionView {
            segments: census.segments,
            segment_limit,
            complete: task.planned,
        }),
        jobs: jobs
            .iter()
            .map(|job| {
                let leases = leases.get(&job.id.index).map_or(&[][..], Vec::as_slice);
                JobView { segment: places.get(&job.id.index).copied(), ..job_view(job, leases) }
            })
            .collect(),
        job_counts: census.states.into_iter().map(|(state, count)| JobCount { state, count }).collect(),
        legs: legs(store, blobs, task).await?,
        seal: seal(store, task).await?,
        txs: txs.iter().filter_map(tx_view).collect(),
        timings,
        error: trouble(task, &log, &txs),
    };
    Ok(Seen { task: view, version: task.version })
}

/// Which jobs are shown: all, or of a large task those around the first that is not done.
fn shown(census: &JobCensus) -> Range<u32> {
    let most = MAX_TASK_JOBS;
    let front = census.front.unwrap_or(census.all);
    // Most of them are what is to come.
    let start = front.saturating_sub(most / 4).min(census.all.saturating_sub(most));
    start..start.saturating_add(most)
}

/// Which segment a job of the graph that begins at `first` proves or lifts, if `count` stand before these jobs.
fn segments(jobs: &[JobRecord], first: u32, mut count: u32) -> BTreeMap<u32, u32> {
    let mut places = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.id.index >= first) {
        let place = match (job.job.operation, &job.job.needs[..]) {
            (Operation::Prove, _) => {
                count += 1;
                Some(count - 1)
            }
            (Operation::Lift, [segment]) => places.get(segment).copied(),
            _ => None,
        };
        if let Some(place) = place {
            places.insert(job.id.index, place);
        }
    }
    places
}

/// A bundle's legs, with what each of them came to.
async fn legs(store: &dyn Store, blobs: &Blobs, bundle: &TaskRecord) -> OpResult<Vec<LegView>> {
    if bundle.ask.kind != ProofKind::Bundle {
        return Ok(vec![]);
    }
    let expected = bundle.quote.as_ref().map(|(_, quote)| quote.task.statement);
    let mut views = Vec::new();
    for task in store.legs_of(bundle.key).await? {
        let (Some(of), Some(id)) = (task.leg, task.id()) else { continue };
        let mut provers = BTreeSet::new();
        for lease in store.leases_of_task(task.key, 0..MAX_TASK_JOBS).await? {
            if matches!(lease.ended, None | Some(LeaseEnd::Done)) {
                provers.insert(lease.prover.address);
            }
        }
        let output = match task.proof {
            Some(proof) => blobs.read(proof, MAX_PROOF as u64).await?,
            None => None,
        };
        let output = output.and_then(|proof| output_of(task.ask.kind, &proof).ok());
        let log = store.task_log(task.key).await?;
        views.push(LegView {
            id,
            leg: of.leg,
            round: of.round,
            kind: task.ask.kind,
            state: task.state,
            provers: provers.into_iter().collect(),
            started_at_ms: store.job_census(task.key).await?.begun_at,
            proven_at_ms: log.iter().find(|entry| entry.to == TaskState::Proven).map(|entry| entry.at),
            agrees: output.map(|output| Some(output) == expected),
            shows: output.filter(|output| Some(*output) != expected),
        });
    }
    Ok(views)
}

async fn seal(store: &dyn Store, task: &TaskRecord) -> OpResult<Option<SealView>> {
    let Some(receipt) = task.receipt else { return Ok(None) };
    let (honest, liars): (Vec<_>, Vec<_>) =
        store.attestations_of(task.key).await?.into_iter().partition(|said| said.honest);
    let who = |said: Vec<AttestationRecord>| said.into_iter().map(|said| said.signer).collect();
    Ok(Some(SealView { receipt, signers: who(honest), liars: who(liars) }))
}

/// The attempts at a job that count against their provers.
fn failures(leases: &[LeaseRecord]) -> Vec<FailedAttempt> {
    /// Each is some bytes in every event.
    const MOST: usize = 8;
    let failed = leases.iter().filter_map(|lease| {
        let (kind, reason) = match lease.ended? {
            LeaseEnd::Expired => (FailureKind::Late, None),
            LeaseEnd::Wrong => (FailureKind::Wrong, lease.note.clone()),
            // A prover's own words are for the log.
            LeaseEnd::GivenUp => (FailureKind::GivenUp, None),
            LeaseEnd::Done | LeaseEnd::Released | LeaseEnd::Cancelled => return None,
        };
        Some(FailedAttempt { prover: lease.prover.address, kind, reason })
    });
    let failed: Vec<_> = failed.collect();
    failed[failed.len().saturating_sub(MOST)..].to_vec()
}

fn job_view(job: &JobRecord, leases: &[LeaseRecord]) -> JobView {
    let held = leases.iter().rev().find(|lease| lease.ended.is_none());
    let done = job.state == JobState::Done;
    JobView {
        index: job.id.index,
        operation: job.job.operation,
        state: job.state,
        prover: match &job.done_by {
            Some(prover) => Some(prover.address),
            None => held.map(|lease| lease.prover.address),
        },
        progress: if done { Some(1.0) } else { held.map(|lease| lease.progress as f32) },
        stage: held.filter(|lease| !done && !lease.stage.is_empty()).map(|lease| lease.stage.clone()),
        attempts: u32::try_from(job.last_token).unwrap_or(u32::MAX),
        units: job.job.units,
        segment: None,
        failures: failures(leases),
    }
}

/// A transaction that was signed at least once.
fn tx_view(record: &TxRecord) -> Option<TxView> {
    let mined = record.receipt.as_ref();
    let hash = mined.map(|receipt| receipt.hash).or_else(|| record.attempts.last().map(|attempt| attempt.hash))?;
    let state = match (record.state, mined) {
        (Stage::Queued | Stage::Sent, _) => TxState::Pending,
        (_, Some(receipt)) if receipt.success => TxState::Mined,
        (_, Some(_)) => TxState::Reverted,
        (_, None) => TxState::Dropped,
    };
    let purpose = record.purpose.split(':').next().unwrap_or_default().to_owned();
    Some(TxView {
        purpose,
        hash,
        state,
        gas: mined.map(|receipt| receipt.gas_used),
        block: mined.map(|receipt| receipt.block),
    })
}

fn timings(task: &TaskRecord, log: &[LogEntry], census: &JobCensus, jobs: &[JobRecord], txs: &[TxRecord]) -> Timings {
    let reached = |state: TaskState| log.iter().find(|entry| entry.to == state).map(|entry| entry.at);
    let sent = txs.iter().filter(|tx| tx.purpose.starts_with("prove")).flat_map(|tx| &tx.attempts);
    Timings {
        quoted_at_ms: reached(TaskState::Quoted),
        published_at_ms: reached(TaskState::Published),
        proving_started_at_ms: census.begun_at,
        proven_at_ms: reached(TaskState::Proven),
        submitted_at_ms: reached(TaskState::Submitting).or_else(|| sent.map(|sent| sent.signed_at * 1_000).min()),
        delivered_at_ms: reached(TaskState::Delivered),
        proving_ms: task.proof.filter(|_| jobs.len() == census.all as usize).and_then(|_| longest_way(jobs)),
    }
}

/// The longest way through the graph, by what the provers measured.
fn longest_way(jobs: &[JobRecord]) -> Option<u64> {
    let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
    for job in jobs {
        // Edges point back, so what a job needs is known already.
        let before = job.job.needs.iter().filter_map(|needs| ends.get(needs)).max().copied().unwrap_or_default();
        let own = if job.job.operation.is_for_provers() { job.proving_ms? } else { 0 };
        ends.insert(job.id.index, before.saturating_add(own));
    }
    ends.last_key_value().map(|(_, end)| *end)
}

/// What stands in the task's way.
fn trouble(task: &TaskRecord, log: &[LogEntry], txs: &[TxRecord]) -> Option<ApiError> {
    if let Some(refusal) = &task.refusal {
        return Some(ApiError::new(refusal.code, refusal.message.clone()));
    }
    match task.state {
        TaskState::Proven | TaskState::Watched if task.failed_submissions > 0 => {
            let note = log.last().and_then(|entry| entry.note.clone()).unwrap_or_default();
            Some(ApiError::new(ErrorCode::TransactionFailed, format!("the last transaction failed: {note}")))
        }
        TaskState::Submitting | TaskState::Announcing => {
            let complaint = txs.last().and_then(|tx| tx.complaint.clone())?;
            Some(ApiError::new(ErrorCode::TransactionFailed, complaint))
        }
        _ => None,
    }
}
