//! `rescue`: takes over late tasks of other operators, when it pays.
//!
//! Only tasks whose input this operator holds are watched: their requester had asked it for a quote, too. That they were
//! published with another operator the chain tells, or the requester. The announcement binds and locks a slot, so it is made
//! only when all that is looked at before a quote is signed holds, and the proof can be had in time and is worth it.

use super::{
    calldata, isolated,
    preflight::{self, agreeable},
    slots::{self, Found, Need},
    submit::{REMOVED, was_removed},
};
use crate::{
    Change, Context, KeyRole, OpResult,
    capacity::{Capacity, delivery_seconds},
    committee,
    ops::info::paused,
    parts::{self, Parts},
};
use zkpool_bindings::IZKPool;
use zkpool_chain::{Head, TxRequest, TxState, alloy::sol_types::SolCall};
use zkpool_protocol::{ErrorCode, Quote, Strategy, TaskId, TaskState, pay::in_wei};
use zkpool_store::{Ask, Millis, Price, TaskRecord};

/// Gas of announcing a rescue.
const ANNOUNCE_GAS: u64 = 250_000;
/// Wait after an announcement that failed, in milliseconds.
const RETRY: Millis = 15_000;

/// Announces what pays, and looks after what was announced.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let head = ctx.chain.head().await?;
    // Before the tasks: an announcement up to there has moved its task on.
    let followed = ctx.store.meta().await?.head.0;
    for task in ctx.store.tasks_in(&[TaskState::Announcing]).await? {
        isolated(&task, "announcing a rescue", look_after(ctx, &task, followed).await)?;
    }
    if !ctx.config.rescue.enabled {
        return Ok(false);
    }
    for task in ctx.store.tasks_in(&[TaskState::Watched]).await? {
        let late = head.timestamp > task.chain.proof_deadline;
        if late && task.chain.rescue.is_none() && task.retry_at <= ctx.clock.now() {
            isolated(&task, "taking a late task over", consider(ctx, &task, &head).await)?;
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
        let examined = isolated(&task, "looking at a task of another operator", examine(ctx, &task).await)?;
        if examined.flatten().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn consider(ctx: &Context, task: &TaskRecord, head: &Head) -> OpResult<()> {
    let Some((id, quote)) = &task.quote else { return Ok(()) };
    if ctx.store.input(task.ask.input).await?.is_none() || paused(ctx).await?.is_some() {
        return Ok(());
    }
    let parts = parts::stored(ctx, &task.ask).await?;
    let calldata = calldata::length(ctx, &task.ask, &parts).await?;
    if calldata::check(calldata).is_err() {
        return Ok(());
    }
    let Some(price) = in_time(ctx, task, quote, &parts, calldata, head).await? else { return Ok(()) };
    let gain = gain(ctx, quote, &price);
    if gain < i128::try_from(ctx.config.rescue.min_gain).unwrap_or(i128::MAX) {
        return Ok(());
    }
    // As before a quote: the announcement binds. What is stored of the input may have been found out for another wish.
    let Some(parts) = examine(ctx, task).await? else { return Ok(()) };
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
    // Slots are counted and then taken.
    let _alone = ctx.quoting.lock().await;
    let Found::Free { index: slot, .. } = slots::free(ctx, &Need::of_rescue(&quote.terms), head).await? else {
        tracing::debug!(task.id = %id, "a rescue would pay, but no slot is free");
        return Ok(());
    };
    let now = ctx.clock.now();
    ctx.store.announce_task(task.key, slot, &price, now).await?;
    tracing::info!(task.id = %id, slot, gain_wei = gain, "taking a late task over");
    ctx.changes.announce(Change::Task(task.key));
    announce(ctx, *id, quote, slot, task).await
}

/// The parts of a watched task: all that is looked at before a quote is signed, as whoever published it may know that it
/// cannot be proven. `None` if that cannot be told now, or never comes to what the quote says: then it is let go.
async fn examine(ctx: &Context, task: &TaskRecord) -> OpResult<Option<Parts>> {
    let looked_at = match agreeable(ctx, task) {
        Ok(judge) => preflight::parts(ctx, task, judge).await,
        Err(error) => Err(error),
    };
    match looked_at {
        Ok(parts) => Ok(Some(parts)),
        // How to cut a zkVM execution is only known when somebody is there to prove it.
        Err(error) if error.code == ErrorCode::NoProver => Ok(None),
        Err(error) if matches!(error.code, ErrorCode::Internal | ErrorCode::Storage | ErrorCode::RpcUnreachable) => {
            Err(error)
        }
        Err(error) => {
            tracing::info!(task.id = task.id().map(tracing::field::display), code = %error.code, "not to be taken over");
            let (from, to) = (TaskState::Watched, TaskState::Released);
            ctx.store.move_task(task.key, from, to, Some(error.code.as_str()), ctx.clock.now()).await?;
            ctx.changes.announce(Change::Task(task.key));
            Ok(None)
        }
    }
}

/// What the rescue costs, if the proof can be delivered in time, after all that is promised already.
async fn in_time(
    ctx: &Context,
    task: &TaskRecord,
    quote: &Quote,
    parts: &Parts,
    calldata: u64,
    head: &Head,
) -> OpResult<Option<Price>> {
    let delivery = delivery_seconds(ctx);
    // The announcement is in the next block at the earliest, and the task is this operator's a grace period later.
    let included = head.timestamp.saturating_add(ctx.status.block_seconds());
    let effective = included.saturating_add(quote.terms.rescue_grace());
    let Some(left) = task.chain.liability_deadline.checked_sub(included.saturating_add(delivery)) else {
        return Ok(None);
    };
    let capacity = Capacity::now(ctx).await?;
    let work = match preflight::work(task.ask.kind, parts, &capacity, left.saturating_mul(1_000)) {
        Ok(work) => work,
        Err(error) if matches!(error.code, ErrorCode::NoProver | ErrorCode::TooLarge) => return Ok(None),
        Err(error) => return Err(error),
    };
    let early = calldata::early_legs(ctx, &task.ask, parts).await?;
    let delivering = calldata::gas(preflight::delivery_gas(&task.ask, parts), calldata);
    let gas = delivering.saturating_add(early).saturating_add(ANNOUNCE_GAS);
    // A race costs more than the reward was made for.
    let ask = Ask { strategy: Some(Strategy::Assign), ..task.ask.clone() };
    let price = preflight::quote_price(ctx, &ask, &work, gas, &capacity, head);
    // Provers are paid out of the reward that there is; who would not do it for that does not count.
    let paid = Price { work: quote.terms.reward, gas: 0, premium: 0, ..price };
    let capacity = capacity.affordable(preflight::rate(ctx, quote.terms.reward_token, &paid));
    let Ok(work) = preflight::work(task.ask.kind, parts, &capacity, left.saturating_mul(1_000)) else {
        return Ok(None);
    };
    let Some(proving) = work.proving_ms(Strategy::Assign, 0) else { return Ok(None) };
    let proven = included.saturating_add(proving.div_ceil(1_000));
    let in_time = effective.max(proven).saturating_add(delivery) <= task.chain.liability_deadline;
    Ok(in_time.then_some(price))
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

/// What is left of reward and half the bond after what it costs, in wei.
fn gain(ctx: &Context, quote: &Quote, price: &Price) -> i128 {
    let terms = &quote.terms;
    let wei = |token, amount: u128| {
        let per_ether = ctx.config.token(token).map(|token| token.per_ether)?;
        i128::try_from(in_wei(amount, per_ether)).ok()
    };
    let cost = wei(terms.reward_token, price.reward()).unwrap_or(i128::MAX);
    let (Some(reward), Some(bond)) =
        (wei(terms.reward_token, terms.reward), wei(terms.liability_token, terms.bond / 2))
    else {
        return i128::MIN;
    };
    reward.saturating_add(bond).saturating_sub(cost)
}
