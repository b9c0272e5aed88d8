//! `rescue`: takes over late tasks of other operators, when it pays.
//!
//! Only tasks whose input this operator holds are watched: their requester had asked it for a quote, too. The
//! announcement binds and locks a slot, so it is made only when the proof can be had in time and is worth it.

use super::{
    calldata,
    preflight::{self, agreeable},
    segments,
    slots::{self, Found, Need},
    submit::{REMOVED, was_removed},
};
use crate::{
    Change, Context, KeyRole, OpResult,
    capacity::Capacity,
    committee,
    parts::{self, Parts},
};
use zkpool_bindings::IZKPool;
use zkpool_chain::{Head, TxRequest, TxState, alloy::sol_types::SolCall};
use zkpool_protocol::{ErrorCode, Quote, Strategy, TaskId, TaskState, U256, WorkUnits};
use zkpool_scheduler::{PriceInput, price};
use zkpool_store::{Millis, TaskRecord};

/// Gas of announcing a rescue and of delivering the task, without the target's call.
const RESCUE_GAS: u64 = 700_000;
/// Seconds from a proof to its being in a block.
const DELIVERY: u64 = 5;
/// Wait after an announcement that failed, in milliseconds.
const RETRY: Millis = 15_000;

/// Announces what pays, and looks after what was announced.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let head = ctx.chain.head().await?;
    // Before the tasks: an announcement up to there has moved its task on.
    let followed = ctx.store.meta().await?.head.0;
    for task in ctx.store.tasks_in(&[TaskState::Announcing]).await? {
        look_after(ctx, &task, followed).await?;
    }
    if !ctx.config.rescue.enabled {
        return Ok(false);
    }
    for task in ctx.store.tasks_in(&[TaskState::Watched]).await? {
        let late = head.timestamp > task.chain.proof_deadline;
        if late && task.chain.rescue.is_none() && task.retry_at <= ctx.clock.now() {
            consider(ctx, &task, &head).await?;
        }
    }
    size_one(ctx).await
}

