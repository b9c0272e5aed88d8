//! `submit`: carries proofs to the contract, and drives every transaction on.
//!
//! A transaction is recorded under a purpose before the task moves: a crash in between records it again, which changes
//! nothing, and moves the task then.

use super::{gather, isolated, seal};
use crate::{Change, Context, KeyRole, OpError, OpResult, metrics};
use zkpool_bindings::IZKPool;
use zkpool_chain::{
    Head, TxRecord, TxRequest, TxState,
    alloy::{primitives::Bytes, sol_types::SolCall},
};
use zkpool_protocol::{ErrorCode, ProofKind, Quote, TaskId, TaskState};
use zkpool_store::{Millis, Role, TaskRecord};

/// Wait after the first failure of a task's transaction; doubles with each, up to [`LONGEST_WAIT`]. In milliseconds.
const FIRST_WAIT: Millis = 2_000;
const LONGEST_WAIT: Millis = 60_000;

/// Submits what is proven and may be revealed, and looks after what was submitted.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    for changed in ctx.chain.drive().await? {
        note(ctx, &changed).await?;
        if changed.state.is_final() {
            // A tranche may be open, or money kept apart.
            ctx.nudges.pay.wake();
        }
    }
    let head = ctx.chain.head().await?;
    // Before the tasks: a delivery up to there has moved its task on.
    let followed = ctx.store.meta().await?.head.0;
    for task in ctx.store.tasks_in(&[TaskState::Submitting]).await? {
        look_after(ctx, &task, followed).await?;
    }
    let mut sent = false;
    for task in ctx.store.tasks_in(&[TaskState::Proven]).await? {
        if task.retry_at > ctx.clock.now() || !may_be_revealed(ctx, &task, &head) {
            continue;
        }
        sent |= isolated(&task, "submitting a proof", submit(ctx, &task).await)?.unwrap_or(false);
    }
    // What was just recorded goes out at once.
    Ok(sent)
}

/// A proof is a bearer artifact: it is shown only when what it is paid by stands firmly in the chain.
pub(super) fn may_be_revealed(ctx: &Context, task: &TaskRecord, head: &Head) -> bool {
    let deep = |block: u64| head.number + 1 >= block + ctx.config.chain.confirmations;
    if head.timestamp > task.chain.liability_deadline {
        return false;
    }
    match (task.role, task.chain.published, task.chain.rescue) {
        (Role::Own, Some((block, _)), _) => deep(block),
        // Until the grace period is over the task is the original operator's.
        (Role::Rescue, Some((block, _)), Some(rescue)) => {
            deep(block) && deep(rescue.block) && head.timestamp >= rescue.effective_at
        }
        _ => false,
    }
}

/// False if the proof has to wait for signatures that count.
async fn submit(ctx: &Context, task: &TaskRecord) -> OpResult<bool> {
    let Some((id, quote)) = &task.quote else { return Ok(false) };
    let Some(blob) = task.proof else { return Ok(false) };
    let Some(proof) = ctx.blobs.read(blob, zkpool_api::MAX_PROOF as u64).await? else {
        return Err(OpError::new(
            ErrorCode::Storage,
            format!("the proof of task {id} ({blob}) is not among the blobs"),
        ));
    };
    let proof = proof.into();
    let good = match task.ask.kind {
        ProofKind::Bundle => gather::still_good(ctx, task, proof).await?,
        _ => seal::still_good(ctx, task, proof).await?,
    };
    let Some(proof) = good else { return Ok(false) };
    let data = call(ctx, task, quote, proof.0.into())?;
    let purpose = purpose(*id, task.failed_submissions);
    let soon = match ctx.status.head() {
        Some((head, _)) if head.timestamp <= task.chain.proof_deadline => task.chain.proof_deadline,
        _ => task.chain.liability_deadline,
    };
    let request = TxRequest::call(purpose, ctx.config.pool, data).by(soon).not_after(task.chain.liability_deadline);
    ctx.chain.enqueue(KeyRole::Signer, request).await?;
    let now = ctx.clock.now();
    ctx.store.move_task(task.key, TaskState::Proven, TaskState::Submitting, None, now).await?;
    ctx.changes.announce(Change::Task(task.key));
    tracing::info!(task.id = %id, "the proof is on its way to the contract");
    Ok(true)
}

