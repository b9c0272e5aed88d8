//! How large a task is, and whether it can be proven at all: asked of the worker once per input.

use super::{assumptions, enclave};
use crate::{
    Context, OpError, OpResult,
    capacity::Capacity,
    envelope, metrics,
    ops::programs,
    policy::{self, Judge},
};
use std::{collections::BTreeSet, time::Duration};
use zkpool_chain::Simulated;
use zkpool_protocol::{
    BlobId, Bytes, ErrorCode, PreflightReport, PreflightRequest, ProgramManifest, ProofKind,
    zkvm::{self, MIN_SEGMENT_PO2, segment_memory},
};
use zkpool_store::{InputRecord, Measured, ProgramRecord, TaskRecord};

/// The largest segment that is tried, as a power of two of cycles: larger ones cannot be lifted.
const MAX_TRIED_PO2: u32 = 22;

/// The task's input, which can be proven, and proves the statement that was asked for.
pub(in crate::reconcile) async fn size(ctx: &Context, task: &TaskRecord, judge: Judge<'_>) -> OpResult<InputRecord> {
    let ask = &task.ask;
    let program = programs::known(ctx, ask.program).await?;
    let head = envelope::head(ctx, ask.input).await?;
    if head.program != ask.program {
        let message = format!("the input is for program {}, not {}", head.program, ask.program);
        return Err(OpError::new(ErrorCode::BadInput, message));
    }
    if !head.form.fits(ask.kind) {
        let message = format!(
            "the input is not one for {}: a circuit takes \"inputs\" or \"witness\", a zkVM program \"guest\", an enclave \
             \"enclave\", a bundle \"legs\"",
            ask.kind
        );
        return Err(OpError::new(ErrorCode::BadInput, message));
    }
    if ask.kind == ProofKind::Sgx {
        return enclave::look(ctx, task, head.attached).await;
    }
    let known = ctx.store.input(ask.input).await?;
    let wanted = Wanted {
        trial: needs_trial(ctx, task, judge, known.as_ref()).await?,
        // What was not tried before: other machines may be there by now.
        segment_limits: match ask.kind.is_risc0() {
            true => untried(segment_limits(ctx).await?, known.as_ref()),
            false => vec![],
        },
    };
    let input = match known {
        Some(input) if !wanted.trial && wanted.segment_limits.is_empty() => input,
        known => look(ctx, task, &program, head.attached, judge, &wanted, known.as_ref()).await?,
    };
    assumptions::check(ctx, ask.kind, &input).await?;
    if ask.statement.is_some_and(|wanted| wanted != input.statement) {
        let message = format!(
            "the input proves statement {}, not {}: what it makes public is not what you expect",
            input.statement,
            ask.statement.unwrap_or_default()
        );
        return Err(OpError::new(ErrorCode::WrongPublicInputs, message));
    }
    Ok(input)
}

/// What the worker is to find out besides whether the input can be proven.
struct Wanted {
    trial: bool,
    segment_limits: Vec<u32>,
}

/// A foreign circuit is tried once per input; a verifier whose program is not named, once per program. A zkVM program is
/// what its image id says.
async fn needs_trial(
    ctx: &Context,
    task: &TaskRecord,
    judge: Judge<'_>,
    known: Option<&InputRecord>,
) -> OpResult<bool> {
    if task.ask.kind.is_risc0() {
        return Ok(false);
    }
    let program = task.ask.program;
    let is_foreign = !ctx.config.trusted_programs.contains(&program);
    if is_foreign && !known.is_some_and(|input| input.tried) {
        return Ok(true);
    }
    Ok(match judge {
        Judge::Verifier(allowed) => {
            allowed.program.is_none() && !ctx.store.is_verified_program(allowed.address, program).await?
        }
        // The target itself is the judge: whether it takes this proof only the proof tells.
        Judge::Target => is_foreign,
    })
}

/// The segment sizes that are worth trying: the largest that each machine could prove, and what cuts an execution that
/// they could prove at once into more parts. Fails with `NoProver`.
async fn segment_limits(ctx: &Context) -> OpResult<Vec<u32>> {
    /// Each is a run of the program.
    const MOST: usize = 6;
    let capacity = Capacity::now(ctx).await?;
    let fits = |memory| (MIN_SEGMENT_PO2..=MAX_TRIED_PO2).rev().find(|po2| segment_memory(*po2) <= memory);
    let machines: Vec<u32> = capacity.memories(ProofKind::Risc0Composite).filter_map(fits).collect();
    let Some(most) = machines.iter().max() else {
        let message = format!(
            "none of the {} provers present proves segments of a zkVM execution: the smallest take {} MiB of memory",
            capacity.provers(),
            segment_memory(MIN_SEGMENT_PO2) >> 20
        );
        return Err(OpError::new(ErrorCode::NoProver, message));
    };
    let smaller =
        [*most, most.saturating_sub(1), most.saturating_sub(2)].into_iter().filter(|po2| *po2 >= MIN_SEGMENT_PO2);
    let all: BTreeSet<u32> = machines.iter().copied().chain(smaller).collect();
    Ok(all.into_iter().rev().take(MOST).collect())
}

fn untried(limits: Vec<u32>, known: Option<&InputRecord>) -> Vec<u32> {
    let tried = known.and_then(|input| input.run.as_ref());
    let is_tried = |limit: &u32| tried.is_some_and(|run| run.segmentations.iter().any(|cut| cut.limit == *limit));
    limits.into_iter().filter(|limit| !is_tried(limit)).collect()
}

