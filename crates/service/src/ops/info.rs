//! What anyone may know of this operator.

use crate::{Context, OpError, OpResult, metrics};
use std::collections::BTreeSet;
use zkpool_api::{ApiError, BondInfo, Info, Limits, PayInfo, TokenInfo, VerifierInfo};
use zkpool_protocol::{ErrorCode, ProofKind};

/// An endpoint that has not answered for so long is out of reach, in milliseconds.
const CHAIN_SILENCE: u64 = 60_000;

/// The operator in one page.
pub async fn info(ctx: &Context) -> OpResult<Info> {
    let config = &ctx.config;
    let paused = paused(ctx).await?;
    let slot_tokens: BTreeSet<_> = config.slots.iter().map(|slots| slots.token).collect();
    Ok(Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        chain_id: config.chain_id,
        pool: config.pool,
        operator: config.operator,
        kinds: kinds(ctx),
        verifiers: config
            .verifiers
            .iter()
            .map(|allowed| VerifierInfo { address: allowed.address, kind: allowed.kind })
            .collect(),
        trusted_targets: config.trusted_targets.clone(),
        tokens: config
            .tokens
            .iter()
            .map(|token| TokenInfo {
                address: token.address,
                reward: token.reward,
                liability: slot_tokens.contains(&token.address),
                per_ether: token.per_ether,
            })
            .collect(),
        limits: Limits {
            json_bytes: config.limits.json,
            blob_bytes: config.limits.blob,
            stored_bytes_per_address: config.limits.stored_per_address,
            requests_per_second: config.limits.requests_per_second,
            live_quotes_per_requester: config.quotes.live_per_payer,
            max_validity: config.quotes.validity,
        },
        pay: config.pay.as_ref().map(|pay| PayInfo {
            ledger: pay.ledger,
            share: pay.share_bps,
            bond: pay.bond.map(|bond| BondInfo { token: bond.token, amount: bond.amount }),
        }),
        head: ctx.store.meta().await?.head.0,
        quoting: paused.is_none(),
        not_quoting: paused.map(|error| ApiError::new(error.code, error.message)),
    })
}

/// What it takes jobs for, whether or not provers are there: a prover must be able to find out before it joins.
fn kinds(ctx: &Context) -> Vec<ProofKind> {
    let any_target = !ctx.config.trusted_targets.is_empty();
    let offered = |kind: &ProofKind| any_target || ctx.config.verifiers.iter().any(|allowed| allowed.kind == *kind);
    ProofKind::ALL.into_iter().filter(offered).collect()
}

/// Why no firm quotes are signed now, if so: `Starting`, `RpcUnreachable`, `CircuitOpen`.
pub(crate) async fn paused(ctx: &Context) -> OpResult<Option<OpError>> {
    let because = |code, message: String| Ok(Some(OpError::new(code, message)));
    if !ctx.status.is_caught_up() {
        return because(ErrorCode::Starting, "the service is reading the chain: try again in a few seconds".into());
    }
    let now = ctx.clock.now();
    if let Some((_, seen)) = ctx.status.head()
        && seen + CHAIN_SILENCE < now
    {
        let seconds = (now - seen) / 1_000;
        return because(ErrorCode::RpcUnreachable, format!("the chain has not answered for {seconds} s"));
    }
    let misses = misses(ctx).await?;
    if misses >= ctx.config.quotes.breaker_misses {
        let message = format!(
            "the operator has stopped quoting after {misses} tasks that were not delivered on time; it goes on when they \
             are {} s past, or when it is told to",
            ctx.config.quotes.breaker_window
        );
        return because(ErrorCode::CircuitOpen, message);
    }
    Ok(None)
}

/// Own tasks that lately were not delivered on time.
async fn misses(ctx: &Context) -> OpResult<u32> {
    let window = ctx.config.quotes.breaker_window.saturating_mul(1_000);
    let misses = ctx.store.misses_since(ctx.clock.now().saturating_sub(window)).await?;
    metrics::circuit(misses >= ctx.config.quotes.breaker_misses);
    Ok(misses)
}

/// Whether the service can work: the database answers, the chain answered lately, the reconcilers run.
/// Fails with what is wrong.
pub async fn health(ctx: &Context) -> OpResult<()> {
    ctx.store.meta().await?;
    if let Some((reconciler, trouble)) = ctx.status.troubles().into_iter().next() {
        return Err(OpError::new(ErrorCode::Internal, format!("{reconciler}: {trouble}")));
    }
    match paused(ctx).await? {
        Some(error) if error.code != ErrorCode::CircuitOpen => Err(error),
        _ => Ok(()),
    }
}

/// Closes the circuit breaker by hand: quotes are signed again.
pub async fn reset_breaker(ctx: &Context) -> OpResult<()> {
    ctx.store.reset_breaker(ctx.clock.now()).await?;
    misses(ctx).await?;
    Ok(())
}
