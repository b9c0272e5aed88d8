//! A bundle's legs, each looked at as a task of its own, and held against each other: a disagreement that is found here
//! costs nobody anything.

use super::{enclave, size::size};
use crate::{
    Context, OpError, OpResult,
    ops::quotes,
    parts::{self, Manner, Part, Parts, Wanted},
    policy::Judge,
};
use zkpool_protocol::{B256, ErrorCode, ProofKind, bundle};
use zkpool_store::{Ask, InputRecord, Measured, TaskRecord};

/// The parts of a task that can all be proven, and prove what was asked for.
pub(in crate::reconcile) async fn parts(ctx: &Context, task: &TaskRecord, judge: Judge<'_>) -> OpResult<Parts> {
    if task.ask.kind != ProofKind::Bundle {
        let input = size(ctx, task, judge).await?;
        let program = crate::ops::programs::known(ctx, task.ask.program).await?;
        let part = Part { ask: task.ask.clone(), input: input.clone(), program };
        if task.ask.kind == ProofKind::Sgx {
            enclave::trusted(ctx, task)?;
        }
        return Ok(Parts { input, all: vec![part], independent: false, early: false });
    }
    let (wanted, Manner { independent, early }) = parts::legs(ctx, &task.ask).await?;
    let mut output = task.ask.statement;
    let mut all = Vec::with_capacity(wanted.len());
    // Those whose output the input tells first: an enclave's is known when it has run.
    let (enclaves, proofs): (Vec<_>, Vec<_>) =
        wanted.into_iter().enumerate().partition(|(_, leg)| leg.ask.kind == ProofKind::Sgx);
    for (place, Wanted { ask, program, verifier }) in proofs.into_iter().chain(enclaves) {
        quotes::held(ctx, task.payer, ask.input).await?;
        let ask = Ask { statement: output.map(|output| program.manifest.statement(output)), ..ask };
        let leg = TaskRecord { ask, ..task.clone() };
        let input = match size(ctx, &leg, Judge::Verifier(&verifier)).await {
            Err(error) if error.code == ErrorCode::WrongPublicInputs => {
                return Err(disagree(place, &leg.ask, &error));
            }
            input => input?,
        };
        if output.is_none() {
            output = Some(shown(&leg.ask, &input)?);
        }
        all.push((place, leg.ask, input, program));
    }
    let none = || OpError::new(ErrorCode::BadInput, "no leg tells the bundle's output: name its statement");
    let output = output.ok_or_else(none)?;
    all.sort_by_key(|(place, ..)| *place);
    let mut legs = Vec::with_capacity(all.len());
    for (place, mut ask, input, program) in all {
        let statement = program.manifest.statement(output);
        ask.statement = Some(statement);
        let on_chain = ctx.bundle(task.ask.verifier).await?.and_then(|policy| policy.legs.get(place).copied());
        let asked = match on_chain {
            Some(leg) => Some(ctx.chain.leg_statement(task.ask.verifier, leg.leg, output).await?),
            None => None,
        };
        if asked != Some(statement) {
            let message =
                format!("leg {place} of verifier {} is for another program than {}", task.ask.verifier, ask.program);
            return Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
        }
        legs.push(Part { ask, input, program });
    }
    what_enclaves_read(ctx, task, &legs)?;
    let input = InputRecord {
        blob: task.ask.input,
        program: task.ask.program,
        attached: legs.iter().map(|leg| leg.ask.input).collect(),
        measured: Measured {
            units: legs.iter().map(|leg| leg.input.measured.units).sum(),
            memory: legs.iter().map(|leg| leg.input.measured.memory).max().unwrap_or_default(),
        },
        statement: output,
        public_inputs: vec![],
        tried: true,
        run: None,
    };
    ctx.store.put_input(&input, ctx.clock.now()).await?;
    Ok(Parts { input, all: legs, independent, early })
}

/// Enclaves are not run here. What one comes to is known if it reads, byte for byte, what a zkVM program reads that makes
/// the same public and was run; otherwise only the payer says so, who could gain by a leg that never comes to it.
fn what_enclaves_read(ctx: &Context, task: &TaskRecord, legs: &[Part]) -> OpResult<()> {
    let reads = |part: &Part| part.input.attached.first().copied();
    let run: Vec<_> = legs.iter().filter(|part| part.ask.kind.is_risc0()).filter_map(reads).collect();
    let mut enclaves = legs.iter().filter(|part| part.ask.kind == ProofKind::Sgx);
    match enclaves.all(|part| reads(part).is_some_and(|input| run.contains(&input))) {
        true => Ok(()),
        false => enclave::trusted(ctx, task),
    }
}

/// The output that a leg's input comes to. Fails with `BadInput` for a circuit that does not make one public.
fn shown(ask: &Ask, input: &InputRecord) -> OpResult<B256> {
    let output = match (&input.run, &input.public_inputs[..]) {
        (Some(run), _) => Some(bundle::output(&run.journal)),
        (None, [high, low]) => bundle::whole([*high, *low]),
        _ => None,
    };
    output.ok_or_else(|| {
        let message = format!(
            "program {} is no leg of a bundle: a circuit makes two words public, the upper and the lower 128 bits of the \
             journal's SHA-256",
            ask.program
        );
        OpError::new(ErrorCode::BadInput, message)
    })
}

fn disagree(place: usize, ask: &Ask, error: &OpError) -> OpError {
    let message = format!(
        "leg {place} ({}) comes to another output than the legs before it, or than you expect: {}",
        ask.kind, error.message
    );
    OpError::new(ErrorCode::LegsDisagree, message)
}
