//! What the members of committees are asked, and what they say.

use super::programs;
use crate::{Change, Context, OpError, OpResult, chain::Committee, committee, metrics};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use zkpool_api::{
    AttestationReply, AttestationRequest, AttestationsQuery, AttestationsReply, MAX_ATTESTATION_WAIT,
    MAX_OPEN_ATTESTATIONS, OpenAttestation,
};
use zkpool_chain::alloy::primitives::Signature;
use zkpool_protocol::{Address, B256, Bytes, ErrorCode, ProgramManifest, TaskState};
use zkpool_store::{AttestationRecord, TaskRecord};

/// Longest pause between two looks of a member that waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Receipts that wait for the signature of `who`; waits up to `query.wait` for the first one. Fails with `Forbidden` (not
/// a member), `VerifierNotAllowed`.
pub async fn open_attestations(ctx: &Context, who: Address, query: AttestationsQuery) -> OpResult<AttestationsReply> {
    let end = Instant::now() + Duration::from_secs(query.wait.min(MAX_ATTESTATION_WAIT).into());
    // Before the first look: what changes after it is not missed.
    let mut news = ctx.changes.listen();
    if !ctx.config.verifiers.iter().any(|allowed| allowed.address == query.verifier) {
        let message = format!("this operator does not sign for verifier {}", query.verifier);
        return Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
    }
    member_of(ctx, query.verifier, who).await?;
    loop {
        ctx.status.member_is_there(query.verifier, who, ctx.clock.now());
        let open = look(ctx, &query, who).await?;
        if !open.is_empty() || Instant::now() >= end {
            return Ok(AttestationsReply { open });
        }
        let receipt = async { while matches!(news.recv().await, Ok(change) if change != Change::Receipts) {} };
        let _ = tokio::time::timeout_at(end.min(Instant::now() + LOOK_AGAIN), receipt).await;
    }
}

/// Takes a member's signature. One that is for something else is refused, counted, and kept as evidence against its
/// member; the same one again is accepted again. Fails with `NotFound` (no receipt waits), `Forbidden`, `ProofInvalid`.
pub async fn attest(ctx: &Context, who: Address, request: AttestationRequest) -> OpResult<AttestationReply> {
    let taken = take(ctx, who, request).await;
    metrics::attestation(taken.as_ref().map(|_| ()).map_err(|error| error.code));
    taken
}

async fn take(ctx: &Context, who: Address, request: AttestationRequest) -> OpResult<AttestationReply> {
    let not_found = || {
        let message = format!("no receipt of task {} waits for a signature here", request.task);
        OpError::new(ErrorCode::NotFound, message)
    };
    let task = ctx.store.task(request.task).await?.ok_or_else(not_found)?;
    let committee = member_of(ctx, task.ask.verifier, who).await?;
    let Some(receipt) = task.receipt else { return Err(not_found()) };
    let Proven { image_id, journal } = proven(ctx, &task).await?.ok_or_else(not_found)?;
    let expected = committee::attestation(image_id, &journal, receipt);
    let domain = committee::domain(ctx, task.ask.verifier);
    // Only the form that the contract takes: s in the lower half, v 27 or 28.
    let signature = (request.signature.len() == 65).then(|| Signature::from_raw(&request.signature).ok()).flatten();
    let signature = signature.filter(|signature| signature.normalize_s().is_none());
    let digest = expected.digest(&domain);
    let signer = signature.and_then(|signature| signature.recover_address_from_prehash(&digest).ok());
    let honest = signer == Some(who) && request.receipt == receipt;
    let record = AttestationRecord {
        signer: who,
        honest,
        image_id,
        journal_digest: expected.journalDigest,
        // What it was sent as: a signature for another receipt is evidence of that.
        receipt_hash: if honest { receipt.into() } else { B256::from(request.receipt) },
        signature: signature.map(|signature| signature.as_bytes().to_vec()).unwrap_or_default(),
        at: ctx.clock.now(),
    };
    if ctx.store.put_attestation(task.key, &record).await? {
        ctx.changes.announce(Change::Task(task.key));
    }
    if !honest {
        tracing::warn!(task.id = %request.task, member = %who, "a member of a committee has signed something else");
        let message = format!(
            "this is no signature of {who} for this receipt: it signs Attestation(imageId {image_id}, journalDigest {}, \
             receiptHash {}), whose digest is {digest}",
            expected.journalDigest, expected.receiptHash
        );
        return Err(OpError::new(ErrorCode::ProofInvalid, message));
    }
    ctx.nudges.seal.wake();
    ctx.nudges.submit.wake();
    let signatures = ctx.store.attestations_of(task.key).await?.iter().filter(|said| said.honest).count();
    Ok(AttestationReply { signatures: u32::try_from(signatures).unwrap_or(u32::MAX), threshold: committee.threshold })
}

async fn member_of(ctx: &Context, verifier: Address, who: Address) -> OpResult<Arc<Committee>> {
    let committee = ctx.committee(verifier).await?;
    committee.filter(|committee| committee.members.contains(&who)).ok_or_else(|| {
        OpError::new(ErrorCode::Forbidden, format!("{who} is not a member of a committee at {verifier}"))
    })
}

async fn look(ctx: &Context, query: &AttestationsQuery, who: Address) -> OpResult<Vec<OpenAttestation>> {
    // A task that is over keeps its deadline, and so its place in the order.
    let after = match query.after {
        Some(task) => ctx.store.task(task).await?.map(|known| (known.chain.proof_deadline, task)),
        None => None,
    };
    let unsigned = ctx.status.unsigned();
    let mut tasks = ctx.store.work_in(&[TaskState::Proving, TaskState::Proven]).await?;
    tasks.retain(|task| {
        let waits = task.state == TaskState::Proving || unsigned.contains(&task.key);
        let place = task.id().map(|id| (task.chain.proof_deadline, id));
        waits && task.ask.verifier == query.verifier && task.receipt.is_some() && place > after
    });
    tasks.sort_by_key(|task| (task.chain.proof_deadline, task.id()));
    let mut open = Vec::new();
    for task in tasks {
        if open.len() == MAX_OPEN_ATTESTATIONS {
            break;
        }
        let (Some(id), Some(receipt)) = (task.id(), task.receipt) else { continue };
        let said = ctx.store.attestations_of(task.key).await?;
        if said.iter().any(|said| said.signer == who && said.honest) {
            continue;
        }
        let Some(Proven { image_id, journal }) = proven(ctx, &task).await? else { continue };
        let Some(size) = ctx.blobs.length(receipt).await? else { continue };
        let (kind, deadline) = (task.ask.kind, task.chain.proof_deadline);
        open.push(OpenAttestation { task: id, kind, image_id, journal, receipt, size, deadline });
    }
    Ok(open)
}

/// What a receipt proves.
struct Proven {
    image_id: B256,
    journal: Bytes,
}

async fn proven(ctx: &Context, task: &TaskRecord) -> OpResult<Option<Proven>> {
    let ProgramManifest::Risc0 { image_id, .. } = programs::known(ctx, task.ask.program).await?.manifest else {
        return Ok(None);
    };
    let run = ctx.store.input(task.ask.input).await?.and_then(|input| input.run);
    Ok(run.map(|run| Proven { image_id, journal: run.journal }))
}
