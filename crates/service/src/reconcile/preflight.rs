//! `preflight`: decides requests for quotes.
//!
//! A firm quote is signed only when everything that could make the operator default has been looked at: the input is
//! here and proves the statement, the verifier takes this program's proofs, the target is there, provers have the time,
//! the payer has the money, a slot has the collateral. The slot is reserved, durably, before the quote is signed.

mod assumptions;
mod bundle;
mod enclave;
mod offer;
mod size;

pub(super) use bundle::parts;
pub(super) use offer::{delivery_gas, quote_price, rate, work};
pub(super) use size::agreeable;

use crate::{Change, Context, OpError, OpResult, metrics};
use futures::{StreamExt, stream::FuturesUnordered};
use offer::offer;
use std::collections::HashSet;
use zkpool_protocol::{ErrorCode, TaskState};
use zkpool_store::{Price, Refusal, TaskRecord};

/// Decides every request, and those that come meanwhile: one that takes long does not hold up the others.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    finish_signing(ctx).await?;
    let mut under_way = HashSet::new();
    let mut deciding = FuturesUnordered::new();
    let mut failed = None;
    loop {
        let look = ctx.store.tasks_in(&[TaskState::Preflight]);
        tokio::pin!(look);
        // What is decided while it looks, it may still see undecided.
        let mut decided_meanwhile = Vec::new();
        // The decisions go on meanwhile: one that holds a connection to the database would never give it back to this.
        let tasks = loop {
            tokio::select! {
                tasks = &mut look => break tasks?,
                Some((key, decided)) = deciding.next() => match decided {
                    Ok(()) => decided_meanwhile.push(key),
                    Err(error) => failed = Some(error),
                },
            }
        };
        for task in tasks {
            if under_way.insert(task.key) {
                deciding.push(async move { (task.key, decide(ctx, &task).await) });
            }
        }
        for key in decided_meanwhile {
            under_way.remove(&key);
        }
        if deciding.is_empty() {
            break;
        }
        tokio::select! {
            Some((key, decided)) = deciding.next() => match decided {
                Ok(()) => drop(under_way.remove(&key)),
                // Left as it is for the next run.
                Err(error) => failed = Some(error),
            },
            () = ctx.nudges.preflight.called() => {}
        }
    }
    failed.map_or(Ok(false), Err)
}

/// Why there is no firm quote, and what it would have cost if that is known.
struct Declined {
    why: OpError,
    price: Option<Price>,
}

impl Declined {
    fn priced(price: Price) -> impl Fn(OpError) -> Self {
        move |why| Self { why, price: Some(price) }
    }
}

impl<E: Into<OpError>> From<E> for Declined {
    fn from(why: E) -> Self {
        Self { why: why.into(), price: None }
    }
}

/// Signs, or refuses with the reason. Fails if neither can be done now.
async fn decide(ctx: &Context, task: &TaskRecord) -> OpResult<()> {
    let (why, price) = match offer(ctx, task).await {
        Ok(()) => {
            metrics::quote("quoted");
            ctx.changes.announce(Change::Task(task.key));
            return Ok(());
        }
        Err(Declined { why, price }) => (why, price),
    };
    // The store is what a refusal would have to be written to.
    if matches!(why.code, ErrorCode::Storage | ErrorCode::Internal) && why.is_store_fault() {
        return Err(why);
    }
    if matches!(why.code, ErrorCode::Internal | ErrorCode::Storage) {
        tracing::warn!(request = %task.request, error = why.chain(), "a request could not be decided");
    } else {
        tracing::info!(request = %task.request, code = %why.code, "a request was refused");
    }
    metrics::quote(why.code.as_str());
    let refusal = Refusal { code: why.code, message: why.message };
    ctx.store.refuse_task(task.key, &refusal, price, ctx.clock.now()).await?;
    ctx.changes.announce(Change::Task(task.key));
    Ok(())
}

/// Quotes that were reserved when the process died: the same quote is signed.
async fn finish_signing(ctx: &Context) -> OpResult<()> {
    for task in ctx.store.tasks_in(&[TaskState::Quoted]).await? {
        if task.signature.is_none() {
            offer::sign(ctx, &task).await?;
            ctx.changes.announce(Change::Task(task.key));
        }
    }
    Ok(())
}