/// Has the worker look, and checks what it brings back.
async fn look(
    ctx: &Context,
    task: &TaskRecord,
    program: &ProgramRecord,
    attached: Vec<BlobId>,
    judge: Judge<'_>,
    wanted: &Wanted,
    known: Option<&InputRecord>,
) -> OpResult<InputRecord> {
    let ask = &task.ask;
    attached_are_here(ctx, task, &attached).await?;
    let blobs = program.manifest.blobs().into_iter().chain([ask.input]).chain(attached.clone()).collect();
    let request = PreflightRequest {
        program: program.manifest.clone(),
        input: Some(ask.input),
        files: programs::files(ctx, blobs)?,
        trial_proof: wanted.trial,
        segment_limits: wanted.segment_limits.clone(),
        bounds: ctx.worker.bounds(),
    };
    let began = ctx.clock.now();
    let report = ctx.worker.look(request).await;
    metrics::preflight(Duration::from_millis(ctx.clock.now().saturating_sub(began)));
    let report = report?;
    let nothing = || OpError::new(ErrorCode::Internal, "the preflight worker's answer is incomplete");
    let statement = report.statement.ok_or_else(nothing)?;
    if let ProgramManifest::Risc0 { image_id, .. } = program.manifest {
        let run = report.run.as_ref().ok_or_else(nothing)?;
        if statement != zkvm::statement(image_id, &run.journal) || run.segmentations.is_empty() {
            return Err(nothing());
        }
        // The worker compares its own runs; this one may be years after the first.
        if known.is_some_and(|known| known.statement != statement) {
            let message =
                "the program's journal is another one than it was at first: make it a function of the input alone";
            return Err(OpError::new(ErrorCode::GuestFailed, message));
        }
    }
    let input = InputRecord {
        blob: ask.input,
        program: ask.program,
        attached,
        measured: Measured { units: report.units, memory: report.memory },
        statement,
        public_inputs: report.public_inputs.clone(),
        tried: wanted.trial,
        run: report.run.clone(),
    };
    if wanted.trial {
        try_out(ctx, task, program, judge, &input, report).await?;
    }
    ctx.store.put_input(&input, ctx.clock.now()).await?;
    // With what was known before.
    Ok(ctx.store.input(ask.input).await?.unwrap_or(input))
}

/// Whether what an envelope names is here, and the payer brought it. Fails with `UnknownInput`.
pub(super) async fn attached_are_here(ctx: &Context, task: &TaskRecord, attached: &[BlobId]) -> OpResult<()> {
    for blob in attached {
        if !ctx.store.has_uploaded(task.payer, *blob).await? || ctx.blobs.length(*blob).await?.is_none() {
            let message = format!("blob {blob} that the input names is not here: upload it first");
            return Err(OpError::new(ErrorCode::UnknownInput, message));
        }
    }
    Ok(())
}

/// The trial proof must convince everybody whom the real one will have to convince.
async fn try_out(
    ctx: &Context,
    task: &TaskRecord,
    program: &ProgramRecord,
    judge: Judge<'_>,
    input: &InputRecord,
    report: PreflightReport,
) -> OpResult<()> {
    let nothing = || OpError::new(ErrorCode::Internal, "the preflight worker brought no trial proof");
    let proof = report.trial_proof.ok_or_else(nothing)?;
    let (verifier, statement, bytes) = (ctx.verifier(program, task.ask.kind)?, input.statement, proof.clone());
    let verified = tokio::task::spawn_blocking(move || verifier.verify(statement, &bytes)).await;
    let verified = verified
        .map_err(|error| OpError::caused_by(ErrorCode::Internal, "the trial proof could not be checked", error))?;
    verified.map_err(|error| {
        let message = format!("a trial proof does not verify: witness generator and proving key do not fit ({error})");
        OpError::caused_by(ErrorCode::BadWitnessGenerator, message, error)
    })?;
    match judge {
        Judge::Verifier(allowed) => {
            if !ctx.chain.verifies(allowed.address, statement, &proof).await? {
                let message = format!(
                    "verifier {} does not accept proofs of program {}: it holds another key",
                    allowed.address, task.ask.program
                );
                return Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
            }
            ctx.store.note_verified_program(allowed.address, task.ask.program, ctx.clock.now()).await?;
        }
        Judge::Target => call_target(ctx, task, &proof).await?,
    }
    Ok(())
}

/// Target mode: the call, as the contract will make it.
async fn call_target(ctx: &Context, task: &TaskRecord, proof: &Bytes) -> OpResult<()> {
    let ask = &task.ask;
    let fails =
        |why: String| OpError::new(ErrorCode::TargetFails, format!("the target, called with a proof, fails: {why}"));
    let data = match ask.encoder.is_zero() {
        true => ask.call.template(proof),
        false => match ctx.chain.encode(ask.encoder, &ask.call.prefix, proof).await {
            Err(error) if error.revert().is_some() => return Err(fails(format!("its encoder: {error}"))),
            other => other?,
        },
    };
    match ctx.chain.simulate_target(ask.target, data, ask.call_gas).await? {
        Simulated::Ok(_) => Ok(()),
        Simulated::Reverted(revert) => Err(fails(revert.to_string())),
    }
}

/// Whether this operator agrees to who judges, and to the tokens.
pub(in crate::reconcile) fn agreeable<'a>(ctx: &'a Context, task: &TaskRecord) -> OpResult<Judge<'a>> {
    let ask = &task.ask;
    policy::tokens(ctx, ask.reward_token, ask.liability_token)?;
    let judge = policy::judge(ctx, ask.kind, ask.program, ask.verifier, ask.target)?;
    let needs_verifier =
        matches!(ask.kind, ProofKind::Risc0Composite | ProofKind::Risc0Succinct | ProofKind::Sgx | ProofKind::Bundle);
    if judge == Judge::Target && needs_verifier {
        let message = format!("a contract cannot check {} itself: name its verifier (GET /v1/info)", ask.kind);
        return Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
    }
    Ok(judge)
}
