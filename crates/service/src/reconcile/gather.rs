//! `gather`: compares what the legs of a bundle came to, and puts them together.
//!
//! Nothing is sent before every leg shows the output that was quoted. If one shows another, the bundle is in dispute until
//! somebody else has shown the right one in its place: what each said is kept, an alarm is raised, and whoever has spoken is
//! asked to be repeated by somebody else.
//!
//! A requester's contract may take legs one by one, as they come (`ILegReceiver`). That is a courtesy: it is tried, and the
//! bundle is delivered all the same.

use super::{calldata, isolated, seal, submit::may_be_revealed};
use crate::{
    Change, Context, KeyRole, OpError, OpResult,
    capacity::delivery_seconds,
    metrics,
    ops::results,
    parts::{self, Parts, new_leg},
};
use std::{collections::BTreeSet, sync::Arc};
use zkpool_bindings::{ILegReceiver, bundle_proof};
use zkpool_chain::{BundlePolicy, Simulated, TxRequest, alloy::sol_types::SolCall};
use zkpool_protocol::{B256, Bytes, ErrorCode, ProofKind, TaskId, TaskState, U256};
use zkpool_store::{LegOf, TaskRecord};
use zkpool_verifiers::shown;

/// For so many disagreements a leg is repeated: what was then said differently again is for people to look into.
const MOST_DISSENTS: usize = 3;
/// A leg is tried at most so often, for whatever reasons.
const MOST_TRIES: usize = 16;

/// Puts together what can be. What fails is tried again in the next run and holds up no other.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    for task in ctx.store.tasks_in(&[TaskState::Proving, TaskState::Proven]).await? {
        if task.ask.kind != ProofKind::Bundle {
            continue;
        }
        isolated(&task, "putting a bundle together", gather(ctx, &task).await)?;
    }
    Ok(false)
}

/// A bundle that is being proven, or waits to be delivered.
struct Bundle<'a> {
    task: &'a TaskRecord,
    id: TaskId,
    /// What every leg must show.
    output: B256,
    policy: Arc<BundlePolicy>,
    /// By their places.
    legs: Vec<Leg>,
}

/// All that was said of a leg.
struct Leg {
    /// By round; never empty.
    tries: Vec<Try>,
}

struct Try {
    of: LegOf,
    task: TaskRecord,
    /// Its proof and what that shows, when it is there.
    said: Option<(Bytes, B256)>,
}

impl Leg {
    /// The last try, unless nothing has come of it yet.
    fn spoken(&self) -> Option<(&Try, &Bytes)> {
        let last = self.tries.last().filter(|last| last.task.state == TaskState::Proven)?;
        last.said.as_ref().map(|(proof, _)| (last, proof))
    }

    /// What the bundle can be made of: the last try, or, in a hurry, the newest before it that shows the output, as nobody
    /// may be there to make another.
    fn usable(&self, output: B256, hurry: bool) -> Option<(&Try, &Bytes)> {
        let shows = |attempt: &'_ Try| attempt.said.as_ref().is_some_and(|(_, shown)| *shown == output);
        let earlier = || self.tries.iter().rev().filter(|_| hurry).find(|attempt| shows(attempt));
        self.spoken().or_else(|| earlier().and_then(|attempt| Some((attempt, &attempt.said.as_ref()?.0))))
    }

    /// How many tries were asked for because legs disagreed.
    fn dissents(&self) -> usize {
        self.tries.iter().filter(|attempt| attempt.of.dissent).count()
    }

    /// Whether the last that was said of it is another output than this.
    fn is_in_dispute(&self, output: B256) -> bool {
        let mut said = self.tries.iter().rev().filter_map(|attempt| attempt.said.as_ref());
        said.next().is_some_and(|(_, shown)| *shown != output)
    }
}

impl<'a> Bundle<'a> {
    async fn of(ctx: &Context, task: &'a TaskRecord) -> OpResult<Self> {
        let broken = || OpError::new(ErrorCode::Internal, "a bundle without quote, verifier or legs");
        let (id, quote) = task.quote.as_ref().ok_or_else(broken)?;
        let policy = ctx.bundle(task.ask.verifier).await?.ok_or_else(broken)?;
        let mut legs: Vec<Leg> = policy.legs.iter().map(|_| Leg { tries: vec![] }).collect();
        for leg in ctx.store.legs_of(task.key).await? {
            let of = leg.leg.ok_or_else(broken)?;
            let said = said(ctx, &leg).await?;
            let place = legs.get_mut(of.leg as usize).ok_or_else(broken)?;
            place.tries.push(Try { of, task: leg, said });
        }
        if legs.iter().any(|leg| leg.tries.is_empty()) {
            return Err(broken());
        }
        Ok(Self { task, id: *id, output: quote.task.statement, policy, legs })
    }

    /// Whether nobody was asked for this leg after it.
    fn is_last(&self, attempt: &Try) -> bool {
        let legs = self.legs.get(attempt.of.leg as usize);
        legs.and_then(|leg| leg.tries.last()).is_some_and(|last| last.of.round == attempt.of.round)
    }