/// Has the preflight worker look at a watched task's input, before it is late. One at a time, as it can take long; true if
/// there may be another.
async fn size_one(ctx: &Context) -> OpResult<bool> {
    for task in ctx.store.tasks_in(&[TaskState::Watched]).await? {
        if ctx.store.input(task.ask.input).await?.is_some() {
            continue;
        }
        let sized = match agreeable(ctx, &task) {
            Ok(judge) => preflight::parts(ctx, &task, judge).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = sized {
            // How to cut a zkVM execution is only known when somebody is there to prove it.
            if error.code == ErrorCode::NoProver {
                continue;
            }
            if matches!(error.code, ErrorCode::Internal | ErrorCode::Storage | ErrorCode::RpcUnreachable) {
                return Err(error);
            }
            let (from, to) = (TaskState::Watched, TaskState::Released);
            ctx.store.move_task(task.key, from, to, Some(error.code.as_str()), ctx.clock.now()).await?;
            ctx.changes.announce(Change::Task(task.key));
        }
        return Ok(true);
    }
    Ok(false)
}

async fn consider(ctx: &Context, task: &TaskRecord, head: &Head) -> OpResult<()> {
    let Some((id, quote)) = &task.quote else { return Ok(()) };
    if ctx.store.input(task.ask.input).await?.is_none() {
        return Ok(());
    }
    let parts = parts::stored(ctx, &task.ask).await?;
    let Some((units, proving)) = work(ctx, &parts).await? else { return Ok(()) };
    let calldata = calldata::length(ctx, &task.ask, &parts).await?;
    if calldata::check(calldata).is_err() {
        return Ok(());
    }
    let gain = gain(ctx, units, calldata, quote, head);
    if gain < i128::try_from(ctx.config.rescue.min_gain).unwrap_or(i128::MAX) {
        return Ok(());
    }
    let effective = head.timestamp + quote.terms.rescue_grace();
    if effective.max(head.timestamp + proving) + DELIVERY > task.chain.liability_deadline {
        return Ok(());
    }
    // As before a quote: what nobody signs for cannot be delivered, and the announcement binds.
    match committee::would_sign(ctx, &parts).await {
        Err(why)
            if matches!(why.code, ErrorCode::NoCommittee | ErrorCode::VerifierNotAllowed | ErrorCode::BadInput) =>
        {
            tracing::debug!(task.id = %id, code = %why.code, "a rescue would pay, but the committee would not sign");
            return Ok(());
        }
        asked => asked?,
    }
    // The chain is asked again: the store may be a block behind.
    match ctx.chain.live_task(quote).await? {
        Some(live) if live.rescue.is_none() && head.timestamp > live.proof_deadline => {}
        _ => return Ok(()),
    }
    let terms = &quote.terms;
    let Found::Free { index: slot, .. } = slots::free(ctx, &Need::of_rescue(terms), head).await? else {
        tracing::debug!(task.id = %id, "a rescue would pay, but no slot is free");
        return Ok(());
    };
    let now = ctx.clock.now();
    ctx.store.announce_task(task.key, slot, now).await?;
    tracing::info!(task.id = %id, slot, gain_wei = gain, "taking a late task over");
    ctx.changes.announce(Change::Task(task.key));
    announce(ctx, *id, quote, slot, task).await
}

async fn announce(ctx: &Context, id: TaskId, quote: &Quote, slot: u32, task: &TaskRecord) -> OpResult<()> {
    let call = IZKPool::rescueCall { quote: quote.into(), rescuer: ctx.config.operator, rescuerSlot: slot };
    let deadline = task.chain.liability_deadline.saturating_sub(quote.terms.rescue_grace());
    let request = TxRequest::call(purpose(id, task.failed_submissions), ctx.config.pool, call.abi_encode())
        .by(deadline)
        .not_after(deadline);
    ctx.chain.enqueue(KeyRole::Signer, request).await?;
    ctx.nudges.submit.wake();
    Ok(())
}

/// An announcement that is recorded goes out; one that failed frees the slot. That it succeeded, the chain says.
async fn look_after(ctx: &Context, task: &TaskRecord, followed: u64) -> OpResult<()> {
    let (Some((id, quote)), Some(slot)) = (&task.quote, task.own_slot) else { return Ok(()) };
    match ctx.chain.transaction(&purpose(*id, task.failed_submissions)).await? {
        None => announce(ctx, *id, quote, slot, task).await,
        Some(record) if record.state == TxState::Failed || was_removed(&record, followed) => {
            let reason = record.failure.map_or_else(|| REMOVED.to_owned(), |failure| failure.reason);
            let now = ctx.clock.now();
            let (from, to) = (TaskState::Announcing, TaskState::Watched);
            ctx.store.fail_submission(task.key, from, to, &reason, now + RETRY, now).await?;
            ctx.changes.announce(Change::Task(task.key));
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

/// The same attempt is the same transaction.
fn purpose(task: TaskId, failed: u32) -> String {
    if failed == 0 { format!("rescue:{task}") } else { format!("rescue:{task}:{failed}") }
}

/// What is left of reward and half the bond after work and gas, in wei.
fn gain(ctx: &Context, units: WorkUnits, calldata: u64, quote: &Quote, head: &Head) -> i128 {
    let terms = &quote.terms;
    let wei = |token, amount: u128| {
        let per_ether = ctx.config.token(token).map(|token| token.per_ether)?;
        let value = U256::from(amount) * U256::from(ETHER);
        i128::try_from(value / U256::from(per_ether)).ok()
    };
    let (Some(reward), Some(bond)) =
        (wei(terms.reward_token, terms.reward), wei(terms.liability_token, terms.bond / 2))
    else {
        return i128::MIN;
    };
    let pricing = &ctx.config.pricing;
    let cost = price(&PriceInput {
        units,
        wei_per_million_units: pricing.wei_per_million_units,
        load_bps: pricing.load_bps,
        load: 0,
        gas: calldata::gas(RESCUE_GAS + u64::from(terms.call_gas), calldata),
        gas_price: pricing.min_gas_price.max(head.base_fee * 2),
        at_stake: u128::try_from(terms.rescue_lock()).unwrap_or(u128::MAX),
        premium_bps: pricing.premium_bps,
        // As it was noted when it was first heard of.
        strategy: Strategy::Assign,
    });
    reward.saturating_add(bond).saturating_sub(i128::try_from(cost.total()).unwrap_or(i128::MAX))
}

const ETHER: u128 = 1_000_000_000_000_000_000;

/// How large the work is, and in how many seconds the provers that are present would have done it.
async fn work(ctx: &Context, parts: &Parts) -> OpResult<Option<(WorkUnits, u64)>> {
    let capacity = Capacity::now(ctx).await?;
    let (mut units, mut longest) = (WorkUnits(0), 0);
    for part in &parts.all {
        let kind = part.ask.kind;
        let (size, ms) = match kind.is_risc0() {
            true => match segments::choose(kind, &part.input, &capacity, Millis::MAX) {
                Ok(plan) => (plan.units, plan.makespan),
                Err(_) => return Ok(None),
            },
            false => match capacity.fastest(kind, part.input.measured, part.enclave()) {
                Some(ms) => (part.input.measured.units, ms),
                None => return Ok(None),
            },
        };
        (units, longest) = (units + size, longest.max(ms));
    }
    Ok(Some((units, longest.div_ceil(1_000))))
}
