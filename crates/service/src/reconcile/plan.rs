//! `plan`: makes the job graph of a task that was published.

use crate::{Change, Context, OpError, OpResult, ops::programs};
use zkpool_protocol::{ErrorCode, Job, JobGraph, Operation, ProofKind, TaskState};
use zkpool_store::TaskRecord;

/// Plans every task that is published.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    for task in ctx.store.tasks_in(&[TaskState::Published]).await? {
        let graph = graph(ctx, &task).await?;
        ctx.store.plan_task(task.key, &graph, ctx.clock.now()).await?;
        ctx.changes.announce(Change::Task(task.key));
        ctx.nudges.dispatch.wake();
    }
    Ok(false)
}

/// One job makes a Groth16 proof.
async fn graph(ctx: &Context, task: &TaskRecord) -> OpResult<JobGraph> {
    let program = programs::known(ctx, task.ask.program).await?;
    let jobs = match task.ask.kind {
        ProofKind::Groth16Bn254 => vec![Job {
            operation: Operation::Single,
            kind: task.ask.kind,
            program: task.ask.program,
            input: task.ask.input,
            units: program.measured.units,
            memory: program.measured.memory,
            needs: vec![],
        }],
    };
    JobGraph::new(jobs).map_err(|error| OpError::caused_by(ErrorCode::Internal, "the task cannot be planned", error))
}
