//! `plan`: starts the work of a task that was published: with its job graph, or with one that grows as its program runs.

use super::segments;
use crate::{
    Change, Context, OpError, OpResult,
    capacity::{Capacity, delivery_seconds},
    ops::{pay, programs},
    parts,
};
use zkpool_protocol::{ErrorCode, Job, JobGraph, Operation, ProofKind, TaskState};
use zkpool_store::{Plan, TaskRecord};

/// Plans every task that is published.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    // A bundle's legs are published by its being planned.
    let mut more = false;
    for task in ctx.store.work_in(&[TaskState::Published]).await? {
        let plan = match task.ask.kind {
            ProofKind::Bundle => legs(ctx, &task).await?,
            ProofKind::Groth16Bn254 => whole(ctx, &task, Operation::Single).await?,
            ProofKind::Sgx => whole(ctx, &task, Operation::Attest).await?,
            ProofKind::Risc0Composite | ProofKind::Risc0Succinct | ProofKind::Risc0Groth16 => {
                growing(ctx, &task).await?
            }
        };
        // What its jobs earn is fixed before anybody has one.
        pay::task_pay(ctx, &task).await?;
        ctx.store.plan_task(task.key, &plan, ctx.clock.now()).await?;
        ctx.changes.announce(Change::Task(task.key));
        more |= matches!(plan, Plan::Legs(_));
        ctx.nudges.execute.wake();
        ctx.nudges.dispatch.wake();
    }
    Ok(more)
}

/// Each leg becomes a task.
async fn legs(ctx: &Context, task: &TaskRecord) -> OpResult<Plan> {
    let parts = parts::stored(ctx, &task.ask).await?;
    let legs = (0..parts.all.len()).map(|place| parts::new_leg(task, &parts, place, 0, false));
    Ok(Plan::Legs(legs.collect::<OpResult<_>>()?))
}

/// One job makes a Groth16 proof of a circuit, or gets an enclave's word.
async fn whole(ctx: &Context, task: &TaskRecord, operation: Operation) -> OpResult<Plan> {
    let program = programs::known(ctx, task.ask.program).await?;
    let job = Job {
        operation,
        kind: task.ask.kind,
        program: task.ask.program,
        input: Some(task.ask.input),
        statement: None,
        units: program.measured.units,
        memory: program.measured.memory,
        needs: vec![],
    };
    let graph = JobGraph::new(vec![job]);
    Ok(Plan::Complete(
        graph.map_err(|error| OpError::caused_by(ErrorCode::Internal, "the task cannot be planned", error))?,
    ))
}

/// The segment size is chosen now, by who is there now, and kept: a program that is run again is cut in the same way.
async fn growing(ctx: &Context, task: &TaskRecord) -> OpResult<Plan> {
    let input = ctx.store.input(task.ask.input).await?;
    let missing = || OpError::new(ErrorCode::Internal, "a task was published whose input was never looked at");
    let input = input.ok_or_else(missing)?;
    let deadline = task.chain.proof_deadline.saturating_sub(delivery_seconds(ctx)).saturating_mul(1_000);
    let left = deadline.saturating_sub(ctx.clock.now());
    let segment_limit = match segments::choose(task.ask.kind, &input, &Capacity::now(ctx).await?, left) {
        Ok(plan) => plan.limit,
        // The task is promised, whoever is there: those whom the quote counted on may come back.
        Err(error) => {
            tracing::warn!(
                task.id = task.id().map(tracing::field::display),
                error = error.chain(),
                "nobody is there to prove a published task"
            );
            let quoted = task.price.map(|price| price.units);
            segments::fallback(task.ask.kind, &input, quoted).ok_or_else(missing)?
        }
    };
    tracing::info!(
        task.id = task.id().map(tracing::field::display),
        segment_limit,
        "a task's program is run to be proven"
    );
    Ok(Plan::Growing { segment_limit })
}
