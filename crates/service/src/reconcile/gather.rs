//! `gather`: compares what the legs of a bundle came to, and puts them together.
//!
//! Nothing is sent before every leg shows the output that was quoted. If one shows another, the bundle is held: what each
//! said is kept, an alarm is raised, and whoever has spoken is asked to be repeated by somebody else.
//!
//! A requester's contract may take legs one by one, as they come (`ILegReceiver`). That is a courtesy: it is tried, and the
//! bundle is delivered all the same.

use super::{calldata, seal, submit::may_be_revealed};
use crate::{
    Change, Context, KeyRole, OpError, OpResult,
    capacity::delivery_seconds,
    metrics,
    ops::results,
    parts::{self, new_leg},
};
use zkpool_bindings::{ILegReceiver, bundle_proof};
use zkpool_chain::{BundlePolicy, Simulated, TxRequest, alloy::sol_types::SolCall};
use zkpool_protocol::{B256, Bytes, ErrorCode, ProofKind, TaskId, TaskState, U256};
use zkpool_store::{LegOf, StoreError, TaskRecord};
use zkpool_verifiers::shown;

/// A leg is repeated at most so often: what was said so many times differently is for people to look into.
const MOST_ROUNDS: u32 = 3;

/// Gas of a leg that a target takes by itself, without what the transaction costs.
pub(super) const EARLY_LEG_GAS: u32 = 500_000;
/// Of the transaction itself.
const ENTRY_GAS: u64 = 21_000;

/// Puts together what can be. What fails is tried again in the next run and holds up no other.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    for task in ctx.store.tasks_in(&[TaskState::Proving]).await? {
        if task.ask.kind != ProofKind::Bundle {
            continue;
        }
        match gather(ctx, &task).await {
            // It ended in the meantime.
            Ok(()) | Err(OpError { code: ErrorCode::NotFound, .. }) => {}
            Err(error) if is_over(&error) => {}
            Err(error) if error.source.as_ref().is_some_and(|source| source.is::<StoreError>()) => return Err(error),
            Err(error) => tracing::warn!(
                task.id = task.id().map(tracing::field::display),
                code = %error.code,
                error = error.chain(),
                "a bundle cannot be put together"
            ),
        }
    }
    Ok(false)
}

fn is_over(error: &OpError) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<StoreError>());
    matches!(source, Some(StoreError::Moved { .. }))
}

/// A bundle that is being proven.
struct Bundle<'a> {
    task: &'a TaskRecord,
    id: TaskId,
    /// What every leg must show.
    output: B256,
    policy: std::sync::Arc<BundlePolicy>,
    /// The last try of each leg, by its place.
    legs: Vec<Leg>,
}

struct Leg {
    of: LegOf,
    task: TaskRecord,
    /// Its proof and what that shows, when it is there.
    said: Option<(Bytes, B256)>,
}

impl<'a> Bundle<'a> {
    async fn of(ctx: &Context, task: &'a TaskRecord) -> OpResult<Self> {
        let broken = || OpError::new(ErrorCode::Internal, "a bundle without quote, verifier or legs");
        let (id, quote) = task.quote.as_ref().ok_or_else(broken)?;
        let policy = ctx.bundle(task.ask.verifier).await?.ok_or_else(broken)?;
        let mut legs: Vec<Leg> = Vec::with_capacity(policy.legs.len());
        for leg in ctx.store.legs_of(task.key).await? {
            let of = leg.leg.ok_or_else(broken)?;
            // By leg and round: a later one takes the place of the one before it.
            legs.retain(|known| known.of.leg != of.leg);
            legs.push(Leg { of, task: leg, said: None });
        }
        if legs.len() != policy.legs.len() {
            return Err(broken());
        }
        for leg in &mut legs {
            if let Some(blob) = leg.task.proof.filter(|_| leg.task.state == TaskState::Proven) {
                let proof: Bytes = results::read(ctx, blob, zkpool_api::MAX_PROOF).await?.into();
                let output = shown(leg.task.ask.kind, &proof).map_err(|error| {
                    OpError::caused_by(ErrorCode::Internal, "a proof that was verified cannot be read", error)
                })?;
                leg.said = Some((proof, output));
            }
        }
        Ok(Self { task, id: *id, output: quote.task.statement, policy, legs })
    }

