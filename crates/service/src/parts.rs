//! What a task consists of: itself, or the legs of a bundle.
//!
//! Whatever is asked of a task before it is promised (how long it takes, what it costs, how long the call that delivers it
//! is, who must sign for it) is asked of its parts.

use crate::{
    Context, OpError, OpResult,
    config::AllowedVerifier,
    envelope::{self, Form},
    ops::programs,
};
use zkpool_chain::alloy::primitives::keccak256;
use zkpool_protocol::{
    B256, ErrorCode, ProgramManifest, ProofKind,
    bundle::{MAX_LEGS, MIN_LEGS, leg_id},
};
use zkpool_store::{Ask, InputRecord, NewLeg, ProgramRecord, TaskRecord};

/// A task's parts.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The task's own input.
    pub(crate) input: InputRecord,
    /// The task itself, or each leg of the bundle in the order of the verifier's.
    pub(crate) all: Vec<Part>,
    /// Whether they are the legs of a bundle, no two of which may have a prover in common.
    pub(crate) independent: bool,
    /// Whether the target is to be sent each leg as it comes.
    pub(crate) early: bool,
}

/// A part that is proven by itself.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What is asked for.
    pub(crate) ask: Ask,
    /// On what.
    pub(crate) input: InputRecord,
    /// With what.
    pub(crate) program: ProgramRecord,
}

impl Part {
    /// The SGX program that its prover needs an enclave of.
    pub(crate) const fn enclave(&self) -> Option<B256> {
        match self.program.manifest {
            ProgramManifest::Sgx { enclave } => Some(enclave),
            _ => None,
        }
    }
}

/// A leg that is to be looked at: what it would be asked for with as a task of its own, and its program.
pub(crate) struct Wanted {
    pub(crate) ask: Ask,
    pub(crate) program: ProgramRecord,
    /// The verifier behind the leg, as the operator allows it.
    pub(crate) verifier: AllowedVerifier,
}

/// How the legs of a bundle are to be made and delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// No two by one prover.
    pub(crate) independent: bool,
    /// Each as it comes, to a target that takes it.
    pub(crate) early: bool,
}

/// The parts of a task whose inputs were looked at. Fails with `Internal` if one was not.
pub(crate) async fn stored(ctx: &Context, ask: &Ask) -> OpResult<Parts> {
    let missing = || OpError::new(ErrorCode::Internal, "a task whose input was never looked at");
    let input = ctx.store.input(ask.input).await?.ok_or_else(missing)?;
    if ask.kind != ProofKind::Bundle {
        let program = programs::known(ctx, ask.program).await?;
        let part = Part { ask: ask.clone(), input: input.clone(), program };
        return Ok(Parts { input, all: vec![part], independent: false, early: false });
    }
    let (wanted, Manner { independent, early }) = legs(ctx, ask).await?;
    let mut all = Vec::with_capacity(wanted.len());
    for Wanted { mut ask, program, .. } in wanted {
        ask.statement = Some(program.manifest.statement(input.statement));
        let input = ctx.store.input(ask.input).await?.ok_or_else(missing)?;
        all.push(Part { ask, input, program });
    }
    Ok(Parts { input, all, independent, early })
}

