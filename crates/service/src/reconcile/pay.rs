//! `pay`: what provers are paid with. Announces their share, fetches what deliveries have kept apart, sets money apart for
//! those who have joined, and takes back what was left of old tranches. Looks at what they have put up, too.
//!
//! Purposes name the state that a transaction starts from, so that the same wish is recorded once. A tranche's caps are
//! stored before it is opened: whoever is in it can be shown that it is.

use crate::{
    Context, KeyRole, OpResult,
    config::pay::{Pay, TranchePolicy},
    ledger::RevenueLedger,
    ops::{
        bonds,
        pay::{needed, tree},
    },
};
use std::collections::{BTreeMap, BTreeSet};
use zkpool_bindings::{IERC20, IRevenueLedger, IZKPool};
use zkpool_chain::{TrancheState, TxRequest, TxState, alloy::sol_types::SolCall};
use zkpool_protocol::{
    Address, U256,
    pay::{Cap, CapTree},
};
use zkpool_store::{NewTranche, ProverRecord, TrancheRecord, TrancheStatus};

/// Does what is due.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let Some(pay) = &ctx.config.pay else { return Ok(false) };
    let ledger = ctx.ledger()?;
    bonds::look_after(ctx).await?;
    follow(ctx, ledger).await?;
    announce_share(ctx, pay, ledger).await?;
    for policy in &pay.tranches {
        sweep(ctx, pay, policy, ledger).await?;
    }
    let Some(role) = may_open(ctx, ledger).await? else {
        tracing::warn!(
            "no key of this service may open tranches: configure keys.owner, or let the signer \
             (`zkpool operator authorize-tranches`)"
        );
        return Ok(false);
    };
    close(ctx, pay, role).await?;
    if !ctx.store.tranches().await?.iter().any(|tranche| tranche.status == TrancheStatus::Planned) {
        for policy in &pay.tranches {
            // The next one's index is known when this one is there.
            if open(ctx, pay, policy, role, ledger).await? {
                break;
            }
        }
    }
    ctx.nudges.submit.wake();
    Ok(false)
}

/// Notes what became of tranches that were to be opened, closed or taken back.
async fn follow(ctx: &Context, ledger: &dyn RevenueLedger) -> OpResult<()> {
    for known in ctx.store.tranches().await? {
        let index = known.index;
        match known.status {
            TrancheStatus::Planned => follow_plan(ctx, ledger, &known).await?,
            TrancheStatus::Open | TrancheStatus::Closing => {
                let Some(found) = ledger.tranche(index).await? else { continue };
                let now = match found.state {
                    TrancheState::Open => TrancheStatus::Open,
                    TrancheState::Closing => TrancheStatus::Closing,
                    TrancheState::Reclaimed => TrancheStatus::Reclaimed,
                };
                // One that is to be closed earns nobody anything more, whether or not the chain knows yet.
                let is_ahead = known.status == TrancheStatus::Closing && now == TrancheStatus::Open;
                if !is_ahead && (now != known.status || found.closes_at != known.closes_at) {
                    ctx.store.note_tranche(index, now, found.closes_at).await?;
                    tracing::info!(tranche = index, status = now.as_str(), "a tranche has changed");
                }
            }
            TrancheStatus::Reclaimed => {}
        }
    }
    Ok(())
}

async fn follow_plan(ctx: &Context, ledger: &dyn RevenueLedger, plan: &TrancheRecord) -> OpResult<()> {
    let state = ctx.chain.transaction(&purpose_of(plan)).await?.map(|record| record.state);
    match state {
        Some(TxState::Succeeded) => {}
        Some(TxState::Failed) => return Ok(ctx.store.forget_tranche(plan.index).await?),
        Some(_) => return Ok(()),
        // Planned by a run that died before it had recorded the transaction: it is planned anew.
        None => return Ok(ctx.store.forget_tranche(plan.index).await?),
    }
    let Some(found) = ledger.tranche(plan.index).await? else { return Ok(()) };
    if (found.root, found.total, found.token, found.signer) == (plan.root, plan.total, plan.token, plan.signer) {
        ctx.store.note_tranche(plan.index, TrancheStatus::Open, None).await?;
        tracing::info!(tranche = plan.index, total = plan.total, token = %plan.token, "a tranche is open");
        ctx.nudges.dispatch.wake();
        return Ok(());
    }
    // Somebody has opened another one in between: it stands under the next index, and nobody here knows its caps.
    tracing::error!(
        tranche = plan.index,
        "another tranche was opened in this operator's name at the same time: close the one behind it by hand, its caps are lost"
    );
    Ok(ctx.store.forget_tranche(plan.index).await?)
}

fn purpose_of(plan: &TrancheRecord) -> String {
    format!("tranche:{}:{}", plan.index, plan.root)
}

