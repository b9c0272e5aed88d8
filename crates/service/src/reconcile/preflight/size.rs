//! How large a task is, and whether it can be proven at all: asked of the worker once per input.

use crate::{
    Context, OpError, OpResult, envelope, metrics,
    ops::programs,
    policy::{self, Judge},
};
use std::time::Duration;
use zkpool_chain::Simulated;
use zkpool_protocol::{Bytes, ErrorCode, PreflightReport, PreflightRequest};
use zkpool_store::{InputRecord, Measured, ProgramRecord, TaskRecord};

/// The task's input, which can be proven, and proves the statement that was asked for.
pub(in crate::reconcile) async fn size(ctx: &Context, task: &TaskRecord, judge: Judge<'_>) -> OpResult<InputRecord> {
    let ask = &task.ask;
    let program = programs::known(ctx, ask.program).await?;
    let head = envelope::head(ctx, ask.input).await?;
    if head.program != ask.program {
        let message = format!("the input is for program {}, not {}", head.program, ask.program);
        return Err(OpError::new(ErrorCode::BadInput, message));
    }
    let known = ctx.store.input(ask.input).await?;
    let trial = needs_trial(ctx, task, judge, known.as_ref()).await?;
    let input = match known {
        Some(input) if !trial => input,
        _ => look(ctx, task, &program, head.witness, judge, trial).await?,
    };
    if ask.statement.is_some_and(|wanted| wanted != input.statement) {
        let message = format!(
            "the input proves statement {}, not {}: its public inputs are others than you expect",
            input.statement,
            ask.statement.unwrap_or_default()
        );
        return Err(OpError::new(ErrorCode::WrongPublicInputs, message));
    }
    Ok(input)
}

/// A foreign circuit is tried once per input; a verifier whose program is not named, once per program.
async fn needs_trial(
    ctx: &Context,
    task: &TaskRecord,
    judge: Judge<'_>,
    known: Option<&InputRecord>,
) -> OpResult<bool> {
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

/// Has the worker look, and checks what it brings back.
async fn look(
    ctx: &Context,
    task: &TaskRecord,
    program: &ProgramRecord,
    witness: Option<zkpool_protocol::BlobId>,
    judge: Judge<'_>,
    trial: bool,
) -> OpResult<InputRecord> {
    let ask = &task.ask;
    if let Some(witness) = witness
        && (!ctx.store.has_uploaded(task.payer, witness).await? || ctx.blobs.length(witness).await?.is_none())
    {
        let message = format!("the witness {witness} that the input names is not here: upload it first");
        return Err(OpError::new(ErrorCode::UnknownInput, message));
    }
    let blobs = program.manifest.blobs().into_iter().chain([ask.input]).chain(witness).collect();
    let request = PreflightRequest {
        program: program.manifest.clone(),
        input: Some(ask.input),
        files: programs::files(ctx, blobs)?,
        trial_proof: trial,
        bounds: ctx.worker.bounds(),
    };
    let began = ctx.clock.now();
    let report = ctx.worker.look(request).await;
    metrics::preflight(Duration::from_millis(ctx.clock.now().saturating_sub(began)));
    let report = report?;
    let nothing = || OpError::new(ErrorCode::Internal, "the preflight worker's answer is incomplete");
    let input = InputRecord {
        blob: ask.input,
        program: ask.program,
        witness,
        measured: Measured { units: report.units, memory: report.memory },
        statement: report.statement.ok_or_else(nothing)?,
        public_inputs: report.public_inputs.clone(),
        tried: trial,
    };
    if trial {
        try_out(ctx, task, program, judge, &input, report).await?;
    }
    ctx.store.put_input(&input, ctx.clock.now()).await?;
    Ok(input)
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
    let (verifier, statement, bytes) = (ctx.verifier(program)?, input.statement, proof.clone());
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
    policy::judge(ctx, ask.kind, ask.program, ask.verifier, ask.target)
}