fn call(ctx: &Context, task: &TaskRecord, quote: &Quote, proof: Bytes) -> OpResult<Vec<u8>> {
    let (quote, call) = (quote.into(), (&task.ask.call).into());
    Ok(match (task.role, task.own_slot) {
        (Role::Own, _) => IZKPool::proveCall { quote, call, proof }.abi_encode(),
        (Role::Rescue, Some(slot)) => {
            let rescuer = ctx.config.operator;
            IZKPool::proveRescuedCall { quote, rescuer, rescuerSlot: slot, call, proof }.abi_encode()
        }
        (Role::Rescue, None) => {
            return Err(OpError::new(ErrorCode::Internal, "a task is being rescued without a slot"));
        }
        (Role::Leg, _) => return Err(OpError::new(ErrorCode::Internal, "a leg is delivered with its bundle")),
    })
}

/// A submitted task whose transaction has failed is submitted again; whether it is delivered, the chain says.
async fn look_after(ctx: &Context, task: &TaskRecord, followed: u64) -> OpResult<()> {
    let Some(id) = task.id() else { return Ok(()) };
    let (from, to, now) = (TaskState::Submitting, TaskState::Proven, ctx.clock.now());
    match ctx.chain.transaction(&purpose(id, task.failed_submissions)).await? {
        Some(record) if record.state == TxState::Failed => {
            let reason = record.failure.map_or_else(|| "no reason is known".to_owned(), |failure| failure.reason);
            let wait = FIRST_WAIT.saturating_mul(1 << task.failed_submissions.min(8)).min(LONGEST_WAIT);
            tracing::warn!(task.id = %id, reason, wait_ms = wait, "the transaction with the proof failed");
            ctx.store.fail_submission(task.key, from, to, &reason, now + wait, now).await?;
        }
        Some(record) if was_removed(&record, followed) => {
            ctx.store.fail_submission(task.key, from, to, REMOVED, now, now).await?;
        }
        Some(_) => return Ok(()),
        // Recording comes first, so this is an old copy of the journal.
        None => ctx.store.move_task(task.key, from, to, Some("its transaction is not recorded"), now).await?,
    }
    ctx.changes.announce(Change::Task(task.key));
    Ok(())
}

/// What a task is told whose transaction was taken back after it had counted as done.
pub(super) const REMOVED: &str = "the block of its transaction is not part of the chain any more";

/// Whether a transaction that had succeeded for good was taken back after all: what it did would have been followed.
pub(super) fn was_removed(record: &TxRecord, followed: u64) -> bool {
    record.state == TxState::Succeeded && record.receipt.as_ref().is_some_and(|receipt| receipt.block < followed)
}

/// The same attempt is the same transaction.
fn purpose(task: TaskId, failed: u32) -> String {
    if failed == 0 { format!("prove:{task}") } else { format!("prove:{task}:{failed}") }
}

/// Tells those who watch a task, and the metrics, what became of a transaction.
async fn note(ctx: &Context, record: &TxRecord) -> OpResult<()> {
    let kind = kind_of(&record.purpose);
    metrics::transaction(kind, record.state.as_str());
    if let (TxState::Mined, Some(receipt)) = (record.state, &record.receipt) {
        metrics::gas(kind, receipt.gas_used);
    }
    // What failed is tried again in its own time: at once it would most likely fail again, and cost gas each time.
    if matches!(kind, "open" | "topup" | "approve" | "signer")
        && matches!(record.state, TxState::Mined | TxState::Succeeded)
    {
        ctx.nudges.account.wake();
    }
    if let (TxState::Failed, Some(failure)) = (record.state, &record.failure) {
        tracing::warn!(purpose = record.purpose, reason = failure.reason, "a transaction failed");
    }
    let task = record.purpose.split(':').nth(1).and_then(|text| text.parse::<TaskId>().ok());
    if let Some(task) = task
        && let Some(task) = ctx.store.task(task).await?
    {
        ctx.changes.announce(Change::Task(task.key));
    }
    Ok(())
}

fn kind_of(purpose: &str) -> &'static str {
    let kinds = ["prove", "leg", "rescue", "novate", "collect", "halt", "unwind", "open", "topup", "approve", "signer"];
    let name = purpose.split(':').next().unwrap_or_default();
    kinds.into_iter().find(|kind| *kind == name).unwrap_or("other")
}
