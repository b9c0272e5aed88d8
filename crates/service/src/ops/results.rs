//! What provers return, held against what they were given.

use super::programs;
use crate::{Context, OpError, OpResult};
use zkpool_protocol::{B256, BlobId, Bytes, ErrorCode, JobId, Operation, ProgramManifest};
use zkpool_store::{JobRecord, Role, TaskRecord};
use zkpool_verifiers::{
    VerifyError,
    risc0::{MAX_ASSUMPTION, MAX_RESULT, Step},
    sgx, shown,
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
    if job.job.operation.is_whole() {
        return whole(ctx, task, job, result).await;
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

/// Whether a result is what the contract takes.
///
/// Of a leg it counts if it proves what it shows: whether that is what the other legs show, and what the requester expects,
/// is looked at when they are put together. A sound proof of something else is evidence of more than a bad prover.
async fn whole(ctx: &Context, task: &TaskRecord, job: &JobRecord, result: Bytes) -> OpResult<Result<(), VerifyError>> {
    let program = programs::known(ctx, job.job.program).await?;
    let (_, quote) = task.quote.as_ref().ok_or_else(missing)?;
    let statement = match task.role {
        Role::Leg => match shown(job.job.kind, &result) {
            Ok(output) => program.manifest.statement(output),
            Err(error) => return Ok(Err(error)),
        },
        Role::Own | Role::Rescue => quote.task.statement,
    };
    if let ProgramManifest::Sgx { enclave } = program.manifest {
        return attested(ctx, task, enclave, statement, result).await;
    }
    let verifier = ctx.verifier(&program, job.job.kind)?;
    let aside = |error| OpError::caused_by(ErrorCode::Internal, "the result could not be checked", error);
    tokio::task::spawn_blocking(move || verifier.verify(statement, &result)).await.map_err(aside)
}

/// Whether an enclave that the contract takes now has said this, for this operator to be paid.
async fn attested(
    ctx: &Context,
    task: &TaskRecord,
    enclave: B256,
    statement: B256,
    result: Bytes,
) -> OpResult<Result<(), VerifyError>> {
    let (chain_id, verifier, payee) = (ctx.config.chain_id, task.ask.verifier, ctx.config.operator);
    let read = || {
        let proof = sgx::Proof::decode(&result)?;
        let instance = proof.signer(&sgx::Domain { chain_id, verifier })?;
        proof.check(&sgx::Domain { chain_id, verifier }, enclave, statement, instance)?;
        if proof.payee != payee {
            return Err(VerifyError::Payee { expected: payee, found: proof.payee });
        }
        Ok(instance)
    };
    let instance = match read() {
        Ok(instance) => instance,
        Err(error) => return Ok(Err(error)),
    };
    // Which enclaves are registered, and still count, only the contract knows.
    if ctx.chain.verifies(verifier, statement, &result).await? {
        return Ok(Ok(()));
    }
    if ctx.chain.is_halted(verifier).await? {
        let message = "the enclaves' verifier is halted and takes nothing: send the result again later";
        return Err(OpError::new(ErrorCode::NoCapacity, message));
    }
    Ok(Err(VerifyError::Unregistered { instance }))
}

/// Whether a leg's result, though sound, shows another output than its bundle's.
pub(crate) async fn dissents(ctx: &Context, task: &TaskRecord, job: &JobRecord, result: &[u8]) -> OpResult<bool> {
    if task.role != Role::Leg || !job.job.operation.is_whole() {
        return Ok(false);
    }
    let program = programs::known(ctx, job.job.program).await?;
    let (_, quote) = task.quote.as_ref().ok_or_else(missing)?;
    let output = shown(job.job.kind, result);
    Ok(output.map_or(true, |output| program.manifest.statement(output) != quote.task.statement))
}

/// A blob that must be here.
pub(crate) async fn read(ctx: &Context, id: BlobId, limit: usize) -> OpResult<bytes::Bytes> {
    let bytes = ctx.blobs.read(id, limit as u64).await?;
    bytes.ok_or_else(|| OpError::new(ErrorCode::Storage, format!("blob {id} is not here any more")))
}

fn missing() -> OpError {
    OpError::new(ErrorCode::Internal, "a job was given out before what it needs was there")
}