    fn is_in_dispute(&self) -> bool {
        self.legs.iter().any(|leg| leg.is_in_dispute(self.output))
    }

    /// Whether these legs are enough: all of them, or, in a hurry, what satisfies the verifier's policy.
    fn suffice(&self, places: &BTreeSet<u32>, hurry: bool) -> bool {
        let is_proof = |place: &u32| self.policy.legs.get(*place as usize).is_some_and(|leg| leg.is_proof);
        let enough = places.len() >= self.policy.threshold as usize && places.iter().any(is_proof);
        enough && (hurry || places.len() == self.legs.len())
    }
}

/// A leg's proof, if there is one, and what it shows.
async fn said(ctx: &Context, leg: &TaskRecord) -> OpResult<Option<(Bytes, B256)>> {
    let Some(blob) = leg.proof else { return Ok(None) };
    let proof: Bytes = results::read(ctx, blob, zkpool_api::MAX_PROOF).await?.into();
    let output = shown(leg.ask.kind, &proof)
        .map_err(|error| OpError::caused_by(ErrorCode::Internal, "a proof that was verified cannot be read", error))?;
    Ok(Some((proof, output)))
}

async fn gather(ctx: &Context, task: &TaskRecord) -> OpResult<()> {
    let bundle = Bundle::of(ctx, task).await?;
    if bundle.is_in_dispute() {
        return hold(ctx, &bundle).await;
    }
    if task.state == TaskState::Proven {
        return Ok(());
    }
    let head = ctx.chain.head().await?;
    let time = ctx.chain_time(&head);
    let short = delivery_seconds(ctx).saturating_mul(3).saturating_add(10);
    let hurry = time.saturating_add(short) >= task.chain.proof_deadline;
    let Some(proof) = assemble(ctx, &bundle, hurry).await? else {
        if may_be_revealed(ctx, task, &head) {
            early(ctx, &bundle, time).await?;
        }
        return Ok(());
    };
    let blob = ctx.blobs.put_bytes(proof.0).await?;
    ctx.store.prove_bundle(task.key, blob, ctx.clock.now()).await?;
    tracing::info!(task.id = %bundle.id, legs = bundle.legs.len(), "the legs of a bundle agree: it is proven");
    name_culprits(ctx, &bundle).await?;
    ctx.changes.announce(Change::Task(task.key));
    ctx.nudges.submit.wake();
    Ok(())
}

/// The proof of a proven bundle, if it is undisputed and its verifier still takes it. If not, it is put together anew of what
/// counts, and the legs that have lost their worth are repeated; `None` while that is too little.
pub(super) async fn still_good(ctx: &Context, task: &TaskRecord, proof: Bytes) -> OpResult<Option<Bytes>> {
    let bundle = Bundle::of(ctx, task).await?;
    if bundle.is_in_dispute() {
        hold(ctx, &bundle).await?;
        return Ok(None);
    }
    if ctx.chain.verifies(task.ask.verifier, bundle.output, &proof).await? {
        return Ok(Some(proof));
    }
    // It is due: what the policy asks for will do.
    let Some(proof) = assemble(ctx, &bundle, true).await? else { return Ok(None) };
    let blob = ctx.blobs.put_bytes(proof.0.clone()).await?;
    ctx.store.replace_proof(task.key, blob).await?;
    tracing::info!(task.id = %bundle.id, "a bundle is put together anew, of legs that count");
    Ok(Some(proof))
}

/// The bundle's proof, of the legs that count now. Those that have lost their worth (an enclave was revoked, a member of a
/// committee has left) are sealed anew or repeated; `None` while the others are too few.
async fn assemble(ctx: &Context, bundle: &Bundle<'_>, hurry: bool) -> OpResult<Option<Bytes>> {
    let usable = || bundle.legs.iter().filter_map(|leg| leg.usable(bundle.output, hurry));
    if !bundle.suffice(&usable().map(|(leg, _)| leg.of.leg).collect(), hurry) {
        return Ok(None);
    }
    let (mut good, mut lost) = (Vec::new(), Vec::new());
    for (leg, proof) in usable() {
        let (ask, place) = (&leg.task.ask, u8::try_from(leg.of.leg).unwrap_or(u8::MAX));
        if ctx.chain.verifies(ask.verifier, ask.statement.unwrap_or_default(), proof).await? {
            good.push((place, proof.clone()));
        } else if ask.kind.is_risc0() {
            good.extend(seal::still_good(ctx, &leg.task, proof.clone()).await?.map(|proof| (place, proof)));
        } else if bundle.is_last(leg) && !ctx.chain.is_halted(ask.verifier).await? {
            // A halted verifier takes nothing, whoever made it.
            lost.push(leg.of.leg);
        }
    }
    repeat(ctx, bundle, &lost, false, |_| "its verifier does not take it any more").await?;
    if !bundle.suffice(&good.iter().map(|(place, _)| u32::from(*place)).collect(), hurry) {
        return Ok(None);
    }
    let (verifier, proof) = (bundle.task.ask.verifier, bundle_proof(good));
    if ctx.chain.verifies(verifier, bundle.output, &proof).await? {
        return Ok(Some(proof));
    }
    let message = format!("verifier {verifier} does not take bundle {}, though it takes every leg", bundle.id);
    Err(OpError::new(ErrorCode::ProofInvalid, message))
}

