//! Committees: whether one signs for a task, and what its members sign.

use crate::{Context, OpError, OpResult, capacity::presence, ops::programs, parts::Parts};
use sha2::{Digest, Sha256};
use zkpool_bindings::{CommitteeVerifier::Attestation, committee_domain};
use zkpool_chain::alloy::{primitives::Address, sol_types::Eip712Domain};
use zkpool_protocol::{B256, BlobId, ErrorCode, ProgramManifest, ProofKind};
use zkpool_store::{Ask, InputRecord};

/// In which the members of a committee on this service's chain sign.
pub(crate) fn domain(ctx: &Context, committee: Address) -> Eip712Domain {
    committee_domain(ctx.config.chain_id, committee)
}

/// What is signed for a receipt.
pub(crate) fn attestation(image_id: B256, journal: &[u8], receipt: BlobId) -> Attestation {
    let digest: [u8; 32] = Sha256::digest(journal).into();
    Attestation { imageId: image_id, journalDigest: digest.into(), receiptHash: receipt.into() }
}

/// Whether the committees that are to sign for a task would.
pub(crate) async fn would_sign(ctx: &Context, parts: &Parts) -> OpResult<()> {
    for part in &parts.all {
        would_sign_for(ctx, &part.ask, &part.input).await?;
    }
    Ok(())
}

/// Whether the committee would sign for this, if one is to: it vouches for the program, takes its journal, and enough of
/// its members are there. Asked before anything is promised. Fails with `VerifierNotAllowed`, `BadInput`, `NoCommittee`.
async fn would_sign_for(ctx: &Context, ask: &Ask, input: &InputRecord) -> OpResult<()> {
    if !ask.kind.is_risc0() || ask.verifier.is_zero() {
        return Ok(());
    }
    let Some(committee) = ctx.committee(ask.verifier).await? else {
        if ask.kind == ProofKind::Risc0Groth16 {
            return Ok(());
        }
        let message =
            format!("a contract cannot check {} itself, and verifier {} is no committee", ask.kind, ask.verifier);
        return Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
    };
    let program = programs::known(ctx, ask.program).await?;
    if let ProgramManifest::Risc0 { image_id, .. } = program.manifest {
        let Some(question) = ctx.chain.question_bytes(ask.verifier, image_id).await? else {
            let message = format!("committee {} does not vouch for image {image_id}", ask.verifier);
            return Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
        };
        let journal = input.run.as_ref().map_or(0, |run| run.journal.len());
        if (journal as u64) < u64::from(question) {
            let message = format!(
                "the program makes {journal} bytes public, and to committee {} the first {question} are the question: no \
                 honest member would sign",
                ask.verifier
            );
            return Err(OpError::new(ErrorCode::BadInput, message));
        }
    }
    let since = presence(ctx, ctx.clock.now());
    let there =
        committee.members.iter().filter(|member| ctx.status.member_was_there(ask.verifier, **member, since)).count();
    if there < committee.threshold as usize {
        let message = format!(
            "{there} members of committee {} are there, and {} must sign: try again later",
            ask.verifier, committee.threshold
        );
        return Err(OpError::new(ErrorCode::NoCommittee, message));
    }
    Ok(())
}