/// Which key may open tranches.
async fn may_open(ctx: &Context, ledger: &dyn RevenueLedger) -> OpResult<Option<KeyRole>> {
    for role in [KeyRole::Owner, KeyRole::Signer] {
        if let Some(account) = ctx.chain.address_of(role)
            && ledger.may_open(account).await?
        {
            return Ok(Some(role));
        }
    }
    Ok(None)
}

async fn announce_share(ctx: &Context, pay: &Pay, ledger: &dyn RevenueLedger) -> OpResult<()> {
    let view = ledger.share().await?;
    if view.next.map_or(view.share, |(next, _)| next) == pay.share_bps {
        return Ok(());
    }
    if ctx.chain.address_of(KeyRole::Owner) != Some(ctx.config.operator) {
        tracing::warn!(
            configured = pay.share_bps,
            on_chain = view.share,
            "the chain has another share for this operator's provers: run `zkpool operator set-share`"
        );
        return Ok(());
    }
    let Some(purpose) = next_purpose(ctx, &format!("share:{}", pay.share_bps)).await? else { return Ok(()) };
    let call = IZKPool::setShareCall { share: pay.share_bps };
    enqueue(ctx, KeyRole::Owner, purpose, ctx.config.pool, call.abi_encode()).await
}

/// Anyone may.
async fn sweep(ctx: &Context, pay: &Pay, policy: &TranchePolicy, ledger: &dyn RevenueLedger) -> OpResult<()> {
    let kept = ledger.kept_apart(policy.token).await?;
    if kept.is_zero() || kept < U256::from(policy.sweep_above) {
        return Ok(());
    }
    let Some(purpose) = next_purpose(ctx, &format!("sweep:{}", policy.token)).await? else { return Ok(()) };
    let call = IRevenueLedger::sweepCall { pool: ctx.config.pool, token: policy.token, operator: ctx.config.operator };
    enqueue(ctx, KeyRole::Signer, purpose, pay.ledger, call.abi_encode()).await
}

/// Closes what is old, and takes back what is left of it when its time has come.
async fn close(ctx: &Context, pay: &Pay, role: KeyRole) -> OpResult<()> {
    let (operator, now) = (ctx.config.operator, ctx.clock.now());
    let time = ctx.chain.head().await?.timestamp;
    for tranche in ctx.store.tranches().await? {
        let index = U256::from(tranche.index);
        let is_due = tranche.status == TrancheStatus::Open && tranche.planned_at + pay.close_after * 1_000 <= now;
        if is_due {
            ctx.store.note_tranche(tranche.index, TrancheStatus::Closing, None).await?;
        }
        if is_due || (tranche.status == TrancheStatus::Closing && tranche.closes_at.is_none()) {
            let call = IRevenueLedger::closeTrancheCall { operator, tranche: index };
            enqueue(ctx, role, format!("close-tranche:{index}"), pay.ledger, call.abi_encode()).await?;
        }
        if tranche.status == TrancheStatus::Closing && tranche.closes_at.is_some_and(|at| at <= time) {
            let call = IRevenueLedger::reclaimCall { operator, tranche: index };
            enqueue(ctx, role, format!("reclaim:{index}"), pay.ledger, call.abi_encode()).await?;
        }
    }
    Ok(())
}

/// Opens a tranche for those who have too little left. Whether one is to come.
async fn open(
    ctx: &Context,
    pay: &Pay,
    policy: &TranchePolicy,
    role: KeyRole,
    ledger: &dyn RevenueLedger,
) -> OpResult<bool> {
    // Zero unless a job waits that nobody could be given: that one has no time.
    let left = left(ctx, policy.token).await?;
    let needed = needed(ctx, policy.token, &left).await?;
    let mut caps = wanted(ctx, pay, policy, &left, needed).await?;
    let all = ctx.store.tranches().await?;
    let last = all.iter().filter(|tranche| tranche.token == policy.token).map(|tranche| tranche.planned_at).max();
    let is_early = last.is_some_and(|last| ctx.clock.now() < last + pay.every * 1_000);
    if caps.is_empty() || (is_early && needed == 0) {
        return Ok(false);
    }
    let fund = ledger.fund(policy.token).await?;
    let sum = |caps: &[Cap]| caps.iter().map(|cap| U256::from(cap.amount)).sum::<U256>();
    if sum(&caps) > fund {
        if policy.deposit && deposit(ctx, pay, policy, role, sum(&caps) - fund, ledger).await? {
            return Ok(false);
        }
        // For as many as there is money.
        while sum(&caps) > fund {
            caps.pop();
        }
        if caps.is_empty() {
            tracing::warn!(
                token = %policy.token,
                %fund,
                "the fund is too small to set anything apart for provers: deposit more (`zkpool operator fund`)"
            );
            return Ok(false);
        }
    }
    let (root, total) = match CapTree::new(&caps) {
        Ok(tree) => tree.root(),
        Err(error) => {
            tracing::error!(%error, "the caps of [service.pay] make no tranche");
            return Ok(false);
        }
    };
    let signer = ctx.voucher_signer()?;
    let index = ledger.tranche_count().await?;
    let plan = NewTranche { index, token: policy.token, signer, root, total, caps };
    tree(&plan.caps, root)?;
    ctx.store.plan_tranche(&plan, ctx.clock.now()).await?;
    let operator = ctx.config.operator;
    let call = IRevenueLedger::openTrancheCall { operator, token: policy.token, root, total, signer };
    enqueue(ctx, role, format!("tranche:{index}:{root}"), pay.ledger, call.abi_encode()).await?;
    Ok(true)
}