/// Legs disagree: an alarm, and whoever has spoken is repeated by somebody else. Who has not yet is a further voice anyway.
async fn hold(ctx: &Context, bundle: &Bundle<'_>) -> OpResult<()> {
    let differs = |attempt: &&Try| attempt.said.as_ref().is_some_and(|(_, shown)| *shown != bundle.output);
    for odd in bundle.legs.iter().flat_map(|leg| leg.tries.iter().filter(differs)) {
        if !ctx.status.dissents(odd.task.key) {
            continue;
        }
        metrics::disagreement(odd.task.ask.kind);
        tracing::error!(
            task.id = %bundle.id,
            leg = odd.of.leg,
            round = odd.of.round,
            kind = %odd.task.ask.kind,
            shows = odd.said.as_ref().map(|(_, output)| tracing::field::display(*output)),
            expected = %bundle.output,
            "a leg's proof is sound and shows another output: nothing is sent, other provers are asked to repeat"
        );
    }
    let is_odd = |leg: &Leg| leg.spoken().is_some_and(|(last, _)| differs(&last));
    if !bundle.legs.iter().any(is_odd) {
        // The others have been asked already.
        return Ok(());
    }
    let voices = bundle.legs.iter().filter(|leg| leg.dissents() < MOST_DISSENTS);
    let voices: Vec<u32> = voices.filter_map(|leg| leg.spoken().map(|(last, _)| last.of.leg)).collect();
    let why = |leg: &Leg| match is_odd(leg) {
        true => "shows another output than the bundle's",
        false => "another leg shows another output",
    };
    repeat(ctx, bundle, &voices, true, why).await
}

/// Has these legs made once more, all or none.
async fn repeat(
    ctx: &Context,
    bundle: &Bundle<'_>,
    places: &[u32],
    dissent: bool,
    why: impl Fn(&Leg) -> &'static str,
) -> OpResult<()> {
    let legs = places.iter().filter_map(|place| bundle.legs.get(*place as usize));
    let legs: Vec<&Leg> = legs.filter(|leg| leg.tries.len() < MOST_TRIES).collect();
    if legs.is_empty() {
        return Ok(());
    }
    let parts = parts::stored(ctx, &bundle.task.ask).await?;
    let mut next = Vec::with_capacity(legs.len());
    for leg in legs {
        let Some(last) = leg.tries.last() else { continue };
        let again = new_leg(bundle.task, &parts, last.of.leg as usize, last.of.round + 1, dissent)?;
        next.push((again, why(leg)));
    }
    ctx.store.repeat_legs(bundle.task.key, &next, ctx.clock.now()).await?;
    ctx.changes.announce(Change::Task(bundle.task.key));
    ctx.nudges.plan.wake();
    Ok(())
}

/// Says, once the others agree, whose word it was that differed.
async fn name_culprits(ctx: &Context, bundle: &Bundle<'_>) -> OpResult<()> {
    for odd in bundle.legs.iter().flat_map(|leg| &leg.tries) {
        if odd.said.as_ref().is_none_or(|(_, shown)| *shown == bundle.output) {
            continue;
        }
        let made_by = ctx.store.last_job(odd.task.key).await?.and_then(|job| job.done_by);
        let prover = made_by.map(|prover| prover.to_string());
        tracing::error!(task.id = %bundle.id, leg = odd.of.leg, round = odd.of.round, prover, "this leg's word was another");
    }
    Ok(())
}

/// Legs that the target takes by themselves, now, if the requester wants that: each is sent once.
async fn early(ctx: &Context, bundle: &Bundle<'_>, time: u64) -> OpResult<()> {
    let target = bundle.task.ask.target;
    let Parts { early: true, .. } = parts::stored(ctx, &bundle.task.ask).await? else { return Ok(()) };
    for (leg, proof) in bundle.legs.iter().filter_map(Leg::spoken) {
        let purpose = format!("leg:{}:{}", bundle.id, leg.of.leg);
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
        // What was quoted for: a target must not have the operator pay for more.
        let gas = calldata::early_leg(call.len() as u64);
        if let Simulated::Reverted(revert) = ctx.chain.simulate_own(target, call.clone().into(), gas).await? {
            tracing::debug!(task.id = %bundle.id, leg = leg.of.leg, %revert, "the target would not take a leg by itself");
            continue;
        }
        let request = TxRequest::call(purpose, target, call).with_gas(gas).not_after(until);
        ctx.chain.enqueue(KeyRole::Signer, request).await?;
        ctx.nudges.submit.wake();
        tracing::info!(task.id = %bundle.id, leg = leg.of.leg, "the target takes a leg before the others");
    }
    Ok(())
}