/// The legs of a bundle as program, envelope and verifier agree on them, and what the envelope wants of them all. Fails
/// with `BadInput`, `VerifierNotAllowed`.
pub(crate) async fn legs(ctx: &Context, ask: &Ask) -> OpResult<(Vec<Wanted>, Manner)> {
    let bad = |message: String| OpError::new(ErrorCode::BadInput, message);
    let program = programs::known(ctx, ask.program).await?;
    let ProgramManifest::Bundle { legs } = &program.manifest else {
        return Err(OpError::new(ErrorCode::Internal, "a bundle whose program is none"));
    };
    let head = envelope::head(ctx, ask.input).await?;
    let Form::Legs { shared_provers, early } = head.form else {
        return Err(bad("the input is not one for a bundle: it names the envelopes of its legs (\"legs\")".into()));
    };
    if head.attached.len() != legs.len() {
        return Err(bad(format!("the input has {} envelopes, the bundle {} legs", head.attached.len(), legs.len())));
    }
    let not_allowed = |message: String| OpError::new(ErrorCode::VerifierNotAllowed, message);
    let policy = ctx.bundle(ask.verifier).await?;
    let policy = policy
        .ok_or_else(|| not_allowed(format!("verifier {} takes no bundles: name a MultiProofVerifier", ask.verifier)))?;
    if policy.legs.len() != legs.len() {
        let message =
            format!("the bundle has {} legs, and verifier {} {}", legs.len(), ask.verifier, policy.legs.len());
        return Err(not_allowed(message));
    }
    let mut all = Vec::with_capacity(legs.len());
    for (place, ((leg, on_chain), input)) in legs.iter().zip(&policy.legs).zip(&head.attached).enumerate() {
        let program = programs::known(ctx, leg.program).await?;
        if keccak256(program.manifest.tag()) != on_chain.kind {
            let message = format!("leg {place} is {}, and verifier {} takes another kind", leg.kind, ask.verifier);
            return Err(not_allowed(message));
        }
        let listed = ctx.config.verifiers.iter();
        let mut listed = listed.filter(|known| known.address == on_chain.verifier && known.kind == leg.kind);
        let known = listed.find(|known| known.program.is_none_or(|only| only == leg.program));
        all.push(Wanted {
            ask: Ask {
                program: leg.program,
                kind: leg.kind,
                input: *input,
                statement: None,
                verifier: on_chain.verifier,
                ..ask.clone()
            },
            program,
            verifier: known.cloned().unwrap_or(AllowedVerifier {
                address: on_chain.verifier,
                kind: leg.kind,
                program: None,
            }),
        });
    }
    Ok((all, Manner { independent: !shared_provers, early }))
}

/// A bundle's program: how many legs it has, that they are of different proof systems, and that each yields what is asked
/// of it. Fails with `BadRequest`.
pub(crate) async fn check_bundle(ctx: &Context, manifest: &ProgramManifest) -> OpResult<()> {
    let ProgramManifest::Bundle { legs } = manifest else { return Ok(()) };
    let bad = |message: String| Err(OpError::new(ErrorCode::BadRequest, message));
    if !(MIN_LEGS..=MAX_LEGS).contains(&legs.len()) {
        return bad(format!("a bundle has {MIN_LEGS} to {MAX_LEGS} legs, not {}", legs.len()));
    }
    let mut systems = Vec::with_capacity(legs.len());
    for leg in legs {
        let program = programs::known(ctx, leg.program).await?.manifest;
        if matches!(program, ProgramManifest::Bundle { .. }) || !program.kinds().contains(&leg.kind) {
            return bad(format!("program {} yields no {} for a bundle", leg.program, leg.kind));
        }
        if systems.contains(&program.tag()) {
            return bad(format!("two legs are {}: what is broken once must not count twice", program.tag()));
        }
        systems.push(program.tag());
    }
    Ok(())
}

/// A leg as the store keeps it: what its bundle was published with, but for its own statement and verifier. `dissent`: it
/// is asked for because legs disagree.
pub(crate) fn new_leg(bundle: &TaskRecord, parts: &Parts, place: usize, round: u32, dissent: bool) -> OpResult<NewLeg> {
    let gone = || OpError::new(ErrorCode::Internal, "a bundle without a quote, or without this leg");
    let (id, quote) = bundle.quote.as_ref().ok_or_else(gone)?;
    let part = parts.all.get(place).ok_or_else(gone)?;
    let leg = u32::try_from(place).map_err(|_| gone())?;
    let mut quote = quote.clone();
    quote.terms.verifier = part.ask.verifier;
    quote.task.statement = part.ask.statement.ok_or_else(gone)?;
    quote.task.input_hash = part.ask.input.into();
    Ok(NewLeg {
        id: leg_id(*id, leg, round),
        leg,
        round,
        independent: parts.independent,
        dissent,
        ask: part.ask.clone(),
        quote,
        units: part.input.measured.units,
        strategy: bundle.strategy(),
    })
}