    fn disagreeing(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.said.as_ref().is_some_and(|(_, output)| *output != self.output))
    }

    /// The bundle's proof: of all legs, or, when time is short, of those that satisfy the verifier's policy.
    fn proof(&self, hurry: bool) -> Option<Bytes> {
        let there = || self.legs.iter().filter(|leg| leg.said.is_some());
        let is_proof = |leg: &Leg| self.policy.legs.get(leg.of.leg as usize).is_some_and(|leg| leg.is_proof);
        let enough = there().count() >= self.policy.threshold as usize && there().any(is_proof);
        if !(enough && (hurry || there().count() == self.legs.len())) {
            return None;
        }
        let proofs = there().filter_map(|leg| {
            let (proof, _) = leg.said.as_ref()?;
            Some((u8::try_from(leg.of.leg).ok()?, proof.clone()))
        });
        Some(bundle_proof(proofs))
    }
}

async fn gather(ctx: &Context, task: &TaskRecord) -> OpResult<()> {
    let bundle = Bundle::of(ctx, task).await?;
    if bundle.disagreeing().next().is_some() {
        return hold(ctx, &bundle).await;
    }
    let head = ctx.chain.head().await?;
    let short = delivery_seconds(ctx).saturating_mul(3).saturating_add(10);
    let hurry = ctx.chain_time(&head).saturating_add(short) >= task.chain.proof_deadline;
    let Some(proof) = bundle.proof(hurry) else {
        if may_be_revealed(ctx, task, &head) {
            early(ctx, &bundle, ctx.chain_time(&head)).await?;
        }
        return Ok(());
    };
    let Some(proof) = accepted(ctx, &bundle, proof).await? else { return Ok(()) };
    let blob = ctx.blobs.put_bytes(proof.0).await?;
    ctx.store.prove_bundle(task.key, blob, ctx.clock.now()).await?;
    tracing::info!(task.id = %bundle.id, legs = bundle.legs.len(), "the legs of a bundle agree: it is proven");
    name_culprits(ctx, &bundle).await?;
    ctx.changes.announce(Change::Task(task.key));
    ctx.nudges.submit.wake();
    Ok(())
}

/// The proof of a proven bundle, if its verifier still takes it. If not, the legs that have lost their worth are made anew;
/// `None` while they are not there.
pub(super) async fn still_good(ctx: &Context, task: &TaskRecord, proof: Bytes) -> OpResult<Option<Bytes>> {
    let bundle = Bundle::of(ctx, task).await?;
    if ctx.chain.verifies(task.ask.verifier, bundle.output, &proof).await? {
        return Ok(Some(proof));
    }
    if bundle.disagreeing().next().is_some() {
        hold(ctx, &bundle).await?;
        return Ok(None);
    }
    let Some(proof) = bundle.proof(false) else { return Ok(None) };
    let Some(proof) = accepted(ctx, &bundle, proof).await? else { return Ok(None) };
    let blob = ctx.blobs.put_bytes(proof.0.clone()).await?;
    ctx.store.replace_proof(task.key, blob).await?;
    tracing::info!(task.id = %bundle.id, "a bundle is put together anew, of legs that count");
    Ok(Some(proof))
}

/// The proof, if the bundle's verifier takes it; or another one, with a leg that is sealed anew. A leg that lost its worth
/// otherwise (an enclave was revoked) is repeated, and nothing is returned.
async fn accepted(ctx: &Context, bundle: &Bundle<'_>, proof: Bytes) -> OpResult<Option<Bytes>> {
    let verifier = bundle.task.ask.verifier;
    if ctx.chain.verifies(verifier, bundle.output, &proof).await? {
        return Ok(Some(proof));
    }
    let (mut proofs, mut lost) = (Vec::new(), false);
    for leg in &bundle.legs {
        let Some((proof, _)) = &leg.said else { continue };
        let place = u8::try_from(leg.of.leg).unwrap_or(u8::MAX);
        let statement = leg.task.ask.statement.unwrap_or_default();
        if ctx.chain.verifies(leg.task.ask.verifier, statement, proof).await? {
            proofs.push((place, proof.clone()));
        } else if leg.task.ask.kind.is_risc0() {
            match seal::still_good(ctx, &leg.task, proof.clone()).await? {
                Some(proof) => proofs.push((place, proof)),
                None => lost = true,
            }
        } else {
            lost = true;
            repeat(ctx, bundle, leg, "its verifier does not take it any more").await?;
        }
    }
    if lost {
        return Ok(None);
    }
    let proof = bundle_proof(proofs);
    if ctx.chain.verifies(verifier, bundle.output, &proof).await? {
        return Ok(Some(proof));
    }
    let message = format!("verifier {verifier} does not take bundle {}, though it takes every leg", bundle.id);
    Err(OpError::new(ErrorCode::ProofInvalid, message))
}

