//! How things stand, asked of the store when the metrics are read.

use crate::{Context, OpResult, metrics};
use std::{collections::BTreeMap, time::Duration};
use zkpool_protocol::{Address, JobState, TaskState};

/// Sets the gauges. What is in a final state is not counted here: counters say how things ended.
pub(crate) async fn refresh(ctx: &Context) -> OpResult<()> {
    let now = ctx.clock.now();
    // A delivery can be taken back by a reorganisation, so its state is not final; but it only ever grows in number.
    let ended = |state: TaskState| state.is_final() || state == TaskState::Delivered;
    let open: Vec<TaskState> = TaskState::ALL.iter().copied().filter(|state| !ended(*state)).collect();
    let tasks = ctx.store.tasks_in(&open).await?;
    for state in open {
        metrics::tasks(state, tasks.iter().filter(|task| task.state == state).count() as u64);
    }
    let work = ctx.store.workload().await?;
    for state in JobState::ALL.iter().copied().filter(|state| !state.is_final()) {
        metrics::jobs(state, work.jobs.iter().filter(|item| item.job.state == state).count() as u64);
    }
    let since = now.saturating_sub(ctx.config.dispatch.presence * 1000);
    metrics::provers(work.provers.iter().filter(|prover| ctx.status.is_present(&prover.id, since)).count() as u64);
    metrics::provers_out(ctx.store.outings().await?.iter().filter(|outing| outing.out).count() as u64);
    pay(ctx).await?;
    let idle = work.provers.iter().map(|prover| u64::from(ctx.status.waiting(&prover.id))).sum();
    metrics::claims_waiting(idle);
    let window = ctx.config.quotes.breaker_window * 1000;
    let misses = ctx.store.misses_since(now.saturating_sub(window)).await?;
    metrics::circuit(misses >= ctx.config.quotes.breaker_misses);
    if let Some((head, _)) = ctx.status.head() {
        metrics::head(head.number, Duration::from_millis(now.saturating_sub(head.timestamp * 1000)));
    }
    Ok(())
}

/// What is set apart and vouched for, all provers together.
async fn pay(ctx: &Context) -> OpResult<()> {
    let Some(config) = &ctx.config.pay else { return Ok(()) };
    // A prover can be in several tranches of a token.
    let mut all: BTreeMap<Address, BTreeMap<Address, (u128, u128)>> = BTreeMap::new();
    for mark in ctx.store.open_earmarks().await? {
        let (vouched, left) = all.entry(mark.tranche.token).or_default().entry(mark.cap.prover).or_default();
        *vouched += mark.voucher.amount;
        *left += mark.left();
    }
    for token in config.tranches.iter().map(|policy| policy.token) {
        let mut pay = metrics::Pay::default();
        for (vouched, left) in all.remove(&token).unwrap_or_default().into_values() {
            pay.vouched += vouched;
            pay.left += left;
            pay.provers += 1;
            pay.earners += u64::from(vouched > 0);
        }
        metrics::pay(token, pay);
    }
    Ok(())
}
