//! `plan`: starts the work of a task that was published: with its job graph, or with one that grows as its program runs.

use super::segments;
use crate::{
    Change, Context, OpError, OpResult,
    capacity::{Capacity, delivery_seconds},
    ops::programs,
};
use zkpool_protocol::{ErrorCode, Job, JobGraph, Operation, TaskState};
use zkpool_store::{Plan, TaskRecord};

/// Plans every task that is published.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    for task in ctx.store.tasks_in(&[TaskState::Published]).await? {
        let plan = match task.ask.kind.is_risc0() {
            true => growing(ctx, &task).await?,
            false => single(ctx, &task).await?,
        };
        ctx.store.plan_task(task.key, &plan, ctx.clock.now()).await?;
        ctx.changes.announce(Change::Task(task.key));
        ctx.nudges.execute.wake();
        ctx.nudges.dispatch.wake();
    }
    Ok(false)
}

/// One job makes a Groth16 proof of a circuit.
async fn single(ctx: &Context, task: &TaskRecord) -> OpResult<Plan> {
    let program = programs::known(ctx, task.ask.program).await?;
    let job = Job {
        operation: Operation::Single,
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