/// Legs disagree: an alarm, and whoever has spoken is repeated by somebody else. Who has not yet is a further voice anyway.
async fn hold(ctx: &Context, bundle: &Bundle<'_>) -> OpResult<()> {
    let odd: Vec<&Leg> = bundle.disagreeing().collect();
    if odd.iter().all(|leg| leg.of.round >= MOST_ROUNDS) {
        // Said often enough: the bundle stays where it is until its deadline, or until people have looked.
        return Ok(());
    }
    for leg in &odd {
        metrics::disagreement(leg.task.ask.kind);
        tracing::error!(
            task.id = %bundle.id,
            leg = leg.of.leg,
            round = leg.of.round,
            kind = %leg.task.ask.kind,
            shows = leg.said.as_ref().map(|(_, output)| tracing::field::display(*output)),
            expected = %bundle.output,
            "a leg's proof is sound and shows another output: nothing is sent, other provers are asked to repeat"
        );
    }
    for leg in bundle.legs.iter().filter(|leg| leg.said.is_some() && leg.of.round < MOST_ROUNDS) {
        let is_odd = odd.iter().any(|odd| odd.of.leg == leg.of.leg);
        let why = if is_odd { "shows another output than the bundle's" } else { "another leg shows another output" };
        repeat(ctx, bundle, leg, why).await?;
    }
    Ok(())
}

async fn repeat(ctx: &Context, bundle: &Bundle<'_>, leg: &Leg, why: &str) -> OpResult<()> {
    let parts = parts::stored(ctx, &bundle.task.ask).await?;
    let next = new_leg(bundle.task, &parts, leg.of.leg as usize, leg.of.round + 1)?;
    ctx.store.repeat_leg(bundle.task.key, &next, why, ctx.clock.now()).await?;
    ctx.changes.announce(Change::Task(bundle.task.key));
    ctx.nudges.plan.wake();
    Ok(())
}

/// Says, once the others agree, whose word it was that differed.
async fn name_culprits(ctx: &Context, bundle: &Bundle<'_>) -> OpResult<()> {
    for leg in ctx.store.legs_of(bundle.task.key).await? {
        let (Some(of), Some(blob)) = (leg.leg, leg.proof) else { continue };
        let proof = results::read(ctx, blob, zkpool_api::MAX_PROOF).await?;
        if shown(leg.ask.kind, &proof).is_ok_and(|output| output == bundle.output) {
            continue;
        }
        let made_by = ctx.store.last_job(leg.key).await?.and_then(|job| job.done_by).map(|prover| prover.to_string());
        tracing::error!(task.id = %bundle.id, leg = of.leg, round = of.round, prover = made_by, "this leg's word was another");
    }
    Ok(())
}

/// Legs that the target takes by themselves, now: each is sent once.
async fn early(ctx: &Context, bundle: &Bundle<'_>, time: u64) -> OpResult<()> {
    let target = bundle.task.ask.target;
    for leg in &bundle.legs {
        let Some((proof, _)) = &leg.said else { continue };
        let purpose = format!("leg:{}:{}:{}", bundle.id, leg.of.leg, leg.of.round);
        if ctx.chain.transaction(&purpose).await?.is_some() {
            continue;
        }
        let Some((from, until)) = ctx.chain.leg_window(target, bundle.output, leg.of.leg).await? else { continue };
        if time < from || time.saturating_add(delivery_seconds(ctx)) >= until {
            continue;
        }
        let call = ILegReceiver::receiveLegCall {
            statement: bundle.output,
            leg: U256::from(leg.of.leg),
            proof: proof.clone(),
        };
        let call = call.abi_encode();
        // A target must not have the operator pay for more than the quote allows for.
        let tried = ctx.chain.simulate_target(target, call.clone().into(), EARLY_LEG_GAS).await?;
        if let Simulated::Reverted(revert) = tried {
            tracing::debug!(task.id = %bundle.id, leg = leg.of.leg, %revert, "the target would not take a leg by itself");
            continue;
        }
        let gas = u64::from(EARLY_LEG_GAS) + ENTRY_GAS + calldata::GAS_PER_BYTE * call.len() as u64;
        let request = TxRequest::call(purpose, target, call).with_gas(gas).not_after(until);
        ctx.chain.enqueue(KeyRole::Signer, request).await?;
        ctx.nudges.submit.wake();
        tracing::info!(task.id = %bundle.id, leg = leg.of.leg, "the target takes a leg before the others");
    }
    Ok(())
}
