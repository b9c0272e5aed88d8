//! `seal`: puts the receipts of zkVM tasks together, and makes of them what the contract takes.
//!
//! The receipt is verified whole before it counts, and durable before anybody is asked to sign it.

use crate::{
    Change, Context, OpError, OpResult,
    backoff::Pauses,
    ops::{programs, results},
};
use std::time::Duration;
use zkpool_bindings::committee_seal;
use zkpool_chain::alloy::primitives::{Address, Signature};
use zkpool_protocol::{B256, BlobId, Bytes, ErrorCode, JobState, Operation, ProgramManifest, ProofKind, TaskState};
use zkpool_store::{InputRecord, JobRecord, TaskRecord};
use zkpool_verifiers::risc0::{self, MAX_ASSUMPTION, MAX_RESULT, ProofBytes, ReceiptError};

/// Before a task is sealed again that could not be.
const PAUSES: Pauses = Pauses {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    hopeless: (10, Duration::from_secs(300)),
};

/// Seals what can be sealed. What fails is left alone for a while and holds up no other; only without the store nothing
/// can go on.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let tasks = ctx.store.work_in(&[TaskState::Proving]).await?;
    let mut unsealed = ctx.unsealed.lock().await;
    unsealed.keep(|key| tasks.iter().any(|task| task.key == key));
    for task in tasks {
        if !task.planned || !task.ask.kind.is_risc0() || !unsealed.may(task.key) {
            continue;
        }
        let Some(last) = ctx.store.last_job(task.key).await? else { continue };
        if last.job.operation != Operation::Seal || last.state != JobState::Ready {
            continue;
        }
        match seal(ctx, &task, &last).await {
            Ok(()) => unsealed.forget(task.key),
            // It ended in the meantime.
            Err(error) if error.is_over() => {}
            Err(error) if error.is_store_fault() => return Err(error),
            Err(error) => {
                let pause = unsealed.failed(task.key, &PAUSES);
                tracing::warn!(
                    task.id = %last.id.task,
                    code = %error.code,
                    error = error.chain(),
                    again_in_s = pause.as_secs(),
                    "a task cannot be sealed"
                );
            }
        }
    }
    Ok(false)
}

/// What a receipt is of.
struct Claimed {
    kind: ProofKind,
    image_id: B256,
    input: InputRecord,
}

async fn seal(ctx: &Context, task: &TaskRecord, last: &JobRecord) -> OpResult<()> {
    let claimed = Claimed::of(ctx, task).await?;
    let committee = match task.ask.verifier.is_zero() {
        true => None,
        false => ctx.committee(task.ask.verifier).await?,
    };
    let receipt = match task.receipt {
        Some(receipt) => receipt,
        None => {
            let receipt = assemble(ctx, task, last, &claimed).await?;
            ctx.store.put_receipt(task.key, receipt).await?;
            tracing::info!(task.id = %last.id.task, %receipt, "a task's receipt is complete");
            ctx.changes.announce(Change::Task(task.key));
            ctx.changes.announce(Change::Receipts);
            receipt
        }
    };
    let seal = match committee {
        Some(committee) => signed(ctx, task, receipt, committee.threshold).await?,
        None => Some(wrapped(ctx, task, last, &claimed).await?),
    };
    let Some(seal) = seal else { return Ok(()) };
    let proof = claimed.proof(&seal)?;
    accepted(ctx, task, &claimed, &proof).await?;
    let blob = ctx.blobs.put_bytes(proof.0).await?;
    ctx.store.complete_own_job(last.id, blob, ctx.clock.now()).await?;
    tracing::info!(task.id = %last.id.task, "a task is proven");
    ctx.changes.announce(Change::Task(task.key));
    ctx.nudges.gather.wake();
    ctx.nudges.submit.wake();
    Ok(())
}

/// The proof of a proven task, if the contract still takes it. Signatures can lose their worth: a member is slashed, or has
/// left. Then it is another, of those that count now; `None` while they are too few, and members are asked for more.
pub(super) async fn still_good(ctx: &Context, task: &TaskRecord, proof: Bytes) -> OpResult<Option<Bytes>> {
    let verifier = task.ask.verifier;
    let (false, true, Some(receipt)) = (verifier.is_zero(), task.ask.kind.is_risc0(), task.receipt) else {
        return Ok(Some(proof));
    };
    let Some(committee) = ctx.committee(verifier).await? else { return Ok(Some(proof)) };
    let claimed = Claimed::of(ctx, task).await?;
    if ctx.chain.verifies(verifier, claimed.input.statement, &proof).await? {
        ctx.status.wants_signatures(task.key, false);
        return Ok(Some(proof));
    }
    let id = task.id().unwrap_or_default();
    if let Some(seal) = signed(ctx, task, receipt, committee.threshold).await? {
        let proof = claimed.proof(&seal)?;
        if ctx.chain.verifies(verifier, claimed.input.statement, &proof).await? {
            let blob = ctx.blobs.put_bytes(proof.0.clone()).await?;
            ctx.store.replace_proof(task.key, blob).await?;
            ctx.status.wants_signatures(task.key, false);
            tracing::info!(task.id = %id, "a task is sealed anew, by members whose signatures count");
            return Ok(Some(proof));
        }
    }
    if ctx.status.wants_signatures(task.key, true) {
        tracing::warn!(task.id = %id, "the committee's signatures do not count any more: others are asked for theirs");
        ctx.changes.announce(Change::Receipts);
    }
    Ok(None)
}

impl Claimed {
    async fn of(ctx: &Context, task: &TaskRecord) -> OpResult<Self> {
        let missing = || OpError::new(ErrorCode::Internal, "a zkVM task whose input was never looked at");
        let program = programs::known(ctx, task.ask.program).await?;
        let ProgramManifest::Risc0 { image_id, .. } = program.manifest else { return Err(missing()) };
        let input = ctx.store.input(task.ask.input).await?.ok_or_else(missing)?;
        Ok(Self { kind: task.ask.kind, image_id, input })
    }