/// What each prover can still earn of a token in one tranche.
async fn left(ctx: &Context, token: Address) -> OpResult<BTreeMap<Address, u128>> {
    let signer = ctx.voucher_signer()?;
    let mut left: BTreeMap<Address, u128> = BTreeMap::new();
    for mark in ctx.store.open_earmarks().await? {
        if mark.tranche.token == token && mark.tranche.signer == signer {
            let best = left.entry(mark.cap.prover).or_default();
            *best = mark.left().max(*best);
        }
    }
    Ok(left)
}

/// Who has joined and has too little left, also for a job that waits: who has earned something first, then by address.
async fn wanted(
    ctx: &Context,
    pay: &Pay,
    policy: &TranchePolicy,
    left: &BTreeMap<Address, u128>,
    needed: u128,
) -> OpResult<Vec<Cap>> {
    let joined = ctx.store.provers().await?;
    let wants = |prover: &&ProverRecord| !prover.description.unpaid && !bonds::bars(ctx, prover);
    let joined: BTreeSet<Address> = joined.iter().filter(wants).map(|prover| prover.id.address).collect();
    let (mut known, mut new) = (Vec::new(), Vec::new());
    for prover in joined {
        if left.get(&prover).is_some_and(|left| *left >= policy.low.max(needed)) {
            continue;
        }
        match ctx.store.earmarks_of(prover).await?.iter().any(|mark| mark.voucher.count > 0) {
            true => known.push(Cap { prover, amount: policy.cap.max(needed) }),
            false => new.push(Cap { prover, amount: policy.first_cap.max(needed) }),
        }
    }
    known.extend(new);
    known.truncate(usize::try_from(pay.max_provers).unwrap_or(usize::MAX));
    Ok(known)
}

/// Deposits what is missing, if the wallet has it. Whether something is on its way.
async fn deposit(
    ctx: &Context,
    pay: &Pay,
    policy: &TranchePolicy,
    role: KeyRole,
    missing: U256,
    ledger: &dyn RevenueLedger,
) -> OpResult<bool> {
    let Some(wallet) = ctx.chain.address_of(role) else { return Ok(false) };
    let token = policy.token;
    if ledger.payable(token, wallet).await? < missing {
        // Either nothing is approved yet, or there is nothing left to approve.
        let purpose = format!("approve-ledger:{token}");
        if let Some(record) = ctx.chain.transaction(&purpose).await? {
            return Ok(!record.state.is_final());
        }
        let call = IERC20::approveCall { spender: pay.ledger, value: U256::MAX };
        enqueue(ctx, role, purpose, token, call.abi_encode()).await?;
        return Ok(true);
    }
    let Some(purpose) = next_purpose(ctx, &format!("fund:{token}")).await? else { return Ok(true) };
    let call = IRevenueLedger::depositCall { token, operator: ctx.config.operator, amount: missing };
    enqueue(ctx, role, purpose, pay.ledger, call.abi_encode()).await?;
    Ok(true)
}

/// The next purpose of a kind of which each follows on the one before; `None` while that one is on its way.
async fn next_purpose(ctx: &Context, kind: &str) -> OpResult<Option<String>> {
    let numbered = |number: u64| format!("{kind}:{number}");
    // They are numbered without gaps: the first that is free lies between `done` and `free`.
    let (mut done, mut free) = (0, 1);
    while ctx.chain.transaction(&numbered(free - 1)).await?.is_some() {
        (done, free) = (free, free * 2);
    }
    while done + 1 < free {
        let middle = done + (free - done) / 2;
        match ctx.chain.transaction(&numbered(middle - 1)).await?.is_some() {
            true => done = middle,
            false => free = middle,
        }
    }
    let Some(last) = done.checked_sub(1) else { return Ok(Some(numbered(0))) };
    let state = ctx.chain.transaction(&numbered(last)).await?.map(|record| record.state);
    Ok(match state {
        Some(TxState::Succeeded) => Some(numbered(done)),
        // Tried again.
        Some(TxState::Failed) => Some(numbered(last)),
        _ => None,
    })
}

async fn enqueue(ctx: &Context, role: KeyRole, purpose: String, to: Address, data: Vec<u8>) -> OpResult<()> {
    ctx.chain.enqueue(role, TxRequest::call(purpose, to, data)).await?;
    Ok(())
}
