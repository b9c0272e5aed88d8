//! `aftermath`: what anyone may send to the contract and this operator has reason to: it keeps the clock of tasks whose
//! verifier is halted, and frees slots that only wait for somebody's transaction.

use crate::{Context, KeyRole, OpResult};
use std::collections::BTreeMap;
use zkpool_bindings::IZKPool;
use zkpool_chain::{
    Head, TxRequest,
    alloy::{primitives::Address, sol_types::SolCall},
};
use zkpool_protocol::{Quote, TaskId, TaskState};
use zkpool_store::{Role, TaskRecord};

/// A halt of so many seconds in all ends a task without fault (`HALT_CAP`).
const HALT_CAP: u64 = 7 * 24 * 3_600;
/// A requester is left so many seconds to collect what it is owed before its slot is freed for it.
const PATIENCE: u64 = 3_600;

/// Sends what is due.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let live: Vec<TaskState> = TaskState::ALL.iter().copied().filter(|state| state.is_live()).collect();
    let head = ctx.chain.head().await?;
    let mut halted = BTreeMap::new();
    for task in ctx.store.tasks_in(&live).await? {
        let Some((id, quote)) = &task.quote else { continue };
        if is_unwindable(&task) {
            send(ctx, format!("unwind:{id}"), IZKPool::unwindCall { quote: quote.into() }).await?;
        } else if task.state == TaskState::Missed {
            let due = head.timestamp > task.chain.liability_deadline + PATIENCE;
            if due && task.role == Role::Own {
                send(ctx, format!("collect:{id}"), IZKPool::collectCall { quote: quote.into() }).await?;
            }
        } else if is_halted(ctx, quote.terms.verifier, &mut halted).await? {
            observe(ctx, *id, quote, &head).await?;
        }
    }
    for task in ctx.store.tasks_in(&[TaskState::Rescued]).await? {
        if let (Some((id, quote)), None, None) = (&task.quote, task.chain.novated, task.chain.ended) {
            // What the slot had locked beyond advance and bond comes free.
            send(ctx, format!("novate:{id}"), IZKPool::novateCall { quote: quote.into() }).await?;
        }
    }
    Ok(false)
}

/// Asked once per verifier and tick.
async fn is_halted(ctx: &Context, verifier: Address, known: &mut BTreeMap<Address, bool>) -> OpResult<bool> {
    if verifier.is_zero() {
        return Ok(false);
    }
    if let Some(halted) = known.get(&verifier) {
        return Ok(*halted);
    }
    let halted = ctx.chain.is_halted(verifier).await?;
    if halted {
        tracing::warn!(%verifier, "a verifier says that it is halted: the tasks that wait for it are noted on chain");
    }
    known.insert(verifier, halted);
    Ok(halted)
}

/// Once per period: only time between two observations counts, so a short window is observed more often.
async fn observe(ctx: &Context, id: TaskId, quote: &Quote, head: &Head) -> OpResult<()> {
    let period = (u64::from(quote.terms.liability_window) / 16).clamp(60, 1_800);
    let purpose = format!("halt:{id}:{}", head.timestamp / period);
    send(ctx, purpose, IZKPool::observeHaltCall { quote: quote.into() }).await
}

/// Its verifier was halted for so long that the task can be ended without fault.
fn is_unwindable(task: &TaskRecord) -> bool {
    let (Some((_, published)), Some((_, quote))) = (task.chain.published, &task.quote) else { return false };
    task.chain.liability_deadline >= quote.terms.liability_deadline(published) + HALT_CAP
}

async fn send(ctx: &Context, purpose: String, call: impl SolCall) -> OpResult<()> {
    ctx.chain.enqueue(KeyRole::Signer, TxRequest::call(purpose, ctx.config.pool, call.abi_encode())).await?;
    ctx.nudges.submit.wake();
    Ok(())
}
