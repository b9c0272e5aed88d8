//! What provers return, held against what they were given.

use super::programs;
use crate::{Context, OpError, OpResult};
use zkpool_protocol::{BlobId, Bytes, ErrorCode, JobId, Operation};
use zkpool_store::{JobRecord, TaskRecord};
use zkpool_verifiers::{
    VerifyError,
    risc0::{MAX_ASSUMPTION, MAX_RESULT, Step},
};

/// The results that a job takes, in order.
pub(crate) async fn needed(ctx: &Context, job: &JobRecord) -> OpResult<Vec<BlobId>> {
    let mut results = Vec::with_capacity(job.job.needs.len());
    for index in &job.job.needs {
        let needed = ctx.store.job(JobId { task: job.id.task, index: *index }).await?;
        results.push(needed.and_then(|needed| needed.result).ok_or_else(missing)?);
    }
    Ok(results)
}

/// Whether a result is what the job should yield: the proof of the task's statement with the program's key, or a step of
/// a zkVM's proof on exactly the inputs that it was given. The work is done aside.
pub(crate) async fn verify(
    ctx: &Context,
    task: &TaskRecord,
    job: &JobRecord,
    result: Bytes,
) -> OpResult<Result<(), VerifyError>> {
    let aside = |error| OpError::caused_by(ErrorCode::Internal, "the result could not be checked", error);
    if job.job.operation == Operation::Single {
        let program = programs::known(ctx, job.job.program).await?;
        let verifier = ctx.verifier(&program, job.job.kind)?;
        let (_, quote) = task.quote.as_ref().ok_or_else(missing)?;
        let statement = quote.task.statement;
        return tokio::task::spawn_blocking(move || verifier.verify(statement, &result)).await.map_err(aside);
    }
    let mut needs = Vec::with_capacity(job.job.needs.len());
    for id in needed(ctx, job).await? {
        needs.push(read(ctx, id, MAX_RESULT).await?);
    }
    let assumption = match job.job.input.filter(|_| job.job.operation == Operation::Resolve) {
        Some(id) => Some(read(ctx, id, MAX_ASSUMPTION).await?),
        None => None,
    };
    let (operation, claim) = (job.job.operation, job.job.statement);
    let checked = tokio::task::spawn_blocking(move || {
        let needs: Vec<&[u8]> = needs.iter().map(AsRef::as_ref).collect();
        Step { operation, claim, needs: &needs, assumption: assumption.as_deref() }.check(&result)
    });
    match checked.await.map_err(aside)? {
        // Not the prover's fault: the step was planned wrongly.
        Err(error) if error.code() == ErrorCode::Internal => {
            Err(OpError::caused_by(ErrorCode::Internal, "the result could not be checked", error))
        }
        checked => Ok(checked.map_err(VerifyError::from)),
    }
}

/// A blob that must be here.
pub(crate) async fn read(ctx: &Context, id: BlobId, limit: usize) -> OpResult<bytes::Bytes> {
    let bytes = ctx.blobs.read(id, limit as u64).await?;
    bytes.ok_or_else(|| OpError::new(ErrorCode::Storage, format!("blob {id} is not here any more")))
}

fn missing() -> OpError {
    OpError::new(ErrorCode::Internal, "a job was given out before what it needs was there")
}