    /// What the contract takes, with this seal.
    fn proof(&self, seal: &Bytes) -> OpResult<Bytes> {
        let journal = self.journal()?.to_vec();
        Ok(ProofBytes { image: self.image_id, journal, seal: seal.to_vec() }.encode().into())
    }

    fn journal(&self) -> OpResult<&Bytes> {
        let none = || OpError::new(ErrorCode::Internal, "a zkVM task whose journal is not known");
        self.input.run.as_ref().map(|run| &run.journal).ok_or_else(none)
    }
}

/// Puts the receipt together, verifies it whole, and stores it.
async fn assemble(ctx: &Context, task: &TaskRecord, last: &JobRecord, claimed: &Claimed) -> OpResult<BlobId> {
    let parts = parts(ctx, task, last).await?;
    let mut assumptions = Vec::new();
    if claimed.kind == ProofKind::Risc0Composite {
        for id in claimed.input.attached.iter().skip(1) {
            assumptions.push(results::read(ctx, *id, MAX_ASSUMPTION).await?);
        }
    }
    let (kind, image, journal) = (claimed.kind, claimed.image_id, claimed.journal()?.clone());
    let made = tokio::task::spawn_blocking(move || {
        let receipt = match (kind, &parts[..]) {
            (ProofKind::Risc0Composite, _) => risc0::composite(&parts, &assumptions, &journal)?,
            (ProofKind::Risc0Succinct, [root]) => risc0::succinct(root, &journal)?,
            (ProofKind::Risc0Groth16, [wrap]) => risc0::groth16(wrap, image, &journal)?.0,
            _ => return Err(ReceiptError::Inputs { operation: Operation::Seal, found: parts.len() }),
        };
        risc0::verify_receipt(kind, &receipt, image, &journal)?;
        Ok(receipt)
    });
    let made = made.await.map_err(|error| OpError::caused_by(ErrorCode::Internal, "a receipt was not made", error))?;
    let receipt = made.map_err(|error| {
        let message = format!("the receipt of task {} does not come out: {error}", task.id().unwrap_or_default());
        OpError::caused_by(ErrorCode::Internal, message, error)
    })?;
    Ok(ctx.blobs.put_bytes(receipt.into()).await?)
}

/// The results that the seal takes, in order.
async fn parts(ctx: &Context, task: &TaskRecord, last: &JobRecord) -> OpResult<Vec<bytes::Bytes>> {
    let jobs = ctx.store.jobs_of(task.key).await?;
    let gone = || OpError::new(ErrorCode::Internal, "a result that the seal takes is not there");
    let mut parts = Vec::with_capacity(last.job.needs.len());
    for index in &last.job.needs {
        let result = jobs.get(*index as usize).and_then(|job| job.result).ok_or_else(gone)?;
        parts.push(results::read(ctx, result, MAX_RESULT).await?);
    }
    Ok(parts)
}

/// A Groth16 receipt's own seal.
async fn wrapped(ctx: &Context, task: &TaskRecord, last: &JobRecord, claimed: &Claimed) -> OpResult<Bytes> {
    let no_seal = || {
        let message = format!("a {} receipt is sealed by a committee, and the verifier is none", task.ask.kind);
        OpError::new(ErrorCode::VerifierNotAllowed, message)
    };
    let parts = parts(ctx, task, last).await?;
    match (claimed.kind, &parts[..]) {
        (ProofKind::Risc0Groth16, [wrap]) => {
            let made = risc0::groth16(wrap, claimed.image_id, claimed.journal()?);
            let (_, proof) =
                made.map_err(|error| OpError::caused_by(ErrorCode::Internal, "a Groth16 receipt has no seal", error))?;
            Ok(proof.seal.into())
        }
        _ => Err(no_seal()),
    }
}

/// The signatures of enough members, if they are there. A member whose word does not count any more is left out.
async fn signed(ctx: &Context, task: &TaskRecord, receipt: BlobId, threshold: u32) -> OpResult<Option<Bytes>> {
    let threshold = threshold as usize;
    let said = ctx.store.attestations_of(task.key).await?;
    let honest: Vec<_> =
        said.into_iter().filter(|said| said.honest && BlobId::from(said.receipt_hash) == receipt).collect();
    if honest.len() < threshold {
        return Ok(None);
    }
    let mut signatures: Vec<(Address, Signature)> = Vec::with_capacity(threshold);
    for said in honest {
        if signatures.len() == threshold {
            break;
        }
        let signature = Signature::from_raw(&said.signature);
        if let Ok(signature) = signature
            && ctx.chain.is_live_member(task.ask.verifier, said.signer).await?
        {
            signatures.push((said.signer, signature));
        }
    }
    if signatures.len() < threshold {
        return Ok(None);
    }
    let domain = crate::committee::domain(ctx, task.ask.verifier);
    Ok(Some(committee_seal(&domain, receipt.into(), &signatures)))
}

/// Whether the contract takes the proof, before the task counts as proven.
async fn accepted(ctx: &Context, task: &TaskRecord, claimed: &Claimed, proof: &Bytes) -> OpResult<()> {
    if task.ask.verifier.is_zero() {
        return Ok(());
    }
    if ctx.chain.verifies(task.ask.verifier, claimed.input.statement, proof).await? {
        return Ok(());
    }
    let message = format!(
        "verifier {} does not accept the sealed proof of task {}",
        task.ask.verifier,
        task.id().unwrap_or_default()
    );
    Err(OpError::new(ErrorCode::ProofInvalid, message))
}
