//! `pay`: what provers are paid with. Announces their share, fetches what deliveries have kept apart, sets money apart for
//! those who have joined, and takes back what was left of old tranches. Looks at what they have put up, too.
//!
//! Purposes name the state that a transaction starts from, so that the same wish is recorded once. A tranche's caps are
//! stored before it is opened: whoever is in it can be shown that it is.

use crate::{
    Context, KeyRole, OpResult,
    capacity::presence,
    config::pay::{Pay, TranchePolicy},
    ledger::RevenueLedger,
    ops::{
        bonds,
        funds::Funds,
        pay::{learn, tree},
        programs,
    },
    reconcile::dispatch::{Worth, bar_dear},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use zkpool_bindings::{IERC20, IRevenueLedger, IZKPool};
use zkpool_chain::{TrancheState, TxRequest, TxState, alloy::sol_types::SolCall};
use zkpool_protocol::{
    Address, U256,
    pay::{Cap, CapTree},
};
use zkpool_store::{Millis, NewTranche, TrancheRecord, TrancheStatus};

/// For so many seconds a tranche that should be closed waits for the next one: without money there is none.
const LINGER: u64 = 24 * 3_600;

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

/// Whether a tranche is to be closed.
fn is_old(pay: &Pay, tranche: &TrancheRecord, now: Millis) -> bool {
    is_old_since(pay, tranche, now, 0)
}

fn is_old_since(pay: &Pay, tranche: &TrancheRecord, now: Millis, seconds: u64) -> bool {
    tranche.planned_at.saturating_add(pay.close_after.saturating_add(seconds).saturating_mul(1_000)) <= now
}

/// Whether everybody who works out of a tranche has something in another one that stays.
async fn has_successor(ctx: &Context, pay: &Pay, tranche: &TrancheRecord) -> OpResult<bool> {
    let Some(policy) = pay.policy(tranche.token) else { return Ok(true) };
    let workers: BTreeSet<Address> = workers(ctx).await?.into_iter().collect();
    let left = left(ctx, pay, tranche.token).await?;
    let has = |who| left.get(who).is_some_and(|left| *left > 0 && *left >= policy.low);
    Ok(ctx.store.caps_of(tranche.index).await?.iter().all(|cap| !workers.contains(&cap.prover) || has(&cap.prover)))
}

/// Closes what is old, and takes back what is left of it when its time has come.
async fn close(ctx: &Context, pay: &Pay, role: KeyRole) -> OpResult<()> {
    let (operator, now) = (ctx.config.operator, ctx.clock.now());
    let time = ctx.chain.head().await?.timestamp;
    for tranche in ctx.store.tranches().await? {
        let index = U256::from(tranche.index);
        let is_old = tranche.status == TrancheStatus::Open && is_old(pay, &tranche, now);
        let is_due = is_old && (is_old_since(pay, &tranche, now, LINGER) || has_successor(ctx, pay, &tranche).await?);
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
    let (mut workload, mut pays) = (ctx.store.workload().await?, HashMap::new());
    learn(ctx, &workload, &mut pays).await?;
    let worth = Worth::all(ctx, &workload, &pays);
    bar_dear(&mut workload, &worth);
    let enclaves = programs::enclaves(ctx, &workload).await?;
    let funds = Funds::of(ctx, &workload, &pays, &enclaves).await?;
    let urgent = Urgent { owed: funds.owed(ctx, policy.token).await?, missing: funds.missing(policy.token) };
    let mut caps = wanted(ctx, pay, policy, &urgent).await?;
    let all = ctx.store.tranches().await?;
    let last = all.iter().filter(|tranche| tranche.token == policy.token).map(|tranche| tranche.planned_at).max();
    let is_early = last.is_some_and(|last| ctx.clock.now() < last + pay.every * 1_000);
    if caps.is_empty() || (is_early && !caps.iter().any(|cap| urgent.needs(cap.prover) > 0)) {
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

/// What has no time to wait for the next tranche.
struct Urgent {
    /// For what provers have in hand.
    owed: BTreeMap<Address, u128>,
    /// For jobs that wait and could be given to nobody.
    missing: BTreeMap<Address, u128>,
}

impl Urgent {
    /// What a prover would have to have in one tranche.
    fn needs(&self, who: Address) -> u128 {
        let of = |amounts: &BTreeMap<Address, u128>| amounts.get(&who).copied().unwrap_or_default();
        of(&self.owed).max(of(&self.missing))
    }
}

/// What each prover can still earn of a token in one tranche that stays.
async fn left(ctx: &Context, pay: &Pay, token: Address) -> OpResult<BTreeMap<Address, u128>> {
    let (signer, now) = (ctx.voucher_signer()?, ctx.clock.now());
    let mut left: BTreeMap<Address, u128> = BTreeMap::new();
    for mark in ctx.store.open_earmarks().await? {
        let tranche = &mark.tranche;
        if tranche.token == token && tranche.signer == signer && !is_old(pay, tranche, now) {
            let best = left.entry(mark.cap.prover).or_default();
            *best = mark.left().max(*best);
        }
    }
    Ok(left)
}

/// Who is there, may work, and does not work for nothing, in the order of joining.
async fn workers(ctx: &Context) -> OpResult<Vec<Address>> {
    let since = presence(ctx, ctx.clock.now());
    let mut joined = ctx.store.provers().await?;
    joined.retain(|prover| {
        !prover.description.unpaid && !bonds::bars(ctx, prover) && ctx.status.is_present(&prover.id, since)
    });
    joined.sort_by_key(|prover| prover.joined_at);
    let mut seen = BTreeSet::new();
    Ok(joined.into_iter().map(|prover| prover.id.address).filter(|who| seen.insert(*who)).collect())
}

/// Who has too little left: who is owed something first, then who could be given a job that waits for money, then who has
/// earned something before, then newcomers, as far as their bound goes, whoever joined first before others. For a job that
/// waits one newcomer at a time goes beyond the bound.
async fn wanted(ctx: &Context, pay: &Pay, policy: &TranchePolicy, urgent: &Urgent) -> OpResult<Vec<Cap>> {
    let left = left(ctx, pay, policy.token).await?;
    let (bound, unearned) = (policy.for_newcomers(), ctx.store.unearned(policy.token).await?);
    let (mut room, mut beyond) = (bound.saturating_sub(unearned), unearned > bound);
    let (mut owed, mut waited_for, mut known, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let workers = workers(ctx).await?;
    let away = urgent.owed.keys().filter(|who| !workers.contains(who));
    for prover in workers.iter().chain(away).copied() {
        let needs = urgent.needs(prover);
        if left.get(&prover).is_some_and(|left| *left >= policy.low.max(needs)) {
            continue;
        }
        let has_earned = ctx.store.earmarks_of(prover).await?.iter().any(|mark| mark.voucher.count > 0);
        let amount = if has_earned { policy.cap } else { policy.first_cap }.max(needs);
        let cap = Cap { prover, amount };
        let is_waited_for = urgent.missing.contains_key(&prover);
        if urgent.owed.contains_key(&prover) {
            owed.push(cap);
        } else if has_earned {
            if is_waited_for { &mut waited_for } else { &mut known }.push(cap);
        } else if amount <= room {
            room -= amount;
            if is_waited_for { &mut waited_for } else { &mut new }.push(cap);
        } else if is_waited_for && !beyond {
            (beyond, room) = (true, 0);
            waited_for.push(cap);
        }
    }
    owed.extend(waited_for);
    owed.extend(known);
    owed.extend(new);
    owed.truncate(usize::try_from(pay.max_provers).unwrap_or(usize::MAX));
    Ok(owed)
}

/// Deposits what is missing, as far as the wallet has it. Whether something is on its way.
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
    let amount = ledger.payable(token, wallet).await?.min(missing);
    if amount.is_zero() {
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
    let call = IRevenueLedger::depositCall { token, operator: ctx.config.operator, amount };
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
