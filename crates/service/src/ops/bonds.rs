//! Whom work is given to: who has put up what `[service.pay]` asks for, and was not put out.
//!
//! Both are about addresses, as bonds are: names of devices cost nothing. Of a prover that is out the ledger is asked what
//! it has put up, and from then on it takes so much more as everybody has to have. What counts is what stands in the ledger,
//! not what was sent there: a bond that was there before, was taken out and put in again, or is a single unit with an event
//! of its own, lets nobody in.

use crate::{Context, KeyRole, OpError, OpResult, config::pay::BondPolicy, ledger::ProverBond};
use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use zkpool_protocol::{Address, ErrorCode};
use zkpool_store::{Millis, Outing, ProverId, ProverRecord, Standing};

/// A bond that was looked at so long ago is looked at again. One that is announced stays for two weeks.
const FRESH: Millis = 60_000;
/// The most that are looked at in one run, those first that were looked at longest ago.
const AT_ONCE: usize = 500;
/// How many are asked for side by side.
const SIDE_BY_SIDE: usize = 16;

fn policy(ctx: &Context) -> Option<BondPolicy> {
    ctx.config.pay.as_ref()?.bond
}

/// Whether a prover is not to be given work: its address is out, or has not its bond, as far as was seen.
pub(crate) fn bars(ctx: &Context, prover: &ProverRecord) -> bool {
    prover.out || (policy(ctx).is_some() && !ctx.status.is_bonded(prover.id.address))
}

/// What stands against giving a prover work, as was seen lately. Fails with `Excluded`, `Unbonded`, and if the ledger has to
/// be asked and cannot, as a read of the chain does.
pub(crate) async fn may_work(ctx: &Context, prover: &ProverRecord) -> OpResult<()> {
    match (prover.out, policy(ctx), ctx.status.bond(prover.id.address)) {
        (false, None, _) | (false, Some(_), Some((None, _))) => Ok(()),
        // What was found is said again; joining looks again.
        (_, Some(_), Some((Some(against), _))) => Err(OpError::new(ErrorCode::Unbonded, against)),
        _ => admit(ctx, prover.id.address).await,
    }
}

/// A prover has missed: if it is out now, it is found out what lets it in again.
pub(crate) fn missed(ctx: &Context, prover: &ProverId, standing: &Standing) {
    if standing.out {
        tracing::warn!(%prover, misses = standing.misses, "a prover is put out");
        ctx.status.keep_bonds(|known| known != prover.address);
        ctx.nudges.pay.wake();
    }
}

/// Looks at an address now, and lets it in again if it has bonded anew. Fails as [`may_work`].
pub(crate) async fn admit(ctx: &Context, who: Address) -> OpResult<()> {
    let mut outing = ctx.store.outing(who).await?;
    let Some(policy) = policy(ctx) else {
        if outing.out {
            let signer = ctx.chain.address_of(KeyRole::Signer).unwrap_or(ctx.config.operator);
            let message = format!(
                "put out after misses in a row: only the operator lets {who} in again (`zkpool operator readmit {who}`, \
                 with the key of {} or {signer})",
                ctx.config.operator
            );
            return Err(OpError::new(ErrorCode::Excluded, message));
        }
        return Ok(());
    };
    let found = ctx.ledger()?.bond(who, policy.token).await?;
    if outing.out && outing.to_return.is_none() {
        let had = found.bond.amount.max(outing.amount.unwrap_or_default()).max(policy.amount);
        ctx.store.ask_bond(who, had.saturating_add(policy.amount)).await?;
        outing = ctx.store.outing(who).await?;
    }
    let against = against(ctx, &policy, &outing, &found);
    ctx.status.saw_bond(who, against.clone(), ctx.clock.now());
    if let Some(message) = against {
        return Err(OpError::new(ErrorCode::Unbonded, message));
    }
    if outing.out && ctx.store.let_in(who, false).await? {
        tracing::info!(prover = %who, bond = found.bond.amount, "a prover has bonded anew: it is in again");
        ctx.nudges.dispatch.wake();
    }
    Ok(())
}

/// In words, with what to do.
fn against(ctx: &Context, policy: &BondPolicy, outing: &Outing, found: &ProverBond) -> Option<String> {
    let BondPolicy { token, amount } = policy;
    let ledger = ctx.config.pay.as_ref().map(|pay| pay.ledger).unwrap_or_default();
    let (prover, bond) = (outing.prover, &found.bond);
    if found.slashed {
        return Some(format!(
            "{prover} was slashed in the revenue ledger {ledger}: it has signed two results for one job"
        ));
    }
    let needed = outing.to_return.or(outing.amount).unwrap_or(0).max(*amount);
    let missing = needed.saturating_sub(bond.amount);
    let (out, has) = (if outing.out { "put out after misses in a row: " } else { "" }, bond.amount);
    if missing > 0 {
        return Some(format!(
            "{out}bond at least {needed} of token {token} in the revenue ledger {ledger}; {prover} has {has}: \
             `zkpool prover bond {missing} --token {token}`"
        ));
    }
    bond.leaves_at.map(|at| {
        format!(
            "the bond of {prover} in the revenue ledger {ledger} is announced for withdrawal at {at}: bonding anything more \
             takes that back (`zkpool prover bond 1 --token {token}`)"
        )
    })
}

/// Looks again at those who have joined, and at those who are out. A read that fails ends it: what was seen counts on.
pub(crate) async fn look_after(ctx: &Context) -> OpResult<()> {
    if policy(ctx).is_none() {
        return Ok(());
    }
    let now = ctx.clock.now();
    let joined = ctx.store.provers().await?;
    let mut all: BTreeSet<Address> = joined.iter().map(|prover| prover.id.address).collect();
    all.extend(ctx.store.outings().await?.iter().filter(|outing| outing.out).map(|outing| outing.prover));
    ctx.status.keep_bonds(|known| all.contains(&known));
    let seen_at = |who: &Address| ctx.status.bond(*who).map_or(0, |(_, at)| at);
    let mut due: Vec<Address> = all.iter().copied().filter(|who| seen_at(who) + FRESH <= now).collect();
    due.sort_by_key(seen_at);
    due.truncate(AT_ONCE);
    let look = |who: Address| async move { (who, ctx.status.is_bonded(who), admit(ctx, who).await) };
    let mut looks = stream::iter(due).map(look).buffer_unordered(SIDE_BY_SIDE);
    while let Some((prover, was_bonded, look)) = looks.next().await {
        if look.is_ok() && !was_bonded {
            ctx.nudges.dispatch.wake();
        }
        match look {
            Ok(()) => {}
            Err(error) if error.code == ErrorCode::Unbonded => tracing::debug!(%prover, "no work: {error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
